/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of a hop (hop.h): part of run_core.h, which includes it, and as that one compiled for each
 * level of instructions. Look, copy, use, with the same rules.
 */
#include "hop.h"

/* ---- peek */

/* Fronts of chains i … n - 1 of the run into packets, which get numbers from `index` on; stops
 * before one that needs more than a copy. Where it stopped. */
LOOP uint32_t copy_fronts(struct hf_hop *hop, struct hf_run *r, uint32_t i, uint32_t n,
			  struct hf_packet *const *packets, uint32_t header, uint32_t front)
{
	uint32_t index = hop->count;
	uint8_t group = 0;

	for (; i < n; i++, index++) {
		struct hf_packet *p = *packets++;
		const uint8_t *from = r->address[i];
		uint32_t len = r->len[i] - header, keep = len < front ? len : front;
		uint8_t *to = p->data;
		uint16_t asked;

		/* flags and gso_type: when these are zero nothing is asked for, whatever the
		 * rest says. */
		__builtin_memcpy(&asked, from, sizeof(asked));
		if (unlikely(asked || len > p->room || p->next))
			break;
		from += header;
		hf_copy(to, from, keep);
		group |= to[0];
		p->len = keep;
		p->total = len;
		p->offload = (struct hf_offload){0};
		p->peeked = (uint16_t)index;
		hop->packets[index] = p;
		hop->rest[index] = from;
		hop->total[index] = len;
		hop->nr_pieces_of[index] = 0;
	}
	hop->group |= group;
	hop->count = (uint16_t)index;
	return i;
}

/* A run of `n`; packets from hop->count on are for it. */
CORE void peek_run(struct hf_hop *hop, struct hf_run *r, uint32_t n,
		   struct hf_packet *const *packets, uint32_t front)
{
	const uint32_t header = hop->source->header_bytes;
	uint32_t i = 0, end;

	for (;; i = end + 1) {
		end = copy_fronts(hop, r, i, n, packets + hop->count, header, front);
		hop->places = (uint16_t)(hop->places + (end - i));
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
		use_dequeued(v, &run, at, n);
		if (n != want)
			return;
	}
}

/* ---- forward */

/* Packets that ask nothing, of which what is not here is in one piece, and chains from slot `at`
 * on that are simple; how many of `n`, which does not reach beyond the ring's end. */
LOOP uint32_t look_forward(const struct hf_hop *hop, struct hf_vring *v, struct hf_run *r,
			   struct hf_packet *const *packets, uint32_t at, uint32_t n)
{
	const uint16_t *ring = v->avail->ring + at;
	const struct vring_desc *table = v->desc;
	const uint32_t size = v->size, header = v->header_bytes;
	struct window w = window_of(v);
	uint32_t i, longest = 0;

	for (i = 0; i < n; i++) {
		const struct hf_packet *p = packets[i];
		uint32_t head = hf_read_once(&ring[i]), len = p->total + header;
		struct vring_desc d;
		uint8_t *to;

		if (unlikely(head >= size || !hf_offload_is_none(&p->offload) || p->next ||
			     !p->len || !hop_has(hop, p) || hop->nr_pieces_of[p->peeked]))
			break;
		d = read_desc(&table[head]);
		if (unlikely(d.flags != VRING_DESC_F_WRITE || d.len < len))
			break;
		to = window_find(v, &w, d.addr, len);
		if (unlikely(!to))
			break;
		prefetch_frame(to);
		r->address[i] = to;
		r->len[i] = len;
		r->head[i] = (uint16_t)head;
		longest |= len;
	}
	r->longest = longest;
	return i;
}

CORE void copy_forward(const struct hf_hop *hop, struct hf_run *r, struct hf_packet *const *packets,
		       uint32_t n, const uint32_t header, bool is_short)
{
	uint8_t group = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct hf_packet *p = packets[i];
		const uint8_t *front = p->data;
		uint32_t len = p->len, rest = r->len[i] - header - len;
		uint8_t *to = r->address[i];

		memset(to, 0, header);
		if (header == 12)
			to[10] = 1;
		to += header;
		copy_frame(to, front, len, is_short);
		if (rest)
			copy_frame(to + len, hop->rest[p->peeked] + len, rest, is_short);
		group |= front[0];
	}
	r->group = group;
}

LOOP void copy_forward_12_short(const struct hf_hop *hop, struct hf_run *r,
				struct hf_packet *const *packets, uint32_t n)
{
	copy_forward(hop, r, packets, n, 12, true);
}

LOOP void copy_forward_any(const struct hf_hop *hop, struct hf_run *r,
			   struct hf_packet *const *packets, uint32_t n, uint32_t header)
{
	if (header == 12)
		copy_forward(hop, r, packets, n, 12, false);
	else
		copy_forward(hop, r, packets, n, 10, false);
}

static uint16_t run_forward(const struct hf_hop *hop, struct hf_vring *v,
			    struct hf_packet *const *packets, uint16_t count, uint16_t used,
			    struct hf_tally *tally)
{
	struct hf_run run;
	uint32_t done = 0;

	while (done < count) {
		uint32_t at = (uint32_t)(v->next + used + done) & v->mask;
		uint32_t want = run_places(v, at, count - done);
		uint32_t n = look_forward(hop, v, &run, packets + done, at, want);

		if (v->header_bytes == 12 && run.longest <= HF_COPY_SHORT)
			copy_forward_12_short(hop, &run, packets + done, n);
		else
			copy_forward_any(hop, &run, packets + done, n, v->header_bytes);
		use_enqueued(v, &run, at, n);
		tally_run(v, tally, &run, 0, n, packets + done);
		done += n;
		if (n != want)
			break;
	}
	return (uint16_t)done;
}
