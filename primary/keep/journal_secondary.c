/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secondaries in the journal. What they are never changes; what they were sent, and which entry of
 * their lane is whose, are words of their own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "fd.h"
#include "journal.h"
#include "order.h"
#include "primary.h"
#include "process.h"
#include "secondary.h"
#include "state.h"
#include "store.h"

static_assert(JOURNAL_GLOBS == SECONDARY_MAX_GLOBS, "all of them");

struct journal_secondary *journal_secondary_at(const struct primary *primary, uint32_t slot)
{
	const struct journal_header *h = primary->journal->header;

	return (void *)((char *)primary->journal->memory.base + h->secondaries_offset +
			slot * h->secondary_stride);
}

uint64_t *journal_sent_of(struct journal_secondary *record)
{
	return (void *)(record + 1);
}

struct journal_lane *journal_lanes_of(const struct primary *primary,
				      struct journal_secondary *record)
{
	return (void *)(journal_sent_of(record) + primary->journal->header->max_devices);
}

static void fill(struct journal_secondary *to, const struct secondary *from)
{
	memcpy(to->name, from->name, sizeof(to->name));
	memcpy(to->version, from->version, sizeof(to->version));
	to->role = from->role;
	to->priority = from->priority;
	to->membarrier = from->membarrier;
	to->pid = from->pid;
	to->start = process_start(from->pid);
	to->uid = from->uid;
	to->attached_ns = from->attached_ns;
	to->lane_entries = from->lane_entries;
	to->socket = from->stored.socket;
	to->pidfd = from->stored.pidfd;
	to->lane = from->stored.lane;
	to->welcomed = to->draining = to->state = to->parting = 0;
	to->nr_globs = (uint32_t)from->nr_globs;
	for (uint32_t i = 0; i < to->nr_globs; i++)
		snprintf(to->globs[i], sizeof(to->globs[i]), "%s", from->globs[i]);
}

static void clear_words(const struct primary *primary, struct journal_secondary *record,
			uint32_t lane_entries)
{
	memset(journal_sent_of(record), 0,
	       primary->journal->header->max_devices * sizeof(uint64_t));
	memset(journal_lanes_of(primary, record), 0, lane_entries * sizeof(struct journal_lane));
}

static bool lane_fits(const struct primary *primary, const struct secondary *s)
{
	return s->lane.size <= primary->journal->header->lane_bytes;
}

int journal_secondary(struct secondary *s)
{
	struct primary *primary = s->primary;
	struct store *store = primary->store;
	struct journal_secondary *record;

	if (!primary->journal)
		return 0;
	record = journal_secondary_at(primary, s->slot);
	s->stored.socket = store_add(store, 'a', s->socket);
	s->stored.pidfd = store_add(store, 'p', s->pidfd);
	s->stored.lane = store_add(store, 'w', s->lane.fd);
	store_reference(store, s->stored.socket);
	store_reference(store, s->stored.pidfd);
	store_reference(store, s->stored.lane);
	if (!s->stored.socket || !s->stored.pidfd || !s->stored.lane || !lane_fits(primary, s))
		return -EMFILE;
	clear_words(primary, record, s->lane_entries);
	fill(record, s);
	hf_store_release(&record->id, s->id);
	return 0;
}

void journal_secondary_gone(struct secondary *s)
{
	struct primary *primary = s->primary;
	struct journal_secondary *record;

	if (!primary->journal)
		return;
	record = journal_secondary_at(primary, s->slot);
	hf_store_release(&record->id, (uint64_t)0);
	store_release(primary->store, record->state);
	record->state = 0;
	store_release(primary->store, s->stored.socket);
	store_release(primary->store, s->stored.pidfd);
	store_release(primary->store, s->stored.lane);
}

void journal_welcomed(struct secondary *s)
{
	if (s->primary->journal)
		hf_store_release(&journal_secondary_at(s->primary, s->slot)->welcomed, 1u);
}

/* The number of the state in the store, referenced; 0: none. */
static uint32_t keep_state(struct store *store, const struct state *state)
{
	uint32_t number = state ? store_add(store, 'm', state_fd(state)) : 0;

	store_reference(store, number);
	return number;
}

void journal_parting(struct secondary *s, uint32_t how)
{
	if (s->primary->journal)
		hf_store_release(&journal_secondary_at(s->primary, s->slot)->parting, how);
}

void journal_secondary_words(struct secondary *s)
{
	struct primary *primary = s->primary;
	struct journal_secondary *record;
	uint32_t old;

	if (!primary->journal)
		return;
	record = journal_secondary_at(primary, s->slot);
	old = record->state;
	hf_store_release(&record->state, keep_state(primary->store, s->state));
	hf_store_release(&record->draining, (uint32_t)s->draining);
	store_release(primary->store, old);
}

void journal_lost(struct device *device)
{
	const struct lost_owner *from = &device->lost;
	struct primary *primary = device->primary;
	struct journal_lost *to;
	uint32_t old;

	if (!primary->journal)
		return;
	to = &journal_slot(primary, device->slot)->lost;
	old = to->state;
	hf_store_release(&to->id, (uint64_t)0);
	to->state = keep_state(primary->store, from->state);
	to->how = from->how;
	to->since_ns = from->since_ns;
	memcpy(to->name, from->name, sizeof(to->name));
	hf_store_release(&to->id, from->id);
	store_release(primary->store, old);
}

void journal_rarp(const struct device *device, bool pending)
{
	uint64_t word = 0;

	if (!device->primary->journal)
		return;
	memcpy(&word, device->rarp, sizeof(device->rarp));
	hf_store_release(&journal_slot(device->primary, device->slot)->rarp,
			 pending ? word | JOURNAL_RARP : 0);
}

void journal_sent(struct secondary *s, uint32_t device, uint64_t session)
{
	if (!s->primary->journal)
		return;
	hf_store_release(&journal_sent_of(journal_secondary_at(s->primary, s->slot))[device],
			 session);
}

void journal_retired(struct secondary *s, uint32_t device, uint64_t session)
{
	uint64_t *sent;

	if (!s->primary->journal || device >= s->primary->conf->max_devices)
		return;
	sent = &journal_sent_of(journal_secondary_at(s->primary, s->slot))[device];
	if (*sent == session && s->devices[device].session != session)
		hf_store_release(sent, (uint64_t)0);
}

bool journal_has_sent(const struct secondary *s)
{
	const uint64_t *sent;

	if (!s->primary->journal)
		return false;
	sent = journal_sent_of(journal_secondary_at(s->primary, s->slot));
	for (uint32_t i = 0; i < s->primary->conf->max_devices; i++)
		if (sent[i])
			return true;
	return false;
}

void journal_lane(struct secondary *s, uint32_t entry, uint32_t device, uint64_t session,
		  uint32_t vring)
{
	struct journal_lane *lane;

	if (!s->primary->journal || !lane_fits(s->primary, s))
		return;
	lane = &journal_lanes_of(s->primary, journal_secondary_at(s->primary, s->slot))[entry];
	hf_store_release(&lane->session, (uint64_t)0);
	hf_write_once(&lane->device, device);
	hf_write_once(&lane->vring, vring);
	hf_store_release(&lane->session, session);
}
