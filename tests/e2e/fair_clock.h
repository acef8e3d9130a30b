/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clock for bounds on how long somebody is kept waiting: it stands still while the machine lets
 * nobody run.
 *
 * A thread of its own sleeps a tick and looks at the time, again and again. However long it took
 * the machine to let it run, a tick is all that is counted. It is scheduled as a batch job, which
 * waits for its turn like whoever has work to do, instead of being let in first for having slept:
 * on a machine with twenty others at work the clock goes as much slower as the processes under test
 * do. Beside idle processors it goes as any other, so that who stops for seconds is seen.
 */
#ifndef E2E_FAIR_CLOCK_H
#define E2E_FAIR_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* What nobody may be kept waiting for, by any of these clocks. A sanitizer's processes are slow
 * themselves. */
#define FAIR_BOUND_NS (SUITE_SANITIZED ? 30ull * 1000000000 : 3ull * 1000000000)

struct fair_clock {
	pthread_t thread;
	pthread_mutex_t lock;
	bool over;
	uint64_t ticked_ns; /* when the last tick ended, by the machine's clock */
	uint64_t fair_ns;   /* up to then */
};

void fair_clock_open(struct fair_clock *clock);
void fair_clock_close(struct fair_clock *clock);
/* From any thread. Never goes back. */
uint64_t fair_clock_ns(struct fair_clock *clock);

#endif
