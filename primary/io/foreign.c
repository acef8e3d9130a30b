/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. close(2) takes the number out of the descriptor table first and may hang
 * after that: FUSE sends FLUSH and waits for the answer, and no signal ends the wait. It hangs
 * whoever calls it, and a process that exits or executes another program calls it as well. So the
 * number has to leave our table, by somebody's close(2), and the table must not be held by who
 * hangs: with it, our sockets and locks would outlive us. Four kinds of processes:
 *
 * - The sweeper shares our table. It starts the others and waits until the numbers are out of the
 *   table; then we leave that table (CLOSE_RANGE_UNSHARE) with a copy of it, and the sweeper closes
 *   all that is in the old one, and ends. We wait for it; nothing that it does can hang, unless a
 *   foreign descriptor had to stay in that table.
 * - A taker shares our table, closes one number, and ends, or hangs: with a table that is empty by
 *   then.
 * - The keeper has a table of its own, with nothing but the foreign descriptors in it. The message
 *   that brought them is still in its socket's queue, and when we consume it, the last reference
 *   must not be ours: the last one is where a socket lingers, and a file is written back. When we
 *   let go, or die, it waits for the takers, and ends, or hangs. So it ends last, and it alone is
 *   counted: whoever answers a server's keepers only has not got rid of us.
 * - A drain has a socket that we would have closed over a queue with descriptors in it, or a
 *   listener with somebody in its queue whom we had no number for. It takes them out of the queue,
 *   whoever else holds the socket, and ends, or hangs.
 *
 * All but the sweeper are nobody's children by then, and need no burial. Who is started for another
 * module (foreign_start) is our child, but of a kind of its own: it is buried when its end is seen,
 * and whose end nobody was there to see, within a second (foreign_bury_ended). The next program
 * does so with those that it finds.
 */
#include "foreign_helper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "fd.h"
#include "log.h"

#define TAG	    "foreign"
#define MAX_AT_ONCE 256u
#define LOOK_US	    50
#define KEPT_BESIDE 3u
#define START_TRIES 20
#define START_US    5000

/* --- kinds --- */

bool foreign_is(int fd)
{
	char path[40], link[40];
	ssize_t n;

	/* Neither of the two asks the file itself. A name in brackets cannot be a path. */
	if (fcntl(fd, F_GET_SEALS) >= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return true;
	link[n] = '\0';
	return strcmp(link, "anon_inode:[eventfd]") != 0 && strncmp(link, "pipe:[", 6) != 0;
}

/* --- processes --- */

/* calls: close_range prctl pipe2 clock_nanosleep nanosleep poll ppoll kill */
static _Noreturn void be_taker(int fd)
{
	(void)prctl(PR_SET_NAME, "holdfastd-close");
	(void)close(fd);
	foreign_exit();
}

static bool all_gone(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fcntl(fds[i], F_GETFD) >= 0)
			return false;
	return true;
}

static_assert(MAX_AT_ONCE + KEPT_BESIDE <= FOREIGN_MOST_KEPT, "room for them");

struct sweep {
	int fds[MAX_AT_ONCE];
	size_t nr_fds;
	int takers[2]; /* to the keeper: their numbers, in one piece */
	int told[2], go[2];
	pid_t parent;
};

/* Their parent has not buried them yet, so that their numbers are still theirs. How many. */
static size_t watch_takers(int takers, int *pidfds)
{
	pid_t pids[MAX_AT_ONCE];
	ssize_t n = read(takers, pids, sizeof(pids));
	size_t sent = n < 0 ? 0 : (size_t)n / sizeof(pid_t), count = 0;

	for (size_t i = 0; i < sent; i++)
		if ((pidfds[count] = foreign_pidfd(pids[i])) >= 0)
			count++;
	return count;
}

static _Noreturn void be_keeper(const struct sweep *s, int hold)
{
	int kept[MAX_AT_ONCE + KEPT_BESIDE], pidfds[MAX_AT_ONCE];
	pid_t self = getpid();
	size_t n;
	char byte;

	(void)prctl(PR_SET_NAME, "holdfastd-keep");
	memcpy(kept, s->fds, s->nr_fds * sizeof(int));
	kept[s->nr_fds] = hold;
	kept[s->nr_fds + 1] = s->takers[0];
	kept[s->nr_fds + 2] = s->told[1];
	foreign_close_others(kept, s->nr_fds + KEPT_BESIDE);
	n = watch_takers(s->takers[0], pidfds);
	(void)!write(s->told[1], &self, sizeof(self));
	while (read(hold, &byte, 1) < 0 && errno == EINTR)
		;
	for (size_t i = 0; i < n; i++) {
		struct pollfd taker = {.fd = pidfds[i], .events = POLLIN};

		while (poll(&taker, 1, -1) < 0 && errno == EINTR)
			;
	}
	foreign_exit();
}

static pid_t start_taker(int fd)
{
	pid_t pid = -1;

	for (int i = 0; i < START_TRIES && pid < 0; i++) {
		pid = foreign_fork(CLONE_FILES);
		if (pid == 0)
			be_taker(fd);
		if (pid < 0)
			usleep(START_US);
	}
	return pid;
}

/* Our own table is the parent's until it leaves. It may die at any point: then all of it is closed
 * here, as its death would have. */
static _Noreturn void be_sweeper(const struct sweep *s, int hold)
{
	struct pollfd go = {.fd = s->go[0], .events = POLLIN};
	pid_t keeper = foreign_fork(0), takers[MAX_AT_ONCE];
	bool all = keeper > 0;

	if (keeper == 0)
		be_keeper(s, hold);
	for (size_t i = 0; all && i < s->nr_fds; i++) {
		takers[i] = start_taker(s->fds[i]);
		all = takers[i] > 0;
	}
	if (!all)
		foreign_exit();
	while (!all_gone(s->fds, s->nr_fds) && getppid() == s->parent)
		usleep(LOOK_US);
	(void)!write(s->takers[1], takers, s->nr_fds * sizeof(pid_t)); /* the keeper tells */
	/* Told, and nothing else: as long as it is the parent's, the table is not ours to empty. */
	while (poll(&go, 1, 10) != 1 && getppid() == s->parent)
		;
	(void)close_range(0, ~0u, 0);
	foreign_exit();
}

/* It waits for this for ever, and we for its end. */
static void let_sweeper_end(const struct sweep *s, pid_t sweeper)
{
	ssize_t n;

	do {
		n = write(s->go[1], "g", 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		(void)kill(sweeper, SIGKILL);
}

/* 0 and *ret_keeper, a pidfd. */
static int sweep(struct sweep *s, int hold, int *ret_keeper)
{
	pid_t keeper, sweeper = foreign_fork(CLONE_FILES);
	int error = 0;

	if (sweeper == 0)
		be_sweeper(s, hold);
	if (sweeper < 0)
		return -errno;
	keeper = foreign_await_word(s->told[0], sweeper);
	if (keeper > 0)
		*ret_keeper = foreign_pidfd(keeper);
	if (keeper <= 0)
		error = -EAGAIN;
	else if (close_range(INT_MAX, ~0u, CLOSE_RANGE_UNSHARE) < 0)
		error = -errno;
	if (error)
		(void)kill(sweeper, SIGKILL); /* the table is still ours */
	else
		let_sweeper_end(s, sweeper);
	foreign_bury(sweeper);
	return error;
}

static int discard(struct foreign *foreign, struct sweep *s)
{
	int error = 0, keeper = -1;

	if (foreign->hold[1] < 0 && pipe2(foreign->hold, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(s->told, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(s->go, O_CLOEXEC) < 0 ||
	    pipe2(s->takers, O_CLOEXEC) < 0)
		error = -errno;
	if (!error)
		error = sweep(s, foreign->hold[0], &keeper);
	hf_fd_close_all(s->told, 2);
	hf_fd_close_all(s->go, 2);
	hf_fd_close_all(s->takers, 2);
	foreign_remember(foreign, keeper);
	return error;
}

int foreign_discard(struct foreign *foreign, int *fds, size_t nr_fds)
{
	struct sweep s = {.takers = {-1, -1}, .told = {-1, -1}, .go = {-1, -1}, .parent = getpid()};
	int error;

	for (size_t i = 0; i < nr_fds && s.nr_fds < MAX_AT_ONCE; i++)
		if (fds[i] >= 0 && foreign_is(fds[i]))
			s.fds[s.nr_fds++] = hf_fd_take(&fds[i]);
	if (!s.nr_fds)
		return 0;
	error = discard(foreign, &s);
	if (error)
		log_error(TAG, "%zu descriptors that may hang whoever closes them stay open: %s",
			  s.nr_fds, strerrordesc_np(-error));
	return error ? error : (int)s.nr_fds;
}
