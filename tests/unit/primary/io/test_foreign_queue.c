/* SPDX-License-Identifier: Apache-2.0 */
/* primary/io/foreign.h: what waits in a socket's queue, and who takes it out. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "foreign.h"
#include "loop.h"
#include "suite.h"

static int ours, peers;

static void open_pair(int type)
{
	int pair[2];

	REQUIRE(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == 0);
	ours = pair[0];
	peers = pair[1];
}

static void close_pair(void)
{
	hf_fd_close(&ours);
	hf_fd_close(&peers);
}

static void queue_flagged(const char *bytes, int fd, int flags)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS,
				.cmsg_len = CMSG_LEN(sizeof(int))}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = strlen(bytes)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	REQUIRE(sendmsg(peers, &msg, flags) == (ssize_t)strlen(bytes));
}

static void queue(const char *bytes, int fd)
{
	queue_flagged(bytes, fd, 0);
}

static void descriptors_are_seen_behind_an_empty_packet(void)
{
	open_pair(SOCK_SEQPACKET);
	queue("x", -1);
	CHECK(!foreign_in_queue(ours));
	queue("", -1);
	queue("y", STDIN_FILENO);
	CHECK(foreign_in_queue(ours));
	CHECK(foreign_in_queue(ours));
	/* A queue that is shut still has them. */
	hf_fd_close(&peers);
	CHECK_EQ(shutdown(ours, SHUT_RDWR), 0);
	CHECK(foreign_in_queue(ours));
	close_pair();
}

static void the_end_is_no_packet(void)
{
	static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM};

	for (size_t i = 0; i < 2; i++) {
		open_pair(types[i]);
		CHECK(!foreign_in_queue(ours));
		queue("x", -1);
		queue("y", -1);
		hf_fd_close(&peers);
		CHECK(!foreign_in_queue(ours));
		CHECK_EQ(shutdown(ours, SHUT_RDWR), 0);
		CHECK(!foreign_in_queue(ours));
		close_pair();
	}
}

/* Also of a socket that nobody has prepared, as one that was never accepted. */
static void descriptors_are_seen_with_an_urgent_byte(void)
{
	open_pair(SOCK_STREAM);
	queue_flagged("x", STDIN_FILENO, MSG_OOB);
	CHECK(foreign_in_queue(ours));
	queue("y", -1);
	CHECK(foreign_in_queue(ours));
	close_pair();
}

static void looking_takes_nothing_and_names_nobody_to_who_reads(void)
{
	union {
		struct cmsghdr align;
		char room[256];
	} control;
	char bytes[8];
	struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};

	open_pair(SOCK_SEQPACKET);
	queue("x", -1);
	CHECK(!foreign_in_queue(ours));
	CHECK_EQ(recvmsg(ours, &msg, MSG_DONTWAIT), 1);
	CHECK_EQ(msg.msg_controllen, 0);
	close_pair();
}

/* Somebody else holds the socket: closing it is not what empties the queue. */
static bool is_emptied(const char *const *packets, size_t n, bool looked)
{
	struct pollfd end = {.events = 0};
	int ends[2], held;
	bool gone;

	REQUIRE(pipe(ends) == 0);
	open_pair(SOCK_SEQPACKET);
	for (size_t i = 0; i < n; i++)
		queue(packets[i], i + 1 < n ? -1 : ends[1]);
	hf_fd_close(&ends[1]);
	if (looked)
		CHECK(foreign_in_queue(ours));
	held = dup(ours);
	foreign_close_socket(NULL, &ours);
	CHECK_EQ(ours, -1);
	end.fd = ends[0];
	gone = poll(&end, 1, 20000) == 1 && (end.revents & POLLHUP);
	hf_fd_close(&held);
	hf_fd_close(&ends[0]);
	close_pair();
	return gone;
}

static void a_queue_is_emptied_to_its_last_packet(void)
{
	static const char *const packets[] = {"x", "", "", "y", ""};

	CHECK(is_emptied(packets, 5, false));
	CHECK(is_emptied(packets, 5, true));
	CHECK(is_emptied(packets, 4, false));
	CHECK(is_emptied(packets, 4, true));
	CHECK(is_emptied(packets, 2, true));
	CHECK(is_emptied(packets + 1, 1, true));
}

/* One waits at a listener, with a pipe's end in a packet. Its other end. */
static int leave_waiting(int *ret_listener)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sa_family_t); /* a name of the kernel's choice */
	int ends[2];

	REQUIRE(pipe(ends) == 0);
	*ret_listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	REQUIRE(bind(*ret_listener, (struct sockaddr *)&address, len) == 0);
	REQUIRE(listen(*ret_listener, 8) == 0);
	len = sizeof(address);
	REQUIRE(getsockname(*ret_listener, (struct sockaddr *)&address, &len) == 0);
	peers = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	REQUIRE(connect(peers, (struct sockaddr *)&address, len) == 0);
	queue("x", ends[1]);
	hf_fd_close(&ends[1]);
	return ends[0];
}

/* A drain hangs while this says so. Shared with it. */
static _Atomic bool *drains_hang;

/* In the place of libc's: with its name a drain begins. */
int prctl(int option, ...)
{
	unsigned long value;
	va_list list;

	va_start(list, option);
	value = va_arg(list, unsigned long);
	va_end(list);
	while (option == PR_SET_NAME && drains_hang && *drains_hang)
		(void)usleep(100);
	return (int)syscall(SYS_prctl, option, value, 0, 0, 0);
}

/* Returns the limit as it was. `last` is the lowest number that was free. */
static struct rlimit leave_no_number_behind(int last)
{
	struct rlimit old, none;

	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	none = (struct rlimit){.rlim_cur = (rlim_t)last + 1, .rlim_max = old.rlim_max};
	REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
	return old;
}

static void who_hangs_over_a_queue_is_counted_also_without_a_free_number(void)
{
	struct loop *loop = loop_create();
	struct foreign foreign;
	struct rlimit old;
	int held;

	drains_hang = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(loop && drains_hang != MAP_FAILED);
	foreign_init(&foreign, loop);
	open_pair(SOCK_SEQPACKET);
	queue("x", STDIN_FILENO);
	*drains_hang = true;
	held = dup(ours);
	old = leave_no_number_behind(held);
	foreign_close_socket(&foreign, &ours);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	CHECK_EQ(ours, -1);
	CHECK(!foreign_is_idle(&foreign));
	*drains_hang = false;
	for (int ms = 0; ms < 20000 && !foreign_is_idle(&foreign); ms++)
		usleep(1000);
	CHECK(foreign_is_idle(&foreign));
	foreign_forget(&foreign);
	loop_destroy(loop);
	munmap((void *)(uintptr_t)drains_hang, 1);
	drains_hang = NULL;
	hf_fd_close(&held);
	close_pair();
}

static void hang(void *unused)
{
	(void)unused;
	for (;;)
		(void)pause();
}

static void who_cannot_be_watched_is_buried_by_the_next(void)
{
	int held = dup(STDIN_FILENO), pidfd;
	struct rlimit old = leave_no_number_behind(held);
	siginfo_t child = {0};

	CHECK_EQ(foreign_start(hang, NULL, &held, 1), -EMFILE);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	REQUIRE(waitid(P_ALL, 0, &child, WEXITED | WNOWAIT | __WALL) == 0);
	pidfd = foreign_start(hang, NULL, &held, 1);
	CHECK(kill(child.si_pid, 0) < 0 && errno == ESRCH);
	REQUIRE(pidfd >= 0);
	CHECK_EQ(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0), 0);
	foreign_end(NULL, pidfd, 20000);
	CHECK(waitpid(-1, NULL, __WALL | WNOHANG) < 0 && errno == ECHILD);
	hf_fd_close(&held);
}

/* Somebody else holds the listener: closing it is not what ends who waits there. */
static void who_waits_at_a_listener_is_closed_by_another_also_without_a_free_number(void)
{
	struct rlimit old;
	int listener, held;
	struct pollfd end = {.events = 0};

	end.fd = leave_waiting(&listener);
	held = dup(listener);
	old = leave_no_number_behind(held);
	foreign_close_socket(NULL, &listener);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	CHECK_EQ(listener, -1);
	CHECK(poll(&end, 1, 20000) == 1 && (end.revents & POLLHUP));
	hf_fd_close(&held);
	hf_fd_close(&end.fd);
	hf_fd_close(&peers);
}

static const struct sentence sentences[] = {
	SENTENCE(descriptors_are_seen_behind_an_empty_packet),
	SENTENCE(the_end_is_no_packet),
	SENTENCE(descriptors_are_seen_with_an_urgent_byte),
	SENTENCE(looking_takes_nothing_and_names_nobody_to_who_reads),
	SENTENCE(a_queue_is_emptied_to_its_last_packet),
	SENTENCE(who_hangs_over_a_queue_is_counted_also_without_a_free_number),
	SENTENCE(who_cannot_be_watched_is_buried_by_the_next),
	SENTENCE(who_waits_at_a_listener_is_closed_by_another_also_without_a_free_number),
};

SUITE("foreign_queue", sentences)
