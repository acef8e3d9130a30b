/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of the store in a test: a socket as $NOTIFY_SOCKET that reads what the test has it
 * read, when it has it read it, and goes when it is told to.
 */
#ifndef TESTS_HOLDER_H
#define TESTS_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "suite.h"

struct holder {
	int socket;
};

struct held {
	char text[256];
	int fd; /* -1: none; the caller's */
};

/* In the kernel's name space: nothing to clean up. */
static inline void holder_open(struct holder *holder)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(address);
	char path[64];

	holder->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	REQUIRE(holder->socket >= 0);
	REQUIRE(bind(holder->socket, (struct sockaddr *)&address, sizeof(address.sun_family)) == 0);
	REQUIRE(getsockname(holder->socket, (struct sockaddr *)&address, &len) == 0);
	len -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
	snprintf(path, sizeof(path), "@%.*s", (int)len - 1, address.sun_path + 1);
	REQUIRE(setenv("NOTIFY_SOCKET", path, 1) == 0);
}

static inline void holder_close(struct holder *holder)
{
	if (holder->socket >= 0)
		close(holder->socket);
	holder->socket = -1;
	unsetenv("NOTIFY_SOCKET");
}

/* The next datagram; false: there is none now. */
static inline bool holder_read(struct holder *holder, struct held *ret)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {ret->text, sizeof(ret->text) - 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(holder->socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return false;
	ret->text[n] = '\0';
	ret->fd = -1;
	if (CMSG_FIRSTHDR(&msg))
		memcpy(&ret->fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(ret->fd));
	return true;
}

/* The same, which must say just this; its descriptor, if any, is closed. Had it one? */
static inline bool holder_hears(struct holder *holder, const char *text)
{
	struct held held;
	bool had;

	if (!holder_read(holder, &held)) {
		printf("\n    nothing came, not: %s\n    ", text);
		CHECK(false);
		return false;
	}
	if (strcmp(held.text, text) != 0)
		printf("\n    %s\n    came, not: %s\n    ", held.text, text);
	CHECK(strcmp(held.text, text) == 0);
	had = held.fd >= 0;
	if (had)
		close(held.fd);
	return had;
}

#endif
