/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floods: what one hostile peer does as fast as it can. It is a process of its own that runs
 * when nobody else wants the processor (SCHED_IDLE): what the others lose is then not the time that
 * it takes, but what Holdfast does because of it.
 */
#ifndef BENCH_FLOOD_KINDS_H
#define BENCH_FLOOD_KINDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "front.h"

#define FLOOD_USER 4711 /* a number that nobody has */

struct flooder;

struct flood_kind {
	const char *name, *help;
	bool session; /* it has one, with rings, on its port */
	bool guest;   /* it floods by its rings: on the neighbours' worker */
	int (*begin)(struct flooder *flooder);
	void (*step)(struct flooder *flooder);
	bool user; /* it is FLOOD_USER's, for whom there is a rule (without root it is ours) */
};

/* The last has no name. */
extern const struct flood_kind flood_kinds[];

struct flood_shared {
	atomic_bool on;
	atomic_int ready; /* 1: yes; -errno */
	atomic_ulong done;
};

struct flood_process {
	pid_t pid;
	struct flood_shared *shared;
};

/* In the run directory, on the port "bad"; it waits until it is on. 0 or -errno after a line. */
int flood_start(struct flood_process *process, const struct flood_kind *kind, const char *run_dir);
void flood_stop(struct flood_process *process);

#endif
