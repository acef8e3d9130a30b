/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include <string.h>

#include "cli.h"

#define SUMMARY_COLUMN 32
#define LIST_COLUMN    26

static int put_positionals(FILE *out, const struct command *command)
{
	int width = 0;

	for (const struct positional *p = command->positionals; p->name; p++)
		width += fprintf(out, " %s%s%s%s", p->optional ? "[" : "", p->name,
				 p->many ? "..." : "", p->optional ? "]" : "");
	return width;
}

static void put_usage(FILE *out, const struct command *command)
{
	fprintf(out, "usage: holdfast %s%s%s", command->noun, command->verb ? " " : "",
		command->verb ? command->verb : "");
	put_positionals(out, command);
	fputs(" [options]\n", out);
}

static void put_options(FILE *out, const char *title, const struct option_info *options,
			bool watchable)
{
	if (!options || !options->name)
		return;
	fprintf(out, "\n%s:\n", title);
	for (const struct option_info *o = options; o->name; o++) {
		const char *open = o->value_optional ? "[=" : " ";
		int width;

		if (!watchable && !strcmp(o->name, "watch"))
			continue;
		if (o->letter)
			width = fprintf(out, "  -%c, --%s", o->letter, o->name);
		else
			width = fprintf(out, "      --%s", o->name);
		if (o->value)
			width += fprintf(out, "%s%s%s", open, o->value,
					 o->value_optional ? "]" : "");
		fprintf(out, "%*s%s\n", width < LIST_COLUMN ? LIST_COLUMN - width : 1, "", o->help);
	}
}

static void put_command(FILE *out, const struct command *command)
{
	put_usage(out, command);
	fprintf(out, "\n%s\n", command->summary);
	if (command->notes)
		fprintf(out, "%s\n", command->notes);
	put_options(out, "options", command->options, true);
	put_options(out, "everywhere", global_options, command->watchable);
}

static void put_line(FILE *out, const struct command *command)
{
	int width = fprintf(out, "  %s%s%s", command->noun, command->verb ? " " : "",
			    command->verb ? command->verb : "");

	width += put_positionals(out, command);
	fprintf(out, "%*s%s\n", width < SUMMARY_COLUMN ? SUMMARY_COLUMN - width : 1, "",
		command->summary);
}

int help_print(FILE *out, const char *noun, const struct command *command)
{
	if (command) {
		put_command(out, command);
		return EXIT_OK;
	}
	fprintf(out, "usage: holdfast %s%s [options]\n\ncommands:\n", noun ? noun : "COMMAND",
		noun ? " COMMAND" : "");
	for (size_t i = 0; i < nr_commands; i++)
		if (!noun || !strcmp(commands[i].noun, noun))
			put_line(out, &commands[i]);
	put_options(out, "everywhere", global_options, true);
	if (!noun)
		fputs("\nends with: 0 done, 1 failed, 2 wrong usage, 3 not connected, 4 not ready\n"
		      "completion in bash: complete -o default -C 'holdfast --bash-complete' "
		      "holdfast\n",
		      out);
	return EXIT_OK;
}

int help_print_version(FILE *out)
{
	fprintf(out, "holdfast %s\n", HF_VERSION);
	return EXIT_OK;
}

int help_command(struct cli *cli, const struct args *args)
{
	const char *noun = args->nr_words > 0 ? args->words[0] : NULL;
	const char *verb = args->nr_words > 1 ? args->words[1] : NULL;
	const struct command *command;

	if (!noun)
		return help_print(cli->out, NULL, NULL);
	if (!command_is_noun(noun)) {
		const char *near = command_nearest(NULL, noun);

		return cli_fail(cli, EXIT_USAGE, "no command '%s'; see holdfast help%s%s", noun,
				near ? " " : "", near ? near : "");
	}
	command = command_find(noun, verb);
	if (verb && !command)
		return cli_fail(cli, EXIT_USAGE, "no command '%s %s'; see holdfast help %s", noun,
				verb, noun);
	return help_print(cli->out, noun, command);
}
