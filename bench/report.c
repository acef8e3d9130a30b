/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *mergeable_word(const struct bench_case *c)
{
	return c->mergeable ? "on" : "off";
}

static const char *placement_word(const struct bench_case *c)
{
	return c->two_cores ? "two cores" : "one core";
}

void report_header(double hz, const char *level)
{
	printf("TSC %.0f MHz; bursts of %u; Holdfast's instructions: %s\n"
	       "cycles are per packet (poll: per call); ratio > 1: Holdfast is ahead\n\n",
	       hz / 1e6, BENCH_BURST, level);
	printf("%-8s %-6s %7s %6s %10s %-9s  %9s %9s  %9s %9s  %6s\n", "op", "ring", "entries",
	       "size", "mergeable", "placement", "Holdfast", "Mpps", "DPDK", "Mpps", "ratio");
}

void report_row(const struct result *r, double hz)
{
	char size[16] = "-";

	if (r->c.size)
		snprintf(size, sizeof(size), "%u", r->c.size);
	printf("%-8s %-6s %7u %6s %10s %-9s  %9.1f %9.2f  %9.1f %9.2f  %6.2f\n", r->c.op->name,
	       r->c.ring, r->c.entries, size, mergeable_word(&r->c), placement_word(&r->c),
	       r->holdfast, hz / r->holdfast / 1e6, r->dpdk, hz / r->dpdk / 1e6, r->ratio);
	fflush(stdout);
}

static void json_row(FILE *file, const struct result *r, double hz)
{
	fprintf(file,
		"{\"op\": \"%s\", \"ring\": \"%s\", \"entries\": %u, \"size\": %u, "
		"\"mergeable\": %s, \"placement\": \"%s\", \"level\": \"%s\", "
		"\"holdfast\": %.2f, \"dpdk\": %.2f, \"unit\": \"%s\", \"ratio\": %.3f, "
		"\"holdfast_per_second\": %.0f, \"dpdk_per_second\": %.0f}",
		r->c.op->name, r->c.ring, r->c.entries, r->c.size,
		r->c.mergeable ? "true" : "false", placement_word(&r->c), r->c.level, r->holdfast,
		r->dpdk, r->c.op->unit, r->ratio, hz / r->holdfast, hz / r->dpdk);
}

int report_json(const char *path, const struct result *results, uint32_t n, double hz)
{
	FILE *file = fopen(path, "w");
	int error = 0;

	if (file) {
		fputs("[\n", file);
		for (uint32_t i = 0; i < n; i++) {
			json_row(file, &results[i], hz);
			fputs(i + 1 < n ? ",\n" : "\n", file);
		}
		fputs("]\n", file);
		if (ferror(file))
			error = -EIO;
	}
	if (!file || fclose(file))
		error = -errno;
	if (error)
		fprintf(stderr, "%s: %s\n", path, strerror(-error));
	return error;
}
