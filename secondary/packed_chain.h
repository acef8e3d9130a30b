/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walk a chain of a packed ring: each descriptor is read once, checked, and only the copy is used.
 *
 * A chain is one or more descriptors that stand behind one another in the ring, or a single one
 * that refers to an indirect table; its buffer id is in the last. However it is spoiled, its end
 * must be known, or no later chain could be found: hf_packed_chain_finish walks on to it. Where
 * that fails (a descriptor that is not available, or more than the ring has) the ring is broken.
 */
#ifndef SECONDARY_PACKED_CHAIN_H
#define SECONDARY_PACKED_CHAIN_H

#include "chain.h"
#include "packed.h"

struct hf_packed_chain {
	uint16_t at;		  /* position behind the descriptors read so far */
	uint16_t id;		  /* of the last one */
	uint16_t flags;		  /* of the first one */
	uint32_t descs;		  /* of the ring, read so far */
	uint32_t most;		  /* and how many there may be */
	uint32_t seen;		  /* buffers */
	bool more;		  /* it goes on in the ring */
	uint64_t state;		  /* of the first one, read by hf_packed_chain_start */
	struct hf_chain indirect; /* more: entries are left */
};

/* Not a counter: the ring is broken. */
#define HF_PACKED_BROKEN INT32_MIN

/* The chain at `position`, which may take `most` descriptors. False: there is none. */
static inline bool hf_packed_chain_start(const struct hf_vring *v, struct hf_packed_chain *c,
					 uint16_t position, uint32_t most)
{
	uint64_t state;

	if (!most)
		return false;
	state = hf_packed_look(v, position);
	if (!hf_packed_is_available(state, position))
		return false;
	c->at = position;
	c->descs = c->seen = 0;
	c->most = most;
	c->flags = hf_packed_flags(state);
	c->state = state;
	c->more = true;
	c->indirect.more = c->indirect.in_indirect = false;
	return true;
}

/* 1: *ret_desc is the chain's next buffer; 0: the chain is over; negative: DROP reason, or
 * HF_PACKED_BROKEN. */
int hf_packed_chain_next(struct hf_vring *vring, struct hf_packed_chain *chain,
			 struct vring_desc *ret_desc);
/* To the chain's end: then at, id and descs are known. False: the ring is broken. */
bool hf_packed_chain_finish(struct hf_vring *vring, struct hf_packed_chain *chain);

#endif
