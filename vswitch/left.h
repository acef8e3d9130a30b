/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets that one worker (the producer) left for another (the consumer, perhaps itself) to
 * deliver, because somebody was running the transmit queue at that moment (deliver.c).
 *
 * Theory of operation: one ring per ordered pair of workers, with three indices that only grow.
 *
 *   reclaimed  <=  tail  <=  head  <=  reclaimed + LEFT_SLOTS
 *
 *   head       written by the producer: entries below it are filled
 *   tail       written by the consumer: entries below it are dealt with, their packets copied out
 *              (entries above it may be, too: queues that are stuck are passed over)
 *   reclaimed  the producer's own: entries below it were taken back, their slots may be reused
 *
 * So the ring is its own way back: the producer gets its packets where it left them, no second
 * ring, no shared reference count (a flooded packet's references are counted by its producer, in
 * the packet). A full ring is a normal answer; nobody waits. Indices are compared by unsigned
 * difference only.
 *
 * Memory orders: head is released by left_publish() and acquired by left_peek(): the
 * packet's bytes and the entry come before. tail is released by left_give_back() and acquired
 * by left_take_back(): the consumer's reads come before the producer's reuse.
 */
#ifndef VSWITCH_LEFT_H
#define VSWITCH_LEFT_H

#include <holdfast/packet.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sizes.h"

struct left_entry {
	struct hf_packet *packet;
	uint32_t serial; /* of the port: an id may have been given to another port meanwhile */
	uint16_t port;
	uint16_t queue;
};

struct left_ring {
	/* The producer's line. */
	_Alignas(CACHE_LINE) _Atomic uint32_t head;
	uint32_t filled; /* head, with what is not published yet */
	uint32_t reclaimed;
	/* The consumer's line. */
	_Alignas(CACHE_LINE) _Atomic uint32_t tail;
	bool delivered[LEFT_SLOTS]; /* of the entries between tail and head */
	_Alignas(CACHE_LINE) struct left_entry slots[LEFT_SLOTS];
};

_Static_assert((LEFT_SLOTS & (LEFT_SLOTS - 1)) == 0, "indices wrap with the slots");

/* Do two entries go to the same place? */
static inline bool left_same(const struct left_entry *a, const struct left_entry *b)
{
	return a->port == b->port && a->queue == b->queue && a->serial == b->serial;
}

/* Producer: is there an entry for the same queue that the consumer has not given back? */
static inline bool left_holds(const struct left_ring *ring, const struct left_entry *like)
{
	/* Acquire: what the consumer did with them comes before what the producer does next. */
	uint32_t index = atomic_load_explicit(&ring->tail, memory_order_acquire);

	for (; index != ring->filled; index++) {
		if (left_same(&ring->slots[index % LEFT_SLOTS], like))
			return true;
	}
	return false;
}

/* Producer: add an entry, not yet visible. False: full. */
static inline bool left_push(struct left_ring *ring, struct left_entry entry)
{
	if (ring->filled - ring->reclaimed == LEFT_SLOTS)
		return false;
	ring->slots[ring->filled++ % LEFT_SLOTS] = entry;
	return true;
}

/* Producer: let the consumer see what was pushed. True if there was anything. */
static inline bool left_publish(struct left_ring *ring)
{
	/* Relaxed: we are the only writer. */
	if (atomic_load_explicit(&ring->head, memory_order_relaxed) == ring->filled)
		return false;
	atomic_store_explicit(&ring->head, ring->filled, memory_order_release);
	return true;
}

/* Producer: one packet that the consumer has dealt with, or NULL. Call until NULL. */
static inline struct hf_packet *left_take_back(struct left_ring *ring)
{
	if (ring->reclaimed == atomic_load_explicit(&ring->tail, memory_order_acquire))
		return NULL;
	return ring->slots[ring->reclaimed++ % LEFT_SLOTS].packet;
}

/* Consumer: the entries that wait are those from *ret_first, as many as returned. */
static inline uint32_t left_peek(struct left_ring *ring, uint32_t *ret_first)
{
	/* Relaxed: we are the only writer. */
	*ret_first = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	return atomic_load_explicit(&ring->head, memory_order_acquire) - *ret_first;
}

static inline const struct left_entry *left_at(const struct left_ring *ring, uint32_t index)
{
	return &ring->slots[index % LEFT_SLOTS];
}

/* Consumer: the entry is dealt with, perhaps before earlier ones. */
static inline void left_delivered(struct left_ring *ring, uint32_t index)
{
	ring->delivered[index % LEFT_SLOTS] = true;
}

static inline bool left_is_delivered(const struct left_ring *ring, uint32_t index)
{
	return ring->delivered[index % LEFT_SLOTS];
}

/* Consumer: give back all entries before the first that is not dealt with. */
static inline void left_give_back(struct left_ring *ring)
{
	uint32_t index = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	for (; left_is_delivered(ring, index); index++)
		ring->delivered[index % LEFT_SLOTS] = false;
	atomic_store_explicit(&ring->tail, index, memory_order_release);
}

#endif
