/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings that end whoever runs them. Such a one is granted to switch after switch, and each that
 * dies takes all its other guests down for a moment. A ring is blamed for a death when its owner
 * died inside a burst of it, and had not ended one since it was granted; the third time in a row it
 * is broken for a minute, and twice as long, up to 16, after each further death. It may have been
 * the switch all the time, a bad release say, so no ring is broken for ever: with a good one it
 * comes back by itself. A burst that ends is forgiveness; a new set-up is one more try, and what a
 * front-end cannot get rid of is the count.
 *
 * A switch that is killed from outside, however often, has ended bursts on the rings that it polls,
 * so nobody is blamed. On a machine that gives it little it may be killed before that: so a death
 * by a signal that is for others to send does not count, where we are told which it was. It counts
 * if the switch had hung; so does SIGKILL if it was ours (for a ring that was not left), or may
 * have been the kernel's, for want of memory. In a next life of ours nobody knows any more whom the
 * last one killed: such a death is taken for somebody else's.
 *
 * Of several that are to blame one is broken at a time, a source before a destination: in a hop
 * both are in a burst, and a destination that is innocent ends its next one. Where it was the
 * destination after all, its turn comes with the next death, and the source's wait is over.
 */
#ifndef PRIMARY_BLAME_H
#define PRIMARY_BLAME_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct secondary;
struct vring;

/* It died: did somebody else kill it, and not us? False where nobody says. */
bool blame_is_on_others(const struct secondary *secondary);
/* `secondary` died by its own doing, or `by_others`, and its vrings of this device have not been
 * taken back: count. The one to break, of these and `suspect`, or NULL. */
struct vring *blame_death(struct device *device, const struct secondary *secondary, bool by_others,
			  struct vring *suspect);
/* All its owner ran is taken back: it is granted to nobody for a while. */
void blame_break(struct vring *vring, const struct secondary *owner);
/* Those whose time is over: is any to be offered again? Those that run are none, and a burst that
 * ended is their forgiveness. Called each second or so. */
bool blame_forgive(struct device *device, uint64_t now);
/* Has it ended a burst since it was granted? */
bool blame_ended_burst(const struct vring *vring);
/* The count as an earlier life of the primary's kept it; of a session, it does not outlive both. */
uint8_t blame_kept(uint8_t deaths);
/* It has an owner, or just had: has it ended a burst? */
void blame_survived(struct vring *vring);

#endif
