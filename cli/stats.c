/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line per vring with what one looks at first, then every counter by name. The counter names are
 * the primary's; DPDK's vhost library has the same ones where the meaning is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "text.h"

static uint64_t counter_of(const pb_vring_stats *vring, const char *name)
{
	for (size_t i = 0; i < vring->n_counters; i++)
		if (!strcmp(vring->counters[i]->name, name))
			return vring->counters[i]->value;
	return 0;
}

static uint64_t sum_of(const pb_vring_stats *vring, const char *start)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < vring->n_counters; i++)
		if (!strncmp(vring->counters[i]->name, start, strlen(start)))
			sum += vring->counters[i]->value;
	return sum;
}

static void get_direction(const void *row, struct cell *ret)
{
	const pb_vring_stats *vring = row;

	cell_text(ret, "%s", vring->vring % 2 ? "dequeue" : "enqueue");
}

static void get_packets(const void *row, struct cell *ret)
{
	cell_number(ret, counter_of(row, "good_packets"));
}

static void get_bytes(const void *row, struct cell *ret)
{
	cell_number(ret, counter_of(row, "good_bytes"));
}

static void get_no_buffer(const void *row, struct cell *ret)
{
	cell_number(ret, counter_of(row, "no_guest_buffer"));
}

static void get_calls(const void *row, struct cell *ret)
{
	cell_number(ret, counter_of(row, "guest_notifications"));
}

static void get_dropped(const void *row, struct cell *ret)
{
	cell_number(ret, sum_of(row, "drop_"));
	if (ret->number)
		ret->tone = TONE_WARN;
}

static void get_breaks(const void *row, struct cell *ret)
{
	cell_number(ret, sum_of(row, "break_"));
	if (ret->number)
		ret->tone = TONE_BAD;
}

static const struct column vring_columns[] = {
	{"port", "PORT", CELL_TEXT},
	{"vring", "VRING", CELL_NUMBER},
	{"direction", "DIRECTION", CELL_TEXT, get_direction},
	{"packets", "PACKETS", CELL_NUMBER, get_packets},
	{"bytes", "BYTES", CELL_NUMBER, get_bytes},
	{"no_guest_buffer", "NO BUFFER", CELL_NUMBER, get_no_buffer},
	{"dropped", "DROPPED", CELL_NUMBER, get_dropped},
	{"breaks", "BREAKS", CELL_NUMBER, get_breaks},
	{"calls", "CALLS", CELL_NUMBER, get_calls},
};
static const struct table vring_table =
	TABLE("vrings", vring_columns, "no vring has counted anything yet");

struct counter_row {
	const pb_vring_stats *vring; /* NULL: the primary's own */
	const pb_counter *counter;
};

static void get_port(const void *row, struct cell *ret)
{
	const struct counter_row *counter = row;

	if (counter->vring)
		cell_text(ret, "%s", counter->vring->port);
}

static void get_vring(const void *row, struct cell *ret)
{
	const struct counter_row *counter = row;

	if (counter->vring)
		cell_number(ret, counter->vring->vring);
}

static void get_name(const void *row, struct cell *ret)
{
	const struct counter_row *counter = row;

	cell_text(ret, "%s", counter->counter->name);
}

static bool is_duration(const char *name)
{
	size_t len = strlen(name);

	return len > 3 && !strcmp(name + len - 3, "_ns");
}

static void get_value(const void *row, struct cell *ret)
{
	const struct counter_row *counter = row;
	char buffer[TEXT_NUMBER_MAX];

	cell_number(ret, counter->counter->value);
	if (is_duration(counter->counter->name))
		cell_shown(ret, "%s", text_age(counter->counter->value, buffer));
}

static const struct column counter_columns[] = {
	{"port", "PORT", CELL_TEXT, get_port},
	{"vring", "VRING", CELL_NUMBER, get_vring},
	{"counter", "COUNTER", CELL_TEXT, get_name},
	{"value", "VALUE", CELL_NUMBER, get_value},
};
static const struct table counter_table =
	TABLE("counters", counter_columns, "every counter is zero");

struct rows {
	const void **vrings;
	size_t nr_vrings;
	struct counter_row *counters;
	size_t nr_counters;
	bool zeros; /* wanted too */
};

static void add_counters(struct rows *rows, const pb_vring_stats *vring,
			 pb_counter *const *counters, size_t n)
{
	rows->counters =
		text_grow(rows->counters, rows->nr_counters + n + 1, sizeof(*rows->counters));
	for (size_t i = 0; i < n; i++)
		if (counters[i]->value || rows->zeros)
			rows->counters[rows->nr_counters++] =
				(struct counter_row){vring, counters[i]};
}

static void collect(const struct reply *reply, struct rows *rows)
{
	for (size_t i = 0; i < reply->nr_parts; i++) {
		const Holdfast__Control__StatsReply *part = reply->parts[i]->stats;

		rows->vrings = text_grow(rows->vrings, rows->nr_vrings + part->n_vrings + 1,
					 sizeof(*rows->vrings));
		for (size_t v = 0; v < part->n_vrings; v++) {
			const pb_vring_stats *vring = part->vrings[v];

			rows->vrings[rows->nr_vrings++] = vring;
			add_counters(rows, vring, vring->counters, vring->n_counters);
		}
		add_counters(rows, NULL, part->primary, part->n_primary);
	}
}

static void print_stats(struct cli *cli, const struct rows *rows)
{
	const void **pointers = text_alloc(rows->nr_counters, sizeof(*pointers));

	for (size_t i = 0; i < rows->nr_counters; i++)
		pointers[i] = &rows->counters[i];
	output_begin(&cli->output, "stats");
	output_table(&cli->output, &vring_table, rows->vrings, rows->nr_vrings);
	output_table(&cli->output, &counter_table, pointers, rows->nr_counters);
	output_end(&cli->output);
	free(pointers);
}

int stats_command(struct cli *cli, const struct args *args)
{
	Holdfast__Control__StatsRequest stats = HOLDFAST__CONTROL__STATS_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;
	struct rows rows = {.zeros = args_flag(args, "all") || cli->output.format != OUTPUT_TABLE};
	struct reply reply;
	int code;

	stats.port = (char *)(uintptr_t)(args->nr_words ? args->words[0] : ""); /* only read */
	request.body_case = REQUEST_BODY(STATS);
	request.stats = &stats;
	code = cli_call(cli, &request, RESPONSE_BODY(STATS), &reply);
	if (code)
		return code;
	collect(&reply, &rows);
	print_stats(cli, &rows);
	free(rows.vrings);
	free(rows.counters);
	reply_free(&reply);
	return EXIT_OK;
}
