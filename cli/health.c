/* SPDX-License-Identifier: Apache-2.0 */
/* One line and an exit code for monitors, the checks for people. */
#include <stdlib.h>

#include "cli.h"

static void get_ok(const void *row, struct cell *ret)
{
	const pb_check *check = row;

	cell_bool(ret, check->ok);
	cell_shown(ret, "%s", check->ok ? "ok" : "bad");
	ret->tone = check->ok ? TONE_GOOD : TONE_BAD;
}

static const struct column check_columns[] = {
	{"name", "CHECK", CELL_TEXT},
	{"ok", "RESULT", CELL_BOOL, get_ok},
	{"detail", "DETAIL", CELL_TEXT, .wrap = true},
};
static const struct table check_table = TABLE("checks", check_columns, "no checks");

static const struct column health_columns[] = {
	{"healthy", "HEALTHY", CELL_BOOL},
	{"ports", "PORTS", CELL_NUMBER},
	{"ports_ready", "READY", CELL_NUMBER},
	{"secondaries", "SECONDARIES", CELL_NUMBER},
	{"huge_pages_free", "HUGE PAGES FREE", CELL_NUMBER},
	{"huge_pages_total", "HUGE PAGES", CELL_NUMBER},
	{"directory_on_huge_pages", "DIRECTORY ON HUGE PAGES", CELL_BOOL},
};
static const struct table health_table = TABLE("health", health_columns, NULL);

static int print_health(struct cli *cli, const pb_health *health, const char *port)
{
	bool ready = health->healthy && (!port || health->ports_ready);

	output_begin(&cli->output, "health");
	output_record(&cli->output, &health_table, health);
	output_table(&cli->output, &check_table, (const void *const *)health->checks,
		     health->n_checks);
	if (ready)
		output_remark(&cli->output, "verdict", TONE_GOOD, "%s%s",
			      port ? "ready: " : "healthy", port ? port : "");
	else if (port)
		output_remark(&cli->output, "verdict", TONE_BAD, "not ready: holdfast doctor %s",
			      port);
	else
		output_remark(&cli->output, "verdict", TONE_BAD, "not healthy: holdfast doctor");
	output_end(&cli->output);
	return ready ? EXIT_OK : EXIT_NOT_READY;
}

int health_command(struct cli *cli, const struct args *args)
{
	Holdfast__Control__HealthRequest health = HOLDFAST__CONTROL__HEALTH_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;
	const char *port = args_option(args, "port");
	struct reply reply;
	int code;

	health.port = (char *)(uintptr_t)(port ? port : ""); /* only read */
	request.body_case = REQUEST_BODY(HEALTH);
	request.health = &health;
	code = cli_call(cli, &request, RESPONSE_BODY(HEALTH), &reply);
	if (code)
		return code;
	code = print_health(cli, reply.parts[0]->health, port);
	reply_free(&reply);
	return code;
}
