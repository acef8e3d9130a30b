/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the grants need of a secondary: does it want this port, send it a message, and a place in
 * its lane.
 *
 * A binding is the set of lane entries that one session of one device uses in one lane. While the
 * session lasts it hangs on devices[slot]; after DeviceRetire it waits in `retiring` for the
 * secondary's Retired. A secondary that never says Retired runs out of entries of its own lane; a
 * front-end that comes and goes faster than the secondary says it, of those its port may hold.
 */
#include "secondary.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "device.h"
#include "journal.h"
#include "lane.h"
#include "primary.h"
#include "refusal.h"
#include "send_queue.h"

#define BITS 64u
/* Sessions of one device whose entries a secondary may still hold. */
#define MAX_RETIRING 4u

struct lane_binding {
	struct lane_binding *next;
	uint32_t device;
	uint64_t session;
	uint32_t entries[HF_SHM_MAX_VRINGS]; /* 0: none yet */
	uint64_t stamps[HF_SHM_MAX_VRINGS];  /* prepare.c */
};

bool secondary_usable(const struct secondary *secondary)
{
	return !secondary->storing && !secondary->cut && !secondary->leaving &&
	       !secondary->killed && !secondary->dead;
}

bool secondary_serves(const struct secondary *secondary, const char *port_name)
{
	if (!allow_port(&secondary->primary->conf->attach_rules, secondary->allowed, port_name))
		return false;
	for (size_t i = 0; i < secondary->nr_globs; i++)
		if (fnmatch(secondary->globs[i], port_name, 0) == 0)
			return true;
	return secondary->nr_globs == 0;
}

bool secondary_congested(const struct secondary *secondary)
{
	return secondary_usable(secondary) && send_queue_crowded(secondary->queue);
}

bool secondary_idle(const struct secondary *secondary)
{
	return send_queue_empty(secondary->queue);
}

/* Our own shutdown makes the loop report the socket: the rest happens from there. */
/* calls: shutdown */
static void cut_off(struct secondary *secondary, int error)
{
	secondary->cut = true;
	(void)shutdown(secondary->socket, SHUT_RDWR);
	if (error == -ENOBUFS)
		refusal_count(secondary->primary, REFUSED_ATTACH_SLOW);
	if (error != -EPIPE && error != -ECONNRESET)
		log_warning(secondary->tag, "cut off: %s",
			    error == -ENOBUFS ? "it does not read what it is sent"
					      : "no memory or descriptors to send to it");
}

void secondary_send(struct secondary *secondary, Holdfast__Attach__ToSecondary *message,
		    const int *fds, size_t nr_fds)
{
	int error;

	if (!secondary_usable(secondary))
		return;
	error = send_queue_send(secondary->queue, secondary->socket, &message->base, fds, nr_fds);
	if (!error && !send_queue_empty(secondary->queue))
		error = loop_modify(secondary->primary->loop, &secondary->socket_source,
				    EPOLLIN | EPOLLOUT);
	if (error)
		cut_off(secondary, error);
}

/* Next fit: a freed entry is used again as late as possible. 0: the lane is full. */
static uint32_t lane_take(struct secondary *secondary)
{
	for (uint32_t n = 1; n < secondary->lane_entries; n++) {
		uint32_t entry = 1 + (secondary->lane_hint + n) % (secondary->lane_entries - 1);

		if (secondary->lane_used[entry / BITS] & (1ull << entry % BITS))
			continue;
		secondary->lane_used[entry / BITS] |= 1ull << entry % BITS;
		secondary->lane_hint = entry - 1;
		return entry;
	}
	return 0;
}

static void binding_free(struct secondary *secondary, struct lane_binding *binding)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		uint32_t entry = binding->entries[i];

		if (!entry)
			continue;
		secondary->lane_used[entry / BITS] &= ~(1ull << entry % BITS);
		journal_lane(secondary, entry, 0, 0, 0);
	}
	free(binding);
}

static uint32_t count_retiring(const struct secondary *secondary, uint32_t device_slot)
{
	uint32_t n = 0;

	for (const struct lane_binding *b = secondary->retiring; b; b = b->next)
		n += b->device == device_slot;
	return n;
}

static struct lane_binding *new_binding(uint32_t device_slot, uint64_t session)
{
	struct lane_binding *binding = calloc(1, sizeof(*binding));

	if (binding) {
		binding->device = device_slot;
		binding->session = session;
	}
	return binding;
}

uint32_t secondary_lane_bind(struct secondary *secondary, const struct device *device,
			     uint32_t vring)
{
	struct lane_binding **binding = &secondary->devices[device->slot].lane;

	if (*binding && (*binding)->session != device->session)
		secondary_lane_retire(secondary, device->slot);
	if (!*binding) {
		if (count_retiring(secondary, device->slot) >= MAX_RETIRING)
			return 0;
		*binding = new_binding(device->slot, device->session);
		if (!*binding)
			return 0;
	}
	if (!(*binding)->entries[vring]) {
		uint32_t entry = lane_take(secondary);

		if (entry)
			journal_lane(secondary, entry, device->slot, device->session, vring);
		(*binding)->entries[vring] = entry;
	}
	return (*binding)->entries[vring];
}

static struct lane_binding *find_retiring(const struct secondary *secondary, uint32_t device_slot,
					  uint64_t session)
{
	struct lane_binding *binding = secondary->retiring;

	while (binding && (binding->device != device_slot || binding->session != session))
		binding = binding->next;
	return binding;
}

int secondary_lane_adopt(struct secondary *secondary, uint32_t entry, uint32_t device_slot,
			 uint64_t session, uint32_t vring)
{
	struct secondary_device *device = &secondary->devices[device_slot];
	struct lane_binding *binding;

	if (!entry || entry >= secondary->lane_entries || vring >= HF_SHM_MAX_VRINGS)
		return -EINVAL;
	binding = device->session == session ? device->lane
					     : find_retiring(secondary, device_slot, session);
	if (!binding) {
		binding = new_binding(device_slot, session);
		if (!binding)
			return -ENOMEM;
		if (device->session == session) {
			device->lane = binding;
		} else {
			binding->next = secondary->retiring;
			secondary->retiring = binding;
		}
	}
	binding->entries[vring] = entry;
	secondary->lane_used[entry / BITS] |= 1ull << entry % BITS;
	return 0;
}

uint32_t secondary_lane_entry(const struct secondary *secondary, uint32_t device_slot,
			      uint32_t vring)
{
	const struct lane_binding *binding = secondary->devices[device_slot].lane;

	return binding ? binding->entries[vring] : 0;
}

uint64_t *secondary_lane_stamp(struct secondary *secondary, const struct device *device,
			       uint32_t vring)
{
	struct lane_binding *binding = secondary->devices[device->slot].lane;

	if (!binding || binding->session != device->session || !binding->entries[vring])
		return NULL;
	return &binding->stamps[vring];
}

void secondary_lane_unprepare(struct secondary *secondary, uint32_t device_slot)
{
	struct lane_binding *binding = secondary->devices[device_slot].lane;

	if (binding)
		memset(binding->stamps, 0, sizeof(binding->stamps));
}

void secondary_lane_retire(struct secondary *secondary, uint32_t device_slot)
{
	struct lane_binding *binding = secondary->devices[device_slot].lane;

	if (!binding)
		return;
	secondary->devices[device_slot].lane = NULL;
	binding->next = secondary->retiring;
	secondary->retiring = binding;
}

void secondary_each_retiring(struct secondary *secondary,
			     void (*visit)(struct secondary *secondary, uint32_t device_slot,
					   uint64_t session))
{
	for (const struct lane_binding *b = secondary->retiring; b; b = b->next)
		visit(secondary, b->device, b->session);
}

void secondary_lane_retired(struct secondary *secondary, uint32_t device_slot, uint64_t session)
{
	for (struct lane_binding **at = &secondary->retiring; *at; at = &(*at)->next) {
		struct lane_binding *binding = *at;

		if (binding->device != device_slot || binding->session != session)
			continue;
		*at = binding->next;
		binding_free(secondary, binding);
		return;
	}
}

void secondary_lane_free(struct secondary *secondary)
{
	for (uint32_t i = 0; secondary->devices && i < secondary->primary->conf->max_devices; i++)
		secondary_lane_retire(secondary, i);
	while (secondary->retiring) {
		struct lane_binding *binding = secondary->retiring;

		secondary->retiring = binding->next;
		binding_free(secondary, binding);
	}
}
