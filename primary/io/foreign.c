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
 *   all that is in the old one, and ends. We wait for it; nothing that it does can hang.
 * - A taker shares our table, closes one number, and ends, or hangs: with a table that is empty by
 *   then.
 * - The keeper has a table of its own, with nothing but the foreign descriptors in it. The message
 *   that brought them is still in its socket's queue, and when we consume it, the last reference
 *   must not be ours: the last one is where a socket lingers, and a file is written back. When we
 *   let go, or die, it waits for the takers, and ends, or hangs. So it ends last, and it alone is
 *   counted: whoever answers a server's keepers only has not got rid of us.
 * - A drain has a socket that we would have closed over a queue with descriptors in it. It takes
 *   them out of the queue, whoever else holds the socket, and ends, or hangs.
 *
 * All but the sweeper are nobody's children by then, and need no burial. Who is started for another
 * module (foreign_start) is our child, and buried when its end is seen.
 */
#include "foreign.h"

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
#define SWEEP_MS    5000
#define LOOK_MS	    10
#define KERNEL_MAX  253u
#define START_TRIES 20
#define START_US    5000
#define LOOKS	    256
#define HANGS_NS    NS_PER_S

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

/* calls: clone close_range prctl pipe2 */
/* calls: clock_nanosleep nanosleep poll ppoll wait4 waitid kill pidfd_open */
/* As fork(2), with or without a table of its own. */
static pid_t start(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

static _Noreturn void end(void)
{
	_exit(0);
}

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Close all descriptors but these. */
static void close_others(const int *kept, size_t n)
{
	int sorted[MAX_AT_ONCE + KEPT_BESIDE];
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

static _Noreturn void be_taker(int fd)
{
	(void)prctl(PR_SET_NAME, "holdfastd-close");
	(void)close(fd);
	end();
}

static bool all_gone(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fcntl(fds[i], F_GETFD) >= 0)
			return false;
	return true;
}

struct sweep {
	int fds[MAX_AT_ONCE];
	size_t nr_fds;
	int takers[2]; /* to the keeper: their numbers, in one piece */
	int told[2], go[2];
	pid_t parent;
};

static int watch(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* Their parent has not buried them yet, so that their numbers are still theirs. How many. */
static size_t watch_takers(int takers, int *pidfds)
{
	pid_t pids[MAX_AT_ONCE];
	ssize_t n = read(takers, pids, sizeof(pids));
	size_t sent = n < 0 ? 0 : (size_t)n / sizeof(pid_t), count = 0;

	for (size_t i = 0; i < sent; i++)
		if ((pidfds[count] = watch(pids[i])) >= 0)
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
	close_others(kept, s->nr_fds + KEPT_BESIDE);
	n = watch_takers(s->takers[0], pidfds);
	(void)!write(s->told[1], &self, sizeof(self));
	while (read(hold, &byte, 1) < 0 && errno == EINTR)
		;
	for (size_t i = 0; i < n; i++) {
		struct pollfd taker = {.fd = pidfds[i], .events = POLLIN};

		while (poll(&taker, 1, -1) < 0 && errno == EINTR)
			;
	}
	end();
}

static pid_t start_taker(int fd)
{
	pid_t pid = -1;

	for (int i = 0; i < START_TRIES && pid < 0; i++) {
		pid = start(CLONE_FILES);
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
	pid_t keeper = start(0), takers[MAX_AT_ONCE];
	bool all = keeper > 0;

	if (keeper == 0)
		be_keeper(s, hold);
	for (size_t i = 0; all && i < s->nr_fds; i++) {
		takers[i] = start_taker(s->fds[i]);
		all = takers[i] > 0;
	}
	if (!all)
		end();
	while (!all_gone(s->fds, s->nr_fds) && getppid() == s->parent)
		usleep(LOOK_US);
	(void)!write(s->takers[1], takers, s->nr_fds * sizeof(pid_t)); /* the keeper tells */
	/* Told, and nothing else: as long as it is the parent's, the table is not ours to empty. */
	while (poll(&go, 1, 10) != 1 && getppid() == s->parent)
		;
	(void)close_range(0, ~0u, 0);
	end();
}

static void bury(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/*
 * Of a process that our child has started and tells us of: its number, or -1. No descriptor is made
 * meanwhile: it would get the number that has to become free.
 */
static pid_t await_word(int told, pid_t child)
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
	pid_t keeper, sweeper = start(CLONE_FILES);
	int error = 0;

	if (sweeper == 0)
		be_sweeper(s, hold);
	if (sweeper < 0)
		return -errno;
	keeper = await_word(s->told[0], sweeper);
	if (keeper > 0)
		*ret_keeper = watch(keeper);
	if (keeper <= 0)
		error = -EAGAIN;
	else if (close_range(INT_MAX, ~0u, CLOSE_RANGE_UNSHARE) < 0)
		error = -errno;
	if (error)
		(void)kill(sweeper, SIGKILL); /* the table is still ours */
	else
		let_sweeper_end(s, sweeper);
	bury(sweeper);
	return error;
}

/* --- for the rest of the primary --- */

/* If it is our child, it is buried. */
static void close_ended(int pidfd)
{
	siginfo_t ended;

	(void)waitid(P_PIDFD, (id_t)pidfd, &ended, WEXITED | WNOHANG);
	hf_fd_close(&pidfd);
}

static void helper_gone(struct foreign_helper *helper)
{
	int pidfd = helper->ended.fd;

	loop_remove(helper->loop, &helper->ended);
	close_ended(pidfd);
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
static void remember(struct foreign *foreign, int pidfd)
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
	remember(foreign, keeper);
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
	pid_t pid = start(0);
	int pidfd;

	if (pid == 0) {
		close_others(kept, nr_kept);
		work(context);
		end();
	}
	if (pid < 0)
		return -errno;
	pidfd = watch(pid);
	if (pidfd >= 0)
		return pidfd;
	pidfd = -errno;
	(void)kill(pid, SIGKILL);
	return pidfd;
}

void foreign_end(struct foreign *foreign, int pidfd, int ms)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};

	if (poll(&ended, 1, ms) == 1)
		close_ended(pidfd);
	else
		remember(foreign, pidfd);
}

/* --- sockets --- */

static bool is_listener(int socket)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

static bool has_packets(int socket)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

/* A packet may be empty, and a socket that is shut reads as one for ever: with a packet the kernel
 * says who sent it, with the end it says nothing. */
static void name_senders(int socket, int wanted)
{
	(void)setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &wanted, sizeof(wanted));
}

static bool is_end(ssize_t n, const struct msghdr *msg)
{
	return n < 0 || (n == 0 && !msg->msg_controllen);
}

enum waiting { NOTHING, BYTES, EMPTY_PACKET, DESCRIPTORS };

/* Without room for them none is installed, and the kernel says that there were some. */
static enum waiting look(int socket, bool named)
{
	static char bytes[4096];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} sender;
	struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = named ? &sender : NULL,
			     .msg_controllen = named ? sizeof(sender) : 0};
	ssize_t n;

	do {
		n = recvmsg(socket, &msg, MSG_PEEK | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0 && (msg.msg_flags & MSG_CTRUNC))
		return DESCRIPTORS;
	if (is_end(n, &msg))
		return NOTHING;
	return n ? BYTES : EMPTY_PACKET;
}

static void look_from(int socket, int offset)
{
	(void)setsockopt(socket, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset));
}

/* The kernel shows an empty packet behind others once and never again: it counts as one with
 * descriptors. Nobody who is honest sends it. */
bool foreign_in_queue(int socket)
{
	bool packets = has_packets(socket);
	enum waiting waiting = BYTES;

	look_from(socket, 0);
	name_senders(socket, packets);
	for (int i = 0; i < LOOKS && waiting == BYTES; i++)
		waiting = look(socket, packets);
	name_senders(socket, false);
	return waiting != NOTHING; /* BYTES: cannot say */
}

/* The first one is always shown. It is taken out if it brings nothing: a socket that is closed over
 * packets gives its peer a reset in the place of our last words. */
static bool descriptors_after_all(int socket)
{
	enum waiting waiting = BYTES;

	if (!has_packets(socket))
		return foreign_in_queue(socket);
	look_from(socket, -1);
	name_senders(socket, true);
	for (int i = 0; i < LOOKS; i++) {
		waiting = look(socket, true);
		if (waiting == NOTHING || waiting == DESCRIPTORS)
			break;
		(void)recv(socket, NULL, 0, MSG_DONTWAIT);
	}
	return waiting != NOTHING;
}

static void take_all(int socket)
{
	static char bytes[4096];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(KERNEL_MAX * sizeof(int))];
	} control;
	struct msghdr msg;
	ssize_t n;

	if (has_packets(socket))
		name_senders(socket, true);
	do {
		struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};

		msg = (struct msghdr){.msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &control,
				      .msg_controllen = sizeof(control)};
		n = recvmsg(socket, &msg, MSG_DONTWAIT);
	} while ((n < 0 && errno == EINTR) || !is_end(n, &msg));
}

/* Takes out of the queue what others would close; its own end closes it. */
static _Noreturn void be_drain(int socket)
{
	(void)prctl(PR_SET_NAME, "holdfastd-drain");
	close_others(&socket, 1);
	take_all(socket);
	end();
}

static void start_drain(struct foreign *foreign, int socket)
{
	int told[2];
	pid_t between, drain;

	if (pipe2(told, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	between = start(0);
	if (between == 0) {
		drain = start(0);
		if (drain == 0)
			be_drain(socket);
		(void)!write(told[1], &drain, sizeof(drain));
		end();
	}
	if (between > 0) {
		drain = await_word(told[0], between);
		remember(foreign, drain > 0 ? watch(drain) : -1);
		bury(between);
	}
	hf_fd_close_all(told, 2);
}

/* A listener that is shut reads as one with somebody in its queue for ever: only to accept says
 * whether there is. */
static void close_queued(struct foreign *foreign, int listener)
{
	int one;

	while ((one = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		foreign_close_socket(foreign, &one);
}

/* calls: shutdown getsockopt setsockopt recvfrom recvmsg accept4 */
void foreign_close_socket(struct foreign *foreign, int *socket)
{
	if (*socket < 0)
		return;
	/* Another process may hold it as well: the other side sees the end by this. And nothing
	 * more comes into its queue. */
	(void)shutdown(*socket, SHUT_RDWR);
	if (is_listener(*socket))
		close_queued(foreign, *socket);
	else if (descriptors_after_all(*socket))
		start_drain(foreign, *socket);
	hf_fd_close(socket);
}
