/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packed ring as its driver sees it: posted and reaped as a whole, like the split one, so that
 * descriptor, buffer id and buffer have one number. Flags are stored last, one descriptor after the
 * other, as drivers do.
 */
#include "front_layout.h"
#include "order.h"

#define AVAILABLE (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED	  (1u << VRING_PACKED_DESC_F_USED)

/* The wrap counter begins as 1, and turns with each ring. */
static bool wrap_at(const struct front_ring *r, uint16_t moved)
{
	return moved / r->size % 2 == 0;
}

void front_post_packed(struct front_ring *r, uint16_t n, uint32_t len, uint16_t flags)
{
	for (uint16_t i = 0; i < n; i++) {
		uint16_t index = (uint16_t)(r->posted + i), slot = index % r->size;
		uint16_t available = wrap_at(r, index) ? AVAILABLE : USED;
		struct vring_packed_desc *d = &r->packed[slot];

		d->addr = r->buffers_gpa + front_offset(r, index);
		d->len = len;
		d->id = slot;
		/* Partner: the back-end's acquire of the flags. */
		hf_store_release(&d->flags, (uint16_t)(flags | available));
	}
	r->posted = (uint16_t)(r->posted + n);
}

bool front_next_packed(struct front_ring *r, struct vring_used_elem *ret)
{
	const struct vring_packed_desc *d = &r->packed[r->reaped % r->size];
	uint16_t used = wrap_at(r, r->reaped) ? AVAILABLE | USED : 0;

	if (r->reaped == r->posted || (hf_load_acquire(&d->flags) & (AVAILABLE | USED)) != used)
		return false;
	ret->id = d->id;
	ret->len = d->len;
	r->reaped++;
	return true;
}
