/* SPDX-License-Identifier: Apache-2.0 */
/* base/log.h: lines on standard error, and nobody who reads them; how many a peer can cause. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "pipes.h"
#include "suite.h"

#define LINES 100

static struct timespec stands; /* the time; all zero: it is the real one */

/* In the place of libc's. */
int clock_gettime(clockid_t id, struct timespec *ret_time)
{
	if (!stands.tv_sec)
		return (int)syscall(SYS_clock_gettime, id, ret_time);
	*ret_time = stands;
	return 0;
}

/* A process that writes lines to `to`, and ends. Its status; SIGALRM: it stood still. */
static int write_lines(int to, int lines, bool never_wait)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(to, STDERR_FILENO);
		if (never_wait)
			hf_log_never_wait();
		alarm(30);
		for (int i = 0; i < lines; i++)
			hf_log(HF_LOG_ERROR, "test", "line %d", i);
		_exit(0);
	}
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static void who_reads_gets_whole_lines(void)
{
	char text[8192];
	int ends[2];

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	CHECK_EQ(write_lines(ends[1], 2, false), 0);
	(void)pipe_empty(ends[0], text, sizeof(text));
	CHECK(strcmp(text, "<3>test: line 0\n<3>test: line 1\n") == 0);
	hf_fd_close_all(ends, 2);
}

static void a_pipe_that_is_full_stops_nobody(void)
{
	int ends[2];

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	pipe_fill(ends[1]);
	CHECK_EQ(write_lines(ends[1], LINES, false), 0);
	CHECK_EQ(write_lines(ends[1], LINES, true), 0);
	/* The others' open file is as it was. */
	CHECK_EQ(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
	hf_fd_close_all(ends, 2);
}

static void nor_does_a_socket(void)
{
	int ends[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	pipe_fill(ends[1]);
	CHECK_EQ(write_lines(ends[1], LINES, false), 0);
	hf_fd_close_all(ends, 2);
}

static void nor_a_reader_that_is_gone(void)
{
	int ends[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	hf_fd_close(&ends[0]);
	CHECK_EQ(write_lines(ends[1], LINES, false), 0);
	hf_fd_close(&ends[1]);
}

static void what_was_lost_is_said_to_who_reads_again(void)
{
	static char text[1 << 18];
	int ends[2], status = -1, go[2], did[2];
	pid_t pid;
	char byte;

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0 &&
		pipe2(did, O_CLOEXEC) == 0);
	pipe_fill(ends[1]);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		alarm(30);
		for (int i = 0; i < 7; i++)
			hf_log(HF_LOG_ERROR, "test", "lost");
		(void)!write(did[1], "x", 1);
		(void)!read(go[0], &byte, 1);
		hf_log(HF_LOG_ERROR, "test", "there again");
		_exit(0);
	}
	REQUIRE(pid > 0);
	REQUIRE(read(did[0], &byte, 1) == 1);
	(void)pipe_empty(ends[0], text, sizeof(text));
	CHECK(strstr(text, "lost") == NULL);
	REQUIRE(write(go[1], "x", 1) == 1);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
	(void)pipe_empty(ends[0], text, sizeof(text));
	CHECK(strcmp(text,
		     "<4>log: 7 lines are missing here, nobody read\n<3>test: there again\n") == 0);
	hf_fd_close_all(ends, 2);
	hf_fd_close_all(go, 2);
	hf_fd_close_all(did, 2);
}

static char said[128];

static void keep_last(void *context, int priority, const char *tag, const char *line)
{
	(void)context;
	(void)priority;
	(void)tag;
	snprintf(said, sizeof(said), "%s", line);
}

/* How many of so many that are asked for now may be written. */
static unsigned int allowed(struct hf_log_limit *limit, unsigned int asked)
{
	unsigned int lines = 0;

	while (asked--)
		if (hf_log_allowed(limit)) {
			hf_log(HF_LOG_ERROR, "test", "line");
			lines++;
		}
	return lines;
}

static void a_peer_causes_ten_lines_at_once_and_then_one_a_second(void)
{
	struct hf_log_limit limit = {0}, other = {0};

	stands.tv_sec = 1000;
	hf_log_set_sink(keep_last, NULL);
	CHECK_EQ(allowed(&limit, 1000), 10);
	CHECK(strcmp(said, "line") == 0);
	CHECK_EQ(allowed(&other, 1), 1);
	for (unsigned int i = 0; i < 5; i++) {
		stands.tv_sec++;
		CHECK_EQ(allowed(&limit, 100), 1);
		CHECK(strcmp(said, i ? "line (99 more like it held back)"
				     : "line (990 more like it held back)") == 0);
	}
	/* Nine a second are no less of a flood. */
	for (unsigned int i = 0; i < 5; i++) {
		stands.tv_sec++;
		CHECK_EQ(allowed(&limit, 9), 1);
	}
	stands.tv_sec += 100; /* of silence */
	CHECK_EQ(allowed(&limit, 1000), 10);
	hf_log_set_sink(NULL, NULL);
	stands.tv_sec = 0;
}

static const struct sentence sentences[] = {
	SENTENCE(a_peer_causes_ten_lines_at_once_and_then_one_a_second),
	SENTENCE(who_reads_gets_whole_lines),
	SENTENCE(a_pipe_that_is_full_stops_nobody),
	SENTENCE(nor_does_a_socket),
	SENTENCE(nor_a_reader_that_is_gone),
	SENTENCE(what_was_lost_is_said_to_who_reads_again),
};

SUITE("log", sentences)
