/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enqueue: from the caller's packets into the guest's chains. One publication and at most one call
 * for the whole burst. Packets are only read, so the same ones may be enqueued to many devices.
 */
#include <holdfast/burst.h>

#include "burst.h"
#include "enqueue.h"
#include "header.h"
#include "notify.h"
#include "offload.h"
#include "packed.h"
#include "run.h"

/* Are the caller's numbers about its own packet consistent? */
static bool packet_ok(const struct hf_packet *packet)
{
	uint64_t sum = 0;

	for (const struct hf_packet *s = packet; s; s = s->next)
		sum += s->len;
	return packet->total && packet->total <= HF_PACKET_MAX && packet->len &&
	       sum == packet->total;
}

/* It asks something of the guest, or is a chain of segments. */
static enum hf_enqueue_result enqueue_special(struct hf_vring *v, const struct hf_packet *packet,
					      uint16_t *used)
{
	struct hf_offload offload = packet->offload;

	if (!packet_ok(packet) || !hf_offload_fits(&offload, packet)) {
		hf_count(v, HF_COUNTER_DROP_BAD_METADATA, 1);
		return HF_ENQUEUE_DROPPED;
	}
	if (!(v->features & HF_FEATURE(VIRTIO_NET_F_GUEST_CSUM)))
		offload.flags &= (uint8_t)~HF_OFFLOAD_DATA_VALID;
	offload.flags &= HF_OFFLOAD_NEEDS_CSUM | HF_OFFLOAD_DATA_VALID;
	if (hf_offload_needs_software(&offload, v->features))
		return hf_enqueue_software(v, packet, &offload, used);
	return hf_enqueue_one(v, packet, &offload, used);
}

static inline enum hf_enqueue_result enqueue_any(struct hf_vring *v, const struct hf_packet *packet,
						 uint16_t *used)
{
	static const struct hf_offload none;

	if (likely(hf_offload_is_none(&packet->offload) && !packet->next && packet->total &&
		   packet->total == packet->len && packet->total <= HF_PACKET_MAX))
		return hf_enqueue_one(v, packet, &none, used);
	return enqueue_special(v, packet, used);
}

enum hf_enqueue_result hf_enqueue_packet(struct hf_vring *v, const struct hf_packet *packet,
					 uint16_t *used)
{
	bool had_all = v->budget == HF_BURST_BUDGET;
	uint16_t before = *used;
	enum hf_enqueue_result result = enqueue_any(v, packet, used);

	if (likely(result != HF_ENQUEUE_NO_BUFFER || v->budget > 0))
		return result;
	/* It waits for the next burst; but one that had all of this one's budget, and met no bad
	 * chain that is gone now, would spend the next one's as well, and all others behind it. */
	if (!had_all || *used != before || v->broken)
		return result;
	hf_count(v, HF_COUNTER_DROP_TOO_BIG, 1);
	return HF_ENQUEUE_DROPPED;
}

/* As many as go the fast way, one simple chain each. */
static inline uint16_t enqueue_run(struct hf_vring *v, struct hf_packet *const *packets,
				   uint16_t count, uint16_t used, struct hf_tally *tally)
{
	uint16_t ready = hf_vring_available(v, (uint16_t)(used + count));

	if (unlikely(ready <= used))
		return 0;
	return v->run->enqueue(v, packets, (uint16_t)(ready - used), used, tally);
}

static uint16_t enqueue_all(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count)
{
	struct hf_tally tally = {0};
	uint16_t old = v->next, used = 0, taken = 0;

	for (; taken < count; taken++) {
		const struct hf_packet *packet;
		enum hf_enqueue_result result;
		uint16_t n =
			enqueue_run(v, packets + taken, (uint16_t)(count - taken), used, &tally);

		used = (uint16_t)(used + n);
		taken = (uint16_t)(taken + n);
		if (likely(taken == count))
			break;
		packet = packets[taken];
		result = hf_enqueue_packet(v, packet, &used);
		if (result == HF_ENQUEUE_NO_BUFFER) {
			hf_count(v, HF_COUNTER_NO_GUEST_BUFFER, 1);
			break;
		}
		if (result == HF_ENQUEUE_DONE)
			hf_tally_packet(&tally, packet);
	}
	if (used) {
		hf_vring_publish(v, used, HF_INTENT_ENQUEUE);
		hf_notify_guest(v, old);
	}
	hf_tally_end(v, &tally);
	return taken;
}

uint32_t hf_enqueue_walked(struct hf_device *device, uint16_t queue, uint32_t *ret_cut)
{
	struct hf_vring *v = hf_device_vring(device, queue);
	uint32_t walked;

	*ret_cut = 0;
	if (unlikely(!v))
		return 0;
	walked = (uint32_t)(HF_BURST_BUDGET - v->budget);
	*ret_cut = v->cut;
	v->cut = 0;
	v->budget = HF_BURST_BUDGET;
	return walked;
}

bool hf_enqueue_cuts(const struct hf_device *device, const struct hf_offload *offload)
{
	return offload->gso_type != HF_GSO_NONE &&
	       hf_offload_needs_software(offload, hf_device_features(device));
}

uint16_t hf_enqueue_burst(struct hf_device *device, uint16_t queue,
			  struct hf_packet *const *packets, uint16_t count)
{
	uint16_t taken = 0;
	bool enabled;
	struct hf_vring *v = hf_burst_begin(device, queue, &enabled);

	if (!v)
		return 0;
	count = (uint16_t)min_u64(count, HF_MAX_BURST);
	if (likely(enabled && !v->broken && count))
		taken = v->packed ? hf_packed_enqueue(v, packets, count)
				  : enqueue_all(v, packets, count);
	else
		hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
	hf_burst_end(v);
	return taken;
}
