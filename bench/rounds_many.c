/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds over many devices: a switch that goes from one to the next and takes a burst of each.
 *
 * Rings have as many entries as a burst has packets, so a round drains or fills all of them. What a
 * device costs beyond the first ones is what its lines cost that are not in the cache any more.
 */
#include "cycles.h"
#include "measure.h"

#define POLLS 1024u /* at least, in a round */

static int settle(struct side *side, const struct bench_case *c, uint32_t moved, int64_t reaped)
{
	uint32_t of = c->entries * c->devices;

	side->sequence += c->entries;
	if (moved != of)
		return round_wrong(side, c, "were moved", moved, of);
	if (reaped != of)
		return round_wrong(side, c, "came back as they should", reaped, of);
	return 0;
}

static int dequeue_each_round(struct side *side, const struct bench_case *c, struct round *ret)
{
	struct backend *b = side->backend;
	uint64_t begin;
	int64_t back = 0;

	for (uint32_t i = 0; i < c->devices; i++)
		front_post_frames(&side->fronts[i].rings[FRONT_DEQUEUE], c->size, side->sequence);
	begin = cycles_now();
	ret->done = b->ops->dequeue_each(b, c->devices, 1);
	ret->cycles = cycles_now() - begin;
	for (uint32_t i = 0; i < c->devices; i++)
		back += front_reap_frames(&side->fronts[i].rings[FRONT_DEQUEUE]);
	return settle(side, c, ret->done, back);
}

static int enqueue_each(struct side *side, const struct bench_case *c, bool verify,
			struct round *ret)
{
	struct front_expect expect = {c->size, side->sequence, BENCH_BURST, c->mergeable, verify};
	struct backend *b = side->backend;
	uint64_t begin;
	int64_t back = 0;

	for (uint32_t i = 0; i < c->devices; i++)
		front_post_buffers(&side->fronts[i].rings[FRONT_ENQUEUE], verify);
	b->ops->stamp(b, c->size, side->sequence, verify);
	begin = cycles_now();
	ret->done = b->ops->enqueue_each(b, c->devices, 1);
	ret->cycles = cycles_now() - begin;
	for (uint32_t i = 0; i < c->devices; i++)
		back += front_reap_buffers(&side->fronts[i].rings[FRONT_ENQUEUE], &expect);
	return settle(side, c, ret->done, back);
}

static int enqueue_each_round(struct side *side, const struct bench_case *c, struct round *ret)
{
	return enqueue_each(side, c, false, ret);
}

static int enqueue_each_verify(struct side *side, const struct bench_case *c)
{
	return enqueue_each(side, c, true, &(struct round){0});
}

static int poll_each_round(struct side *side, const struct bench_case *c, struct round *ret)
{
	uint32_t times = (POLLS + c->devices - 1) / c->devices;
	struct backend *b = side->backend;
	uint64_t begin = cycles_now();
	uint32_t moved = b->ops->dequeue_each(b, c->devices, times);

	ret->cycles = cycles_now() - begin;
	ret->done = times * c->devices;
	return moved ? round_wrong(side, c, "came out of empty rings", moved, 0) : 0;
}

const struct bench_op bench_ops_many[] = {
	{"poll", "cycles/poll", false, poll_each_round, NULL},
	{"dequeue", "cycles/packet", true, dequeue_each_round, NULL},
	{"enqueue", "cycles/packet", true, enqueue_each_round, enqueue_each_verify},
	{0},
};
