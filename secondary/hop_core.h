/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of a hop (hop.h): part of run_core.h, which includes it, and as that one compiled for each
 * level of instructions. Look, copy, use, with the same rules.
 */
#include "hop.h"
#include "packed_run.h"

/* ---- peek */

/* Rows of the hop. Told that they do not overlap, the compiler moves them by vectors. */
LOOP void note_rows(struct hf_packet **restrict to, const uint8_t **restrict rest,
		    uint32_t *restrict total, struct hf_packet *const *restrict packets,
		    uint8_t *const *restrict address, const uint32_t *restrict len, uint32_t n,
		    uint32_t header)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = packets[i];
	for (uint32_t i = 0; i < n; i++)
		rest[i] = address[i] + header;
	for (uint32_t i = 0; i < n; i++)
		total[i] = len[i] - header;
}

/* What the hop keeps of `n` packets that were copied, those of the run from number i on. */
CORE void note_packets(struct hf_hop *hop, const struct hf_run *r, uint32_t i, uint32_t n,
		       struct hf_packet *const *packets, uint32_t header)
{
	uint32_t at = hop->count;

	note_rows(hop->packets + at, hop->rest + at, hop->total + at, packets, r->address + i,
		  r->len + i, n, header);
	memset(hop->nr_pieces_of + at, 0, n);
	hop->group |= r->group;
	hop->count = (uint16_t)(at + n);
	hop->places = (uint16_t)(hop->places + n);
}

/* A run of `n`; packets from hop->count on are for it. */
CORE void peek_run(struct hf_hop *hop, struct hf_run *r, uint32_t n,
		   struct hf_packet *const *packets, uint32_t front)
{
	const uint32_t header = hop->source->header_bytes;
	const bool is_12_short = header == 12 && front <= HF_COPY_SHORT;
	uint32_t i = 0, end;

	for (;; i = end + 1) {
		struct hf_packet *const *to = packets + hop->count;

		end = is_12_short ? copy_fronts_12_short(r, i, n, to, hop->count, front)
				  : copy_fronts_any(r, i, n, to, hop->count, front, header);
		note_packets(hop, r, i, end - i, to, header);
		if (likely(end == n))
			return;
		hop_look_at_buffer(hop, r->address[end], r->len[end], packets[hop->count], front);
		hop->places++;
	}
}

static void run_peek(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t ready,
		     uint32_t front)
{
	struct hf_vring *v = hop->source;
	struct hf_run run;

	while (hop->places < ready) {
		uint32_t at = (uint32_t)(v->next + hop->places) & v->mask;
		uint32_t want = run_places(v, at, (uint32_t)(ready - hop->places));
		uint32_t n = look_dequeue(v, &run, at, want);

		peek_run(hop, &run, n, packets, front);
		use_run(v, &run, at, n);
		if (n != want)
			return;
	}
}

/* Rows of a packed source. */
CORE void note_singles(uint64_t *restrict to, uint16_t *restrict descs,
		       const uint64_t *restrict used, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = used[i];
	for (uint32_t i = 0; i < n; i++)
		descs[i] = 1;
}

/* A run from hop->at on, which the ring has not come to yet; at most `room` packets. */
static void run_packed_peek(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t room,
			    uint32_t front)
{
	struct hf_vring *v = hop->source;
	const uint32_t left = v->size - hf_packed_distance(v, v->next, hop->at);
	const uint16_t first = hop->places;
	struct hf_run run;
	uint32_t n = hf_packed_run_from(v, hop->at, left, room < HF_RUN ? room : HF_RUN);

	n = look_packed_dequeue(v, &run, hop->at, n);
	peek_run(hop, &run, n, packets, front);
	note_singles(hop->used + first, hop->descs + first, run.used, n);
	hop->at = hf_packed_after(v, hop->at, n);
	v->budget -= (int32_t)n;
}

/* ---- forward */

/* What the hop knows of packets that are to be forwarded. */
struct hop_known {
	const uint32_t *total;
	const uint8_t *const *rest;
};

/* Are they `n` packets that stand one behind the other in the hop, without pieces? Most are. */
LOOP bool find_row(const struct hf_hop *hop, struct hf_packet *const *packets, uint32_t n,
		   struct hop_known *ret)
{
	uint32_t first = packets[0]->peeked;
	struct hf_packet *const *known = hop->packets + first;
	uintptr_t differs = 0;
	uint8_t pieces = 0;

	if (unlikely(first + n > hop->count))
		return false;
	for (uint32_t i = 0; i < n; i++)
		differs |= (uintptr_t)packets[i] ^ (uintptr_t)known[i];
	for (uint32_t i = 0; unlikely(hop->uneven) && i < n; i++)
		pieces |= hop->nr_pieces_of[first + i];
	*ret = (struct hop_known){hop->total + first, hop->rest + first};
	return !(differs | pieces);
}

/* In any order: how many, from the front, are of the hop and without pieces. */
LOOP uint32_t gather(const struct hf_hop *hop, struct hf_packet *const *packets, uint32_t n,
		     uint32_t *total, const uint8_t **rest)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = packets[i]->peeked;

		if (k >= hop->count || hop->packets[k] != packets[i] || hop->nr_pieces_of[k])
			return i;
		total[i] = hop->total[k];
		rest[i] = hop->rest[k];
	}
	return n;
}

/* Note what the chains of `n` packets must hold. */
LOOP void ask_forward(struct hf_run *r, const uint32_t *total, uint32_t n, uint32_t header)
{
	uint32_t longest = 0;

	for (uint32_t i = 0; i < n; i++) {
		r->len[i] = total[i] + header;
		longest |= r->len[i];
	}
	note_longest(r, longest);
}

/* What the hop knows of the first packets, at most `n`; of how many. Where they do not stand in one
 * row of it, `total` and `rest` are filled. */
CORE uint32_t know(const struct hf_hop *hop, struct hf_packet *const *packets, uint32_t n,
		   uint32_t *total, const uint8_t **rest, struct hop_known *ret)
{
	if (likely(find_row(hop, packets, n, ret)))
		return n;
	*ret = (struct hop_known){total, rest};
	return gather(hop, packets, n, total, rest);
}

/* One run of at most `n` packets; how many. */
CORE uint32_t forward_run(const struct hf_hop *hop, struct hf_vring *v,
			  struct hf_packet *const *packets, uint32_t at, uint32_t n,
			  struct hf_tally *tally)
{
	const uint8_t *rest[HF_RUN];
	uint32_t total[HF_RUN];
	struct hop_known known;
	struct hf_run run;

	n = know(hop, packets, n, total, rest, &known);
	ask_forward(&run, known.total, n, v->header_bytes);
	n = look_enqueue(v, &run, at, n);
	n = copy_run_forward(&run, packets, known.rest, n, v->header_bytes);
	use_run(v, &run, at, n);
	tally_run(v, tally, &run, 0, n, packets);
	return n;
}

/* The same on a packed ring, published. */
static uint16_t run_packed_forward(const struct hf_hop *hop, struct hf_vring *v,
				   struct hf_packet *const *packets, uint16_t count,
				   struct hf_tally *tally)
{
	uint32_t n = hf_packed_run_length(v, count < HF_RUN ? count : HF_RUN);
	const uint8_t *rest[HF_RUN];
	uint32_t total[HF_RUN];
	struct hop_known known;
	struct hf_run run;

	if (unlikely(!n))
		return 0;
	n = know(hop, packets, n, total, rest, &known);
	ask_forward(&run, known.total, n, v->header_bytes);
	n = look_packed_enqueue(v, &run, n);
	n = copy_run_forward(&run, packets, known.rest, n, v->header_bytes);
	if (!n)
		return 0;
	use_packed_run(v, &run, n);
	tally_run(v, tally, &run, 0, n, packets);
	v->budget -= (int32_t)n;
	return (uint16_t)n;
}

static uint16_t run_forward(const struct hf_hop *hop, struct hf_vring *v,
			    struct hf_packet *const *packets, uint16_t count, uint16_t used,
			    struct hf_tally *tally)
{
	uint32_t done = 0;

	while (done < count) {
		uint32_t at = (uint32_t)(v->next + used + done) & v->mask;
		uint32_t want = run_places(v, at, count - done);
		uint32_t n = forward_run(hop, v, packets + done, at, want, tally);

		done += n;
		if (n != want)
			break;
	}
	return (uint16_t)done;
}
