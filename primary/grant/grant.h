/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants: which secondary runs which vring, and how that ends (architecture: "Grants").
 *
 * Two directions only. grant_offer looks at a device and gives every started vring that nobody
 * runs to the secondary that serves the port. A revocation takes vrings back: write the grant
 * word, fence every secondary (hf_lane_fence_all), wait until the lanes are not busy, with a
 * deadline after which the secondary is killed through its pidfd; then read the positions back
 * into the draft, and only then call `done`. The loop is never blocked: waiting is a timer.
 */
#ifndef PRIMARY_GRANT_H
#define PRIMARY_GRANT_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "waiting.h"

struct primary;
struct secondary;

/* Take back vring `vring`, or all of the device's (GRANT_ALL_VRINGS), or those from the guest
 * (GRANT_DEQUEUE_VRINGS). Vrings stay started in the
 * draft unless the caller clears that: they are offered again by the next grant_offer. */
void revoke_start(struct revocation *revocation, struct device *device, int vring);
/* Take back everything a secondary runs (it said Bye, closed its socket). */
void revoke_secondary(struct revocation *revocation, struct primary *primary,
		      struct secondary *secondary);
/* Forget a revocation without `done`, at the end of the primary's life. No-op when not active. */
void revoke_cancel(struct revocation *revocation);
/* Now and then: those that had no memory for a timer. */
void revoke_look_again(struct primary *primary);
/* Is an active revocation of a device waiting for this vring? Until its `done` nobody gets it. */
bool revoke_covers(const struct vring *vring);

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

/* The owner holds no vring any more and is owner no longer; its successor's event will say `how`,
 * and since when nothing moved. No-op without an owner. */
void grant_let_go(struct device *device, enum lost_how how, uint64_t since_ns);

/*
 * SET_VRING_ENABLE on a granted vring (`vring->enabled` is set by the caller before). Enabling is
 * immediate and leaves `revocation` alone. Disabling must be seen by the burst before the
 * front-end is answered: it goes through `revocation` (the same wait), and the vring is granted
 * again, disabled, before `done` runs.
 */
void grant_set_enabled(struct revocation *revocation, struct vring *vring, bool enabled);

/*
 * A front-end can repeat these two as fast as it likes, so while the owner has not read what it was
 * sent before, only the last one of each counts: it goes out by grant_catch_up.
 */
/* The call descriptor changed: the owner, and who is prepared to run it, get the new one. */
void grant_send_call(struct vring *vring);
/* SEND_RARP: the owner announces this address in the next dequeue burst. */
void grant_send_rarp(struct device *device, const uint8_t mac[6]);
/* The secondary has read all it was sent: what was held back. */
void grant_catch_up(struct secondary *secondary);
/* Is the device's owner behind with reading? Then its front-end has to wait. */
bool grant_congested(const struct device *device);
/* The session is over and all vrings are revoked: owner and standbys drop the device's memory. */
void grant_retire(struct device *device);
/* Nobody will come who could use what the last owner left behind. */
void grant_forget_lost(struct device *device);

/*
 * The owner says that it cannot run the vring it was given by `grant` (no memory, no map): it is
 * taken back, and not offered again before the front-end sets it up anew. 0, also when the grant
 * is another one by now; -EPROTO: a burst runs on it all the same.
 */
int grant_refused(struct secondary *secondary, struct vring *vring, uint64_t grant, int error);

/* After a death of the primary: say again all that secondaries must know of this device; what they
 * know already they ignore. Not `agree`: what is granted does not fit the draft and is going to be
 * taken back, so they let go of it. */
void grant_repeat(struct device *device, bool agree);
/* And of sessions that are over: that, or the answer, may not have arrived. */
void grant_repeat_retire(struct secondary *secondary);

/* A secondary is dead (pidfd): its vrings have positions recovered from ring and lane, waiting
 * revocations complete, and its devices are offered to others. */
void grant_secondary_died(struct primary *primary, struct secondary *secondary);

/* Look for rings that their owners broke since the last call: event, and not offered again. */
void grant_check_broken(struct primary *primary);
/* The primary ends: no secondary runs anything any more. Does not wait. */
void grant_withdraw_all(struct primary *primary);

/* Lane entry of a granted vring, or NULL. Hostile words: read once, bound, use. */
const struct hf_lane_vring *grant_lane(const struct vring *vring);

#endif
