/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No back-end: the least that anybody has to do with a guest's lines. It believes all that stands
 * in them, counts nothing, owns nothing and cannot be stopped; how near a back-end comes is what
 * its checks cost.
 *
 * Theory of operation. Descriptors, buffers and used entries are read and written burst by burst,
 * as a back-end does, at the addresses of the front-end itself, which is in this process. Frames
 * are moved by the best loop that was found for large ones (docs/performance.md has the others):
 * 32 bytes at a time, aligned where they are stored; and what was written last is written first in
 * the next burst, as whoever keeps free buffers on a stack does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "frames.h"
#include "front.h"
#include "options.h"
#include "order.h"

#define AVAILABLE (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED	  (1u << VRING_PACKED_DESC_F_USED)

/* Next available and next used place, free-running; a ring's size is a power of two. */
struct floor_device {
	struct front *front;
	uint16_t next[FRONT_RINGS];
};

struct floor {
	struct backend base;
	uint32_t room;
	uint8_t *kept;	 /* BENCH_BURST packets of `room` bytes, of a dequeue */
	uint8_t *source; /* of an enqueue */
	uint32_t len[BENCH_BURST];
	uint32_t size; /* of the sources */
	uint32_t nr_kept;
	bool turned; /* packet i of the last dequeue is in the i-th place from the end */
	struct floor_device devices[BENCH_DEVICES];
};

/* Unaligned, and of any type's bytes. */
typedef uint64_t bytes32 __attribute__((vector_size(32), aligned(1), may_alias));

__attribute__((target("avx2"))) static void copy_wide(uint8_t *to, const uint8_t *from, size_t len)
{
	size_t at = 32 - ((uintptr_t)to & 31);

	*(bytes32 *)(void *)to = *(const bytes32 *)(const void *)from;
	for (; at + 64 <= len - 32; at += 64) {
		bytes32 a = *(const bytes32 *)(const void *)(from + at);
		bytes32 b = *(const bytes32 *)(const void *)(from + at + 32);

		*(bytes32 *)(void *)(to + at) = a;
		*(bytes32 *)(void *)(to + at + 32) = b;
	}
	for (; at < len - 32; at += 32)
		*(bytes32 *)(void *)(to + at) = *(const bytes32 *)(const void *)(from + at);
	*(bytes32 *)(void *)(to + len - 32) = *(const bytes32 *)(const void *)(from + len - 32);
}

static void copy(uint8_t *to, const uint8_t *from, size_t len)
{
	if (len >= 64 && __builtin_cpu_supports("avx2"))
		copy_wide(to, from, len);
	else
		memcpy(to, from, len);
}

static uint8_t *kept_place(const struct floor *f, uint32_t i)
{
	return f->kept + (size_t)(f->turned ? BENCH_BURST - 1 - i : i) * f->room;
}

static uint8_t *address(const struct front *front, uint64_t gpa)
{
	return front->memory + (gpa - FRONT_GPA);
}

/* Take the next buffer for `len` bytes (0: what it says), or NULL; it is used at once. */
static uint8_t *take_packed(struct front *front, struct front_ring *r, uint16_t *next,
			    uint32_t written, uint32_t *ret_len)
{
	bool wrap = !(*next & r->size);
	struct vring_packed_desc *d = &r->packed[*next & (r->size - 1)];
	uint16_t flags = hf_load_acquire(&d->flags);
	uint8_t *at;

	if ((flags & (AVAILABLE | USED)) != (wrap ? AVAILABLE : USED))
		return NULL;
	at = address(front, d->addr);
	*ret_len = d->len;
	d->len = written;
	d->flags = wrap ? AVAILABLE | USED : 0;
	++*next;
	return at;
}

static uint8_t *take_split(struct front *front, struct front_ring *r, uint16_t *next,
			   uint32_t written, uint32_t *ret_len)
{
	uint32_t at = *next & (r->size - 1u), head = r->avail->ring[at];

	*ret_len = r->desc[head].len;
	r->used->ring[at] = (struct vring_used_elem){head, written};
	++*next;
	return address(front, r->desc[head].addr);
}

/* How many of a burst are there; a packed ring tells one by one. */
static uint32_t ready(const struct front_ring *r, uint16_t next)
{
	uint16_t n = BENCH_BURST;

	if (!r->packed)
		n = (uint16_t)(hf_load_acquire(&r->avail->idx) - next);
	return n < BENCH_BURST ? n : BENCH_BURST;
}

static void publish(struct front_ring *r, uint16_t next)
{
	if (!r->packed)
		hf_store_release(&r->used->idx, next);
}

static uint8_t *next_buffer(struct floor_device *d, uint32_t ring, uint32_t written, uint32_t *len)
{
	struct front_ring *r = &d->front->rings[ring];

	return r->packed ? take_packed(d->front, r, &d->next[ring], written, len)
			 : take_split(d->front, r, &d->next[ring], written, len);
}

static uint32_t take_burst(struct floor *f, struct floor_device *d)
{
	struct front_ring *r = &d->front->rings[FRONT_DEQUEUE];
	uint32_t n = ready(r, d->next[FRONT_DEQUEUE]), i;

	f->turned = !f->turned;
	for (i = 0; i < n; i++) {
		const uint8_t *from = next_buffer(d, FRONT_DEQUEUE, 0, &f->len[i]);

		if (!from)
			break;
		f->len[i] -= FRONT_HEADER;
		copy(kept_place(f, i), from + FRONT_HEADER, f->len[i]);
	}
	if (i)
		publish(r, d->next[FRONT_DEQUEUE]);
	return i;
}

static void put_header(uint8_t *to)
{
	memset(to, 0, FRONT_HEADER);
	to[10] = 1;
}

/* `source`: of them, or NULL: what the last dequeue kept. */
static uint32_t give_burst(struct floor *f, struct floor_device *d, const uint8_t *source,
			   uint32_t count)
{
	struct front_ring *r = &d->front->rings[FRONT_ENQUEUE];
	uint32_t n = ready(r, d->next[FRONT_ENQUEUE]), size = f->size, i, len;

	for (i = 0; i < n && i < count; i++) {
		uint8_t *to = next_buffer(d, FRONT_ENQUEUE, FRONT_HEADER + size, &len);

		if (!to)
			break;
		put_header(to);
		copy(to + FRONT_HEADER, source ? source + (size_t)i * f->room : kept_place(f, i),
		     size);
	}
	if (i)
		publish(r, d->next[FRONT_ENQUEUE]);
	return i;
}

/* One copy from guest to guest. */
static uint32_t direct_burst(struct floor_device *in, struct floor_device *out)
{
	struct front_ring *r = &in->front->rings[FRONT_DEQUEUE];
	uint32_t n = ready(r, in->next[FRONT_DEQUEUE]), i, len, room;

	for (i = 0; i < n; i++) {
		const uint8_t *from = next_buffer(in, FRONT_DEQUEUE, 0, &len);
		uint8_t *to = from ? next_buffer(out, FRONT_ENQUEUE, len, &room) : NULL;

		if (!to)
			break;
		put_header(to);
		copy(to + FRONT_HEADER, from + FRONT_HEADER, len - FRONT_HEADER);
	}
	if (i) {
		publish(&out->front->rings[FRONT_ENQUEUE], out->next[FRONT_ENQUEUE]);
		publish(r, in->next[FRONT_DEQUEUE]);
	}
	return i;
}

static inline uint32_t dequeue_burst(struct backend *backend, uint32_t device)
{
	struct floor *f = (void *)backend;

	return take_burst(f, &f->devices[device]);
}

static inline uint32_t enqueue_burst(struct backend *backend, uint32_t device)
{
	struct floor *f = (void *)backend;

	return give_burst(f, &f->devices[device], f->source, BENCH_BURST);
}

static inline void ask_ahead(struct backend *backend, uint32_t i, uint32_t devices, uint32_t ring)
{
	(void)backend;
	(void)i;
	(void)devices;
	(void)ring;
}

#define BACKEND floor
#include "backend_loops.h"

static uint32_t hop(struct backend *backend, uint32_t from, uint32_t to, uint32_t bursts)
{
	struct floor *f = (void *)backend;
	uint32_t total = 0;

	for (; bursts; bursts--) {
		uint32_t n = take_burst(f, &f->devices[from]);

		f->size = f->len[0];
		total += give_burst(f, &f->devices[to], NULL, n);
	}
	return total;
}

static uint32_t direct(struct backend *backend, uint32_t from, uint32_t to, uint32_t bursts)
{
	struct floor *f = (void *)backend;
	uint32_t total = 0;

	for (; bursts; bursts--)
		total += direct_burst(&f->devices[from], &f->devices[to]);
	return total;
}

static void measure_memory(struct backend *backend, struct bench_memory *ret)
{
	(void)backend;
	*ret = (struct bench_memory){0};
}

static int plug(struct backend *backend, uint32_t device, struct front *front)
{
	struct floor *f = (void *)backend;

	f->devices[device] = (struct floor_device){.front = front};
	return 0;
}

static void unplug(struct backend *backend, uint32_t device, struct front *front)
{
	struct floor *f = (void *)backend;

	(void)front;
	f->devices[device].front = NULL;
}

static void stamp(struct backend *backend, uint32_t size, uint64_t sequence, bool fill)
{
	struct floor *f = (void *)backend;

	f->size = size;
	for (uint32_t i = 0; i < BENCH_BURST; i++) {
		uint8_t *frame = f->source + (size_t)i * f->room;

		if (fill)
			frame_fill(frame, size);
		frame_stamp(frame, size, sequence + i);
	}
}

static uint32_t take(struct backend *backend, uint32_t device)
{
	struct floor *f = (void *)backend;

	return f->nr_kept = take_burst(f, &f->devices[device]);
}

static const uint8_t *look(struct backend *backend, uint32_t index, uint32_t *ret_len)
{
	struct floor *f = (void *)backend;

	*ret_len = f->len[index];
	return kept_place(f, index);
}

static void drop(struct backend *backend)
{
	(void)backend;
}

static void stop(struct backend *backend)
{
	struct floor *f = (void *)backend;

	free(f->kept);
	free(f->source);
	free(f);
}

static const struct backend_ops floor_ops = {
	.name = "floor",
	BACKEND_OPS,
	.direct = direct,
};

/* As long as the other back-ends' packets, and an odd number of lines apart like those. */
static uint32_t room_of(const struct options *options)
{
	uint32_t longest = options_longest(options);

	return ((longest > 2048 ? longest : 2048) + 63) / 64 * 64 | 64;
}

struct backend *floor_start(const struct options *options)
{
	struct floor *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->base.ops = &floor_ops;
	f->room = room_of(options);
	f->kept = aligned_alloc(64, (size_t)f->room * BENCH_BURST);
	f->source = aligned_alloc(64, (size_t)f->room * BENCH_BURST);
	return f->kept && f->source ? &f->base : NULL;
}
