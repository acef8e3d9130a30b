/* SPDX-License-Identifier: Apache-2.0 */
#include "ring_trace.h"

#include <endian.h>

#include "device.h"
#include "vu_wire.h"

/* Offsets in a split ring. */
#define INDEX_OFFSET	     2u
#define USED_EVENT_OFFSET(n) (4u + 8u * (uint64_t)(n))
/* Offset in a packed ring's descriptor, and in its event suppression structures. */
#define DESC_FLAGS_OFFSET  14u
#define EVENT_FLAGS_OFFSET 2u

/* A 16-bit word of a ring, little-endian as the ring is. False: cannot be read. */
static bool read_word(const struct device *device, uint64_t gpa, uint16_t *ret_word)
{
	if (!device_read(device, gpa, ret_word, sizeof(*ret_word)))
		return false;
	*ret_word = le16toh(*ret_word);
	return true;
}

/* Packed: no descriptor was ever made available, and nobody has asked not to be kicked. */
static bool packed_is_fresh(const struct vring *vring)
{
	uint16_t first, kicks;

	if (!read_word(vring->device, vring->desc_gpa + DESC_FLAGS_OFFSET, &first) ||
	    !read_word(vring->device, vring->used_gpa + EVENT_FLAGS_OFFSET, &kicks))
		return true;
	return !first && !kicks;
}

bool ring_trace_is_fresh(const struct vring *vring)
{
	const struct device *device = vring->device;
	uint16_t avail_idx, used_flags, used_idx, avail_event = 0;

	if (vring->base != device_first_base(device))
		return false;
	if (device_is_packed(device))
		return packed_is_fresh(vring);
	if (!read_word(device, vring->avail_gpa + INDEX_OFFSET, &avail_idx) ||
	    !read_word(device, vring->used_gpa, &used_flags) ||
	    !read_word(device, vring->used_gpa + INDEX_OFFSET, &used_idx))
		return true;
	if ((device->features & VIRTIO_BIT(VIRTIO_F_EVENT_IDX)) &&
	    !read_word(device, vring->used_gpa + USED_EVENT_OFFSET(vring->size), &avail_event))
		return true;
	return !avail_idx && !used_flags && !used_idx && !avail_event;
}

bool ring_trace_used(const struct vring *vring, uint16_t *ret_used)
{
	return read_word(vring->device, vring->used_gpa + INDEX_OFFSET, ret_used);
}
