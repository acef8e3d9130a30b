/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "check.h"
#include "command_line.h"
#include "frames.h"

static const char help[] =
	"usage: holdfast-bench [OPTION]…\n"
	"Holdfast beside DPDK's librte_vhost: cycles per packet, in one process, by one "
	"front-end.\n"
	"\n"
	"  --quick            a few short slices: does it work, not how fast is it\n"
	"  --json FILE        write the results as JSON as well\n"
	"  --op NAME          only dequeue, enqueue, hop, direct or poll\n"
	"  --devices N[,N]…   go from device to device instead, so many of them (up to 1000)\n"
	"  --idle             with --devices: what they take while nothing moves, and each of "
	"their vrings\n"
	"  --floor            no Holdfast: what the guests' own lines cost, without any check\n"
	"  --sizes N[,N]…     bytes of a frame, 30 to 9018 (64,1518)\n"
	"  --ring WORD        split, packed or both (both)\n"
	"  --entries N[,N]…   of the rings (256)\n"
	"  --mergeable WORD   on, off or both (both)\n"
	"  --placement WORD   one core, two (driver and back-end each on one) or both (both)\n"
	"  --level NAME       of instructions: plain, avx2, avx512 (the processor's best)\n"
	"  --slices N         per back-end and measurement (21)\n"
	"  --slice-ms N       length of one (20)\n"
	"  --cpu N            where to run (the last one allowed)\n"
	"  --front-cpu N      where the driver runs, with two cores (the first one allowed)\n"
	"  --dpdk-stats       DPDK counts packets too; Holdfast always does\n"
	"  --no-huge-pages    guests and DPDK on ordinary pages, as under valgrind\n"
	"  --holdfastd PATH   the primary to start (the one of this build)\n";

static uint32_t greatest(const uint32_t *list, uint32_t n, uint32_t least)
{
	for (uint32_t i = 0; i < n; i++)
		least = list[i] > least ? list[i] : least;
	return least;
}

uint32_t options_longest(const struct options *o)
{
	return greatest(o->sizes, o->nr_sizes, 0);
}

uint32_t options_most_devices(const struct options *o)
{
	return greatest(o->devices, o->nr_devices, 2);
}

const char *options_first(const struct options *o)
{
	return o->floor ? "floor" : "holdfast";
}

static int complain(const char *name, const char *value)
{
	fprintf(stderr, "holdfast-bench: --%s %s: see --help\n", name, value);
	return -EINVAL;
}

static int parse_number(const char *text, uint32_t min, uint32_t max, uint32_t *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || (*end && *end != ',') || value < min || value > max)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

static int parse_list(const char *text, uint32_t min, uint32_t max, uint32_t *list, uint32_t *ret_n)
{
	uint32_t n = 0;

	for (; text; text = strchr(text, ',') ? strchr(text, ',') + 1 : NULL)
		if (n == OPTIONS_LIST || parse_number(text, min, max, &list[n++]))
			return -EINVAL;
	*ret_n = n;
	return 0;
}

/* A ring has a power of two of entries and is used in whole bursts. */
static int parse_entries(struct options *o, const char *text)
{
	uint32_t list[OPTIONS_LIST];

	if (parse_list(text, 32, 32768, list, &o->nr_entries))
		return -EINVAL;
	for (uint32_t i = 0; i < o->nr_entries; i++) {
		if (!is_pow2(list[i]))
			return -EINVAL;
		o->entries[i] = (uint16_t)list[i];
	}
	return 0;
}

static int parse_ring(struct options *o, const char *word)
{
	bool both = !strcmp(word, "both");

	if (!both && strcmp(word, "split") != 0 && strcmp(word, "packed") != 0)
		return -EINVAL;
	o->packed[0] = !strcmp(word, "packed");
	o->packed[1] = true;
	o->nr_packed = both ? 2 : 1;
	return 0;
}

static int parse_mergeable(struct options *o, const char *word)
{
	bool both = !strcmp(word, "both");

	if (!both && strcmp(word, "on") != 0 && strcmp(word, "off") != 0)
		return -EINVAL;
	o->mergeable[0] = !strcmp(word, "on");
	o->mergeable[1] = true;
	o->nr_mergeable = both ? 2 : 1;
	return 0;
}

static int parse_placement(struct options *o, const char *word)
{
	bool both = !strcmp(word, "both");

	if (!both && strcmp(word, "one") != 0 && strcmp(word, "two") != 0)
		return -EINVAL;
	o->two_cores[0] = !strcmp(word, "two");
	o->two_cores[1] = true;
	o->nr_placements = both ? 2 : 1;
	return 0;
}

static int parse_op(struct options *o, const char *word)
{
	static const char *const ops[] = {"dequeue", "enqueue", "hop", "direct", "poll"};

	o->only_op = word;
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		if (!strcmp(word, ops[i]))
			return 0;
	return -EINVAL;
}

static void find_cpus(uint32_t *first, uint32_t *last)
{
	cpu_set_t set;

	*first = *last = 0;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	for (uint32_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			*last = i;
	while (*first < *last && !CPU_ISSET(*first, &set))
		++*first;
}

static int parse_one(struct options *o, int option, const char *value)
{
	switch (option) {
	case 'j':
		o->json = value;
		return 0;
	case 'H':
		o->holdfastd = value;
		return 0;
	case 'q':
		o->slices = 3;
		o->slice_ms = 3;
		return 0;
	case 'D':
		o->dpdk_stats = true;
		return 0;
	case 'p':
		o->no_huge_pages = true;
		return 0;
	case 'o':
		return parse_op(o, value);
	case 's':
		return parse_list(value, FRAME_MIN, FRAME_JUMBO, o->sizes, &o->nr_sizes);
	case 'd':
		return parse_list(value, 1, BENCH_DEVICES, o->devices, &o->nr_devices);
	case 'i':
		o->idle = true;
		return 0;
	case 'F':
		o->floor = true;
		return 0;
	case 'r':
		return parse_ring(o, value);
	case 'e':
		return parse_entries(o, value);
	case 'm':
		return parse_mergeable(o, value);
	case 'P':
		return parse_placement(o, value);
	case 'l':
		o->level = value;
		return 0;
	case 'f':
		return parse_number(value, 0, CPU_SETSIZE - 1, &o->front_cpu);
	case 'n':
		return parse_number(value, 1, 1001, &o->slices);
	case 't':
		return parse_number(value, 1, 10000, &o->slice_ms);
	case 'c':
		return parse_number(value, 0, CPU_SETSIZE - 1, &o->cpu);
	default:
		return -EINVAL;
	}
}

static int take(void *context, int option, const char *name, const char *value)
{
	return parse_one(context, option, value) ? complain(name, value ? value : "") : 0;
}

static void print_help(void)
{
	fputs(help, stdout);
}

int options_parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{"quick", no_argument, NULL, 'q'},
		{"json", required_argument, NULL, 'j'},
		{"op", required_argument, NULL, 'o'},
		{"devices", required_argument, NULL, 'd'},
		{"idle", no_argument, NULL, 'i'},
		{"floor", no_argument, NULL, 'F'},
		{"sizes", required_argument, NULL, 's'},
		{"ring", required_argument, NULL, 'r'},
		{"entries", required_argument, NULL, 'e'},
		{"mergeable", required_argument, NULL, 'm'},
		{"placement", required_argument, NULL, 'P'},
		{"level", required_argument, NULL, 'l'},
		{"front-cpu", required_argument, NULL, 'f'},
		{"slices", required_argument, NULL, 'n'},
		{"slice-ms", required_argument, NULL, 't'},
		{"cpu", required_argument, NULL, 'c'},
		{"dpdk-stats", no_argument, NULL, 'D'},
		{"no-huge-pages", no_argument, NULL, 'p'},
		{"holdfastd", required_argument, NULL, 'H'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int error;

	*o = (struct options){.slices = 21,
			      .slice_ms = 20,
			      .entries = {256},
			      .nr_entries = 1,
			      .sizes = {64, 1518},
			      .nr_sizes = 2,
			      .packed = {false, true},
			      .nr_packed = 2,
			      .mergeable = {false, true},
			      .nr_mergeable = 2,
			      .two_cores = {false, true}};
	find_cpus(&o->front_cpu, &o->cpu);
	o->nr_placements = o->cpu == o->front_cpu ? 1 : 2;
	error = line_parse(argc, argv, longs, print_help, take, o);
	if (!error && o->idle && !o->nr_devices)
		error = complain("idle", "without --devices");
	return error;
}
