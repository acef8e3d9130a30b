/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enqueue of one packet into the guest's chains.
 *
 * Theory of operation. Bytes are written straight into the guest's buffers as descriptors are
 * read; since nothing is visible before used->idx is published, giving up is just not publishing:
 * *used is left where it was. With mergeable buffers a packet goes on into the next chain, and
 * num_buffers, which stands in the first, is written last, when the number is known (its two
 * bytes may lie in two descriptors).
 *
 * A chain that breaks a rule goes back with length 0, and so do the chains before it that the
 * packet had begun to fill: completion is strictly in order, so they cannot be kept for a second
 * try behind it. The packet then starts over with the chains that follow.
 */
#include "enqueue.h"

#include <string.h>

#include "burst.h"
#include "chain.h"
#include "packed.h"

struct writer {
	struct hf_chain chain;
	struct vring_desc desc; /* what is left of the current descriptor */
	uint16_t head;
	uint16_t used;	  /* place of the current chain */
	uint16_t ready;	  /* places there are */
	uint32_t written; /* into the current chain */
	bool open;
};

#include "writer.h"

/* Start the next available chain. */
static int writer_open(struct hf_vring *v, struct writer *w)
{
	/* Broken in this very burst: whatever the index says by now. */
	if (v->budget <= 0 || v->broken)
		return WRITE_NO_BUFFER;
	if (w->used == w->ready) {
		uint16_t ready = hf_vring_available(v, v->size);

		if (ready <= w->used)
			return WRITE_NO_BUFFER;
		w->ready = ready;
	}
	if (!hf_vring_head(v, w->used, &w->head))
		return WRITE_NO_BUFFER;
	hf_chain_start(v, &w->chain, w->head);
	w->desc.len = 0;
	w->written = 0;
	w->open = true;
	return WRITE_OK;
}

static void writer_close(struct hf_vring *v, struct writer *w)
{
	hf_vring_use(v, w->used++, w->head, w->written);
	w->open = false;
}

static int writer_place(struct hf_vring *v, struct writer *w, uint64_t *len, uint8_t **to)
{
	int result;

	while (!w->desc.len) {
		if (!w->open && (result = writer_open(v, w)) != WRITE_OK)
			return result;
		result = hf_chain_next(v, &w->chain, &w->desc);
		if (result < 0)
			return result;
		if (result > 0) {
			result = hf_descriptor_check(&w->desc, VRING_DESC_F_WRITE);
			if (result < 0)
				return result;
			continue;
		}
		/* The chain is full. */
		w->desc.len = 0;
		if (!v->mergeable)
			return WRITE_SMALL;
		if (!w->written)
			return HF_CHAIN_DROP(SHORT_CHAIN);
		writer_close(v, w);
	}
	*len = min_u64(*len, w->desc.len);
	*to = hf_vring_piece(v, w->desc.addr, len);
	return *to ? WRITE_OK : HF_CHAIN_DROP(BAD_ADDRESS);
}

void hf_enqueue_give_back(struct hf_vring *v, uint16_t from, uint16_t to)
{
	for (uint16_t i = from; i != to; i++) {
		if (v->packed)
			v->shadow[i].len = 0;
		else
			hf_write_once(&v->used->ring[(uint16_t)(v->next + i) & v->mask].len, 0u);
	}
	v->gave_back = to;
}

/* The chain at w->used broke a rule: it and those the packet had filled go back empty. */
static void give_back(struct hf_vring *v, struct writer *w, uint16_t *used, int reason)
{
	hf_count(v, (enum hf_counter) - reason, 1);
	writer_close(v, w);
	hf_enqueue_give_back(v, *used, w->used);
	*used = w->used;
}

enum hf_enqueue_result hf_enqueue_one(struct hf_vring *v, const struct hf_packet *packet,
				      const struct hf_offload *offload, uint16_t *used)
{
	uint8_t *num_buffers[2] = {NULL, NULL};
	struct writer w;
	int result;

	if (v->packed)
		return hf_packed_enqueue_one(v, packet, offload, used);
	for (;;) {
		w = (struct writer){.used = *used, .ready = *used};
		result = put_header(v, &w, offload, num_buffers);
		if (result == WRITE_OK)
			result = put_packet(v, &w, packet);
		if (result >= 0)
			break;
		give_back(v, &w, used, result);
		/* What was given back is published; the packet has to wait. */
		if (v->budget <= 0)
			return HF_ENQUEUE_NO_BUFFER;
	}
	if (result == WRITE_SMALL)
		return drop(v, HF_COUNTER_DROP_GUEST_BUFFER_SMALL);
	if (result == WRITE_NO_BUFFER) {
		/* All the ring's entries, and still too small: no later try will be better. */
		if (!*used && w.used == v->size)
			return drop(v, HF_COUNTER_DROP_TOO_BIG);
		return HF_ENQUEUE_NO_BUFFER;
	}
	writer_close(v, &w);
	if (v->mergeable) {
		uint16_t n = (uint16_t)(w.used - *used);

		*num_buffers[0] = (uint8_t)n;
		*num_buffers[1] = (uint8_t)(n >> 8);
	}
	*used = w.used;
	return HF_ENQUEUE_DONE;
}
