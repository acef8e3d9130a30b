/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs a device, and what that secondary is told.
 *
 * One secondary owns all vrings of a device. The owner is chosen when there is none, and stays
 * while it lives and the session lasts; it is let go only when its last vring was taken back, so
 * two secondaries never hold vrings of one device at once. Everything a secondary learns about a
 * device goes out in one order: memory, ready, set-ups, grants, revocations, retire.
 *
 * Grants come first, for all devices there are to grant; then those who wait are brought up to date
 * (prepare.c), and the new owner is sent what the old one knew (state.c).
 */
#include "grant.h"

#include <string.h>

#include "blame.h"
#include "choose.h"
#include "device.h"
#include "directory.h"
#include "event.h"
#include "grant_vring.h"
#include "lane.h"
#include "lost.h"
#include "port.h"
#include "prepare.h"
#include "primary.h"
#include "publish.h"
#include "revocation.h"
#include "secondary.h"
#include "tell.h"

static struct device *device_at(const struct primary *primary, uint32_t slot)
{
	return primary->ports[slot] ? &primary->ports[slot]->device : NULL;
}

/* Started and with nobody: may it be given away just now? */
static bool vring_wanted(const struct vring *vring)
{
	return vring->started && !vring->broken && !vring->put_off_ns && !vring->owner &&
	       !vring->device->moving && !revoke_covers(vring);
}

static uint32_t count_wanted(const struct device *device)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		n += vring_wanted(&device->vrings[i]);
	return n;
}

/* False: not now, the present owner still holds vrings and is on its way out. */
static bool settle_owner(struct device *device)
{
	if (device->owner && !secondary_usable(device->owner)) {
		if (device_is_granted(device))
			return false;
		grant_let_go(device, LOST_LEFT, hf_now_ns());
	}
	/* Where it is moving to, the hand-over decides. */
	if (!device->owner && !device->moving)
		device->owner = grant_next_owner(device);
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

static bool is_part(const struct vring *vring, enum grant_part part)
{
	return part == GRANT_BOTH || (vring->index & 1) == (part == GRANT_DEQUEUE);
}

static void give_wanted(struct device *device, enum grant_part part)
{
	struct secondary *owner = device->owner;
	uint32_t given = 0, said = 0;
	int error = 0;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS && !error; i++) {
		if (!vring_wanted(&device->vrings[i]) || !is_part(&device->vrings[i], part))
			continue;
		error = grant_vring_give(&device->vrings[i], owner);
		given += !error;
		said += !error && !device->vrings[i].lacked;
	}
	if (error)
		owner->starved = true;
	if (error && hf_log_allowed(&owner->log_limit))
		log_warning(owner->tag,
			    "its lane is full: some vrings of %s stay idle; start holdfastd with "
			    "a larger lane",
			    device->tag);
	if (!given)
		return;
	if (!count_wanted(device) || error)
		lost_tell_succession(device);
	/* Another try is no news before it succeeds. */
	if (said)
		event_emit(device->primary, HOLDFAST__CONTROL__EVENT_KIND__VRING_GRANTED,
			   device->port->name, owner->name, -1, 0, "%u vring%s", said,
			   said == 1 ? "" : "s");
}

/* What makes rings run: nothing else comes before it. */
void grant_now(struct device *device, enum grant_part part)
{
	bool wanted;

	if (device->port->removing || !settle_owner(device))
		return;
	wanted = device->memory.count && count_wanted(device);
	if (device->owner && (wanted || prepare_is_stale(device, device->owner)))
		prepare_memory(device, device->owner);
	if (!wanted)
		return;
	if (!device->owner) {
		orphan(device);
		return;
	}
	device->orphaned = false;
	give_wanted(device, part);
}

/* What can wait until rings run: the predecessor's state, and those who may be next. */
void grant_follow_up(struct device *device)
{
	if (device->port->removing)
		return;
	if (device->owner && device_is_granted(device)) {
		lost_send_state(device);
		tell_owner(device);
	}
	prepare_others(device);
}

void grant_offer(struct device *device)
{
	lost_begin_round(device->primary);
	grant_now(device, GRANT_BOTH);
	grant_follow_up(device);
}

/* A switch that takes from one guest must be able to give to the others. */
void grant_offer_all(struct primary *primary)
{
	lost_begin_round(primary);
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (device_at(primary, i))
			grant_now(device_at(primary, i), GRANT_ENQUEUE);
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (device_at(primary, i))
			grant_now(device_at(primary, i), GRANT_DEQUEUE);
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (device_at(primary, i))
			grant_follow_up(device_at(primary, i));
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

void grant_forgive(struct primary *primary, uint64_t now)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct device *device = device_at(primary, i);

		if (!device || !blame_forgive(device, now))
			continue;
		publish_device(device);
		grant_offer(device);
	}
}
