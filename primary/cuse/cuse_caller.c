/* SPDX-License-Identifier: Apache-2.0 */
/*
 * #capabilities: CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, when the caller is another user's
 * (pidfd_getfd, /proc/PID/fd).
 */
#include "cuse_caller.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "fd.h"
#include "process.h"

#define STATUS_BYTES 4096

/* The process that the thread is of; 0: none. */
static pid_t process_of(uint32_t thread)
{
	char path[32], text[STATUS_BYTES];
	const char *line;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/status", thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	hf_fd_close(&fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* A name has its line breaks escaped. */
	line = strstr(text, "\nTgid:");
	return line ? (pid_t)strtol(line + strlen("\nTgid:"), NULL, 10) : 0;
}

/* calls: pidfd_open */
int cuse_caller_open(uint32_t thread, struct cuse_caller *ret)
{
	pid_t pid = thread && thread <= INT32_MAX ? process_of(thread) : 0;
	int pidfd;

	*ret = (struct cuse_caller){.pidfd = -1};
	if (pid <= 0)
		return -ESRCH;
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return -errno;
	*ret = (struct cuse_caller){.pid = pid, .start = process_start(pid), .pidfd = pidfd};
	/* Once more, with the pidfd in hand: the number may have been given away in between. */
	if (ret->start && process_of(thread) == pid && cuse_caller_lives(ret))
		return 0;
	cuse_caller_close(ret);
	return -ESRCH;
}

void cuse_caller_close(struct cuse_caller *caller)
{
	hf_fd_close(&caller->pidfd);
}

/* calls: poll ppoll */
bool cuse_caller_lives(const struct cuse_caller *caller)
{
	struct pollfd died = {.fd = caller->pidfd, .events = POLLIN};

	return caller->pidfd >= 0 && poll(&died, 1, 0) == 0 &&
	       process_start(caller->pid) == caller->start;
}

/* calls: pidfd_getfd */
int cuse_caller_fd(const struct cuse_caller *caller, int number)
{
	int fd = pidfd_getfd(caller->pidfd, number, 0);

	return fd < 0 ? -errno : fd;
}

/* Looked at by name before it is taken: see cuse_caller_fd. */
static int look_at_eventfd(const struct cuse_caller *caller, int number)
{
	char path[48], link[40];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", caller->pid, number);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return errno == EACCES || errno == EPERM ? -EPERM : -EBADF;
	link[n] = '\0';
	return strcmp(link, "anon_inode:[eventfd]") == 0 ? 0 : -EBADF;
}

int cuse_caller_eventfd(const struct cuse_caller *caller, int number)
{
	int error = number < 0 ? -EBADF : look_at_eventfd(caller, number);
	int fd;

	if (error)
		return error;
	fd = cuse_caller_fd(caller, number);
	if (fd == -ESRCH)
		return -EBADF;
	return fd;
}
