/* SPDX-License-Identifier: Apache-2.0 */
/* One vring given and taken back: the only code that writes grant words while a port lives. */
#ifndef PRIMARY_GRANT_VRING_H
#define PRIMARY_GRANT_VRING_H

#include <stdbool.h>

#include "device.h"

/* Give an unowned vring to `secondary`, which has this device's memory. 0; -ENOSPC: its lane is
 * full; -ENOMEM. */
int grant_vring_give(struct vring *vring, struct secondary *secondary);

/* Send the owner what it was given; what it has already it ignores. */
void grant_vring_tell(const struct vring *vring);

/* Whatever the secondary thinks that it was granted of this vring is gone, but (`keep`) what it
 * has. */
void grant_vring_tell_kept(const struct vring *vring, struct secondary *secondary, bool keep);

/* From now on no burst starts. What runs already is seen by grant_vring_quiet, after
 * hf_lane_fence_all(). */
void grant_vring_withdraw(struct vring *vring);
/* Withdrawn and fenced: is the last burst over? */
bool grant_vring_quiet(const struct vring *vring);
/* Quiet, or its owner dead: read position and counters into the draft; the owner is told. */
void grant_vring_take_back(struct vring *vring);

/* Its owner is dead and its lane is lost: where it got to is what the guest's ring says. */
void grant_vring_recover_without_lane(struct vring *vring);

/* SET_VRING_ENABLE 1 on a granted vring. */
void grant_vring_enable(struct vring *vring);
/* Did the owner break the ring, since the last look? Notes it in the draft and says so. */
bool grant_vring_check_broken(struct vring *vring);

#endif
