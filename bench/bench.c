/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <errno.h>
#include <holdfast/burst.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "command_line.h"
#include "cycles.h"
#include "elsewhere.h"
#include "report.h"

/* Free pages of 2 MiB: DPDK's pool, the guests, Holdfast's directory and packets. */
#define HUGE_NEEDED  40u
#define FILES_NEEDED (64u * 1024)

static uint32_t free_huge_pages(void)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	uint32_t n = 0;

	if (file) {
		if (fscanf(file, "%u", &n) != 1)
			n = 0;
		fclose(file);
	}
	return n;
}

/* A guest is one page, and DPDK's devices are in its heap. */
static uint32_t huge_needed(const struct options *o)
{
	uint32_t n = options_most_devices(o);

	return HUGE_NEEDED + 2 * n + n / 4;
}

static int plug_one(struct bench *b, struct side *side, const struct front_shape *shape)
{
	struct front *front = &side->fronts[side->plugged];
	int error = front_create(front, shape);

	if (!error)
		error = side->backend->ops->plug(side->backend, side->plugged, front);
	if (error) {
		fprintf(stderr, "%s: device %u does not come up: %s\n", side->backend->ops->name,
			side->plugged, strerror(-error));
		return error;
	}
	if (b->options.huge && !front->huge)
		fprintf(stderr, "warning: a guest is on ordinary pages\n");
	if (b->options.nr_devices)
		front_need_no_files(front);
	side->plugged++;
	return 0;
}

int bench_plug(struct bench *b, struct side *side, uint32_t n, const struct front_shape *shape)
{
	int error = 0;

	while (!error && side->plugged < n)
		error = plug_one(b, side, shape);
	return error;
}

void bench_unplug(struct bench *b)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct side *side = &b->sides[i];

		for (; side->plugged; side->plugged--)
			side->backend->ops->unplug(side->backend, side->plugged - 1,
						   &side->fronts[side->plugged - 1]);
		for (uint32_t d = 0; d < BENCH_DEVICES; d++)
			front_destroy(&side->fronts[d]);
	}
}

void bench_keep(struct bench *b, const struct result *result)
{
	report_row(result, b->hz);
	if (b->nr_results < BENCH_RESULTS)
		b->results[b->nr_results++] = *result;
}

struct bench_case bench_case_of(const struct front_shape *shape)
{
	return (struct bench_case){.ring = shape->packed ? "packed" : "split",
				   .entries = shape->size,
				   .mergeable = shape->mergeable,
				   .devices = BENCH_PAIR,
				   .level = hf_burst_level()};
}

static struct front_shape shape_of(const struct options *o, uint16_t entries, bool packed,
				   bool mergeable)
{
	return (struct front_shape){.size = o->nr_devices ? BENCH_BURST : entries,
				    .packed = packed,
				    .mergeable = mergeable,
				    .huge = o->huge,
				    .frame = options_longest(o)};
}

static int run_all(struct bench *b, bench_shape_fn *run)
{
	const struct options *o = &b->options;
	struct front_shape shape;
	int error = 0;

	if (!b->nr_results)
		report_header(b->hz, hf_burst_level(), options_first(o));
	for (uint32_t p = 0; p < o->nr_packed; p++)
		for (uint32_t i = 0; i < o->nr_entries; i++)
			for (uint32_t j = 0; !error && j < o->nr_mergeable; j++) {
				shape = shape_of(o, o->entries[i], o->packed[p], o->mergeable[j]);
				error = run(b, &shape);
			}
	return error;
}

/* Each device is some twenty descriptors of ours, on both sides together. */
static void raise_files(uint32_t many)
{
	struct rlimit limit = {FILES_NEEDED, FILES_NEEDED};

	if (!many || setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int start(struct bench *b)
{
	cpu_set_t set;
	int error;

	raise_files(b->options.nr_devices);
	for (uint32_t i = 0; i < 2 * BENCH_DEVICES; i++)
		b->sides[i / BENCH_DEVICES].fronts[i % BENCH_DEVICES] = FRONT_NONE;
	error = line_directory(b->options.dir, sizeof(b->options.dir));
	if (error)
		return error;
	if (b->options.level)
		setenv("HOLDFAST_SIMD", b->options.level, true);
	if (b->options.two_cores[b->options.nr_placements - 1] &&
	    elsewhere_start(b->options.front_cpu))
		return -EINVAL;
	b->options.huge =
		!b->options.no_huge_pages && free_huge_pages() >= huge_needed(&b->options);
	if (!b->options.huge && !b->options.no_huge_pages)
		fprintf(stderr,
			"warning: fewer than %u free hugepages: guests and DPDK are on ordinary "
			"pages; see scripts/bench\n",
			huge_needed(&b->options));
	CPU_ZERO(&set);
	CPU_SET(b->options.cpu, &set);
	b->sides[0].backend =
		b->options.floor ? floor_start(&b->options) : holdfast_start(&b->options);
	if (b->sides[0].backend)
		b->sides[1].backend = dpdk_start(&b->options);
	if (!b->sides[1].backend)
		return -EIO;
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		fprintf(stderr, "cannot run on CPU %u: %s\n", b->options.cpu, strerror(errno));
		return -errno;
	}
	b->hz = cycles_per_second();
	return 0;
}

int bench_run(struct bench *b, bench_shape_fn *run)
{
	int error = start(b);

	if (!error)
		error = run_all(b, run);
	for (uint32_t i = 0; i < 2; i++)
		if (b->sides[i].backend)
			b->sides[i].backend->ops->stop(b->sides[i].backend);
	elsewhere_stop();
	if (b->options.dir[0])
		rmdir(b->options.dir);
	return error;
}
