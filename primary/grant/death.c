/* SPDX-License-Identifier: Apache-2.0 */
#include "death.h"

#include "blame.h"
#include "clock.h"
#include "device.h"
#include "grant.h"
#include "grant_vring.h"
#include "handover.h"
#include "lost.h"
#include "port.h"
#include "primary.h"
#include "publish.h"
#include "revoke.h"
#include "secondary.h"

static void take_back_dead(struct device *device, struct secondary *secondary)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		struct vring *vring = &device->vrings[i];

		if (vring->owner != secondary)
			continue;
		grant_vring_withdraw(vring);
		grant_vring_take_back(vring);
	}
	grant_let_go(device, LOST_DIED, secondary->left_ns);
	publish_device(device);
}

void grant_secondary_died(struct primary *primary, struct secondary *secondary)
{
	const bool by_others = blame_is_on_others(secondary);
	struct vring *suspect = NULL;

	secondary->dead = true;
	if (!secondary->left_ns)
		secondary->left_ns = hf_now_ns();
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct port *port = primary->ports[i];

		if (port && port->device.owner == secondary) {
			suspect = blame_death(&port->device, secondary, by_others, suspect);
			take_back_dead(&port->device, secondary);
		}
	}
	if (suspect)
		blame_break(suspect, secondary);
	handover_flushed(secondary, 0);
	/* Who waited goes first: what they covered may be stopped now, and must not be offered. */
	revoke_finish_idle(primary);
	grant_offer_all(primary);
}
