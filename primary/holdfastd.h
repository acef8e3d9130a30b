/* SPDX-License-Identifier: Apache-2.0 */
/* The program: what it consists of, each part with its beginning and its end. */
#ifndef PRIMARY_HOLDFASTD_H
#define PRIMARY_HOLDFASTD_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "loop.h"
#include "primary.h"

#define TAG "holdfastd"

struct holdfastd {
	struct conf conf;
	struct primary primary;
	int lock;
	int signals;
	struct loop_source signal_source;
	bool resumed;		      /* an earlier life left something */
	struct loop_timer stop_timer; /* armed while the last sessions end */
	uint64_t stop_by_ns;
};

struct part {
	/* 0, or -errno and one line with the remedy was printed. */
	int (*start)(struct holdfastd *d);
	void (*stop)(struct holdfastd *d); /* NULL: nothing to undo; also after a failed start */
};

/* part_process.c */
extern const struct part part_limits, part_devices, part_privileges, part_lock;
/* part_memory.c */
extern const struct part part_loop, part_store, part_watchdog, part_tables, part_directory,
	part_history;
/* What no record names, when all is taken over. */
extern const struct part part_rest;
/* part_signals.c */
extern const struct part part_signals;
/* part_doors.c */
extern const struct part part_upgrade, part_attach, part_sessions, part_ports, part_control,
	part_watch;

/* Will somebody start another one, with what we leave? */
bool holdfastd_is_kept(const struct holdfastd *d);
/* Says so: -ENOMEM. */
int holdfastd_out_of_memory(void);

#endif
