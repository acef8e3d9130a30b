/* SPDX-License-Identifier: Apache-2.0 */
/* What dequeue and the direct hop share. */
#ifndef SECONDARY_DEQUEUE_H
#define SECONDARY_DEQUEUE_H

#include "burst.h"
#include "packed.h"
#include "vring.h"

/* A ring that is granted but disabled: up to `ready` chains of what the guest sends are discarded
 * (vhost-user, "Ring states"). Data thread, inside a burst. */
void hf_dequeue_discard(struct hf_vring *vring, uint16_t ready);

/*
 * Is it a burst on a ring that has nothing, of a device that has nothing to announce? Then it is
 * counted and over. Else its budget is there. Most bursts of a switch with many devices are empty:
 * they read a line of the vring, one that vrings share of the directory and the guest's, and write
 * one of the lane. `usual`: of hf_burst_open_fast, which has looked for what is out of the
 * ordinary.
 */
static inline bool hf_dequeue_is_empty(struct hf_vring *v, const bool usual)
{
	struct hf_lane_vring *lane = v->lane;
	bool empty;

	if (!usual && hf_read_once(&v->attention))
		empty = false;
	else if (likely(!v->packed))
		empty = likely(v->avail_seen == v->next) &&
			likely(hf_read_once(&v->avail->idx) == v->next);
	else
		empty = !hf_packed_is_available(hf_packed_look(v, v->next), v->next);
	if (unlikely(!empty)) {
		v->budget = HF_BURST_BUDGET;
		return false;
	}
	hf_count_in(lane, HF_COUNTER_EMPTY_BURSTS, 1);
	hf_burst_leave(lane);
	return true;
}

#endif
