/* SPDX-License-Identifier: Apache-2.0 */
/* Pauses for people and for programs. */
#ifndef BENCH_PAUSE_REPORT_H
#define BENCH_PAUSE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"

#define PAUSE_ROWS 32u

/* One figure of one kind of event, over all of them. */
struct pause_row {
	const char *event;
	const char *part; /* of the pause; "pause": all of it, as the guests saw it */
	uint32_t n;
	uint64_t *ns; /* of each; sorted by the report */
	/* Of the whole pause only. */
	struct flow_counts counts;
	uint64_t most_lost; /* at one event */
	uint32_t away; /* events at which the measuring thread itself was not run for a while */
};

void pause_report_header(void);
void pause_report_row(struct pause_row *row);
/* A list of objects, one a line. 0 or -errno after a line on standard error. */
int pause_report_json(const char *path, const struct pause_row *rows, size_t n);

#endif
