/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines with a level and a tag that names the object ("port p0", "secondary vsw").
 *
 * The default sink writes "<N>tag: line" to standard error when it is not a terminal (journald
 * reads the <N>), and without the <N> when it is. A program can put a sink of its own in place.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

/* The numbers are those of syslog(3). */
enum hf_log_level {
	HF_LOG_ERROR = 3,
	HF_LOG_WARNING = 4,
	HF_LOG_NOTICE = 5,
	HF_LOG_INFO = 6,
	HF_LOG_DEBUG = 7,
};

typedef void hf_log_sink(void *context, int priority, const char *tag, const char *line);

/* Process-wide; call before threads start. NULL gives back the default sink. */
void hf_log_set_sink(hf_log_sink *sink, void *context);
/* Standard error, a pipe or a terminal, becomes an open file of our own that does not block; others
 * that have the same pipe keep theirs. Before rights are given up that open it. */
void hf_log_never_wait(void);
/* Lines less urgent than this are not formatted. Default: notice. */
void hf_log_set_level(enum hf_log_level level);

void hf_log(enum hf_log_level level, const char *tag, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * What a hostile peer can trigger is logged through a limiter: ten lines at once, then one a
 * second. Zero-initialise; one per object. Returns true when a line may be written now; the next
 * line of this thread then also says how many were not since the last one.
 */
struct hf_log_limit {
	uint64_t until_ns; /* to when all that was written lasts, one a second */
	uint32_t suppressed;
};
int hf_log_allowed(struct hf_log_limit *limit);

#define log_error(tag, ...)   hf_log(HF_LOG_ERROR, tag, __VA_ARGS__)
#define log_warning(tag, ...) hf_log(HF_LOG_WARNING, tag, __VA_ARGS__)
#define log_notice(tag, ...)  hf_log(HF_LOG_NOTICE, tag, __VA_ARGS__)
#define log_info(tag, ...)    hf_log(HF_LOG_INFO, tag, __VA_ARGS__)
#define log_debug(tag, ...)   hf_log(HF_LOG_DEBUG, tag, __VA_ARGS__)

#endif
