/* SPDX-License-Identifier: Apache-2.0 */
/* The last events in a ring of fixed size, and whoever follows them. */
#ifndef PRIMARY_EVENT_H
#define PRIMARY_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "control.pb-c.h"

struct primary;
struct events;

#define EVENT_RING 1024u

struct event {
	uint64_t number; /* from 1, never used twice */
	uint64_t realtime_ns;
	Holdfast__Control__EventKind kind;
	uint32_t vring;
	uint64_t duration_ns;
	char port[64];
	char secondary[64];
	char detail[160];
};

/* Number n is at n % EVENT_RING, and whole when it says n. */
struct event_ring {
	uint64_t newest; /* number of; 0 none yet. Written last. */
	struct event ring[EVENT_RING];
};

struct events *events_create(void); /* NULL with errno */
/* From now on in this memory, which outlives `events` and may hold an earlier life's. */
void events_use(struct events *events, struct event_ring *ring);
void events_destroy(struct events *events);

/* Record, log and pass on to followers. `port`, `secondary`, `detail` may be NULL. What a
 * front-end causes is rationed for each port; the next one that is recorded says how many were not.
 */
void event_emit(struct primary *primary, Holdfast__Control__EventKind kind, const char *port,
		const char *secondary, int vring, uint64_t duration_ns, const char *format, ...)
	__attribute__((format(printf, 7, 8)));

/* Event `number`, or NULL when it was overwritten or has not happened. */
const struct event *events_get(const struct events *events, uint64_t number);
/* Number of the newest event; 0 none. */
uint64_t events_newest(const struct events *events);

struct event_follower {
	void (*event)(struct event_follower *follower, const struct event *event);
	struct event_follower *next;
};
void events_follow(struct events *events, struct event_follower *follower);
void events_unfollow(struct events *events, struct event_follower *follower);

#endif
