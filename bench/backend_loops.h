/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timed loops around a back-end's bursts, the same for all of them. Included once by each
 * back-end, behind its own
 *
 *   uint32_t dequeue_burst(struct backend *, uint32_t device)
 *   uint32_t enqueue_burst(struct backend *, uint32_t device)
 *   void ask_ahead(struct backend *, uint32_t device, uint32_t devices, uint32_t ring)
 *
 * so that these are compiled into the loops, and its BACKEND, a word, which makes the names of the
 * first two: bench/instructions tells whose they are by that.
 */
#include "backend.h"
#include "front.h"

#define LOOP_OF(backend, name)	  backend##_##name
#define LOOP_NAMED(backend, name) LOOP_OF(backend, name)
#define LOOP(name)		  LOOP_NAMED(BACKEND, name)

static uint32_t LOOP(dequeue)(struct backend *b, uint32_t device, uint32_t bursts)
{
	uint32_t total = 0;

	for (; bursts; bursts--)
		total += dequeue_burst(b, device);
	return total;
}

static uint32_t LOOP(enqueue)(struct backend *b, uint32_t device, uint32_t bursts)
{
	uint32_t total = 0;

	for (; bursts; bursts--)
		total += enqueue_burst(b, device);
	return total;
}

static uint32_t dequeue_each(struct backend *b, uint32_t devices, uint32_t times)
{
	uint32_t total = 0;

	for (; times; times--)
		for (uint32_t i = 0; i < devices; i++) {
			ask_ahead(b, i, devices, FRONT_DEQUEUE);
			total += dequeue_burst(b, i);
		}
	return total;
}

static uint32_t enqueue_each(struct backend *b, uint32_t devices, uint32_t times)
{
	uint32_t total = 0;

	for (; times; times--)
		for (uint32_t i = 0; i < devices; i++) {
			ask_ahead(b, i, devices, FRONT_ENQUEUE);
			total += enqueue_burst(b, i);
		}
	return total;
}

/* Members of struct backend_ops whose functions have the same names in every back-end. */
#define BACKEND_OPS                                                                                \
	.stop = stop, .plug = plug, .unplug = unplug, .dequeue = LOOP(dequeue),                    \
	.enqueue = LOOP(enqueue), .hop = hop, .dequeue_each = dequeue_each,                        \
	.enqueue_each = enqueue_each, .memory = measure_memory, .stamp = stamp, .take = take,      \
	.look = look, .drop = drop
