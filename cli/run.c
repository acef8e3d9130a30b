/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "complete.h"
#include "help.h"

#define DEFAULT_TIMEOUT_S 5.0
#define DEFAULT_WATCH_S	  2.0
#define LONGEST_S	  86400.0
#define CLEAR_SCREEN	  "\033[H\033[2J\033[3J"

/* Seconds as people write them, "0.5". False: not a time. */
static bool parse_seconds(const char *text, double *ret)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !isfinite(value) || value < 0 || value > LONGEST_S)
		return false;
	*ret = value;
	return true;
}

static int check_words(struct cli *cli, const struct args *args)
{
	const struct command *command = args->command;
	const char *verb = command->verb ? command->verb : "";
	const char *space = command->verb ? " " : "";
	size_t least = 0, most = 0;

	for (const struct positional *p = command->positionals; p->name; p++) {
		least += !p->optional;
		most = p->many ? ARGS_MAX_WORDS : most + 1;
		if (!p->optional && args->nr_words < least)
			return cli_fail(cli, EXIT_USAGE,
					"%s is missing; see holdfast %s%s%s --help", p->name,
					args->noun, space, verb);
	}
	if (args->nr_words > most)
		return cli_fail(cli, EXIT_USAGE,
				"one word too many: '%s'; see holdfast %s%s%s --help",
				args->words[most], args->noun, space, verb);
	return EXIT_OK;
}

static void pause_for(double seconds)
{
	struct timespec wait = {.tv_sec = (time_t)seconds,
				.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

	nanosleep(&wait, NULL);
}

/* Again and again until interrupted; a primary that is away now may be back the next time. */
static _Noreturn void watch(struct cli *cli, const struct args *args, double seconds)
{
	bool screen = cli->output.format == OUTPUT_TABLE && isatty(fileno(cli->out));

	for (;;) {
		if (screen)
			fputs(CLEAR_SCREEN, cli->out);
		args->command->run(cli, args);
		fflush(cli->out);
		if (ferror(cli->out))
			exit(EXIT_FAILED);
		pause_for(seconds);
	}
}

static int run_command(struct cli *cli, const struct args *args)
{
	const char *watch_value = args_option(args, "watch");
	double seconds = DEFAULT_WATCH_S;

	if (!watch_value)
		return args->command->run(cli, args);
	if (!args->command->watchable)
		return cli_fail(cli, EXIT_USAGE,
				"--watch does not go with this command; leave it out");
	if (*watch_value && (!parse_seconds(watch_value, &seconds) || seconds < 0.1))
		return cli_bad_value(cli, args, "watch", "seconds, 0.1 or more");
	watch(cli, args, seconds);
}

static int prepare(struct cli *cli, const struct args *args)
{
	const char *format = args_option(args, "output");
	const char *timeout = args_option(args, "timeout");
	enum output_format chosen = OUTPUT_TABLE;
	double seconds = DEFAULT_TIMEOUT_S;

	if (format && output_format_parse(format, &chosen))
		return cli_bad_value(cli, args, "output", "table, json or jsonl");
	if (timeout && !parse_seconds(timeout, &seconds))
		return cli_bad_value(cli, args, "timeout", "seconds, 0 to 86400");
	output_init(&cli->output, cli->out, chosen);
	cli->run_dir = cli_run_dir(args);
	client_init(&cli->client, cli->run_dir, (unsigned)(seconds * 1000));
	return EXIT_OK;
}

int cli_run(int argc, char **argv, FILE *out, FILE *err)
{
	struct cli cli = {.out = out, .err = err};
	struct args args;
	char reason[256];
	int code;

	if (argc > 1 && !strcmp(argv[1], "--bash-complete"))
		return complete_run(out);
	if (args_parse(&args, argc, argv, reason, sizeof(reason)))
		return cli_fail(&cli, EXIT_USAGE, "%s", reason);
	if (args_flag(&args, "version"))
		return help_print_version(out);
	if (args_flag(&args, "help"))
		return help_print(out, args.noun, args.command);
	if (!args.command) {
		help_print(err, args.noun, NULL);
		return EXIT_USAGE;
	}
	code = check_words(&cli, &args);
	if (!code)
		code = prepare(&cli, &args);
	if (code)
		return code;
	code = run_command(&cli, &args);
	client_close(&cli.client);
	/* A full disk or a closed pipe: what was asked for did not arrive. */
	if (fflush(out) || ferror(out))
		return cli_fail(&cli, EXIT_FAILED, "writing the answer: %s; see where it goes",
				strerror(errno));
	return code;
}
