/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The draft in the directory's form, in one piece: hf_directory_publish copies it under the slot's
 * sequence count. Nothing is published that secondaries could not also be sent (descriptors stay
 * out), and the grant words are never touched here but when the port goes.
 */
#include "publish.h"

#include <string.h>

#include "device.h"
#include "directory.h"
#include "journal.h"
#include "order.h"
#include "port.h"
#include "primary.h"

uint32_t publish_vring_flags(const struct vring *vring)
{
	uint32_t flags = 0;

	if (vring_configured(vring))
		flags |= HF_VRING_CONFIGURED;
	if (vring->started)
		flags |= HF_VRING_STARTED;
	if (vring->enabled)
		flags |= HF_VRING_ENABLED;
	if (vring->broken)
		flags |= HF_VRING_BROKEN;
	if (vring->kick >= 0)
		flags |= HF_VRING_HAS_KICK;
	if (vring->call >= 0)
		flags |= HF_VRING_HAS_CALL;
	if (vring->err >= 0)
		flags |= HF_VRING_HAS_ERR;
	if (device_is_packed(vring->device))
		flags |= HF_VRING_PACKED;
	return flags;
}

static void fill_vring(struct hf_shm_vring *to, const struct vring *from)
{
	*to = (struct hf_shm_vring){
		.desc_gpa = from->desc_gpa,
		.avail_gpa = from->avail_gpa,
		.used_gpa = from->used_gpa,
		.log_gpa = from->log_gpa,
		.flags = publish_vring_flags(from),
		.size = from->size,
		.base = from->base,
		.base_used = from->base_used,
	};
}

static void fill_device(struct hf_shm_device *to, const struct device *from)
{
	to->state = device_state(from);
	to->mem_generation = from->mem_generation;
	to->session = from->session;
	to->features = from->features;
	to->protocol_features = from->protocol_features;
	to->nr_regions = from->memory.count;
	to->nr_vrings = device_nr_vrings(from);
	to->kind = from->is_vhost_net;
	to->node = from->node;
	to->mtu = from->mtu;
	to->status = from->status;
	memset(to->name, 0, sizeof(to->name));
	memcpy(to->name, from->port->name, strnlen(from->port->name, sizeof(to->name) - 1));
	memcpy(to->regions, from->memory.regions, from->memory.count * sizeof(to->regions[0]));
	for (uint32_t i = 0; i < to->nr_vrings; i++)
		fill_vring(&to->vrings[i], &from->vrings[i]);
}

/* Nobody owns a vring of a fresh slot, and zero would name the first secondary. */
static void reset_owners(const struct hf_directory *directory, uint32_t device)
{
	struct hf_shm_device *slot = hf_directory_device(directory, device);

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		/* Partner: the acquire in hf_burst_enter; a burst that is late runs no ring. Rows
		 * of grants that nobody ever used are not touched, or all of them would be there.
		 */
		if (hf_read_once(&slot->vrings[i].lane_entry))
			hf_store_release(hf_directory_grant(directory, device, i), (uint64_t)0);
		hf_write_once(&slot->vrings[i].owner, HF_SHM_NO_OWNER);
		hf_write_once(&slot->vrings[i].lane_entry, 0u);
	}
}

/* Where a draft takes the directory's form. 64 KiB is much for a stack and an allocation could
 * fail; nothing in it outlives a call. */
static struct hf_shm_device scratch;

void publish_device(struct device *device)
{
	const struct hf_directory *directory = &device->primary->directory;
	struct hf_shm_device *slot = hf_directory_device(directory, device->slot);

	if (slot->state == HF_DEVICE_FREE)
		reset_owners(directory, device->slot);
	fill_device(&scratch, device);
	(void)hf_directory_publish(directory, device->slot, &scratch);
	journal_port(device->port);
}

void publish_free(struct device *device)
{
	const struct hf_directory *directory = &device->primary->directory;

	memset(&scratch, 0, sizeof(scratch));
	(void)hf_directory_publish(directory, device->slot, &scratch);
	reset_owners(directory, device->slot);
}
