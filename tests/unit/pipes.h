/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes, sockets and terminals that somebody reads late, or never. */
#ifndef TESTS_PIPES_H
#define TESTS_PIPES_H

#include <fcntl.h>
#include <unistd.h>

#include "suite.h"

/* Until no byte fits any more. */
static inline void pipe_fill(int fd)
{
	static const char page[4096];
	int flags = fcntl(fd, F_GETFL);

	REQUIRE(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
	while (write(fd, page, sizeof(page)) > 0)
		;
	while (write(fd, page, 1) > 0)
		;
	REQUIRE(fcntl(fd, F_SETFL, flags) == 0);
}

/* What is in it, as far as there is room, as a string; its length. */
static inline size_t pipe_empty(int fd, char *text, size_t room)
{
	size_t len = 0;
	ssize_t n;

	REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	while (len < room - 1 && (n = read(fd, text + len, room - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len;
}

#endif
