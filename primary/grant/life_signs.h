/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be seen of secondaries without asking them, several times within the limit: does the
 * heartbeat change, do the counters of bursts, is one burst the same at all looks?
 */
#ifndef PRIMARY_LIFE_SIGNS_H
#define PRIMARY_LIFE_SIGNS_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"

struct primary;
struct secondary;
struct secondary_watch;
struct vring;

#define LIFE_SIGNS_LOOKS 8u /* within the limit */

/* primary->watch */
struct watch {
	struct primary *primary;
	struct loop_timer timer;
	uint64_t limit_ns;
	uint64_t looked_ns; /* 0: never */
};

/* `now_ns` is of hf_now_ns() and never goes back. */
void life_signs_look(struct watch *watch, uint64_t now_ns);
/* It is not in one burst any more, as far as we know. */
void life_signs_forget_burst(struct vring *vring);

/* By the last look: has it been in one burst, or shown no life, for the whole limit? */
bool life_signs_stuck(const struct watch *watch, const struct secondary_watch *signs);
bool life_signs_silent(const struct watch *watch, const struct secondary_watch *signs);
/* Did `next` show life so long after `hung` did that this one's rings may go to it? */
bool life_signs_outlives(const struct secondary *next, const struct secondary *hung);

#endif
