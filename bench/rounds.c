/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A round: the front-end fills its rings, the clock starts, the back-end runs bursts until they
 * are drained, the clock stops, the front-end takes everything back and looks at it. What the
 * front-end does is never timed.
 *
 * Whole rings and whole bursts, so a back-end that is right moves exactly `entries` packets. One
 * that does not, or that moves wrong ones, ends the benchmark: its times would mean nothing.
 */
#include <errno.h>
#include <stdio.h>

#include "cycles.h"
#include "elsewhere.h"
#include "frames.h"
#include "measure.h"

#define POLLS 1024u

int round_wrong(const struct side *side, const struct bench_case *c, const char *what, int64_t n,
		uint32_t of)
{
	fprintf(stderr, "%s, %s of %u bytes: %lld of %u packets %s\n", side->backend->ops->name,
		c->op->name, c->size, (long long)n, of, what);
	return -EBADMSG;
}

static int wrong(const struct side *side, const struct bench_case *c, const char *what, int64_t n)
{
	return round_wrong(side, c, what, n, c->entries);
}

/* Both sides' view of how many packets a round moved. */
static int settle(struct side *side, const struct bench_case *c, uint32_t moved, int64_t reaped)
{
	side->sequence += c->entries;
	if (moved != c->entries)
		return wrong(side, c, "were moved", moved);
	if (reaped != c->entries)
		return wrong(side, c, "came back as they should", reaped);
	return 0;
}

/* The front-end's part of a round; any of the two rings may be NULL. */
struct turn {
	struct front_ring *from; /* frames are sent on it */
	struct front_ring *to;	 /* frames arrive on it */
	uint32_t size;
	uint64_t sequence;
	bool fill; /* every byte of the frames, and every buffer cleared */
	struct front_expect expect;
	int64_t sent, arrived; /* what came back, after the round */
};

static void post(void *arg)
{
	struct turn *t = arg;

	if (t->from && t->fill)
		front_fill(t->from, t->size);
	if (t->from)
		front_post_frames(t->from, t->size, t->sequence);
	if (t->to)
		front_post_buffers(t->to, t->fill);
}

static void reap(void *arg)
{
	struct turn *t = arg;

	if (t->from)
		t->sent = front_reap_frames(t->from);
	if (t->to)
		t->arrived = front_reap_buffers(t->to, &t->expect);
}

static struct turn turn_of(const struct side *side, const struct bench_case *c, bool fill)
{
	return (struct turn){.size = c->size, .sequence = side->sequence, .fill = fill};
}

static int dequeue_round(struct side *side, const struct bench_case *c, struct round *ret)
{
	struct backend *b = side->backend;
	struct turn turn = turn_of(side, c, false);
	uint64_t begin;

	turn.from = &side->fronts[0].rings[FRONT_DEQUEUE];
	elsewhere_do(c->two_cores, post, &turn);
	begin = cycles_now();
	ret->done = b->ops->dequeue(b, 0, c->entries / BENCH_BURST);
	ret->cycles = cycles_now() - begin;
	elsewhere_do(c->two_cores, reap, &turn);
	return settle(side, c, ret->done, turn.sent);
}

/* What the back-end holds must be the next frames, in order. */
static bool kept_are_intact(struct side *side, const struct bench_case *c, uint32_t n,
			    uint64_t sequence)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len;
		const uint8_t *frame = side->backend->ops->look(side->backend, i, &len);

		if (len != c->size || !frame_is_intact(frame, len, sequence + i))
			return false;
	}
	return true;
}

static int dequeue_verify(struct side *side, const struct bench_case *c)
{
	const struct backend_ops *ops = side->backend->ops;
	struct turn turn = turn_of(side, c, true);
	uint32_t total = 0, n;
	bool intact = true;

	turn.from = &side->fronts[0].rings[FRONT_DEQUEUE];
	elsewhere_do(c->two_cores, post, &turn);
	while (intact && total < c->entries && (n = ops->take(side->backend, 0))) {
		intact = kept_are_intact(side, c, n, side->sequence + total);
		ops->drop(side->backend);
		total += n;
	}
	if (!intact)
		return wrong(side, c, "were moved when one was not what was sent", total);
	elsewhere_do(c->two_cores, reap, &turn);
	return settle(side, c, total, turn.sent);
}

static int enqueue(struct side *side, const struct bench_case *c, bool verify, struct round *ret)
{
	struct backend *b = side->backend;
	struct turn turn = turn_of(side, c, verify);
	uint64_t begin;

	turn.to = &side->fronts[0].rings[FRONT_ENQUEUE];
	turn.expect =
		(struct front_expect){c->size, side->sequence, BENCH_BURST, c->mergeable, verify};
	elsewhere_do(c->two_cores, post, &turn);
	b->ops->stamp(b, c->size, side->sequence, verify);
	begin = cycles_now();
	ret->done = b->ops->enqueue(b, 0, c->entries / BENCH_BURST);
	ret->cycles = cycles_now() - begin;
	elsewhere_do(c->two_cores, reap, &turn);
	return settle(side, c, ret->done, turn.arrived);
}

static int enqueue_round(struct side *side, const struct bench_case *c, struct round *ret)
{
	return enqueue(side, c, false, ret);
}

static int enqueue_verify(struct side *side, const struct bench_case *c)
{
	return enqueue(side, c, true, &(struct round){0});
}

typedef uint32_t hop_call(struct backend *backend, uint32_t from, uint32_t to, uint32_t bursts);

static int hop(struct side *side, const struct bench_case *c, hop_call *call, bool verify,
	       struct round *ret)
{
	struct backend *b = side->backend;
	struct turn turn = turn_of(side, c, verify);
	uint64_t begin;

	turn.from = &side->fronts[0].rings[FRONT_DEQUEUE];
	turn.to = &side->fronts[1].rings[FRONT_ENQUEUE];
	turn.expect =
		(struct front_expect){c->size, side->sequence, c->entries, c->mergeable, verify};
	elsewhere_do(c->two_cores, post, &turn);
	begin = cycles_now();
	ret->done = call(b, 0, 1, c->entries / BENCH_BURST);
	ret->cycles = cycles_now() - begin;
	elsewhere_do(c->two_cores, reap, &turn);
	if (turn.sent != c->entries)
		return wrong(side, c, "were posted and not all given back", c->entries);
	return settle(side, c, ret->done, turn.arrived);
}

static int hop_round(struct side *side, const struct bench_case *c, struct round *ret)
{
	return hop(side, c, side->backend->ops->hop, false, ret);
}

static int hop_verify(struct side *side, const struct bench_case *c)
{
	return hop(side, c, side->backend->ops->hop, true, &(struct round){0});
}

static int direct_round(struct side *side, const struct bench_case *c, struct round *ret)
{
	return hop(side, c, side->backend->ops->direct, false, ret);
}

static int direct_verify(struct side *side, const struct bench_case *c)
{
	return hop(side, c, side->backend->ops->direct, true, &(struct round){0});
}

/* Dequeue from a ring that has nothing. */
static int poll_round(struct side *side, const struct bench_case *c, struct round *ret)
{
	struct backend *b = side->backend;
	uint64_t begin = cycles_now();
	uint32_t moved = b->ops->dequeue(b, 0, POLLS);

	ret->cycles = cycles_now() - begin;
	ret->done = POLLS;
	return moved ? wrong(side, c, "came out of an empty ring", moved) : 0;
}

const struct bench_op bench_ops[] = {
	{"dequeue", "cycles/packet", true, dequeue_round, dequeue_verify},
	{"enqueue", "cycles/packet", true, enqueue_round, enqueue_verify},
	{"hop", "cycles/packet", true, hop_round, hop_verify},
	{"direct", "cycles/packet", true, direct_round, direct_verify},
	{"poll", "cycles/poll", false, poll_round, NULL},
	{0},
};
