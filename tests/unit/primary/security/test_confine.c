/* SPDX-License-Identifier: Apache-2.0 */
/* primary/security/confine.h: what the filter lets pass, and what is said of other programs. */
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "suite.h"

static char reason[256];

/* Status of a process that does this behind the filter. */
static int status_of(enum confine_mode mode, int (*what)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || confine_begin(mode) < 0)
			_exit(99);
		_exit(what());
	}
	REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static int leave_the_namespace(void)
{
	(void)unshare(CLONE_NEWUTS);
	return 0;
}

static int begin_in_a_namespace(void)
{
	return syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0) == 0 ? 0 : 1;
}

static int begin_in_a_namespace_by_clone3(void)
{
	struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 && errno == ENOSYS ? 0 : 1;
}

static int begin_processes(void)
{
	char *const arguments[] = {NULL};
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7)
		return 1;
	/* It begins, and does not find the program. */
	return posix_spawn(&pid, "/nowhere/at/all", NULL, NULL, arguments, arguments) != ENOENT;
}

static int trace(void)
{
	(void)syscall(SYS_ptrace, 0, 0, 0, 0);
	return 0;
}

static int become_root(void)
{
	(void)setresuid(0, 0, 0);
	return 0;
}

static int make_memory(void)
{
	int fd = memfd_create("x", MFD_CLOEXEC);

	return fd < 0 || ftruncate(fd, 4096) < 0;
}

static int speak_to_the_network(void)
{
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT)
		return 1;
	if (socket(AF_NETLINK, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT)
		return 2;
	return socket(AF_UNIX, SOCK_DGRAM, 0) < 0 ? 3 : 0;
}

static int count_filters(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[128];
	int n = -1;

	while (file && n < 0 && fgets(line, sizeof(line), file))
		(void)sscanf(line, "Seccomp_filters: %d", &n);
	if (file)
		fclose(file);
	return n;
}

static int begin_again(void)
{
	if (confine_tell() < 0)
		return 90;
	confine_hear();
	return confine_begin(CONFINE_KILL) < 0 ? 91 : count_filters();
}

/* Not told, or told of another list: one more, on top. */
static int begin_as_a_stranger(void)
{
	return confine_begin(CONFINE_KILL) < 0 ? 91 : count_filters();
}

static void every_name_of_a_tag_is_one_of_a_system_call(void)
{
	char *names = strdup(confine_calls()), *rest = names, *name;
	unsigned int count = 0;

	while ((name = strsep(&rest, " "))) {
		if (!*name)
			continue;
		if (seccomp_syscall_resolve_name(name) == __NR_SCMP_ERROR)
			printf("\n    %s is none ", name);
		CHECK(seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR);
		count++;
	}
	CHECK(count > 60);
	free(names);
}

static void a_call_that_no_tag_names_ends_the_process(void)
{
	CHECK(was_killed(status_of(CONFINE_KILL, leave_the_namespace)));
	CHECK(was_killed(status_of(CONFINE_KILL, trace)));
	CHECK(was_killed(status_of(CONFINE_KILL, become_root)));
}

static void processes_begin_in_our_namespaces_or_not_at_all(void)
{
	CHECK(was_killed(status_of(CONFINE_KILL, begin_in_a_namespace)));
	CHECK_EQ(status_of(CONFINE_KILL, begin_in_a_namespace_by_clone3), 0);
	CHECK_EQ(status_of(CONFINE_KILL, begin_processes), 0);
}

static void what_the_tags_name_goes_on(void)
{
	CHECK_EQ(status_of(CONFINE_KILL, make_memory), 0);
}

static void sockets_are_local_ones(void)
{
	CHECK_EQ(status_of(CONFINE_KILL, speak_to_the_network), 0);
}

static void with_log_or_off_everything_goes_on(void)
{
	CHECK_EQ(status_of(CONFINE_LOG, become_root), 0);
	CHECK_EQ(status_of(CONFINE_OFF, trace), 0);
}

static void the_same_list_is_not_put_on_twice(void)
{
	CHECK_EQ(status_of(CONFINE_KILL, count_filters), 1 << 8);
	CHECK_EQ(status_of(CONFINE_KILL, begin_again), 1 << 8);
	CHECK_EQ(status_of(CONFINE_KILL, begin_as_a_stranger), 2 << 8);
}

static int judge(const char *text)
{
	char said[4096];

	snprintf(said, sizeof(said), "%s", text);
	reason[0] = '\0';
	return confine_judge(said, reason, sizeof(reason));
}

static void a_program_that_calls_no_more_than_we_may_follow(void)
{
	char all[4096];

	CHECK_EQ(judge("abi 1\ncalls read write\n"), 0);
	CHECK_EQ(judge("calls "), 0);
	snprintf(all, sizeof(all), "calls %s\n", confine_calls());
	CHECK_EQ(judge(all), 0);
}

static void one_that_calls_more_is_named_with_what(void)
{
	CHECK_EQ(judge("calls read io_uring_setup write keyctl\n"), -EPERM);
	CHECK(strstr(reason, "(io_uring_setup, keyctl)") != NULL);
	/* A part of a name is not the name. */
	CHECK_EQ(judge("calls rea\n"), -EPERM);
	CHECK_EQ(judge("calls ead\n"), -EPERM);
}

static void one_that_does_not_say_is_refused(void)
{
	CHECK_EQ(judge(""), -EPERM);
	CHECK_EQ(judge("abi 2 journal 1\ncalls\n"), -EPERM);
	CHECK_EQ(judge("recalls read\n"), -EPERM);
	CHECK(strstr(reason, "does not say") != NULL);
}

static const struct sentence sentences[] = {
	SENTENCE(every_name_of_a_tag_is_one_of_a_system_call),
	SENTENCE(a_call_that_no_tag_names_ends_the_process),
	SENTENCE(processes_begin_in_our_namespaces_or_not_at_all),
	SENTENCE(what_the_tags_name_goes_on),
	SENTENCE(sockets_are_local_ones),
	SENTENCE(with_log_or_off_everything_goes_on),
	SENTENCE(the_same_list_is_not_put_on_twice),
	SENTENCE(a_program_that_calls_no_more_than_we_may_follow),
	SENTENCE(one_that_calls_more_is_named_with_what),
	SENTENCE(one_that_does_not_say_is_refused),
};

SUITE("confine", sentences)
