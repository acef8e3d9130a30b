/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secondaries of an earlier life. They have not noticed anything: their socket's other end was
 * held by the store. What their predecessor's queue still had for them is lost, so they are told
 * again (grant_repeat).
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "fd.h"
#include "journal.h"
#include "log.h"
#include "primary.h"
#include "resume.h"
#include "secondary.h"
#include "state.h"
#include "store.h"

static void restore_lanes(struct secondary *s, struct journal_secondary *record)
{
	const struct primary *primary = s->primary;
	const uint64_t *sent = journal_sent_of(primary, record);
	const struct journal_lane *lanes = journal_lanes_of(primary, record);

	/* Generation 0 never was: the memory is sent again, and ignored where it is there. */
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		s->devices[i].session = sent[i];
	for (uint32_t i = 1; i < s->lane_entries; i++)
		if (lanes[i].session && lanes[i].device < primary->conf->max_devices)
			(void)secondary_lane_adopt(s, i, lanes[i].device, lanes[i].session,
						   lanes[i].vring);
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

	if (record->nr_globs > JOURNAL_GLOBS || fds[0] < 0 || fds[1] < 0 || fds[2] < 0)
		return -ENOENT;
	for (uint32_t i = 0; i < record->nr_globs; i++)
		globs[i] = record->globs[i];
	return secondary_adopt(primary, slot, &identity, record->id, fds[0], fds[1], fds[2],
			       ret_secondary);
}

static void restore(struct primary *primary, uint32_t slot, struct journal_secondary *record)
{
	struct store *store = primary->store;
	int fds[3] = {store_get(store, record->socket), store_get(store, record->pidfd),
		      store_get(store, record->lane)};
	struct secondary *s;
	int error = adopt(primary, slot, record, fds, &s);

	if (error) {
		log_error("resume", "secondary %s cannot be taken over: %s; it attaches again",
			  record->name, strerrordesc_np(-error));
		if (fds[0] >= 0)
			(void)shutdown(fds[0], SHUT_RDWR);
		hf_fd_close_all(fds, 3);
		record->id = 0;
		return;
	}
	store_reference(store, s->stored.socket = record->socket);
	store_reference(store, s->stored.pidfd = record->pidfd);
	store_reference(store, s->stored.lane = record->lane);
	s->attached_ns = record->attached_ns;
	store_reference(store, record->state);
	s->state = state_adopt(store_get(store, record->state));
	if (record->draining)
		secondary_set_draining(s, true);
	restore_lanes(s, record);
}

int resume_secondaries(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct journal_secondary *record = journal_secondary_at(primary, i);

		if (record->id)
			restore(primary, i, record);
	}
	return 0;
}
