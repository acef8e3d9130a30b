/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring as its driver sees it; what is a packed one's own is in front_packed.c.
 *
 * Theory of operation. Slot i of the available ring always offers descriptor i with buffer i: the
 * ring is posted and reaped as a whole, so nothing is ever in use twice. Descriptors are written
 * anew each time, as drivers do. Used entries may come in any order; what the packet at place k
 * must be depends on the place, not on the buffer.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "front_layout.h"
#include "order.h"

/* Of the buffer that is posted, or comes back, as number `index` (free-running). */
uint64_t front_offset(const struct front_ring *r, uint32_t index)
{
	return r->places ? (uint64_t)(index % r->places) * FRONT_PAGE
			 : (uint64_t)(index % r->size) * r->buffer_distance;
}

static uint8_t *buffer(const struct front_ring *r, uint32_t index)
{
	return r->buffers + front_offset(r, index);
}

static void post(struct front_ring *r, uint16_t n, uint32_t len, uint16_t flags)
{
	if (r->packed) {
		front_post_packed(r, n, len, flags);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		uint16_t index = (uint16_t)(r->posted + i), slot = index % r->size;

		r->desc[slot] = (struct vring_desc){
			.addr = r->buffers_gpa + front_offset(r, index),
			.len = len,
			.flags = flags,
		};
		r->avail->ring[slot] = slot;
	}
	r->posted = (uint16_t)(r->posted + n);
	/* Partner: the back-end's acquire of avail->idx. */
	hf_store_release(&r->avail->idx, r->posted);
}

void front_fill(struct front_ring *r, uint32_t size)
{
	for (uint32_t i = 0; i < (r->places ? r->places : r->size); i++) {
		memset(buffer(r, i), 0, FRONT_HEADER);
		frame_fill(buffer(r, i) + FRONT_HEADER, size);
	}
}

void front_post_frames(struct front_ring *r, uint32_t size, uint64_t sequence)
{
	for (uint16_t i = 0; i < r->size; i++) {
		uint16_t slot = (uint16_t)(r->posted + i) % r->size;

		frame_stamp(buffer(r, slot) + FRONT_HEADER, size, sequence + i);
	}
	post(r, r->size, FRONT_HEADER + size, 0);
}

void front_post_buffers(struct front_ring *r, bool wipe)
{
	for (uint16_t i = 0; wipe && i < r->size; i++)
		memset(buffer(r, i), 0xee, r->buffer_bytes);
	post(r, r->size, r->buffer_bytes, VRING_DESC_F_WRITE);
}

/* The next used entry; false when there is none. */
static bool next_used(struct front_ring *r, uint16_t idx, struct vring_used_elem *ret)
{
	if (r->packed)
		return front_next_packed(r, ret);
	if (r->reaped == idx)
		return false;
	*ret = r->used->ring[r->reaped % r->size];
	r->reaped++;
	return true;
}

uint32_t front_reap_frames(struct front_ring *r)
{
	uint16_t idx = r->packed ? 0 : hf_load_acquire(&r->used->idx);
	struct vring_used_elem e;
	uint32_t n = 0;

	while (next_used(r, idx, &e) && e.id < r->size)
		n++;
	return n;
}

static bool packet_is(const struct front_ring *r, const struct vring_used_elem *e,
		      const struct front_expect *x, uint64_t sequence)
{
	uint16_t num_buffers;
	const uint8_t *at;

	if (e->id >= r->size || e->len != FRONT_HEADER + x->size)
		return false;
	at = buffer(r, (uint16_t)e->id);
	memcpy(&num_buffers, at + 10, sizeof(num_buffers));
	if (x->mergeable && num_buffers != 1)
		return false;
	return x->every_byte ? frame_is_intact(at + FRONT_HEADER, x->size, sequence)
			     : frame_is(at + FRONT_HEADER, x->size, sequence);
}

int front_reap_buffers(struct front_ring *r, const struct front_expect *x)
{
	uint16_t idx = r->packed ? 0 : hf_load_acquire(&r->used->idx);
	struct vring_used_elem e;
	int n = 0;

	for (; next_used(r, idx, &e); n++) {
		uint64_t sequence = x->sequence + (uint32_t)n % x->modulo;

		if (!packet_is(r, &e, x, sequence)) {
			fprintf(stderr, "packet %d is not frame %llu of %u bytes (id %u, len %u)\n",
				n, (unsigned long long)sequence, x->size, e.id, e.len);
			return -1;
		}
	}
	return n;
}

void front_post_frame(struct front_ring *r, uint32_t size, uint64_t sequence)
{
	frame_stamp(buffer(r, r->posted) + FRONT_HEADER, size, sequence);
	post(r, 1, FRONT_HEADER + size, 0);
}

void front_post_buffer(struct front_ring *r)
{
	post(r, 1, r->buffer_bytes, VRING_DESC_F_WRITE);
}

int front_reap_one(struct front_ring *r, const uint8_t **ret_frame, uint32_t *ret_len)
{
	uint16_t index = r->reaped;
	struct vring_used_elem e;

	if (!next_used(r, hf_load_acquire(&r->used->idx), &e))
		return 0;
	*ret_frame = buffer(r, index) + FRONT_HEADER;
	*ret_len = e.len < FRONT_HEADER ? 0 : e.len - FRONT_HEADER;
	return e.id == index % r->size && *ret_len <= FRAME_MAX ? 1 : -1;
}

void front_kick(const struct front *front, uint32_t ring)
{
	const struct front_ring *r = &front->rings[ring];

	/* Partner: the back-end writes flags, and then looks at avail->idx once more. */
	hf_fence_full();
	if (!(hf_read_once(&r->used->flags) & VRING_USED_F_NO_NOTIFY))
		(void)!write(front->kicks[ring], &(uint64_t){1}, sizeof(uint64_t));
}
