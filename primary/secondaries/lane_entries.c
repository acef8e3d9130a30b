/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binding is the set of lane entries that one session of one device uses in one lane. While the
 * session lasts it hangs on devices[slot]; after DeviceRetire it waits in `retiring` for the
 * secondary's Retired. A secondary that never says Retired runs out of entries of its own lane; a
 * front-end that comes and goes faster than the secondary says it, of those its port may hold.
 */
#include "lane_entries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "journal.h"
#include "lane.h"
#include "primary.h"
#include "secondary.h"

#define BITS 64u
/* Sessions of one device whose entries a secondary may still hold. */
#define MAX_RETIRING 4u

struct lane_binding {
	struct lane_binding *next;
	uint32_t device;
	uint64_t session;
	uint32_t entries[HF_SHM_MAX_VRINGS]; /* 0: none yet */
	uint64_t stamps[HF_SHM_MAX_VRINGS];  /* prepare.c */
};

/* Next fit: a freed entry is used again as late as possible. 0: the lane is full. */
static uint32_t lane_take(struct secondary *secondary)
{
	for (uint32_t n = 1; n < secondary->lane_entries; n++) {
		uint32_t entry = 1 + (secondary->lane_hint + n) % (secondary->lane_entries - 1);

		if (secondary->lane_used[entry / BITS] & (1ull << entry % BITS))
			continue;
		secondary->lane_used[entry / BITS] |= 1ull << entry % BITS;
		secondary->lane_hint = entry - 1;
		return entry;
	}
	return 0;
}

static void binding_free(struct secondary *secondary, struct lane_binding *binding)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		uint32_t entry = binding->entries[i];

		if (!entry)
			continue;
		secondary->lane_used[entry / BITS] &= ~(1ull << entry % BITS);
		journal_lane(secondary, entry, 0, 0, 0);
	}
	free(binding);
}

static uint32_t count_retiring(const struct secondary *secondary, uint32_t device_slot)
{
	uint32_t n = 0;

	for (const struct lane_binding *b = secondary->retiring; b; b = b->next)
		n += b->device == device_slot;
	return n;
}

static struct lane_binding *new_binding(uint32_t device_slot, uint64_t session)
{
	struct lane_binding *binding = calloc(1, sizeof(*binding));

	if (binding) {
		binding->device = device_slot;
		binding->session = session;
	}
	return binding;
}

uint32_t secondary_lane_bind(struct secondary *secondary, const struct device *device,
			     uint32_t vring)
{
	struct lane_binding **binding = &secondary->devices[device->slot].lane;

	if (*binding && (*binding)->session != device->session)
		secondary_lane_retire(secondary, device->slot);
	if (!*binding) {
		if (count_retiring(secondary, device->slot) >= MAX_RETIRING)
			return 0;
		*binding = new_binding(device->slot, device->session);
		if (!*binding)
			return 0;
	}
	if (!(*binding)->entries[vring]) {
		uint32_t entry = lane_take(secondary);

		if (entry)
			journal_lane(secondary, entry, device->slot, device->session, vring);
		(*binding)->entries[vring] = entry;
	}
	return (*binding)->entries[vring];
}

static struct lane_binding *find_retiring(const struct secondary *secondary, uint32_t device_slot,
					  uint64_t session)
{
	struct lane_binding *binding = secondary->retiring;

	while (binding && (binding->device != device_slot || binding->session != session))
		binding = binding->next;
	return binding;
}

int secondary_lane_adopt(struct secondary *secondary, uint32_t entry, uint32_t device_slot,
			 uint64_t session, uint32_t vring)
{
	struct secondary_device *device = &secondary->devices[device_slot];
	struct lane_binding *binding;

	if (!entry || entry >= secondary->lane_entries || vring >= HF_SHM_MAX_VRINGS)
		return -EINVAL;
	binding = device->session == session ? device->lane
					     : find_retiring(secondary, device_slot, session);
	if (!binding) {
		binding = new_binding(device_slot, session);
		if (!binding)
			return -ENOMEM;
		if (device->session == session) {
			device->lane = binding;
		} else {
			binding->next = secondary->retiring;
			secondary->retiring = binding;
		}
	}
	binding->entries[vring] = entry;
	secondary->lane_used[entry / BITS] |= 1ull << entry % BITS;
	return 0;
}

uint32_t secondary_lane_entry(const struct secondary *secondary, uint32_t device_slot,
			      uint32_t vring)
{
	const struct lane_binding *binding = secondary->devices[device_slot].lane;

	return binding ? binding->entries[vring] : 0;
}

uint64_t *secondary_lane_stamp(struct secondary *secondary, const struct device *device,
			       uint32_t vring)
{
	struct lane_binding *binding = secondary->devices[device->slot].lane;

	if (!binding || binding->session != device->session || !binding->entries[vring])
		return NULL;
	return &binding->stamps[vring];
}

void secondary_lane_unprepare(struct secondary *secondary, uint32_t device_slot)
{
	struct lane_binding *binding = secondary->devices[device_slot].lane;

	if (binding)
		memset(binding->stamps, 0, sizeof(binding->stamps));
}

void secondary_lane_retire(struct secondary *secondary, uint32_t device_slot)
{
	struct lane_binding *binding = secondary->devices[device_slot].lane;

	if (!binding)
		return;
	secondary->devices[device_slot].lane = NULL;
	binding->next = secondary->retiring;
	secondary->retiring = binding;
}

void secondary_each_retiring(struct secondary *secondary,
			     void (*visit)(struct secondary *secondary, uint32_t device_slot,
					   uint64_t session))
{
	for (const struct lane_binding *b = secondary->retiring; b; b = b->next)
		visit(secondary, b->device, b->session);
}

bool secondary_lane_retired(struct secondary *secondary, uint32_t device_slot, uint64_t session)
{
	for (struct lane_binding **at = &secondary->retiring; *at; at = &(*at)->next) {
		struct lane_binding *binding = *at;

		if (binding->device != device_slot || binding->session != session)
			continue;
		*at = binding->next;
		binding_free(secondary, binding);
		return true;
	}
	return false;
}

void secondary_lane_free(struct secondary *secondary)
{
	for (uint32_t i = 0; secondary->devices && i < secondary->primary->conf->max_devices; i++)
		secondary_lane_retire(secondary, i);
	while (secondary->retiring) {
		struct lane_binding *binding = secondary->retiring;

		secondary->retiring = binding->next;
		binding_free(secondary, binding);
	}
}

const struct hf_lane_vring *grant_lane(const struct vring *vring)
{
	return vring->owner ? hf_lane_entry(vring->owner->lane.base, vring->lane_entry) : NULL;
}
