/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings that end whoever runs them. Such a one is granted to switch after switch, and each that
 * dies takes all its other guests down for a moment. A ring is blamed for a death when its owner
 * died inside a burst of it, and had not ended one since it was granted; the third time in a row it
 * is broken, until it is set up anew. What its front-end cannot get rid of is the count: after that
 * one more death is enough, until a burst on it ends.
 *
 * A switch that is killed from outside, however often, has ended bursts on the rings that it polls,
 * so nobody is blamed. Of several that are to blame one is broken at a time, a source before a
 * destination: in a hop both are in a burst, and a destination that is innocent ends its next one.
 */
#ifndef PRIMARY_BLAME_H
#define PRIMARY_BLAME_H

struct device;
struct secondary;
struct vring;

/* `secondary` died and its vrings of this device have not been taken back: count. The one to break,
 * of these and `suspect`, or NULL. */
struct vring *blame_death(struct device *device, const struct secondary *secondary,
			  struct vring *suspect);
/* All its owner ran is taken back: it is granted to nobody. */
void blame_break(struct vring *vring, const struct secondary *owner);
/* Taken back from an owner that lives: has it ended a burst? */
void blame_survived(struct vring *vring);

#endif
