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

#include "choose.h"
#include "clock.h"
#include "directory.h"
#include "event.h"
#include "grant_vring.h"
#include "handover.h"
#include "history.h"
#include "journal.h"
#include "lane.h"
#include "lane_entries.h"
#include "outbox.h"
#include "port.h"
#include "prepare.h"
#include "primary.h"
#include "publish.h"
#include "secondary.h"
#include "state.h"
#include "watch.h"

static struct device *device_at(const struct primary *primary, uint32_t slot)
{
	return primary->ports[slot] ? &primary->ports[slot]->device : NULL;
}

/* Started and with nobody: may it be given away just now? */
static bool vring_wanted(const struct vring *vring)
{
	return vring->started && !vring->broken && !vring->owner && !vring->device->moving &&
	       !revoke_covers(vring);
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

/* A predecessor whose rings did not run is nobody's pause, but its state is of use. */
void grant_let_go(struct device *device, enum lost_how how, uint64_t since_ns)
{
	struct secondary *owner = device->owner;
	struct lost_owner *lost = &device->lost;

	if (!owner)
		return;
	device->owner = NULL;
	lost->how = device_state(device) == HF_DEVICE_READY ? how : LOST_NOBODY;
	lost->since_ns = since_ns;
	lost->id = owner->id;
	memcpy(lost->name, owner->name, sizeof(lost->name));
	state_put(lost->state);
	lost->state = state_get(owner->state);
	lost->told = false;
	journal_lost(device);
}

void grant_forget_lost(struct device *device)
{
	if (!device->lost.id)
		return;
	state_put(device->lost.state);
	device->lost = (struct lost_owner){0};
	journal_lost(device);
}

/* False: not now, the present owner still holds vrings and is on its way out. */
static bool settle_owner(struct device *device)
{
	if (device->owner && !secondary_usable(device->owner)) {
		if (owns_any(device))
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

static const char *lost_words(enum lost_how how)
{
	switch (how) {
	case LOST_DIED:
		return ", which died";
	case LOST_LEFT:
		return ", which left";
	case LOST_HUNG:
		return ", which hangs";
	case LOST_UNFLUSHED:
		return ", which did not answer in time: packets it held are lost";
	default:
		return "";
	}
}

/* The last grant of a device that another ran before was stored: that was the pause. */
static void tell_succession(struct device *device)
{
	const struct lost_owner *lost = &device->lost;
	struct continuity *totals = &device->primary->continuity;
	uint64_t pause_ns = hf_now_ns() - lost->since_ns;
	bool died = lost->how == LOST_DIED || lost->how == LOST_HUNG;

	if (lost->how == LOST_NOBODY || lost->id == device->owner->id)
		return;
	if (died) {
		totals->takeovers++;
		totals->longest_takeover_ns = max_u64(totals->longest_takeover_ns, pause_ns);
	} else {
		totals->handovers++;
		totals->longest_handover_ns = max_u64(totals->longest_handover_ns, pause_ns);
	}
	history_note(device->primary);
	event_emit(device->primary,
		   died ? HOLDFAST__CONTROL__EVENT_KIND__TAKEN_OVER
			: HOLDFAST__CONTROL__EVENT_KIND__HANDOVER,
		   device->port->name, device->owner->name, -1, pause_ns, "from %s%s", lost->name,
		   lost_words(lost->how));
	device->lost.how = LOST_NOBODY;
}

static bool is_part(const struct vring *vring, enum grant_part part)
{
	return part == GRANT_BOTH || (vring->index & 1) == (part == GRANT_DEQUEUE);
}

static void give_wanted(struct device *device, enum grant_part part)
{
	struct secondary *owner = device->owner;
	uint32_t given = 0;
	int error = 0;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS && !error; i++) {
		if (!vring_wanted(&device->vrings[i]) || !is_part(&device->vrings[i], part))
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
	if (!given)
		return;
	if (!count_wanted(device) || error)
		tell_succession(device);
	event_emit(device->primary, HOLDFAST__CONTROL__EVENT_KIND__VRING_GRANTED,
		   device->port->name, owner->name, -1, 0, "%u vring%s", given,
		   given == 1 ? "" : "s");
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

/* Once for all devices that go from one to the other at a time. */
static void send_state(const struct lost_owner *lost, struct secondary *owner)
{
	if (!lost->state || lost->id == owner->id || owner->state_from == lost->id)
		return;
	/* It is about all that the other one ran. */
	if (owner->allowed != ALLOW_ANY_PORT)
		return;
	secondary_send_state(owner, lost->state, lost->name);
	owner->state_from = lost->id;
}

static void forget_senders(const struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++)
		if (primary->secondaries[i])
			primary->secondaries[i]->state_from = 0;
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

/* What was queued before has left us: it is in the owner's socket, which outlives us. */
static void note_heard(struct device *device)
{
	if (!secondary_idle(device->owner))
		return;
	if (!device->rarp_unsent)
		journal_rarp(device, false);
	if (device->lost.told)
		grant_forget_lost(device);
}

/* What can wait until rings run: the predecessor's state, and those who may be next. */
void grant_follow_up(struct device *device)
{
	struct lost_owner *lost = &device->lost;

	if (device->port->removing)
		return;
	if (device->owner && owns_any(device) && lost->id) {
		if (!lost->told)
			send_state(lost, device->owner);
		lost->told = true;
	}
	if (device->owner && owns_any(device)) {
		if (device->rarp_unsent && secondary_idle(device->owner))
			send_rarp(device);
		note_heard(device);
	}
	prepare_others(device);
}

void grant_offer(struct device *device)
{
	forget_senders(device->primary);
	grant_now(device, GRANT_BOTH);
	grant_follow_up(device);
}

/* A switch that takes from one guest must be able to give to the others. */
void grant_offer_all(struct primary *primary)
{
	forget_senders(primary);
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

static void send_call(struct vring *vring)
{
	vring->call_unsent = false;
	prepare_send_call(vring, vring->owner);
}

void grant_send_call(struct vring *vring)
{
	prepare_call_changed(vring);
	if (!vring->owner)
		return;
	if (secondary_idle(vring->owner))
		send_call(vring);
	else
		vring->call_unsent = true;
}

void grant_send_rarp(struct device *device, const uint8_t mac[6])
{
	if (!device->owner)
		return;
	memcpy(device->rarp, mac, sizeof(device->rarp));
	device->rarp_unsent = true;
	journal_rarp(device, true);
	if (secondary_idle(device->owner))
		send_rarp(device);
	note_heard(device);
}

void grant_catch_up(struct secondary *secondary)
{
	struct primary *primary = secondary->primary;

	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct device *device = device_at(primary, i);

		if (!device || device->owner != secondary)
			continue;
		note_heard(device);
		if (device->rarp_unsent)
			send_rarp(device);
		note_heard(device);
		for (uint32_t v = 0; v < HF_SHM_MAX_VRINGS; v++)
			if (device->vrings[v].call_unsent && device->vrings[v].owner)
				send_call(&device->vrings[v]);
	}
	prepare_catch_up(secondary);
}

bool grant_congested(const struct device *device)
{
	return device->owner && secondary_congested(device->owner);
}

static void send_retire(struct secondary *secondary, uint32_t device_slot, uint64_t session)
{
	Holdfast__Attach__DeviceRetire retire = HOLDFAST__ATTACH__DEVICE_RETIRE__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	retire.device = device_slot;
	retire.session = session;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_DEVICE_RETIRE;
	message.device_retire = &retire;
	secondary_send(secondary, &message, NULL, 0);
}

static void retire_from(struct secondary *secondary, uint32_t device_slot)
{
	struct secondary_device *sent = &secondary->devices[device_slot];

	if (!sent->session)
		return;
	send_retire(secondary, device_slot, sent->session);
	secondary_lane_retire(secondary, device_slot);
	/* In the journal it stays until it says Retired. */
	sent->session = 0;
	sent->mem_generation = 0;
}

void grant_retire(struct device *device)
{
	struct primary *primary = device->primary;

	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++)
		if (primary->secondaries[i])
			retire_from(primary->secondaries[i], device->slot);
	device->owner = NULL;
	device->orphaned = false;
	grant_forget_lost(device);
	handover_device_gone(device);
	watch_device_gone(device);
}

static void repeat_to(const struct device *device, struct secondary *secondary, bool agree)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		grant_vring_tell_kept(&device->vrings[i], secondary, agree);
}

void grant_repeat_retire(struct secondary *secondary)
{
	const struct primary *primary = secondary->primary;

	/* Where there is a port, grant_repeat looks at the session. */
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (!primary->ports[i])
			retire_from(secondary, i);
	secondary_each_retiring(secondary, send_retire);
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
	prepare_memory(device, device->owner);
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
	handover_cancel_all(primary);
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct device *device = device_at(primary, i);

		for (uint32_t v = 0; device && v < HF_SHM_MAX_VRINGS; v++)
			if (device->vrings[v].owner)
				grant_vring_withdraw(&device->vrings[v]);
	}
	hf_lane_fence_all();
}
