/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holdfast and DPDK's librte_vhost side by side: two back-ends, two devices each, one front-end.
 *
 * Theory of operation. For each ring size and each setting of mergeable buffers both back-ends get
 * fresh sessions, and all operations and sizes are measured on them. The status says whether the
 * packets were right; a time never decides anything.
 */
#include <errno.h>
#include <holdfast/burst.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cycles.h"
#include "elsewhere.h"
#include "measure.h"
#include "options.h"
#include "report.h"

#define MAX_RESULTS (OPTIONS_LIST * OPTIONS_LIST * 2 * 2 * 4)
/* Free pages of 2 MiB: DPDK's pool, the guests, Holdfast's directory and packets. */
#define HUGE_NEEDED 40u

struct bench {
	struct options options;
	struct side sides[2]; /* Holdfast, DPDK */
	double hz;
	struct result results[MAX_RESULTS];
	uint32_t nr_results;
};

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

static int plug_all(struct bench *b, uint16_t entries, bool mergeable)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct side *side = &b->sides[i];

		for (uint32_t d = 0; d < BENCH_DEVICES; d++) {
			int error = front_create(&side->fronts[d], entries, mergeable,
						 b->options.huge, 0);

			if (!error)
				error = side->backend->ops->plug(side->backend, d,
								 &side->fronts[d]);
			if (error) {
				fprintf(stderr, "%s: device %u does not come up: %s\n",
					side->backend->ops->name, d, strerror(-error));
				return error;
			}
			if (b->options.huge && !side->fronts[d].huge)
				fprintf(stderr, "warning: a guest is on ordinary pages\n");
		}
	}
	return 0;
}

static void unplug_all(struct bench *b)
{
	for (uint32_t i = 0; i < 2; i++)
		for (uint32_t d = 0; d < BENCH_DEVICES; d++) {
			struct side *side = &b->sides[i];

			side->backend->ops->unplug(side->backend, d, &side->fronts[d]);
			front_destroy(&side->fronts[d]);
		}
}

static int run_case(struct bench *b, const struct bench_case *c)
{
	struct result *result = &b->results[b->nr_results];
	int error = measure(b->sides, c, b->options.slices, b->options.slice_ms, result);

	if (error)
		return error;
	report_row(result, b->hz);
	b->nr_results++;
	return 0;
}

/* All operations and sizes on devices that are there. */
static int run_cases(struct bench *b, uint16_t entries, bool mergeable, bool two_cores)
{
	struct bench_case c = {.ring = "split",
			       .entries = entries,
			       .mergeable = mergeable,
			       .two_cores = two_cores,
			       .level = hf_burst_level()};
	int error = 0;

	for (c.op = bench_ops; !error && c.op->name; c.op++) {
		if (b->options.only_op && strcmp(b->options.only_op, c.op->name) != 0)
			continue;
		for (uint32_t i = 0; !error && i < (c.op->frames ? b->options.nr_sizes : 1); i++) {
			c.size = c.op->frames ? b->options.sizes[i] : 0;
			error = run_case(b, &c);
		}
	}
	return error;
}

static int run_all(struct bench *b)
{
	const struct options *o = &b->options;
	int error = 0;

	report_header(b->hz, hf_burst_level());
	for (uint32_t i = 0; !error && i < o->nr_entries; i++)
		for (uint32_t j = 0; !error && j < o->nr_mergeable; j++) {
			error = plug_all(b, o->entries[i], o->mergeable[j]);
			for (uint32_t k = 0; !error && k < o->nr_placements; k++)
				error = run_cases(b, o->entries[i], o->mergeable[j],
						  o->two_cores[k]);
			unplug_all(b);
		}
	if (!error && o->json)
		error = report_json(o->json, b->results, b->nr_results, b->hz);
	return error;
}

/* A private one for sockets, short enough for their addresses. */
static int make_directory(struct options *o)
{
	const char *tmp = getenv("TMPDIR");

	if (!tmp || strlen(tmp) > sizeof(o->dir) / 2)
		tmp = "/tmp";
	snprintf(o->dir, sizeof(o->dir), "%s/holdfast-bench.XXXXXX", tmp);
	if (mkdtemp(o->dir))
		return 0;
	perror(o->dir);
	o->dir[0] = '\0';
	return -1;
}

static int start(struct bench *b)
{
	cpu_set_t set;

	for (uint32_t i = 0; i < 2 * BENCH_DEVICES; i++)
		b->sides[i / BENCH_DEVICES].fronts[i % BENCH_DEVICES] = FRONT_NONE;
	if (make_directory(&b->options))
		return -errno;
	if (b->options.level)
		setenv("HOLDFAST_SIMD", b->options.level, true);
	if (b->options.two_cores[b->options.nr_placements - 1] &&
	    elsewhere_start(b->options.front_cpu))
		return -EINVAL;
	b->options.huge = !b->options.no_huge_pages && free_huge_pages() >= HUGE_NEEDED;
	if (!b->options.huge && !b->options.no_huge_pages)
		fprintf(stderr,
			"warning: fewer than %u free hugepages: guests and DPDK are on ordinary "
			"pages; see scripts/bench\n",
			HUGE_NEEDED);
	CPU_ZERO(&set);
	CPU_SET(b->options.cpu, &set);
	b->sides[0].backend = holdfast_start(&b->options);
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

int main(int argc, char **argv)
{
	static struct bench b;
	int error = options_parse(&b.options, argc, argv);

	if (error)
		return error < 0 ? 2 : 0;
	error = start(&b);
	if (!error)
		error = run_all(&b);
	for (uint32_t i = 0; i < 2; i++)
		if (b.sides[i].backend)
			b.sides[i].backend->ops->stop(b.sides[i].backend);
	elsewhere_stop();
	if (b.options.dir[0])
		rmdir(b.options.dir);
	return error ? 1 : 0;
}
