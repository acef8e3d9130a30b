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

#include "enqueue.h"
#include "header.h"
#include "hop.h"
#include "packed.h"
#include "packed_notify.h"
#include "run.h"

/* A segment that is only read: the cast away from const ends at hf_enqueue_one, which reads. */
static struct hf_packet segment_of(const struct hop_piece *piece, struct hf_packet *next)
{
	return (struct hf_packet){.data = (uint8_t *)(uintptr_t)piece->data,
				  .len = piece->len,
				  .room = piece->len,
				  .next = next};
}

/* What one call of hf_hop_forward works with. */
struct forward {
	struct hf_hop *hop;
	struct hf_vring *v;
	uint16_t used; /* places filled */
	bool same;     /* source and destination are one device: their buffers may overlap */
	struct hf_tally tally;
};

static enum hf_enqueue_result forward_pieces(struct forward *f, struct hf_packet *packet)
{
	struct hf_packet segments[HOP_PACKET_PIECES], front;
	const struct hop_piece *pieces = f->hop->pieces + f->hop->first_piece[packet->peeked];
	struct hop_piece single;
	uint16_t n = f->hop->nr_pieces_of[packet->peeked];

	if (!n) {
		single = (struct hop_piece){f->hop->rest[packet->peeked] + packet->len,
					    packet->total - packet->len};
		pieces = &single;
		n = 1;
	}
	for (uint16_t i = 0; i < n; i++)
		segments[i] = segment_of(&pieces[i], i + 1 < n ? &segments[i + 1] : NULL);
	front = (struct hf_packet){.data = packet->data,
				   .len = packet->len,
				   .room = packet->len,
				   .total = packet->total,
				   .offload = packet->offload,
				   .next = segments};
	return hf_enqueue_packet(f->v, &front, &f->used);
}

static enum hf_enqueue_result forward_any(struct forward *f, struct hf_packet *packet)
{
	if (f->same)
		hf_hop_copy(f->hop, &packet, 1);
	if (hop_is_whole(packet) || !hop_has(f->hop, packet))
		return hf_enqueue_packet(f->v, packet, &f->used);
	return forward_pieces(f, packet);
}

static uint16_t forward_run(struct forward *f, struct hf_packet *const *packets, uint16_t count)
{
	uint16_t ready, n;

	if (unlikely(f->same))
		return 0;
	if (f->v->packed)
		return f->v->run->packed_forward(f->hop, f->v, packets, count, &f->tally);
	ready = hf_vring_available(f->v, (uint16_t)(f->used + count));
	if (unlikely(ready <= f->used))
		return 0;
	n = f->v->run->forward(f->hop, f->v, packets, (uint16_t)(ready - f->used), f->used,
			       &f->tally);
	f->used = (uint16_t)(f->used + n);
	return n;
}

static uint16_t forward_all(struct forward *f, struct hf_packet *const *packets, uint16_t count)
{
	uint16_t taken = 0, ahead = count;

	while (taken < count) {
		uint16_t left = (uint16_t)(count - taken);
		uint16_t n = forward_run(f, packets + taken, ahead < left ? ahead : left);
		enum hf_enqueue_result result;

		taken = (uint16_t)(taken + n);
		/* Where one is special its neighbours often are: do not look far ahead for them. */
		ahead = n ? count : 1;
		if (n)
			continue;
		result = forward_any(f, packets[taken]);
		if (f->v->packed) {
			hf_packed_publish(f->v, f->used);
			f->used = 0;
		}
		if (result == HF_ENQUEUE_NO_BUFFER) {
			hf_count(f->v, HF_COUNTER_NO_GUEST_BUFFER, 1);
			break;
		}
		if (result == HF_ENQUEUE_DONE)
			hf_tally_packet(&f->tally, packets[taken]);
		taken++;
	}
	return taken;
}

/* End the destination's burst; its calls are written when the source's is over. */
static void leave(struct hf_hop *hop, struct hf_vring *v)
{
	struct hf_notify_due due = {-1, -1};
	uint16_t i;

	if (!(v->call_due | v->err_due)) {
		hf_burst_leave(v->lane);
		return;
	}
	for (i = 0; i < hop->nr_calls && hop->calls[i].vring != v; i++)
		;
	/* An earlier forward's call is still to be written: it is this one's too. */
	if (i < hop->nr_calls && hop->calls[i].due.call >= 0)
		v->call_due = false;
	due = hf_notify_decide(v);
	hf_burst_leave(v->lane);
	if (due.call < 0 && due.err < 0)
		return;
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
	struct forward f = {.hop = hop, .v = v, .same = same};
	uint16_t old = v->next, taken;

	v->moved = 0;
	taken = forward_all(&f, packets, count);
	if (v->packed) {
		if (v->moved)
			hf_packed_notify_guest(v, old);
	} else if (f.used) {
		hf_vring_publish(v, f.used, HF_INTENT_ENQUEUE);
		hf_notify_guest(v, old);
	}
	hf_tally_end(v, &f.tally);
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
	if (unlikely(hop->nr_calls == HF_MAX_BURST))
		return 0;
	v = hf_burst_begin(device, queue, &enabled);
	if (!v)
		return 0;
	if (likely(enabled && !v->broken && count))
		taken = forward_burst(hop, v, device == hop->device, packets,
				      (uint16_t)min_u64(count, HF_MAX_BURST));
	else
		hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
	leave(hop, v);
	return taken;
}
