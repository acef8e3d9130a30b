/* SPDX-License-Identifier: Apache-2.0 */
/* The two sides of a benchmark, and what was found. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "measure.h"
#include "options.h"

#define BENCH_PAIR    2u /* devices, where nobody asked for more */
#define BENCH_RESULTS (OPTIONS_LIST * OPTIONS_LIST * 2 * 2 * 2 * 4)

struct bench {
	struct options options;
	struct side sides[2]; /* Holdfast, DPDK */
	double hz;
	struct result results[BENCH_RESULTS];
	uint32_t nr_results;
};

/* What is measured with devices of one shape. 0 or -errno. */
typedef int bench_shape_fn(struct bench *bench, const struct front_shape *shape);

/* For all shapes that the options say, between start and end of both back-ends. 0 or -errno. */
int bench_run(struct bench *bench, bench_shape_fn *run);
/* One side has `n` devices in all; further ones get this shape. 0 or -errno. */
int bench_plug(struct bench *bench, struct side *side, uint32_t n, const struct front_shape *shape);
void bench_unplug(struct bench *bench);
struct bench_case bench_case_of(const struct front_shape *shape);
/* Print the row, and keep it. */
void bench_keep(struct bench *bench, const struct result *result);

#endif
