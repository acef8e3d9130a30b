/* SPDX-License-Identifier: Apache-2.0 */
#include "packed.h"

#include <errno.h>
#include <stdlib.h>

#define EVENT_BYTES 4u

/* Each part in one region (virtio 1.1, 2.7.10.1). */
static int locate(struct hf_vring *v, const struct hf_vring_setup *s)
{
	hf_write_once(&v->slots,
		      (struct hf_packed_slot *)(void *)hf_guestmap_whole(
			      s->map, s->desc_gpa, sizeof(*v->slots) * (uint64_t)s->size));
	v->driver_event = (void *)hf_guestmap_whole(s->map, s->avail_gpa, EVENT_BYTES);
	v->device_event = (void *)hf_guestmap_whole(s->map, s->used_gpa, EVENT_BYTES);
	if (!v->slots || !v->driver_event || !v->device_event)
		return -EINVAL;
	if ((uintptr_t)v->slots % sizeof(*v->slots) || (uintptr_t)v->driver_event % EVENT_BYTES ||
	    (uintptr_t)v->device_event % EVENT_BYTES)
		return -EINVAL;
	return 0;
}

int hf_packed_setup(struct hf_vring *v, const struct hf_vring_setup *s)
{
	if (!s->size || s->size > HF_VRING_MAX_SIZE || locate(v, s))
		return -EINVAL;
	if (v->shadow_size < s->size) {
		free(v->shadow);
		v->shadow_size = 0;
		/* One more: behind the last chain stands where the next one begins. */
		v->shadow = calloc(s->size + 1u, sizeof(*v->shadow));
		if (!v->shadow)
			return -ENOMEM;
		v->shadow_size = s->size;
	}
	return 0;
}

uint16_t hf_packed_available(const struct hf_vring *v, uint16_t want, uint32_t *ret_descs)
{
	uint16_t at = v->next, n = 0;
	uint32_t descs = 0;

	while (n < want && descs < v->size) {
		uint64_t state = hf_packed_look(v, at);

		if (!hf_packed_is_available(state, at))
			break;
		descs++;
		at = hf_packed_after(v, at, 1);
		n = (uint16_t)(n + !(hf_packed_flags(state) & VRING_DESC_F_NEXT));
	}
	if (ret_descs)
		*ret_descs = descs;
	return n;
}

/* A used descriptor as it would be if the driver had made it available. What it was long is gone,
 * but not what was written: it is no longer than that. With others behind it even that is the sum
 * of them all, and a table's length is gone altogether: then it has no room itself. */
static uint64_t as_available(uint16_t position, uint64_t state)
{
	uint16_t was = hf_packed_flags(state) & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT);
	uint16_t flags = (uint16_t)(hf_packed_avail_flags(position) | VRING_DESC_F_WRITE |
				    (was & VRING_DESC_F_NEXT));

	return hf_packed_state(flags, (uint16_t)(state >> 32), was ? 0 : (uint32_t)state);
}

void hf_packed_repair(struct hf_vring *v)
{
	uint16_t at = v->next;

	/* The first is the one that would have published them all. */
	for (uint16_t i = 0; i < v->leftovers; i++, at = hf_packed_after(v, at, 1)) {
		uint64_t state = hf_packed_look(v, at);

		if (i && (hf_packed_flags(state) & HF_PACKED_OWNER) == hf_packed_used_flags(at))
			hf_packed_store(hf_packed_slot(v, at), as_available(at, state));
	}
	v->leftovers = 0;
	hf_packed_tell_lane(v, HF_INTENT_NONE, 0);
}
