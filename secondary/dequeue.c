/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dequeue: from the guest's chains into the caller's segments.
 *
 * Theory of operation. Chains are taken in order; each is copied piece by piece as its descriptors
 * are read, first the virtio-net header into a local, then the frame into the segments. A rule the
 * chain breaks stops the copy: what was copied so far is the caller's scratch anyway, the chain
 * goes back with length 0 and a counted reason, and its place among the packets is taken by the
 * next one. All chains of the burst are published with one store of used->idx, and the guest is
 * called at most once.
 *
 * Runs of common chains, one descriptor in one region each, go the fast way (run.h). All others
 * go the general one, which is this.
 */
#include <holdfast/burst.h>
#include <string.h>

#include "burst.h"
#include "chain.h"
#include "copy.h"
#include "dequeue.h"
#include "header.h"
#include "notify.h"
#include "packed.h"
#include "rarp.h"
#include "run.h"
#include "sink.h"

/* Any chain: 0 with the packet filled, or the DROP reason. */
static int dequeue_chain(struct hf_vring *v, uint16_t head, struct hf_packet *packet)
{
	struct hf_chain chain;
	struct vring_desc d;
	struct hf_sink sink;
	int result;

	hf_chain_start(v, &chain, head);
	hf_sink_open(&sink, packet, v->header_bytes);
	while ((result = hf_chain_next(v, &chain, &d)) > 0) {
		result = hf_descriptor_pieces(v, &d, hf_sink_put, &sink);
		if (result < 0)
			return result;
	}
	if (result < 0)
		return result;
	return hf_sink_close(v, &sink, packet);
}

int hf_dequeue_buffer(struct hf_vring *v, const uint8_t *from, uint32_t len,
		      struct hf_packet *packet)
{
	struct hf_sink sink;
	int reason;

	hf_sink_open(&sink, packet, v->header_bytes);
	reason = hf_sink_put(&sink, from, len);
	return reason ? reason : hf_sink_close(v, &sink, packet);
}

void hf_dequeue_discard(struct hf_vring *v, uint16_t ready)
{
	uint16_t old = v->next, n = 0, head;

	if (!hf_burst_may_discard(v))
		return; /* it is the next burst's, or the next owner's */
	while (n < ready && hf_vring_head(v, n, &head))
		hf_vring_use(v, n++, head, 0);
	if (!n)
		return;
	hf_count(v, HF_COUNTER_DROP_DISABLED, n);
	hf_vring_publish(v, n, HF_INTENT_DEQUEUE);
	hf_notify_guest(v, old);
}

/* Take up to `ready` chains into `packets`; how many packets came. */
static uint16_t dequeue_ready(struct hf_vring *v, struct hf_packet *const *packets, uint16_t ready,
			      struct hf_tally *tally)
{
	uint16_t old = v->next, n = 0, got = 0, head;

	while (v->budget > 0) {
		int reason;

		v->run->dequeue(v, packets, ready, &n, &got, tally);
		if (likely(n == ready) || !hf_vring_head(v, n, &head))
			break;
		reason = dequeue_chain(v, head, packets[got]);
		hf_vring_use(v, n++, head, 0);
		if (reason < 0) {
			hf_count(v, (enum hf_counter) - reason, 1);
			continue;
		}
		hf_tally_packet(tally, packets[got++]);
	}
	if (n) {
		hf_vring_publish(v, n, HF_INTENT_DEQUEUE);
		hf_notify_guest(v, old);
	}
	return got;
}

/* Of a ring that has something, or is not as it mostly is. */
static __attribute__((noinline)) uint16_t dequeue_burst(struct hf_device *device,
							struct hf_vring *v,
							struct hf_packet *const *packets,
							uint16_t count, bool enabled)
{
	struct hf_tally tally = {0};
	uint16_t ready, got = 0;

	if (unlikely(!hf_burst_attend(v)))
		return 0;
	if (unlikely(v->broken)) {
		hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
		goto out;
	}
	count = (uint16_t)min_u64(count, HF_MAX_BURST);
	if (unlikely(hf_rarp_asked(v)) && count && enabled && hf_rarp_take(device, v, packets[0])) {
		got = 1;
		hf_tally_packet(&tally, packets[0]);
	}
	if (v->packed) {
		got = (uint16_t)(got + hf_packed_dequeue(v, packets + got, (uint16_t)(count - got),
							 enabled, &tally));
		goto out;
	}
	ready = hf_vring_available(v, (uint16_t)(count - got));
	if (likely(ready)) {
		if (likely(enabled))
			got = (uint16_t)(got + dequeue_ready(v, packets + got, ready, &tally));
		else
			hf_dequeue_discard(v, ready);
	} else if (!got) {
		hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
		goto out;
	}
	hf_tally_end(v, &tally);
out:
	hf_burst_end(v);
	return got;
}

/* Where the guest says what is there. */
static const void *announcement(const struct hf_vring *v)
{
	if (likely(!hf_read_once(&v->packed)))
		return hf_read_once(&v->avail);
	return hf_read_once(&v->slots) + hf_packed_place(hf_read_once(&v->next));
}

void hf_prefetch(const struct hf_device *device, uint16_t queue)
{
	const struct hf_vring *v = hf_device_vring((struct hf_device *)(uintptr_t)device, queue);

	/* Of one that was never granted these are nowhere, which harms nobody. */
	if (!v)
		return;
	hf_prefetch_write(hf_read_once(&v->lane));
	hf_prefetch_read(announcement(v));
}

uint16_t hf_dequeue_burst(struct hf_device *device, uint16_t queue,
			  struct hf_packet *const *packets, uint16_t count)
{
	bool enabled;
	struct hf_vring *v = hf_burst_open(device, queue, &enabled);

	if (unlikely(!v))
		return 0;
	if (likely(hf_dequeue_is_empty(v))) {
		hf_burst_end_empty(v);
		return 0;
	}
	return dequeue_burst(device, v, packets, count, enabled);
}
