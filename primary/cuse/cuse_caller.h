/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks: the process behind a request, and what can be had of it. The kernel tells the thread
 * that is in the ioctl. It cannot go away before it is answered, so neither can its process, unless
 * the device was cut off; then everything here fails and nothing is somebody else's: the process is
 * held by a pidfd, and known by when it started.
 */
#ifndef PRIMARY_CUSE_CALLER_H
#define PRIMARY_CUSE_CALLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cuse_caller {
	pid_t pid;
	uint64_t start; /* process.h */
	int pidfd;	/* owned */
};

/* By a thread's number. 0; -ESRCH: no such process here (0: it is in a pid namespace that we do not
 * see); -errno. */
int cuse_caller_open(uint32_t thread, struct cuse_caller *ret);
void cuse_caller_close(struct cuse_caller *caller);
/* Is it still the same process, and alive? */
bool cuse_caller_lives(const struct cuse_caller *caller);
/* A duplicate of its descriptor, which is an eventfd. >= 0; -EBADF: it has none of that number, or
 * it is something else; -EPERM: we may not. */
int cuse_caller_eventfd(const struct cuse_caller *caller, int number);
/* A duplicate, of whatever kind. >= 0 or -errno. Closing it may make whoever serves that file wait
 * for us: only when it is known what it is. */
int cuse_caller_fd(const struct cuse_caller *caller, int number);

#endif
