/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to those who run a guest's rings, while packets are in flight. */
#ifndef BENCH_PAUSE_EVENTS_H
#define BENCH_PAUSE_EVENTS_H

#include "stage.h"

/* Of one event; times in nanoseconds. `parts`: see the event's list. */
#define PAUSE_PARTS 3u
#define PAUSE_NONE  UINT64_MAX /* no such part at this one */

struct pause {
	uint64_t pause_ns;
	uint64_t parts[PAUSE_PARTS];
};

struct pause_event {
	const char *name;
	const char *help;
	uint32_t n; /* how often, unless told otherwise */
	bool supervised, standby;
	bool lossless; /* not one packet may be lost */
	const char *parts[PAUSE_PARTS];
	/* Once, from steady traffic until steady traffic. 0, or -errno after a line. */
	int (*strike)(struct stage *stage, struct pause *ret);
	/* Make the stage whole again. */
	int (*mend)(struct stage *stage);
};

extern const struct pause_event pause_events[]; /* ends with a NULL name */

#endif
