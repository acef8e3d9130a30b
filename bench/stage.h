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

/* What every command says of its stage: rows for getopt_long, and the lines of its help. */
#define STAGE_OPTIONS                                                                              \
	{"period-us", required_argument, NULL, 'p'}, {"mode", required_argument, NULL, 'm'},       \
		{"no-huge-pages", no_argument, NULL, 'P'}, {"cpu", required_argument, NULL, 'c'},  \
		{"holdfastd", required_argument, NULL, 'H'},                                       \
	{                                                                                          \
		"vswitch", required_argument, NULL, 'V'                                            \
	}
#define STAGE_HELP(period)                                                                         \
	"  --period-us N      from one packet to the next (" period ")\n"                          \
	"  --mode WORD        of the switch: poll, interrupt or adaptive (adaptive)\n"             \
	"  --no-huge-pages    guests on ordinary pages\n"                                          \
	"  --cpu N            where the guests run, and nobody else (the last one)\n"              \
	"  --holdfastd PATH, --vswitch PATH   programs (those of this build)\n"
/* Where nothing else is said; the caller has a period and a deadline of its own. */
struct stage_options stage_defaults(void);
/* One of STAGE_OPTIONS. 0; -EINVAL: a line was printed, or it is none of them. */
int stage_option(struct stage_options *options, int option, const char *name, const char *value);

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
