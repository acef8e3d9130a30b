/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs a device, and what that secondary is told.
 *
 * One secondary owns all vrings of a device. The owner is chosen when there is none, and stays
 * while it lives and the session lasts; it is let go only when its last vring was taken back, so
 * two secondaries never hold vrings of one device at once. Everything a secondary learns about a
 * device goes out in one order: memory, ready, grants, revocations, retire.
 */
#include "grant.h"

#include <string.h>

#include "directory.h"
#include "event.h"
#include "grant_vring.h"
#include "journal.h"
#include "lane.h"
#include "port.h"
#include "primary.h"
#include "publish.h"
#include "secondary.h"

#define REGIONS_PER_PACKET 100u

static struct device *device_at(const struct primary *primary, uint32_t slot)
{
	return primary->ports[slot] ? &primary->ports[slot]->device : NULL;
}

/* Started and with nobody: may it be given away just now? */
static bool vring_wanted(const struct vring *vring)
{
	return vring->started && !vring->broken && !vring->owner && !revoke_covers(vring);
}

static uint32_t count_wanted(const struct device *device)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		n += vring_wanted(&device->vrings[i]);
	return n;
}

static bool owns_any(const struct device *device)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		if (device->vrings[i].owner)
			return true;
	return false;
}

/* vswitches in attach order, then standbys by priority and attach order. */
static bool is_better(const struct secondary *a, const struct secondary *b)
{
	if (a->role != b->role)
		return a->role == HOLDFAST__ATTACH__ROLE__VSWITCH;
	if (a->role == HOLDFAST__ATTACH__ROLE__STANDBY && a->priority != b->priority)
		return a->priority > b->priority;
	return a->id < b->id;
}

static struct secondary *best_for(const struct device *device)
{
	const struct primary *primary = device->primary;
	struct secondary *best = NULL;

	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *s = primary->secondaries[i];

		if (!s || !secondary_usable(s) || s->role == HOLDFAST__ATTACH__ROLE__OBSERVER)
			continue;
		if (secondary_serves(s, device->port->name) && (!best || is_better(s, best)))
			best = s;
	}
	return best;
}

/* False: not now, the present owner still holds vrings and is on its way out. */
static bool settle_owner(struct device *device)
{
	if (device->owner && !secondary_usable(device->owner)) {
		if (owns_any(device))
			return false;
		device->owner = NULL;
	}
	if (!device->owner)
		device->owner = best_for(device);
	return true;
}

static void orphan(struct device *device)
{
	if (device->orphaned)
		return;
	device->orphaned = true;
	event_emit(device->primary, HOLDFAST__CONTROL__EVENT_KIND__PORT_ORPHANED,
		   device->port->name, NULL, -1, 0, "no attached secondary serves this port");
}

static void send_regions(const struct device *device)
{
	uint32_t first = 0;

	/* One packet at least: an empty table is a table. */
	do {
		Holdfast__Attach__DeviceMemory memory = HOLDFAST__ATTACH__DEVICE_MEMORY__INIT;
		Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

		memory.device = device->slot;
		memory.session = device->session;
		memory.mem_generation = device->mem_generation;
		memory.first = first;
		memory.total = device->memory.count;
		message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_DEVICE_MEMORY;
		message.device_memory = &memory;
		secondary_send(device->owner, &message, &device->region_fds[first],
			       min_u64(REGIONS_PER_PACKET, device->memory.count - first));
		first += REGIONS_PER_PACKET;
	} while (first < device->memory.count);
}

static void send_ready(const struct device *device)
{
	Holdfast__Attach__DeviceReady ready = HOLDFAST__ATTACH__DEVICE_READY__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	ready.device = device->slot;
	ready.session = device->session;
	ready.mem_generation = device->mem_generation;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_DEVICE_READY;
	message.device_ready = &ready;
	secondary_send(device->owner, &message, NULL, 0);
}

/* The owner takes a snapshot of the slot when it hears `ready`: it must be there before. */
static void send_memory(struct device *device)
{
	struct secondary_device *sent = &device->owner->devices[device->slot];

	if (sent->session == device->session && sent->mem_generation == device->mem_generation)
		return;
	publish_device(device);
	journal_sent(device->owner, device->slot, device->session);
	send_regions(device);
	send_ready(device);
	sent->session = device->session;
	sent->mem_generation = device->mem_generation;
}

static bool holds_old_memory(const struct device *device)
{
	const struct secondary_device *sent = &device->owner->devices[device->slot];

	return sent->session && sent->session == device->session &&
	       sent->mem_generation != device->mem_generation;
}

static void give_wanted(struct device *device)
{
	struct secondary *owner = device->owner;
	uint32_t given = 0;
	int error = 0;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS && !error; i++) {
		if (!vring_wanted(&device->vrings[i]))
			continue;
		error = grant_vring_give(&device->vrings[i], owner);
		given += !error;
	}
	if (error)
		owner->starved = true;
	if (error && hf_log_allowed(&owner->log_limit))
		log_warning(owner->tag,
			    "its lane is full: some vrings of %s stay idle; start holdfastd with "
			    "a larger lane",
			    device->tag);
	if (given)
		event_emit(device->primary, HOLDFAST__CONTROL__EVENT_KIND__VRING_GRANTED,
			   device->port->name, owner->name, -1, 0, "%u vrings", given);
}

void grant_offer(struct device *device)
{
	bool wanted;

	if (device->port->removing || !settle_owner(device))
		return;
	wanted = device->memory.count && count_wanted(device);
	if (device->owner && (wanted || holds_old_memory(device)))
		send_memory(device);
	if (!wanted)
		return;
	if (!device->owner) {
		orphan(device);
		return;
	}
	device->orphaned = false;
	give_wanted(device);
}

void grant_offer_all(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (device_at(primary, i))
			grant_offer(device_at(primary, i));
}

static void send_call(struct vring *vring)
{
	const struct device *device = vring->device;
	Holdfast__Attach__VringNotify notify = HOLDFAST__ATTACH__VRING_NOTIFY__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	vring->call_unsent = false;
	notify.device = device->slot;
	notify.session = device->session;
	notify.vring = vring->index;
	notify.has_call = vring->call >= 0;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_VRING_NOTIFY;
	message.vring_notify = &notify;
	secondary_send(vring->owner, &message, &vring->call, notify.has_call);
}

void grant_send_call(struct vring *vring)
{
	if (!vring->owner)
		return;
	if (secondary_idle(vring->owner))
		send_call(vring);
	else
		vring->call_unsent = true;
}

static void send_rarp(struct device *device)
{
	Holdfast__Attach__DeviceRarp rarp = HOLDFAST__ATTACH__DEVICE_RARP__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	device->rarp_unsent = false;
	rarp.device = device->slot;
	rarp.session = device->session;
	rarp.mac = (ProtobufCBinaryData){.len = sizeof(device->rarp), .data = device->rarp};
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_DEVICE_RARP;
	message.device_rarp = &rarp;
	secondary_send(device->owner, &message, NULL, 0);
}

void grant_send_rarp(struct device *device, const uint8_t mac[6])
{
	if (!device->owner)
		return;
	memcpy(device->rarp, mac, sizeof(device->rarp));
	if (secondary_idle(device->owner))
		send_rarp(device);
	else
		device->rarp_unsent = true;
}

void grant_catch_up(struct secondary *secondary)
{
	struct primary *primary = secondary->primary;

	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct device *device = device_at(primary, i);

		if (!device || device->owner != secondary)
			continue;
		if (device->rarp_unsent)
			send_rarp(device);
		for (uint32_t v = 0; v < HF_SHM_MAX_VRINGS; v++)
			if (device->vrings[v].call_unsent && device->vrings[v].owner)
				send_call(&device->vrings[v]);
	}
}

bool grant_congested(const struct device *device)
{
	return device->owner && secondary_congested(device->owner);
}

static void retire_from(struct secondary *secondary, uint32_t device_slot)
{
	struct secondary_device *sent = &secondary->devices[device_slot];
	Holdfast__Attach__DeviceRetire retire = HOLDFAST__ATTACH__DEVICE_RETIRE__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	if (!sent->session)
		return;
	retire.device = device_slot;
	retire.session = sent->session;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_DEVICE_RETIRE;
	message.device_retire = &retire;
	secondary_send(secondary, &message, NULL, 0);
	secondary_lane_retire(secondary, device_slot);
	sent->session = 0;
	sent->mem_generation = 0;
	journal_sent(secondary, device_slot, 0);
}

void grant_retire(struct device *device)
{
	struct primary *primary = device->primary;

	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++)
		if (primary->secondaries[i])
			retire_from(primary->secondaries[i], device->slot);
	device->owner = NULL;
	device->orphaned = false;
}

static void repeat_to(const struct device *device, struct secondary *secondary, bool agree)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		grant_vring_tell_kept(&device->vrings[i], secondary, agree);
}

void grant_repeat(struct device *device, bool agree)
{
	const struct primary *primary = device->primary;

	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *s = primary->secondaries[i];

		if (s && s->devices[device->slot].session == device->session && device->session)
			repeat_to(device, s, agree);
		else if (s)
			retire_from(s, device->slot);
	}
	if (!agree || !owns_any(device))
		return;
	send_memory(device);
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		if (device->vrings[i].owner)
			grant_vring_tell(&device->vrings[i]);
}

void grant_check_broken(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct device *device = device_at(primary, i);
		bool broken = false;

		if (!device || !device->owner)
			continue;
		for (uint32_t v = 0; v < HF_SHM_MAX_VRINGS; v++)
			if (device->vrings[v].owner)
				broken |= grant_vring_check_broken(&device->vrings[v]);
		if (broken)
			publish_device(device);
	}
}

void grant_withdraw_all(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct device *device = device_at(primary, i);

		for (uint32_t v = 0; device && v < HF_SHM_MAX_VRINGS; v++)
			if (device->vrings[v].owner)
				grant_vring_withdraw(&device->vrings[v]);
	}
	hf_lane_fence_all();
}
