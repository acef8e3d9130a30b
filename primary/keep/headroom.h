/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are descriptors getting short? What exists may use up all there are; who is new, a front-end or a
 * secondary, is refused while fewer than a reserve are left, here or with who keeps ours: a guest
 * that reboots or gets more memory needs some then, and refusing it would end a session that runs.
 * A secondary may use half of the reserve: without one all that exists stands still.
 */
#ifndef PRIMARY_HEADROOM_H
#define PRIMARY_HEADROOM_H

#include <stdbool.h>

struct primary;

enum newcomer_kind { NEW_FRONT_END, NEW_SECONDARY };

/* May somebody new come, who was given `fd` just now? (The kernel gives the lowest that is free, so
 * its number says how many there are at least.) */
bool headroom_for_new(const struct primary *primary, enum newcomer_kind kind, int fd);

#endif
