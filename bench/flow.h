/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of numbered packets from one guest to another, through whoever runs their rings, and an
 * eye on what arrives: when, and whether anything was lost, came twice, or out of order.
 *
 * One thread does both ends and polls. No more is under way than the receiver has buffers, so a
 * switch never has a reason of its own to drop anything.
 */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "front.h"

#define FLOW_FRAME   64u
#define FLOW_HISTORY 1024u /* numbers back; more than a ring */
#define FLOW_DELAYS  10000u

struct flow_counts {
	uint64_t sent, came;
	uint64_t lost;
	uint64_t duplicated;
	uint64_t late;	  /* behind one with a higher number */
	uint64_t damaged; /* a packet that is none of ours, or a ring's rule broken */
};

struct flow {
	struct front *from, *to;
	uint64_t period_ns; /* from one packet to the next */
	uint64_t due_ns;
	uint64_t next;	   /* number that is sent next */
	uint64_t expected; /* one more than the highest that came */
	bool holding;	   /* nothing new is sent */
	uint8_t seen[FLOW_HISTORY];
	struct flow_counts counts;
	/* Of what is watched, since flow_watch. */
	uint64_t arrivals;
	uint64_t last_ns;	     /* of the last arrival */
	uint64_t gap_ns, gap_end_ns; /* the longest between two arrivals; when it ended */
	uint64_t turned_ns;
	uint64_t stolen_ns; /* the longest that this thread itself was away */
	/* How many packets took so many microseconds, the last one also for longer; NULL: not
	 * asked. */
	uint32_t *delays;
	uint64_t sent_ns[FLOW_HISTORY];
};

/* Both fronts are connected, their rings empty. */
void flow_start(struct flow *flow, struct front *from, struct front *to, uint64_t period_ns);
/* Send what is due, take what came. Returns the time. */
uint64_t flow_turn(struct flow *flow);
/* So long. */
void flow_run(struct flow *flow, uint64_t ns);
/* Until so many more have come, at most so long. */
bool flow_run_until(struct flow *flow, uint64_t arrivals, uint64_t ns);
/* From now on gaps count. */
void flow_watch(struct flow *flow);
/* Send nothing more until all that is under way has come, or will not come any more: that is lost.
 * False: something is stuck in the sender's ring. */
bool flow_settle(struct flow *flow);

#endif
