/* SPDX-License-Identifier: Apache-2.0 */
#include "unusable.h"

#include <errno.h>
#include <string.h>

#include "blame.h"
#include "check.h"
#include "choose.h"
#include "clock.h"
#include "device.h"
#include "event.h"
#include "grant.h"
#include "grant_vring.h"
#include "lane.h"
#include "lane_entries.h"
#include "lost.h"
#include "port.h"
#include "primary.h"
#include "publish.h"
#include "secondary.h"

#define FIRST_WAIT_NS  NS_PER_S
#define MOST_DOUBLINGS 6u
/* So many in a row: it is said. */
#define LACKS_TO_SAY 2u
/* So many: somebody else may have what it takes. */
#define LACKS_TO_MOVE 3u
/* So often the directory may have been written just then; beyond that it is its owner that cannot
 * read it. */
#define BUSY_IN_A_ROW 8u

bool vring_lacks(const struct vring *vring)
{
	return vring->lacked >= LACKS_TO_SAY;
}

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

static uint64_t wait_ns(const struct vring *vring)
{
	return FIRST_WAIT_NS << min_u64(vring->lacked - 1u, MOST_DOUBLINGS);
}

/* To the next one, at once. */
static void move_on(struct device *device, const struct secondary *secondary)
{
	device->lacks = secondary->id;
	if (device->owner != secondary || device->moving || device_is_granted(device) ||
	    grant_next_owner(device) == secondary)
		return;
	grant_let_go(device, LOST_HANDED_OVER, hf_now_ns());
	grant_offer(device);
}

static void put_off(struct vring *vring, struct secondary *secondary, int error)
{
	struct device *device = vring->device;

	if (vring->lacked < UINT8_MAX)
		vring->lacked++;
	vring->put_off_ns = hf_now_ns() + wait_ns(vring);
	if (hf_log_allowed(&secondary->log_limit))
		log_warning(secondary->tag, "cannot run vring %u of %s: %s; trying again in %u s",
			    vring->index, device->tag, strerror(-error),
			    (uint32_t)(wait_ns(vring) / NS_PER_S));
	if (vring->lacked == LACKS_TO_SAY)
		event_emit(device->primary, HOLDFAST__CONTROL__EVENT_KIND__VRING_PUT_OFF,
			   device->port->name, secondary->name, vring->index, 0,
			   "cannot be run for now: %s; raise its limits, or see whether the "
			   "front-end's memory is whole",
			   strerror(-error));
	if (vring->lacked % LACKS_TO_MOVE == 0)
		move_on(device, secondary);
}

int grant_unusable(struct secondary *secondary, struct vring *vring, uint64_t grant, int error)
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
	/* The directory was being written, by us or by who was killed over it; by now it is whole.
	 * Whatever somebody says: not before the next look. */
	if (error == -EBUSY && vring->busy < BUSY_IN_A_ROW) {
		vring->busy++;
		vring->put_off_ns = hf_now_ns();
		return 0;
	}
	if (error == -EBUSY || is_shortage(error)) {
		put_off(vring, secondary, error);
		return 0;
	}
	vring->broken = true;
	publish_device(device);
	event_emit(device->primary, HOLDFAST__CONTROL__EVENT_KIND__VRING_BROKEN, device->port->name,
		   secondary->name, vring->index, 0, "cannot be run: %s",
		   strerror(error < 0 && error > -4096 ? -error : EINVAL));
	return 0;
}

/* It runs after all. */
static void succeeded(struct vring *vring)
{
	struct device *device = vring->device;

	event_emit(device->primary, HOLDFAST__CONTROL__EVENT_KIND__VRING_GRANTED,
		   device->port->name, vring->owner->name, vring->index, 0,
		   "runs now, after it could not be run %u times", vring->lacked);
	vring->lacked = 0;
}

/* True: its time has come. */
static bool look_again(struct vring *vring, uint64_t now)
{
	if ((vring->lacked || vring->busy) && vring->owner && blame_ended_burst(vring)) {
		if (vring->lacked)
			succeeded(vring);
		vring->busy = 0;
	}
	if (!vring->put_off_ns || now < vring->put_off_ns)
		return false;
	vring->put_off_ns = 0;
	return true;
}

/* Retired says that entries are free again; nobody says it of our own memory. */
static void offer_to_starved(struct primary *primary)
{
	bool any = false;

	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *secondary = primary->secondaries[i];

		any |= secondary && secondary->starved;
		if (secondary)
			secondary->starved = false;
	}
	if (any)
		grant_offer_all(primary);
}

void grant_offer_again(struct primary *primary, uint64_t now)
{
	offer_to_starved(primary);
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct port *port = primary->ports[i];
		bool any = false;

		for (uint32_t v = 0; port && v < HF_SHM_MAX_VRINGS; v++)
			any |= look_again(&port->device.vrings[v], now);
		if (any)
			grant_offer(&port->device);
	}
}

static bool is_put_off(const struct device *device)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		if (device->vrings[i].put_off_ns)
			return true;
	return false;
}

void grant_relief_came(const struct secondary *secondary)
{
	const struct primary *primary = secondary->primary;

	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct device *device = primary->ports[i] ? &primary->ports[i]->device : NULL;

		if (!device || !is_put_off(device) || !grant_may_run(device, secondary))
			continue;
		device_offer_at_once(device);
		if (device->owner && device->owner->id == device->lacks)
			move_on(device, device->owner);
	}
}
