/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output_table.h"
#include "text.h"

static const char *const format_names[] = {
	[OUTPUT_TABLE] = "table",
	[OUTPUT_JSON] = "json",
	[OUTPUT_JSONL] = "jsonl",
};

int output_format_parse(const char *name, enum output_format *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(format_names); i++) {
		if (!strcmp(name, format_names[i])) {
			*ret = (enum output_format)i;
			return 0;
		}
	}
	return -1;
}

static bool wants_colour(FILE *stream)
{
	const char *forbidden = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");
	int fd = fileno(stream);

	if (forbidden && *forbidden)
		return false;
	return fd >= 0 && isatty(fd) && terminal && strcmp(terminal, "dumb") != 0;
}

void output_init(struct output *out, FILE *stream, enum output_format format)
{
	*out = (struct output){.stream = stream, .format = format, .colour = wants_colour(stream)};
	json_start(&out->json, stream, format == OUTPUT_JSON);
}

static void open_document(struct output *out)
{
	json_open(&out->json, NULL, '{');
	json_number(&out->json, "schema", OUTPUT_SCHEMA);
	json_text(&out->json, "document", out->document);
}

void output_begin(struct output *out, const char *document)
{
	out->document = document;
	out->parts = 0;
	if (out->format == OUTPUT_JSON)
		open_document(out);
}

static void put_list(struct json *json, const char *key, const struct cell *cell)
{
	json_open(json, key, '[');
	for (size_t i = 0; i < cell->nr_items; i++)
		json_text(json, NULL, cell->items[i]);
	json_close(json, ']');
}

static void put_cell(struct json *json, const char *key, const struct cell *cell)
{
	switch (cell->kind) {
	case CELL_NULL:
		json_null(json, key);
		break;
	case CELL_TEXT:
		json_text(json, key, cell->text ? cell->text : "");
		break;
	case CELL_NUMBER:
		json_number(json, key, cell->number);
		break;
	case CELL_SIGNED:
		json_signed(json, key, cell->signed_number);
		break;
	case CELL_BOOL:
		json_bool(json, key, cell->truth);
		break;
	case CELL_LIST:
		put_list(json, key, cell);
		break;
	}
}

static void put_members(struct json *json, const struct table *table, const void *row)
{
	for (size_t i = 0; i < table->nr_columns; i++) {
		struct cell cell;

		table_cell(&table->columns[i], row, &cell);
		put_cell(json, table->columns[i].name, &cell);
		cell_clear(&cell);
	}
}

/* A line must be understood without the ones before it. */
static void put_line(struct output *out, const struct table *table, const void *row)
{
	open_document(out);
	json_text(&out->json, "table", table->name);
	put_members(&out->json, table, row);
	json_close(&out->json, '}');
	json_end(&out->json);
}

void output_table(struct output *out, const struct table *table, const void *const *rows, size_t n)
{
	if (out->format == OUTPUT_TABLE) {
		output_table_rows(out, table, rows, n);
		out->parts++;
		return;
	}
	if (out->format == OUTPUT_JSON)
		json_open(&out->json, table->name, '[');
	for (size_t i = 0; i < n; i++) {
		if (out->format == OUTPUT_JSONL) {
			put_line(out, table, rows[i]);
			continue;
		}
		json_open(&out->json, NULL, '{');
		put_members(&out->json, table, rows[i]);
		json_close(&out->json, '}');
	}
	if (out->format == OUTPUT_JSON)
		json_close(&out->json, ']');
}

void output_record(struct output *out, const struct table *table, const void *row)
{
	if (out->format == OUTPUT_TABLE) {
		output_table_record(out, table, row);
		out->parts++;
	} else if (out->format == OUTPUT_JSONL) {
		put_line(out, table, row);
	} else {
		json_open(&out->json, table->name, '{');
		put_members(&out->json, table, row);
		json_close(&out->json, '}');
	}
}

void output_remark(struct output *out, const char *key, enum tone tone, const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	text = text_formatv(format, args);
	va_end(args);
	if (out->format == OUTPUT_TABLE) {
		output_table_remark(out, tone, text);
		out->parts++;
	} else if (out->format == OUTPUT_JSON) {
		json_text(&out->json, key, text);
	} else {
		open_document(out);
		json_text(&out->json, key, text);
		json_close(&out->json, '}');
		json_end(&out->json);
	}
	free(text);
}

void output_end(struct output *out)
{
	if (out->format == OUTPUT_JSON) {
		json_close(&out->json, '}');
		json_end(&out->json);
	}
	fflush(out->stream);
}
