/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vring as it is now, for people: what the front-end set up, what stands in guest memory, what
 * its owner says. Guest memory and lane are hostile and change while we look: guest memory is
 * copied out by device_read, every word of the lane is read once, and both are only shown.
 */
#include <endian.h>

#include "check.h"
#include "control_answer.h"
#include "device.h"
#include "grant.h"
#include "lane_entries.h"
#include "order.h"
#include "publish.h"
#include "secondary.h"

#define DESCRIPTORS_PER_PACKET 1024u

/* Split ring in guest memory, little-endian (virtio 1.1, 2.6). The names of linux/virtio_ring.h
 * collide with ours. */
struct ring_head { /* of the available and of the used ring */
	uint16_t flags;
	uint16_t idx;
};
struct ring_descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
static_assert(sizeof(struct ring_descriptor) == 16, "virtio 1.1, 2.6.5");

/* Packed ring (virtio 1.1, 2.7). */
struct packed_event {
	uint16_t position;
	uint16_t flags;
};
#define PACKED_WRAP 0x8000u /* of a position */

static void fill_events(Holdfast__Control__Vring *to, const struct vring *vring)
{
	const struct device *device = vring->device;
	struct packed_event driver, own;

	if (!vring->has_address ||
	    !device_read(device, vring->avail_gpa, &driver, sizeof(driver)) ||
	    !device_read(device, vring->used_gpa, &own, sizeof(own)))
		return;
	to->mapped = true;
	to->avail_flags = le16toh(driver.flags);
	to->avail_idx = le16toh(driver.position);
	to->used_flags = le16toh(own.flags);
	to->used_idx = le16toh(own.position);
}

static void fill_rings(Holdfast__Control__Vring *to, const struct vring *vring)
{
	const struct device *device = vring->device;
	struct ring_head avail, used;

	if (!vring->has_address || !device_read(device, vring->avail_gpa, &avail, sizeof(avail)) ||
	    !device_read(device, vring->used_gpa, &used, sizeof(used)))
		return;
	to->mapped = true;
	to->avail_flags = le16toh(avail.flags);
	to->avail_idx = le16toh(avail.idx);
	to->used_flags = le16toh(used.flags);
	to->used_idx = le16toh(used.idx);
}

static void fill_position(Holdfast__Control__Vring *to, const struct hf_lane_vring *lane,
			  const struct vring *vring)
{
	uint16_t avail = lane ? hf_read_once(&lane->avail) : vring->base;
	uint16_t used = lane ? hf_read_once(&lane->used) : vring->base_used;
	uint16_t place = to->packed ? (uint16_t)~PACKED_WRAP : UINT16_MAX;

	to->last_avail = avail & place;
	to->last_used = used & place;
	to->avail_wrap = avail & ~place;
	to->used_wrap = used & ~place;
}

static void fill_owner(Holdfast__Control__Vring *to, const struct vring *vring)
{
	const struct hf_lane_vring *lane = grant_lane(vring);

	fill_position(to, lane, vring);
	to->broken = vring->broken || (lane && hf_read_once(&lane->broken));
	if (!lane)
		return;
	to->owner = answer_borrow(vring->owner->name);
	to->running = hf_read_once(&lane->running);
	to->busy = hf_read_once(&lane->busy);
}

void control_fill_vring(Holdfast__Control__Vring *to, const struct vring *vring)
{
	holdfast__control__vring__init(to);
	to->index = vring->index;
	to->size = vring->size;
	to->started = vring->started;
	to->enabled = vring->enabled;
	to->configured = vring_configured(vring);
	to->kick_fd = vring->kick;
	to->call_fd = vring->call;
	to->err_fd = vring->err;
	to->desc_gpa = vring->desc_gpa;
	to->avail_gpa = vring->avail_gpa;
	to->used_gpa = vring->used_gpa;
	to->grant = vring->grant;
	to->vring_base = vring->base;
	to->packed = device_is_packed(vring->device);
	(to->packed ? fill_events : fill_rings)(to, vring);
	fill_owner(to, vring);
}

/* A packed one has its id and its flags where a split one has flags and `next`. */
static void fill_descriptor(Holdfast__Control__Descriptor *to, const struct ring_descriptor *from,
			    uint32_t index, bool packed)
{
	holdfast__control__descriptor__init(to);
	to->index = index;
	to->addr = le64toh(from->addr);
	to->len = le32toh(from->len);
	if (packed) {
		to->id = le16toh(from->flags);
		to->flags = le16toh(from->next);
		return;
	}
	to->flags = le16toh(from->flags);
	to->next = le16toh(from->next);
}

uint32_t control_fill_descriptors(struct answer *answer, Holdfast__Control__Vring *to,
				  const struct vring *vring, uint32_t first)
{
	struct ring_descriptor table[DESCRIPTORS_PER_PACKET];
	Holdfast__Control__Descriptor *descriptors;
	uint32_t n;

	if (!vring->has_address || first >= vring->size)
		return 0;
	n = (uint32_t)min_u64(DESCRIPTORS_PER_PACKET, vring->size - first);
	if (!device_read(vring->device, vring->desc_gpa + first * sizeof(table[0]), table,
			 n * sizeof(table[0])))
		return 0;
	descriptors = answer_alloc(answer, n, sizeof(*descriptors));
	to->descriptors = answer_alloc(answer, n, sizeof(to->descriptors[0]));
	for (uint32_t i = 0; i < n; i++) {
		fill_descriptor(&descriptors[i], &table[i], first + i,
				device_is_packed(vring->device));
		to->descriptors[to->n_descriptors++] = &descriptors[i];
	}
	return first + n < vring->size ? first + n : 0;
}
