/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   answer:    pipe ← bytes; note `sending` = id; splice pipe → socket
 *              sent if and only if `sending` is the id and the pipe is empty
 *   consuming: pipe emptied; note `consuming` = id; splice socket → pipe
 *              as many are out as the pipe has, if `consuming` is the id; whoever finds it so
 *              goes on with the rest
 *   taking:    note `taking` = the device; splice device → pipe; the request is noted; pipe emptied
 *              what is in the pipe is that device's, noted or not
 *
 * One message at a time is between the two steps, whatever the number of sessions.
 */
#include "once.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "journal_layout.h"
#include "order.h"

/* A message that came byte by byte takes a slot of the pipe for each. */
#define PIPE_BYTES (1 << 20)

static ssize_t read_some(int fd, void *bytes, size_t room)
{
	ssize_t n;

	do {
		n = read(fd, bytes, room);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* 0, or -errno: something may be left in it. */
static int drain(int pipe)
{
	char bytes[512];
	ssize_t n;

	do {
		n = read_some(pipe, bytes, sizeof(bytes));
	} while (n > 0);
	return n == -EAGAIN ? 0 : (int)n;
}

/* Few bytes into a pipe: all of them or none. */
static ssize_t write_whole(int pipe, const void *bytes, size_t len)
{
	ssize_t n;

	do {
		n = write(pipe, bytes, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

static size_t left_in(int pipe)
{
	int n = 0;

	return ioctl(pipe, FIONREAD, &n) < 0 ? 0 : (size_t)n;
}

/* calls: sendto */
static int send_plainly(int socket, const void *bytes, size_t len)
{
	ssize_t n;

	do {
		n = send(socket, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	/* A stream socket takes so few bytes whole or not at all. */
	return (size_t)n == len ? 0 : -EPIPE;
}

/* calls: splice */
int once_send(struct once *once, uint64_t id, int socket, const void *bytes, size_t len)
{
	ssize_t n;
	int error;

	if (!once)
		return send_plainly(socket, bytes, len);
	hf_store_release(&once->notes->sending, (uint64_t)0);
	/* What is left of another answer would go out before this one. */
	error = drain(once->answer[0]);
	if (error)
		return error;
	if (write_whole(once->answer[1], bytes, len) != (ssize_t)len)
		return -EPIPE;
	hf_store_release(&once->notes->sending, id);
	do {
		n = splice(once->answer[0], NULL, socket, NULL, len, SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len)
		return 0;
	error = n < 0 ? -errno : -EPIPE;
	hf_store_release(&once->notes->sending, (uint64_t)0);
	(void)drain(once->answer[0]);
	return error;
}

bool once_was_sent(const struct once *once, uint64_t id)
{
	return once->notes->sending == id && !left_in(once->answer[0]);
}

/* 0: also when there is less. */
/* calls: recvfrom */
static int consume_plainly(int socket, size_t len)
{
	char bytes[512];

	while (len) {
		ssize_t n = recv(socket, bytes, len < sizeof(bytes) ? len : sizeof(bytes),
				 MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0)
			return 0;
		len -= (size_t)n;
	}
	return 0;
}

/* After a death the pipe has what is out already. */
static int begin_consuming(struct once *once, uint64_t id)
{
	int error;

	if (once->notes->consuming == id)
		return 0;
	hf_store_release(&once->notes->consuming, (uint64_t)0);
	error = drain(once->consumed[0]);
	if (!error)
		hf_store_release(&once->notes->consuming, id);
	return error;
}

static size_t was_consumed(const struct once *once, uint64_t id)
{
	return once->notes->consuming == id ? left_in(once->consumed[0]) : 0;
}

/* calls: setsockopt */
/* calls: splice */
int once_consume(struct once *once, uint64_t id, int socket, size_t len)
{
	int offset = -1, error;

	/* Where a look began, a splice would begin as well. */
	if (setsockopt(socket, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) < 0)
		return -errno;
	if (!once)
		return consume_plainly(socket, len);
	error = begin_consuming(once, id);
	if (error)
		return error;
	len -= was_consumed(once, id);
	while (len) {
		ssize_t n = splice(socket, NULL, once->consumed[1], NULL, len, SPLICE_F_NONBLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* more pieces than the pipe has slots */
			break;
		len -= (size_t)n;
	}
	return consume_plainly(socket, len);
}

/* A copy of what is in the pipe. */
/* calls: tee */
static ssize_t look_into(struct once *once, void *bytes, size_t room)
{
	ssize_t n;

	do {
		n = tee(once->taken[0], once->look[1], room, SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	n = read_some(once->look[0], bytes, room);
	(void)drain(once->look[0]);
	return n;
}

/* calls: splice */
ssize_t once_take(struct once *once, uint32_t slot, int device, void *bytes, size_t room)
{
	ssize_t n;
	int error;

	if (!once)
		return read_some(device, bytes, room);
	/* A request before it would be taken for this one's beginning. */
	error = drain(once->taken[0]);
	if (error)
		return error;
	hf_store_release(&once->notes->taking, (uint64_t)slot + 1);
	do {
		n = splice(device, NULL, once->taken[1], NULL, room, SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	return look_into(once, bytes, room);
}

void once_taken(struct once *once)
{
	if (once)
		(void)drain(once->taken[0]);
}

ssize_t once_left(struct once *once, uint32_t slot, void *bytes, size_t room)
{
	if (!once || once->notes->taking != (uint64_t)slot + 1 || !left_in(once->taken[0]))
		return 0;
	return look_into(once, bytes, room);
}

/* calls: pipe2 */
static int open_pipe(int pipe[2])
{
	return pipe2(pipe, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
}

int once_open_rest(struct once *once)
{
	return open_pipe(once->look);
}

int once_open(struct once *once)
{
	int error;

	once->answer[0] = once->answer[1] = once->consumed[0] = once->consumed[1] = -1;
	once->taken[0] = once->taken[1] = once->look[0] = once->look[1] = -1;
	error = open_pipe(once->answer);
	if (!error)
		error = open_pipe(once->consumed);
	if (!error)
		error = open_pipe(once->taken);
	if (!error)
		error = once_open_rest(once);
	if (error) {
		once_close(once);
		return error;
	}
	(void)fcntl(once->consumed[1], F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

void once_close(struct once *once)
{
	hf_fd_close_all(once->answer, 2);
	hf_fd_close_all(once->consumed, 2);
	hf_fd_close_all(once->taken, 2);
	hf_fd_close_all(once->look, 2);
}
