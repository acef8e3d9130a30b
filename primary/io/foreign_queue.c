/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: what waits in a queue is closed by whoever closes the socket. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "foreign_helper.h"
#include "log.h"
#include "stream.h"

#define TAG	   "foreign"
#define KERNEL_MAX 253u
#define LOOKS	   256

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

/* Nobody has prepared a socket for it that was never a session's. */
static void look_from(int socket, int offset)
{
	stream_take_urgent_inline(socket);
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

/* A listener that is shut reads as one with somebody in its queue for ever: only to accept says
 * whether there is. -1 with errno: nobody, or no number for it. */
static int accept_queued(int listener)
{
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void take_all_queued(int listener)
{
	int one;

	while ((one = accept_queued(listener)) >= 0) {
		take_all(one);
		hf_fd_close(&one);
	}
}

/* Takes out of the queues what others would close; its own end closes it. */
static _Noreturn void be_drain(const int *sockets, size_t n)
{
	(void)prctl(PR_SET_NAME, "holdfastd-drain");
	foreign_close_others(sockets, n);
	for (size_t i = 0; i < n; i++)
		if (is_listener(sockets[i]))
			take_all_queued(sockets[i]);
		else
			take_all(sockets[i]);
	foreign_exit();
}

/* The drain's number, or -1. It is told by memory: there may be no number for a pipe. */
static pid_t start_between(const int *sockets, size_t n, pid_t *told)
{
	pid_t between;

	*told = -1;
	between = foreign_fork(0);
	if (between == 0) {
		pid_t drain = foreign_fork(0);

		if (drain == 0)
			be_drain(sockets, n);
		*told = drain;
		foreign_exit();
	}
	if (between < 0)
		return -1;
	foreign_bury(between);
	return *told;
}

/* The same. */
static pid_t start_drain(const int *sockets, size_t n)
{
	pid_t drain, *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (told == MAP_FAILED)
		return -1;
	drain = start_between(sockets, n, told);
	(void)munmap(told, sizeof(*told));
	return drain;
}

void foreign_drain(struct foreign *foreign, int *sockets, size_t n)
{
	pid_t drain = start_drain(sockets, n);

	if (drain > 0) {
		hf_fd_close_all(sockets, n);
		/* Only now is there a number for sure. */
		foreign_remember(foreign, foreign_pidfd(drain));
		return;
	}
	log_error(TAG,
		  "%zu sockets with descriptors that may hang whoever closes them stay open: "
		  "no process for it",
		  n);
	for (size_t i = 0; i < n; i++)
		sockets[i] = -1;
}

/* False: somebody waits there, and there is no number to let him in by. */
static bool close_queued(struct foreign *foreign, int listener)
{
	int one;

	while ((one = accept_queued(listener)) >= 0)
		foreign_close_socket(foreign, &one);
	return errno == EAGAIN || errno == EINVAL;
}

bool foreign_close_empty(int *socket)
{
	(void)shutdown(*socket, SHUT_RDWR);
	if (descriptors_after_all(*socket))
		return false;
	hf_fd_close(socket);
	return true;
}

/* calls: prctl */
/* calls: shutdown getsockopt setsockopt recvfrom recvmsg accept4 */
void foreign_close_socket(struct foreign *foreign, int *socket)
{
	bool empty;

	if (*socket < 0)
		return;
	/* Another process may hold it as well: the other side sees the end by this. And nothing
	 * more comes into its queue. */
	(void)shutdown(*socket, SHUT_RDWR);
	if (is_listener(*socket))
		empty = close_queued(foreign, *socket);
	else
		empty = !descriptors_after_all(*socket);
	if (empty)
		hf_fd_close(socket);
	else
		foreign_drain(foreign, socket, 1);
}
