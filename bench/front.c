/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front-end's memory.
 *
 * Theory of operation. Rings first, each part on lines of its own, then the buffers of both rings.
 * The distance between buffers is an odd number of cache lines: with a power of two the first
 * lines of all packets, which matter most, would fall into a few cache sets. Hugepages when there
 * are some, as real guests have them: otherwise the measurement is one of TLB misses.
 */
#include "front.h"

#include <errno.h>
#include <linux/memfd.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "fd.h"
#include "front_layout.h"

#define HUGE_PAGE (2ull << 20)

/* Where the parts of ring `index` start; the end of the last one is the size of it all. */
static uint64_t place(uint64_t *at, uint64_t bytes)
{
	uint64_t here = *at;

	*at = align_up(here + bytes, 128);
	return here;
}

/* An odd number of cache lines, see above. */
static uint32_t distance_of(uint32_t bytes)
{
	return ((bytes + 63) / 64 | 1) * 64;
}

static void lay_out(struct front *front, const struct front_shape *shape, uint64_t *ret_bytes)
{
	const uint32_t size = shape->size, places = shape->places;
	uint64_t at = 0;

	for (uint32_t i = 0; i < FRONT_RINGS; i++) {
		struct front_ring *r = &front->rings[i];

		r->desc = (void *)(front->memory + place(&at, 16ull * size));
		r->avail = (void *)(front->memory + place(&at, 6 + 2ull * size));
		r->used = (void *)(front->memory + place(&at, 6 + 8ull * size));
		r->packed = shape->packed ? (void *)r->desc : NULL;
		r->size = shape->size;
		r->places = places;
		r->buffer_bytes =
			shape->frame > FRAME_MAX ? FRONT_HEADER + shape->frame : FRONT_BUFFER_BYTES;
		r->buffer_distance = distance_of(r->buffer_bytes);
	}
	for (uint32_t i = 0; i < FRONT_RINGS; i++) {
		struct front_ring *r = &front->rings[i];
		uint64_t buffers = place(&at, places ? (uint64_t)places * FRONT_PAGE
						     : (uint64_t)size * r->buffer_distance);

		r->buffers = front->memory + buffers;
		r->buffers_gpa = FRONT_GPA + buffers;
	}
	*ret_bytes = align_up(at, shape->huge ? HUGE_PAGE : FRONT_PAGE);
}

static int map_memory(struct front *front, unsigned int flags)
{
	front->memfd = memfd_create("bench-guest", MFD_CLOEXEC | flags);
	if (front->memfd < 0)
		return -errno;
	if (ftruncate(front->memfd, (off_t)front->bytes) == 0) {
		front->memory = mmap(NULL, front->bytes, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_POPULATE, front->memfd, 0);
		if (front->memory != MAP_FAILED)
			return 0;
	}
	front->memory = NULL;
	hf_fd_close(&front->memfd);
	return -ENOMEM;
}

uint32_t front_base(const struct front_ring *r)
{
	uint32_t place = r->posted % r->size;

	if (!r->packed)
		return r->posted;
	/* Both positions, with a wrap counter that turns at the ring's end. */
	return (place | (r->posted / r->size % 2 ? 0 : 0x8000u)) * 0x10001u;
}

int front_create(struct front *front, const struct front_shape *shape)
{
	int error;

	*front = FRONT_NONE;
	front->features = 1ull << VIRTIO_F_VERSION_1_BIT | 1ull << VHOST_USER_PROTOCOL_BIT;
	if (shape->mergeable)
		front->features |= 1ull << VIRTIO_NET_F_MRG_RXBUF;
	if (shape->packed)
		front->features |= 1ull << VIRTIO_F_RING_PACKED_BIT;
	front->pairs = shape->pairs ? shape->pairs : 1;
	if (front->pairs > 1)
		front->features |= 1ull << VIRTIO_NET_F_MQ_BIT;
	lay_out(front, shape, &front->bytes);
	front->huge = shape->huge && map_memory(front, MFD_HUGETLB | MFD_HUGE_2MB) == 0;
	if (!front->huge && (error = map_memory(front, 0)))
		return error;
	lay_out(front, shape, &front->bytes);
	for (uint32_t i = 0; i < FRONT_RINGS; i++) {
		front->kicks[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		front->calls[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (front->kicks[i] < 0 || front->calls[i] < 0)
			return -errno;
		/* A polling driver: the back-end need not call. */
		if (shape->packed)
			front->rings[i].avail->idx = VRING_PACKED_EVENT_FLAG_DISABLE;
		else
			front->rings[i].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	}
	return 0;
}

void front_need_no_files(struct front *front)
{
	hf_fd_close(&front->memfd);
	hf_fd_close_all(front->kicks, FRONT_RINGS);
	hf_fd_close_all(front->calls, FRONT_RINGS);
}

void front_destroy(struct front *front)
{
	front_disconnect(front);
	if (front->memory)
		munmap(front->memory, front->bytes);
	hf_fd_close(&front->memfd);
	hf_fd_close_all(front->kicks, FRONT_RINGS);
	hf_fd_close_all(front->calls, FRONT_RINGS);
	*front = FRONT_NONE;
}
