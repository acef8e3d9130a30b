/* SPDX-License-Identifier: Apache-2.0 */
/* vswitch/say.h: lines for a person, and nobody who reads them. */
#include "say.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "pipes.h"
#include "suite.h"

static int width = 1; /* of the number in a line */

/* A process that says lines to `to`. Its status; SIGALRM: it stood still. */
static int speak(int to, int times, bool never_wait)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(to, STDERR_FILENO);
		dup2(to, STDOUT_FILENO);
		if (never_wait)
			say_never_wait();
		alarm(30);
		for (int i = 0; i < times; i++)
			say("line %0*d", width, i);
		_exit(0);
	}
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static void who_reads_gets_whole_lines(void)
{
	char text[1024];
	int ends[2];

	REQUIRE(pipe(ends) == 0);
	CHECK_EQ(speak(ends[1], 2, false), 0);
	(void)pipe_empty(ends[0], text, sizeof(text));
	CHECK(!strcmp(text, "holdfast-vswitch: line 0\nholdfast-vswitch: line 1\n"));
	close(ends[0]);
	close(ends[1]);
}

enum kind { PIPE, SOCKET, TERMINAL };

/* A terminal gives what it has not at once: until `end` has come. */
static void read_until(int fd, const char *end, char *text, size_t room)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	ssize_t n;

	for (text[0] = '\0'; !strstr(text, end); text[len] = '\0') {
		REQUIRE(len < room - 1 && poll(&ready, 1, 30000) == 1);
		n = read(fd, text + len, room - 1 - len);
		REQUIRE(n > 0);
		/* What it was filled with. */
		for (ssize_t i = 0; i < n; i++)
			if (!text[len + (size_t)i])
				text[len + (size_t)i] = '.';
		len += (size_t)n;
	}
}

/* A chroot may have none. */
static bool has_terminals(void)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY);

	return fd >= 0 && close(fd) == 0;
}

static void open_terminal(int ends[2])
{
	struct termios raw;

	ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
	REQUIRE(ends[0] >= 0 && grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0);
	ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
	REQUIRE(ends[1] >= 0 && tcgetattr(ends[1], &raw) == 0);
	cfmakeraw(&raw);
	REQUIRE(tcsetattr(ends[1], TCSANOW, &raw) == 0);
}

static void open_ends(enum kind kind, int ends[2])
{
	if (kind == TERMINAL)
		open_terminal(ends);
	else
		REQUIRE((kind == SOCKET ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends)) ==
			0);
	pipe_fill(ends[1]);
}

/* It is there again, and empty. */
static void drain(int ends[2])
{
	static char text[2u << 20];
	struct pollfd room = {.fd = ends[1], .events = POLLOUT};

	do
		(void)!read(ends[0], text, 4096);
	while (poll(&room, 1, 0) == 0);
	REQUIRE(write(ends[1], "!", 1) == 1);
	read_until(ends[0], "!", text, sizeof(text));
}

static void check_unread(enum kind kind, bool never_wait)
{
	static char text[2u << 20];
	int ends[2];

	open_ends(kind, ends);
	CHECK_EQ(speak(ends[1], 100, never_wait), 0);
	/* The others' open file is as it was. */
	CHECK_EQ(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
	drain(ends);
	CHECK_EQ(speak(ends[1], 1, never_wait), 0);
	read_until(ends[0], "\n", text, sizeof(text));
	CHECK(!strcmp(text, "holdfast-vswitch: line 0\n"));
	close(ends[0]);
	close(ends[1]);
}

static void what_nobody_reads_stops_nobody(void)
{
	check_unread(PIPE, false);
	check_unread(SOCKET, false);
	check_unread(PIPE, true);
	check_unread(SOCKET, true);
	if (has_terminals())
		check_unread(TERMINAL, true);
}

/* As a terminal mostly is: output is made ready for it as far as there is room. */
static void make_cooked(int fd)
{
	struct termios cooked;

	REQUIRE(tcgetattr(fd, &cooked) == 0);
	cooked.c_oflag |= OPOST | ONLCR;
	REQUIRE(tcsetattr(fd, TCSANOW, &cooked) == 0);
}

/* Without a file of its own it would wait for room for the other half. */
static void a_terminal_with_room_for_half_a_line_stops_nobody(void)
{
	int ends[2];

	if (!has_terminals())
		return;
	open_ends(TERMINAL, ends);
	drain(ends);
	make_cooked(ends[1]);
	width = 400;
	CHECK_EQ(speak(ends[1], 10000, true), 0);
	width = 1;
	drain(ends);
	close(ends[0]);
	close(ends[1]);
}

/* By a file that may not grow any more. */
static void a_line_of_which_half_went_is_missing_and_the_next_one_is_whole(void)
{
	void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
	struct rlimit most, less;
	char text[256] = "";
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);

	REQUIRE(file != NULL && kept >= 0 && getrlimit(RLIMIT_FSIZE, &most) == 0);
	less = most;
	less.rlim_cur = 10;
	dup2(fileno(file), STDERR_FILENO);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &less) == 0);
	say("line 0");
	REQUIRE(setrlimit(RLIMIT_FSIZE, &most) == 0);
	say("line 1");
	dup2(kept, STDERR_FILENO);
	CHECK(pread(fileno(file), text, sizeof(text) - 1, 0) > 0);
	CHECK(!strcmp(text, "holdfast-v\nholdfast-vswitch: 1 lines are missing here, nobody read\n"
			    "holdfast-vswitch: line 1\n"));
	close(kept);
	(void)fclose(file);
	(void)signal(SIGXFSZ, before);
}

static void lines_that_are_missing_are_told_of(void)
{
	static char text[2u << 20];
	int ends[2], kept = dup(STDERR_FILENO);

	REQUIRE(kept >= 0 && pipe(ends) == 0);
	pipe_fill(ends[1]);
	dup2(ends[1], STDERR_FILENO);
	for (int i = 0; i < 5; i++)
		say("line %d", i);
	(void)pipe_empty(ends[0], text, sizeof(text));
	say("line %d", 5);
	dup2(kept, STDERR_FILENO);
	(void)pipe_empty(ends[0], text, sizeof(text));
	CHECK(!strcmp(text, "holdfast-vswitch: 5 lines are missing here, nobody read\n"
			    "holdfast-vswitch: line 5\n"));
	close(kept);
	close(ends[0]);
	close(ends[1]);
}

static const struct sentence sentences[] = {
	SENTENCE(who_reads_gets_whole_lines),
	SENTENCE(what_nobody_reads_stops_nobody),
	SENTENCE(a_terminal_with_room_for_half_a_line_stops_nobody),
	SENTENCE(a_line_of_which_half_went_is_missing_and_the_next_one_is_whole),
	SENTENCE(lines_that_are_missing_are_told_of),
};
SUITE("what the switch says", sentences)
