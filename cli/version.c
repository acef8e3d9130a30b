/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

/* The primary's part is NULL when it does not answer. */
struct versions {
	const pb_version *primary;
};

static void get_own(const void *row, struct cell *ret)
{
	(void)row;
	cell_text(ret, "%s", HF_VERSION);
}

static void get_primary(const void *row, struct cell *ret)
{
	const struct versions *versions = row;

	if (versions->primary)
		cell_text(ret, "%s", versions->primary->version);
}

#define PRIMARY_NUMBER(field)                                                                      \
	static void get_##field(const void *row, struct cell *ret)                                 \
	{                                                                                          \
		const struct versions *versions = row;                                             \
                                                                                                   \
		if (versions->primary)                                                             \
			cell_number(ret, versions->primary->field);                                \
	}
PRIMARY_NUMBER(abi_major)
PRIMARY_NUMBER(abi_minor)
PRIMARY_NUMBER(uptime_ns)

static void get_pid(const void *row, struct cell *ret)
{
	const struct versions *versions = row;

	if (versions->primary && versions->primary->pid > 0)
		cell_number(ret, (uint32_t)versions->primary->pid);
}

static const struct column version_columns[] = {
	{"holdfast", "HOLDFAST", CELL_TEXT, get_own},
	{"primary", "PRIMARY", CELL_TEXT, get_primary},
	{"abi_major", "ABI", CELL_NUMBER, get_abi_major},
	{"abi_minor", "ABI MINOR", CELL_NUMBER, get_abi_minor},
	{"pid", "PID", CELL_NUMBER, get_pid},
	{"uptime_ns", "UPTIME", CELL_NUMBER, get_uptime_ns, .show = SHOW_AGE},
};
static const struct table version_table = TABLE("version", version_columns, NULL);

/* Our own version is worth printing even when nobody answers; the exit code tells. */
int version_command(struct cli *cli, const struct args *args)
{
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;
	struct versions versions = {0};
	struct reply reply = {0};
	int code;

	(void)args;
	request.body_case = REQUEST_BODY(VERSION);
	request.version = &version;
	code = cli_call(cli, &request, RESPONSE_BODY(VERSION), &reply);
	if (!code)
		versions.primary = reply.parts[0]->version;
	output_begin(&cli->output, "version");
	output_record(&cli->output, &version_table, &versions);
	output_end(&cli->output);
	reply_free(&reply);
	return code;
}
