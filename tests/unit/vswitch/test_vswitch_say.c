/* SPDX-License-Identifier: Apache-2.0 */
/* vswitch/say.h: lines for a person, and nobody who reads them. */
#include "say.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

/* A process that says a line and prints three, to `to`. Its status; SIGALRM: it stood still. */
static int speak(int to, int times)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(to, STDERR_FILENO);
		alarm(30);
		for (int i = 0; i < times; i++) {
			say("line %d", i);
			say_lines(STDERR_FILENO, "a\nb\nc\n");
		}
		_exit(0);
	}
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

/* Until no byte fits any more. */
static void fill(int fd)
{
	static const char page[4096];
	int flags = fcntl(fd, F_GETFL);

	REQUIRE(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
	while (write(fd, page, sizeof(page)) > 0)
		;
	while (write(fd, page, 1) > 0)
		;
	REQUIRE(fcntl(fd, F_SETFL, flags) == 0);
}

static size_t empty(int fd, char *text, size_t room)
{
	size_t len = 0;
	ssize_t n;

	REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	while (len < room - 1 && (n = read(fd, text + len, room - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len;
}

static void who_reads_gets_whole_lines(void)
{
	char text[1024];
	int ends[2];

	REQUIRE(pipe(ends) == 0);
	CHECK_EQ(speak(ends[1], 1), 0);
	(void)empty(ends[0], text, sizeof(text));
	CHECK(!strcmp(text, "holdfast-vswitch: line 0\na\nb\nc\n"));
	close(ends[0]);
	close(ends[1]);
}

static void what_nobody_reads_stops_nobody(void)
{
	static char text[2u << 20];
	int ends[2];

	for (int kind = 0; kind < 2; kind++) {
		REQUIRE((kind ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends)) == 0);
		fill(ends[1]);
		CHECK_EQ(speak(ends[1], 100), 0);
		(void)empty(ends[0], text, sizeof(text));
		CHECK_EQ(speak(ends[1], 1), 0);
		(void)empty(ends[0], text, sizeof(text));
		CHECK(!strcmp(text, "holdfast-vswitch: line 0\na\nb\nc\n"));
		close(ends[0]);
		close(ends[1]);
	}
}

static void lines_that_are_missing_are_told_of(void)
{
	static char text[2u << 20];
	int ends[2], kept = dup(STDERR_FILENO);

	REQUIRE(kept >= 0 && pipe(ends) == 0);
	fill(ends[1]);
	dup2(ends[1], STDERR_FILENO);
	for (int i = 0; i < 5; i++)
		say("line %d", i);
	(void)empty(ends[0], text, sizeof(text));
	say("line %d", 5);
	dup2(kept, STDERR_FILENO);
	(void)empty(ends[0], text, sizeof(text));
	CHECK(!strcmp(text, "holdfast-vswitch: 5 lines are missing here, nobody read\n"
			    "holdfast-vswitch: line 5\n"));
	close(kept);
	close(ends[0]);
	close(ends[1]);
}

static const struct sentence sentences[] = {
	SENTENCE(who_reads_gets_whole_lines),
	SENTENCE(what_nobody_reads_stops_nobody),
	SENTENCE(lines_that_are_missing_are_told_of),
};
SUITE("what the switch says", sentences)
