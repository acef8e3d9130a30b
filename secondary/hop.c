/* SPDX-License-Identifier: Apache-2.0 */
/* Begin and end of a hop (hop.h). */
#include "hop.h"

#include <stdlib.h>
#include <string.h>

#include "dequeue.h"
#include "packed.h"
#include "packed_notify.h"
#include "rarp.h"

struct hf_hop *hf_hop_create(void)
{
	return calloc(1, sizeof(struct hf_hop));
}

void hf_hop_destroy(struct hf_hop *hop)
{
	if (hop)
		hf_hop_complete(hop, 0);
	free(hop);
}

const uint64_t *hf_hop_walked(const struct hf_hop *hop)
{
	return &hop->walked;
}

static void open_hop(struct hf_hop *hop, struct hf_device *device, struct hf_vring *v)
{
	hop->source = v;
	hop->device = device;
	hop->rarp = 0;
	hop->count = hop->places = 0;
	hop->nr_pieces = hop->nr_drops = hop->nr_calls = 0;
	hop->group = 0;
	hop->uneven = hop->long_chains = false;
}

/* An announcement comes before what the guest sends. */
static void look_at_rarp(struct hf_hop *hop, struct hf_packet *packet)
{
	if (!hf_rarp_take(hop->device, hop->source, packet))
		return;
	hop->rarp = HF_RARP_PENDING;
	memcpy(&hop->rarp, packet->data + 6, 6);
	packet->peeked = 0;
	hop->packets[0] = packet;
	hop->total[0] = packet->total;
	hop_note_whole(hop, 0);
	hop->group = packet->data[0];
	hop->count = 1;
}

static void peek_packed(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t count,
			bool enabled, uint32_t front)
{
	struct hf_vring *v = hop->source;
	struct hf_tally tally = {0};

	if (unlikely(!enabled)) {
		(void)hf_packed_dequeue(v, packets, count, false, &tally);
		return;
	}
	hop_look_packed(hop, packets, count, front);
	if (!hop->count && !hop->places)
		hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
}

/* At a ring that has something, or is not as it mostly is. */
static __attribute__((noinline)) uint16_t peek(struct hf_hop *hop, struct hf_device *device,
					       struct hf_vring *v, struct hf_packet *const *packets,
					       uint16_t count, bool enabled, uint32_t front)
{
	uint16_t ready;

	if (unlikely(!hf_burst_attend(v)))
		return 0;
	v->budget = HOP_BUDGET;
	open_hop(hop, device, v);
	if (unlikely(v->broken)) {
		hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
		goto nothing;
	}
	count = (uint16_t)min_u64(count, HF_MAX_BURST);
	if (unlikely(hf_rarp_asked(v)) && enabled)
		look_at_rarp(hop, packets[0]);
	front = front < HOP_FRONT_MIN ? HOP_FRONT_MIN : front;
	if (v->packed) {
		peek_packed(hop, packets, count, enabled, front);
		goto looked;
	}
	ready = hf_vring_available(v, (uint16_t)(count - hop->count));
	if (unlikely(ready && !enabled)) {
		hf_dequeue_discard(v, ready);
		hf_count(v, HF_COUNTER_BURSTS, 1);
	} else if (likely(ready))
		hop_look(hop, packets, ready, front);
	else if (!hop->count)
		hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
looked:
	hop->walked += (uint64_t)(HOP_BUDGET - v->budget);
	if (likely(hop->count)) {
		hf_burst_hold(v);
		return hop->count;
	}
	/* Chains that were passed over go back at once. */
	if (hop->places) {
		hf_hop_complete(hop, 0);
		return 0;
	}
nothing:
	hop->source = NULL;
	hf_burst_end(v);
	return 0;
}

uint16_t hf_hop_peek(struct hf_hop *hop, struct hf_device *device, uint16_t queue,
		     struct hf_packet *const *packets, uint16_t count, uint32_t front)
{
	struct hf_vring *v;
	bool enabled;

	if (unlikely(hop->source || !count))
		return 0;
	v = hf_burst_open(device, queue, &enabled);
	if (unlikely(!v))
		return 0;
	if (likely(hf_dequeue_is_empty(v))) {
		hf_burst_end_empty(v);
		return 0;
	}
	return peek(hop, device, v, packets, count, enabled, front);
}

static void copy_one(struct hf_hop *hop, struct hf_packet *packet)
{
	struct hf_packet *segment = packet;
	uint16_t i = packet->peeked, n;

	if (!hop_has(hop, packet))
		return;
	if (hop_is_whole(packet)) {
		hop_note_whole(hop, i);
		return;
	}
	if (packet->len == packet->room)
		segment = packet->next;
	n = hop->nr_pieces_of[i];
	if (!n)
		hop_append(&segment, hop->rest[i] + packet->len, packet->total - packet->len);
	for (uint16_t k = 0; k < n; k++)
		hop_append(&segment, hop->pieces[hop->first_piece[i] + k].data,
			   hop->pieces[hop->first_piece[i] + k].len);
	hop_note_whole(hop, i);
}

void hf_hop_copy(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t count)
{
	for (uint16_t i = 0; i < count; i++)
		copy_one(hop, packets[i]);
}

static void count_drops(struct hf_hop *hop, uint16_t places)
{
	for (uint16_t i = 0; i < hop->nr_drops; i++)
		if (hop->drops[i].place < places)
			hf_count(hop->source, (enum hf_counter)hop->drops[i].reason, 1);
}

/* Of packet `i`: each place before it is a packet's or a drop's. */
static uint16_t place_of(const struct hf_hop *hop, uint16_t i)
{
	uint16_t place = i;

	if (hop->rarp && place)
		place--;
	for (uint16_t k = 0; k < hop->nr_drops && hop->drops[k].place <= place; k++)
		place++;
	return place;
}

static void count_packets(struct hf_hop *hop, uint16_t n)
{
	struct hf_tally tally = {0};
	uint32_t differs = 0;

	for (uint16_t i = 0; i < n; i++) {
		differs |= hop->total[i] ^ hop->total[0];
		tally.bytes += hop->total[i];
	}
	tally.packets = n;
	if (likely(!differs && n)) {
		hf_tally_size(&tally, hop->total[0], n);
	} else {
		for (uint16_t i = 0; i < n; i++)
			hf_tally_size(&tally, hop->total[i], 1);
	}
	for (uint16_t i = 0; unlikely(hop->group & 1) && i < n; i++)
		hf_tally_group(&tally, hop->packets[i]);
	hf_tally_end(hop->source, &tally);
}

/* The destinations' calls, and nobody waits for us any more. */
static void write_calls(struct hf_hop *hop)
{
	for (uint16_t i = 0; i < hop->nr_calls; i++)
		hf_notify_write(hop->calls[i].vring, hop->calls[i].due);
	hop->nr_calls = 0;
}

/* How many chains from place `i` on are of one descriptor, of a run that goes by one intent. */
static uint32_t count_singles(const struct hf_hop *hop, uint32_t i, uint32_t places)
{
	uint32_t end = i + hf_packed_run_length(hop->source, places - i), from = i;

	if (likely(!hop->long_chains))
		return end - i;
	while (i < end && hop->descs[i] == 1)
		i++;
	return i - from;
}

static void publish_packed(struct hf_hop *hop, uint32_t places)
{
	struct hf_vring *v = hop->source;
	uint32_t n;

	for (uint32_t i = 0; i < places; i += n) {
		n = count_singles(hop, i, places);
		if (likely(n)) {
			hf_packed_use_singles(v, hop->used + i, n);
			continue;
		}
		hf_packed_use(v, hf_packed_id(hop->used[i]), 0, hop->descs[i]);
		n = 1;
	}
}

/* The source's first `places` chains are used. */
static void publish(struct hf_hop *hop, uint16_t places)
{
	struct hf_vring *v = hop->source;
	uint16_t old = v->next;

	if (!v->packed) {
		hf_vring_publish(v, places, HF_INTENT_DEQUEUE);
		hf_notify_guest(v, old);
		return;
	}
	v->moved = 0;
	publish_packed(hop, places);
	hf_packed_notify_guest(v, old);
}

void hf_hop_complete(struct hf_hop *hop, uint16_t count)
{
	struct hf_vring *v = hop->source;
	uint16_t places = hop->places;

	if (unlikely(!v))
		return;
	if (unlikely(count < hop->count))
		places = place_of(hop, count);
	else
		count = hop->count;
	if (unlikely(hop->rarp && !count))
		hf_rarp_give_back(hop->device, hop->rarp);
	if (unlikely(hop->nr_drops))
		count_drops(hop, places);
	count_packets(hop, count);
	if (likely(places))
		publish(hop, places);
	hf_burst_let_go(v);
	hop->source = NULL;
	hop->count = 0;
	hf_burst_end(v);
	if (hop->nr_calls)
		write_calls(hop);
}
