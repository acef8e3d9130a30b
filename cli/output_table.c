/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsmartcols measures, aligns and wraps; we hand it text that is already safe for a terminal.
 * It prints into a string and not to the stream, because the stream may be memory (in tests) or a
 * pipe, and only then is what it believes about the terminal ours to say.
 */
#include "output_table.h"

#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

#define COLOUR_END "\033[0m"

static const char *const colours[] = {
	[TONE_PLAIN] = NULL,
	[TONE_GOOD] = "\033[32m",
	[TONE_WARN] = "\033[33m",
	[TONE_BAD] = "\033[31m",
};

static struct libscols_table *new_table(const struct output *out)
{
	struct libscols_table *drawn = scols_new_table();

	if (!drawn)
		text_no_memory();
	scols_table_enable_colors(drawn, out->colour);
	scols_table_enable_noheadings(drawn, out->no_heading);
	/* A pipe has no width: nothing is cut or wrapped there. */
	scols_table_set_termforce(drawn, fileno(out->stream) >= 0 && isatty(fileno(out->stream))
						 ? SCOLS_TERMFORCE_AUTO
						 : SCOLS_TERMFORCE_NEVER);
	return drawn;
}

static void print(struct output *out, struct libscols_table *drawn)
{
	char *text = NULL;
	size_t length;

	if (scols_print_table_to_string(drawn, &text) != 0 || !text)
		text_no_memory();
	if (out->parts)
		fputc('\n', out->stream);
	fputs(text, out->stream);
	length = strlen(text);
	if (length && text[length - 1] != '\n')
		fputc('\n', out->stream);
	free(text);
	scols_unref_table(drawn);
}

static bool in_list(const struct column *column)
{
	return column->header && !column->record_only;
}

/* It makes a column without its name when there is memory for the one and not for the other. */
static void new_column(struct libscols_table *drawn, const char *name, double width, int flags)
{
	struct libscols_column *column = scols_table_new_column(drawn, name, width, flags);

	if (!column || !scols_cell_get_data(scols_column_get_header(column)))
		text_no_memory();
}

static void add_column(struct libscols_table *drawn, const struct column *column)
{
	bool right = column->type == CELL_NUMBER || column->type == CELL_SIGNED;
	int flags = (right ? SCOLS_FL_RIGHT : 0) | (column->wrap ? SCOLS_FL_WRAP : 0);

	new_column(drawn, column->header, column->width, flags);
}

static struct libscols_line *new_line(struct libscols_table *drawn)
{
	struct libscols_line *line = scols_table_new_line(drawn, NULL);

	if (!line)
		text_no_memory();
	return line;
}

static void set_cell(struct libscols_line *line, size_t n, const struct cell *cell)
{
	struct libscols_cell *drawn = scols_line_get_cell(line, n);
	char *text = cell_display(cell);

	if (!drawn || scols_cell_set_data(drawn, text) ||
	    scols_cell_set_color(drawn, colours[cell->tone]))
		text_no_memory();
	free(text);
}

void output_table_rows(struct output *out, const struct table *table, const void *const *rows,
		       size_t n)
{
	struct libscols_table *drawn;

	if (!n && table->empty) {
		output_table_remark(out, TONE_PLAIN, table->empty);
		return;
	}
	drawn = new_table(out);
	for (size_t c = 0; c < table->nr_columns; c++)
		if (in_list(&table->columns[c]))
			add_column(drawn, &table->columns[c]);
	for (size_t i = 0; i < n; i++) {
		struct libscols_line *line = new_line(drawn);
		size_t place = 0;

		for (size_t c = 0; c < table->nr_columns; c++) {
			struct cell cell;

			if (!in_list(&table->columns[c]))
				continue;
			table_cell(&table->columns[c], rows[i], &cell);
			set_cell(line, place++, &cell);
			cell_clear(&cell);
		}
	}
	print(out, drawn);
}

void output_table_record(struct output *out, const struct table *table, const void *row)
{
	struct libscols_table *drawn = new_table(out);

	scols_table_enable_noheadings(drawn, 1);
	new_column(drawn, "key", 0, 0);
	new_column(drawn, "value", 0, SCOLS_FL_WRAP);
	for (size_t c = 0; c < table->nr_columns; c++) {
		struct libscols_line *line;
		struct cell cell;

		if (!table->columns[c].header)
			continue;
		line = new_line(drawn);
		table_cell(&table->columns[c], row, &cell);
		if (scols_line_set_data(line, 0, table->columns[c].name))
			text_no_memory();
		set_cell(line, 1, &cell);
		cell_clear(&cell);
	}
	print(out, drawn);
}

void output_table_remark(struct output *out, enum tone tone, const char *text)
{
	if (out->parts)
		fputc('\n', out->stream);
	if (out->colour && colours[tone])
		fputs(colours[tone], out->stream);
	text_put_safe(out->stream, text);
	if (out->colour && colours[tone])
		fputs(COLOUR_END, out->stream);
	fputc('\n', out->stream);
}
