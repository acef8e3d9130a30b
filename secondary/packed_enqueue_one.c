/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enqueue of one packet into any chains of a packed ring.
 *
 * Theory of operation. As on a split ring (enqueue_one.c): bytes go straight into the guest's
 * buffers as descriptors are read, a packet goes on into the next chain where buffers are
 * mergeable, and num_buffers is written last. A split ring has a used ring to fill before it is
 * published; here the chains that are filled stand in the shadow until hf_packed_publish.
 *
 * A chain that breaks a rule goes back with length 0, and so do the chains before it that the
 * packet had begun to fill. The packet then starts over with the chains that follow.
 */
#include <string.h>

#include "enqueue.h"
#include "packed.h"
#include "packed_chain.h"

struct writer {
	struct hf_packed_chain chain;
	struct vring_desc desc; /* what is left of the current descriptor */
	uint16_t used;		/* place of the current chain in the shadow */
	uint32_t written;	/* into the current chain */
	bool open;
};

#include "writer.h"

/* Where the shadow's chain `used` begins. */
static uint16_t begin_of(const struct hf_vring *v, uint16_t used)
{
	return used ? v->shadow[used].at : v->next;
}

/* Descriptors that the burst may still go beyond `at`: what was taken in it may have been made
 * available again by now, but a lap is a lap. */
static uint32_t left_behind(const struct hf_vring *v, uint16_t at)
{
	return hf_packed_left(v) - hf_packed_distance(v, v->next, at);
}

/* Start the next available chain. */
static int writer_open(struct hf_vring *v, struct writer *w)
{
	uint16_t at = begin_of(v, w->used);

	/* Broken in this very burst: whatever the flags say by now. */
	if (v->budget <= 0 || v->broken ||
	    !hf_packed_chain_start(v, &w->chain, at, left_behind(v, at)))
		return WRITE_NO_BUFFER;
	v->shadow[w->used].at = at;
	w->desc.len = 0;
	w->written = 0;
	w->open = true;
	return WRITE_OK;
}

/* False: the ring is broken. */
static bool writer_close(struct hf_vring *v, struct writer *w)
{
	struct hf_packed_used *used = &v->shadow[w->used];

	if (!hf_packed_chain_finish(v, &w->chain))
		return false;
	used->id = w->chain.id;
	used->flags = w->chain.flags;
	used->len = w->written;
	v->shadow[++w->used].at = w->chain.at;
	w->open = false;
	return true;
}

/* The next descriptor of the chain, or the next chain. */
static int writer_next(struct hf_vring *v, struct writer *w)
{
	int result;

	if (!w->open && (result = writer_open(v, w)) != WRITE_OK)
		return result;
	result = hf_packed_chain_next(v, &w->chain, &w->desc);
	if (result == HF_PACKED_BROKEN)
		return WRITE_NO_BUFFER;
	if (result < 0)
		return result;
	if (result > 0)
		return hf_descriptor_check(&w->desc, VRING_DESC_F_WRITE);
	/* The chain is full. */
	w->desc.len = 0;
	if (!v->mergeable)
		return WRITE_SMALL;
	if (!w->written)
		return HF_CHAIN_DROP(SHORT_CHAIN);
	return writer_close(v, w) ? WRITE_OK : WRITE_NO_BUFFER;
}

static int writer_place(struct hf_vring *v, struct writer *w, uint64_t *len, uint8_t **to)
{
	while (!w->desc.len) {
		int result = writer_next(v, w);

		if (result != WRITE_OK)
			return result;
	}
	*len = min_u64(*len, w->desc.len);
	*to = hf_vring_piece(v, w->desc.addr, len);
	return *to ? WRITE_OK : HF_CHAIN_DROP(BAD_ADDRESS);
}

/* The current chain broke a rule: it and those the packet had filled go back empty. False: not even
 * its end can be found. */
static bool give_back(struct hf_vring *v, struct writer *w, uint16_t *used, int reason)
{
	hf_count(v, (enum hf_counter) - reason, 1);
	if (!writer_close(v, w))
		return false;
	hf_enqueue_give_back(v, *used, w->used);
	*used = w->used;
	return true;
}

/* The packet did not fit. All the ring's descriptors, none of them used before, and still too
 * small: no later try will be better. */
static enum hf_enqueue_result no_room(struct hf_vring *v, const struct writer *w, uint16_t used)
{
	if (!v->broken && !used && !v->moved &&
	    hf_packed_distance(v, v->next, begin_of(v, w->used)) == v->size)
		return drop(v, HF_COUNTER_DROP_TOO_BIG);
	return HF_ENQUEUE_NO_BUFFER;
}

enum hf_enqueue_result hf_packed_enqueue_one(struct hf_vring *v, const struct hf_packet *packet,
					     const struct hf_offload *offload, uint16_t *used)
{
	uint8_t *num_buffers[2] = {NULL, NULL};
	struct writer w;
	int result;

	for (;;) {
		w = (struct writer){.used = *used};
		result = put_header(v, &w, offload, num_buffers);
		if (result == WRITE_OK)
			result = put_packet(v, &w, packet);
		if (result >= 0)
			break;
		/* What was given back is published; the packet has to wait. */
		if (!give_back(v, &w, used, result) || v->budget <= 0)
			return HF_ENQUEUE_NO_BUFFER;
	}
	if (result == WRITE_SMALL)
		return drop(v, HF_COUNTER_DROP_GUEST_BUFFER_SMALL);
	if (result == WRITE_NO_BUFFER || !writer_close(v, &w))
		return no_room(v, &w, *used);
	if (v->mergeable) {
		uint16_t n = (uint16_t)(w.used - *used);

		*num_buffers[0] = (uint8_t)n;
		*num_buffers[1] = (uint8_t)(n >> 8);
	}
	*used = w.used;
	return HF_ENQUEUE_DONE;
}

/* A used descriptor that may have to be turned back (hf_packed_repair). */
static uint64_t shadow_state(const struct hf_packed_used *used)
{
	uint64_t keep = used->flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT);

	return hf_packed_used_state(used->at, used->id, used->len) | keep << 48;
}

/* With mergeable buffers all at once: the first store comes last. */
static void publish_group(struct hf_vring *v, uint16_t n)
{
	uint32_t descs = hf_packed_distance(v, v->next, v->shadow[n].at);

	hf_packed_intend(v, HF_INTENT_PACKED_GROUP, descs);
	for (uint16_t i = n; i-- > 1;)
		hf_packed_store(hf_packed_slot(v, v->shadow[i].at), shadow_state(&v->shadow[i]));
	hf_packed_store(hf_packed_slot(v, v->next),
			hf_packed_used_state(v->next, v->shadow[0].id, v->shadow[0].len));
	hf_packed_settle(v, descs);
}

void hf_packed_publish(struct hf_vring *v, uint16_t n)
{
	if (v->mergeable && n > 1) {
		publish_group(v, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++)
		hf_packed_use(v, v->shadow[i].id, v->shadow[i].len,
			      hf_packed_distance(v, v->shadow[i].at, v->shadow[i + 1].at));
}
