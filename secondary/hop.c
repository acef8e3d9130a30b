/* SPDX-License-Identifier: Apache-2.0 */
/* Begin and end of a hop (hop.h). */
#include "hop.h"

#include <stdlib.h>
#include <string.h>

#include "dequeue.h"
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

static void open_hop(struct hf_hop *hop, struct hf_device *device, struct hf_vring *v)
{
	hop->source = v;
	hop->device = device;
	hop->rarp = 0;
	hop->count = hop->places = 0;
	hop->nr_pieces = hop->nr_drops = hop->nr_calls = 0;
	hop->tally.n = hop->tally.groups = 0;
}

/* An announcement comes before what the guest sends. */
static void look_at_rarp(struct hf_hop *hop, struct hf_packet *packet)
{
	if (!hf_rarp_take(hop->device, packet))
		return;
	hop->rarp = HF_RARP_PENDING;
	memcpy(&hop->rarp, packet->data + 6, 6);
	packet->peeked = 0;
	hop->packets[0] = packet;
	hop->rests[0] = (struct hop_rest){0};
	hop->place[0] = 0;
	hop->count = 1;
	hop_tally_add(&hop->tally, packet->total, HOP_BROADCAST);
}

uint16_t hf_hop_peek(struct hf_hop *hop, struct hf_device *device, uint16_t queue,
		     struct hf_packet *const *packets, uint16_t count, uint32_t front)
{
	struct hf_vring *v;
	uint16_t ready;
	bool enabled;

	if (unlikely(hop->source || !count))
		return 0;
	v = hf_burst_begin(device, queue, &enabled);
	if (!v)
		return 0;
	open_hop(hop, device, v);
	if (unlikely(v->broken))
		goto nothing;
	count = (uint16_t)min_u64(count, HF_MAX_BURST);
	if (unlikely(hf_read_once(&device->rarp)) && enabled)
		look_at_rarp(hop, packets[0]);
	ready = hf_vring_available(v, (uint16_t)(count - hop->count));
	if (unlikely(ready && !enabled))
		hf_dequeue_discard(v, ready);
	else if (likely(ready))
		hop_look(hop, packets, ready, front < HOP_FRONT_MIN ? HOP_FRONT_MIN : front);
	else if (!hop->count)
		hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
	if (likely(hop->count))
		return hop->count;
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

static void copy_one(struct hf_hop *hop, struct hf_packet *packet)
{
	const struct hop_rest *rest = hop_rest_of(hop, packet);
	struct hf_packet *segment = packet;

	if (!rest)
		return;
	if (packet->len == packet->room)
		segment = packet->next;
	if (!rest->nr)
		hop_append(&segment, rest->data, rest->len);
	for (uint16_t i = 0; i < rest->nr; i++)
		hop_append(&segment, hop->pieces[rest->first + i].data,
			   hop->pieces[rest->first + i].len);
	hop->rests[packet->peeked].len = 0;
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

/* The destinations' calls, and nobody waits for us any more. */
static void write_calls(struct hf_hop *hop)
{
	for (uint16_t i = 0; i < hop->nr_calls; i++)
		hf_notify_write(hop->calls[i].vring, hop->calls[i].due);
	hop->nr_calls = 0;
}

void hf_hop_complete(struct hf_hop *hop, uint16_t count)
{
	struct hf_vring *v = hop->source;
	uint16_t places = hop->places, old;

	if (unlikely(!v))
		return;
	if (unlikely(count < hop->count))
		places = hop->place[count];
	else
		count = hop->count;
	/* Nobody announced it; a newer one counts more. */
	if (unlikely(hop->rarp && !count && !hf_read_once(&hop->device->rarp)))
		(void)hf_exchange(&hop->device->rarp, hop->rarp);
	if (unlikely(hop->nr_drops))
		count_drops(hop, places);
	hop_tally_end(v, &hop->tally, count);
	if (likely(places)) {
		old = v->next;
		hf_vring_publish(v, places, HF_INTENT_DEQUEUE);
		hf_notify_guest(v, old);
	}
	hop->source = NULL;
	hop->count = 0;
	hf_burst_end(v);
	if (hop->nr_calls)
		write_calls(hop);
}
