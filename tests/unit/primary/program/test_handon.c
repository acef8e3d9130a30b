/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primary/program/handon.h and program.h: what a program finds that a process became. A shell
 * looks; when it is this very image that is executed, `look` does, before main.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd_ledger.h"
#include "handon.h"
#include "program.h"
#include "suite.h"

#define OWN "HANDON_TEST"

__attribute__((constructor)) static void look(void)
{
	const struct program_before *before;
	const char *image = getenv("HOLDFAST_IMAGE");
	int fd = image ? atoi(image) : -1;

	if (!getenv(OWN))
		return;
	program_begin();
	before = program_before();
	if (fcntl(fd, F_GETFD) >= 0)
		printf("%d is open ", fd);
	printf("%s %s %d %llu %s\n", getenv("LISTEN_FDS"), program_path(), before->error,
	       (unsigned long long)before->left_ns, before->version);
	fflush(stdout);
	_exit(getenv("HOLDFAST_PROGRAM") || getenv("HOLDFAST_UPGRADE") ||
	      getenv("HOLDFAST_EXEC_ERROR"));
}

/* A file with this text, at or above `least`. */
static int file_with(const char *text, int least)
{
	int fd = memfd_create("test", MFD_CLOEXEC), high;

	REQUIRE(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	high = fcntl(fd, F_DUPFD_CLOEXEC, least);
	close(fd);
	return high;
}

static char said[4096];

/* What `become` prints in a process of its own that does not come back; its status. */
static int say(void (*become)(void))
{
	size_t len = 0;
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	fflush(stdout);
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		become();
		_exit(126);
	}
	close(ends[1]);
	while ((n = read(ends[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(ends[0]);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void shell(struct handon *handon, const char *script)
{
	char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
			(char *)(uintptr_t)script, NULL};

	(void)handon_exec(handon, "/bin/sh", -1, argv);
}

static void become_three(void)
{
	struct handon *handon = handon_create();

	handon_add(handon, "first", file_with("one ", 30));
	handon_add(handon, "second", file_with("two ", 20));
	handon_add(handon, "third", file_with("three", 25));
	shell(handon, "test $LISTEN_PID = $$ && echo $LISTEN_FDS $LISTEN_FDNAMES && "
		      "cat /proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/5");
}

static void they_stand_at_3_and_behind_in_order(void)
{
	CHECK_EQ(say(become_three), 0);
	CHECK(strcmp(said, "3 first:second:third\none two three") == 0);
}

/* 3 is to stand at 5, 5 at 4, 4 at 3. */
static void become_crossed(void)
{
	static const char *const texts[] = {"a", "b", "c"};
	struct handon *handon = handon_create();

	for (int i = 0; i < 3; i++)
		dup3(file_with(texts[i], 40), 3 + i, O_CLOEXEC);
	handon_add(handon, "x", 4);
	handon_add(handon, "y", 5);
	handon_add(handon, "z", 3);
	shell(handon, "cat /proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/5");
}

static void also_when_they_stand_in_each_other_s_place(void)
{
	CHECK_EQ(say(become_crossed), 0);
	CHECK(strcmp(said, "bca") == 0);
}

static void become_many(void)
{
	char *argv[] = {(char *)(uintptr_t) "ls", (char *)(uintptr_t) "/proc/self/fd", NULL};
	struct handon *handon = handon_create();

	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC); /* what our own parent left open */
	(void)file_with("not for anybody", 500);
	for (int i = 0; i < 200; i++)
		handon_add(handon, "k1", file_with("x", 3));
	(void)handon_exec(handon, "/bin/ls", -1, argv);
}

static void nothing_else_goes_along(void)
{
	size_t lines = 0;

	CHECK_EQ(say(become_many), 0);
	for (const char *c = said; *c; c++)
		lines += *c == '\n';
	CHECK_EQ(lines, 3 + 200 + 1); /* its own look */
}

static void become_without(void)
{
	setenv("LISTEN_FDS", "7", 1);
	setenv("LISTEN_FDNAMES", "x", 1);
	setenv("LISTEN_PID", "1", 1);
	shell(handon_create(), "echo ${LISTEN_FDS-none}${LISTEN_FDNAMES-none}${LISTEN_PID-none}");
}

static void none_are_none(void)
{
	CHECK_EQ(say(become_without), 0);
	CHECK(strcmp(said, "nonenonenone\n") == 0);
}

static void more_names_than_the_environment_holds_are_refused(void)
{
	struct handon *handon = handon_create();
	uint32_t n = 0;
	int error = 0;

	while (!error && n < 200000) {
		error = handon_add(handon, "k1234", 0);
		n += !error;
	}
	CHECK_EQ(error, -E2BIG);
	printf("\n    %u names of five letters\n    ", n);
	CHECK(n > 20000);
	handon_destroy(handon);
}

static void become_as_many_as_there_may_be(void)
{
	struct handon *handon = handon_create();
	struct rlimit limit;
	int fd = file_with("x", 3);

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 50000) {
		printf("21842\n");
		fflush(stdout);
		_exit(0);
	}
	while (handon_add(handon, "k1234", fd) == 0)
		;
	shell(handon, "echo $LISTEN_FDS");
}

static void all_that_are_not_refused_arrive(void)
{
	CHECK_EQ(say(become_as_many_as_there_may_be), 0);
	CHECK(atoi(said) > 20000);
}

static void without_room_for_them_nothing_has_changed(void)
{
	struct handon *handon = handon_create();
	struct rlimit old, tight;
	char *argv[] = {(char *)(uintptr_t) "sh", NULL};
	int fd = file_with("x", 3), before;

	for (int i = 0; i < 50; i++)
		CHECK_EQ(handon_add(handon, "k1", fd), 0);
	before = fds_open();
	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	tight = old;
	tight.rlim_cur = 40;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
	CHECK(handon_exec(handon, "/bin/sh", -1, argv) < 0);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	CHECK_EQ(fds_open(), before);
	close(fd);
	handon_destroy(handon);
}

static void become_what_is_not_there(void)
{
	struct handon *handon = handon_create();
	char *argv[] = {(char *)(uintptr_t) "anything", NULL};

	setenv(OWN, "1", 1);
	setenv("HOLDFAST_PROGRAM", "/usr/sbin/holdfastd", 1);
	program_begin();
	handon_add(handon, "k1", file_with("x", 3));
	(void)program_tell_upgrade(1234567);
	(void)handon_exec(handon, "/nonexistent/program", -1, argv);
}

static void what_cannot_be_executed_leaves_the_image_that_runs(void)
{
	char wanted[128];

	CHECK_EQ(say(become_what_is_not_there), 0);
	snprintf(wanted, sizeof(wanted), "1 /usr/sbin/holdfastd %d 1234567 ", -ENOENT);
	CHECK(strncmp(said, wanted, strlen(wanted)) == 0);
	CHECK(strlen(said) > strlen(wanted) + 1); /* and its version */
}

/* A program that says `word`, at `path`; open for being executed. */
static int put_program(const char *path, const char *word)
{
	FILE *file = fopen(path, "we");

	REQUIRE(file != NULL);
	fprintf(file, "#!/bin/sh\necho %s $HOLDFAST_PROGRAM \"$@\"\n", word);
	REQUIRE(fclose(file) == 0 && chmod(path, 0755) == 0);
	return open(path, O_PATH | O_CLOEXEC);
}

static char program_at[64];

static void become_what_was_opened(void)
{
	static char name[] = "x", argument[] = "--argument";
	char *argv[] = {name, argument, NULL};
	struct handon *handon = handon_create();
	int image = put_program(program_at, "opened"), later;

	/* Where it stands another file's number would be. */
	handon_add(handon, "a", image);
	unlink(program_at);
	later = put_program(program_at, "put-there");
	handon_add(handon, "b", later);
	(void)handon_exec(handon, program_at, image, argv);
}

static void what_was_opened_is_executed_whatever_stands_at_the_path(void)
{
	char expected[160];

	snprintf(program_at, sizeof(program_at), "/tmp/hf-handon-%d", getpid());
	CHECK_EQ(say(become_what_was_opened), 0);
	snprintf(expected, sizeof(expected), "opened %s --argument\n", program_at);
	CHECK(strcmp(said, expected) == 0);
	unlink(program_at);
}

static void become_ourselves_by_number(void)
{
	static char name[] = "x";
	char *argv[] = {name, NULL};
	struct handon *handon = handon_create();
	int image = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	setenv(OWN, "fds", 1);
	(void)handon_exec(handon, "/where/it/was", image, argv);
}

static void the_descriptor_it_was_executed_by_is_closed_and_the_path_known(void)
{
	CHECK_EQ(say(become_ourselves_by_number), 0);
	CHECK(strstr(said, " /where/it/was ") != NULL);
	CHECK(strstr(said, "is open") == NULL);
}

static void become_ourselves(void)
{
	char *argv[] = {(char *)(uintptr_t) "anything", NULL};

	setenv(OWN, "1", 1);
	setenv("LISTEN_FDS", "", 1);
	unsetenv("HOLDFAST_PROGRAM");
	setenv("HOLDFAST_UPGRADE", "no number", 1);
	(void)execv(PROGRAM_OWN_IMAGE, argv);
}

static void rubbish_from_an_earlier_program_says_nothing(void)
{
	CHECK_EQ(say(become_ourselves), 0);
	CHECK(strcmp(said, " /proc/self/exe 0 0 \n") == 0);
}

static const struct sentence sentences[] = {
	SENTENCE(they_stand_at_3_and_behind_in_order),
	SENTENCE(also_when_they_stand_in_each_other_s_place),
	SENTENCE(nothing_else_goes_along),
	SENTENCE(none_are_none),
	SENTENCE(more_names_than_the_environment_holds_are_refused),
	SENTENCE(all_that_are_not_refused_arrive),
	SENTENCE(without_room_for_them_nothing_has_changed),
	SENTENCE(what_cannot_be_executed_leaves_the_image_that_runs),
	SENTENCE(what_was_opened_is_executed_whatever_stands_at_the_path),
	SENTENCE(the_descriptor_it_was_executed_by_is_closed_and_the_path_known),
	SENTENCE(rubbish_from_an_earlier_program_says_nothing),
};
SUITE("handon", sentences)
