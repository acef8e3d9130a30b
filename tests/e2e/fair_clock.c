/* SPDX-License-Identifier: Apache-2.0 */
#include "fair_clock.h"

#include <sched.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "suite.h"

#define TICK_NS (10 * NS_PER_MS)

/* Of the tick that is not over yet. */
static uint64_t since_tick(const struct fair_clock *clock)
{
	return min_u64(hf_now_ns() - clock->ticked_ns, TICK_NS);
}

static void *run(void *context)
{
	const struct sched_param none = {0};
	struct fair_clock *clock = context;
	bool over = false;

	(void)sched_setscheduler(0, SCHED_BATCH, &none); /* this thread */
	while (!over) {
		usleep(TICK_NS / NS_PER_US);
		pthread_mutex_lock(&clock->lock);
		clock->fair_ns += since_tick(clock);
		clock->ticked_ns = hf_now_ns();
		over = clock->over;
		pthread_mutex_unlock(&clock->lock);
	}
	return NULL;
}

void fair_clock_open(struct fair_clock *clock)
{
	*clock = (struct fair_clock){.lock = PTHREAD_MUTEX_INITIALIZER, .ticked_ns = hf_now_ns()};
	REQUIRE(pthread_create(&clock->thread, NULL, run, clock) == 0);
}

void fair_clock_close(struct fair_clock *clock)
{
	pthread_mutex_lock(&clock->lock);
	clock->over = true;
	pthread_mutex_unlock(&clock->lock);
	REQUIRE(pthread_join(clock->thread, NULL) == 0);
}

uint64_t fair_clock_ns(struct fair_clock *clock)
{
	uint64_t now;

	pthread_mutex_lock(&clock->lock);
	now = clock->fair_ns + since_tick(clock);
	pthread_mutex_unlock(&clock->lock);
	return now;
}
