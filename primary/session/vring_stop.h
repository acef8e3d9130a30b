/* SPDX-License-Identifier: Apache-2.0 */
/* A ring is not to run any more. */
#ifndef PRIMARY_VRING_STOP_H
#define PRIMARY_VRING_STOP_H

struct session;
struct vring;

/* The front-end does not see it as started any more. Its revocation is the caller's. */
void vring_stop(struct session *session, struct vring *vring);
/* Stopped and revoked: a kick that comes now belongs to nothing, the front-end sends a descriptor
 * anew when it starts the ring again. What broke it is forgiven. */
void vring_rest(struct vring *vring);

#endif
