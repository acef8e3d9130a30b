/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage of pauses and floods: a primary, two guests, holdfast-vswitch between them, and a
 * second one that stands by. All are real processes; whoever dies is replaced between two events.
 */
#ifndef BENCH_STAGE_H
#define BENCH_STAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "flow.h"
#include "front.h"
#include "holdfastd.h"

#define STAGE_SWITCHES 2u

struct stage_switch {
	pid_t pid; /* 0: none */
	int pidfd;
	char name[16];
};

struct stage_options {
	const char *holdfastd, *vswitch; /* NULL: those of this build */
	const char *dir;		 /* for sockets; private, exists */
	const char *mode;		 /* of the switch */
	uint64_t period_ns;
	uint32_t deadline_ms;
	uint16_t entries;
	uint32_t places; /* pages of each guest that the switch comes to use; 0: few */
	int cpu;	 /* the guests' own, and nobody else's here; -1: all run where they like */
	bool supervised, standby, huge;
	bool hostile; /* one more port, "bad", for somebody else */
};

struct stage {
	struct stage_options options;
	struct holdfastd daemon;
	struct front fronts[2];
	struct stage_switch switches[STAGE_SWITCHES];
	uint32_t owner; /* which of them runs the rings */
	uint32_t started;
	uint64_t event; /* number of the newest that was read */
	struct flow flow;
};

/* On return packets flow from guest to guest. 0, or -errno after a line on standard error. */
int stage_open(struct stage *stage, const struct stage_options *options);
/* Also what was opened in part. */
void stage_close(struct stage *stage);

/* From now on this thread, and whoever it starts, runs where the guests do, or where they do not. 0
 * or -errno after a line. */
int stage_run_on(const struct stage *stage, bool guests);

/* Start a switch into a place that is free. It runs what nobody runs. */
int stage_start(struct stage *stage, uint32_t place);
/* Until it has the rings mapped and could take over. */
bool stage_wait_prepared(struct stage *stage, uint32_t place);
/* Collect one that is dead or dying. */
void stage_reap(struct stage *stage, uint32_t place);
static inline uint32_t stage_other(const struct stage *stage)
{
	return 1 - stage->owner;
}

#endif
