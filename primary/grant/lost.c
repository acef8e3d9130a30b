/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that goes from one secondary to another stands still in between. Who had it last is kept
 * (device->lost) until the successor runs it and was sent what the other one knew.
 */
#include "lost.h"

#include <string.h>

#include "attach.pb-c.h"
#include "check.h"
#include "clock.h"
#include "device.h"
#include "event.h"
#include "history.h"
#include "journal.h"
#include "outbox.h"
#include "port.h"
#include "primary.h"
#include "secondary.h"
#include "state.h"

/* A predecessor whose rings did not run is nobody's pause, but its state is of use. */
void grant_let_go(struct device *device, enum lost_how how, uint64_t since_ns)
{
	struct secondary *owner = device->owner;
	struct lost_owner *lost = &device->lost;

	if (!owner)
		return;
	/* It was this owner that lacked. Handed on for that, the next one may lack it as well. */
	if (how == LOST_HANDED_OVER)
		device_offer_at_once(device);
	else
		device_forget_lacks(device);
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

void lost_tell_succession(struct device *device)
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

void lost_send_state(struct device *device)
{
	struct lost_owner *lost = &device->lost;

	if (!lost->id)
		return;
	if (!lost->told)
		send_state(lost, device->owner);
	lost->told = true;
}

void lost_begin_round(const struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++)
		if (primary->secondaries[i])
			primary->secondaries[i]->state_from = 0;
}
