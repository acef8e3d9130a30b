/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are descriptors getting short, here or with who keeps ours? There is one store of them for all.
 *
 * Each session has a right to a few, and to as many as it once had: a guest that reboots or gets
 * more memory needs some then, and refusing it would end a session that runs. Beyond that right a
 * session takes what nobody has a right to. Who is new, a front-end or a secondary, is refused while
 * fewer than a reserve are left besides; a front-end's own right is in there. A secondary may use
 * half of the reserve, and what sessions have a right to: without one all that exists stands still.
 */
#ifndef PRIMARY_HEADROOM_H
#define PRIMARY_HEADROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;
struct primary;

enum newcomer_kind { NEW_FRONT_END, NEW_SECONDARY };

/* May somebody new come, who was given `fd` just now? (The kernel gives the lowest that is free, so
 * its number says how many there are at least.) */
bool headroom_for_new(const struct primary *primary, enum newcomer_kind kind, int fd);
/* May the device's session have these, which came just now, in the place of `replaced` of its? */
bool headroom_for_message(const struct device *device, const int *fds, size_t nr_fds,
			  uint32_t replaced);
/* Its session has come, or has been given or given up descriptors. */
void headroom_note(struct device *device);

#endif
