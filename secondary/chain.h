/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walk a descriptor chain: each descriptor is copied out of guest memory once, checked, and only
 * the copy is used (virtio 1.1, 2.6.5).
 *
 * A chain is zero or more descriptors of the ring's table, and may end in one indirect table. It
 * has at most as many descriptors as the ring has entries: a longer one is a loop. An indirect
 * table may be unaligned and may straddle regions that are neighbours in guest-physical space.
 */
#ifndef SECONDARY_CHAIN_H
#define SECONDARY_CHAIN_H

#include <string.h>

#include "vring.h"

struct hf_chain {
	const uint8_t *table; /* NULL: an indirect table that lies in several pieces */
	uint64_t table_gpa;   /* of the indirect table */
	uint32_t table_len;   /* entries */
	uint32_t index;
	uint32_t seen;
	bool in_indirect;
	bool more;
};

/* A negative result is -(enum hf_counter), the DROP reason. */
#define HF_CHAIN_DROP(reason) (-(int)HF_COUNTER_DROP_##reason)

/*
 * What every descriptor is asked, of either kind of ring: does it go this way (VRING_DESC_F_WRITE:
 * to the guest; 0: from it), and does it end where addresses do? 0 or the DROP reason.
 */
static inline int hf_descriptor_check(const struct vring_desc *d, uint16_t way)
{
	uint64_t end;

	if ((d->flags & VRING_DESC_F_WRITE) != way)
		return HF_CHAIN_DROP(BAD_DIRECTION);
	return add_ok(d->addr, d->len, &end) ? 0 : HF_CHAIN_DROP(BAD_ADDRESS);
}

/* The bytes of a descriptor from the guest, which may lie in several regions, to `put`, piece by
 * piece. 0, or the DROP reason: ours, or what `put` says. */
static inline __attribute__((always_inline)) int hf_descriptor_pieces(
	struct hf_vring *v, const struct vring_desc *d,
	int (*put)(void *context, const uint8_t *from, uint64_t len), void *context)
{
	uint64_t gpa = d->addr, left = d->len;
	int reason = hf_descriptor_check(d, 0);

	while (!reason && left) {
		uint64_t piece = left;
		const uint8_t *from = hf_vring_piece(v, gpa, &piece);

		reason = from ? put(context, from, piece) : HF_CHAIN_DROP(BAD_ADDRESS);
		gpa += piece;
		left -= piece;
	}
	return reason;
}

static inline void hf_chain_start(const struct hf_vring *v, struct hf_chain *c, uint16_t head)
{
	*c = (struct hf_chain){.table = (const uint8_t *)v->desc,
			       .table_len = v->size,
			       .index = head,
			       .more = true};
}

/* 16 bytes in two whole loads; the table may be unaligned. */
static inline void hf_desc_read(struct vring_desc *to, const uint8_t *from)
{
	uint64_t word[2];

	__builtin_memcpy(&word[0], from, 8);
	__builtin_memcpy(&word[1], from + 8, 8);
	/* From here on the compiler may not look at guest memory again for these values. */
	__asm__ __volatile__("" : "+r"(word[0]), "+r"(word[1]));
	__builtin_memcpy(to, word, sizeof(*to));
}

/* The next step into an indirect table; 0 or the DROP reason. */
int hf_chain_enter_indirect(struct hf_vring *vring, struct hf_chain *chain,
			    const struct vring_desc *desc);
/* One descriptor of a table that lies in pieces; 0 or the DROP reason. */
int hf_chain_read_pieces(struct hf_vring *vring, const struct hf_chain *chain,
			 struct vring_desc *ret_desc);

/* 1: *ret_desc is the chain's next descriptor; 0: the chain is over; negative: DROP reason. */
static inline int hf_chain_next(struct hf_vring *v, struct hf_chain *c, struct vring_desc *ret_desc)
{
	int reason;

	for (;;) {
		if (!c->more)
			return 0;
		if (unlikely(c->index >= c->table_len))
			return HF_CHAIN_DROP(BAD_NEXT);
		if (likely(c->table))
			hf_desc_read(ret_desc, c->table + c->index * sizeof(struct vring_desc));
		else if ((reason = hf_chain_read_pieces(v, c, ret_desc)) < 0)
			return reason;
		if (likely(!(ret_desc->flags & VRING_DESC_F_INDIRECT)))
			break;
		/* Paid for before it is judged: a ring of bad ones must not be free to walk. */
		v->budget--;
		reason = hf_chain_enter_indirect(v, c, ret_desc);
		if (reason < 0)
			return reason;
	}
	v->budget--;
	if (unlikely(++c->seen > v->size))
		return HF_CHAIN_DROP(LOOP);
	c->more = ret_desc->flags & VRING_DESC_F_NEXT;
	c->index = ret_desc->next;
	return 1;
}

#endif
