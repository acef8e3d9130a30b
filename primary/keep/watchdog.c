/* SPDX-License-Identifier: Apache-2.0 */
#include "watchdog.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "loop.h"
#include "store.h"

/* So often within the time that was asked for: one of them may come late. */
#define SIGNS 4u
/* One that found no room is tried again. */
#define AGAIN_NS (10 * NS_PER_MS)

struct watchdog {
	struct loop *loop;
	struct store *store;
	struct loop_timer timer;
	uint64_t period_ns;
};

/* 0: nobody asks, or somebody else was meant. */
static uint64_t asked_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!usec || (pid && strtol(pid, NULL, 10) != getpid()))
		return 0;
	return min_u64(strtoull(usec, NULL, 10), UINT32_MAX) * NS_PER_US;
}

/* One sign waits at most: a keeper that does not read must not make a queue. */
static void on_timer(struct loop_timer *timer)
{
	struct watchdog *watchdog = container_of(timer, struct watchdog, timer);

	uint64_t next_ns = watchdog->period_ns;

	if (!store_alive(watchdog->store))
		next_ns = min_u64(next_ns, AGAIN_NS);
	(void)loop_timer_set(watchdog->loop, timer, next_ns);
}

int watchdog_open(struct loop *loop, struct store *store, struct watchdog **ret_watchdog)
{
	uint64_t ns = asked_ns();
	struct watchdog *watchdog = ns ? calloc(1, sizeof(*watchdog)) : NULL;
	int error;

	*ret_watchdog = watchdog;
	if (!watchdog)
		return ns ? -ENOMEM : 0;
	*watchdog = (struct watchdog){
		.loop = loop, .store = store, .timer.fire = on_timer, .period_ns = ns / SIGNS};
	error = loop_timer_set(loop, &watchdog->timer, watchdog->period_ns);
	if (error) {
		free(watchdog);
		*ret_watchdog = NULL;
	}
	return error;
}

void watchdog_close(struct watchdog *watchdog)
{
	if (!watchdog)
		return;
	loop_timer_clear(watchdog->loop, &watchdog->timer);
	free(watchdog);
}
