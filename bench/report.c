/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdio.h>

#include "json.h"

static const char *mergeable_word(const struct bench_case *c)
{
	return c->mergeable ? "on" : "off";
}

static const char *placement_word(const struct bench_case *c)
{
	return c->two_cores ? "two cores" : "one core";
}

void report_header(double hz, const char *level, const char *first)
{
	printf("TSC %.0f MHz; bursts of %u; Holdfast's instructions: %s\n"
	       "cycles are per packet (poll: per call); ratio > 1: %s is ahead\n\n",
	       hz / 1e6, BENCH_BURST, level, first);
	printf("%-14s %-6s %7s %7s %6s %10s %-9s  %9s %9s  %9s %9s  %6s\n", "op", "ring", "entries",
	       "devices", "size", "mergeable", "placement", first, "Mpps", "DPDK", "Mpps", "ratio");
}

void report_row(const struct result *r, double hz)
{
	char size[16] = "-";

	if (r->c.size)
		snprintf(size, sizeof(size), "%u", r->c.size);
	printf("%-14s %-6s %7u %7u %6s %10s %-9s  %9.1f ", r->c.op->name, r->c.ring, r->c.entries,
	       r->c.devices, size, mergeable_word(&r->c), placement_word(&r->c), r->holdfast);
	if (r->c.op->round)
		printf("%9.2f  %9.1f %9.2f  %6.2f\n", hz / r->holdfast / 1e6, r->dpdk,
		       hz / r->dpdk / 1e6, r->ratio);
	else
		printf("%9s  %9.1f %9s  %6.2f  %s\n", "", r->dpdk, "", r->ratio, r->c.op->unit);
	fflush(stdout);
}

static void json_row(FILE *file, const struct result *r, double hz, const char *first)
{
	fprintf(file,
		"{\"op\": \"%s\", \"ring\": \"%s\", \"entries\": %u, \"devices\": %u, "
		"\"size\": %u, \"mergeable\": %s, \"placement\": \"%s\", \"level\": \"%s\", "
		"\"%s\": %.2f, \"dpdk\": %.2f, \"unit\": \"%s\", \"ratio\": %.3f",
		r->c.op->name, r->c.ring, r->c.entries, r->c.devices, r->c.size,
		r->c.mergeable ? "true" : "false", placement_word(&r->c), r->c.level, first,
		r->holdfast, r->dpdk, r->c.op->unit, r->ratio);
	if (r->c.op->round)
		fprintf(file, ", \"%s_per_second\": %.0f, \"dpdk_per_second\": %.0f", first,
			hz / r->holdfast, hz / r->dpdk);
	fputs("}", file);
}

/* What a row of the file needs. */
struct rows {
	const struct result *results;
	double hz;
	const char *first;
};

static void put_row(FILE *file, const void *context, size_t i)
{
	const struct rows *rows = context;

	json_row(file, &rows->results[i], rows->hz, rows->first);
}

int report_json(const char *path, const struct result *results, uint32_t n, double hz,
		const char *first)
{
	struct rows rows = {results, hz, first};

	return json_rows(path, n, put_row, &rows);
}
