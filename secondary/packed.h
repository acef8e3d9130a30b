/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packed vring (virtio 1.1, 2.7) as the data thread sees it.
 *
 * Theory of operation. One ring of descriptors serves both directions: the driver makes a
 * descriptor available, we write a used one over it, and two bits of its flags, compared with a
 * wrap counter that turns at the end of the ring, tell whose it is. Position is one number, place |
 * wrap counter << 15: completion is strictly in ring order and every chain fetched in a burst is
 * completed in it, so the next available and the next used descriptor are the same one.
 *
 * A descriptor's second half (length, buffer id, flags) is one aligned 64-bit word, read and
 * written as a whole: who sees the flags has the length and the id that belong to them, and a used
 * descriptor appears in one instant.
 *
 * Publishing. A used descriptor overwrites what the chain was: unlike in a split ring nothing could
 * be taken back. So buffers are published one after the other, in ring order, each by its one
 * store, and wherever we die every descriptor is either used or still what the guest wrote. The
 * exception are the buffers of one packet with mergeable buffers: the guest must not see the first
 * before the others are there, so the first is stored last; the others may then be overwritten and
 * not yet be used. They keep the flags that say what they were, and the heir turns them back:
 * hf_packed_repair. The lane says before which of the two it is, and for how many descriptors
 * (primary/grant/recover.c).
 */
#ifndef SECONDARY_PACKED_H
#define SECONDARY_PACKED_H

#include "burst.h"
#include "vring.h"

#define HF_PACKED_AVAIL 0x0080u
#define HF_PACKED_USED	0x8000u
#define HF_PACKED_OWNER (HF_PACKED_AVAIL | HF_PACKED_USED)
#define HF_PACKED_WRAP	0x8000u /* of a position */

/* A descriptor in guest memory; struct vring_packed_desc as two words. */
struct hf_packed_slot {
	uint64_t addr;
	uint64_t state; /* flags << 48 | id << 32 | len */
};

/* A chain that is filled and not yet published. */
struct hf_packed_used {
	uint16_t at; /* position of its first descriptor */
	uint16_t id;
	uint16_t flags; /* as the driver made it available */
	uint16_t reserved;
	uint32_t len;
};

static inline uint16_t hf_packed_place(uint16_t position)
{
	return position & (uint16_t)~HF_PACKED_WRAP;
}

static inline struct hf_packed_slot *hf_packed_slot(const struct hf_vring *v, uint16_t position)
{
	return &v->slots[hf_packed_place(position)];
}

/* `n` (at most a whole ring) descriptors further on. */
static inline uint16_t hf_packed_after(const struct hf_vring *v, uint16_t position, uint32_t n)
{
	uint32_t place = hf_packed_place(position) + n, wrap = position & HF_PACKED_WRAP;

	if (place >= v->size) {
		place -= v->size;
		wrap ^= HF_PACKED_WRAP;
	}
	return (uint16_t)(wrap | place);
}

/* Descriptors from `from` to `to`, which is at most a whole ring ahead. */
static inline uint32_t hf_packed_distance(const struct hf_vring *v, uint16_t from, uint16_t to)
{
	uint32_t lap = (from ^ to) & HF_PACKED_WRAP ? v->size : 0;

	return hf_packed_place(to) + lap - hf_packed_place(from);
}

/* Flags of a descriptor at `position` that the driver has made available, and that we have used. */
static inline uint16_t hf_packed_avail_flags(uint16_t position)
{
	return position & HF_PACKED_WRAP ? HF_PACKED_AVAIL : HF_PACKED_USED;
}

static inline uint16_t hf_packed_used_flags(uint16_t position)
{
	return position & HF_PACKED_WRAP ? HF_PACKED_OWNER : 0;
}

static inline uint16_t hf_packed_flags(uint64_t state)
{
	return (uint16_t)(state >> 48);
}

static inline uint16_t hf_packed_id(uint64_t state)
{
	return (uint16_t)(state >> 32);
}

static inline uint64_t hf_packed_state(uint16_t flags, uint16_t id, uint32_t len)
{
	return (uint64_t)flags << 48 | (uint64_t)id << 32 | len;
}

/* The acquire pairs with the driver's barrier before its store of the flags: without it we could
 * read an address that is not yet written. */
static inline uint64_t hf_packed_look(const struct hf_vring *v, uint16_t position)
{
	return hf_load_acquire(&hf_packed_slot(v, position)->state);
}

static inline bool hf_packed_is_available(uint64_t state, uint16_t position)
{
	return (hf_packed_flags(state) & HF_PACKED_OWNER) == hf_packed_avail_flags(position);
}

/* The release pairs with the driver's barrier after it sees the flags: without it the guest could
 * see a buffer used whose bytes are not there. */
static inline void hf_packed_store(struct hf_packed_slot *slot, uint64_t state)
{
	hf_store_release(&slot->state, state);
}

static inline uint64_t hf_packed_used_state(uint16_t position, uint16_t id, uint32_t len)
{
	uint16_t flags = hf_packed_used_flags(position);

	if (len)
		flags |= VRING_DESC_F_WRITE;
	return hf_packed_state(flags, id, len);
}

/* One store each: position, intent and count never disagree, whenever we die. */
static inline void hf_packed_tell_lane(struct hf_vring *v, uint16_t intent, uint32_t count)
{
	hf_store_release(&v->lane->position, (uint64_t)count << 48 | (uint64_t)intent << 32 |
						     (uint64_t)v->next << 16 | v->next);
}

/* What comes is published in this way, up to `count` descriptors. */
static inline void hf_packed_intend(struct hf_vring *v, uint16_t intent, uint32_t count)
{
	hf_packed_tell_lane(v, intent, count);
}

/* It is published. */
static inline void hf_packed_settle(struct hf_vring *v, uint32_t count)
{
	v->moved = (uint16_t)(v->moved + count);
	v->next = hf_packed_after(v, v->next, count);
	hf_packed_tell_lane(v, HF_INTENT_NONE, 0);
}

/* How many descriptors this burst may still go: with more than a lap behind it, nobody could tell
 * where it began. */
static inline uint32_t hf_packed_left(const struct hf_vring *v)
{
	return v->size - v->moved;
}

/* Of a run from `position` on, with `left` before a lap is full: it goes neither round the ring's
 * end nor through more than that lap. */
static inline uint32_t hf_packed_run_from(const struct hf_vring *v, uint16_t position,
					  uint32_t left, uint32_t wanted)
{
	uint64_t to_end = v->size - hf_packed_place(position);

	return (uint32_t)min_u64(min_u64(wanted, HF_PACKED_RUN), min_u64(to_end, left));
}

/* Of one from v->next on. */
static inline uint32_t hf_packed_run_length(const struct hf_vring *v, uint32_t wanted)
{
	return hf_packed_run_from(v, v->next, hf_packed_left(v), wanted);
}

/* Publish the chain of `descs` descriptors at v->next. */
static inline void hf_packed_use(struct hf_vring *v, uint16_t id, uint32_t len, uint32_t descs)
{
	hf_packed_intend(v, HF_INTENT_PACKED_GROUP, descs);
	hf_packed_store(hf_packed_slot(v, v->next), hf_packed_used_state(v->next, id, len));
	hf_packed_settle(v, descs);
}

/* Publish `n` chains of one descriptor each, in ring order, each by its one store of used[i]; see
 * hf_packed_run_length. */
static inline void hf_packed_use_singles(struct hf_vring *v, const uint64_t *used, uint32_t n)
{
	struct hf_packed_slot *slots = hf_packed_slot(v, v->next);

	hf_packed_intend(v, HF_INTENT_PACKED_SINGLES, n);
#pragma GCC unroll 4
	for (uint32_t i = 0; i < n; i++)
		hf_packed_store(&slots[i], used[i]);
	hf_packed_settle(v, n);
}

/* ---- the parts of bursts (packed_dequeue.c, packed_enqueue*.c); data thread, inside a burst */

uint16_t hf_packed_dequeue(struct hf_vring *vring, struct hf_packet *const *packets, uint16_t count,
			   bool enabled, struct hf_tally *tally);
uint16_t hf_packed_enqueue(struct hf_vring *vring, struct hf_packet *const *packets,
			   uint16_t count);
/* Publish the first `n` chains of the shadow. */
void hf_packed_publish(struct hf_vring *vring, uint16_t n);
/* Chains available now, at most `want`; *ret_descs, if asked: the descriptors they take. */
uint16_t hf_packed_available(const struct hf_vring *vring, uint16_t want, uint32_t *ret_descs);
/* An owner that died while it published a packet's buffers may have overwritten some of the
 * v->leftovers descriptors from v->next on: they become available again. First burst of a grant. */
void hf_packed_repair(struct hf_vring *vring);

/* ---- setup; control thread */

int hf_packed_setup(struct hf_vring *vring, const struct hf_vring_setup *setup);

#endif
