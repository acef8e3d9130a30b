/* SPDX-License-Identifier: Apache-2.0 */
/* After a death of the primary. */
#ifndef PRIMARY_REPEAT_H
#define PRIMARY_REPEAT_H

#include <stdbool.h>

struct device;
struct secondary;

/* Say again all that secondaries must know of this device; what they
 * know already they ignore. Not `agree`: what is granted does not fit the draft and is going to be
 * taken back, so they let go of it. */
void grant_repeat(struct device *device, bool agree);
/* And of sessions that are over: that, or the answer, may not have arrived. */
void grant_repeat_retire(struct secondary *secondary);

#endif
