/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A grant that its owner cannot use.
 *
 * For want of memory, descriptors or a map it may work in a moment, or never: who truncates its
 * memory's file lacks a map for ever, and a switch with too low a limit lacks descriptors. So each
 * try waits twice as long as the one before it, up to a minute; the second in a row is an event,
 * and health says it from then on; after every third the device goes to the next one that serves
 * it, if its owner runs none of its rings. A burst that ends is the end of it; so is another owner
 * (but not one it went to for this) and a new memory table. One more that attaches ends the wait.
 */
#ifndef PRIMARY_UNUSABLE_H
#define PRIMARY_UNUSABLE_H

#include <stdbool.h>
#include <stdint.h>

struct primary;
struct secondary;
struct vring;

/*
 * The owner says that it cannot run the vring it was given by `grant`: it is taken back. For want
 * of memory, descriptors or a map, it is offered again later; else not before the front-end
 * sets it up anew. 0, also when the grant is another one by now; -EPROTO: a burst runs on it all
 * the same.
 */
int grant_unusable(struct secondary *secondary, struct vring *vring, uint64_t grant, int error);
/* Offer what was put off and whose time has come. From a timer, each second or so. */
void grant_offer_again(struct primary *primary, uint64_t now);
/* This one has just attached and may have what others lack: what waits and it serves is to be
 * offered at once, and goes to it where the owner has lacked it too often. */
void grant_relief_came(const struct secondary *secondary);
/* Does it not run, time and again, for what its owners lack? */
bool vring_lacks(const struct vring *vring);

#endif
