/* SPDX-License-Identifier: Apache-2.0 */
/* What is waited for. Embedded in whoever waits, who is told by a callback. */
#ifndef PRIMARY_WAITING_H
#define PRIMARY_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"

struct device;
struct handover;
struct primary;
struct secondary;

#define GRANT_ALL_VRINGS     (-1)
#define GRANT_DEQUEUE_VRINGS (-2)

/*
 * One revocation in progress; embedded in whoever waits for it (session, port, secondary).
 * `done` runs exactly once, maybe before revoke_start returns; after it nobody touches these
 * rings, nor the guest's memory through them, and the drafts hold the exact positions
 * (vring->base, base_used). It may start another revocation, and it may free this one, and the
 * device when all its vrings were taken back: revoke.c touches neither after the call.
 */
struct revocation {
	void (*done)(struct revocation *revocation);
	/* revoke.c's own: */
	struct primary *primary;
	struct device *device;
	int vring;
	struct secondary *secondary; /* revoke_secondary: all of one secondary's vrings */
	struct loop_timer timer;
	uint64_t started_ns;
	uint64_t deadline_ns;
	uint64_t looked_ns;  /* by revoke_look_again */
	uint32_t taken_back; /* vrings, so far */
	bool disabling;	     /* offer again before `done` */
	bool overdue;	     /* the deadline was missed, and dealt with */
	bool active;
	struct revocation *next; /* all active ones */
};

struct handover_result {
	uint32_t moved;
	uint32_t failed; /* went elsewhere or stayed: somebody died or left meanwhile */
	uint64_t longest_ns;
};

struct handover_waiter {
	/* Once, out of the loop, never before the call that began it has returned. */
	void (*done)(struct handover_waiter *waiter, const struct handover_result *result);
	/* The id of a secondary that a rule let in: only what it runs itself when it begins, or
	 * nobody does. 0: whoever runs it. */
	uint64_t asker;
	struct handover *handover; /* handover.c's own; NULL: nothing under way */
};

#endif
