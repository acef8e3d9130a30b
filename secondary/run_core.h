/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops of a run (run.h). Included by one file for each level of instructions, which names the
 * level and is compiled for it; nothing else includes this.
 *
 * Each loop is a function of its own, so that what it needs stays in registers; none asks what was
 * negotiated. What the guest may change while we look is read with hf_read_once into a local, and
 * the local is checked and used.
 */
#include "chain.h"
#include "copy.h"
#include "enqueue.h"
#include "header.h"
#include "run.h"

static_assert(offsetof(struct hf_offload, flags) == 0 && offsetof(struct hf_offload, gso_type) == 1,
	      "one word");

#define CORE static inline __attribute__((always_inline))
#define LOOP static __attribute__((noinline))

/* Of a frame that was only just looked at: its header and first bytes are wanted next, to read or
 * to write. */
#define PREFETCH_LINES 2u

CORE void prefetch_frame(const uint8_t *at, const int write)
{
	for (uint32_t i = 0; i < PREFETCH_LINES; i++) {
		if (write)
			hf_prefetch_write(at + 64 * i);
		else
			hf_prefetch_read(at + 64 * i);
	}
}

/* A region's way into this process, in locals: nothing that is stored may change it. */
struct window {
	uint64_t gpa;
	uint64_t size;
	uint8_t *address;
};

CORE struct window window_of(const struct hf_vring *v)
{
	return (struct window){v->hot_gpa, v->hot_size, v->hot_address};
}

/*
 * Address of [gpa, gpa + len), len > 0, when it lies whole in a region, else NULL. Out of line: the
 * window is to be made anew after it.
 */
LOOP uint8_t *find_elsewhere(struct hf_vring *v, uint64_t gpa, uint32_t len)
{
	return hf_vring_whole(v, gpa, len);
}

/* False: it does not. No sum overflows: a region that is mapped is far from that long. */
CORE bool window_find(struct hf_vring *v, struct window *w, uint64_t gpa, uint32_t len,
		      uint8_t **ret_address)
{
	uint64_t offset = gpa - w->gpa;

	if (likely(offset < w->size && offset + len <= w->size)) {
		*ret_address = w->address + offset;
		return true;
	}
	*ret_address = find_elsewhere(v, gpa, len);
	*w = window_of(v);
	return *ret_address != NULL;
}

/* ---- look */

/*
 * A descriptor of the ring's table, which is aligned: two loads, straight into registers. What
 * hf_desc_read makes of it is one vector that is taken apart again.
 */
CORE struct vring_desc read_desc(const struct vring_desc *at)
{
	const uint64_t *words = (const void *)at;
	uint64_t word = hf_read_once(words + 1);

	return (struct vring_desc){.addr = hf_read_once(words),
				   .len = (uint32_t)word,
				   .flags = (uint16_t)(word >> 32)};
}

/* Chains from slot `at` of the available ring on that are simple to dequeue; how many of `n`, which
 * does not reach beyond the ring's end. */
LOOP uint32_t look_dequeue(struct hf_vring *v, struct hf_run *r, uint32_t at, uint32_t n)
{
	const uint16_t *ring = v->avail->ring + at;
	const struct vring_desc *table = v->desc;
	const uint32_t size = v->size, header = v->header_bytes;
	struct window w = window_of(v);
	uint32_t longest = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		uint32_t head = hf_read_once(&ring[i]);
		struct vring_desc d;
		uint8_t *from;

		if (unlikely(head >= size))
			break;
		d = read_desc(&table[head]);
		if (unlikely(d.flags || d.len <= header))
			break;
		if (unlikely(!window_find(v, &w, d.addr, d.len, &from)))
			break;
		prefetch_frame(from, false);
		r->address[i] = from;
		r->len[i] = d.len;
		r->head[i] = (uint16_t)head;
		longest |= d.len;
	}
	r->longest = longest;
	return (uint32_t)i;
}

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

/* Packets, and chains from slot `at` on, that are simple to enqueue; how many of `n`, as above. */
LOOP uint32_t look_enqueue(struct hf_vring *v, struct hf_run *r, struct hf_packet *const *packets,
			   uint32_t at, uint32_t n)
{
	const uint16_t *ring = v->avail->ring + at;
	const struct vring_desc *table = v->desc;
	const uint32_t size = v->size, header = v->header_bytes;
	struct window w = window_of(v);
	uint32_t longest = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		uint32_t head = hf_read_once(&ring[i]), len = packets[i]->total + header;
		struct vring_desc d;
		uint8_t *to;

		if (unlikely(head >= size || !packet_is_simple(packets[i])))
			break;
		d = read_desc(&table[head]);
		if (unlikely(d.flags != VRING_DESC_F_WRITE || d.len < len))
			break;
		if (unlikely(!window_find(v, &w, d.addr, len, &to)))
			break;
		prefetch_frame(to, true);
		r->address[i] = to;
		r->len[i] = len;
		r->head[i] = (uint16_t)head;
		longest |= len;
	}
	r->longest = longest;
	return (uint32_t)i;
}

/* ---- copy */

/* len, total and offload of a packet that asks nothing. */
CORE void packet_came(struct hf_packet *p, uint32_t len)
{
	p->len = len;
	p->total = len;
	p->offload = (struct hf_offload){0};
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

/* Frames i … n - 1 into packets; stops before one that needs more than a copy. Where it stopped. */
CORE uint32_t copy_dequeue(struct hf_run *r, uint32_t i, uint32_t n,
			   struct hf_packet *const *packets, const uint32_t header, bool is_short)
{
	const size_t first = i;
	uint8_t group = 0;
	size_t k;

	for (k = i; k < n; k++) {
		struct hf_packet *p = packets[k - first];
		const uint8_t *from = r->address[k];
		uint32_t len = r->len[k] - header;
		uint8_t *to = p->data, *next = NULL;
		uint16_t asked;

		/* flags and gso_type: when these are zero nothing is asked for, whatever the
		 * rest says. */
		__builtin_memcpy(&asked, from, sizeof(asked));
		if (unlikely(asked || len > p->room || p->next))
			break;
		if (len > 64)
			next = packets[k - first + (k + 1 < n)]->data;
		copy_frame(to, from + header, len, is_short, next);
		group |= to[0];
		packet_came(p, len);
	}
	r->group = group;
	return (uint32_t)k;
}

LOOP uint32_t copy_dequeue_12_short(struct hf_run *r, uint32_t i, uint32_t n,
				    struct hf_packet *const *packets)
{
	return copy_dequeue(r, i, n, packets, 12, true);
}

LOOP uint32_t copy_dequeue_any(struct hf_run *r, uint32_t i, uint32_t n,
			       struct hf_packet *const *packets, uint32_t header)
{
	return copy_dequeue(r, i, n, packets, header, false);
}

/* All zeros, and num_buffers 1 where it is there. */
CORE void write_header(uint8_t *to, const uint32_t header)
{
	static const uint16_t csum_offset_and_buffers[2] = {0, 1};

	memset(to, 0, header == 12 ? 8 : header);
	if (header == 12)
		memcpy(to + 8, csum_offset_and_buffers, 4);
}

CORE void copy_enqueue(struct hf_run *r, struct hf_packet *const *packets, uint32_t n,
		       const uint32_t header, bool is_short)
{
	uint8_t group = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *from = packets[i]->data;
		uint32_t len = r->len[i] - header;
		uint8_t *to = r->address[i];

		write_header(to, header);
		/* The guest's lines, all at once: they come from another core's cache, and one
		 * for each line copied comes too late. The first were asked for by the look. */
		if (len > 64)
			hf_prefetch_all(r->address[i + 1 < n ? i + 1 : i] + 64, len);
		copy_frame(to + header, from, len, is_short, NULL);
		group |= from[0];
	}
	r->group = group;
}

/* The shapes: with num_buffers and without, short and any. */
LOOP void copy_enqueue_12_short(struct hf_run *r, struct hf_packet *const *packets, uint32_t n)
{
	copy_enqueue(r, packets, n, 12, true);
}

LOOP void copy_enqueue_any(struct hf_run *r, struct hf_packet *const *packets, uint32_t n,
			   uint32_t header)
{
	if (header == 12)
		copy_enqueue(r, packets, n, 12, false);
	else
		copy_enqueue(r, packets, n, 10, false);
}

/* ---- use */

/* Used entries are aligned to 4. Invisible until published, so not each need be one store. */
typedef uint64_t used_elem __attribute__((aligned(4), may_alias));

/* Used entries of the run, from slot `at` on. Told that they do not overlap the run, the compiler
 * moves them by vectors. */
LOOP void use_dequeued(struct hf_vring *v, const struct hf_run *restrict r, uint32_t at, uint32_t n)
{
	used_elem *restrict to = (used_elem *)(void *)v->used->ring + at;

	for (uint32_t i = 0; i < n; i++)
		to[i] = r->head[i];
}

LOOP void use_enqueued(struct hf_vring *v, const struct hf_run *restrict r, uint32_t at, uint32_t n)
{
	used_elem *restrict to = (used_elem *)(void *)v->used->ring + at;

	for (uint32_t i = 0; i < n; i++)
		to[i] = r->head[i] | (uint64_t)r->len[i] << 32;
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
			hf_tally_packet(v, t, packets[k]);
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

		end = v->header_bytes == 12 && r->longest <= HF_COPY_SHORT
			      ? copy_dequeue_12_short(r, i, n, packets + *got)
			      : copy_dequeue_any(r, i, n, packets + *got, v->header_bytes);
		tally_run(v, tally, r, i, end - i, packets + *got);
		*got = (uint16_t)(*got + (end - i));
		if (likely(end == n))
			return;
		reason = hf_dequeue_buffer(v, r->address[end], r->len[end], packets[*got]);
		if (likely(!reason))
			hf_tally_packet(v, tally, packets[(*got)++]);
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
		use_dequeued(v, &run, at, n);
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
		uint32_t n = look_enqueue(v, &run, packets + done, at, want);

		if (v->header_bytes == 12 && run.longest <= HF_COPY_SHORT)
			copy_enqueue_12_short(&run, packets + done, n);
		else
			copy_enqueue_any(&run, packets + done, n, v->header_bytes);
		use_enqueued(v, &run, at, n);
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
