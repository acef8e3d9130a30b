/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which secondary runs which vring (architecture: "Grants"). Two directions only: what nobody runs
 * is given away here, and taken back by revoke.h.
 */
#ifndef PRIMARY_GRANT_H
#define PRIMARY_GRANT_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct primary;

/*
 * Grant what can be granted: every started, unbroken, unowned vring of the device goes to its
 * owner, or to the best attached secondary that asked for the port (role vswitch first, then
 * standbys by priority). Sends memory first where the secondary has not got this generation.
 * A table that is smaller than what the owner has is sent also when no vring can be granted: it
 * must let go of what the front-end took away.
 * Grants nothing while a revocation of a vring (GRANT_ALL_VRINGS: of any of the device's) is active
 * for that vring, or when nobody serves the port.
 */
void grant_offer(struct device *device);
/* Its two halves, for who grants several devices at once: what makes rings run, those to the guests
 * of all devices before those from them, and what can wait until all run. */
enum grant_part { GRANT_BOTH, GRANT_ENQUEUE, GRANT_DEQUEUE };
void grant_now(struct device *device, enum grant_part part);
void grant_follow_up(struct device *device);
/* The same for every device: a secondary came. */
void grant_offer_all(struct primary *primary);

/* Look for rings that their owners broke since the last call: event, and not offered again. */
void grant_check_broken(struct primary *primary);
/* And rings that ended their owners are tried again when their time is over. */
void grant_forgive(struct primary *primary, uint64_t now);

#endif
