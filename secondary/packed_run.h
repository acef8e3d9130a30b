/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs on a packed ring (run.h): what is looked at and how it is used is the packed ring's own,
 * what is copied and counted is not. Included by run_core.h only, and compiled for each level with
 * it.
 *
 * A run never goes round the ring's end, so all its descriptors have the same two flags.
 */
#ifndef SECONDARY_PACKED_RUN_H
#define SECONDARY_PACKED_RUN_H

#include "packed.h"

static_assert(HF_RUN <= HF_PACKED_RUN, "a run is published by one intent");

/* Chains from v->next on that are simple to dequeue; how many of `n`. */
LOOP uint32_t look_packed_dequeue(struct hf_vring *v, struct hf_run *r, uint32_t n)
{
	const struct hf_packed_slot *slots = hf_packed_slot(v, v->next);
	const uint16_t simple = hf_packed_avail_flags(v->next);
	const uint32_t header = v->header_bytes;
	struct window w = window_of(v);
	uint32_t longest = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		/* Flags, id and length at once, and only then the address. */
		uint64_t state = hf_load_acquire(&slots[i].state);
		uint32_t len = (uint32_t)state;
		uint8_t *from;

		if (hf_packed_flags(state) != simple || unlikely(len <= header))
			break;
		if (unlikely(!window_find(v, &w, hf_read_once(&slots[i].addr), len, &from)))
			break;
		prefetch_frame(from, false);
		r->address[i] = from;
		r->len[i] = len;
		r->head[i] = (uint16_t)(state >> 32);
		longest |= len;
	}
	r->longest = longest;
	return (uint32_t)i;
}

/* Packets, and chains from v->next on, that are simple to enqueue; how many of `n`. */
LOOP uint32_t look_packed_enqueue(struct hf_vring *v, struct hf_run *r,
				  struct hf_packet *const *packets, uint32_t n)
{
	const struct hf_packed_slot *slots = hf_packed_slot(v, v->next);
	const uint16_t simple = hf_packed_avail_flags(v->next) | VRING_DESC_F_WRITE;
	const uint32_t header = v->header_bytes;
	struct window w = window_of(v);
	uint32_t longest = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		uint64_t state = hf_load_acquire(&slots[i].state);
		uint32_t len = packets[i]->total + header;
		uint8_t *to;

		if (hf_packed_flags(state) != simple || unlikely(!packet_is_simple(packets[i])) ||
		    unlikely((uint32_t)state < len))
			break;
		if (unlikely(!window_find(v, &w, hf_read_once(&slots[i].addr), len, &to)))
			break;
		prefetch_frame(to, true);
		r->address[i] = to;
		r->len[i] = len;
		r->head[i] = (uint16_t)(state >> 32);
		longest |= len;
	}
	r->longest = longest;
	return (uint32_t)i;
}

LOOP void use_packed_dequeued(struct hf_vring *v, const struct hf_run *r, uint32_t n)
{
	hf_packed_use_singles(v, r->head, n);
}

/* In ring order, each by one store: see "Publishing" in packed.h. */
LOOP void use_packed_enqueued(struct hf_vring *v, const struct hf_run *r, uint32_t n)
{
	struct hf_packed_slot *slots = hf_packed_slot(v, v->next);
	const uint64_t flags = (uint64_t)(hf_packed_used_flags(v->next) | VRING_DESC_F_WRITE) << 48;

	hf_packed_intend(v, HF_INTENT_PACKED_SINGLES, n);
#pragma GCC unroll 4
	for (uint32_t i = 0; i < n; i++)
		hf_packed_store(&slots[i], flags | (uint64_t)r->head[i] << 32 | r->len[i]);
	hf_packed_settle(v, n);
}

static uint16_t run_packed_dequeue(struct hf_vring *v, struct hf_packet *const *packets,
				   uint16_t room, struct hf_tally *tally, bool *ret_ended)
{
	uint32_t want = hf_packed_run_length(v, room < HF_RUN ? room : HF_RUN);
	struct hf_run run;
	uint32_t n = look_packed_dequeue(v, &run, want);
	uint16_t got = 0;

	*ret_ended = n != want;
	if (!n)
		return 0;
	take_run(v, &run, n, packets, &got, tally);
	use_packed_dequeued(v, &run, n);
	v->budget -= (int32_t)n;
	return got;
}

static uint16_t run_packed_enqueue(struct hf_vring *v, struct hf_packet *const *packets,
				   uint16_t count, struct hf_tally *tally)
{
	uint32_t want = hf_packed_run_length(v, count < HF_RUN ? count : HF_RUN);
	struct hf_run run;
	uint32_t n = look_packed_enqueue(v, &run, packets, want);

	if (!n)
		return 0;
	if (v->header_bytes == 12 && run.longest <= HF_COPY_SHORT)
		copy_enqueue_12_short(&run, packets, n);
	else
		copy_enqueue_any(&run, packets, n, v->header_bytes);
	use_packed_enqueued(v, &run, n);
	tally_run(v, tally, &run, 0, n, packets);
	v->budget -= (int32_t)n;
	return (uint16_t)n;
}

#endif
