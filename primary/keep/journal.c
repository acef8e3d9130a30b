/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the journal, and writing ports into it; secondaries are in journal_secondary.c.
 *
 * Order of a commit: new descriptors go to the store; positions are written; the copy that is not
 * valid is filled; `valid` names it; descriptors that only the old copy had are taken out of the
 * store. Whoever dies in between leaves the old copy or the new one, and at worst descriptors that
 * no record names: its successor takes those out.
 */
#include "journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "clock.h"
#include "device.h"
#include "fd.h"
#include "log.h"
#include "order.h"
#include "port.h"
#include "primary.h"
#include "session.h"
#include "store.h"
#include "stream.h"

#define TAG "journal"

/* No journal has more; what is below cannot overflow. */
#define COUNT_MAX 65536u
#define LANE_MAX  (1u << 30)

static_assert(JOURNAL_REMOVED == SESSION_REMEMBERED, "the session's memory of removed regions");
static_assert(JOURNAL_REPLY >= sizeof(((struct session *)0)->reply.bytes), "a whole reply");

/* --- making and finding it --- */

static uint64_t secondary_stride(uint32_t max_devices, uint64_t lane_bytes)
{
	return align_up(sizeof(struct journal_secondary) + max_devices * sizeof(uint64_t) +
				lane_bytes / sizeof(struct hf_lane_vring) *
					sizeof(struct journal_lane),
			HF_SHM_LINE);
}

/* The lane is rounded up to whole pages, hugepages at most. */
static uint64_t largest_lane(uint64_t lane_bytes)
{
	return align_up(lane_bytes, 2u << 20);
}

/* Where what is, by the three numbers that say how much there is of it. */
static void lay_out(struct journal_header *h)
{
	h->ports_offset = align_up(sizeof(*h), 4096);
	h->secondaries_offset =
		h->ports_offset + (uint64_t)h->max_devices * sizeof(struct journal_slot);
	h->secondary_stride = secondary_stride(h->max_devices, h->lane_bytes);
}

static void format(struct journal_header *h, const struct conf *conf, uint64_t size)
{
	h->version = JOURNAL_VERSION;
	h->abi_major = HF_ABI_MAJOR;
	h->size = size;
	h->port_bytes = sizeof(struct journal_slot);
	h->secondary_bytes = sizeof(struct journal_secondary);
	h->max_devices = conf->max_devices;
	h->max_secondaries = conf->max_secondaries;
	h->lane_bytes = largest_lane(conf->lane_bytes);
	lay_out(h);
	hf_store_release(&h->magic, JOURNAL_MAGIC);
}

static void write_numbers(struct journal_header *h, const struct primary *primary)
{
	hf_write_once(&h->next_grant, primary->next_grant);
	hf_write_once(&h->next_session, primary->next_session);
	hf_write_once(&h->next_secondary, primary->next_secondary);
	/* Last: what was numbered is used only after this returned. */
	hf_store_release(&h->features_enabled, primary->features_enabled);
}

static int store_pipes(struct journal *journal, struct store *store)
{
	const int fds[JOURNAL_PIPES] = {journal->once.answer[0],   journal->once.answer[1],
					journal->once.consumed[0], journal->once.consumed[1],
					journal->once.taken[0],	   journal->once.taken[1]};
	struct journal_header *h = journal->header;

	for (size_t i = 0; i < JOURNAL_PIPES; i++) {
		h->pipes[i] = store_add(store, 'o', fds[i]);
		if (!h->pipes[i])
			return -EMFILE;
		store_reference(store, h->pipes[i]);
	}
	hf_store_release(&h->pipes_stored, 1u);
	return 0;
}

static int make(struct primary *primary, struct journal *journal)
{
	const struct conf *conf = primary->conf;
	uint64_t size = align_up(sizeof(struct journal_header), 4096) +
			(uint64_t)conf->max_devices * sizeof(struct journal_slot) +
			conf->max_secondaries *
				secondary_stride(conf->max_devices, largest_lane(conf->lane_bytes));
	int error =
		hf_memory_create(&journal->memory, "holdfast-journal", size, HF_NODE_ANY, false);

	if (error)
		return error;
	journal->header = journal->memory.base;
	error = once_open(&journal->once);
	if (error)
		return error;
	journal->once.notes = &journal->header->once;
	error = store_pipes(journal, primary->store);
	if (error)
		return error;
	format(journal->header, conf, size);
	/* Before it is stored: from then on a successor believes them. */
	write_numbers(journal->header, primary);
	return store_put(primary->store, STORE_JOURNAL, 'j', journal->memory.fd);
}

static void destroy(struct journal *journal)
{
	once_close(&journal->once);
	hf_memory_destroy(&journal->memory);
	free(journal);
}

static struct journal *new_journal(void)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (!journal)
		return NULL;
	journal->memory.fd = -1;
	journal->once = (struct once){
		.answer = {-1, -1}, .consumed = {-1, -1}, .taken = {-1, -1}, .look = {-1, -1}};
	return journal;
}

int journal_create(struct primary *primary)
{
	struct journal *journal = primary->store ? new_journal() : NULL;
	int error;

	if (!primary->store)
		return 0;
	error = journal ? make(primary, journal) : -ENOMEM;
	if (error) {
		if (journal)
			destroy(journal);
		return error;
	}
	primary->journal = journal;
	return 0;
}

static bool is_ours(const struct journal_header *h, uint64_t size)
{
	return h->magic == JOURNAL_MAGIC && h->version == JOURNAL_VERSION &&
	       h->abi_major == HF_ABI_MAJOR && h->size <= size &&
	       h->port_bytes == sizeof(struct journal_slot) &&
	       h->secondary_bytes == sizeof(struct journal_secondary);
}

/* Every table where it has to be, and whole in `size` bytes. */
static bool is_laid_out(const struct journal_header *h, uint64_t size)
{
	struct journal_header must = *h;

	if (!h->max_devices || h->max_devices > COUNT_MAX || !h->max_secondaries ||
	    h->max_secondaries > COUNT_MAX || h->lane_bytes > LANE_MAX)
		return false;
	lay_out(&must);
	return h->ports_offset == must.ports_offset &&
	       h->secondaries_offset == must.secondaries_offset &&
	       h->secondary_stride == must.secondary_stride &&
	       range_inside(h->secondaries_offset, h->max_secondaries * h->secondary_stride, 0,
			    size);
}

static int take_pipes(struct primary *primary, struct journal *journal)
{
	struct journal_header *h = journal->header;
	int *const fds[JOURNAL_PIPES] = {&journal->once.answer[0],   &journal->once.answer[1],
					 &journal->once.consumed[0], &journal->once.consumed[1],
					 &journal->once.taken[0],    &journal->once.taken[1]};

	journal->once.notes = &h->once;
	for (size_t i = 0; i < JOURNAL_PIPES; i++) {
		*fds[i] = store_get(primary->store, h->pipes[i]);
		/* Not -ENOENT: there is a journal, and what it names is not given up for this. */
		if (*fds[i] < 0)
			return -EBADF;
		store_reference(primary->store, h->pipes[i]);
	}
	return once_open_rest(&journal->once);
}

int journal_adopt(struct primary *primary)
{
	int fd = primary->store ? store_get(primary->store, STORE_JOURNAL) : -ENOENT;
	struct journal *journal;
	int error;

	if (fd < 0)
		return fd;
	journal = new_journal();
	error = journal ? hf_memory_adopt(&journal->memory, fd) : -ENOMEM;
	if (error) {
		if (journal)
			destroy(journal);
		else
			hf_fd_close(&fd);
		return error;
	}
	journal->header = journal->memory.base;
	if (!is_ours(journal->header, journal->memory.size)) {
		log_error(TAG,
			  "an earlier holdfastd left a journal of version %u for shared memory %u, "
			  "this one has %u for %u: start the release that wrote it, or end the "
			  "supervisor to give up its sessions",
			  journal->header->version, journal->header->abi_major, JOURNAL_VERSION,
			  HF_ABI_MAJOR);
		destroy(journal);
		return -EPROTO;
	}
	if (!is_laid_out(journal->header, journal->memory.size)) {
		log_error(TAG, "the journal of an earlier holdfastd is damaged: end the supervisor "
			       "to give up its sessions");
		destroy(journal);
		return -EINVAL;
	}
	error = take_pipes(primary, journal);
	if (error) {
		destroy(journal);
		return error;
	}
	store_reference(primary->store, STORE_JOURNAL);
	journal->header->lives++;
	primary->journal = journal;
	return 0;
}

void journal_close(struct primary *primary)
{
	if (primary->journal)
		destroy(primary->journal);
	primary->journal = NULL;
}

uint64_t journal_life(const struct primary *primary)
{
	return primary->journal ? primary->journal->header->lives : 0;
}

struct once *journal_once(struct primary *primary)
{
	return primary->journal ? &primary->journal->once : NULL;
}

struct journal_slot *journal_slot(const struct primary *primary, uint32_t device)
{
	const struct journal_header *h = primary->journal->header;

	return (void *)((char *)primary->journal->memory.base + h->ports_offset +
			device * sizeof(struct journal_slot));
}

const struct journal_port *journal_valid_port(const struct primary *primary, uint32_t device)
{
	const struct journal_slot *slot = journal_slot(primary, device);
	uint32_t valid = hf_load_acquire(&slot->valid);

	return valid == 1 || valid == 2 ? &slot->copies[valid - 1] : NULL;
}

/* --- the words --- */

void journal_numbers(struct primary *primary)
{
	if (primary->journal)
		write_numbers(primary->journal->header, primary);
}

static struct journal_listener *listener_of(const struct primary *primary, bool control)
{
	struct journal_header *h = primary->journal->header;

	return control ? &h->control_listener : &h->attach_listener;
}

void journal_listener(struct primary *primary, bool control, int fd)
{
	struct journal_listener *record;
	uint32_t old;

	if (!primary->journal)
		return;
	record = listener_of(primary, control);
	old = record->number;
	hf_store_release(&record->number, 0u);
	(void)stream_file(fd, &record->dev, &record->ino);
	hf_store_release(&record->number, store_add(primary->store, STORE_LISTENER, fd));
	store_reference(primary->store, record->number);
	store_release(primary->store, old);
}

int journal_take_listener(struct primary *primary, bool control)
{
	struct journal_listener *record;
	int fd;

	if (!primary->journal)
		return -1;
	record = listener_of(primary, control);
	fd = store_get(primary->store, record->number);
	if (fd < 0)
		return -1;
	store_reference(primary->store, record->number);
	if (stream_listens(fd, record->dev, record->ino))
		return fd;
	/* Nobody can reach it: its file is gone, or an orderly end had begun. */
	hf_fd_close(&fd);
	store_release(primary->store, record->number);
	record->number = 0;
	return -1;
}

static bool is_named(const void *context, uint32_t number)
{
	const struct primary *primary = context;

	if (number == listener_of(primary, false)->number ||
	    number == listener_of(primary, true)->number)
		return true;
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		const struct journal_port *port = journal_valid_port(primary, i);

		if (port && port->listener == number)
			return true;
	}
	return false;
}

void journal_drop_listeners(struct primary *primary)
{
	store_drop_listeners(primary->store, is_named, primary);
}

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

/* --- ports --- */

static void keep(struct store *store, uint32_t *number, char kind, int fd)
{
	if (fd < 0)
		*number = 0;
	else if (!*number)
		*number = store_add(store, kind, fd);
}

/* Everything new goes to the store. */
static void keep_all(struct port *port)
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

static void commit(struct port *port)
{
	struct primary *primary = port->primary;
	struct journal_slot *slot = journal_slot(primary, port->device.slot);
	uint32_t old = slot->valid, next = old == 1 ? 2 : 1;

	if (!old)
		clear_words(slot);
	keep_all(port);
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
		commit(port);
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

void journal_ending(struct session *session)
{
	if (session->primary->journal)
		hf_store_release(&journal_slot(session->primary, session->device->slot)->ending,
				 session->number);
}

void journal_handling(struct primary *primary, uint64_t session)
{
	if (primary->journal)
		hf_store_release(&primary->journal->header->handling, session);
}

uint32_t journal_count_deaths(struct session *session)
{
	struct journal_slot *slot = journal_slot(session->primary, session->device->slot);

	if (session->primary->journal->header->handling == session->number)
		hf_write_once(&slot->deaths, slot->deaths + 1);
	return slot->deaths;
}

/* --- messages --- */

void journal_begin(struct session *session)
{
	struct primary *primary = session->primary;

	session->in_hand = true;
	if (!primary->journal)
		return;
	session->message_id = ++primary->journal->header->next_message;
	hf_store_release(&journal_slot(primary, session->device->slot)->dirty, 1u);
}

bool journal_store(struct session *session)
{
	struct primary *primary = session->primary;

	if (!primary->journal)
		return true;
	keep_all(session->port);
	return !store_pending(primary->store);
}

void journal_acted(struct session *session)
{
	struct primary *primary = session->primary;

	session->in_hand = false;
	if (!primary->journal)
		return;
	commit(session->port);
	hf_store_release(&journal_slot(primary, session->device->slot)->dirty, 0u);
	hf_write_once(&journal_slot(primary, session->device->slot)->deaths, 0u);
}

void journal_clean(struct session *session)
{
	if (session->primary->journal)
		hf_store_release(&journal_slot(session->primary, session->device->slot)->dirty, 0u);
}

void journal_answered(struct session *session)
{
	if (session->primary->journal)
		hf_store_release(&journal_slot(session->primary, session->device->slot)->answered,
				 session->message_id);
}

void journal_consumed(struct session *session)
{
	if (session->primary->journal)
		hf_store_release(&journal_slot(session->primary, session->device->slot)->consumed,
				 session->message_id);
}

/* --- requests of a device --- */

void journal_request(struct port *port, uint32_t at, uint64_t unique, const void *bytes,
		     uint32_t len)
{
	struct journal_request *record;

	if (!port->primary->journal || !journal_slot(port->primary, port->device.slot)->valid)
		return;
	record = &journal_slot(port->primary, port->device.slot)->requests[at];
	hf_store_release(&record->unique, (uint64_t)0);
	if (!len)
		return;
	record->len = len;
	memcpy(record->bytes, bytes, len);
	hf_store_release(&record->unique, unique);
}
