/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports in the journal, with their sessions and devices.
 *
 * Order of a commit: new descriptors go to the store; positions are written; the copy that is not
 * valid is filled; `valid` names it; descriptors that only the old copy had are taken out of the
 * store. Whoever dies in between leaves the old copy or the new one, and at worst descriptors that
 * no record names: its successor takes those out.
 */
#include "journal_port.h"

#include <string.h>

#include "check.h"
#include "device.h"
#include "journal.h"
#include "order.h"
#include "port.h"
#include "primary.h"
#include "session.h"
#include "store.h"

static_assert(JOURNAL_REMOVED == SESSION_REMEMBERED, "the session's memory of removed regions");
static_assert(JOURNAL_REPLY >= sizeof(((struct session *)0)->reply.bytes), "a whole reply");

void journal_position(const struct vring *vring)
{
	const struct device *device = vring->device;
	uint64_t word = JOURNAL_POSITION | (uint64_t)vring->leftovers << 32 |
			(uint64_t)vring->base_used << 16 | vring->base;

	if (!device->primary->journal)
		return;
	if (vring->ahead || (device->port->session && device->port->session->in_hand))
		word |= JOURNAL_AHEAD;
	hf_store_release(&journal_slot(device->primary, device->slot)->positions[vring->index],
			 word);
}

static void keep(struct store *store, uint32_t *number, char kind, int fd)
{
	if (fd < 0)
		*number = 0;
	else if (!*number)
		*number = store_add(store, kind, fd);
}

void journal_keep(struct port *port)
{
	struct store *store = port->primary->store;
	struct device *device = &port->device;

	keep(store, &port->listener_stored, STORE_LISTENER, port->listener);
	if (!port->session)
		return;
	keep(store, &port->session->stored, 's', port->session->socket);
	for (uint32_t i = 0; i < device->memory.count; i++)
		keep(store, &device->regions_stored[i], 'r', device->region_fds[i]);
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		struct vring *vring = &device->vrings[i];

		keep(store, &vring->stored.kick, 'k', vring->kick);
		keep(store, &vring->stored.call, 'c', vring->call);
		keep(store, &vring->stored.err, 'e', vring->err);
	}
}

void journal_each_number(struct store *store, const struct journal_port *copy,
			 void (*visit)(struct store *store, uint32_t number))
{
	visit(store, copy->listener);
	if (!copy->session)
		return;
	visit(store, copy->socket);
	for (uint32_t i = 0; i < copy->nr_regions; i++)
		visit(store, copy->region_fds[i]);
	for (uint32_t i = 0; i < copy->nr_vrings; i++) {
		visit(store, copy->vrings[i].kick);
		visit(store, copy->vrings[i].call);
		visit(store, copy->vrings[i].err);
	}
}

static uint32_t number_of(int fd, uint32_t stored)
{
	return fd >= 0 && !stored ? JOURNAL_NOT_KEPT : stored;
}

static void fill_vring(struct journal_vring *to, const struct vring *from)
{
	*to = (struct journal_vring){
		.desc_user = from->desc_user,
		.avail_user = from->avail_user,
		.used_user = from->used_user,
		.log_gpa = from->log_gpa,
		.addr_flags = from->addr_flags,
		.kick = number_of(from->kick, from->stored.kick),
		.call = number_of(from->call, from->stored.call),
		.err = number_of(from->err, from->stored.err),
		.size = from->size,
		.address_given = from->address_given,
		.has_kick = from->has_kick,
		.started = from->started,
		.suspended = from->suspended,
		.enabled = from->enabled,
		.broken = from->broken,
		.has_backend = from->has_backend,
		.deaths = from->deaths,
	};
}

static void fill_device(struct journal_port *to, const struct device *from)
{
	to->features = from->features;
	to->features_set = from->features_set;
	to->protocol_features = from->protocol_features;
	to->mem_generation = from->mem_generation;
	to->mtu = from->mtu;
	to->status = from->status;
	to->status_seen = from->status_seen;
	to->node = from->node;
	to->descriptors_most = (uint16_t)min_u64(from->descriptors.most, UINT16_MAX);
	to->nr_regions = from->memory.count;
	memcpy(to->regions, from->memory.regions, from->memory.count * sizeof(to->regions[0]));
	memcpy(to->region_fds, from->regions_stored,
	       from->memory.count * sizeof(to->region_fds[0]));
	/* All of them: `enabled` alone does not count as touched. */
	to->nr_vrings = HF_SHM_MAX_VRINGS;
	while (to->nr_vrings > device_nr_vrings(from) && !from->vrings[to->nr_vrings - 1].enabled)
		to->nr_vrings--;
	for (uint32_t i = 0; i < to->nr_vrings; i++)
		fill_vring(&to->vrings[i], &from->vrings[i]);
}

static void fill_session(struct journal_port *to, const struct session *from)
{
	to->session = from->number;
	to->socket = from->stored;
	to->opening = from->port->opening;
	to->owner_start = from->owner_start;
	to->peer_pid = from->port->peer_pid;
	to->greeted = from->greeted;
	to->ready = from->ready;
	to->offered = from->offered;
	to->messages = from->messages;
	to->nr_removed = from->nr_removed;
	memcpy(to->removed, from->removed, sizeof(to->removed));
	to->message = (struct journal_message){.id = from->message_id,
					       .bytes = from->in_socket,
					       .reply_bytes = (uint32_t)from->reply.len};
	memcpy(to->message.reply, from->reply.bytes, sizeof(from->reply.bytes));
}

static void fill_port(struct journal_port *to, const struct port *from)
{
	memcpy(to->name, from->name, sizeof(to->name));
	memcpy(to->path, from->path, sizeof(to->path));
	to->queue_pairs = from->queue_pairs;
	to->client = from->client;
	to->cuse = from->cuse != NULL;
	to->features_disabled = from->features_disabled;
	to->sessions = from->sessions;
	to->refused_messages = from->refused_messages;
	to->last_features = from->last_features;
	to->last_session = from->last_session;
	to->listener = from->listener_stored;
	to->socket_dev = from->socket_dev;
	to->socket_ino = from->socket_ino;
	to->session = 0;
	to->mem_generation = from->device.mem_generation;
	to->message = (struct journal_message){0};
	if (!from->session)
		return;
	fill_device(to, &from->device);
	fill_session(to, from->session);
}

/* What was said of the port that had the slot before. Nobody reads it until there is a copy. */
static void clear_words(struct journal_slot *slot)
{
	slot->dirty = slot->removing = slot->deaths = 0;
	slot->answered = slot->consumed = slot->ending = slot->rarp = 0;
	memset(slot->positions, 0, sizeof(slot->positions));
	memset(&slot->lost, 0, sizeof(slot->lost));
	for (uint32_t i = 0; i < JOURNAL_REQUESTS; i++)
		slot->requests[i].unique = 0;
}

void journal_commit(struct port *port)
{
	struct primary *primary = port->primary;
	struct journal_slot *slot = journal_slot(primary, port->device.slot);
	uint32_t old = slot->valid, next = old == 1 ? 2 : 1;

	if (!old)
		clear_words(slot);
	journal_keep(port);
	for (uint32_t i = 0; port->session && i < HF_SHM_MAX_VRINGS; i++)
		journal_position(&port->device.vrings[i]);
	fill_port(&slot->copies[next - 1], port);
	journal_each_number(primary->store, &slot->copies[next - 1], store_reference);
	hf_store_release(&slot->valid, next);
	if (!port->session) {
		slot->dirty = slot->deaths = 0;
		slot->rarp = 0;
	}
	if (old)
		journal_each_number(primary->store, &slot->copies[old - 1], store_release);
}

void journal_port(struct port *port)
{
	if (port->primary->journal && !(port->session && port->session->in_hand))
		journal_commit(port);
}

static bool is_whole(const struct port *port)
{
	const struct device *device = &port->device;
	bool whole = port->listener < 0 || port->listener_stored;

	if (!port->session)
		return whole;
	whole = whole && (port->session->stored || port->session->socket < 0);
	for (uint32_t i = 0; i < device->memory.count; i++)
		whole = whole && device->regions_stored[i];
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		const struct vring *vring = &device->vrings[i];

		whole = whole && (vring->kick < 0 || vring->stored.kick) &&
			(vring->call < 0 || vring->stored.call) &&
			(vring->err < 0 || vring->stored.err);
	}
	return whole;
}

bool journal_whole(struct primary *primary)
{
	const struct journal_header *h = primary->journal->header;
	bool whole = h->attach_listener.number && h->control_listener.number;

	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct port *port = primary->ports[i];

		if (!port)
			continue;
		journal_port(port);
		whole = is_whole(port) && whole;
	}
	return whole;
}

void journal_port_gone(struct port *port)
{
	struct primary *primary = port->primary;
	struct journal_slot *slot;
	uint32_t old;

	if (!primary->journal)
		return;
	slot = journal_slot(primary, port->device.slot);
	old = slot->valid;
	hf_store_release(&slot->valid, 0u);
	if (old)
		journal_each_number(primary->store, &slot->copies[old - 1], store_release);
	store_release(primary->store, slot->lost.state);
	slot->lost.state = 0;
}

void journal_removing(struct port *port)
{
	if (port->primary->journal)
		hf_store_release(&journal_slot(port->primary, port->device.slot)->removing, 1u);
}
