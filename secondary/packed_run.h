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

/* In ring order, each by one store: see "Publishing" in packed.h. */
LOOP void use_packed_run(struct hf_vring *v, const struct hf_run *r, uint32_t n)
{
	hf_packed_use_singles(v, r->used, n);
}

static uint16_t run_packed_dequeue(struct hf_vring *v, struct hf_packet *const *packets,
				   uint16_t room, struct hf_tally *tally, bool *ret_ended)
{
	uint32_t want = hf_packed_run_length(v, room < HF_RUN ? room : HF_RUN);
	struct hf_run run;
	uint32_t n = look_packed_dequeue(v, &run, v->next, want);
	uint16_t got = 0;

	*ret_ended = n != want;
	if (!n)
		return 0;
	take_run(v, &run, n, packets, &got, tally);
	use_packed_run(v, &run, n);
	v->budget -= (int32_t)n;
	return got;
}

static uint16_t run_packed_enqueue(struct hf_vring *v, struct hf_packet *const *packets,
				   uint16_t count, struct hf_tally *tally)
{
	uint32_t want = hf_packed_run_length(v, count < HF_RUN ? count : HF_RUN);
	struct hf_run run;
	uint32_t n = ask_enqueue(&run, packets, want, v->header_bytes);

	n = look_packed_enqueue(v, &run, n);
	n = copy_run_enqueue(&run, packets, n, v->header_bytes);
	if (!n)
		return 0;
	use_packed_run(v, &run, n);
	tally_run(v, tally, &run, 0, n, packets);
	v->budget -= (int32_t)n;
	return (uint16_t)n;
}

#endif
