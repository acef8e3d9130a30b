/* SPDX-License-Identifier: Apache-2.0 */
#include "foreign_helper.h"

#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "fd.h"

#define SWEEP_MS 5000
#define LOOK_MS	 10
#define HANGS_NS NS_PER_S

/* calls: clone close_range poll ppoll wait4 waitid kill pidfd_open */
/* As fork(2), with or without a table of its own. */
pid_t foreign_fork(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

_Noreturn void foreign_exit(void)
{
	_exit(0);
}

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Close all descriptors but these. */
void foreign_close_others(const int *kept, size_t n)
{
	int sorted[FOREIGN_MOST_KEPT];
	unsigned int from = 0;

	memcpy(sorted, kept, n * sizeof(int));
	qsort(sorted, n, sizeof(int), compare);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned int)sorted[i] > from)
			(void)close_range(from, (unsigned int)sorted[i] - 1, 0);
		from = (unsigned int)sorted[i] + 1;
	}
	(void)close_range(from, ~0u, 0);
}

int foreign_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

void foreign_bury(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/*
 * Of a process that our child has started and tells us of: its number, or -1. No descriptor is made
 * meanwhile: it would get the number that has to become free.
 */
pid_t foreign_await_word(int told, pid_t child)
{
	struct pollfd fd = {.fd = told, .events = POLLIN};
	pid_t pid = -1;
	ssize_t n;

	for (int ms = 0; ms < SWEEP_MS; ms += LOOK_MS) {
		siginfo_t ended = {0};

		if (poll(&fd, 1, LOOK_MS) == 1)
			break;
		if (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    ended.si_pid == child)
			break;
	}
	do {
		n = read(told, &pid, sizeof(pid));
	} while (n < 0 && errno == EINTR);
	return n == sizeof(pid) ? pid : -1;
}

/* Nobody else's children: those give SIGCHLD. */
void foreign_bury_ended(void)
{
	while (waitpid(-1, NULL, WNOHANG | __WCLONE) > 0)
		;
}

static void helper_gone(struct foreign_helper *helper)
{
	int pidfd = helper->ended.fd;

	loop_remove(helper->loop, &helper->ended);
	hf_fd_close(&pidfd);
	foreign_bury_ended();
}

static void on_ended(struct loop_source *source, uint32_t events)
{
	(void)events;
	helper_gone(container_of(source, struct foreign_helper, ended));
}

void foreign_init(struct foreign *foreign, struct loop *loop)
{
	*foreign = (struct foreign){.hold = {-1, -1}};
	for (size_t i = 0; i < FOREIGN_PLACES; i++)
		foreign->helpers[i] = (struct foreign_helper){
			.ended = {.ready = on_ended, .fd = -1}, .loop = loop};
}

static bool is_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLIN);
}

/* How many hang, or wait to be let go. */
static uint32_t count_helpers(struct foreign *foreign)
{
	uint32_t n = 0;

	for (size_t i = 0; i < FOREIGN_PLACES; i++) {
		struct foreign_helper *helper = &foreign->helpers[i];

		if (helper->ended.fd >= 0 && is_readable(helper->ended.fd))
			helper_gone(helper);
		n += helper->ended.fd >= 0;
	}
	return n;
}

/* Beyond the last place nobody is watched: foreign_full_since was not asked. */
void foreign_remember(struct foreign *foreign, int pidfd)
{
	if (foreign)
		(void)count_helpers(foreign);
	for (size_t i = 0; foreign && i < FOREIGN_PLACES && pidfd >= 0; i++) {
		struct foreign_helper *helper = &foreign->helpers[i];

		if (helper->ended.fd < 0 &&
		    loop_add(helper->loop, &helper->ended, pidfd, EPOLLIN) == 0)
			pidfd = -1;
	}
	hf_fd_close(&pidfd);
}

uint64_t foreign_full_since(struct foreign *foreign)
{
	if (count_helpers(foreign) < FOREIGN_MAX_HUNG)
		foreign->full_ns = 0;
	else if (!foreign->full_ns)
		foreign->full_ns = hf_now_ns();
	return foreign->full_ns;
}

bool foreign_hangs(struct foreign *foreign)
{
	uint64_t since = foreign_full_since(foreign);

	return since && hf_now_ns() - since > HANGS_NS;
}

bool foreign_is_idle(struct foreign *foreign)
{
	return count_helpers(foreign) == 0;
}

void foreign_let_go(struct foreign *foreign)
{
	hf_fd_close_all(foreign->hold, 2);
}

void foreign_forget(struct foreign *foreign)
{
	foreign_let_go(foreign);
	for (size_t i = 0; i < FOREIGN_PLACES; i++)
		if (foreign->helpers[i].ended.fd >= 0)
			helper_gone(&foreign->helpers[i]);
}

int foreign_start(void (*work)(void *context), void *context, const int *kept, size_t nr_kept)
{
	pid_t pid;
	int pidfd;

	foreign_bury_ended();
	pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
	if (pid == 0) {
		foreign_close_others(kept, nr_kept);
		work(context);
		foreign_exit();
	}
	if (pid < 0)
		return -errno;
	pidfd = foreign_pidfd(pid);
	if (pidfd >= 0)
		return pidfd;
	pidfd = -errno;
	(void)kill(pid, SIGKILL); /* to be buried later: it may hang */
	return pidfd;
}

void foreign_end(struct foreign *foreign, int pidfd, int ms)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};

	if (poll(&ended, 1, ms) == 1) {
		hf_fd_close(&pidfd);
		foreign_bury_ended();
	} else {
		foreign_remember(foreign, pidfd);
	}
}
