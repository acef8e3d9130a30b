/* SPDX-License-Identifier: Apache-2.0 */
/* A process that is dead, and whose parent, who is us, has not asked how it died. */
#ifndef TESTS_DEAD_H
#define TESTS_DEAD_H

#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

struct dead {
	pid_t pid;
	int pidfd; /* says so */
};

/* By a signal, or with this exit status. */
static inline struct dead dead_by(int number, int status)
{
	const struct rlimit no_core = {0, 0};
	struct dead dead = {.pid = fork()};
	struct pollfd died = {.events = POLLIN};

	if (dead.pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &no_core);
		if (number)
			signal(number, SIG_DFL); /* a sanitizer may have taken it */
		if (number)
			raise(number);
		_exit(status);
	}
	REQUIRE(dead.pid > 0);
	died.fd = dead.pidfd = pidfd_open(dead.pid, 0);
	REQUIRE(dead.pidfd >= 0);
	CHECK_EQ(poll(&died, 1, 20000), 1);
	return dead;
}

static inline void dead_bury(const struct dead *dead)
{
	CHECK_EQ(waitpid(dead->pid, NULL, 0), dead->pid);
}

#endif
