/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who keeps our descriptors, seen from here: what it is told, in order, and what waits to be told.
 *
 * Datagrams leave in order. When the keeper is slow they wait in a queue with duplicates of their
 * descriptors, and keeper_pending says so: whoever must not go on before a descriptor is safe waits
 * for `drained`; the loop never waits. A keeper that stands still is not waited for longer than a
 * second: survival is worth less than service. A datagram that cannot be sent or queued fails
 * alone. A keeper that is gone for good is said once, and no descriptor goes there any more; what
 * keeps this process alive (the signs of the watchdog) is tried all the same, and overtakes what
 * waits.
 */
#ifndef PRIMARY_KEEPER_H
#define PRIMARY_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include "loop.h"

struct datagram;

struct keeper {
	bool nobody; /* there never was one: `lost` from the beginning */
	bool lost;
	bool late; /* what waits has waited too long */
	/* A datagram about this number has left. The keeper reads in order: it counts as done. */
	void (*told)(struct keeper *keeper, uint32_t number, bool stores);
	void (*drained)(void *context); /* nothing is pending any more; may be NULL */
	void *context;
	/* Its own. */
	struct loop *loop;
	int socket;
	bool sign; /* one is to be sent */
	uint64_t waiting_since_ns;
	struct datagram *first, **last;
	struct loop_timer retry;
	struct hf_log_limit log_limit;
};

/* Connect to $NOTIFY_SOCKET. Where there is none, or it cannot be used (said), it is as if that one
 * were gone. `told` is set by the caller before. */
void keeper_open(struct keeper *keeper, struct loop *loop);
/* What waits is dropped. */
void keeper_close(struct keeper *keeper);
/* For the program that this process becomes: one that was lost is lost to it as well. 0, -ENOMEM.
 */
int keeper_hand_on(const struct keeper *keeper);

/* Say `text`, with a descriptor if `fd` is >= 0, which stays the caller's. `number` is of what it
 * stores or, without a descriptor, takes out; 0: neither. 0, also when there is nobody; -errno:
 * just this one has failed. */
int keeper_say(struct keeper *keeper, const char *text, uint32_t number, int fd);
/* What would store this number has not left: it need not, so no more waits than is stored, here or
 * there, whatever comes and goes while the keeper does not read. False: it has left. */
bool keeper_never_mind(struct keeper *keeper, uint32_t number);
/* See store_notify, store_alive. */
void keeper_notify(struct keeper *keeper, const char *text);
bool keeper_alive(struct keeper *keeper);
/* See store_pending, store_at_rest, store_flush. */
bool keeper_pending(const struct keeper *keeper);
bool keeper_at_rest(const struct keeper *keeper);
void keeper_flush(struct keeper *keeper);

#endif
