/* SPDX-License-Identifier: Apache-2.0 */
/* A hand-over under way: for handover*.c only. */
#ifndef PRIMARY_HANDOVER_MOVE_H
#define PRIMARY_HANDOVER_MOVE_H

#include <stdbool.h>
#include <stdint.h>

#include "handover.h"
#include "waiting.h"

struct device;
struct primary;

struct move {
	struct handover *handover;
	struct device *device; /* NULL: its session is over */
	uint64_t owner;	       /* secondary's id, when it began; 0: nobody */
	uint64_t told;	       /* the secondary that was sent its state; 0: nobody */
	bool flushed;
	bool waiting; /* for the revocation */
	struct revocation revocation;
};

struct handover {
	struct primary *primary;
	struct handover_waiter *waiter; /* NULL: nobody */
	struct handover *next;		/* all of them */
	uint64_t to;			/* secondary's id; 0: whoever is next */
	uint64_t from;			/* only what this one runs; 0: whoever runs it */
	uint64_t asker;			/* waiting.h: nothing that another one than this runs */
	uint32_t only;			/* device slot, or UINT32_MAX: all */
	bool force;			/* also when nobody is next */
	bool hung; /* `from` hangs: it cannot flush, nor keep what another can have */

	enum { BEGIN, STILL, FLUSH, TAKE } phase;
	uint64_t number; /* of its Flush */
	uint64_t started_ns;
	struct move *moves;
	uint32_t nr_moves;
	uint32_t pending;	 /* revocations, and one while they are being started */
	struct loop_timer timer; /* BEGIN: go; FLUSH: the deadline */
	struct handover_result result;
};

/* As `wanted` says. 0; -EBUSY, -ENOMEM with *ret_reason. */
int handover_begin(struct primary *primary, const struct handover *wanted,
		   struct handover_waiter *waiter, const char **ret_reason);
/* Would the device be given to another one, who lives? */
bool handover_has_relief(const struct device *device);

#endif
