/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
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

static void stderr_sink(void *context, int priority, const char *tag, const char *line)
{
	(void)context;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s: %s\n", tag, line);
	else
		fprintf(stderr, "<%d>%s: %s\n", priority, tag, line);
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

	if (now - limit->refilled_ns >= NS_PER_S) {
		limit->refilled_ns = now;
		if (limit->spent >= LIMIT_BURST)
			limit->spent = LIMIT_BURST - 1;
		else
			limit->spent = 0;
	}
	if (limit->spent >= LIMIT_BURST) {
		limit->suppressed++;
		return false;
	}
	limit->spent++;
	held_back = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
