/* SPDX-License-Identifier: Apache-2.0 */
#include "say.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A pipe that poll finds room in has it for PIPE_BUF, and a line is shorter. Another process that
 * fills the same pipe in between makes us wait for its reader. */
static bool put(int fd, const char *text, size_t bytes)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	ssize_t n = send(fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK && poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT))
		n = write(fd, text, bytes);
	return n >= 0;
}

static void put_error(const char *text)
{
	static atomic_uint lost;
	unsigned missing = atomic_exchange(&lost, 0);
	char note[128];

	if (missing) {
		(void)snprintf(note, sizeof(note),
			       "holdfast-vswitch: %u lines are missing here, nobody read\n",
			       missing);
		if (!put(STDERR_FILENO, note, strlen(note)))
			atomic_fetch_add(&lost, missing);
	}
	if (!put(STDERR_FILENO, text, strlen(text)))
		atomic_fetch_add(&lost, 1);
}

/* One write per line, so lines of several threads do not mix. */
__attribute__((format(printf, 1, 0))) static void line(const char *format, va_list arguments)
{
	char text[512], whole[sizeof(text) + 32];

	(void)vsnprintf(text, sizeof(text), format, arguments);
	(void)snprintf(whole, sizeof(whole), "holdfast-vswitch: %s\n", text);
	put_error(whole);
}

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line(format, arguments);
	va_end(arguments);
}

void say_lines(int fd, const char *text)
{
	for (const char *end = strchr(text, '\n'); end; end = strchr(text, '\n')) {
		if (!put(fd, text, (size_t)(end + 1 - text)))
			return;
		text = end + 1;
	}
}

void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line(format, arguments);
	va_end(arguments);
	exit(1);
}
