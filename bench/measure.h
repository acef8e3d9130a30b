/* SPDX-License-Identifier: Apache-2.0 */
/* What is measured, and how a measurement is made of slices. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "front.h"

/* One back-end with its devices. */
struct side {
	struct backend *backend;
	struct front fronts[BENCH_DEVICES];
	uint32_t plugged;  /* of them */
	uint64_t sequence; /* of the next frame */
};

struct bench_case {
	const struct bench_op *op;
	const char *ring; /* kind */
	uint16_t entries;
	uint32_t size; /* bytes of a frame; 0: none are sent */
	bool mergeable;
	uint32_t devices;
	bool two_cores;	   /* front-end and back-end each on one; else both on one */
	const char *level; /* of instructions, of the Holdfast side */
};

/* Timed work of one round. */
struct round {
	uint64_t cycles;
	uint32_t done; /* packets or polls */
};

struct bench_op {
	const char *name;
	const char *unit;
	bool frames;
	/* NULL: not in rounds, a row of something else. One round, timed. 0, or -EBADMSG after a
	 * line when packets were lost or wrong. */
	int (*round)(struct side *side, const struct bench_case *c, struct round *ret);
	/* One round, not timed, in which every byte is compared. NULL: nothing to compare. */
	int (*verify)(struct side *side, const struct bench_case *c);
};

/* Each ends with a NULL name. rounds.c: of one device or two; rounds_many.c: of all that there are.
 */
extern const struct bench_op bench_ops[];
extern const struct bench_op bench_ops_many[];

/* rounds.c: say that `n` of `of` packets are not as they should be. -EBADMSG. */
int round_wrong(const struct side *side, const struct bench_case *c, const char *what, int64_t n,
		uint32_t of);

struct result {
	struct bench_case c;
	double holdfast, dpdk; /* median of slices, in op->unit */
	double ratio;	       /* median of dpdk/holdfast of neighbouring slices */
};

/* `sides`: Holdfast, DPDK. 0 or -errno. */
int measure(struct side sides[2], const struct bench_case *c, uint32_t slices, uint32_t slice_ms,
	    struct result *ret);

#endif
