/* SPDX-License-Identifier: Apache-2.0 */
/* One table of columns says what is printed, in which order and how wide. */
#include "stats.h"

#include <holdfast/packet.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct column {
	const char *title;
	size_t offset;
	int width;
};

#define COLUMN(title, field, width)                                                                \
	{                                                                                          \
		title, offsetof(struct port_stats, field), width                                   \
	}

static const struct column columns[] = {
	COLUMN("rx_packets", rx_packets, 12),
	COLUMN("rx_bytes", rx_bytes, 15),
	COLUMN("rx_flooded", rx_flooded, 11),
	COLUMN("rx_runt", rx_runt, 8),
	COLUMN("rx_filtered", rx_filtered, 12),
	COLUMN("rx_error", rx_error, 9),
	COLUMN("rx_not_learned", rx_not_learned, 14),
	COLUMN("tx_packets", tx_packets, 12),
	COLUMN("tx_bytes", tx_bytes, 15),
	COLUMN("tx_no_buffer", tx_no_buffer, 13),
	COLUMN("tx_no_queue", tx_no_queue, 12),
	COLUMN("tx_left_full", tx_left_full, 13),
	COLUMN("tx_error", tx_error, 9),
	COLUMN("tx_refused", tx_refused, 11),
};
#define NR_COLUMNS (sizeof(columns) / sizeof(columns[0]))

_Static_assert(NR_COLUMNS * sizeof(counter) == sizeof(struct port_stats),
	       "every counter of a port has a column");

static const struct column totals[] = {
	{"learned", offsetof(struct worker_stats, learned), 0},
	{"moved", offsetof(struct worker_stats, moved), 0},
	{"not_learned", offsetof(struct worker_stats, not_learned), 0},
	{"left_for_others", offsetof(struct worker_stats, left), 0},
	{"left_stale", offsetof(struct worker_stats, left_stale), 0},
	{"sleeps", offsetof(struct worker_stats, sleeps), 0},
};

static uint64_t sum_bytes(struct hf_packet *const *packets, uint16_t nr)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < nr; i++)
		bytes += packets[i]->total;
	return bytes;
}

void stats_sent(struct port_stats *stats, struct hf_packet *const *packets, uint16_t nr)
{
	count(&stats->tx_packets, nr);
	count(&stats->tx_bytes, sum_bytes(packets, nr));
}

struct worker_stats *stats_create(unsigned workers)
{
	struct worker_stats *sets = aligned_alloc(CACHE_LINE, workers * sizeof(*sets));

	if (sets)
		memset(sets, 0, workers * sizeof(*sets));
	return sets;
}

static counter *counter_at(const void *set, size_t offset)
{
	return (counter *)(uintptr_t)((const char *)set + offset);
}

void stats_clear_port(struct worker_stats *sets, unsigned workers, uint16_t port)
{
	for (unsigned w = 0; w < workers; w++)
		for (size_t i = 0; i < NR_COLUMNS; i++)
			atomic_store_explicit(counter_at(&sets[w].ports[port], columns[i].offset),
					      0, memory_order_relaxed);
}

static uint64_t read_counter(const void *set, size_t offset)
{
	return atomic_load_explicit(counter_at(set, offset), memory_order_relaxed);
}

void stats_print_header(FILE *out)
{
	(void)fprintf(out, "%-16s", "port");
	for (size_t i = 0; i < NR_COLUMNS; i++)
		(void)fprintf(out, " %*s", columns[i].width, columns[i].title);
	(void)fputc('\n', out);
}

void stats_print_port(FILE *out, const struct worker_stats *sets, unsigned workers, uint16_t port,
		      const char *name)
{
	(void)fprintf(out, "%-16s", name);
	for (size_t i = 0; i < NR_COLUMNS; i++) {
		uint64_t sum = 0;

		for (unsigned w = 0; w < workers; w++)
			sum += read_counter(&sets[w].ports[port], columns[i].offset);
		(void)fprintf(out, " %*" PRIu64, columns[i].width, sum);
	}
	(void)fputc('\n', out);
}

void stats_print_totals(FILE *out, const struct worker_stats *sets, unsigned workers,
			unsigned stations)
{
	(void)fprintf(out, "switch: stations %u", stations);
	for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
		uint64_t sum = 0;

		for (unsigned w = 0; w < workers; w++)
			sum += read_counter(&sets[w], totals[i].offset);
		(void)fprintf(out, " %s %" PRIu64, totals[i].title, sum);
	}
	(void)fputc('\n', out);
	(void)fflush(out);
}
