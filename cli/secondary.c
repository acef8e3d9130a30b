/* SPDX-License-Identifier: Apache-2.0 */
/* secondary list and show. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "clock.h"
#include "text.h"

#define OLD_HEARTBEAT_NS (5 * NS_PER_S)
#define NO_HEARTBEAT_YET UINT64_MAX

/* By the numbers of attach.proto. */
static const char *const role_names[] = {"vswitch", "standby", "observer"};

static void get_role(const void *row, struct cell *ret)
{
	const pb_secondary *secondary = row;

	if (secondary->role < ARRAY_SIZE(role_names))
		cell_text(ret, "%s", role_names[secondary->role]);
	else
		cell_text(ret, "role_%u", secondary->role);
}

static void get_heartbeat(const void *row, struct cell *ret)
{
	const pb_secondary *secondary = row;

	if (secondary->heartbeat_age_ns == NO_HEARTBEAT_YET)
		return;
	cell_number(ret, secondary->heartbeat_age_ns);
	if (secondary->heartbeat_age_ns > OLD_HEARTBEAT_NS)
		ret->tone = TONE_WARN;
}

static void get_globs(const void *row, struct cell *ret)
{
	const pb_secondary *secondary = row;

	cell_list(ret);
	for (size_t i = 0; i < secondary->n_globs; i++)
		cell_list_add(ret, secondary->globs[i]);
	if (!secondary->n_globs)
		cell_shown(ret, "all");
}

static const struct column secondary_columns[] = {
	{"name", "NAME", CELL_TEXT},
	{"role", "ROLE", CELL_TEXT, get_role},
	{"pid", "PID", CELL_SIGNED},
	{"uid", "UID", CELL_NUMBER, .record_only = true},
	{"slot", "SLOT", CELL_NUMBER, .record_only = true},
	{"id", "ID", CELL_NUMBER, .record_only = true},
	{"priority", "PRIORITY", CELL_SIGNED},
	{"vrings", "VRINGS", CELL_NUMBER},
	{"ports", "PORTS", CELL_LIST},
	{"globs", "SERVES", CELL_LIST, get_globs},
	{"heartbeat_age_ns", "HEARTBEAT", CELL_NUMBER, get_heartbeat, .show = SHOW_AGE},
	{"attached_ns", "ATTACHED", CELL_NUMBER, .show = SHOW_AGE},
	{"drained", "DRAINED", CELL_BOOL, .record_only = true},
	{"version", "VERSION", CELL_TEXT, .record_only = true},
};
static const struct table secondary_table =
	TABLE("secondaries", secondary_columns,
	      "no secondary is attached; start one: holdfast-vswitch --run-dir DIR");

/* `name` empty: all. */
static int ask(struct cli *cli, const char *name, struct reply *ret)
{
	Holdfast__Control__SecondaryListRequest list =
		HOLDFAST__CONTROL__SECONDARY_LIST_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;

	list.name = (char *)(uintptr_t)name; /* only read */
	request.body_case = REQUEST_BODY(SECONDARY_LIST);
	request.secondary_list = &list;
	return cli_call(cli, &request, RESPONSE_BODY(SECONDARY_LIST), ret);
}

static size_t collect(const struct reply *reply, const void ***ret_rows)
{
	const void **rows = NULL;
	size_t n = 0;

	for (size_t i = 0; i < reply->nr_parts; i++) {
		const Holdfast__Control__SecondaryListReply *part = reply->parts[i]->secondary_list;

		rows = text_grow(rows, n + part->n_secondaries + 1, sizeof(*rows));
		for (size_t s = 0; s < part->n_secondaries; s++)
			rows[n++] = part->secondaries[s];
	}
	*ret_rows = rows;
	return n;
}

int secondary_list(struct cli *cli, const struct args *args)
{
	const void **rows;
	struct reply reply;
	size_t n;
	int code = ask(cli, "", &reply);

	(void)args;
	if (code)
		return code;
	n = collect(&reply, &rows);
	output_begin(&cli->output, "secondary list");
	output_table(&cli->output, &secondary_table, rows, n);
	output_end(&cli->output);
	free(rows);
	reply_free(&reply);
	return EXIT_OK;
}

int secondary_show(struct cli *cli, const struct args *args)
{
	struct table record = secondary_table;
	const void **rows;
	struct reply reply;
	size_t n;
	int code = ask(cli, args->words[0], &reply);

	if (code)
		return code;
	record.name = "secondary";
	n = collect(&reply, &rows);
	if (n) {
		output_begin(&cli->output, "secondary show");
		output_record(&cli->output, &record, rows[0]);
		output_end(&cli->output);
	} else {
		code = cli_fail(cli, EXIT_FAILED, "no secondary '%s'; see holdfast secondary list",
				args->words[0]);
	}
	free(rows);
	reply_free(&reply);
	return code;
}
