/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where does the next owner of a ring go on? Pure functions: what the lane said and what the
 * guest's ring says in, a position out.
 */
#ifndef PRIMARY_RECOVER_H
#define PRIMARY_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

/* The words of a lane entry that tell a position, each read once. */
struct recover_lane {
	uint16_t avail;
	uint16_t used;
	uint16_t intent;
	uint16_t intent_count;
};

struct recovered {
	uint16_t position;  /* next available and next used index */
	bool lied;	    /* the lane was out of range and not believed */
	uint16_t leftovers; /* packed: descriptors from there on that may be overwritten */
};

/* How recover_packed looks at the guest's ring: the flags of the descriptor at `place`, less than
 * the ring's size. False: they cannot be read. */
struct recover_ring {
	bool (*flags_at)(void *context, uint16_t place, uint16_t *ret_flags);
	void *context;
};

/* Copy what another process may be writing: every word once. */
struct recover_lane recover_read_lane(const struct hf_lane_vring *lane);

/*
 * The position after the last burst of the previous owner. `guest_used`: used->idx in the guest's
 * memory, NULL when it cannot be read. `last_known`: where that owner started.
 */
struct recovered recover_split(const struct recover_lane *lane, uint16_t size, uint16_t last_known,
			       const uint16_t *guest_used);
/* The same for a packed ring. Positions have the wrap counter as bit 15. */
struct recovered recover_packed(const struct recover_lane *lane, uint16_t size, uint16_t last_known,
				const struct recover_ring *ring);

#endif
