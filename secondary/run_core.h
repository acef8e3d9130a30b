/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops of a run (run.h). Included by one file for each level of instructions, which names the
 * level and is compiled for it; nothing else includes this.
 *
 * Each loop is a function of its own, so that what it needs stays in registers; none asks what was
 * negotiated. What the guest may change while we look is read with hf_read_once into a local, and
 * the local is checked and used.
 */
#include "copy.h"
#include "dequeue.h"
#include "enqueue.h"
#include "header.h"
#include "look.h"
#include "run.h"

static_assert(offsetof(struct hf_offload, flags) == 0 && offsetof(struct hf_offload, gso_type) == 1,
	      "one word");

/* ---- what is asked for */

/* hf_offload_is_none in one load. */
CORE bool offload_is_none(const struct hf_packet *p)
{
	uint16_t flags_and_type;

	__builtin_memcpy(&flags_and_type, &p->offload, sizeof(flags_and_type));
	return !flags_and_type;
}

/* Is it one segment that asks nothing of the guest? */
CORE bool packet_is_simple(const struct hf_packet *p)
{
	return offload_is_none(p) && !p->next && p->total == p->len &&
	       p->total - 1u < HF_PACKET_MAX;
}

/* Is it of `total` bytes, as it was asked about; asks it nothing, and is its front, or all of it
 * where there is nothing behind, in one segment? */
CORE bool front_is_simple(const struct hf_packet *p, uint32_t total)
{
	return offload_is_none(p) && !p->next && p->len - 1u < total && p->total == total;
}

/* No len[] is longer than that. */
CORE void note_longest(struct hf_run *r, uint32_t longest)
{
	r->longer = longest > HF_COPY_SHORT;
	r->small = longest <= 64 * PREFETCH_LINES;
}

/*
 * Note what the chains of how many packets, at most `n`, must hold. None, when the first one is not
 * simple already; of the others the copy tells. Only the first, when a sum could wrap.
 */
LOOP uint32_t ask_enqueue(struct hf_run *r, struct hf_packet *const *packets, uint32_t n,
			  uint32_t header)
{
	uint32_t longest = 0;

	note_longest(r, header);
	if (!n || unlikely(!packet_is_simple(packets[0])))
		return 0;
#pragma GCC unroll 4
	for (uint32_t i = 0; i < n; i++) {
		uint32_t total = packets[i]->total;

		r->len[i] = total + header;
		longest |= total;
	}
	note_longest(r, longest + header);
	return likely(longest < 2 * HF_PACKET_MAX) ? n : 1;
}

/* ---- copy */

static_assert(offsetof(struct hf_packet, total) == offsetof(struct hf_packet, len) + 4 &&
		      offsetof(struct hf_packet, offload) == offsetof(struct hf_packet, len) + 8 &&
		      offsetof(struct hf_packet, peeked) == offsetof(struct hf_packet, len) + 18,
	      "what a packet is told");

typedef uint32_t offset_and_number __attribute__((may_alias));

/* len and total, and the offload of a packet that asks nothing; its number, where a hop gives it
 * one. By two stores: stores are what a run of short packets waits for. */
CORE void packet_came(struct hf_packet *p, uint32_t len, uint32_t total, uint32_t number)
{
	*(hf_bytes16 *)(void *)&p->len = (hf_bytes16){(uint64_t)total << 32 | len};
	*(offset_and_number *)(void *)&p->offload.csum_offset = number << 16;
}

/* Runs of short packets are copied without a call, which would cost the loop its registers. */
CORE void copy_frame(uint8_t *to, const uint8_t *from, uint32_t len, bool is_short,
		     const uint8_t *next)
{
	if (is_short || len <= HF_COPY_SHORT) {
		hf_copy_short(to, from, len, next);
		return;
	}
	if (next)
		hf_prefetch_all(next, len);
	memcpy(to, from, len);
}

/*
 * Frames i … n - 1 into packets; stops before one that needs more than a copy. Where it stopped. Of
 * a hop, only their fronts, and packets get numbers from `number` on.
 */
CORE uint32_t copy_out(struct hf_run *r, uint32_t i, uint32_t n, struct hf_packet *const *packets,
		       const bool hop, uint32_t number, uint32_t front, const uint32_t header,
		       bool is_short)
{
	const size_t first = i;
	uint8_t group = 0;
	size_t k;

	for (k = i; k < n; k++) {
		struct hf_packet *p = packets[k - first];
		const uint8_t *from = r->address[k];
		uint32_t total = r->len[k] - header, len = hop && total > front ? front : total;
		uint8_t *to = p->data, *next = NULL;
		uint16_t asked;

		prefetch_ahead(r, k, n, false);
		/* flags and gso_type: when these are zero nothing is asked for, whatever the
		 * rest says. */
		__builtin_memcpy(&asked, from, sizeof(asked));
		if (unlikely(asked || total > p->room || p->next))
			break;
		if (!hop && len > 64)
			next = packets[k - first + (k + 1 < n)]->data;
		copy_frame(to, from + header, len, is_short, next);
		group |= to[0];
		packet_came(p, len, total, hop ? number++ : 0);
	}
	r->group = group;
	return (uint32_t)k;
}

LOOP uint32_t copy_dequeue_12_short(struct hf_run *r, uint32_t i, uint32_t n,
				    struct hf_packet *const *packets)
{
	return copy_out(r, i, n, packets, false, 0, 0, 12, true);
}

LOOP uint32_t copy_dequeue_any(struct hf_run *r, uint32_t i, uint32_t n,
			       struct hf_packet *const *packets, uint32_t header)
{
	return copy_out(r, i, n, packets, false, 0, 0, header, false);
}

LOOP uint32_t copy_fronts_12_short(struct hf_run *r, uint32_t i, uint32_t n,
				   struct hf_packet *const *packets, uint32_t number,
				   uint32_t front)
{
	return copy_out(r, i, n, packets, true, number, front, 12, true);
}

LOOP uint32_t copy_fronts_any(struct hf_run *r, uint32_t i, uint32_t n,
			      struct hf_packet *const *packets, uint32_t number, uint32_t front,
			      uint32_t header)
{
	return copy_out(r, i, n, packets, true, number, front, header, false);
}

/* All zeros, and num_buffers 1 where it is there. In one store, which goes over the first bytes of
 * the frame, before those are there; of a frame that has them. */
CORE void write_header(uint8_t *to, const uint32_t header, uint32_t len)
{
	static const uint16_t csum_offset_and_buffers[2] = {0, 1};

	if (likely(len >= 16 - header)) {
		*(hf_bytes16 *)(void *)to = (hf_bytes16){0, header == 12 ? 1 << 16 : 0};
		return;
	}
	memset(to, 0, header == 12 ? 8 : header);
	if (header == 12)
		memcpy(to + 8, csum_offset_and_buffers, 4);
}

/*
 * Into chains, from the first of `n` on; stops before a packet that is not simple. How many. Of a
 * hop, what is in the packet is its front, and the bytes behind it are at rest[i] + len.
 */
CORE uint32_t copy_in(struct hf_run *r, struct hf_packet *const *packets, const bool hop,
		      const uint8_t *const *rest, uint32_t n, const uint32_t header, bool is_short)
{
	const bool small = r->small;
	uint8_t group = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct hf_packet *p = packets[i];
		uint32_t total = r->len[i] - header, len = hop ? p->len : total;
		const uint8_t *from = p->data;
		uint8_t *to = r->address[i];

		if (unlikely(hop ? !front_is_simple(p, total) : !packet_is_simple(p)))
			break;
		if (small)
			prefetch_ahead(r, i, n, true);
		write_header(to, header, len);
		/* The guest's lines, all at once: they come from another core's cache, and one
		 * for each line copied comes too late. */
		if (!hop && len > 64)
			hf_prefetch_all(r->address[i + 1], len + 64);
		to += header;
		copy_frame(to, from, len, is_short, NULL);
		if (hop && len != total)
			copy_frame(to + len, rest[i] + len, total - len, is_short,
				   r->address[i + 1] + header + len);
		group |= from[0];
	}
	r->group = group;
	return (uint32_t)i;
}

/* The shapes: with num_buffers and without, short and any; with something behind the front or
 * without. */
LOOP uint32_t copy_enqueue_12_short(struct hf_run *r, struct hf_packet *const *packets, uint32_t n)
{
	return copy_in(r, packets, false, NULL, n, 12, true);
}

LOOP uint32_t copy_forward_12_short(struct hf_run *r, struct hf_packet *const *packets,
				    const uint8_t *const *rest, uint32_t n)
{
	return copy_in(r, packets, true, rest, n, 12, true);
}

LOOP uint32_t copy_enqueue_any(struct hf_run *r, struct hf_packet *const *packets, uint32_t n,
			       uint32_t header)
{
	return header == 12 ? copy_in(r, packets, false, NULL, n, 12, false)
			    : copy_in(r, packets, false, NULL, n, 10, false);
}

LOOP uint32_t copy_forward_any(struct hf_run *r, struct hf_packet *const *packets,
			       const uint8_t *const *rest, uint32_t n, uint32_t header)
{
	return header == 12 ? copy_in(r, packets, true, rest, n, 12, false)
			    : copy_in(r, packets, true, rest, n, 10, false);
}

CORE uint32_t copy_run_enqueue(struct hf_run *r, struct hf_packet *const *packets, uint32_t n,
			       uint32_t header)
{
	return header == 12 && !r->longer ? copy_enqueue_12_short(r, packets, n)
					  : copy_enqueue_any(r, packets, n, header);
}

CORE uint32_t copy_run_forward(struct hf_run *r, struct hf_packet *const *packets,
			       const uint8_t *const *rest, uint32_t n, uint32_t header)
{
	return header == 12 && !r->longer ? copy_forward_12_short(r, packets, rest, n)
					  : copy_forward_any(r, packets, rest, n, header);
}

/* ---- use */

/* Used entries are aligned to 4. Invisible until published, so not each need be one store. */
typedef uint64_t used_elem __attribute__((aligned(4), may_alias));

/* Used entries of the run, from slot `at` on. Told that they do not overlap the run, the compiler
 * moves them by vectors. */
LOOP void use_run(struct hf_vring *v, const struct hf_run *restrict r, uint32_t at, uint32_t n)
{
	used_elem *restrict to = (used_elem *)(void *)v->used->ring + at;

	for (uint32_t i = 0; i < n; i++)
		to[i] = r->used[i];
}

/* ---- count */

/* Packets that were copied: those of the run from number i on. */
LOOP void tally_run(struct hf_vring *v, struct hf_tally *t, const struct hf_run *r, uint32_t i,
		    uint32_t n, struct hf_packet *const *packets)
{
	const uint32_t *len = r->len + i;
	const uint32_t header = v->header_bytes;
	uint32_t differs = 0;
	uint64_t bytes = 0;

	if (unlikely(r->group & 1)) {
		for (uint32_t k = 0; k < n; k++)
			hf_tally_packet(t, packets[k]);
		return;
	}
	for (uint32_t k = 0; k < n; k++) {
		bytes += len[k];
		differs |= len[k] ^ len[0];
	}
	t->packets += n;
	t->bytes += bytes - (uint64_t)n * header;
	if (likely(!differs)) {
		if (n)
			hf_tally_size(t, len[0] - header, n);
		return;
	}
	for (uint32_t k = 0; k < n; k++)
		hf_tally_size(t, len[k] - header, 1);
}

/* ---- the bursts' parts */

/* A run of `n` into packets from *got on; *got moves on past those that came. */
CORE void take_run(struct hf_vring *v, struct hf_run *r, uint32_t n,
		   struct hf_packet *const *packets, uint16_t *got, struct hf_tally *tally)
{
	uint32_t i = 0, end;

	for (;; i = end + 1) {
		int reason;

		end = v->header_bytes == 12 && !r->longer
			      ? copy_dequeue_12_short(r, i, n, packets + *got)
			      : copy_dequeue_any(r, i, n, packets + *got, v->header_bytes);
		tally_run(v, tally, r, i, end - i, packets + *got);
		*got = (uint16_t)(*got + (end - i));
		if (likely(end == n))
			return;
		reason = hf_dequeue_buffer(v, r->address[end], r->len[end], packets[*got]);
		if (likely(!reason))
			hf_tally_packet(tally, packets[(*got)++]);
		else
			hf_count(v, (enum hf_counter) - reason, 1);
	}
}

/* A run has no more places than it holds, and ends at the ring's end. */
CORE uint32_t run_places(const struct hf_vring *v, uint32_t at, uint32_t want)
{
	uint32_t room = v->size - at;

	want = want < HF_RUN ? want : HF_RUN;
	return want < room ? want : room;
}

static void run_dequeue(struct hf_vring *v, struct hf_packet *const *packets, uint16_t ready,
			uint16_t *used, uint16_t *got, struct hf_tally *tally)
{
	struct hf_run run;

	while (*used < ready) {
		uint32_t at = (uint32_t)(v->next + *used) & v->mask;
		uint32_t want = run_places(v, at, (uint32_t)(ready - *used));
		uint32_t n = look_dequeue(v, &run, at, want);

		take_run(v, &run, n, packets, got, tally);
		use_run(v, &run, at, n);
		*used = (uint16_t)(*used + n);
		if (n != want)
			return;
	}
}

static uint16_t run_enqueue(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count,
			    uint16_t used, struct hf_tally *tally)
{
	struct hf_run run;
	uint32_t done = 0;

	while (done < count) {
		uint32_t at = (uint32_t)(v->next + used + done) & v->mask;
		uint32_t want = run_places(v, at, count - done);
		uint32_t n = ask_enqueue(&run, packets + done, want, v->header_bytes);

		n = look_enqueue(v, &run, at, n);
		n = copy_run_enqueue(&run, packets + done, n, v->header_bytes);
		use_run(v, &run, at, n);
		tally_run(v, tally, &run, 0, n, packets + done);
		done += n;
		if (n != want)
			break;
	}
	return (uint16_t)done;
}

#include "hop_core.h"

#define RUN_OPS(level)                                                                             \
	{                                                                                          \
		.name = (level), .dequeue = run_dequeue, .enqueue = run_enqueue,                   \
		.packed_peek = run_packed_peek, .peek = run_peek, .forward = run_forward,          \
		.packed_forward = run_packed_forward, .packed_dequeue = run_packed_dequeue,        \
		.packed_enqueue = run_packed_enqueue                                               \
	}
