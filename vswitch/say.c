/* SPDX-License-Identifier: Apache-2.0 */
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Only where say_never_wait() could not open it: a pipe that poll finds room in has it for
 * PIPE_BUF, and a line is shorter; another process that fills the same pipe in between makes us
 * wait for its reader, and so does a terminal with room for half a line. */
ssize_t say_bytes(int fd, const char *text, size_t bytes)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	ssize_t n = send(fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK) {
		if (poll(&ready, 1, 0) != 1)
			return 0;
		n = write(fd, text, bytes);
	}
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n;
}

static void never_wait(int fd)
{
	struct stat st;
	int own;

	if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || isatty(fd)))
		return;
	own = open(fd == STDOUT_FILENO ? "/proc/self/fd/1" : "/proc/self/fd/2",
		   O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return;
	(void)dup2(own, fd);
	(void)close(own);
}

void say_never_wait(void)
{
	never_wait(STDOUT_FILENO);
	never_wait(STDERR_FILENO);
}

/* False: it is missing, or a half of it. */
static bool put_line(const char *text, atomic_bool *cut)
{
	size_t bytes = strlen(text);
	ssize_t n = say_bytes(STDERR_FILENO, text, bytes);

	if (n > 0)
		atomic_store(cut, (size_t)n < bytes);
	return n == (ssize_t)bytes;
}

static void put_error(const char *text)
{
	static atomic_uint lost;
	static atomic_bool cut;
	unsigned missing = atomic_exchange(&lost, 0);
	char note[128];

	if (missing) {
		(void)snprintf(note, sizeof(note),
			       "%sholdfast-vswitch: %u lines are missing here, nobody read\n",
			       atomic_load(&cut) ? "\n" : "", missing);
		if (!put_line(note, &cut))
			atomic_fetch_add(&lost, missing);
	}
	if (!put_line(text, &cut))
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

void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line(format, arguments);
	va_end(arguments);
	exit(1);
}
