/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever goes wrong here yields no candidate and no message: the person is in the middle of a
 * line. Names asked from the primary go back into a shell, so only those made of harmless
 * characters are offered, and a primary that does not answer at once is not waited for.
 */
#include "complete.h"

#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "bits.h"
#include "cli.h"
#include "ports.h"

#define PATIENCE_MS    300
#define LINE_MAX_BYTES 4096
#define HARMLESS       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+@%/"

struct completion {
	FILE *out;
	const char *prefix;
	const char *run_dir;
};

static void offer(const struct completion *c, const char *word)
{
	if (!strncmp(word, c->prefix, strlen(c->prefix)))
		fprintf(c->out, "%s\n", word);
}

static void offer_name(const struct completion *c, const char *name)
{
	if (name[0] != '-' && name[strspn(name, HARMLESS)] == '\0')
		offer(c, name);
}

static void offer_ports(const struct completion *c)
{
	struct client client;
	struct reply reply;

	client_init(&client, c->run_dir, PATIENCE_MS);
	if (ports_ask(&client, false, &reply) == CLIENT_OK) {
		for (size_t i = 0; i < reply.nr_parts; i++)
			for (size_t p = 0; p < reply.parts[i]->port_list->n_ports; p++)
				offer_name(c, reply.parts[i]->port_list->ports[p]->name);
		reply_free(&reply);
	}
	client_close(&client);
}

static void offer_secondaries(const struct completion *c)
{
	Holdfast__Control__SecondaryListRequest ask =
		HOLDFAST__CONTROL__SECONDARY_LIST_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;
	struct client client;
	struct reply reply;

	request.body_case = REQUEST_BODY(SECONDARY_LIST);
	request.secondary_list = &ask;
	client_init(&client, c->run_dir, PATIENCE_MS);
	if (client_call(&client, &request, RESPONSE_BODY(SECONDARY_LIST), &reply) == CLIENT_OK) {
		for (size_t i = 0; i < reply.nr_parts; i++)
			for (size_t s = 0; s < reply.parts[i]->secondary_list->n_secondaries; s++)
				offer_name(c, reply.parts[i]->secondary_list->secondaries[s]->name);
		reply_free(&reply);
	}
	client_close(&client);
}

/* Each noun once: the table keeps a noun's verbs together. */
static void offer_nouns(const struct completion *c)
{
	for (size_t i = 0; i < nr_commands; i++)
		if (!i || strcmp(commands[i].noun, commands[i - 1].noun) != 0)
			offer(c, commands[i].noun);
}

static void offer_verbs(const struct completion *c, const char *noun)
{
	for (size_t i = 0; i < nr_commands; i++)
		if (commands[i].verb && !strcmp(commands[i].noun, noun))
			offer(c, commands[i].verb);
}

static void offer_kind(const struct completion *c, enum completes kind, const struct args *args)
{
	static const char *const formats[] = {"table", "json", "jsonl"};

	switch (kind) {
	case COMPLETES_PORT:
		offer_ports(c);
		break;
	case COMPLETES_SECONDARY:
		offer_secondaries(c);
		break;
	case COMPLETES_FEATURE:
		for (size_t i = 0; i < hf_virtio_features.nr_bits; i++)
			offer(c, hf_virtio_features.bits[i].name);
		break;
	case COMPLETES_FORMAT:
		for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
			offer(c, formats[i]);
		break;
	case COMPLETES_COMMAND:
		if (args->nr_words)
			offer_verbs(c, args->words[0]);
		else
			offer_nouns(c);
		break;
	case COMPLETES_FILE:
	case COMPLETES_NOTHING: /* bash goes on with file names */
		break;
	}
}

static void offer_options(const struct completion *c, const struct option_info *options)
{
	char word[64];

	for (const struct option_info *o = options; o && o->name; o++) {
		snprintf(word, sizeof(word), "--%s", o->name);
		offer(c, word);
	}
}

static const struct option_info *option_of(const struct option_info *options, const char *word,
					   size_t length)
{
	for (const struct option_info *o = options; o && o->name; o++) {
		if (length > 2 && word[1] == '-' && strlen(o->name) == length - 2 &&
		    !strncmp(o->name, word + 2, length - 2))
			return o;
		if (length == 2 && o->letter && o->letter == word[1])
			return o;
	}
	return NULL;
}

/* The option whose value the word is, NULL when it is none's. */
static const struct option_info *waiting_option(const struct args *args, const char *word)
{
	size_t length = strcspn(word, "=");
	const struct option_info *option = NULL;

	if (word[0] != '-')
		return NULL;
	if (args->command)
		option = option_of(args->command->options, word, length);
	if (!option)
		option = option_of(global_options, word, length);
	return option && option->value ? option : NULL;
}

/* The kind of the next plain word. All words before it were parsed. */
static void offer_word(const struct completion *c, const struct args *args)
{
	const struct positional *p = args->command->positionals;

	/* An optional word and what follows it are both possible in the first place. */
	for (size_t i = 0; p[0].name && i < args->nr_words && !p[0].many; i++)
		p++;
	if (!p[0].name)
		return;
	offer_kind(c, p[0].completes, args);
	if (p[0].optional && p[1].name)
		offer_kind(c, p[1].completes, args);
}

static void offer_all(struct completion *c, const struct args *args, const char *previous)
{
	const struct option_info *option = waiting_option(args, c->prefix);
	const char *equals = strchr(c->prefix, '=');

	if (option && equals) {
		c->prefix = equals + 1; /* for bash a word ends at '=' */
		offer_kind(c, option->completes, args);
		return;
	}
	option = previous ? waiting_option(args, previous) : NULL;
	if (option && !strchr(previous, '=') && !option->value_optional) {
		offer_kind(c, option->completes, args);
		return;
	}
	if (c->prefix[0] == '-') {
		offer_options(c, args->command ? args->command->options : NULL);
		offer_options(c, global_options);
	} else if (!args->noun) {
		offer_nouns(c);
	} else if (!args->command) {
		offer_verbs(c, args->noun);
	} else {
		offer_word(c, args);
	}
}

int complete_run(FILE *out)
{
	const char *line = getenv("COMP_LINE"), *point = getenv("COMP_POINT");
	size_t length = line ? strlen(line) : 0;
	char copy[LINE_MAX_BYTES], reason[256];
	char *words[ARGS_MAX_WORDS], *next, *word;
	struct completion c = {.out = out, .prefix = ""};
	struct args args;
	int n = 0;
	bool at_word;

	if (point && strtoul(point, NULL, 10) < length)
		length = strtoul(point, NULL, 10);
	if (!length || length >= sizeof(copy))
		return EXIT_OK;
	memcpy(copy, line, length);
	copy[length] = '\0';
	at_word = copy[length - 1] != ' ' && copy[length - 1] != '\t';
	for (word = strtok_r(copy, " \t", &next); word; word = strtok_r(NULL, " \t", &next)) {
		if (n >= ARGS_MAX_WORDS)
			return EXIT_OK;
		words[n++] = word;
	}
	if (at_word && n > 1)
		c.prefix = words[--n];
	/* A line that does not parse yet, a value still to come: what was understood is enough. */
	(void)args_parse(&args, n, words, reason, sizeof(reason));
	c.run_dir = cli_run_dir(&args);
	offer_all(&c, &args, n > 1 ? words[n - 1] : NULL);
	return EXIT_OK;
}
