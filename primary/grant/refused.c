/* SPDX-License-Identifier: Apache-2.0 */
#include "refused.h"

#include <errno.h>
#include <string.h>

#include "device.h"
#include "event.h"
#include "grant.h"
#include "grant_vring.h"
#include "lane.h"
#include "lane_entries.h"
#include "port.h"
#include "publish.h"
#include "secondary.h"

/* Next time it gets everything again; but never memory under a ring that runs. */
static void forget_sent(const struct device *device, struct secondary *secondary)
{
	secondary_lane_unprepare(secondary, device->slot);
	if (!device_is_granted(device))
		secondary->devices[device->slot].mem_generation = 0;
}

/* Nothing is wrong with the ring: its owner lacks memory or descriptors, or, for want of them, a
 * map of the guest's memory. */
static bool is_shortage(int error)
{
	return error == -ENOMEM || error == -ENOBUFS || error == -EMFILE || error == -ENFILE ||
	       error == -ENXIO;
}

int grant_refused(struct secondary *secondary, struct vring *vring, uint64_t grant, int error)
{
	struct device *device = vring->device;

	if (vring->owner != secondary || vring->grant != grant || vring->revoking)
		return 0;
	grant_vring_withdraw(vring);
	hf_lane_fence_all();
	/* Its leaving takes the vring back, with all that a revocation does. */
	if (!grant_vring_quiet(vring))
		return -EPROTO;
	grant_vring_take_back(vring);
	forget_sent(device, secondary);
	if (vring->by_preparation) { /* once more, with everything */
		grant_offer(device);
		return 0;
	}
	if (is_shortage(error)) {
		vring->put_off = true;
		if (hf_log_allowed(&secondary->log_limit))
			log_warning(secondary->tag, "cannot run vring %u of %s: %s; trying again",
				    vring->index, device->tag, strerror(-error));
		return 0;
	}
	vring->broken = true;
	publish_device(device);
	event_emit(device->primary, HOLDFAST__CONTROL__EVENT_KIND__VRING_BROKEN, device->port->name,
		   secondary->name, vring->index, 0, "cannot be run: %s",
		   strerror(error < 0 && error > -4096 ? -error : EINVAL));
	return 0;
}
