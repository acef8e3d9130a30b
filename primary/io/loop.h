/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primary's one event loop: epoll sources and timers, one thread.
 *
 * A source or timer is embedded in its owner. Removing one is legal at any time, also from its own
 * callback and for sources whose event of this very round has not run yet: it will not run.
 */
#ifndef PRIMARY_LOOP_H
#define PRIMARY_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

struct loop_source {
	/* `events` are epoll's. The callback may remove and free its owner. */
	void (*ready)(struct loop_source *source, uint32_t events);
	int fd;	       /* watched, not owned; -1 while not in the loop */
	uint32_t slot; /* loop's own */
};

struct loop_timer {
	void (*fire)(struct loop_timer *timer);
	uint64_t at_ns; /* 0 while not armed; loop's own */
	uint32_t heap;	/* loop's own */
};

/* NULL with errno set. */
struct loop *loop_create(void);
void loop_destroy(struct loop *loop);

/* 0 or -errno. `source->ready` is set by the caller before. */
int loop_add(struct loop *loop, struct loop_source *source, int fd, uint32_t events);
int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events);
void loop_remove(struct loop *loop, struct loop_source *source); /* no-op when not in the loop */

/* (Re-)arm: fires once, `after_ns` from now. `timer->fire` is set by the caller before.
 * 0 or -ENOMEM. */
int loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t after_ns);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer); /* no-op when not armed */

/* Run until loop_stop. 0 or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
