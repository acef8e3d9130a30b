/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports and sessions of an earlier life.
 *
 * The draft comes from the journal's valid copy; who runs which vring from the directory's grant
 * words, which live on; positions of vrings that nobody runs from the journal's words. The draft is
 * what was true after the last message that was acted on. If the next one was begun, directory and
 * secondaries may be ahead of it: then all rings of the device are taken back, which brings both
 * together, and the message, which is still in the socket, is handled from the start.
 *
 * Everything here may itself be cut off at any instant: nothing is written to the journal before
 * it is true, and nothing of the journal's is taken away before it is replaced.
 */
#include "resume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "blame.h"
#include "clock.h"
#include "cuse.h"
#include "device.h"
#include "directory.h"
#include "door.h"
#include "fd.h"
#include "grant.h"
#include "grant_vring.h"
#include "headroom.h"
#include "journal.h"
#include "lane.h"
#include "lane_entries.h"
#include "log.h"
#include "memtab.h"
#include "order.h"
#include "port.h"
#include "ports.h"
#include "primary.h"
#include "program.h"
#include "publish.h"
#include "repeat.h"
#include "secondary.h"
#include "secondary_life.h"
#include "session.h"
#include "session_end.h"
#include "session_life.h"
#include "state.h"
#include "store.h"
#include "stream.h"

/* So many primaries in a row that died of one message, or of taking its session over, are no
 * chance: the next one ends it, for the others' sake. */
#define DEATHS_OF_ONE 8u

/* A duplicate of what is stored; -1 for number 0. False: it should be there, and is not. */
static bool take_fd(struct primary *primary, uint32_t number, int *ret_fd)
{
	*ret_fd = number ? store_get(primary->store, number) : -1;
	return !number || *ret_fd >= 0;
}

/* --- the device --- */

static bool restore_memory(struct device *device, const struct journal_port *record)
{
	uint32_t at;

	for (uint32_t i = 0; i < record->nr_regions; i++) {
		if (!take_fd(device->primary, record->region_fds[i], &device->region_fds[i]) ||
		    device->region_fds[i] < 0)
			return false;
		/* A table that no front-end can have given. */
		if (hf_memtab_add(&device->memory, &record->regions[i], &at)) {
			hf_fd_close(&device->region_fds[i]);
			return false;
		}
		if (at != i)
			return false;
		device->regions_stored[i] = record->region_fds[i];
	}
	return true;
}

static void restore_position(struct vring *vring, uint64_t word)
{
	if (!(word & JOURNAL_POSITION))
		return;
	vring->base = (uint16_t)word;
	vring->base_used = (uint16_t)(word >> 16);
	vring->leftovers = (uint16_t)(word >> 32);
	vring->ahead = word & JOURNAL_AHEAD;
}

static bool restore_vring(struct vring *vring, const struct journal_vring *record)
{
	struct primary *primary = vring->device->primary;

	vring->desc_user = record->desc_user;
	vring->avail_user = record->avail_user;
	vring->used_user = record->used_user;
	vring->log_gpa = record->log_gpa;
	vring->addr_flags = record->addr_flags;
	vring->size = record->size;
	vring->address_given = record->address_given;
	vring->has_kick = record->has_kick;
	vring->started = record->started;
	vring->suspended = record->suspended;
	vring->enabled = record->enabled;
	vring->broken = record->broken;
	vring->has_backend = record->has_backend;
	vring->deaths = blame_kept(record->deaths);
	vring->stored.kick = record->kick;
	vring->stored.call = record->call;
	vring->stored.err = record->err;
	return take_fd(primary, record->kick, &vring->kick) &&
	       take_fd(primary, record->call, &vring->call) &&
	       take_fd(primary, record->err, &vring->err);
}

static void restore_rarp(struct device *device)
{
	uint64_t word = journal_slot(device->primary, device->slot)->rarp;

	device->rarp_unsent = word & JOURNAL_RARP;
	memcpy(device->rarp, &word, sizeof(device->rarp));
}

static bool restore_device(struct device *device, const struct journal_port *record)
{
	const struct journal_slot *slot = journal_slot(device->primary, device->slot);
	bool whole = restore_memory(device, record);

	device->session = record->session;
	device->features = record->features;
	device->features_set = record->features_set;
	device->protocol_features = record->protocol_features;
	device->mtu = record->mtu;
	device->status = record->status;
	device->status_seen = record->status_seen;
	device->node = record->node;
	restore_rarp(device);
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		struct vring *vring = &device->vrings[i];

		if (i < record->nr_vrings)
			whole = restore_vring(vring, &record->vrings[i]) && whole;
		restore_position(vring, hf_read_once(&slot->positions[i]));
		vring_locate(vring);
	}
	device->descriptors.most = record->descriptors_most;
	headroom_note(device);
	return whole;
}

/* --- who runs it --- */

static struct secondary *owner_of(const struct primary *primary, const struct hf_shm_vring *slot)
{
	uint32_t owner = hf_read_once(&slot->owner), entry = hf_read_once(&slot->lane_entry);
	struct secondary *s =
		owner < primary->conf->max_secondaries ? primary->secondaries[owner] : NULL;

	return s && entry && entry < s->lane_entries ? s : NULL;
}

/* False: the directory and the draft do not say the same. */
static bool restore_owner(struct vring *vring)
{
	struct device *device = vring->device;
	struct hf_shm_vring *slot = &hf_directory_device(&device->primary->directory, device->slot)
					     ->vrings[vring->index];
	hf_shm_grant *granted =
		hf_directory_grant(&device->primary->directory, device->slot, vring->index);
	uint64_t word = hf_load_acquire(granted);

	vring->owner = owner_of(device->primary, slot);
	if (!vring->owner) {
		/* Whoever it was is dead, resume_secondary.c saw to that, and its lane is lost. */
		if (hf_read_once(&slot->owner) != HF_SHM_NO_OWNER)
			grant_vring_recover_without_lane(vring);
		hf_store_release(granted, (uint64_t)0);
		hf_store_release(&slot->owner, HF_SHM_NO_OWNER);
		return true;
	}
	vring->lane_entry = slot->lane_entry;
	vring->grant = word & ~HF_GRANT_ENABLED;
	if (!vring->grant)
		vring->grant = hf_read_once(&grant_lane(vring)->grant);
	vring->owner->nr_vrings++;
	device->owner = vring->owner;
	vring->ahead |= !vring_active(vring);
	return word && vring->started && !vring->broken &&
	       !(word & HF_GRANT_ENABLED) == !vring->enabled;
}

static bool restore_owners(struct device *device)
{
	const struct hf_shm_device *slot =
		hf_directory_device(&device->primary->directory, device->slot);
	bool agree = !(slot->seq & 1u) && slot->mem_generation == device->mem_generation;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		agree = restore_owner(&device->vrings[i]) && agree;
	/* A generation that was seen for another table is not used again. */
	if (slot->mem_generation > device->mem_generation)
		device->mem_generation = slot->mem_generation + 1;
	return agree;
}

/* The words of its last owner, who is gone, and what that one knew. */
static void restore_lost(struct device *device)
{
	const struct journal_lost *record = &journal_slot(device->primary, device->slot)->lost;
	struct lost_owner *lost = &device->lost;

	store_reference(device->primary->store, record->state);
	if (!record->id)
		return;
	lost->id = record->id;
	lost->how = record->how;
	lost->since_ns = record->since_ns;
	memcpy(lost->name, record->name, sizeof(lost->name));
	lost->state = state_adopt(store_get(device->primary->store, record->state));
}

/* --- the session and its message --- */

/* The steps after the message was acted on; see once.h. 0 or -errno: for another try. */
static int restore_message(struct session *session, const struct journal_port *record)
{
	const struct journal_message *message = &record->message;
	const struct journal_slot *slot = journal_slot(session->primary, session->device->slot);
	struct once *once = journal_once(session->primary);
	int error;

	session->message_id = message->id;
	/* A later one was refused, answered to nobody and taken out of the socket. */
	if (!message->id || slot->consumed >= message->id)
		return 0;
	session->in_socket = message->bytes;
	session->reply.len = message->reply_bytes;
	memcpy(session->reply.bytes, message->reply, sizeof(session->reply.bytes));
	/* An answer that was given already is given to nobody. */
	if (session->port->cuse)
		return 0;
	if (slot->answered < message->id && message->reply_bytes &&
	    !once_was_sent(once, message->id))
		return 0;
	/* Now, as the next answer or message to anybody takes the traces away. */
	session->reply.len = 0;
	journal_answered(session);
	error = once_consume(once, message->id, session->socket, session->in_socket);
	if (error)
		return error;
	journal_consumed(session);
	session->in_socket = 0;
	return 0;
}

static int restore_session(struct port *port, const struct journal_port *record)
{
	struct session *session;
	int socket;

	(void)take_fd(port->primary, record->socket, &socket);
	session = session_new(port, socket);
	if (!session) {
		hf_fd_close(&socket);
		return -ENOMEM;
	}
	session->stored = record->socket;
	session->number = record->session;
	session->greeted = record->greeted;
	session->ready = record->ready;
	session->offered = record->offered;
	session->messages = record->messages;
	session->nr_removed = record->nr_removed;
	memcpy(session->removed, record->removed, sizeof(session->removed));
	port->session = session;
	if (port->cuse) {
		port->opening = record->opening;
		session->owner_start = record->owner_start;
		port->peer_pid = record->peer_pid;
		return restore_message(session, record);
	}
	if (socket < 0)
		return 0;
	port->peer_pid = stream_peer_pid(socket);
	return restore_message(session, record);
}

/* NULL: it goes on. */
static const char *why_end(struct session *session, bool whole)
{
	uint32_t deaths = journal_count_deaths(session);

	if (journal_slot(session->primary, session->device->slot)->ending == session->number)
		return "it was being ended when the primary died";
	if (deaths >= DEATHS_OF_ONE)
		return "primary after primary died of what it says";
	return whole ? NULL : "its descriptors were lost with the primary";
}

static int restore_port(struct primary *primary, uint32_t slot, const struct journal_port *record)
{
	struct port *port = port_adopt(primary, slot, record,
				       record->cuse ? &vhost_net_door : &vhost_user_door);
	struct device *device;
	bool whole;
	int error = 0;

	if (!port)
		return -ENOMEM;
	device = &port->device;
	device->mem_generation = record->mem_generation;
	journal_each_number(primary->store, record, store_reference);
	if (record->session) {
		error = restore_session(port, record);
		if (error)
			return error;
		whole = restore_device(device, record) &&
			(port->session->socket >= 0 || (port->cuse && !record->socket));
		port->session->must_end = why_end(port->session, whole);
	}
	(void)take_fd(primary, record->listener, &port->listener);
	if (port->listener >= 0 && !port->cuse &&
	    !stream_listens(port->listener, record->socket_dev, record->socket_ino)) {
		/* Nobody can reach it; port_go_on listens anew. */
		hf_fd_close(&port->listener);
		port->listener_stored = 0;
	}
	if (port->cuse)
		cuse_restore(port);
	restore_lost(device);
	port->draft_behind = !restore_owners(device) || journal_slot(primary, slot)->dirty;
	if (device->owner) /* the pause was over, and told */
		device->lost.how = LOST_NOBODY;
	return 0;
}

/* Its front-end sees the end when what nobody names leaves the store, and its secondaries are told
 * to let go; until then they run nothing. */
static void give_up_port(const struct primary *primary, uint32_t slot)
{
	struct hf_shm_device *device = hf_directory_device(&primary->directory, slot);

	log_error("resume", "the journal of port %u is damaged: its session ends; add it again",
		  slot);
	hf_store_release(&journal_slot(primary, slot)->valid, 0u);
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		hf_store_release(hf_directory_grant(&primary->directory, slot, i), (uint64_t)0);
		hf_store_release(&device->vrings[i].owner, HF_SHM_NO_OWNER);
	}
	hf_lane_fence_all();
}

int resume_ports(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		const struct journal_port *record = journal_valid_port(primary, i);
		int error = 0;

		if (record && journal_port_sound(record))
			error = restore_port(primary, i, record);
		else if (record)
			give_up_port(primary, i);
		if (error)
			return error;
	}
	journal_handling(primary, 0); /* was counted */
	return 0;
}

/* --- going on --- */

/* A second death must find them so: what is written about them from now on is not all there. */
static void note_endings(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i] && primary->ports[i]->session &&
		    primary->ports[i]->session->must_end)
			journal_ending(primary->ports[i]->session);
}

/* May be the port's end. */
static void go_on(struct port *port)
{
	struct session *session = port->session;

	publish_device(&port->device);
	grant_repeat(&port->device, !port->draft_behind && !(session && session->must_end));
	if (port->removing) {
		port_stop(port, "the port is removed");
		return;
	}
	if (session && session->must_end)
		session_end(session, session->must_end);
	else if (session)
		session_take_over(session, port->draft_behind);
	port_go_on(port);
}

/* Whose parting the life before saw; what they ran is for those who have just been told. */
static void let_go(const struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *s = primary->secondaries[i];

		if (s && s->cut)
			secondary_leave(s, s->said_bye);
	}
}

void resume_go_on(struct primary *primary)
{
	struct resumed *resumed = &primary->resumed;

	note_endings(primary);
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *s = primary->secondaries[i];

		if (!s)
			continue;
		resumed->secondaries++;
		if (!journal_secondary_at(primary, i)->welcomed)
			attach_welcome(s);
		if (secondary_listen(s) < 0)
			secondary_leave(s, false);
		else
			grant_repeat_retire(s);
	}
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct port *port = primary->ports[i];

		if (!port)
			continue;
		resumed->sessions += port->session != NULL;
		go_on(port);
	}
	let_go(primary);
}

uint64_t resume_away_ns(void)
{
	const char *text = getenv(PROGRAM_ENDED_NS);
	uint64_t ended_ns = text ? strtoull(text, NULL, 10) : 0, now = hf_now_ns();

	unsetenv(PROGRAM_ENDED_NS); /* it is of this life only, whatever we may execute */
	return ended_ns && ended_ns < now ? now - ended_ns : 0;
}
