/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port table: what each worker receives from and where it may send to. Never changed once
 * built: every event in the control thread builds a new one and replaces the old (quiesce.h). But
 * for what a worker notes of its own sources (share.h): a new table begins anew, which gives one
 * that owed something one round more. And for its arrivals (attend.h).
 */
#ifndef VSWITCH_TABLE_H
#define VSWITCH_TABLE_H

#include "port.h"

/* A receive queue that the worker runs. */
struct source {
	struct port *port;
	uint16_t queue;
	bool waitable : 1; /* has a descriptor; else it must be polled */
	/* Of its worker. */
	bool busy : 1; /* it owes for packets, not for what was dropped unseen */
	uint8_t want;  /* packets to ask it for */
	uint32_t owed; /* work, for later rounds to pay */
};

/* A transmit queue of the worker's that was turned on (attend.h). */
struct arrival {
	struct port *port;
	uint16_t queue;
};

/* Of its worker, which takes out those that are done. */
struct arrivals {
	unsigned nr;
	struct arrival list[];
};

/* How one worker reaches one port. */
struct route {
	struct port *port;	/* NULL: no such port, or none of its transmit queues is on */
	const uint16_t *queues; /* choose among these, by flow */
	uint16_t nr_queues;
};

struct view {
	struct source *sources;
	unsigned nr_sources;
	bool must_poll; /* one of the sources is not waitable */
	struct arrivals *arrivals;
	struct route *routes; /* MAX_PORTS, by port id */
};

struct table {
	unsigned nr_workers;
	bool resting;	     /* empty for a moment: what was left for other workers keeps */
	uint16_t *reachable; /* ids of the ports that have a route */
	unsigned nr_reachable;
	uint16_t *queues;    /* storage of the routes */
	struct view views[]; /* by worker */
};

/* Build from `ports` (MAX_PORTS pointers, NULL where free). NULL when memory lacks. */
struct table *table_build(struct port *const *ports, unsigned nr_workers);
void table_free(struct table *table);

#endif
