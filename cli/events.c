/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Past events, then, with --follow, those to come. A stream has no end at which a JSON document or
 * a table's widths could be settled: in JSON each event is a line of its own, and the columns have
 * least widths.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "clock.h"
#include "text.h"

#define SEVERAL UINT32_MAX /* vrings; `detail` says how many */

static void get_time(const void *row, struct cell *ret)
{
	const pb_event *event = row;
	time_t seconds = (time_t)(event->realtime_ns / NS_PER_S);
	char text[48] = "";
	struct tm local;

	if (localtime_r(&seconds, &local))
		strftime(text, sizeof(text), "%F %T", &local);
	cell_text(ret, "%s.%03u", text, (unsigned)(event->realtime_ns % NS_PER_S / NS_PER_MS));
}

/* Zero is also a vring's number, so the kind decides. */
static void get_vring(const void *row, struct cell *ret)
{
	const pb_event *event = row;

	switch (event->kind) {
	case HOLDFAST__CONTROL__EVENT_KIND__VRING_GRANTED:
	case HOLDFAST__CONTROL__EVENT_KIND__VRING_REVOKED:
	case HOLDFAST__CONTROL__EVENT_KIND__VRING_BROKEN:
	case HOLDFAST__CONTROL__EVENT_KIND__VRING_PUT_OFF:
		if (event->vring != SEVERAL)
			cell_number(ret, event->vring);
		break;
	default:
		break;
	}
}

static void get_duration(const void *row, struct cell *ret)
{
	const pb_event *event = row;

	if (event->duration_ns)
		cell_number(ret, event->duration_ns);
}

static const struct column event_columns[] = {
	{"number", "NUMBER", CELL_NUMBER, .width = 6},
	{"time", "TIME", CELL_TEXT, get_time, .width = 23},
	{"realtime_ns", NULL, CELL_NUMBER},
	{"event", "EVENT", CELL_TEXT, .field = "kind", .width = 18},
	{"port", "PORT", CELL_TEXT, .width = 10},
	{"vring", "VRING", CELL_NUMBER, get_vring, .width = 5},
	{"secondary", "SECONDARY", CELL_TEXT, .width = 16},
	{"duration_ns", "TOOK", CELL_NUMBER, get_duration, .show = SHOW_AGE, .width = 7},
	{"detail", "DETAIL", CELL_TEXT, .wrap = true},
};
static const struct table event_table = TABLE("events", event_columns, "nothing has happened yet");

struct stream {
	struct cli *cli;
	bool printed; /* the heading is there */
};

static bool print_batch(void *context, const pb_response *response)
{
	struct stream *stream = context;
	struct output *out = &stream->cli->output;
	const Holdfast__Control__EventsReply *batch = response->events;

	if (batch->n_events) {
		output_begin(out, "events");
		out->no_heading = stream->printed;
		output_table(out, &event_table, (const void *const *)batch->events,
			     batch->n_events);
		output_end(out);
		stream->printed = true;
	}
	return fflush(out->stream) == 0 && !ferror(out->stream);
}

static int follow(struct cli *cli, pb_request *request)
{
	struct stream stream = {.cli = cli};
	enum client_status status;

	if (cli->output.format == OUTPUT_JSON)
		output_init(&cli->output, cli->out, OUTPUT_JSONL);
	status = client_stream(&cli->client, request, RESPONSE_BODY(EVENTS), print_batch, &stream);
	return status == CLIENT_OK ? EXIT_OK : cli_call_failed(cli, status);
}

static void print_past(struct cli *cli, const struct reply *reply)
{
	const void **rows = NULL;
	size_t n = 0;

	for (size_t i = 0; i < reply->nr_parts; i++) {
		const Holdfast__Control__EventsReply *part = reply->parts[i]->events;

		rows = text_grow(rows, n + part->n_events + 1, sizeof(*rows));
		for (size_t e = 0; e < part->n_events; e++)
			rows[n++] = part->events[e];
	}
	output_begin(&cli->output, "events");
	output_table(&cli->output, &event_table, rows, n);
	output_end(&cli->output);
	free(rows);
}

int events_command(struct cli *cli, const struct args *args)
{
	Holdfast__Control__EventsRequest events = HOLDFAST__CONTROL__EVENTS_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;
	struct reply reply;
	uint32_t last = 20;
	int code;

	if (!args_number(args, "last", 0, 1000000, &last))
		return cli_bad_value(cli, args, "last", "0 to 1000000");
	events.follow = args_flag(args, "follow");
	events.last = last;
	request.body_case = REQUEST_BODY(EVENTS);
	request.events = &events;
	if (events.follow)
		return follow(cli, &request);
	code = cli_call(cli, &request, RESPONSE_BODY(EVENTS), &reply);
	if (code)
		return code;
	print_past(cli, &reply);
	reply_free(&reply);
	return EXIT_OK;
}
