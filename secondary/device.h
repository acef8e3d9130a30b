/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device granted to this process: what the control thread keeps of it.
 *
 * A data thread's burst finds its vring by its number (hf_device_vring) and looks at nothing else
 * of the device: what of it concerns each burst is asked of each vring (HF_ASKED_…), and only when
 * it is asked there, does a burst look at `rarp`. A vring, once there, stays until the device is
 * destroyed, which is after destroy_device has returned.
 */
#ifndef SECONDARY_DEVICE_H
#define SECONDARY_DEVICE_H

#include <holdfast/device.h>
#include <stdbool.h>
#include <stdint.h>

#include "guestmap.h"
#include "layout.h"
#include "vring.h"

struct hf_service;

static_assert(HF_MAX_VRINGS == HF_SHM_MAX_VRINGS, "the API and the ABI agree");
static_assert(HF_NAME_MAX + 1 == HF_SHM_NAME_BYTES, "the API and the ABI agree");

#define HF_RARP_PENDING (1ull << 63)

/* Vrings inside the device: most have one pair, and a burst on it reads a line less. */
#define HF_DEVICE_OWN 2u

struct hf_device {
	struct hf_vring own[HF_DEVICE_OWN];
	/* All that are there. Control thread writes, data threads read. */
	struct hf_vring *vrings[HF_MAX_VRINGS];
	uint64_t rarp; /* 0, or a MAC in its first six bytes and HF_RARP_PENDING: announce it */

	/* The control thread's, constant between new_device and destroy_device but for the map. */
	struct hf_service *service;
	uint32_t slot;
	uint32_t running; /* read by any thread */
	uint64_t session;
	uint64_t mem_generation; /* of the map */
	uint64_t features;
	uint16_t mtu;
	uint16_t nr_vrings;
	int node;
	char name[HF_SHM_NAME_BYTES];
	bool announced; /* new_device ran and accepted it */
	bool declined;
	void *user;
	struct hf_guestmap *map;
	int map_error; /* why there is none; 0: there is, or never was */

	/* Memory under way: descriptors of DeviceMemory, until DeviceReady maps them. */
	uint64_t pending_generation;
	uint32_t pending_total;
	uint32_t pending_have;
	int *pending_fds; /* owned; [pending_total] */
};

/* NULL when memory lacks. */
struct hf_device *hf_device_create(struct hf_service *service, uint32_t slot, uint64_t session);
/* Unmaps, closes, frees. No thread may use the handle any more. */
void hf_device_free(struct hf_device *device);

/* `map`, the device's from now on, or none (NULL), in the place of the one there is. No burst can
 * be in that. 0; -ENOMEM: it has none now. */
int hf_device_put_map(struct hf_device *device, struct hf_guestmap *map);

/* The vring, made when it is not there yet. NULL: no such number, or memory lacks. */
struct hf_vring *hf_device_get_vring(struct hf_device *device, uint32_t queue);

/* The vring, or NULL. One that is not granted, and may never be, has no `my_grant`. Any thread. */
static inline struct hf_vring *hf_device_vring(struct hf_device *device, uint16_t queue)
{
	if (likely(queue < HF_DEVICE_OWN))
		return &device->own[queue];
	return queue < HF_MAX_VRINGS ? hf_load_acquire(&device->vrings[queue]) : NULL;
}

#endif
