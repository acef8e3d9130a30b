/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for something of a session that is over, or will be wherever the primary ends, is above
 * grants: hand-overs, and the watch over who hangs. They let go of it here.
 */
#include "retire.h"

#include "attach.pb-c.h"
#include "device.h"
#include "grant_vring.h"
#include "handover.h"
#include "lane.h"
#include "lane_entries.h"
#include "lost.h"
#include "outbox.h"
#include "port.h"
#include "primary.h"
#include "secondary.h"
#include "watch.h"

void retire_send(struct secondary *secondary, uint32_t device_slot, uint64_t session)
{
	Holdfast__Attach__DeviceRetire retire = HOLDFAST__ATTACH__DEVICE_RETIRE__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	retire.device = device_slot;
	retire.session = session;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_DEVICE_RETIRE;
	message.device_retire = &retire;
	secondary_send(secondary, &message, NULL, 0);
}

void retire_from(struct secondary *secondary, uint32_t device_slot)
{
	struct secondary_device *sent = &secondary->devices[device_slot];

	if (!sent->session)
		return;
	retire_send(secondary, device_slot, sent->session);
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

void grant_withdraw_all(struct primary *primary)
{
	handover_cancel_all(primary);
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct port *port = primary->ports[i];

		for (uint32_t v = 0; port && v < HF_SHM_MAX_VRINGS; v++)
			if (port->device.vrings[v].owner)
				grant_vring_withdraw(&port->device.vrings[v]);
	}
	hf_lane_fence_all();
}
