/* SPDX-License-Identifier: Apache-2.0 */
#include "repeat.h"

#include "device.h"
#include "grant_vring.h"
#include "lane_entries.h"
#include "prepare.h"
#include "primary.h"
#include "retire.h"
#include "secondary.h"

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
	secondary_each_retiring(secondary, retire_send);
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
	if (!agree || !device_is_granted(device))
		return;
	prepare_memory(device, device->owner);
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		if (device->vrings[i].owner)
			grant_vring_tell(&device->vrings[i]);
}
