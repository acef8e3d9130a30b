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
 * counted and over. Most bursts of a switch with many devices are; they touch a line each of
 * device, vring and lane, one that vrings share of the directory, and the guest's.
 */
static inline bool hf_dequeue_is_empty(struct hf_device *device, struct hf_vring *v)
{
	bool empty;

	if (unlikely(hf_read_once(&v->attention) | hf_read_once(&device->rarp)))
		return false;
	if (likely(!v->packed))
		empty = v->avail_seen == v->next && hf_read_once(&v->avail->idx) == v->next;
	else
		empty = !hf_packed_is_available(hf_packed_look(v, v->next), v->next);
	if (!empty)
		return false;
	hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
	hf_burst_leave(v->lane);
	return true;
}

#endif
