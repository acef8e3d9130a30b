/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The destination's side of a hop: from packets whose front is private into a guest's chains.
 *
 * Theory of operation. A packet is its private front and what the source's buffers hold behind it,
 * which is a chain of segments, of which all but the first happen to lie in guest memory. So the
 * general way is enqueue's own: offloads that the destination lacks, mergeable buffers, chains of
 * any shape. What is done in software is done on a private copy, which enqueue makes of packets in
 * several segments. The common case (nothing asked for, one piece, one descriptor) is done in
 * runs, in loops over locals, as in hop_peek.c.
 */
#include <holdfast/burst.h>

#include "chain.h"
#include "copy.h"
#include "enqueue.h"
#include "header.h"
#include "hop.h"

struct run {
	uint8_t *to[HOP_RUN];
	const uint8_t *front[HOP_RUN];
	const uint8_t *rest[HOP_RUN];
	uint32_t front_len[HOP_RUN];
	uint32_t rest_len[HOP_RUN];
	uint16_t head[HOP_RUN];
};

/* What one call of hf_hop_forward works with. */
struct forward {
	struct hf_hop *hop;
	struct hf_vring *v;
	uint16_t used; /* places filled */
	bool same;     /* source and destination are one device: their buffers may overlap */
	struct hop_tally tally;
};

/* How many packets are of the common case, `want` at most. */
static uint16_t find_packets(const struct forward *f, struct hf_packet *const *packets,
			     uint16_t want, struct run *run)
{
	for (uint16_t i = 0; i < want; i++) {
		const struct hf_packet *packet = packets[i];
		const struct hop_rest *rest = hop_rest_of(f->hop, packet);
		uint32_t rest_len = rest ? rest->len : 0;

		if (unlikely(!hf_offload_is_none(&packet->offload) || packet->next ||
			     (rest && (rest->nr || f->same)) || !packet->len ||
			     (uint64_t)packet->len + rest_len != packet->total))
			return i;
		run->front[i] = packet->data;
		run->front_len[i] = packet->len;
		run->rest[i] = rest ? rest->data : NULL;
		run->rest_len[i] = rest_len;
	}
	return want;
}

/* How many chains of one descriptor in one region, and large enough, wait for them. */
static uint16_t find_chains(const struct forward *f, uint16_t want, struct run *run)
{
	const struct hf_vring *v = f->v;
	const uint64_t hot_gpa = v->hot_gpa, hot_size = v->hot_size;
	uint8_t *const hot = v->hot_address;
	const uint32_t header = v->header_bytes;
	const struct vring_desc *desc = v->desc;
	const uint16_t first = (uint16_t)(v->next + f->used), mask = v->mask;

	for (uint16_t i = 0; i < want; i++) {
		uint16_t head = hf_read_once(&v->avail->ring[(uint16_t)(first + i) & mask]);
		uint64_t len = (uint64_t)header + run->front_len[i] + run->rest_len[i];
		struct vring_desc d;
		uint64_t offset;

		if (unlikely(head > mask))
			return i;
		hf_desc_read(&d, (const uint8_t *)&desc[head]);
		offset = d.addr - hot_gpa;
		if (unlikely(d.flags != VRING_DESC_F_WRITE || d.len < len || offset >= hot_size ||
			     len > hot_size - offset))
			return i;
		run->to[i] = hot + offset;
		run->head[i] = head;
		__builtin_prefetch(hot + offset, 1);
	}
	return want;
}

static inline uint8_t *put_header(uint8_t *to, uint32_t bytes)
{
	static const uint8_t one_buffer[4] = {0, 0, 1, 0};

	__builtin_memset(to, 0, 8);
	if (likely(bytes == 12))
		__builtin_memcpy(to + 8, one_buffer, 4);
	else
		__builtin_memset(to + 8, 0, 2);
	return to + bytes;
}

static void copy_run(struct forward *f, const struct run *run, uint16_t n)
{
	struct hf_vring *v = f->v;
	const uint32_t header = v->header_bytes;

	for (uint16_t i = 0; i < n; i++) {
		uint8_t *to = put_header(run->to[i], header);

		hf_copy(to, run->front[i], run->front_len[i]);
		if (run->rest_len[i])
			hf_copy(to + run->front_len[i], run->rest[i], run->rest_len[i]);
	}
	for (uint16_t i = 0; i < n; i++) {
		uint32_t total = run->front_len[i] + run->rest_len[i];

		hf_vring_use(v, (uint16_t)(f->used + i), run->head[i], header + total);
		hop_tally_add(&f->tally, total, hop_group_of(run->front[i], run->front_len[i]));
	}
	f->used = (uint16_t)(f->used + n);
}

static uint16_t forward_run(struct forward *f, struct hf_packet *const *packets, uint16_t want)
{
	struct run run;
	uint16_t ready = hf_vring_available(f->v, (uint16_t)min_u64(f->used + want, f->v->size));
	uint16_t n = ready > f->used ? (uint16_t)(ready - f->used) : 0;

	n = find_packets(f, packets, n < want ? n : want, &run);
	n = find_chains(f, n, &run);
	copy_run(f, &run, n);
	return n;
}

/* A segment that is only read: the cast away from const ends at hf_enqueue_one, which reads. */
static struct hf_packet segment_of(const struct hop_piece *piece, struct hf_packet *next)
{
	return (struct hf_packet){.data = (uint8_t *)(uintptr_t)piece->data,
				  .len = piece->len,
				  .room = piece->len,
				  .next = next};
}

static enum hf_enqueue_result forward_any(struct forward *f, struct hf_packet *packet)
{
	struct hf_packet segments[HOP_PACKET_PIECES], front;
	const struct hop_rest *rest = hop_rest_of(f->hop, packet);
	struct hop_piece single;
	uint16_t n;

	if (rest && f->same) {
		hf_hop_copy(f->hop, &packet, 1);
		rest = NULL;
	}
	if (!rest)
		return hf_enqueue_special(f->v, packet, &f->used);
	single = (struct hop_piece){rest->data, rest->len};
	n = rest->nr ? rest->nr : 1;
	for (uint16_t i = 0; i < n; i++)
		segments[i] = segment_of(rest->nr ? &f->hop->pieces[rest->first + i] : &single,
					 i + 1 < n ? &segments[i + 1] : NULL);
	front = (struct hf_packet){.data = packet->data,
				   .len = packet->len,
				   .room = packet->len,
				   .total = packet->total,
				   .offload = packet->offload,
				   .next = segments};
	return hf_enqueue_special(f->v, &front, &f->used);
}

static uint16_t forward_all(struct forward *f, struct hf_packet *const *packets, uint16_t count)
{
	uint16_t taken = 0, want = HOP_RUN;

	while (taken < count) {
		uint16_t left = (uint16_t)(count - taken);
		uint16_t n = forward_run(f, packets + taken, want < left ? want : left);
		enum hf_enqueue_result result;

		taken = (uint16_t)(taken + n);
		want = n ? HOP_RUN : 1;
		if (n)
			continue;
		result = forward_any(f, packets[taken]);
		if (result == HF_ENQUEUE_NO_BUFFER) {
			hf_count(f->v, HF_COUNTER_NO_GUEST_BUFFER, 1);
			break;
		}
		if (result == HF_ENQUEUE_DONE)
			hop_tally_add(&f->tally, packets[taken]->total,
				      hop_group_of(packets[taken]->data, packets[taken]->len));
		taken++;
	}
	return taken;
}

/* End the destination's burst; its calls are written when the source's is over. */
static void leave(struct hf_hop *hop, struct hf_vring *v)
{
	struct hf_notify_due due = {-1, -1};
	uint16_t i;

	if (v->call_due | v->err_due)
		due = hf_notify_decide(v);
	hf_burst_leave(v->lane);
	if (due.call < 0 && due.err < 0)
		return;
	for (i = 0; i < hop->nr_calls && hop->calls[i].vring != v; i++)
		;
	if (i == hop->nr_calls) {
		hop->calls[i] = (struct hop_call){v, due};
		hop->nr_calls++;
	}
	if (due.call >= 0)
		hop->calls[i].due.call = due.call;
	if (due.err >= 0)
		hop->calls[i].due.err = due.err;
}

static uint16_t forward_burst(struct hf_hop *hop, struct hf_vring *v, bool same,
			      struct hf_packet *const *packets, uint16_t count)
{
	uint16_t old = v->next, taken;
	struct forward f;

	/* Not the whole of it: the tally is large. */
	f.hop = hop;
	f.v = v;
	f.used = 0;
	f.same = same;
	f.tally.n = f.tally.groups = 0;
	taken = forward_all(&f, packets, count);
	if (f.used) {
		hf_vring_publish(v, f.used, HF_INTENT_ENQUEUE);
		hf_notify_guest(v, old);
	}
	hop_tally_end(v, &f.tally, f.tally.n);
	return taken;
}

uint16_t hf_hop_forward(struct hf_hop *hop, struct hf_device *device, uint16_t queue,
			struct hf_packet *const *packets, uint16_t count)
{
	struct hf_vring *v;
	uint16_t taken = 0;
	bool enabled;

	if (unlikely(!hop->source))
		return hf_enqueue_burst(device, queue, packets, count);
	/* It is held already. */
	if (unlikely(queue < HF_MAX_VRINGS &&
		     hf_load_acquire(&device->vrings[queue]) == hop->source))
		return 0;
	if (unlikely(hop->nr_calls == HF_MAX_BURST))
		return 0;
	v = hf_burst_begin(device, queue, &enabled);
	if (!v)
		return 0;
	if (likely(enabled && !v->broken && count))
		taken = forward_burst(hop, v, device == hop->device, packets,
				      (uint16_t)min_u64(count, HF_MAX_BURST));
	leave(hop, v);
	return taken;
}
