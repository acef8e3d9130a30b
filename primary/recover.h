/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where does the next owner of a split ring go on? Pure functions: what the lane said and what the
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
	uint16_t position; /* next available and next used index */
	bool lied;	   /* the lane was out of range and not believed */
};

/* Copy what another process may be writing: every word once. */
struct recover_lane recover_read_lane(const struct hf_lane_vring *lane);

/*
 * The position after the last burst of the previous owner. `guest_used`: used->idx in the guest's
 * memory, NULL when it cannot be read. `last_known`: where that owner started.
 */
struct recovered recover_split(const struct recover_lane *lane, uint16_t size, uint16_t last_known,
			       const uint16_t *guest_used);

#endif
