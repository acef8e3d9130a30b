/* SPDX-License-Identifier: Apache-2.0 */
/* The command line along the table of commands, and feature names. */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "bits.h"
#include "suite.h"

static struct args parsed;
static char reason[256];

/* Splits at spaces. */
static int parse(const char *line)
{
	static char copy[256];
	char *argv[40];
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	reason[0] = '\0';
	return args_parse(&parsed, argc, argv, reason, sizeof(reason));
}

static void options_may_stand_anywhere(void)
{
	CHECK_EQ(parse("holdfast -o json port show p0 --rings --run-dir=/x"), 0);
	REQUIRE(parsed.command != NULL);
	CHECK(!strcmp(parsed.command->verb, "show"));
	CHECK(!strcmp(args_option(&parsed, "output"), "json"));
	CHECK(!strcmp(args_option(&parsed, "run-dir"), "/x"));
	CHECK(args_flag(&parsed, "rings") && !args_flag(&parsed, "descriptors"));
	CHECK(parsed.nr_words == 1 && !strcmp(parsed.words[0], "p0"));
}

static void short_options_stick_together(void)
{
	CHECK_EQ(parse("holdfast port show p0 -rd -ojsonl"), 0);
	CHECK(args_flag(&parsed, "rings") && args_flag(&parsed, "descriptors"));
	CHECK(!strcmp(args_option(&parsed, "output"), "jsonl"));
	CHECK_EQ(parse("holdfast events -fn5"), 0);
	CHECK(args_flag(&parsed, "follow") && !strcmp(args_option(&parsed, "last"), "5"));
}

static void a_noun_without_verbs_is_a_command(void)
{
	CHECK_EQ(parse("holdfast stats p0"), 0);
	REQUIRE(parsed.command != NULL);
	CHECK(!parsed.command->verb && parsed.nr_words == 1);
	CHECK_EQ(parse("holdfast port"), 0);
	CHECK(parsed.noun && !parsed.command);
}

static void behind_two_dashes_everything_is_a_word(void)
{
	CHECK_EQ(parse("holdfast port del -- --help"), 0);
	CHECK(parsed.nr_words == 1 && !strcmp(parsed.words[0], "--help"));
	CHECK(!args_flag(&parsed, "help"));
}

static void an_optional_value_must_be_glued(void)
{
	CHECK_EQ(parse("holdfast stats --watch p0"), 0);
	CHECK(!strcmp(args_option(&parsed, "watch"), "") && parsed.nr_words == 1);
	CHECK_EQ(parse("holdfast stats --watch=5 p0"), 0);
	CHECK(!strcmp(args_option(&parsed, "watch"), "5"));
}

static void a_slip_is_answered_with_the_nearest_command(void)
{
	CHECK_EQ(parse("holdfast prot list"), -1);
	CHECK(strstr(reason, "did you mean: holdfast port") != NULL);
	CHECK_EQ(parse("holdfast port lits"), -1);
	CHECK(strstr(reason, "did you mean: holdfast port list") != NULL);
	CHECK_EQ(parse("holdfast qwertyuiop"), -1);
	CHECK(strstr(reason, "--help") != NULL);
}

static void wrong_options_are_refused_with_the_way_to_help(void)
{
	CHECK_EQ(parse("holdfast port show p0 --rinks"), -1);
	CHECK(strstr(reason, "see holdfast port show --help") != NULL);
	CHECK_EQ(parse("holdfast port show p0 --rings=1"), -1);
	CHECK_EQ(parse("holdfast port add p0 --socket"), -1);
	CHECK_EQ(parse("holdfast port add p0 -x"), -1);
	CHECK_EQ(parse("holdfast --rings port show p0"), -1); /* no command knows it yet */
}

static void more_words_than_fit_are_refused(void)
{
	char *argv[ARGS_MAX_WORDS + 3];
	int argc = 0;

	argv[argc++] = (char *)(uintptr_t) "holdfast";
	argv[argc++] = (char *)(uintptr_t) "stats";
	while (argc < ARGS_MAX_WORDS + 3)
		argv[argc++] = (char *)(uintptr_t) "p";
	CHECK_EQ(args_parse(&parsed, argc, argv, reason, sizeof(reason)), -1);
}

static void numbers_are_bounded(void)
{
	uint32_t n = 7;

	CHECK_EQ(parse("holdfast port add p"), 0);
	CHECK(args_number(&parsed, "queues", 1, 128, &n) && n == 7);
	CHECK_EQ(parse("holdfast port add p --queues 128"), 0);
	CHECK(args_number(&parsed, "queues", 1, 128, &n) && n == 128);
	for (size_t i = 0; i < 6; i++) {
		static const char *const wrong[] = {"0",  "129", "-1",
						    "1x", "x",	 "99999999999999999999"};
		char line[80];

		snprintf(line, sizeof(line), "holdfast port add p --queues %s", wrong[i]);
		CHECK_EQ(parse(line), 0);
		CHECK(!args_number(&parsed, "queues", 1, 128, &n));
	}
}

static void the_table_of_commands_is_sound(void)
{
	for (size_t i = 0; i < nr_commands; i++) {
		const struct command *c = &commands[i];
		size_t options = 0;

		CHECK(c->noun && c->summary && c->run);
		CHECK(command_find(c->noun, c->verb) == c); /* none twice */
		for (const struct option_info *o = c->options; o && o->name; o++)
			options++;
		CHECK(options <= ARGS_MAX_OPTIONS);
		/* A noun is a command or has verbs; its rows stand together. */
		CHECK(!c->verb || !command_find(c->noun, NULL));
	}
}

static void features_are_names_numbers_or_masks(void)
{
	uint64_t mask = 0;

	CHECK(feature_parse("mrg_rxbuf", &mask) && mask == 1u << 15);
	CHECK(feature_parse("VIRTIO_NET_F_MRG_RXBUF", &mask) && mask == 1u << 15);
	CHECK(feature_parse("virtio_ring_f_event_idx", &mask) && mask == 1u << 29);
	CHECK(feature_parse("VIRTIO_F_VERSION_1", &mask) && mask == 1ull << 32);
	CHECK(feature_parse("63", &mask) && mask == 1ull << 63);
	CHECK(feature_parse("0x18000", &mask) && mask == 0x18000);
	CHECK(feature_parse("0xffffffffffffffff", &mask) && mask == UINT64_MAX);
	CHECK(!feature_parse("64", &mask));
	CHECK(!feature_parse("0x", &mask));
	CHECK(!feature_parse("0x1ffffffffffffffff", &mask));
	CHECK(!feature_parse("", &mask));
	CHECK(!feature_parse("-1", &mask));
	CHECK(!feature_parse("mrg_rxbuff", &mask));
	CHECK(!strcmp(feature_nearest("mrg_rxbuff"), "mrg_rxbuf"));
	CHECK(feature_nearest("zzzzzzzzzzzz") == NULL);
}

static void every_bit_of_a_mask_gets_a_name(void)
{
	struct cell cell = {0};
	char text[64], little[8];

	bits_to_list(&hf_virtio_features, UINT64_MAX, &cell);
	CHECK_EQ(cell.nr_items, 64);
	CHECK(!strcmp(cell.items[0], "csum") && !strcmp(cell.items[4], "bit_4"));
	cell_clear(&cell);
	CHECK(!strcmp(hf_bits_to_text(&device_status, 0xf, text, sizeof(text)),
		      "acknowledge driver driver_ok features_ok"));
	CHECK(strlen(hf_bits_to_text(&hf_virtio_features, UINT64_MAX, little, sizeof(little))) < 8);
}

static const struct sentence sentences[] = {
	SENTENCE(options_may_stand_anywhere),
	SENTENCE(short_options_stick_together),
	SENTENCE(a_noun_without_verbs_is_a_command),
	SENTENCE(behind_two_dashes_everything_is_a_word),
	SENTENCE(an_optional_value_must_be_glued),
	SENTENCE(a_slip_is_answered_with_the_nearest_command),
	SENTENCE(wrong_options_are_refused_with_the_way_to_help),
	SENTENCE(more_words_than_fit_are_refused),
	SENTENCE(numbers_are_bounded),
	SENTENCE(the_table_of_commands_is_sound),
	SENTENCE(features_are_names_numbers_or_masks),
	SENTENCE(every_bit_of_a_mask_gets_a_name),
};
SUITE("cli args", sentences)
