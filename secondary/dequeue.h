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
 * Dequeue from a buffer that was looked at already: `len` bytes at `from`, more than the header.
 * For what a run's copy cannot do itself: a header that asks for something, a packet of more than
 * one segment. 0 with the packet filled, or the DROP reason.
 */
int hf_dequeue_buffer(struct hf_vring *vring, const uint8_t *from, uint32_t len,
		      struct hf_packet *packet);

/*
 * Is it a burst on a ring that has nothing, of which nothing is asked? Most bursts of a switch with
 * many devices are such: they read a line of the vring, one that vrings share of the directory and
 * the guest's, and write one of the lane.
 */
static inline bool hf_dequeue_is_empty(const struct hf_vring *v)
{
	if (unlikely(hf_read_once(&v->attention)))
		return false;
	if (likely(!v->packed))
		return likely(v->avail_seen == v->next) &&
		       likely(hf_read_once(&v->avail->idx) == v->next);
	return !hf_packed_is_available(hf_packed_look(v, v->next), v->next);
}

#endif
