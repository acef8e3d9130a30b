/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade: the primary goes on as another program. Its answer says that the program will do; then
 * the connection ends with the old program, and the new one is asked, until it answers, what came.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "text.h"

#define CHECK_MS   15000u /* the primary gives the program 5 s, and 2 s to come to rest */
#define SUCCEED_MS 30000u
#define LOOK_NS	   (5 * (long)NS_PER_MS)

typedef Holdfast__Control__UpgradeReply pb_upgrade;

struct outcome {
	const pb_upgrade *before, *after;
};

static void get_before(const void *row, struct cell *ret)
{
	const struct outcome *outcome = row;

	cell_text(ret, "%s", outcome->before->version);
}

static void get_after(const void *row, struct cell *ret)
{
	const struct outcome *outcome = row;

	cell_text(ret, "%s", outcome->after->version);
}

static void get_binary(const void *row, struct cell *ret)
{
	const struct outcome *outcome = row;

	cell_text(ret, "%s", outcome->after->binary);
}

#define AFTER_NUMBER(field)                                                                        \
	static void get_##field(const void *row, struct cell *ret)                                 \
	{                                                                                          \
		const struct outcome *outcome = row;                                               \
                                                                                                   \
		cell_number(ret, outcome->after->field);                                           \
	}
AFTER_NUMBER(sessions)
AFTER_NUMBER(secondaries)
AFTER_NUMBER(pause_ns)

static const struct column upgrade_columns[] = {
	{"before", "BEFORE", CELL_TEXT, get_before},
	{"after", "AFTER", CELL_TEXT, get_after},
	{"binary", "BINARY", CELL_TEXT, get_binary},
	{"sessions", "SESSIONS", CELL_NUMBER, get_sessions},
	{"secondaries", "SECONDARIES", CELL_NUMBER, get_secondaries},
	{"pause_ns", "PAUSE", CELL_NUMBER, get_pause_ns, .show = SHOW_AGE},
};
static const struct table upgrade_table = TABLE("upgrade", upgrade_columns, NULL);

/* The primary knows no directory of ours. Caller frees. */
static char *absolute(const char *path)
{
	char *here, *whole;

	if (!*path || *path == '/')
		return text_copy(path);
	here = getcwd(NULL, 0);
	whole = here ? text_format("%s/%s", here, path) : text_copy(path);
	free(here);
	return whole;
}

static int begin(struct cli *cli, const char *binary, struct reply *ret)
{
	Holdfast__Control__UpgradeRequest upgrade = HOLDFAST__CONTROL__UPGRADE_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;
	char *path = absolute(binary);
	int code;

	upgrade.binary = path;
	request.body_case = REQUEST_BODY(UPGRADE);
	request.upgrade = &upgrade;
	code = cli_call(cli, &request, RESPONSE_BODY(UPGRADE), ret);
	free(path);
	return code;
}

static enum client_status ask(struct cli *cli, struct reply *ret)
{
	Holdfast__Control__UpgradeStatusRequest status =
		HOLDFAST__CONTROL__UPGRADE_STATUS_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;

	request.body_case = REQUEST_BODY(UPGRADE_STATUS);
	request.upgrade_status = &status;
	return client_call(&cli->client, &request, RESPONSE_BODY(UPGRADE), ret);
}

static void pause_a_little(void)
{
	struct timespec wait = {.tv_nsec = LOOK_NS};

	nanosleep(&wait, NULL);
}

/* Until another life answers, or the one there says that it stays. */
static int await(struct cli *cli, const pb_upgrade *before, uint64_t give_up_ns, struct reply *ret)
{
	enum client_status status = CLIENT_UNREACHABLE;

	while (hf_now_ns() < give_up_ns) {
		status = ask(cli, ret);
		if (status == CLIENT_OK) {
			const pb_upgrade *now = ret->parts[0]->upgrade;

			if (now->life != before->life || !now->under_way)
				return EXIT_OK;
			reply_free(ret);
		} else if (status != CLIENT_UNREACHABLE) {
			return cli_call_failed(cli, status);
		}
		pause_a_little();
	}
	return cli_fail(
		cli, EXIT_NOT_CONNECTED,
		"the new program does not answer (%s); see its log: journalctl -u holdfastd",
		status == CLIENT_OK ? "still under way" : cli->client.reason);
}

static int judge(struct cli *cli, const struct outcome *outcome)
{
	const pb_upgrade *before = outcome->before, *after = outcome->after;

	if (after->life == before->life || after->error)
		return cli_fail(cli, EXIT_FAILED, "%s",
				after->error ? after->reason
					     : "not upgraded; see the primary's log");
	if (!*after->from_version)
		return cli_fail(cli, EXIT_FAILED,
				"the new program ended at its start; version %s was started in its "
				"place and serves %u sessions: see the log of the primary",
				after->version, after->sessions);
	output_begin(&cli->output, "upgrade");
	output_record(&cli->output, &upgrade_table, outcome);
	output_end(&cli->output);
	return EXIT_OK;
}

int upgrade_command(struct cli *cli, const struct args *args)
{
	const char *binary = args_option(args, "binary");
	bool patient = !args_option(args, "timeout");
	struct reply first, last;
	uint64_t give_up_ns;
	int code;

	if (binary && !*binary)
		return cli_bad_value(cli, args, "binary", "the path of a holdfastd");
	if (patient)
		cli->client.timeout_ms = CHECK_MS;
	code = begin(cli, binary ? binary : "", &first);
	if (code)
		return code;
	client_hang_up(&cli->client);
	give_up_ns =
		!cli->client.timeout_ms
			? UINT64_MAX
			: hf_now_ns() + NS_PER_MS * (patient ? SUCCEED_MS : cli->client.timeout_ms);
	code = await(cli, first.parts[0]->upgrade, give_up_ns, &last);
	if (!code) {
		struct outcome outcome = {first.parts[0]->upgrade, last.parts[0]->upgrade};

		code = judge(cli, &outcome);
		reply_free(&last);
	}
	reply_free(&first);
	return code;
}
