/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it prints stays in the pipe until it has ended: who prints more than a pipe holds never
 * ends, and meets the deadline. Whatever it has started itself ends with it.
 */
#include "upgrade_check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"
#include "check.h"
#include "clock.h"
#include "confine.h"
#include "fd.h"
#include "program.h"

#define DEADLINE_NS (5 * NS_PER_S)
#define SAID_BYTES  4096u
#define LINE_BYTES  128u

extern char **environ;

/* --- the judgement --- */

/* The number behind `name` in a line of names and numbers; 0 is none of ours. */
static unsigned long find_number(const char *line, const char *name)
{
	unsigned long number;
	char word[32];
	int used;

	for (; sscanf(line, " %31s %lu%n", word, &number, &used) == 2; line += used)
		if (strcmp(word, name) == 0)
			return number;
	return 0;
}

static const char *meaning(const char *name)
{
	if (strcmp(name, "abi") == 0)
		return "the shared memory that switches use";
	if (strcmp(name, "journal") == 0)
		return "the journal of sessions";
	return "a record of the journal";
}

/* The first thing in which `theirs` is not `ours`. */
static int name_difference(const char *theirs, const char *ours, char *reason, size_t size)
{
	char name[32];
	unsigned long our, their;
	int used;

	for (; sscanf(ours, " %31s %lu%n", name, &our, &used) == 2; ours += used) {
		their = find_number(theirs, name);
		if (their == our)
			continue;
		snprintf(reason, size,
			 "it has %s %lu, this primary %lu (%s): it could not take over; upgrade to "
			 "a release with the same, or end all sessions and start it anew",
			 name, their, our, meaning(name));
		return -EPROTO;
	}
	snprintf(reason, size, "it says more than \"%s\"; upgrade to a release that can take over",
		 ours);
	return -EPROTO;
}

int upgrade_check_judge(char *said, char *reason, size_t size)
{
	char ours[LINE_BYTES], *first = NULL, *line;

	abi_line(ours, sizeof(ours));
	while ((line = strsep(&said, "\n"))) {
		if (strcmp(line, ours) == 0)
			return 0;
		if (!first && strncmp(line, "abi ", 4) == 0)
			first = line;
	}
	if (first)
		return name_difference(first, ours, reason, size);
	snprintf(reason, size,
		 "it does not answer --abi as a holdfastd does; give the path of one (--binary)");
	return -EBADMSG;
}

/* --- the run --- */

/* What is there to be read, without waiting; NUL-terminated, NULs in it are line ends. */
static size_t read_said(int output, char *said, size_t room)
{
	size_t len = 0;
	ssize_t n;

	while (len < room - 1 && (n = read(output, said + len, room - 1 - len)) > 0)
		len += (size_t)n;
	for (size_t i = 0; i < len; i++)
		if (!said[i])
			said[i] = '\n';
	said[len] = '\0';
	return len;
}

/* Its status; everything that belongs to the run is gone. */
/* calls: kill wait4 */
static int end_run(struct upgrade_check *check)
{
	int status = 0;

	loop_remove(check->loop, &check->ended);
	loop_timer_clear(check->loop, &check->deadline);
	/* The group has its number until its leader is waited for. */
	(void)kill(-check->pid, SIGKILL);
	while (waitpid(check->pid, &status, 0) < 0 && errno == EINTR)
		;
	check->pid = 0;
	hf_fd_close(&check->pidfd);
	return status;
}

static int judge_end(int status, char *said, char *reason, size_t size)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
		snprintf(reason, size,
			 "it made a system call that this primary's filter forbids it too: give a "
			 "holdfastd itself, no script that starts one (--binary), or end this one "
			 "with SIGKILL under a supervisor");
		return -EPERM;
	}
	if (WIFSIGNALED(status)) {
		snprintf(reason, size,
			 "it died of signal %d when asked for its --abi; give a "
			 "program that runs here (--binary)",
			 WTERMSIG(status));
		return -EBADMSG;
	}
	if (WEXITSTATUS(status)) {
		snprintf(reason, size,
			 "it ended with status %d when given this primary's arguments and --abi; "
			 "the log has what it said: give a holdfastd that knows them all",
			 WEXITSTATUS(status));
		return -EBADMSG;
	}
	return upgrade_check_judge(said, reason, size);
}

static void on_ended(struct loop_source *source, uint32_t events)
{
	struct upgrade_check *check = container_of(source, struct upgrade_check, ended);
	char said[SAID_BYTES], again[SAID_BYTES], reason[256] = "";
	int status = end_run(check), error;

	(void)events;
	if (check->late) {
		hf_fd_close(&check->output);
		return;
	}
	(void)read_said(check->output, said, sizeof(said));
	memcpy(again, said, sizeof(again));
	hf_fd_close(&check->output);
	error = judge_end(status, said, reason, sizeof(reason));
	if (!error && confine_is_on())
		error = confine_judge(again, reason, sizeof(reason));
	check->done(check, error, reason);
}

static void on_deadline(struct loop_timer *timer)
{
	struct upgrade_check *check = container_of(timer, struct upgrade_check, deadline);

	/* Its end is waited for by the loop: it may sleep in the kernel. */
	check->late = true;
	(void)kill(-check->pid, SIGKILL);
	check->done(check, -ETIMEDOUT,
		    "it did not end within 5 s when asked for its --abi; give a holdfastd "
		    "(--binary)");
}

void upgrade_check_cancel(struct upgrade_check *check)
{
	if (!check->pid)
		return;
	check->late = true;
	loop_timer_clear(check->loop, &check->deadline);
	(void)kill(-check->pid, SIGKILL);
}

void upgrade_check_close(struct upgrade_check *check)
{
	if (!check->pid)
		return;
	(void)end_run(check);
	hf_fd_close(&check->output);
}

static int count(char **argv)
{
	int n = 0;

	while (argv[n])
		n++;
	return n;
}

/* Our own signals are blocked and ignored here; all descriptors but these are close-on-exec. */
static int prepare(posix_spawnattr_t *attributes, posix_spawn_file_actions_t *actions, int output,
		   int program)
{
	sigset_t none, defaults;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &defaults);
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						     POSIX_SPAWN_SETPGROUP);
	/* Onto itself: it is not close-on-exec, for the interpreter of a script. */
	return posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) ||
			       posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO) ||
			       posix_spawn_file_actions_adddup2(actions, program, program)
		       ? -ENOMEM
		       : 0;
}

/* calls: clone clone3 vfork setpgid dup2 dup3 */
static int spawn(struct upgrade_check *check, char **argv, int output)
{
	static char question[] = "--abi";
	char by_number[32];
	int n = count(argv), error;
	char **with = calloc((size_t)n + 2, sizeof(char *));
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;

	if (!with)
		return -ENOMEM;
	memcpy(with, argv, (size_t)n * sizeof(char *));
	with[n] = question;
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_init(&actions);
	snprintf(by_number, sizeof(by_number), "/proc/self/fd/%d", check->program);
	error = prepare(&attributes, &actions, output, check->program);
	if (!error)
		error = -posix_spawn(&check->pid, by_number, &actions, &attributes, with, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	free(with);
	if (error)
		check->pid = 0;
	return error;
}

/* calls: pidfd_open */
static int watch(struct upgrade_check *check)
{
	int error;

	check->pidfd = pidfd_open(check->pid, 0);
	error = check->pidfd < 0 ? -errno : 0;
	if (!error)
		error = loop_add(check->loop, &check->ended, check->pidfd, EPOLLIN);
	if (!error)
		error = loop_timer_set(check->loop, &check->deadline, DEADLINE_NS);
	if (error)
		(void)end_run(check);
	return error;
}

static const char *explain(int error)
{
	switch (error) {
	case -EINVAL:
		return "the binary's path must be absolute and shorter than 4096 bytes; give all "
		       "of it (--binary)";
	case -ENOENT:
	case -ENOTDIR:
	case -ELOOP:
		return "there is no such file; give the path of a holdfastd (--binary)";
	case -EACCES:
	case -EPERM:
		return "the file cannot be executed; is it a program, with the x bit, on a file "
		       "system that is not noexec?";
	case -ENOEXEC:
		return "the file is not a program that runs here; give the path of a holdfastd "
		       "(--binary)";
	case -EKEYREJECTED:
		return "others than root and the primary's user can write the file; chown root, "
		       "chmod go-w";
	case -ETXTBSY:
		return "the file is being written; try again when that is done";
	default:
		return "no memory, processes or descriptors to look at the program with; free "
		       "some";
	}
}

/* What becomes this process must not be somebody else's choice. */
static bool is_ours(const struct stat *st)
{
	bool by_group = (st->st_mode & S_IWGRP) && st->st_gid != 0 && st->st_gid != getegid();

	return (st->st_uid == 0 || st->st_uid == geteuid()) && !by_group &&
	       !(st->st_mode & S_IWOTH);
}

static int open_program(struct upgrade_check *check)
{
	check->program = open(check->path, O_PATH | O_CLOEXEC);
	if (check->program < 0 || fstat(check->program, &check->file) < 0)
		return -errno;
	if (!S_ISREG(check->file.st_mode))
		return -EACCES;
	return is_ours(&check->file) ? 0 : -EKEYREJECTED;
}

/* calls: pipe2 */
static int start(struct upgrade_check *check, char **argv)
{
	int ends[2], error;

	error = open_program(check);
	if (error)
		return error;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	check->output = ends[0];
	error = fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (!error)
		error = spawn(check, argv, ends[1]);
	hf_fd_close(&ends[1]);
	if (!error)
		error = watch(check);
	if (error)
		hf_fd_close(&check->output);
	return error;
}

int upgrade_check_start(struct upgrade_check *check, struct loop *loop, const char *path,
			char **argv, const char **ret_reason)
{
	int error = -EINVAL;

	if (check->pid) {
		*ret_reason = "the program of an earlier try has not ended yet; try again, or end "
			      "it";
		return -EBUSY;
	}
	check->loop = loop;
	check->pidfd = check->output = check->program = -1;
	check->ended = (struct loop_source){.ready = on_ended, .fd = -1};
	check->deadline = (struct loop_timer){.fire = on_deadline};
	check->late = false;
	if (*path == '/' && strlen(path) < sizeof(check->path)) {
		memcpy(check->path, path, strlen(path) + 1);
		error = start(check, argv);
	}
	if (error) {
		*ret_reason = explain(error);
		upgrade_check_forget(check);
	}
	return error;
}

void upgrade_check_forget(struct upgrade_check *check)
{
	if (check->loop)
		hf_fd_close(&check->program);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool upgrade_check_unchanged(const struct upgrade_check *check)
{
	struct stat open, there;

	return fstat(check->program, &open) == 0 && is_same(&open, &check->file) &&
	       stat(check->path, &there) == 0 && is_same(&there, &check->file);
}
