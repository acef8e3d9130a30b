/* SPDX-License-Identifier: Apache-2.0 */
/* Where a worker sleeps, and how it is woken. The proof that no event is lost is in idle.c. */
#ifndef VSWITCH_IDLE_H
#define VSWITCH_IDLE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "sizes.h"
#include "table.h"

struct idle {
	/* Written by the sleeper, and by whoever wakes it. */
	_Alignas(CACHE_LINE) atomic_bool asleep;
	/* Fixed. */
	_Alignas(CACHE_LINE) int epoll_fd;
	int wake_fd;
};

/* 0 or -errno. */
int idle_open(struct idle *idle);
void idle_close(struct idle *idle);

/* Let events on `fd` end a sleep, or no more. Any thread. 0 or -errno; -EPERM: this kind of
 * descriptor cannot be waited on. */
int idle_watch(struct idle *idle, int fd);
void idle_unwatch(struct idle *idle, int fd);

/* End the sleep if there is one. Any thread, after it has made its news visible. */
void idle_wake(struct idle *idle);

/*
 * Sleep until something happens to the sources of `view` or somebody wakes us; maybe not at all.
 * `due` says whether there is news of the kind that idle_wake() is called for. The caller has just
 * found every source empty, and looks at all of them again afterwards. `doubtful`: do not believe
 * a source that says it has packets, but look again soon. True if it slept.
 */
bool idle_sleep(struct idle *idle, const struct view *view, bool doubtful,
		bool (*due)(void *context), void *context);

#endif
