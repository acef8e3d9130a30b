/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for a reader who may be slow, such as statistics: what does not fit is kept, and goes when
 * there is room, until a newer table takes its place. That one begins with how many lines are
 * missing. Nobody waits (say.h). Control thread.
 */
#ifndef VSWITCH_REPORT_H
#define VSWITCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct report {
	int fd;
	char *text; /* NULL: all has gone */
	size_t at, bytes;
	size_t table;	/* where it begins, behind the end of a line and what is said of the last */
	size_t missing; /* lines of tables before it, as said there */
	bool stuck;	/* nothing was taken of it the last time */
};

/* Lines, of which each ends; `text` is from malloc, and ours then. */
void report_put(struct report *report, char *text);
/* The descriptor to poll for room; -1: there is nothing for it, or it had room for nothing that is
 * worth it: then report_go_on() after a while. */
int report_wants(const struct report *report);
void report_go_on(struct report *report);
/* The end: a second for who still reads. */
void report_end(struct report *report);

#endif
