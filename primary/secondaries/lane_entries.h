/* SPDX-License-Identifier: Apache-2.0 */
/* Which entries of a secondary's lane are for which vring. */
#ifndef PRIMARY_LANE_ENTRIES_H
#define PRIMARY_LANE_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct hf_lane_vring;
struct secondary;
struct vring;

/*
 * Lane entry for a vring of the device's session; 0 when the lane is full or memory short. A vring
 * has the same entry in every grant of a session, and the entry serves no other vring until the
 * secondary said Retired: a data thread that has not heard of a revocation yet still writes `busy`
 * of the old grant's entry, and would clear the `busy` of another vring's burst.
 */
uint32_t secondary_lane_bind(struct secondary *secondary, const struct device *device,
			     uint32_t vring);
/* The same for an entry that an earlier life bound. 0 or -ENOMEM, -EINVAL. */
int secondary_lane_adopt(struct secondary *secondary, uint32_t entry, uint32_t device_slot,
			 uint64_t session, uint32_t vring);
/* The entry of a vring of the present session; 0: none. */
uint32_t secondary_lane_entry(const struct secondary *secondary, uint32_t device_slot,
			      uint32_t vring);
/* Which set-up of the vring it was sent (prepare.c), 0 none; NULL: it has no lane entry in this
 * session. */
uint64_t *secondary_lane_stamp(struct secondary *secondary, const struct device *device,
			       uint32_t vring);
/* What it was sent of this device's vrings is void. */
void secondary_lane_unprepare(struct secondary *secondary, uint32_t device_slot);
/* The session is over for this secondary (DeviceRetire sent): its entries wait for Retired. */
void secondary_lane_retire(struct secondary *secondary, uint32_t device_slot);
/* Call `visit` for each that has not said Retired yet. */
void secondary_each_retiring(struct secondary *secondary,
			     void (*visit)(struct secondary *secondary, uint32_t device_slot,
					   uint64_t session));
/* It said Retired: the entries of that session are free. False: it had none. */
bool secondary_lane_retired(struct secondary *secondary, uint32_t device_slot, uint64_t session);

/* All of them: the secondary goes. */
void secondary_lane_free(struct secondary *secondary);

/* Lane entry of a granted vring, or NULL. Hostile words: read once, bound, use. */
const struct hf_lane_vring *grant_lane(const struct vring *vring);

#endif
