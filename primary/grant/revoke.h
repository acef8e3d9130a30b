/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking vrings back: write the grant word, fence every secondary (hf_lane_fence_all), wait until
 * the lanes are not busy, with a deadline after which the secondary is killed through its pidfd;
 * then read the positions back into the draft, and only then call `done`. The loop is never
 * blocked: waiting is a timer.
 */
#ifndef PRIMARY_REVOKE_H
#define PRIMARY_REVOKE_H

#include <stdbool.h>
#include <stdint.h>

#include "waiting.h"

struct device;
struct primary;
struct secondary;
struct vring;

/* Take back vring `vring`, or all of the device's (GRANT_ALL_VRINGS), or those from the guest
 * (GRANT_DEQUEUE_VRINGS). Vrings stay started in the
 * draft unless the caller clears that: they are offered again by the next grant_offer. */
void revoke_start(struct revocation *revocation, struct device *device, int vring);
/* Take back everything a secondary runs (it said Bye, closed its socket). */
void revoke_secondary(struct revocation *revocation, struct primary *primary,
		      struct secondary *secondary);
/* Kill it, since it `why` ("did not leave its burst"); its pidfd says when it is dead. False: it
 * cannot be killed, as the log says. */
bool revoke_fence(struct secondary *secondary, uint64_t waited_ns, const char *why);
/* Forget a revocation without `done`, at the end of the primary's life. No-op when not active. */
void revoke_cancel(struct revocation *revocation);
/* Now and then: those that had no memory for a timer. */
void revoke_look_again(struct primary *primary);
/* After a death: those that have nothing left to wait for are done. */
void revoke_finish_idle(struct primary *primary);

/*
 * SET_VRING_ENABLE on a granted vring (`vring->enabled` is set by the caller before). Enabling is
 * immediate and leaves `revocation` alone. Disabling must be seen by the burst before the
 * front-end is answered: it goes through `revocation` (the same wait), and the vring is granted
 * again, disabled, before `done` runs.
 */
void grant_set_enabled(struct revocation *revocation, struct vring *vring, bool enabled);

#endif
