/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every descriptor that the primary cannot make again is held a second time, by its keeper: whoever
 * started it and listens on $NOTIFY_SOCKET, systemd or `holdfastd --supervise`; they speak alike
 * (sd_notify(3)).
 *
 * Without anybody who listens everything is as if that one were gone: the descriptors are held here
 * alone, for `holdfast upgrade`, which hands them on through exec.
 *
 * A descriptor that is stored has a number here, and the number is its name there. What it is for,
 * the journal says: a record holds the numbers of what it needs. Numbers are counted by reference:
 * a front-end may send one open file twice, and systemd keeps an open file once only.
 */
#ifndef PRIMARY_STORE_H
#define PRIMARY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

struct handon;
struct store;

/* What the first numbers always are. */
enum { STORE_DIRECTORY = 1, STORE_JOURNAL, STORE_FIRST_FREE };

/* The kind of listening sockets: taken out, they are shut down as well. */
#define STORE_LISTENER 'l'

/*
 * Take what an earlier life left ($LISTEN_FDS), connect to $NOTIFY_SOCKET; when there is none, or
 * it cannot be used (said), there is nobody to keep anything. 0; -ENOMEM with NULL; -errno with a
 * store: what was left cannot be taken, end and leave it for another try.
 */
int store_open(struct loop *loop, struct store **ret_store);
/* Close our side. What is stored stays stored. */
void store_close(struct store *store);
/* In good order at the end of all: nothing is kept. Waits a moment for the other side to read. */
void store_forget_all(struct store *store);

/* Store a descriptor: a number, without a reference yet; the same open file has the same number. 0:
 * cannot (no memory, no descriptors, too many are stored). `kind` is a letter for people. `fd`
 * stays the caller's. */
uint32_t store_add(struct store *store, char kind, int fd);
/* The same under a number of its own, referenced for ever. 0 or -errno. */
int store_put(struct store *store, uint32_t number, char kind, int fd);
/* A record names the number, whether or not something is stored under it. */
void store_reference(struct store *store, uint32_t number);
/* The last reference gone: it is taken out. */
void store_release(struct store *store, uint32_t number);
/* A duplicate of what is stored under this number. >= 0, -ENOENT, -errno. */
int store_get(const struct store *store, uint32_t number);
/* Take out what nobody has referenced: an earlier life died before its journal named it. */
void store_drop_unreferenced(struct store *store);
/* Take out the listeners that are not `named`: before anything listens, or it would find its own
 * path taken. */
void store_drop_listeners(struct store *store, bool (*named)(const void *context, uint32_t number),
			  const void *context);

/* How many more it keeps, and how many at all ($FDSTORE); without a store any number. */
uint32_t store_room(const struct store *store);
uint32_t store_max(const struct store *store);
/* How much room these would take: what it has already needs none. Without a store 0. */
uint32_t store_needs(const struct store *store, const int *fds, size_t nr_fds);

/* Is something still on its way to the keeper? Until it is not, a death would lose it. No longer
 * than a second: a keeper that stands still must not stop us. */
bool store_pending(const struct store *store);
/* Nothing at all is on its way, however long the keeper takes: 0; -EBUSY: it does not read;
 * -ENOMEM: there was no memory even to wait with it. */
int store_at_rest(const struct store *store);
/* Wait until nothing is, or for half a second: only while the loop does not run. */
void store_flush(struct store *store);
/* `drained` is called when nothing is pending any more. */
void store_on_drained(struct store *store, void (*drained)(void *context), void *context);

/* All that is stored, for the program that this process becomes. A keeper that was lost is lost to
 * it as well: it takes all that it is given for kept. 0, -ENOMEM or -E2BIG. */
int store_hand_on(const struct store *store, struct handon *handon);
/* How well we are kept. */
enum store_keeps {
	STORE_NOBODY, /* nobody was there to begin with */
	STORE_KEEPS,
	STORE_LATE, /* it has not read for more than a second */
	STORE_LOST, /* it is gone */
};
enum store_keeps store_keeps(const struct store *store);

/* READY=1, STATUS=…: lines of sd_notify(3). */
void store_notify(struct store *store, const char *text);
/* WATCHDOG=1: before all that waits, and also to a keeper that is lost. False: its socket is full,
 * and the sign goes before the next datagram, or say it again. */
bool store_alive(struct store *store);

#endif
