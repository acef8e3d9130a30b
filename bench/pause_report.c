/* SPDX-License-Identifier: Apache-2.0 */
#include "pause_report.h"

#include <stdio.h>
#include <stdlib.h>

#include "json.h"

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The smallest that at least so many thousandths are not above; microseconds. */
static double quantile(const struct pause_row *row, uint32_t thousandths)
{
	uint64_t rank = ((uint64_t)row->n * thousandths + 999) / 1000;

	return row->n ? (double)row->ns[rank ? rank - 1 : 0] / 1000 : 0;
}

void pause_report_header(void)
{
	printf("microseconds; a pause is the longest time between two packets that arrive; away: "
	       "events at which\nthe measuring thread itself was not run for 100 us or more\n\n");
	printf("%-10s %-28s %5s %9s %9s %9s %9s %8s %6s %5s %5s %5s %5s\n", "event", "", "n", "p50",
	       "p90", "p99", "max", "packets", "lost", "most", "dup", "late", "away");
}

void pause_report_row(struct pause_row *row)
{
	const struct flow_counts *c = &row->counts;

	qsort(row->ns, row->n, sizeof(row->ns[0]), by_size);
	printf("%-10s %-28s %5u %9.1f %9.1f %9.1f %9.1f", row->event, row->part, row->n,
	       quantile(row, 500), quantile(row, 900), quantile(row, 990), quantile(row, 1000));
	if (c->sent)
		printf(" %8llu %6llu %5llu %5llu %5llu %5u", (unsigned long long)c->sent,
		       (unsigned long long)c->lost, (unsigned long long)row->most_lost,
		       (unsigned long long)c->duplicated, (unsigned long long)c->late, row->away);
	printf("\n");
	fflush(stdout);
}

static void json_row(FILE *file, const void *rows, size_t i)
{
	const struct pause_row *row = (const struct pause_row *)rows + i;
	const struct flow_counts *c = &row->counts;

	fprintf(file,
		"{\"op\": \"pause\", \"event\": \"%s\", \"part\": \"%s\", \"n\": %u, \"unit\": "
		"\"us\", \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"max\": %.1f",
		row->event, row->part, row->n, quantile(row, 500), quantile(row, 900),
		quantile(row, 990), quantile(row, 1000));
	if (c->sent)
		fprintf(file,
			", \"packets\": %llu, \"lost\": %llu, \"most_lost\": %llu, \"duplicated\": "
			"%llu, \"late\": %llu, \"damaged\": %llu, \"away\": %u",
			(unsigned long long)c->sent, (unsigned long long)c->lost,
			(unsigned long long)row->most_lost, (unsigned long long)c->duplicated,
			(unsigned long long)c->late, (unsigned long long)c->damaged, row->away);
	fputs("}", file);
}

int pause_report_json(const char *path, const struct pause_row *rows, size_t n)
{
	return json_rows(path, n, json_row, rows);
}
