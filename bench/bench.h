/* SPDX-License-Identifier: Apache-2.0 */
/* The two sides of a benchmark, and what was found. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "measure.h"
#include "options.h"

#define BENCH_RESULTS (OPTIONS_LIST * OPTIONS_LIST * 2 * 2 * 2 * 4)

struct bench {
	struct options options;
	struct side sides[2]; /* Holdfast, DPDK */
	double hz;
	struct result results[BENCH_RESULTS];
	uint32_t nr_results;
};

/* main.c: all that the options say, between start and end of both back-ends. 0 or -errno. */
int bench_run(struct bench *bench);
/* One side has `n` devices in all; further ones get this shape. 0 or -errno. */
int bench_plug(struct bench *bench, struct side *side, uint32_t n, const struct front_shape *shape);
void bench_unplug(struct bench *bench);
struct bench_case bench_case_of(const struct front_shape *shape);
/* Print the row, and keep it. */
void bench_keep(struct bench *bench, const struct result *result);

/* idle.c: what devices of this shape take. */
int idle_run(struct bench *bench, struct front_shape shape);
/* Each shape in a process of its own: what a first one leaves behind a second one would use. */
int idle_run_apart(struct bench *bench);

#endif
