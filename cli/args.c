/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why not getopt_long: options stand in the table of commands, the global ones may come before the
 * noun, a word's meaning depends on the ones before it, and the same code must run again and again
 * in one process (tests, --watch), which getopt's hidden state does not like.
 */
#include "args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

struct parser {
	struct args *args;
	int argc;
	char **argv;
	int at;
	bool words_only; /* behind "--" */
	char *reason;
	size_t reason_size;
};

__attribute__((format(printf, 2, 3))) static int fail(struct parser *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->reason, p->reason_size, format, args);
	va_end(args);
	return -1;
}

/* How to call for help on what was understood so far. */
static const char *help_line(const struct parser *p, char *buffer, size_t size)
{
	const struct command *command = p->args->command;

	snprintf(buffer, size, "holdfast%s%s%s%s --help", p->args->noun ? " " : "",
		 p->args->noun ? p->args->noun : "", command && command->verb ? " " : "",
		 command && command->verb ? command->verb : "");
	return buffer;
}

static const struct option_info *find_long(const struct option_info *options, const char *name,
					   size_t length, size_t *ret_place)
{
	for (size_t i = 0; options && options[i].name; i++) {
		if (strlen(options[i].name) == length && !strncmp(options[i].name, name, length)) {
			*ret_place = i;
			return &options[i];
		}
	}
	return NULL;
}

static const struct option_info *find_letter(const struct option_info *options, char letter,
					     size_t *ret_place)
{
	for (size_t i = 0; options && options[i].name; i++) {
		if (options[i].letter == letter) {
			*ret_place = i;
			return &options[i];
		}
	}
	return NULL;
}

/* `glued`: the value that stands in the same word, or NULL. */
static int store(struct parser *p, const struct option_info *option, const char **place,
		 const char *glued)
{
	char help[128];

	if (!option->value && glued)
		return fail(p, "--%s takes no value; see %s", option->name,
			    help_line(p, help, sizeof(help)));
	if (option->value && !glued && !option->value_optional) {
		if (p->at + 1 >= p->argc)
			return fail(p, "--%s needs a value: --%s %s", option->name, option->name,
				    option->value);
		glued = p->argv[++p->at];
	}
	*place = glued ? glued : "";
	return 0;
}

static const struct option_info *own_options(const struct parser *p)
{
	return p->args->command ? p->args->command->options : NULL;
}

static int unknown_option(struct parser *p, const char *word)
{
	char help[128];

	return fail(p, "unknown option %s; see %s", word, help_line(p, help, sizeof(help)));
}

static int long_option(struct parser *p, const char *word)
{
	const char *name = word + 2;
	const char *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	const char *glued = equals ? equals + 1 : NULL;
	size_t place = 0;
	/* A command's own option wins: `health --port`, and `version` is no one's but global. */
	const struct option_info *option = find_long(own_options(p), name, length, &place);

	if (option)
		return store(p, option, &p->args->own[place], glued);
	option = find_long(global_options, name, length, &place);
	if (option)
		return store(p, option, &p->args->global[place], glued);
	return unknown_option(p, word);
}

static int short_options(struct parser *p, const char *word)
{
	for (const char *letter = word + 1; *letter; letter++) {
		size_t place = 0;
		const struct option_info *option = find_letter(own_options(p), *letter, &place);
		const char **value = &p->args->own[place];

		if (!option) {
			option = find_letter(global_options, *letter, &place);
			value = &p->args->global[place];
		}
		if (!option)
			return unknown_option(p, word);
		if (option->value)
			return store(p, option, value, letter[1] ? letter + 1 : NULL);
		*value = "";
	}
	return 0;
}

static int unknown_word(struct parser *p, const char *noun, const char *word)
{
	const char *near = command_nearest(noun, word);

	if (near)
		return fail(p, "unknown command '%s%s%s'; did you mean: holdfast %s%s%s",
			    noun ? noun : "", noun ? " " : "", word, noun ? noun : "",
			    noun ? " " : "", near);
	return fail(p, "unknown command '%s%s%s'; see holdfast %s%s--help", noun ? noun : "",
		    noun ? " " : "", word, noun ? noun : "", noun ? " " : "");
}

static int add_word(struct parser *p, const char *word)
{
	struct args *args = p->args;

	if (!args->noun) {
		if (!command_is_noun(word))
			return unknown_word(p, NULL, word);
		args->noun = word;
		args->command = command_find(word, NULL);
		return 0;
	}
	if (!args->command) {
		args->command = command_find(args->noun, word);
		return args->command ? 0 : unknown_word(p, args->noun, word);
	}
	if (args->nr_words >= ARGS_MAX_WORDS)
		return fail(p, "too many words; give at most %u", ARGS_MAX_WORDS);
	args->words[args->nr_words++] = word;
	return 0;
}

int args_parse(struct args *args, int argc, char **argv, char *reason, size_t reason_size)
{
	struct parser p = {.args = args,
			   .argc = argc,
			   .argv = argv,
			   .reason = reason,
			   .reason_size = reason_size};
	int error = 0;

	*args = (struct args){0};
	for (p.at = 1; p.at < argc && !error; p.at++) {
		const char *word = argv[p.at];

		if (p.words_only || word[0] != '-' || !word[1])
			error = add_word(&p, word);
		else if (!strcmp(word, "--"))
			p.words_only = true;
		else if (word[1] == '-')
			error = long_option(&p, word);
		else
			error = short_options(&p, word);
	}
	return error;
}

const char *args_option(const struct args *args, const char *name)
{
	const struct option_info *own = args->command ? args->command->options : NULL;
	size_t place = 0;

	if (find_long(own, name, strlen(name), &place))
		return args->own[place];
	if (find_long(global_options, name, strlen(name), &place))
		return args->global[place];
	return NULL;
}

bool args_flag(const struct args *args, const char *name)
{
	return args_option(args, name) != NULL;
}

bool args_number(const struct args *args, const char *name, uint32_t least, uint32_t most,
		 uint32_t *ret)
{
	const char *text = args_option(args, name);
	unsigned long value;
	char *end;

	if (!text)
		return true;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < least || value > most)
		return false;
	*ret = (uint32_t)value;
	return true;
}
