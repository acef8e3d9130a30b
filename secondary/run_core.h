/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops of a run (run.h). Included by one file for each level of instructions, which names the
 * level and is compiled for it; nothing else includes this.
 *
 * Everything here is always inline, with the header's size a constant: no loop asks what was
 * negotiated. What the guest may change while we look is read with hf_read_once into a local, and
 * the local is checked and used.
 */
#include "chain.h"
#include "copy.h"
#include "enqueue.h"
#include "header.h"
#include "run.h"

#define CORE static inline __attribute__((always_inline))

/* Of a frame that was only just looked at: its header and first bytes are wanted next. */
#define PREFETCH_LINES 2u

CORE void prefetch_frame(const uint8_t *at)
{
	for (uint32_t i = 0; i < PREFETCH_LINES; i++)
		__builtin_prefetch(at + 64 * i);
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

/* Address of [gpa, gpa + len), len > 0, in one piece, or NULL; the window moves there. */
CORE uint8_t *window_find(struct hf_vring *v, struct window *w, uint64_t gpa, uint32_t len)
{
	uint64_t offset = gpa - w->gpa;
	uint8_t *address;

	if (likely(offset < w->size && len <= w->size - offset))
		return w->address + offset;
	address = hf_vring_whole(v, gpa, len);
	*w = window_of(v);
	return address;
}

/* ---- look */

/* Chains from place `at` on that are simple to dequeue; how many of `n`. */
CORE uint32_t look_dequeue(struct hf_vring *v, struct hf_run *r, uint32_t at, uint32_t n,
			   const uint32_t header)
{
	const uint16_t *ring = v->avail->ring;
	const struct vring_desc *table = v->desc;
	const uint32_t mask = v->mask, size = v->size;
	struct window w = window_of(v);
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint16_t head = hf_read_once(&ring[(at + i) & mask]);
		struct vring_desc d;
		uint8_t *from;

		if (unlikely(head >= size))
			break;
		hf_desc_read(&d, (const uint8_t *)&table[head]);
		if (unlikely(d.flags || d.len <= header))
			break;
		from = window_find(v, &w, d.addr, d.len);
		if (unlikely(!from))
			break;
		prefetch_frame(from);
		r->address[i] = from;
		r->len[i] = d.len;
		r->head[i] = head;
	}
	return i;
}

/* Is it one segment that asks nothing of the guest? */
CORE bool packet_is_simple(const struct hf_packet *p)
{
	return hf_offload_is_none(&p->offload) && !p->next && p->total == p->len &&
	       p->total - 1u < HF_PACKET_MAX;
}

/* Packets, and chains from place `at` on, that are simple to enqueue; how many of `n`. */
CORE uint32_t look_enqueue(struct hf_vring *v, struct hf_run *r, struct hf_packet *const *packets,
			   uint32_t at, uint32_t n, const uint32_t header)
{
	const uint16_t *ring = v->avail->ring;
	const struct vring_desc *table = v->desc;
	const uint32_t mask = v->mask, size = v->size;
	struct window w = window_of(v);
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint16_t head = hf_read_once(&ring[(at + i) & mask]);
		uint32_t len = packets[i]->total + header;
		struct vring_desc d;
		uint8_t *to;

		if (unlikely(head >= size || !packet_is_simple(packets[i])))
			break;
		hf_desc_read(&d, (const uint8_t *)&table[head]);
		if (unlikely(d.flags != VRING_DESC_F_WRITE || d.len < len))
			break;
		to = window_find(v, &w, d.addr, len);
		if (unlikely(!to))
			break;
		prefetch_frame(to);
		r->address[i] = to;
		r->len[i] = len;
		r->head[i] = head;
	}
	return i;
}

/* ---- copy */

/* len, total and offload of a packet that asks nothing. */
CORE void packet_came(struct hf_packet *p, uint32_t len)
{
	p->len = len;
	p->total = len;
	p->offload = (struct hf_offload){0};
}

/*
 * Frames i … n - 1 into packets; stops before one that needs more than a copy. Where it stopped.
 * In *group all first bytes: bit 0 is set in a group address.
 */
CORE uint32_t copy_dequeue(const struct hf_run *r, uint32_t i, uint32_t n,
			   struct hf_packet *const *packets, uint8_t *group, const uint32_t header)
{
	for (; i < n; i++, packets++) {
		struct hf_packet *p = *packets;
		const uint8_t *from = r->address[i];
		uint32_t len = r->len[i] - header;
		uint16_t asked;

		/* flags and gso_type: when these are zero nothing is asked for, whatever the
		 * rest says. */
		__builtin_memcpy(&asked, from, sizeof(asked));
		if (unlikely(asked || len > p->room || p->next))
			break;
		hf_copy(p->data, from + header, len);
		*group |= p->data[0];
		packet_came(p, len);
	}
	return i;
}

/* The first byte of all frames or-ed together. */
CORE uint8_t copy_enqueue(const struct hf_run *r, struct hf_packet *const *packets, uint32_t n,
			  const uint32_t header)
{
	uint8_t group = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *from = packets[i]->data;
		uint8_t *to = r->address[i];

		/* All zeros, and num_buffers 1 where it is there. */
		memset(to, 0, header);
		if (header == 12)
			to[10] = 1;
		hf_copy(to + header, from, r->len[i] - header);
		group |= from[0];
	}
	return group;
}

/* ---- use */

/* Used entries are aligned to 4. Invisible until published, so not each need be one store. */
typedef uint64_t used_elem __attribute__((aligned(4), may_alias));

CORE void use_run(struct hf_vring *v, const struct hf_run *r, uint32_t at, uint32_t n,
		  bool with_len)
{
	struct vring_used_elem *ring = v->used->ring;
	const uint32_t mask = v->mask;

	for (uint32_t i = 0; i < n; i++)
		*(used_elem *)(void *)&ring[(at + i) & mask] =
			r->head[i] | (with_len ? (uint64_t)r->len[i] << 32 : 0);
}

/* ---- count */

/* Packets that a run delivered; len[i] bytes with the header, `group` as the copy found it. */
CORE void tally_run(struct hf_vring *v, struct hf_tally *t, const uint32_t *len, uint32_t n,
		    struct hf_packet *const *packets, uint8_t group, const uint32_t header)
{
	uint32_t differs = 0;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		bytes += len[i];
		differs |= len[i] ^ len[0];
	}
	if (unlikely(group & 1)) {
		for (uint32_t i = 0; i < n; i++)
			hf_tally_packet(v, t, packets[i]);
		return;
	}
	t->packets += n;
	t->bytes += bytes - (uint64_t)n * header;
	if (likely(!differs && n))
		hf_tally_size(t, len[0] - header, n);
	else
		for (uint32_t i = 0; i < n; i++)
			hf_tally_size(t, len[i] - header, 1);
}

/* ---- the bursts' parts */

CORE void dequeue_run(struct hf_vring *v, struct hf_run *r, uint32_t n,
		      struct hf_packet *const *packets, uint16_t *got, struct hf_tally *tally,
		      const uint32_t header)
{
	uint32_t i = 0;

	for (;;) {
		uint8_t group = 0;
		uint32_t end = copy_dequeue(r, i, n, packets + *got, &group, header);
		struct hf_packet *packet;
		int reason;

		tally_run(v, tally, r->len + i, end - i, packets + *got, group, header);
		*got = (uint16_t)(*got + (end - i));
		if (likely(end == n))
			return;
		packet = packets[*got];
		reason = hf_dequeue_buffer(v, r->address[end], r->len[end], packet);
		if (likely(!reason)) {
			hf_tally_packet(v, tally, packet);
			++*got;
		} else {
			hf_count(v, (enum hf_counter) - reason, 1);
		}
		i = end + 1;
	}
}

CORE void dequeue_shape(struct hf_vring *v, struct hf_packet *const *packets, uint16_t ready,
			uint16_t *used, uint16_t *got, struct hf_tally *tally,
			const uint32_t header)
{
	struct hf_run run;

	while (*used < ready) {
		uint32_t at = (uint32_t)v->next + *used;
		uint32_t want = ready - *used < (int)HF_RUN ? (uint32_t)(ready - *used) : HF_RUN;
		uint32_t n = look_dequeue(v, &run, at, want, header);

		dequeue_run(v, &run, n, packets, got, tally, header);
		use_run(v, &run, at, n, false);
		*used = (uint16_t)(*used + n);
		if (n != want)
			return;
	}
}

static void run_dequeue(struct hf_vring *v, struct hf_packet *const *packets, uint16_t ready,
			uint16_t *used, uint16_t *got, struct hf_tally *tally)
{
	if (v->header_bytes == 12)
		dequeue_shape(v, packets, ready, used, got, tally, 12);
	else
		dequeue_shape(v, packets, ready, used, got, tally, 10);
}

CORE uint16_t enqueue_shape(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count,
			    uint16_t used, struct hf_tally *tally, const uint32_t header)
{
	struct hf_run run;
	uint32_t done = 0;

	while (done < count) {
		uint32_t at = (uint32_t)v->next + used + done;
		uint32_t want = count - done < HF_RUN ? count - done : HF_RUN;
		uint32_t n = look_enqueue(v, &run, packets + done, at, want, header);
		uint8_t group = copy_enqueue(&run, packets + done, n, header);

		use_run(v, &run, at, n, true);
		tally_run(v, tally, run.len, n, packets + done, group, header);
		done += n;
		if (n != want)
			break;
	}
	return (uint16_t)done;
}

static uint16_t run_enqueue(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count,
			    uint16_t used, struct hf_tally *tally)
{
	return v->header_bytes == 12 ? enqueue_shape(v, packets, count, used, tally, 12)
				     : enqueue_shape(v, packets, count, used, tally, 10);
}

#define RUN_OPS(level)                                                                             \
	{                                                                                          \
		.name = (level), .dequeue = run_dequeue, .enqueue = run_enqueue                    \
	}
