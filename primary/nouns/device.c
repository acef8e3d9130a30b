/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The draft's own rules: what a fresh one looks like, when a ring is whole, and where its parts
 * must lie. What changes it is in session_*.c.
 *
 * A ring's addresses come in the front-end's address space and are kept as they came; they are
 * translated whenever size, features (the event words) or memory table change, and a ring is only
 * ever started while the translation holds from its first to its last byte.
 */
#include "device.h"

#include <string.h>
#include <unistd.h>

#include "check.h"
#include "fd.h"
#include "vu_wire.h"

#define SPLIT_DESC_BYTES   16u
#define SPLIT_AVAIL_ITEM   2u
#define SPLIT_USED_ITEM	   8u
#define SPLIT_HEAD_BYTES   4u /* flags and index */
#define EVENT_WORD_BYTES   2u
#define PACKED_DESC_BYTES  16u
#define PACKED_EVENT_BYTES 4u
#define PACKED_WRAP	   0x8000u /* of a position */

static void vring_clear(struct vring *vring)
{
	uint64_t counters[HF_NR_COUNTERS];
	struct loop_source source = vring->kick_source;

	hf_fd_close(&vring->kick);
	hf_fd_close(&vring->call);
	hf_fd_close(&vring->err);
	memcpy(counters, vring->counters, sizeof(counters));
	*vring = (struct vring){.device = vring->device,
				.index = vring->index,
				.kick = -1,
				.call = -1,
				.err = -1,
				.deaths = vring->deaths,
				.kick_source = source};
	memcpy(vring->counters, counters, sizeof(counters));
}

void device_init(struct device *device, struct primary *primary, struct port *port, uint32_t slot)
{
	device->primary = primary;
	device->port = port;
	device->slot = slot;
	device->node = -1;
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		struct vring *vring = &device->vrings[i];

		*vring = (struct vring){.device = device,
					.index = (uint16_t)i,
					.kick = -1,
					.call = -1,
					.err = -1,
					.kick_source = {.fd = -1}};
	}
}

void device_reset(struct device *device)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		vring_clear(&device->vrings[i]);
	hf_fd_close_all(device->region_fds, device->memory.count);
	memset(device->regions_stored, 0, sizeof(device->regions_stored));
	if (device->memory.count)
		device->mem_generation++;
	device->memory.count = 0;
	device->session = 0;
	device->features = 0;
	device->features_set = false;
	device->protocol_features = 0;
	device->mtu = 0;
	device->status = 0;
	device->status_seen = false;
	device->node = -1;
	device->descriptors.now = device->descriptors.most = 0;
	device->rarp_unsent = false;
	device->lacks = 0;
}

void device_offer_at_once(struct device *device)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		device->vrings[i].put_off_ns = 0;
}

void device_forget_lacks(struct device *device)
{
	device_offer_at_once(device);
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		device->vrings[i].lacked = device->vrings[i].busy = 0;
}

enum hf_shm_device_state device_state(const struct device *device)
{
	if (!device->session)
		return HF_DEVICE_PORT;
	for (uint32_t i = 0; device->memory.count && i < HF_SHM_MAX_VRINGS; i++)
		if (device->vrings[i].started)
			return HF_DEVICE_READY;
	return HF_DEVICE_SESSION;
}

bool device_read(const struct device *device, uint64_t gpa, void *to, uint64_t bytes)
{
	int at = hf_memtab_find_gpa(&device->memory, gpa);
	const struct hf_shm_region *region;

	if (at < 0)
		return false;
	region = &device->memory.regions[at];
	return bytes <= region->size - (gpa - region->gpa) &&
	       pread(device->region_fds[at], to, bytes,
		     (off_t)(region->file_offset + (gpa - region->gpa))) == (ssize_t)bytes;
}

static bool vring_touched(const struct vring *vring)
{
	return vring->size || vring->address_given || vring->has_kick || vring->call >= 0 ||
	       vring->err >= 0 || vring->base != device_first_base(vring->device);
}

uint32_t device_nr_vrings(const struct device *device)
{
	uint32_t n = HF_SHM_MAX_VRINGS;

	while (n && !vring_touched(&device->vrings[n - 1]))
		n--;
	return n;
}

bool device_is_granted(const struct device *device)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		if (device->vrings[i].owner)
			return true;
	return false;
}

bool device_is_packed(const struct device *device)
{
	return device->features & VIRTIO_BIT(VIRTIO_F_RING_PACKED);
}

/* The wrap counters begin as 1 (virtio 1.1, 2.7.1). */
uint16_t device_first_base(const struct device *device)
{
	return device_is_packed(device) ? PACKED_WRAP : 0;
}

bool vring_configured(const struct vring *vring)
{
	bool may_run = vring->device->is_vhost_net ? vring->has_backend : vring->has_kick;

	return vring->size && vring->has_address && may_run;
}

bool vring_active(const struct vring *vring)
{
	return vring->started || vring->suspended;
}

/* One part of a ring, as the front-end gave it. */
struct part {
	uint64_t user;
	uint64_t bytes;
	uint64_t align;
};

static void packed_parts(struct part parts[3], const struct vring *vring, uint64_t desc,
			 uint64_t driver, uint64_t device)
{
	parts[0] = (struct part){desc, (uint64_t)vring->size * PACKED_DESC_BYTES, 16};
	parts[1] = (struct part){driver, PACKED_EVENT_BYTES, 4};
	parts[2] = (struct part){device, PACKED_EVENT_BYTES, 4};
}

static void split_parts(struct part parts[3], const struct vring *vring, uint64_t desc,
			uint64_t avail, uint64_t used)
{
	uint64_t n = vring->size, event = 0;

	if (vring->device->features & VIRTIO_BIT(VIRTIO_F_EVENT_IDX))
		event = EVENT_WORD_BYTES;
	parts[0] = (struct part){desc, n * SPLIT_DESC_BYTES, 16};
	parts[1] = (struct part){avail, SPLIT_HEAD_BYTES + n * SPLIT_AVAIL_ITEM + event, 2};
	parts[2] = (struct part){used, SPLIT_HEAD_BYTES + n * SPLIT_USED_ITEM + event, 4};
}

/* What SET_VRING_NUM said may have been meant for the other kind of ring. */
static bool size_is_possible(const struct vring *vring)
{
	return device_is_packed(vring->device) ? vring->size != 0 : is_pow2(vring->size);
}

enum ring_fit vring_fit(const struct vring *vring, uint64_t desc_user, uint64_t avail_user,
			uint64_t used_user, uint64_t ret_gpa[3])
{
	const struct hf_memtab *memory = &vring->device->memory;
	struct part parts[3];
	uint64_t gpa[3];

	(device_is_packed(vring->device) ? packed_parts : split_parts)(parts, vring, desc_user,
								       avail_user, used_user);
	for (int i = 0; i < 3; i++)
		if (parts[i].user % parts[i].align)
			return RING_MISALIGNED;
	if (!size_is_possible(vring) || !memory->count)
		return RING_UNKNOWN;
	for (int i = 0; i < 3; i++)
		if (!hf_memtab_user_to_gpa(memory, parts[i].user, parts[i].bytes, &gpa[i]))
			return RING_OUTSIDE;
	/* They lie inside regions now: no sum can wrap. */
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < i; j++)
			if (ranges_overlap(parts[i].user, parts[i].bytes, parts[j].user,
					   parts[j].bytes))
				return RING_OVERLAPS;
	memcpy(ret_gpa, gpa, sizeof(gpa));
	return RING_FITS;
}

void vring_forget_position(struct vring *vring)
{
	vring->base = device_first_base(vring->device);
	vring->base_used = vring->base;
	vring->leftovers = 0;
}

void vring_locate(struct vring *vring)
{
	uint64_t gpa[3] = {0};

	vring->has_address =
		vring->address_given && vring_fit(vring, vring->desc_user, vring->avail_user,
						  vring->used_user, gpa) == RING_FITS;
	vring->desc_gpa = gpa[0];
	vring->avail_gpa = gpa[1];
	vring->used_gpa = gpa[2];
	if (vring->started && !vring->has_address) {
		vring->started = false;
		vring->suspended = true;
	}
}
