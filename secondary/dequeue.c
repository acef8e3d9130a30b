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
#include "rarp.h"
#include "run.h"

/* Where the bytes of a chain go: the header first, then the caller's segments. */
struct sink {
	uint8_t header[HF_NET_HEADER_MAX];
	uint32_t header_have;
	uint32_t header_bytes;
	struct hf_packet *segment;
	uint32_t total;
};

static void sink_open(struct sink *sink, struct hf_packet *packet, uint32_t header_bytes)
{
	sink->header_have = 0;
	sink->header_bytes = header_bytes;
	sink->segment = packet;
	sink->total = 0;
	for (struct hf_packet *s = packet; s; s = s->next)
		s->len = 0;
}

/* 0, or -1 when the caller's segments are full. */
static int sink_put(struct sink *sink, const uint8_t *from, uint64_t len)
{
	if (sink->header_have < sink->header_bytes) {
		uint32_t n = (uint32_t)min_u64(len, sink->header_bytes - sink->header_have);

		memcpy(sink->header + sink->header_have, from, n);
		sink->header_have += n;
		from += n;
		len -= n;
	}
	while (len) {
		struct hf_packet *s = sink->segment;
		uint32_t n;

		if (!s)
			return -1;
		n = (uint32_t)min_u64(len, s->room - s->len);
		hf_copy(s->data + s->len, from, n);
		s->len += n;
		sink->total += n;
		from += n;
		len -= n;
		if (s->len == s->room)
			sink->segment = s->next;
	}
	return 0;
}

/* One descriptor's bytes, which may lie in several regions. 0 or the DROP reason. */
static int sink_descriptor(struct hf_vring *v, struct sink *sink, const struct vring_desc *d)
{
	uint64_t gpa = d->addr, left = d->len, end;

	if (d->flags & VRING_DESC_F_WRITE)
		return HF_CHAIN_DROP(BAD_DIRECTION);
	if (!add_ok(gpa, left, &end))
		return HF_CHAIN_DROP(BAD_ADDRESS);
	while (left) {
		uint64_t piece = left;
		const uint8_t *from = hf_vring_piece(v, gpa, &piece);

		if (!from)
			return HF_CHAIN_DROP(BAD_ADDRESS);
		if (sink_put(sink, from, piece))
			return HF_CHAIN_DROP(TOO_BIG);
		gpa += piece;
		left -= piece;
	}
	return 0;
}

/* All bytes are there: is it a packet? 0 or the DROP reason. */
static int sink_close(const struct hf_vring *v, const struct sink *sink, struct hf_packet *packet)
{
	if (!sink->total)
		return HF_CHAIN_DROP(SHORT_CHAIN);
	packet->total = sink->total;
	/* The header is the copy, not what the compiler could read again. */
	hf_compiler_barrier();
	if (!hf_header_to_offload(sink->header, v->features, packet))
		return HF_CHAIN_DROP(BAD_HEADER);
	return 0;
}

/* Any chain: 0 with the packet filled, or the DROP reason. */
static int dequeue_chain(struct hf_vring *v, uint16_t head, struct hf_packet *packet)
{
	struct hf_chain chain;
	struct vring_desc d;
	struct sink sink;
	int result;

	hf_chain_start(v, &chain, head);
	sink_open(&sink, packet, v->header_bytes);
	while ((result = hf_chain_next(v, &chain, &d)) > 0) {
		result = sink_descriptor(v, &sink, &d);
		if (result < 0)
			return result;
	}
	if (result < 0)
		return result;
	return sink_close(v, &sink, packet);
}

int hf_dequeue_buffer(struct hf_vring *v, const uint8_t *from, uint32_t len,
		      struct hf_packet *packet)
{
	struct sink sink;

	sink_open(&sink, packet, v->header_bytes);
	if (sink_put(&sink, from, len))
		return HF_CHAIN_DROP(TOO_BIG);
	return sink_close(v, &sink, packet);
}

/* The segments behind the first one hold nothing. */
static inline void clear_rest(struct hf_packet *packet)
{
	for (struct hf_packet *s = packet->next; s; s = s->next)
		s->len = 0;
}

void hf_dequeue_discard(struct hf_vring *v, uint16_t ready)
{
	uint16_t old = v->next, n = 0, head;

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
		hf_tally_packet(v, tally, packets[got++]);
	}
	if (n) {
		hf_vring_publish(v, n, HF_INTENT_DEQUEUE);
		hf_notify_guest(v, old);
	}
	return got;
}

uint16_t hf_dequeue_burst(struct hf_device *device, uint16_t queue,
			  struct hf_packet *const *packets, uint16_t count)
{
	struct hf_tally tally = {0};
	struct hf_vring *v;
	uint16_t ready, got = 0;
	bool enabled;

	v = hf_burst_begin(device, queue, &enabled);
	if (!v)
		return 0;
	if (unlikely(v->broken))
		goto out;
	count = (uint16_t)min_u64(count, HF_MAX_BURST);
	if (unlikely(hf_read_once(&device->rarp)) && count && enabled &&
	    hf_rarp_take(device, packets[0])) {
		got = 1;
		hf_tally_packet(v, &tally, packets[0]);
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
