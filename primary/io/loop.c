/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll sources and timers on one thread.
 *
 * An event carries a slot number and the slot's generation, not a pointer: a source that was
 * removed between epoll_wait and its turn has a newer generation in its slot, and the stale event
 * falls through, even when the slot was given to another source meanwhile.
 *
 * Timers are a binary heap by due time, entry 0 unused, so that `timer->heap` 0 means "not in it".
 */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "check.h"
#include "clock.h"
#include "fd.h"

#define EVENTS_PER_ROUND 64

struct slot {
	struct loop_source *source; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

struct loop {
	int epoll;
	bool stop;
	struct slot *slots; /* slot 0 is never used: next_free 0 ends the list */
	uint32_t nr_slots;
	uint32_t free_slot;
	struct loop_timer **heap;
	uint32_t nr_timers;
	uint32_t heap_room;
};

/* Double an array. 0 or -ENOMEM, the array untouched. */
static int grow(void **array, uint32_t *room, size_t item)
{
	uint32_t wanted = *room ? *room * 2 : 64;
	void *bigger = reallocarray(*array, wanted, item);

	if (!bigger)
		return -ENOMEM;
	memset((char *)bigger + *room * item, 0, (wanted - *room) * item);
	*array = bigger;
	*room = wanted;
	return 0;
}

static int grow_slots(struct loop *loop)
{
	uint32_t first = loop->nr_slots ? loop->nr_slots : 1;
	int error = grow((void **)&loop->slots, &loop->nr_slots, sizeof(*loop->slots));

	for (uint32_t i = first; !error && i < loop->nr_slots; i++) {
		loop->slots[i].next_free = loop->free_slot;
		loop->free_slot = i;
	}
	return error;
}

/* calls: epoll_create1 */
struct loop *loop_create(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0 || grow_slots(loop) < 0 ||
	    grow((void **)&loop->heap, &loop->heap_room, sizeof(*loop->heap)) < 0) {
		loop_destroy(loop);
		return NULL;
	}
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	hf_fd_close(&loop->epoll);
	free(loop->slots);
	free(loop->heap);
	free(loop);
}

/* calls: epoll_ctl */
static int control(struct loop *loop, int operation, const struct loop_source *source,
		   uint32_t events)
{
	const struct slot *slot = &loop->slots[source->slot];
	struct epoll_event event = {.events = events};

	event.data.u64 = (uint64_t)slot->generation << 32 | source->slot;
	return epoll_ctl(loop->epoll, operation, source->fd, &event) < 0 ? -errno : 0;
}

static void free_slot(struct loop *loop, uint32_t at)
{
	struct slot *slot = &loop->slots[at];

	slot->source = NULL;
	slot->generation++;
	slot->next_free = loop->free_slot;
	loop->free_slot = at;
}

int loop_add(struct loop *loop, struct loop_source *source, int fd, uint32_t events)
{
	int error;

	if (!loop->free_slot) {
		error = grow_slots(loop);
		if (error)
			return error;
	}
	source->slot = loop->free_slot;
	source->fd = fd;
	loop->free_slot = loop->slots[source->slot].next_free;
	loop->slots[source->slot].source = source;
	error = control(loop, EPOLL_CTL_ADD, source, events);
	if (error) {
		free_slot(loop, source->slot);
		source->fd = -1;
		source->slot = 0;
	}
	return error;
}

int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events)
{
	return control(loop, EPOLL_CTL_MOD, source, events);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	if (!source->slot)
		return;
	/* Explicitly, not by closing: the descriptor may have a twin in another process, which
	 * would keep the entry alive. */
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	free_slot(loop, source->slot);
	source->slot = 0;
	source->fd = -1;
}

static void heap_put(struct loop *loop, uint32_t at, struct loop_timer *timer)
{
	loop->heap[at] = timer;
	timer->heap = at;
}

/* Let the timer find its place, from `at` upwards or downwards. */
static void heap_settle(struct loop *loop, uint32_t at, struct loop_timer *timer)
{
	while (at > 1 && timer->at_ns < loop->heap[at / 2]->at_ns) {
		heap_put(loop, at, loop->heap[at / 2]);
		at /= 2;
	}
	for (;;) {
		uint32_t child = at * 2;

		if (child < loop->nr_timers &&
		    loop->heap[child + 1]->at_ns < loop->heap[child]->at_ns)
			child++;
		if (child > loop->nr_timers || timer->at_ns <= loop->heap[child]->at_ns)
			break;
		heap_put(loop, at, loop->heap[child]);
		at = child;
	}
	heap_put(loop, at, timer);
}

int loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t after_ns)
{
	if (!timer->heap) {
		if (loop->nr_timers + 1 >= loop->heap_room) {
			int error =
				grow((void **)&loop->heap, &loop->heap_room, sizeof(*loop->heap));

			if (error)
				return error;
		}
		timer->heap = ++loop->nr_timers;
	}
	timer->at_ns = hf_now_ns() + after_ns;
	heap_settle(loop, timer->heap, timer);
	return 0;
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	uint32_t at = timer->heap;
	struct loop_timer *last;

	if (!at)
		return;
	last = loop->heap[loop->nr_timers--];
	timer->heap = 0;
	timer->at_ns = 0;
	if (last != timer)
		heap_settle(loop, at, last);
}

/* What is due now; a callback that arms a timer anew gets it in a later round. */
static void run_timers(struct loop *loop)
{
	uint64_t now = hf_now_ns();

	while (!loop->stop && loop->nr_timers && loop->heap[1]->at_ns <= now) {
		struct loop_timer *timer = loop->heap[1];

		loop_timer_clear(loop, timer);
		timer->fire(timer);
	}
}

/* calls: epoll_pwait2 */
static int wait(struct loop *loop, struct epoll_event *events)
{
	struct timespec until = {0}, *timeout = NULL;
	int n;

	if (loop->nr_timers) {
		uint64_t now = hf_now_ns(), at = loop->heap[1]->at_ns;
		uint64_t left = at > now ? at - now : 0;

		until = (struct timespec){.tv_sec = (time_t)(left / NS_PER_S),
					  .tv_nsec = (long)(left % NS_PER_S)};
		timeout = &until;
	}
	n = epoll_pwait2(loop->epoll, events, EVENTS_PER_ROUND, timeout, NULL);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n;
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[EVENTS_PER_ROUND];

	loop->stop = false;
	while (!loop->stop) {
		int n = wait(loop, events);

		if (n < 0)
			return n;
		for (int i = 0; i < n && !loop->stop; i++) {
			const struct slot *slot = &loop->slots[(uint32_t)events[i].data.u64];

			if (slot->source && slot->generation == events[i].data.u64 >> 32)
				slot->source->ready(slot->source, events[i].events);
		}
		run_timers(loop);
	}
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}
