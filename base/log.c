/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

#define LINE_MAX_BYTES 1024
#define LIMIT_BURST    10u

/* Lines that a limiter held back, to be said with the next one of this thread. */
static _Thread_local uint32_t held_back;

static void stderr_sink(void *context, int priority, const char *tag, const char *line);

/* Set before threads start, read by all of them. */
static hf_log_sink *current_sink = stderr_sink;
static void *current_context;
static enum hf_log_level current_level = HF_LOG_NOTICE;

/*
 * A log that nobody reads must not stop who writes it: what cannot be written at once is lost, and
 * counted. Between poll and write another process may fill the same pipe; hf_log_never_wait is for
 * who cannot afford even that.
 * calls: sendto poll ppoll
 */
static bool put(const char *text, size_t len)
{
	struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t n = send(STDERR_FILENO, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK && poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT))
		n = write(STDERR_FILENO, text, len);
	return n >= 0;
}

static void stderr_sink(void *context, int priority, const char *tag, const char *line)
{
	static _Thread_local uint32_t lost;
	char text[LINE_MAX_BYTES + 256];
	bool tty = isatty(STDERR_FILENO);
	int len;

	(void)context;
	if (lost) {
		len = snprintf(text, sizeof(text),
			       "%slog: %u lines are missing here, nobody read\n", tty ? "" : "<4>",
			       lost);
		if (put(text, (size_t)len))
			lost = 0;
	}
	len = tty ? snprintf(text, sizeof(text), "%.128s: %s\n", tag, line)
		  : snprintf(text, sizeof(text), "<%d>%.128s: %s\n", priority, tag, line);
	if (!put(text, (size_t)len))
		lost++;
}

/* calls: dup2 dup3 */
void hf_log_never_wait(void)
{
	struct stat st;
	int fd;

	if (fstat(STDERR_FILENO, &st) < 0 || !(S_ISFIFO(st.st_mode) || isatty(STDERR_FILENO)))
		return;
	fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)dup2(fd, STDERR_FILENO);
	close(fd);
}

void hf_log_set_sink(hf_log_sink *sink, void *context)
{
	current_sink = sink ? sink : stderr_sink;
	current_context = context;
}

void hf_log_set_level(enum hf_log_level level)
{
	current_level = level;
}

/* A peer's bytes may be in the line: nothing but printable characters reaches a terminal. */
static void make_printable(char *line)
{
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

void hf_log(enum hf_log_level level, const char *tag, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	uint32_t more = held_back;
	va_list args;
	size_t len;

	held_back = 0;
	if (level > current_level)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	len = strlen(line);
	if (more)
		snprintf(line + len, sizeof(line) - len, " (%u more like it held back)", more);
	make_printable(line);
	current_sink(current_context, (int)level, tag, line);
}

int hf_log_allowed(struct hf_log_limit *limit)
{
	uint64_t now = hf_now_ns();

	if (limit->until_ns < now)
		limit->until_ns = now;
	if (limit->until_ns - now > (LIMIT_BURST - 1) * NS_PER_S) {
		limit->suppressed++;
		return false;
	}
	limit->until_ns += NS_PER_S;
	held_back = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
