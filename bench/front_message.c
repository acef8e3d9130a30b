/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: a request is one sendmsg with at most one descriptor; the answer to it is
 * the next thing that comes, because nothing else is ever under way. */
#include "front_message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define HEADER_BYTES 12u
#define NEED_REPLY   (1u << 3)

int front_refuse(const char *what, uint32_t request)
{
	fprintf(stderr, "vhost-user request %u: %s\n", request, what);
	return -EPROTO;
}

int front_send(int socket, struct front_message *m, int fd)
{
	struct iovec iov = {m, HEADER_BYTES + m->size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (sendmsg(socket, &msg, MSG_NOSIGNAL) != (ssize_t)iov.iov_len)
		return front_refuse(strerror(errno), m->request);
	return 0;
}

static int receive_message(int socket, struct front_message *m)
{
	uint32_t request = m->request;

	if (recv(socket, m, HEADER_BYTES, MSG_WAITALL) != HEADER_BYTES)
		return front_refuse("no answer", request);
	if (m->request != request || m->size > sizeof(m->body) ||
	    recv(socket, &m->body, m->size, MSG_WAITALL) != (ssize_t)m->size)
		return front_refuse("an answer to something else", request);
	return 0;
}

/* A request whose answer is its data. */
int front_ask(int socket, struct front_message *m)
{
	int error;

	m->flags = FRONT_MESSAGE_VERSION;
	error = front_send(socket, m, -1);
	return error ? error : receive_message(socket, m);
}

/* A request whose answer is whether it was taken. */
int front_tell(int socket, struct front_message *m, uint32_t size, int fd)
{
	uint32_t request = m->request;
	int error;

	m->flags = FRONT_MESSAGE_VERSION | NEED_REPLY;
	m->size = size;
	error = front_send(socket, m, fd);
	if (!error)
		error = receive_message(socket, m);
	if (!error && m->body.u64)
		error = front_refuse("refused", request);
	return error;
}

int front_tell_u64(int socket, uint32_t request, uint64_t value, int fd)
{
	struct front_message m = {.request = request, .body.u64 = value};

	return front_tell(socket, &m, sizeof(value), fd);
}

int front_tell_state(int socket, uint32_t request, uint32_t index, uint32_t num)
{
	struct front_message m = {.request = request, .body.state = {index, num}};

	return front_tell(socket, &m, sizeof(m.body.state), -1);
}
