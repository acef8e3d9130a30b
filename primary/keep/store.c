/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each stored descriptor is held twice: here, under a descriptor of our own, to compare with what
 * comes later (numbers.h), and by the keeper, by its name (keeper.h). What is done here is always
 * said there, in the same order.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "check.h"
#include "fd.h"
#include "handon.h"
#include "keeper.h"
#include "listen_fds.h"
#include "log.h"
#include "numbers.h"

#define TAG "store"

struct store {
	struct keeper keeper;
	struct numbers numbers;
	uint32_t max;	  /* that the keeper keeps: one more would be dropped without a word */
	uint32_t nr_owed; /* removals that it could not be told yet */
	struct hf_log_limit log_limit;
};

static void on_told(struct keeper *keeper, uint32_t number, bool stores)
{
	struct store *store = container_of(keeper, struct store, keeper);

	numbers_there(&store->numbers, number, stores);
}

/* --- how much, and how well --- */

static uint32_t count(const struct store *store)
{
	return store->numbers.files.count;
}

uint32_t store_max(const struct store *store)
{
	return store ? (uint32_t)min_u64(store->max, numbers_most(&store->numbers)) : UINT32_MAX;
}

uint32_t store_room(const struct store *store)
{
	uint32_t room;

	if (!store)
		return UINT32_MAX;
	room = count(store) < store->max ? store->max - count(store) : 0;
	return (uint32_t)min_u64(room, numbers_room(&store->numbers));
}

uint32_t store_needs(const struct store *store, const int *fds, size_t nr_fds)
{
	uint32_t needed = 0;

	for (size_t i = 0; store && i < nr_fds; i++)
		needed += !open_files_find(&store->numbers.files, fds[i]);
	return needed;
}

bool store_pending(const struct store *store)
{
	return store && keeper_pending(&store->keeper);
}

enum store_keeps store_keeps(const struct store *store)
{
	if (!store || store->keeper.nobody)
		return STORE_NOBODY;
	if (store->keeper.lost)
		return STORE_LOST;
	return store->keeper.late ? STORE_LATE : STORE_KEEPS;
}

void store_on_drained(struct store *store, void (*drained)(void *context), void *context)
{
	store->keeper.drained = drained;
	store->keeper.context = context;
}

/* --- what the keeper is told --- */

static int say_removed(struct store *store, uint32_t number)
{
	char text[64], name[NUMBERS_NAME_ROOM];

	numbers_name(&store->numbers, number, name);
	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return keeper_say(&store->keeper, text, number, -1);
}

/* What there was no memory for. Before anything else is said: it is rare, and the keeper holds a
 * descriptor of somebody's until then. */
static void say_owed(struct store *store)
{
	for (uint32_t i = 1; store->nr_owed && i < store->numbers.count; i++) {
		struct number *n = &store->numbers.of[i];

		if (!n->owed)
			continue;
		/* Before: when it has left the number is free. */
		n->owed = false;
		n->owed = say_removed(store, i) != 0;
		if (n->owed)
			return;
		store->nr_owed--;
	}
}

void store_notify(struct store *store, const char *text)
{
	if (!store)
		return;
	say_owed(store);
	keeper_notify(&store->keeper, text);
}

bool store_alive(struct store *store)
{
	say_owed(store);
	return keeper_alive(&store->keeper);
}

int store_at_rest(const struct store *store)
{
	if (!keeper_at_rest(&store->keeper))
		return -EBUSY;
	return store->nr_owed ? -ENOMEM : 0;
}

void store_flush(struct store *store)
{
	if (!store)
		return;
	say_owed(store);
	keeper_flush(&store->keeper);
}

/* --- one by one --- */

/* The removal of what had this name before would take the new one. */
static bool owes(struct store *store, uint32_t number)
{
	say_owed(store);
	return number < store->numbers.count && store->numbers.of[number].owed;
}

int store_put(struct store *store, uint32_t number, char kind, int fd)
{
	struct numbers *numbers = &store->numbers;
	char text[80], name[NUMBERS_NAME_ROOM];
	int copy, error;

	if (owes(store, number))
		return -ENOMEM;
	copy = count(store) < store->max ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	error = copy >= 0 ? numbers_enter(numbers, number, kind, copy) : -EMFILE;
	if (error)
		return error;
	numbers->of[number].references = 1;
	numbers_name(numbers, number, name);
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	error = keeper_say(&store->keeper, text, number, fd);
	if (error) {
		numbers->of[number].references = 0;
		numbers_leave(numbers, number);
	}
	return error;
}

static void cannot_keep(struct store *store, int error)
{
	if (hf_log_allowed(&store->log_limit))
		log_warning(TAG, "cannot keep a descriptor: %s; %s", strerrordesc_np(-error),
			    error == -ENOSPC ? "17,000 are the most that can be handed on"
					     : "raise the limit of open files (ulimit -n, "
					       "systemd: FileDescriptorStoreMax=)");
}

uint32_t store_add(struct store *store, char kind, int fd)
{
	struct numbers *numbers = &store->numbers;
	uint32_t number = open_files_find(&numbers->files, fd);
	int error;

	/* Those with numbers of their own are never anybody else's. */
	if (number >= STORE_FIRST_FREE)
		return number;
	say_owed(store);
	number = numbers_free(numbers);
	error = store_put(store, number, kind, fd);
	if (error) {
		cannot_keep(store, error);
		return 0;
	}
	numbers->of[number].references = 0;
	numbers->hint = number + 1;
	return number;
}

void store_reference(struct store *store, uint32_t number)
{
	numbers_reference(&store->numbers, number);
}

/* calls: shutdown */
static void take_out(struct store *store, uint32_t number)
{
	struct number *n = &store->numbers.of[number];

	say_owed(store);
	if (!keeper_never_mind(&store->keeper, number) && say_removed(store, number) != 0) {
		n->owed = true;
		store->nr_owed++;
	}
	/* Who still waits at a socket that nobody will accept from learns it now. */
	if (n->kind == STORE_LISTENER)
		(void)shutdown(n->fd, SHUT_RDWR);
	numbers_leave(&store->numbers, number);
}

void store_release(struct store *store, uint32_t number)
{
	struct numbers *numbers = &store->numbers;

	if (!number || number >= numbers->count || !numbers->of[number].references)
		return;
	if (--numbers->of[number].references == 0 && numbers_has(numbers, number))
		take_out(store, number);
}

int store_get(const struct store *store, uint32_t number)
{
	int fd;

	if (!numbers_has(&store->numbers, number))
		return -ENOENT;
	fd = fcntl(store->numbers.of[number].fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* --- many --- */

void store_drop_unreferenced(struct store *store)
{
	for (uint32_t i = 1; i < store->numbers.count; i++)
		if (numbers_has(&store->numbers, i) && !store->numbers.of[i].references)
			take_out(store, i);
}

void store_drop_listeners(struct store *store, bool (*named)(const void *context, uint32_t number),
			  const void *context)
{
	for (uint32_t i = STORE_FIRST_FREE; i < store->numbers.count; i++)
		if (numbers_has(&store->numbers, i) &&
		    store->numbers.of[i].kind == STORE_LISTENER && !named(context, i))
			take_out(store, i);
}

void store_forget_all(struct store *store)
{
	/* Without the journal the rest is nothing; the other way round it could not be used. */
	if (numbers_has(&store->numbers, STORE_JOURNAL))
		take_out(store, STORE_JOURNAL);
	for (uint32_t i = 1; i < store->numbers.count; i++)
		if (numbers_has(&store->numbers, i))
			take_out(store, i);
	store_flush(store);
}

/* --- beginning and end --- */

/* One name of $LISTEN_FDNAMES. What is not ours is closed. */
static int take_one(void *context, const char *name, int fd)
{
	struct store *store = context;
	char *end = NULL;
	unsigned long number = *name ? strtoul(name + 1, &end, 10) : 0;
	int error;

	if (!number || *end || number >= NUMBERS_MAX) {
		hf_fd_close(&fd);
		return 0;
	}
	error = numbers_enter(&store->numbers, (uint32_t)number, *name, fd);
	if (!error)
		numbers_there(&store->numbers, (uint32_t)number, !store->keeper.nobody);
	return error == -EEXIST ? 0 : error;
}

/* As systemd says it since its version 254, and our supervisor does. */
static uint32_t most_kept(void)
{
	const char *text = getenv("FDSTORE");
	unsigned long max = text ? strtoul(text, NULL, 10) : 0;

	return max && max < NUMBERS_MAX ? (uint32_t)max : NUMBERS_MAX;
}

int store_open(struct loop *loop, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));

	*ret_store = store;
	if (!store)
		return -ENOMEM;
	store->keeper.told = on_told;
	keeper_open(&store->keeper, loop);
	/* Nobody is worse off without a keeper, but that such a primary cannot be upgraded. */
	numbers_init(&store->numbers, STORE_FIRST_FREE, !store->keeper.nobody);
	store->max = most_kept();
	return listen_fds_take(take_one, store);
}

int store_hand_on(const struct store *store, struct handon *handon)
{
	char name[NUMBERS_NAME_ROOM];
	int error = 0;

	for (uint32_t i = 1; i < store->numbers.count && !error; i++) {
		if (!numbers_has(&store->numbers, i))
			continue;
		numbers_name(&store->numbers, i, name);
		error = handon_add(handon, name, store->numbers.of[i].fd);
	}
	return error ? error : keeper_hand_on(&store->keeper);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	keeper_close(&store->keeper);
	numbers_destroy(&store->numbers);
	free(store);
}
