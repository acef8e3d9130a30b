/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "journal.h"
#include "log.h"
#include "memory.h"
#include "primary.h"
#include "store.h"

#define TAG	      "history"
#define HISTORY_MAGIC 0x315453484653484full /* "OHSFHST1" */

/* In the memory. Only primaries map it. */
struct past {
	uint64_t magic;
	uint64_t bytes; /* of this structure, as compiled */
	struct continuity totals;
	struct event_ring events;
};

struct history {
	struct hf_memory memory;
	struct past *past;
};

/*
 * -ENOENT: there is none, or it is another release's, which is no reason not to start. What cannot
 * be had for the moment is still named by the journal, and stays stored for a later life.
 */
static int adopt(struct history *history, struct primary *primary)
{
	uint32_t number = primary->journal->header->history;
	int fd = number ? store_get(primary->store, number) : -ENOENT;
	int error = fd < 0 ? fd : hf_memory_adopt(&history->memory, fd);

	if (error && error != -ENOENT)
		store_reference(primary->store, number);
	if (error)
		return error;
	history->past = history->memory.base;
	if (history->memory.size < sizeof(*history->past) ||
	    history->past->magic != HISTORY_MAGIC ||
	    history->past->bytes != sizeof(*history->past)) {
		hf_memory_destroy(&history->memory);
		return -ENOENT;
	}
	store_reference(primary->store, number);
	return 0;
}

static int make(struct history *history, struct primary *primary)
{
	uint32_t number;
	int error = hf_memory_create(&history->memory, "holdfast-history", sizeof(struct past),
				     HF_NODE_ANY, false);

	if (error)
		return error;
	history->past = history->memory.base;
	history->past->magic = HISTORY_MAGIC;
	history->past->bytes = sizeof(*history->past);
	number = store_add(primary->store, 'h', history->memory.fd);
	if (!number)
		return -EMFILE;
	store_reference(primary->store, number);
	primary->journal->header->history = number;
	return 0;
}

static void free_history(struct history *history)
{
	if (history)
		hf_memory_destroy(&history->memory);
	free(history);
}

static int keep(struct primary *primary)
{
	struct history *history = calloc(1, sizeof(*history));
	int error;

	if (!history)
		return -ENOMEM;
	history->memory.fd = -1;
	error = adopt(history, primary);
	if (error == -ENOENT)
		error = make(history, primary);
	if (error) {
		free_history(history);
		return error;
	}
	primary->history = history;
	primary->continuity = history->past->totals;
	events_use(primary->events, &history->past->events);
	return 0;
}

int history_open(struct primary *primary)
{
	int error;

	primary->events = events_create();
	if (!primary->events)
		return -ENOMEM;
	error = primary->journal ? keep(primary) : 0;
	if (error)
		log_warning(TAG,
			    "past events would be lost with this primary: %s; free memory or "
			    "descriptors",
			    strerror(-error));
	return 0;
}

void history_close(struct primary *primary)
{
	if (primary->events)
		events_destroy(primary->events);
	primary->events = NULL;
	free_history(primary->history);
	primary->history = NULL;
}

void history_note(struct primary *primary)
{
	if (primary->history)
		primary->history->past->totals = primary->continuity;
}
