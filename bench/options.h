/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line said. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_LIST 8u

struct options {
	const char *json; /* NULL: none */
	const char *holdfastd;
	char dir[80]; /* for sockets; private, removed at the end */
	uint32_t slices;
	uint32_t slice_ms;
	uint32_t cpu;
	uint32_t front_cpu; /* of the front-end, with two cores */
	const char *level;  /* of instructions; NULL: the library's choice */
	bool dpdk_stats;
	bool no_huge_pages;
	bool huge;	     /* enough hugepages are free, and wanted; set by main */
	const char *only_op; /* NULL: all */
	bool floor;
	bool idle;
	uint32_t devices[OPTIONS_LIST]; /* none: one or two, by the operation */
	uint32_t nr_devices;
	bool packed[2];
	uint32_t nr_packed;
	/* Every combination of these is measured; lists end at their count. */
	uint16_t entries[OPTIONS_LIST];
	uint32_t nr_entries;
	uint32_t sizes[OPTIONS_LIST];
	uint32_t nr_sizes;
	bool mergeable[2];
	uint32_t nr_mergeable;
	bool two_cores[2];
	uint32_t nr_placements;
};

/* 0: go on; 1: help was printed; -EINVAL: a line was printed. */
int options_parse(struct options *options, int argc, char **argv);

uint32_t options_longest(const struct options *options); /* frame, in bytes */
uint32_t options_most_devices(const struct options *options);
/* What is measured beside DPDK. */
const char *options_first(const struct options *options);

#endif
