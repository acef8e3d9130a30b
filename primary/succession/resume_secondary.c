/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secondaries of an earlier life. They have not noticed anything: their socket's other end was
 * held by the store. What their predecessor's queue still had for them is lost, so they are told
 * again (grant_repeat).
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "directory.h"
#include "fd.h"
#include "foreign.h"
#include "journal.h"
#include "lane_entries.h"
#include "log.h"
#include "order.h"
#include "peer.h"
#include "primary.h"
#include "process.h"
#include "resume.h"
#include "secondary.h"
#include "secondary_life.h"
#include "secondary_publish.h"
#include "state.h"
#include "store.h"

/* 0 or -ENOMEM: an entry that is not known to be in use would be given to another ring. */
static int restore_lanes(struct secondary *s, struct journal_secondary *record)
{
	const struct primary *primary = s->primary;
	const uint64_t *sent = journal_sent_of(record);
	const struct journal_lane *lanes = journal_lanes_of(primary, record);
	int error = 0;

	/* Generation 0 never was: the memory is sent again, and ignored where it is there. */
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		s->devices[i].session = sent[i];
	for (uint32_t i = 1; i < s->lane_entries && error != -ENOMEM; i++)
		if (lanes[i].session && lanes[i].device < primary->conf->max_devices)
			error = secondary_lane_adopt(s, i, lanes[i].device, lanes[i].session,
						     lanes[i].vring);
	return error == -ENOMEM ? error : 0;
}

/* By the rules of this life. Who has memory of a device that it may not have now must not keep it:
 * -EACCES. That nobody says whose it is says nothing about it: the next life asks again. */
static int still_allowed(const struct primary *primary, struct journal_secondary *record,
			 int socket, uint32_t *ret_allowed)
{
	const struct allow_rules *rules = &primary->conf->attach_rules;
	const uint64_t *sent = journal_sent_of(record);
	struct peer peer;

	peer_of(socket, &peer);
	if (!peer.known)
		return -EAGAIN;
	*ret_allowed = allow_attach(rules, &peer);
	for (uint32_t i = 0; *ret_allowed && i < primary->conf->max_devices; i++)
		if (sent[i] && !allow_port(rules, *ret_allowed,
					   hf_directory_device(&primary->directory, i)->name))
			return -EACCES;
	return *ret_allowed ? 0 : -EACCES;
}

static int adopt(struct primary *primary, uint32_t slot, struct journal_secondary *record,
		 const int fds[3], struct secondary **ret_secondary)
{
	char *globs[JOURNAL_GLOBS];
	struct secondary_identity identity = {
		.name = record->name,
		.role = record->role,
		.priority = record->priority,
		.globs = globs,
		.nr_globs = record->nr_globs,
		.version = record->version,
		.membarrier = record->membarrier,
		.pid = record->pid,
		.uid = record->uid,
	};
	int error;

	for (uint32_t i = 0; i < 3; i++)
		if (fds[i] < 0)
			return fds[i];
	if (!journal_secondary_sound(record))
		return -ENOENT;
	for (uint32_t i = 0; i < record->nr_globs; i++)
		globs[i] = record->globs[i];
	error = still_allowed(primary, record, fds[0], &identity.allowed);
	if (error)
		return error;
	return secondary_adopt(primary, slot, &identity, record->id, fds[0], fds[1], fds[2],
			       ret_secondary);
}

static bool owns(const struct hf_shm_vring *vring, uint32_t slot)
{
	/* In a place that no device ever had the owner is zero, and so is the entry. */
	return hf_read_once(&vring->owner) == slot && hf_read_once(&vring->lane_entry);
}

/* Does the directory say that it runs a ring? */
static bool owns_any(const struct primary *primary, uint32_t slot)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct hf_shm_device *device = hf_directory_device(&primary->directory, i);

		for (uint32_t v = 0; v < HF_SHM_MAX_VRINGS; v++)
			if (owns(&device->vrings[v], slot))
				return true;
	}
	return false;
}

/*
 * Without its descriptors nobody can ask it to stop, nor see that it has: before its rings are
 * another's it must be dead. Who runs nothing just attaches again.
 */
static int give_up(struct primary *primary, uint32_t slot, struct journal_secondary *record,
		   int fds[3], int why)
{
	bool runs = owns_any(primary, slot);
	/* What a rule gave it, it has until it is killed; where no ring's position is asked for,
	 * nobody waits for its death: its own file system could put that off for ever. */
	bool killed = why == -EACCES || runs;
	int error = killed ? process_end(record->pid, record->start, runs) : 0;

	log_error("resume", "secondary %s cannot be taken over, %s: %s", record->name,
		  why == -EACCES ? "no rule allows what it has any more (--allow-attach)"
				 : "nobody kept its descriptors",
		  error	   ? "it cannot be killed, or does not die; trying again"
		  : killed ? "it was killed"
			   : "it attaches again");
	foreign_close_socket(NULL, &fds[0]);
	hf_fd_close_all(fds, 3);
	if (!error)
		record->id = record->state = 0;
	return error;
}

/* -errno: what it needs cannot be had now. It may be had by the next life. */
static int restore(struct primary *primary, uint32_t slot, struct journal_secondary *record)
{
	struct store *store = primary->store;
	int fds[3] = {store_get(store, record->socket), store_get(store, record->pidfd),
		      store_get(store, record->lane)};
	struct secondary *s;
	int error = adopt(primary, slot, record, fds, &s);

	if (error == -ENOENT || error == -EACCES)
		return give_up(primary, slot, record, fds, error);
	if (error) {
		hf_fd_close_all(fds, 3);
		return error;
	}
	store_reference(store, s->stored.socket = record->socket);
	store_reference(store, s->stored.pidfd = record->pidfd);
	store_reference(store, s->stored.lane = record->lane);
	s->attached_ns = record->attached_ns;
	store_reference(store, record->state);
	s->state = state_adopt(store_get(store, record->state));
	s->said_bye = record->parting == JOURNAL_SAID_BYE;
	s->cut = record->parting != JOURNAL_STAYS; /* resume_go_on lets it go */
	if (record->draining)
		secondary_set_draining(s, true);
	return restore_lanes(s, record);
}

int resume_secondaries(struct primary *primary)
{
	int error = 0;

	for (uint32_t i = 0; i < primary->conf->max_secondaries && !error; i++) {
		struct journal_secondary *record = journal_secondary_at(primary, i);

		if (record->id)
			error = restore(primary, i, record);
	}
	return error;
}
