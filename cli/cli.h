/* SPDX-License-Identifier: Apache-2.0 */
/* What every command works with, and the way it ends. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdio.h>

#include "args.h"
#include "client.h"
#include "output.h"

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_CONNECTED = 3, /* no primary, or no front-end on the port asked about */
	EXIT_NOT_READY = 4,	/* health */
};

struct cli {
	FILE *out;
	FILE *err;
	struct output output;
	struct client client;
	const char *run_dir;
};

/* --run-dir, $HOLDFAST_RUN_DIR or the default. */
const char *cli_run_dir(const struct args *args);

/* One line to the error stream, ending with the remedy; returns `code`. */
__attribute__((format(printf, 3, 4))) int cli_fail(struct cli *cli, int code, const char *format,
						   ...);
/* A remark to the error stream that changes nothing. */
__attribute__((format(printf, 2, 3))) void cli_note(struct cli *cli, const char *format, ...);
/* An option's value is not what it must be; returns EXIT_USAGE. */
int cli_bad_value(struct cli *cli, const struct args *args, const char *option,
		  const char *must_be);

/* Ask the primary; when that fails, say so. EXIT_OK: *ret is the caller's to free. */
int cli_call(struct cli *cli, pb_request *request, int body, struct reply *ret);
/* The exit code and the line for a call that failed. */
int cli_call_failed(struct cli *cli, enum client_status status);

#endif
