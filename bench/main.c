/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holdfast and DPDK's librte_vhost side by side: two back-ends, each with its devices, one
 * front-end.
 *
 * Theory of operation. For each kind and size of ring and each setting of mergeable buffers both
 * back-ends get fresh sessions, and all operations and sizes are measured on them. With --devices
 * sessions are added from number to number. The status says whether the packets were right; a time
 * never decides anything.
 */
#include <string.h>

#include "bench.h"
#include "idle.h"
#include "report.h"

static int plug_up_to(struct bench *b, uint32_t n, const struct front_shape *shape)
{
	int error = bench_plug(b, &b->sides[0], n, shape);

	return error ? error : bench_plug(b, &b->sides[1], n, shape);
}

static int run_case(struct bench *b, const struct bench_case *c)
{
	struct result result;
	int error = measure(b->sides, c, b->options.slices, b->options.slice_ms, &result);

	if (!error)
		bench_keep(b, &result);
	return error;
}

/* All of these operations, and sizes, on devices that are there. */
static int run_cases(struct bench *b, const struct bench_op *ops, struct bench_case c)
{
	int error = 0;

	for (c.op = ops; !error && c.op->name; c.op++) {
		if (b->options.only_op && strcmp(b->options.only_op, c.op->name) != 0)
			continue;
		for (uint32_t i = 0; !error && i < (c.op->frames ? b->options.nr_sizes : 1); i++) {
			c.size = c.op->frames ? b->options.sizes[i] : 0;
			error = run_case(b, &c);
		}
	}
	return error;
}

/* Devices come, are measured, and go. */
static int run_pair(struct bench *b, const struct front_shape *shape)
{
	struct bench_case c = bench_case_of(shape);
	int error = plug_up_to(b, BENCH_PAIR, shape);

	for (uint32_t k = 0; !error && k < b->options.nr_placements; k++) {
		c.two_cores = b->options.two_cores[k];
		error = run_cases(b, bench_ops, c);
	}
	bench_unplug(b);
	return error;
}

/* More and more devices. */
static int run_many(struct bench *b, const struct front_shape *shape)
{
	struct bench_case c = bench_case_of(shape);
	int error = 0;

	for (uint32_t i = 0; !error && i < b->options.nr_devices; i++) {
		c.devices = b->options.devices[i];
		error = plug_up_to(b, c.devices, shape);
		if (!error)
			error = run_cases(b, bench_ops_many, c);
	}
	bench_unplug(b);
	return error;
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct options *o = &b.options;
	int error = options_parse(o, argc, argv);

	if (error)
		return error < 0 ? 2 : 0;
	error = o->idle ? idle_run(&b) : bench_run(&b, o->nr_devices ? run_many : run_pair);
	if (!error && o->json)
		error = report_json(o->json, b.results, b.nr_results, b.hz, options_first(o));
	return error ? 1 : 0;
}
