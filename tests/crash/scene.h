/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ring, its guest, an owner that dies in the middle of a burst and the heir that goes on.
 *
 * The story is always the same, so that an instruction of the burst is a place in it that can be
 * come back to: three bursts of 32 packets less a half. The first is run and taken by the guest;
 * the second is the one in which the owner dies; while nobody has the ring the guest makes 16 more
 * available; the heir goes on where the primary's recover_split() or recover_packed() says, on a
 * lane and a grant of its own, until nothing is left. At every other point the guest looks at its
 * ring, and posts, before the primary does.
 *
 * Every packet has its number in it. One packet of eight takes two descriptors: two chains where
 * receive buffers are mergeable, else one chain of two.
 *
 * What is judged, besides the ring's rules that driver.c counts:
 *   - Split: the burst is published whole or not at all: the position is where it began or where it
 *     would have ended. Packed: so many packets of its front are published, each of them whole. The
 *     position is where the guest's ring says, and it is behind the burst if that had returned.
 *   - Dequeue: the owner forwards what its burst returned. No packet is forwarded twice. Lost is at
 *     most what was published of the one burst, when it died before it had been forwarded.
 *   - Enqueue: the guest sees every packet exactly once and in order. A caller that has its packets
 *     still can ask for no more than that the position tells: where it is unchanged the heir
 *     enqueues the same burst again, else it goes on behind it. (One that does not look, and always
 *     tries again, would send a burst twice that had been published. That is its own doing: that
 *     the burst returns and that the caller notes it can't be one instant.)
 *   - Every packet is whole in the chains that its num_buffers names, before the takeover and
 *     after.
 *   - Nothing is stuck: all chains come back, and the heir's first burst calls the guest, whatever
 *     the dead one had left uncalled. A guest that sleeps looks at its ring only when called; one
 *     that does not also sees it between the death and the takeover.
 */
#ifndef CRASH_SCENE_H
#define CRASH_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "rig.h"

#define SCENE_BURST	 32u
#define SCENE_PACKETS	 (2 * SCENE_BURST + SCENE_BURST / 2)
#define SCENE_RING	 128u
#define SCENE_MAX_CHAINS 40u /* of a burst */

struct scene_shape {
	const char *name;
	bool dequeue;
	bool mergeable;
	bool wraps; /* the index, in the burst of the death; packed: round the ring's end */
	bool packed;
};

/* What outlives the owner: memory of both. */
struct scene_shared {
	struct hf_lane_vring lanes[3]; /* the owner's, the heirs' */
	uint64_t grant;
	uint32_t returned;  /* what the burst said, and that it did */
	uint32_t forwarded; /* packets of it */
	uint32_t numbers[SCENE_BURST];
};

struct scene {
	const struct scene_shape *shape;
	struct rig rig;
	struct driver *driver;
	struct scene_shared *shared;
	uint32_t lane; /* of who has the ring, or had it last */
	uint32_t header_bytes;
	uint32_t posted;	      /* packets (dequeue), or packets there is room for */
	uint32_t next_slot;	      /* of guest memory */
	uint64_t slots[SCENE_RING];   /* by head */
	uint16_t base;		      /* how far the ring had moved before */
	uint16_t first;		      /* and the index of that */
	uint16_t start;		      /* where the burst of the death began */
	uint16_t chains;	      /* of it */
	uint32_t seen[SCENE_PACKETS]; /* how often packet i arrived */
	uint32_t next_seen;	      /* enqueue: it must be this one */
	bool sleeps;
	bool is_first;	  /* the guest looks before the primary does */
	bool called;	  /* since the death */
	bool published;	  /* did all of the burst take place, as the position says? */
	uint32_t packets; /* of it that did */
	bool lost;	  /* and its packets with it? */
	uint32_t faults;
};

/* Up to the burst of the death. False: no memory, or the first burst went wrong. */
bool scene_open(struct scene *scene, const struct scene_shape *shape);
void scene_close(struct scene *scene);
/* The owner's part, in a process of its own. */
void scene_burst(struct scene *scene);
/* The owner is dead, and an heir is granted the ring; what its part is then finds nothing to do but
 * what the owner has left. How many leftovers there are; -1: it cannot be set up. */
int scene_inherit(struct scene *scene);
void scene_empty_burst(struct scene *scene);
/* All that follows the last owner's death, and the verdict. */
void scene_take_over(struct scene *scene);
/* A fault unless `good`; the first one is printed. */
void scene_expect(struct scene *scene, bool good, const char *what);
/* Where the used element, or descriptor, of chain `i` of that burst goes: four bytes of it. */
uint32_t *scene_used_element(const struct scene *scene, uint32_t i);
bool scene_element_is_stored(const struct scene *scene, uint32_t i);
/* Where the burst stands, in the guest's eyes: whole packets, or -1 for a place in between. */
int scene_packets_at(const struct scene *scene, uint16_t index);

#endif
