/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What devices take while nothing moves.
 *
 * Theory of operation. Memory: devices with one pair of rings, and then as many with more pairs,
 * which tells what each further vring takes. The first ones stay, or what they leave behind would
 * be used again; and so would what one shape of rings leaves behind, wherefore each is measured in
 * a process of its own, which tells the rows through a pipe.
 * With all sessions up, what they cost the primary: descriptors, processor, and how long it takes
 * to answer.
 */
#include "idle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cycles.h"
#include "fd.h"

/* Of the further devices: many, so that what vrings take shows; few, where otherwise there would be
 * more descriptors than a process mostly may have. */
#define PAIRS_MANY   8u
#define PAIRS_FEW    2u
#define DEVICES_MANY 400u

/* KiB of each, one after the other: the process is one. */
enum { OF_PROCESS, OF_PRIMARY, OF_SHARED, OF_ALL, PARTS };

static const struct bench_op per_device[PARTS] = {{.name = "memory-switch", .unit = "KiB/device"},
						  {.name = "memory-primary", .unit = "KiB/device"},
						  {.name = "memory-shared", .unit = "KiB/device"},
						  {.name = "memory", .unit = "KiB/device"}};
static const struct bench_op per_vring[PARTS] = {{.name = "memory-switch", .unit = "KiB/vring"},
						 {.name = "memory-primary", .unit = "KiB/vring"},
						 {.name = "memory-shared", .unit = "KiB/vring"},
						 {.name = "memory", .unit = "KiB/vring"}};
static const struct bench_op of_primary[] = {{.name = "primary-files", .unit = "files/device"},
					     {.name = "primary-idle", .unit = "us/s"},
					     {.name = "control-version", .unit = "us"},
					     {.name = "control-list", .unit = "us"}};

/* What `n` devices of this shape take on one side. They stay plugged. */
static int weigh(struct bench *b, struct side *side, uint32_t n, const struct front_shape *shape,
		 double ret[PARTS])
{
	const struct backend_ops *ops = side->backend->ops;
	struct bench_memory before, after;
	int error;

	ops->memory(side->backend, &before);
	error = bench_plug(b, side, n, shape);
	ops->memory(side->backend, &after);
	ret[OF_PROCESS] = (double)(int64_t)(after.process - before.process) / 1024;
	ret[OF_PRIMARY] = (double)(int64_t)(after.primary - before.primary) / 1024;
	ret[OF_SHARED] = (double)(int64_t)(after.shared - before.shared) / 1024;
	ret[OF_ALL] = ret[OF_PROCESS] + ret[OF_PRIMARY] + ret[OF_SHARED];
	return error;
}

static void keep(struct bench *b, const struct bench_case *at, const struct bench_op *op,
		 double holdfast, double dpdk)
{
	struct result r = {.c = *at,
			   .holdfast = holdfast,
			   .dpdk = dpdk,
			   .ratio = dpdk != 0 && holdfast != 0 ? dpdk / holdfast : 0};

	r.c.op = op;
	bench_keep(b, &r);
}

/* Rows for one device with a pair of rings, or one further vring, of `n`: all of it, and the parts
 * that only we have. */
static void keep_weights(struct bench *b, const struct bench_case *at, const struct bench_op *ops,
			 double kib[2][PARTS], double n)
{
	for (uint32_t i = 0; i < PARTS; i++)
		keep(b, at, &ops[i], kib[0][i] / n, i == OF_ALL ? kib[1][i] / n : 0);
}

static void keep_cost(struct bench *b, const struct bench_case *at)
{
	struct backend *backend = b->sides[0].backend;
	struct bench_cost cost;

	if (!backend->ops->cost || backend->ops->cost(backend, &cost))
		return;
	keep(b, at, &of_primary[0], (double)cost.files / at->devices, 0);
	keep(b, at, &of_primary[1], cost.idle_us, 0);
	keep(b, at, &of_primary[2], cost.version_us, 0);
	keep(b, at, &of_primary[3], cost.list_us, 0);
}

static int run_shape(struct bench *b, const struct front_shape *all)
{
	struct front_shape shape = *all;
	uint32_t n = b->options.devices[b->options.nr_devices - 1] / 2;
	double few[2][PARTS], many[2][PARTS], vring[2][PARTS];
	const uint32_t pairs = 2 * n > DEVICES_MANY ? PAIRS_FEW : PAIRS_MANY;
	double more = n * (pairs - 1.0) * FRONT_RINGS;
	struct bench_case c = bench_case_of(&shape);
	int error = 0;

	c.devices = 2 * n;
	for (uint32_t i = 0; !error && i < 2; i++) {
		shape.pairs = 1;
		error = weigh(b, &b->sides[i], n, &shape, few[i]);
		shape.pairs = pairs;
		if (!error)
			error = weigh(b, &b->sides[i], 2 * n, &shape, many[i]);
		for (uint32_t k = 0; k < PARTS; k++)
			vring[i][k] = many[i][k] - few[i][k];
	}
	if (!error) {
		keep_weights(b, &c, per_device, few, n);
		keep_weights(b, &c, per_vring, vring, more);
		keep_cost(b, &c);
	}
	bench_unplug(b);
	return error;
}

/* The rows are static data and numbers: they are the same in both processes. */
static void tell_rows(const struct bench *b, int fd)
{
	size_t bytes = b->nr_results * sizeof(b->results[0]);

	if (write(fd, b->results, bytes) != (ssize_t)bytes)
		perror("rows");
}

static void hear_rows(struct bench *b, int fd)
{
	uint8_t *to = (uint8_t *)&b->results[b->nr_results];
	size_t room = (BENCH_RESULTS - b->nr_results) * sizeof(b->results[0]), got = 0;
	ssize_t n;

	while (got < room && (n = read(fd, to + got, room - got)) > 0)
		got += (size_t)n;
	b->nr_results += (uint32_t)(got / sizeof(b->results[0]));
}

/* One shape in a process of its own. */
static int run_one(struct bench *b, bool packed, bool mergeable)
{
	int ends[2], status = 0;
	pid_t pid;

	if (pipe(ends) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		b->options.packed[0] = packed;
		b->options.mergeable[0] = mergeable;
		b->options.nr_packed = b->options.nr_mergeable = b->options.nr_entries = 1;
		hf_fd_close(&ends[0]);
		status = bench_run(b, run_shape);
		tell_rows(b, ends[1]);
		exit(status ? 1 : 0);
	}
	hf_fd_close(&ends[1]);
	if (pid > 0) {
		hear_rows(b, ends[0]);
		(void)waitpid(pid, &status, 0);
	}
	hf_fd_close(&ends[0]);
	return pid > 0 && status == 0 ? 0 : -ECHILD;
}

int idle_run(struct bench *b)
{
	const struct options *o = &b->options;
	int error = 0;

	b->hz = cycles_per_second();
	for (uint32_t p = 0; p < o->nr_packed; p++)
		for (uint32_t j = 0; !error && j < o->nr_mergeable; j++)
			error = run_one(b, o->packed[p], o->mergeable[j]);
	return error;
}
