/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front-end can say some things as often as it likes, so who has not read what it was sent before
 * is told the last of each only, when it has.
 */
#include "tell.h"

#include <string.h>

#include "attach.pb-c.h"
#include "device.h"
#include "journal.h"
#include "lost.h"
#include "outbox.h"
#include "port.h"
#include "prepare.h"
#include "primary.h"
#include "secondary.h"

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

void tell_owner(struct device *device)
{
	if (device->rarp_unsent && secondary_idle(device->owner))
		send_rarp(device);
	note_heard(device);
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
		struct port *port = primary->ports[i];
		struct device *device = port ? &port->device : NULL;

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
