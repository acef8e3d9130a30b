/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Mapping a guest's memory and passing descriptors takes longer than all the
 * rest of a takeover. So everybody who could become the owner is kept as ready as the owner is:
 * same memory table, same set-up of each started vring, a lane entry of its own. What is missing
 * for running is the grant: a word in the directory, and three numbers in a message.
 *
 * What a secondary has is known by stamps: session, memory generation and features for the device
 * (struct secondary_device), and for each vring the number of its last change, kept beside the lane
 * entry it is bound to. A new memory table voids all stamps of the device, as it voids the set-up
 * in the secondary. The call descriptor has no stamp: it changes under a running ring, and is sent
 * to everybody at once.
 *
 * Preparing is never urgent, and always comes after the grants it was called with.
 */
#include "prepare.h"

#include "check.h"
#include "choose.h"
#include "journal.h"
#include "lane_entries.h"
#include "outbox.h"
#include "port.h"
#include "primary.h"
#include "publish.h"
#include "secondary.h"

#define REGIONS_PER_PACKET 100u

static void send_regions(const struct device *device, struct secondary *secondary)
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
		secondary_send(secondary, &message, &device->region_fds[first],
			       min_u64(REGIONS_PER_PACKET, device->memory.count - first));
		first += REGIONS_PER_PACKET;
	} while (first < device->memory.count);
}

static void send_ready(const struct device *device, struct secondary *secondary)
{
	Holdfast__Attach__DeviceReady ready = HOLDFAST__ATTACH__DEVICE_READY__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	ready.device = device->slot;
	ready.session = device->session;
	ready.mem_generation = device->mem_generation;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_DEVICE_READY;
	message.device_ready = &ready;
	secondary_send(secondary, &message, NULL, 0);
}

/* The secondary takes a snapshot of the slot when it hears `ready`: it must be there before. */
void prepare_memory(struct device *device, struct secondary *secondary)
{
	struct secondary_device *sent = &secondary->devices[device->slot];

	if (sent->features != device->features)
		secondary_lane_unprepare(secondary, device->slot);
	sent->features = device->features;
	if (sent->session == device->session && sent->mem_generation == device->mem_generation)
		return;
	publish_device(device);
	journal_sent(secondary, device->slot, device->session);
	send_regions(device, secondary);
	send_ready(device, secondary);
	sent->session = device->session;
	sent->mem_generation = device->mem_generation;
	secondary_lane_unprepare(secondary, device->slot);
}

bool prepare_is_current(const struct vring *vring, struct secondary *secondary)
{
	const uint64_t *stamp = secondary_lane_stamp(secondary, vring->device, vring->index);

	return stamp && *stamp == vring->setup + 1;
}

void prepare_note(const struct vring *vring, struct secondary *secondary)
{
	uint64_t *stamp = secondary_lane_stamp(secondary, vring->device, vring->index);

	if (stamp)
		*stamp = vring->setup + 1;
}

size_t prepare_fds(const struct vring *vring, int fds[3])
{
	size_t n = 0;

	if (vring->kick >= 0)
		fds[n++] = vring->kick;
	if (vring->call >= 0)
		fds[n++] = vring->call;
	if (vring->err >= 0)
		fds[n++] = vring->err;
	return n;
}

static void send_prepare(const struct vring *vring, struct secondary *secondary, uint32_t entry)
{
	const struct device *device = vring->device;
	Holdfast__Attach__VringPrepare prepare = HOLDFAST__ATTACH__VRING_PREPARE__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;
	int fds[3];

	prepare.device = device->slot;
	prepare.session = device->session;
	prepare.vring = vring->index;
	prepare.lane_entry = entry;
	prepare.has_kick = vring->kick >= 0;
	prepare.has_call = vring->call >= 0;
	prepare.has_err = vring->err >= 0;
	prepare.size = vring->size;
	prepare.desc_gpa = vring->desc_gpa;
	prepare.avail_gpa = vring->avail_gpa;
	prepare.used_gpa = vring->used_gpa;
	prepare.flags = publish_vring_flags(vring);
	prepare.features = device->features;
	prepare.mtu = device->mtu;
	prepare.mem_generation = device->mem_generation;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_VRING_PREPARE;
	message.vring_prepare = &prepare;
	secondary_send(secondary, &message, fds, prepare_fds(vring, fds));
}

/* A full lane is no trouble before the grant: another one may end meanwhile. */
static void prepare_vring(struct vring *vring, struct secondary *secondary)
{
	uint32_t entry;

	if (vring->owner == secondary || prepare_is_current(vring, secondary))
		return;
	entry = secondary_lane_bind(secondary, vring->device, vring->index);
	if (!entry)
		return;
	send_prepare(vring, secondary, entry);
	prepare_note(vring, secondary);
}

static bool any_started(const struct device *device)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		if (device->vrings[i].started)
			return true;
	return false;
}

/* Memory that the front-end has taken away must not stay mapped anywhere, rings or not. */
bool prepare_is_stale(const struct device *device, const struct secondary *secondary)
{
	const struct secondary_device *sent = &secondary->devices[device->slot];

	return sent->session && sent->session == device->session &&
	       sent->mem_generation != device->mem_generation;
}

static void prepare_for(struct device *device, struct secondary *secondary)
{
	bool started = device->memory.count && any_started(device);

	if (secondary == device->owner || !grant_may_run(device, secondary) ||
	    secondary_congested(secondary))
		return;
	if (started || prepare_is_stale(device, secondary))
		prepare_memory(device, secondary);
	for (uint32_t i = 0; started && i < HF_SHM_MAX_VRINGS; i++)
		if (device->vrings[i].started)
			prepare_vring(&device->vrings[i], secondary);
}

void prepare_others(struct device *device)
{
	const struct primary *primary = device->primary;

	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++)
		if (primary->secondaries[i])
			prepare_for(device, primary->secondaries[i]);
}

void prepare_catch_up(struct secondary *secondary)
{
	const struct primary *primary = secondary->primary;

	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i] && primary->ports[i]->device.session)
			prepare_for(&primary->ports[i]->device, secondary);
}

void prepare_void(const struct vring *vring, struct secondary *secondary)
{
	uint64_t *stamp = secondary_lane_stamp(secondary, vring->device, vring->index);

	if (stamp)
		*stamp = 0;
}

void prepare_send_call(const struct vring *vring, struct secondary *secondary)
{
	Holdfast__Attach__VringNotify notify = HOLDFAST__ATTACH__VRING_NOTIFY__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	notify.device = vring->device->slot;
	notify.session = vring->device->session;
	notify.vring = vring->index;
	notify.has_call = vring->call >= 0;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_VRING_NOTIFY;
	message.vring_notify = &notify;
	secondary_send(secondary, &message, &vring->call, notify.has_call);
}

void prepare_call_changed(const struct vring *vring)
{
	const struct primary *primary = vring->device->primary;

	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *s = primary->secondaries[i];

		if (!s || s == vring->owner || !prepare_is_current(vring, s))
			continue;
		if (secondary_idle(s))
			prepare_send_call(vring, s);
		else
			prepare_void(vring, s);
	}
}
