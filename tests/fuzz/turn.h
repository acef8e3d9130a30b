/* SPDX-License-Identifier: Apache-2.0 */
/* The primary's loop, turned by hand: one round, without waiting. */
#ifndef FUZZ_TURN_H
#define FUZZ_TURN_H

#include "check.h"
#include "fuzz.h"
#include "loop.h"

struct fuzz_turn {
	struct loop *loop;
	struct loop_timer end;
};

static inline void fuzz_turn_end(struct loop_timer *timer)
{
	loop_stop(container_of(timer, struct fuzz_turn, end)->loop);
}

static inline void fuzz_turn(struct loop *loop)
{
	struct fuzz_turn turn = {.loop = loop, .end = {.fire = fuzz_turn_end}};

	FUZZ_HOLDS(loop_timer_set(loop, &turn.end, 0) == 0);
	FUZZ_HOLDS(loop_run(loop) == 0);
	loop_timer_clear(loop, &turn.end);
}

#endif
