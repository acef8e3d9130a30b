/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dequeue from a packed ring: runs of simple chains (packed_run.h), and one chain at a time by the
 * general way, which alone decides what is refused.
 */
#include "packed.h"
#include "packed_chain.h"
#include "packed_notify.h"
#include "run.h"
#include "sink.h"

/* The chain's bytes into the packet: 0, the DROP reason or HF_PACKED_BROKEN. */
static int copy_chain(struct hf_vring *v, struct hf_packed_chain *chain, struct hf_packet *packet)
{
	struct vring_desc d;
	struct hf_sink sink;
	int result;

	hf_sink_open(&sink, packet, v->header_bytes);
	while ((result = hf_packed_chain_next(v, chain, &d)) > 0) {
		/* DPDK's virtio driver marks the header in its tables as writable. To read what the
		 * guest would let us write harms nobody. */
		if (chain->indirect.in_indirect)
			d.flags = 0;
		result = hf_descriptor_pieces(v, &d, hf_sink_put, &sink);
		if (result < 0)
			return result;
	}
	return result < 0 ? result : hf_sink_close(v, &sink, packet);
}

enum general { GENERAL_NONE, GENERAL_DROPPED, GENERAL_PACKET };

/* Any chain, and only one. */
static enum general take_chain(struct hf_vring *v, struct hf_packet *packet)
{
	struct hf_packed_chain chain;
	int reason;

	if (!hf_packed_chain_start(v, &chain, v->next, hf_packed_left(v)))
		return GENERAL_NONE;
	reason = copy_chain(v, &chain, packet);
	if (reason == HF_PACKED_BROKEN || !hf_packed_chain_finish(v, &chain))
		return GENERAL_NONE;
	hf_packed_use(v, chain.id, 0, chain.descs);
	if (!reason)
		return GENERAL_PACKET;
	hf_count(v, (enum hf_counter) - reason, 1);
	return GENERAL_DROPPED;
}

/* Up to `count` packets; how many came. */
static uint16_t take_all(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count,
			 struct hf_tally *tally)
{
	uint16_t got = 0;

	while (got < count && v->budget > 0 && hf_packed_left(v)) {
		enum general result;
		bool ended;

		got = (uint16_t)(got + v->run->packed_dequeue(v, packets + got,
							      (uint16_t)(count - got), tally,
							      &ended));
		if (!ended)
			continue;
		result = take_chain(v, packets[got]);
		if (result == GENERAL_NONE)
			break;
		if (result == GENERAL_PACKET)
			hf_tally_packet(tally, packets[got++]);
	}
	return got;
}

/* A ring that is granted but disabled: what the guest sends is discarded. Not what it sends when it
 * is not any more: that is the next burst's, or the next owner's. */
static void discard(struct hf_vring *v, uint16_t count)
{
	struct hf_packed_chain chain;
	uint16_t n = 0;

	while (n < count && v->budget > 0 &&
	       hf_packed_chain_start(v, &chain, v->next, hf_packed_left(v)) &&
	       hf_burst_may_discard(v) && hf_packed_chain_finish(v, &chain)) {
		hf_packed_use(v, chain.id, 0, chain.descs);
		n++;
	}
	hf_count(v, HF_COUNTER_DROP_DISABLED, n);
}

uint16_t hf_packed_dequeue(struct hf_vring *v, struct hf_packet *const *packets, uint16_t count,
			   bool enabled, struct hf_tally *tally)
{
	uint16_t old = v->next, got = 0;

	v->moved = 0;
	if (likely(enabled))
		got = take_all(v, packets, count, tally);
	else
		discard(v, count);
	if (likely(v->moved))
		hf_packed_notify_guest(v, old);
	if (likely(v->moved || tally->packets))
		hf_tally_end(v, tally);
	else
		hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
	return got;
}
