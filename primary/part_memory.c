/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the primary works in: the loop, and all memory that outlives it. An earlier life may have
 * left the latter; then numbers and sizes are its.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "attach.h"
#include "clock.h"
#include "history.h"
#include "holdfastd.h"
#include "journal.h"
#include "log.h"
#include "placement.h"
#include "port.h"
#include "ports.h"
#include "store.h"
#include "watchdog.h"

int holdfastd_out_of_memory(void)
{
	log_error(TAG, "out of memory: %m; free some, or lower --max-devices");
	return -ENOMEM;
}

static int make_loop(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	p->conf = &d->conf;
	p->features_enabled = port_supported_features();
	p->resumed.life = 1;
	p->next_grant = 2;
	p->next_session = 1;
	p->next_flush = 1;
	p->next_secondary = 1;
	p->started_ns = hf_now_ns();
	p->loop = loop_create();
	return p->loop ? 0 : holdfastd_out_of_memory();
}

static void free_loop(struct holdfastd *d)
{
	loop_destroy(d->primary.loop);
}

/* Numbers and sizes are those of the life before. */
static void take_numbers(struct holdfastd *d)
{
	const struct journal_header *h = d->primary.journal->header;
	struct primary *p = &d->primary;

	if (h->max_devices != d->conf.max_devices || h->max_secondaries != d->conf.max_secondaries)
		log_notice(TAG,
			   "--max-devices and --max-secondaries stay %u and %u until all is "
			   "started anew",
			   h->max_devices, h->max_secondaries);
	d->conf.max_devices = h->max_devices;
	d->conf.max_secondaries = h->max_secondaries;
	p->resumed.life = h->lives + 1;
	p->next_grant = h->next_grant;
	p->next_session = h->next_session;
	/* No answer to an earlier life's Flush is one to ours. */
	p->next_flush = (h->lives << 32) + 1;
	p->next_secondary = h->next_secondary;
	p->features_enabled = h->features_enabled;
}

static void on_stored(void *context)
{
	attach_stored_all(context);
	port_stored_all(context);
}

/* Did an earlier life leave descriptors? */
static int open_store(struct holdfastd *d)
{
	struct primary *p = &d->primary;
	int error;

	error = store_open(p->loop, &p->store);
	if (!p->store)
		return holdfastd_out_of_memory();
	store_on_drained(p->store, on_stored, p);
	if (!error)
		error = journal_adopt(p);
	d->resumed = !error;
	if (d->resumed) {
		take_numbers(d);
		journal_drop_listeners(p);
	} else if (error == -ENOENT)
		store_drop_unreferenced(p->store);
	else
		log_error(TAG, "cannot take what an earlier life left: %s; trying again",
			  strerror(-error));
	return error == -ENOENT ? 0 : error;
}

static void close_store(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	journal_close(p);
	if (p->store && d->stop_by_ns)
		store_forget_all(p->store);
	store_close(p->store);
	p->store = NULL;
}

bool holdfastd_is_kept(const struct holdfastd *d)
{
	enum store_keeps keeps = store_keeps(d->primary.store);

	return keeps == STORE_KEEPS || keeps == STORE_LATE;
}

static int start_watchdog(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	return watchdog_open(p->loop, p->store, &p->watchdog) ? holdfastd_out_of_memory() : 0;
}

static void stop_watchdog(struct holdfastd *d)
{
	watchdog_close(d->primary.watchdog);
}

static int make_tables(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	p->ports = calloc(d->conf.max_devices, sizeof(struct port *));
	p->secondaries = calloc(d->conf.max_secondaries, sizeof(struct secondary *));
	return p->ports && p->secondaries ? 0 : holdfastd_out_of_memory();
}

static void free_tables(struct holdfastd *d)
{
	struct primary *p = &d->primary;

	free(p->secondaries);
	free(p->ports);
}

static int adopt_directory(struct holdfastd *d)
{
	struct primary *p = &d->primary;
	int fd = store_get(p->store, STORE_DIRECTORY);
	int error = fd < 0 ? fd : hf_memory_adopt(&p->directory_memory, fd);

	if (!error)
		error = hf_directory_adopt(&p->directory, &p->directory_memory);
	/* Both were made by one life: every slot of the one is in the other. */
	if (!error && (p->directory.header.max_devices != d->conf.max_devices ||
		       p->directory.header.max_secondaries != d->conf.max_secondaries))
		error = -EINVAL;
	if (error)
		log_error(TAG, "cannot take over the directory: %s", strerror(-error));
	else
		store_reference(p->store, STORE_DIRECTORY);
	return error;
}

/* The journal is stored last: with it, there is something to take over. */
static int keep_directory(struct holdfastd *d)
{
	struct primary *p = &d->primary;
	int error = store_put(p->store, STORE_DIRECTORY, 'd', p->directory_memory.fd);

	if (!error)
		error = journal_create(p);
	if (error)
		log_error(TAG,
			  "cannot make the journal: %s; free some memory, or lower --max-devices",
			  strerror(-error));
	return error;
}

static int make_directory(struct holdfastd *d)
{
	struct primary *p = &d->primary;
	uint64_t epoch = 0;
	int error;

	if (d->resumed)
		return adopt_directory(d);
	error = hf_memory_create(&p->directory_memory, "holdfast-directory",
				 hf_directory_size(d->conf.max_devices, d->conf.max_secondaries),
				 placement_node(), d->conf.huge_pages);
	if (error) {
		log_error(TAG, "no memory for the directory: %s; lower --max-devices",
			  strerror(-error));
		return error;
	}
	while (!epoch)
		if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
			epoch = hf_now_ns();
	error = hf_directory_format(&p->directory, &p->directory_memory, d->conf.max_devices,
				    d->conf.max_secondaries, epoch);
	return error ? error : keep_directory(d);
}

static void free_directory(struct holdfastd *d)
{
	hf_memory_destroy(&d->primary.directory_memory);
}

static int open_history(struct holdfastd *d)
{
	return history_open(&d->primary) < 0 ? holdfastd_out_of_memory() : 0;
}

static void close_history(struct holdfastd *d)
{
	history_close(&d->primary);
}

/* What no record names: an earlier life died before it was written, or after it was replaced. */
static int drop_rest(struct holdfastd *d)
{
	if (d->resumed)
		store_drop_unreferenced(d->primary.store);
	return 0;
}

const struct part part_loop = {make_loop, free_loop};
const struct part part_store = {open_store, close_store};
const struct part part_watchdog = {start_watchdog, stop_watchdog};
const struct part part_tables = {make_tables, free_tables};
const struct part part_directory = {make_directory, free_directory};
const struct part part_history = {open_history, close_history};
const struct part part_rest = {drop_rest, NULL};
