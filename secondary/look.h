/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks of a run (run.h): which chains, from one place of a ring on, are simple, and where their
 * bytes are. Part of run_core.h, which includes it, and as that one compiled for each level.
 *
 * Theory of operation. One look serves both kinds of ring and both directions: `struct chains` says
 * what differs, and is made of constants where it is used. What the guest may change while we look
 * is read once into a local, and the local is checked and used.
 *
 * Where the level has wide registers, WIDE chains at once are read, checked and noted by them
 * (look_wide.h), by the same rules. A group of which one chain is not simple, or not in the region
 * of the last one, is noted by nobody: it is looked at again one by one, which also goes from
 * region to region, and what was read before is forgotten.
 */
#ifndef SECONDARY_LOOK_H
#define SECONDARY_LOOK_H

#include "copy.h"
#include "packed.h"
#include "run.h"
#include "vring.h"

#define CORE static inline __attribute__((always_inline))
#define LOOP static __attribute__((noinline))

/*
 * The first lines of a frame, its header among them, are wanted soon after the look, to read or to
 * write. The look asks for those of the first AHEAD frames, the copy for those of the one
 * that is so far ahead of it: all of a run's at once are more than the processor has on their way
 * at one time, and the look would wait for them.
 *
 * But where frames that go to the guest have more lines than these, the copy asks for all of the
 * next one, and both at a time were twice as slow on two cores (256 bytes). Then the look asks for
 * the first ones of all, and looks at one after the other: at the pace of a group, asking in vain.
 */
#define AHEAD	       8u
#define PREFETCH_LINES 2u

CORE void prefetch_frame(const uint8_t *at, const bool write)
{
	for (uint32_t i = 0; i < PREFETCH_LINES; i++) {
		if (write)
			hf_prefetch_write(at + 64 * i);
		else
			hf_prefetch_read(at + 64 * i);
	}
}

/* Frame i of `n` is copied next. */
CORE void prefetch_ahead(const struct hf_run *r, size_t i, size_t n, const bool write)
{
	if (likely(i + AHEAD < n))
		prefetch_frame(r->address[i + AHEAD], write);
}

/* A region's way into this process, in locals: nothing that is stored may change it. */
struct window {
	uint64_t gpa;
	uint64_t size;
	uint8_t *address;
};

CORE struct window window_of(const struct hf_vring *v)
{
	return (struct window){v->hot_gpa, v->hot_size, v->hot_address};
}

/*
 * Address of [gpa, gpa + len), len > 0, when it lies whole in a region, else NULL. Out of line: the
 * window is to be made anew after it.
 */
LOOP uint8_t *find_elsewhere(struct hf_vring *v, uint64_t gpa, uint32_t len)
{
	return hf_vring_whole(v, gpa, len);
}

/* False: it does not. No sum overflows: a region that is mapped is far from that long. */
CORE bool window_find(struct hf_vring *v, struct window *w, uint64_t gpa, uint32_t len,
		      uint8_t **ret_address)
{
	uint64_t offset = gpa - w->gpa;

	if (likely(offset < w->size && offset + len <= w->size)) {
		*ret_address = w->address + offset;
		return true;
	}
	*ret_address = find_elsewhere(v, gpa, len);
	*w = window_of(v);
	return *ret_address != NULL;
}

/* Where the chains of a run stand, which of them are simple, and what is noted of them. */
struct chains {
	bool packed;
	/* They are to be filled, chain i with run.len[i] bytes; else they bring what they say. */
	bool fills;
	uint16_t flags; /* of the one descriptor of a simple chain */
	uint32_t least; /* without `fills`: bytes there must be */
	/* Packed: flags of its used descriptor, in their place of the word. */
	uint64_t used_flags;
	const struct hf_packed_slot *slots;
	/* Split: entries of the available ring, and what they are numbers in. */
	const uint16_t *heads;
	const struct vring_desc *table;
	uint32_t size;
};

/* One descriptor, read and of the right flags. */
struct found {
	uint64_t addr;
	uint64_t used; /* what its used entry says, without length */
	uint32_t len;
};

#define PACKED_ID 0x0000ffff00000000u /* in a descriptor's second word */

/* The acquire: see hf_packed_look. Flags, id and length at once, and only then the address. */
CORE bool read_packed(const struct chains *c, size_t i, struct found *ret)
{
	uint64_t state = hf_load_acquire(&c->slots[i].state);

	if (hf_packed_flags(state) != c->flags)
		return false;
	*ret = (struct found){.addr = hf_read_once(&c->slots[i].addr),
			      .used = c->used_flags | (state & PACKED_ID),
			      .len = (uint32_t)state};
	return true;
}

/* A descriptor of the ring's table is aligned: two loads, straight into registers. What
 * hf_desc_read makes of it is one vector that is taken apart again. */
CORE bool read_split(const struct chains *c, size_t i, struct found *ret)
{
	uint32_t head = hf_read_once(&c->heads[i]);
	const uint64_t *words;
	uint64_t word;

	if (unlikely(head >= c->size))
		return false;
	words = (const void *)&c->table[head];
	word = hf_read_once(words + 1);
	if (unlikely((uint16_t)(word >> 32) != c->flags))
		return false;
	*ret = (struct found){.addr = hf_read_once(words), .used = head, .len = (uint32_t)word};
	return true;
}

/* In place of the length of a used entry. */
CORE uint64_t used_len(const struct chains *c, uint64_t len)
{
	return c->packed ? len : len << 32;
}

/* Does the copy not ask for them ahead? */
CORE bool are_large(const struct chains *c, const struct hf_run *r)
{
	return c->fills && !r->small;
}

/* False: chain i is not simple. */
CORE bool look_at_one(struct hf_vring *v, struct window *w, const struct chains *c,
		      struct hf_run *r, size_t i)
{
	struct found d;
	uint32_t len;

	if (!(c->packed ? read_packed(c, i, &d) : read_split(c, i, &d)))
		return false;
	len = c->fills ? r->len[i] : d.len;
	if (unlikely(d.len < (c->fills ? len : c->least)))
		return false;
	if (unlikely(!window_find(v, w, d.addr, len, &r->address[i])))
		return false;
	if (i < AHEAD || are_large(c, r))
		prefetch_frame(r->address[i], c->fills);
	r->used[i] = c->fills ? d.used | used_len(c, len) : d.used;
	if (!c->fills) {
		r->len[i] = len;
		r->longer |= len > HF_COPY_SHORT;
	}
	return true;
}

#ifdef __AVX2__
#include "look_wide.h"
#else
#define WIDE 1u

CORE bool look_at_wide(const struct window *w, const struct chains *c, struct hf_run *r, size_t i)
{
	(void)w;
	(void)c;
	(void)r;
	(void)i;
	return false;
}
#endif

/* How many of `n` chains, from the first on, are simple. */
CORE size_t look_at_all(struct hf_vring *v, const struct chains *c, struct hf_run *r,
			const size_t n)
{
	const size_t wide_to = WIDE > 1 && !are_large(c, r) ? n & -(size_t)WIDE : 0;
	struct window w = window_of(v);
	size_t i = 0, end;

	while (i < n) {
		while (i < wide_to && likely(look_at_wide(&w, c, r, i)))
			i += WIDE;
		for (end = n - i < WIDE ? n : i + WIDE; i < end; i++)
			if (!look_at_one(v, &w, c, r, i))
				return i;
	}
	return i;
}

CORE uint32_t look(struct hf_vring *v, const struct chains *c, struct hf_run *r, const size_t n)
{
	size_t found = look_at_all(v, c, r, n);

	if (likely(found))
		r->address[found] = r->address[found - 1];
	return (uint32_t)found;
}

/* Chains of a split ring from slot `at` of the available ring on, not beyond its end. */
CORE struct chains split_chains(const struct hf_vring *v, uint32_t at)
{
	return (struct chains){.heads = v->avail->ring + at, .table = v->desc, .size = v->size};
}

/* Of a packed ring, from `position` on. */
CORE struct chains packed_chains(const struct hf_vring *v, uint16_t position)
{
	return (struct chains){.packed = true,
			       .slots = hf_packed_slot(v, position),
			       .flags = hf_packed_avail_flags(position),
			       .used_flags = (uint64_t)hf_packed_used_flags(position) << 48};
}

/* Chains to dequeue: more than the header is there. What they bring is noted. */
CORE uint32_t look_out(struct hf_vring *v, struct chains c, struct hf_run *r, uint32_t n)
{
	c.least = v->header_bytes + 1u;
	r->longer = 0;
	return look(v, &c, r, n);
}

/* Chains to fill, chain i with r->len[i] bytes. */
CORE uint32_t look_in(struct hf_vring *v, struct chains c, struct hf_run *r, uint32_t n)
{
	c.fills = true;
	c.flags |= VRING_DESC_F_WRITE;
	c.used_flags |= c.packed ? (uint64_t)VRING_DESC_F_WRITE << 48 : 0;
	return look(v, &c, r, n);
}

LOOP uint32_t look_dequeue(struct hf_vring *v, struct hf_run *r, uint32_t at, uint32_t n)
{
	return look_out(v, split_chains(v, at), r, n);
}

LOOP uint32_t look_packed_dequeue(struct hf_vring *v, struct hf_run *r, uint16_t position,
				  uint32_t n)
{
	return look_out(v, packed_chains(v, position), r, n);
}

LOOP uint32_t look_enqueue(struct hf_vring *v, struct hf_run *r, uint32_t at, uint32_t n)
{
	return look_in(v, split_chains(v, at), r, n);
}

LOOP uint32_t look_packed_enqueue(struct hf_vring *v, struct hf_run *r, uint32_t n)
{
	return look_in(v, packed_chains(v, v->next), r, n);
}

#endif
