/* SPDX-License-Identifier: Apache-2.0 */
/* Text made safe, JSON that is always valid, and columns that keep their promises. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "messages.h"
#include "output.h"
#include "reflect.h"
#include "suite.h"
#include "test_cli_json.h"
#include "text.h"

static void safe_is(const char *text, const char *expected)
{
	char *safe = text_safe(text);

	CHECK(!strcmp(safe, expected));
	free(safe);
}

static void no_escape_sequence_reaches_a_terminal(void)
{
	safe_is("plain", "plain");
	safe_is("\033[31mred\033[0m", "?[31mred?[0m");
	safe_is("a\nb\tc\r", "a?b?c?");
	safe_is("\x7f", "?");
	safe_is("\xc2\x9b"
		"31m",
		"?31m"); /* the one-character CSI */
	safe_is("\x9b", "?");
}

static void writing_of_any_language_stays(void)
{
	safe_is("pört 日本 😀", "pört 日本 😀");
}

static void text_that_reads_other_than_it_is_does_not_stay(void)
{
	safe_is("a\xe2\x80\xae"
		"b",
		"a?b"); /* right-to-left override */
	safe_is("a\xe2\x80\x8b"
		"b",
		"a?b"); /* no width */
}

static void broken_utf8_becomes_question_marks(void)
{
	safe_is("\xc3", "?");
	safe_is("\xe2\x82", "??");
	safe_is("\xc0\xaf", "??");	/* overlong */
	safe_is("\xed\xa0\x80", "???"); /* surrogate */
	safe_is("\xf5\x80\x80\x80", "????");
	safe_is("\xff", "?");
}

static void sizes_and_ages_are_written_as_people_read_them(void)
{
	char buffer[TEXT_NUMBER_MAX];

	CHECK(!strcmp(text_size(0, buffer), "0 B"));
	CHECK(!strcmp(text_size(4096, buffer), "4 KiB"));
	CHECK(!strcmp(text_size(1536, buffer), "1.5 KiB"));
	CHECK(!strcmp(text_size(256ull << 20, buffer), "256 MiB"));
	CHECK(!strcmp(text_size(UINT64_MAX, buffer), "16 EiB"));
	CHECK(!strcmp(text_age(1500, buffer), "1 us"));
	CHECK(!strcmp(text_age(12000000, buffer), "12 ms"));
	CHECK(!strcmp(text_age(1500000000, buffer), "1.5 s"));
	CHECK(!strcmp(text_age(90000000000, buffer), "1 min 30 s"));
	CHECK(text_age(UINT64_MAX, buffer) == buffer);
}

static void distance_counts_single_letter_edits(void)
{
	CHECK_EQ(text_distance("list", "list"), 0);
	CHECK_EQ(text_distance("list", "lst"), 1);
	CHECK_EQ(text_distance("show", "hsow"), 2);
	CHECK_EQ(text_distance("", "abc"), 3);
	CHECK(text_distance("a", "a word that is much longer than any command") == SIZE_MAX);
}

struct memory {
	char *text;
	size_t size;
	FILE *stream;
};

static void memory_open(struct memory *memory)
{
	memory->text = NULL;
	memory->stream = open_memstream(&memory->text, &memory->size);
	REQUIRE(memory->stream != NULL);
}

static void memory_close(struct memory *memory)
{
	fclose(memory->stream);
	free(memory->text);
}

static void json_is_valid_for_any_text(void)
{
	struct memory memory;
	struct json json;
	char every_byte[256];

	for (int i = 0; i < 255; i++)
		every_byte[i] = (char)(i + 1);
	every_byte[255] = '\0';
	memory_open(&memory);
	json_start(&json, memory.stream, false);
	json_open(&json, NULL, '{');
	json_text(&json, every_byte, every_byte);
	json_text(&json, "quote", "\"\\");
	json_close(&json, '}');
	fflush(memory.stream);
	CHECK(json_is_valid(memory.text));
	CHECK(strstr(memory.text, "\"\\\"\\\\\"") != NULL);
	CHECK(strstr(memory.text, "\\u001b") != NULL);
	memory_close(&memory);
}

static void json_numbers_keep_all_their_digits(void)
{
	struct memory memory;
	struct json json;

	memory_open(&memory);
	json_start(&json, memory.stream, false);
	json_open(&json, NULL, '[');
	json_number(&json, NULL, UINT64_MAX);
	json_signed(&json, NULL, INT64_MIN);
	json_close(&json, ']');
	fflush(memory.stream);
	CHECK(!strcmp(memory.text, "[18446744073709551615,-9223372036854775808]"));
	memory_close(&memory);
}

static void reflection_reads_every_kind_of_field(void)
{
	char *globs[] = {(char *)(uintptr_t) "a*", (char *)(uintptr_t) "b"};
	pb_secondary secondary = HOLDFAST__CONTROL__SECONDARY__INIT;
	pb_port port = HOLDFAST__CONTROL__PORT__INIT;
	struct cell cell = {0};

	secondary.priority = -3;
	secondary.id = UINT64_MAX;
	secondary.globs = globs;
	secondary.n_globs = 2;
	reflect_field(&secondary.base, "priority", &cell);
	CHECK(cell.kind == CELL_SIGNED && cell.signed_number == -3);
	cell_clear(&cell);
	reflect_field(&secondary.base, "id", &cell);
	CHECK(cell.kind == CELL_NUMBER && cell.number == UINT64_MAX);
	cell_clear(&cell);
	reflect_field(&secondary.base, "globs", &cell);
	CHECK(cell.kind == CELL_LIST && cell.nr_items == 2 && !strcmp(cell.items[0], "a*"));
	cell_clear(&cell);
	reflect_field(&secondary.base, "name", &cell);
	CHECK(cell.kind == CELL_NULL); /* empty: not there */
	reflect_field(&secondary.base, "no_such_field", &cell);
	CHECK(cell.kind == CELL_NULL);
	port.kind = HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE;
	port.client = true;
	reflect_field(&port.base, "kind", &cell);
	CHECK(cell.kind == CELL_TEXT && !strcmp(cell.text, "vhost_cuse"));
	cell_clear(&cell);
	reflect_field(&port.base, "client", &cell);
	CHECK(cell.kind == CELL_BOOL && cell.truth);
	cell_clear(&cell);
}

static void an_enumerator_of_a_newer_primary_has_a_name_too(void)
{
	pb_event event = HOLDFAST__CONTROL__EVENT__INIT;
	struct cell cell = {0};

	event.kind = 4711;
	reflect_field(&event.base, "kind", &cell);
	CHECK(cell.kind == CELL_TEXT && !strcmp(cell.text, "unknown_4711"));
	cell_clear(&cell);
}

static void get_wrong_type(const void *row, struct cell *ret)
{
	(void)row;
	cell_text(ret, "not a number");
}

static const struct column wrong_columns[] = {
	{"count", "COUNT", CELL_NUMBER, get_wrong_type},
	{"id", "ID", CELL_NUMBER, .show = SHOW_HEX},
	{"name", "NAME", CELL_TEXT},
};
static const struct table wrong_table = TABLE("things", wrong_columns, "nothing");

static void a_column_never_breaks_its_promised_type(void)
{
	struct cell cell;
	pb_secondary secondary = HOLDFAST__CONTROL__SECONDARY__INIT;

	table_cell(&wrong_columns[0], &secondary, &cell);
	CHECK(cell.kind == CELL_NULL);
	cell_clear(&cell);
}

static char *printed(enum output_format format, const void *const *rows, size_t n)
{
	struct memory memory;
	struct output out;

	memory_open(&memory);
	output_init(&out, memory.stream, format);
	output_begin(&out, "test");
	output_table(&out, &wrong_table, rows, n);
	output_remark(&out, "verdict", TONE_BAD, "end\033[0m");
	output_end(&out);
	fclose(memory.stream);
	return memory.text;
}

static void one_column_list_gives_table_and_json(void)
{
	pb_secondary secondary = HOLDFAST__CONTROL__SECONDARY__INIT;
	const void *rows[] = {&secondary};
	char *text;

	secondary.id = 255;
	secondary.name = (char *)(uintptr_t) "ev\033[2Jil";
	text = printed(OUTPUT_TABLE, rows, 1);
	CHECK(strstr(text, "COUNT") && strstr(text, "0xff") && strstr(text, "ev?[2Jil"));
	CHECK(!strchr(text, '\033'));
	free(text);
	text = printed(OUTPUT_JSON, rows, 1);
	CHECK(json_is_valid(text));
	CHECK(strstr(text, "\"schema\": 1") && strstr(text, "\"id\": 255") &&
	      strstr(text, "\"count\": null") && strstr(text, "ev\\u001b[2Jil"));
	CHECK(strstr(text, "\"things\": [") != NULL);
	free(text);
	text = printed(OUTPUT_JSONL, rows, 1);
	CHECK(json_lines_are_valid(text));
	CHECK(strstr(text, "{\"schema\":1,\"document\":\"test\",\"table\":\"things\"") == text);
	free(text);
}

static void no_rows_are_an_empty_array_or_a_sentence(void)
{
	char *text = printed(OUTPUT_TABLE, NULL, 0);

	CHECK(strstr(text, "nothing\n") == text);
	free(text);
	text = printed(OUTPUT_JSON, NULL, 0);
	CHECK(json_is_valid(text) && strstr(text, "\"things\": []"));
	free(text);
}

static const struct sentence sentences[] = {
	SENTENCE(no_escape_sequence_reaches_a_terminal),
	SENTENCE(writing_of_any_language_stays),
	SENTENCE(text_that_reads_other_than_it_is_does_not_stay),
	SENTENCE(broken_utf8_becomes_question_marks),
	SENTENCE(sizes_and_ages_are_written_as_people_read_them),
	SENTENCE(distance_counts_single_letter_edits),
	SENTENCE(json_is_valid_for_any_text),
	SENTENCE(json_numbers_keep_all_their_digits),
	SENTENCE(reflection_reads_every_kind_of_field),
	SENTENCE(an_enumerator_of_a_newer_primary_has_a_name_too),
	SENTENCE(a_column_never_breaks_its_promised_type),
	SENTENCE(one_column_list_gives_table_and_json),
	SENTENCE(no_rows_are_an_empty_array_or_a_sentence),
};
SUITE("cli output", sentences)
