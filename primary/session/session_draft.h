/* SPDX-License-Identifier: Apache-2.0 */
/* The draft changed: what follows from it. */
#ifndef PRIMARY_SESSION_DRAFT_H
#define PRIMARY_SESSION_DRAFT_H

struct session;
struct vring;

#define SESSION_ALL_VRINGS (-1)

/* The draft changed: start what can start (one vring or all), publish, grant. */
void session_settle(struct session *session, int vring);

/* Start the ring if everything is there and the guest has, or may have, put something into it;
 * else wait for its kick. */
void vring_try_start(struct session *session, struct vring *vring);
/* The front-end does not see it as started any more. Its revocation is the caller's. */
void vring_stop(struct session *session, struct vring *vring);
/* Stopped and revoked: a kick that comes now belongs to nothing, the front-end sends a descriptor
 * anew when it starts the ring again. What broke it is forgiven. */
void vring_rest(struct vring *vring);

#endif
