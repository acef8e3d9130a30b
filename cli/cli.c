/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "text.h"

#define DEFAULT_RUN_DIR "/run/holdfast"

__attribute__((format(printf, 2, 0))) static void put_error(struct cli *cli, const char *format,
							    va_list args)
{
	char *line = text_formatv(format, args);

	fputs("holdfast: ", cli->err);
	text_put_safe(cli->err, line);
	fputc('\n', cli->err);
	free(line);
}

int cli_fail(struct cli *cli, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_error(cli, format, args);
	va_end(args);
	return code;
}

void cli_note(struct cli *cli, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_error(cli, format, args);
	va_end(args);
}

int cli_bad_value(struct cli *cli, const struct args *args, const char *option, const char *must_be)
{
	return cli_fail(cli, EXIT_USAGE, "--%s '%s' is not possible; give %s", option,
			args_option(args, option), must_be);
}

int cli_call_failed(struct cli *cli, enum client_status status)
{
	bool away = status == CLIENT_UNREACHABLE ||
		    (status == CLIENT_REFUSED && cli->client.error == -ENOTCONN);

	return cli_fail(cli, away ? EXIT_NOT_CONNECTED : EXIT_FAILED, "%s", cli->client.reason);
}

int cli_call(struct cli *cli, pb_request *request, int body, struct reply *ret)
{
	enum client_status status = client_call(&cli->client, request, body, ret);

	return status == CLIENT_OK ? EXIT_OK : cli_call_failed(cli, status);
}

const char *cli_run_dir(const struct args *args)
{
	const char *dir = args_option(args, "run-dir");

	if (!dir)
		dir = getenv("HOLDFAST_RUN_DIR");
	return dir && *dir ? dir : DEFAULT_RUN_DIR;
}
