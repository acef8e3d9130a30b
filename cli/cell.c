/* SPDX-License-Identifier: Apache-2.0 */
#include "cell.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

void cell_clear(struct cell *cell)
{
	free(cell->text);
	for (size_t i = 0; i < cell->nr_items; i++)
		free(cell->items[i]);
	free(cell->items);
	*cell = (struct cell){.kind = CELL_NULL};
}

static void set_text(struct cell *cell, const char *format, va_list args)
{
	free(cell->text);
	cell->text = text_formatv(format, args);
}

void cell_text(struct cell *cell, const char *format, ...)
{
	va_list args;

	cell->kind = CELL_TEXT;
	va_start(args, format);
	set_text(cell, format, args);
	va_end(args);
}

void cell_shown(struct cell *cell, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_text(cell, format, args);
	va_end(args);
}

void cell_number(struct cell *cell, uint64_t value)
{
	cell->kind = CELL_NUMBER;
	cell->number = value;
}

void cell_signed(struct cell *cell, int64_t value)
{
	cell->kind = CELL_SIGNED;
	cell->signed_number = value;
}

void cell_bool(struct cell *cell, bool value)
{
	cell->kind = CELL_BOOL;
	cell->truth = value;
}

void cell_list(struct cell *cell)
{
	cell->kind = CELL_LIST;
}

void cell_list_add(struct cell *cell, const char *item)
{
	cell->kind = CELL_LIST;
	cell->items = text_grow(cell->items, cell->nr_items + 1, sizeof(*cell->items));
	cell->items[cell->nr_items++] = text_copy(item);
}

static char *join(const struct cell *cell)
{
	size_t length = 1;
	char *joined, *to;

	for (size_t i = 0; i < cell->nr_items; i++)
		length += strlen(cell->items[i]) + 1;
	joined = to = text_alloc(length, 1);
	for (size_t i = 0; i < cell->nr_items; i++) {
		if (i)
			*to++ = ' ';
		to = stpcpy(to, cell->items[i]);
	}
	return joined;
}

static char *raw_display(const struct cell *cell)
{
	if (cell->text && *cell->text)
		return text_copy(cell->text);
	switch (cell->kind) {
	case CELL_NUMBER:
		return text_format("%" PRIu64, cell->number);
	case CELL_SIGNED:
		return text_format("%" PRId64, cell->signed_number);
	case CELL_BOOL:
		return text_copy(cell->truth ? "yes" : "no");
	case CELL_LIST:
		return cell->nr_items ? join(cell) : text_copy("-");
	case CELL_NULL:
	case CELL_TEXT:
		break;
	}
	return text_copy("-");
}

char *cell_display(const struct cell *cell)
{
	char *raw = raw_display(cell);
	char *safe = text_safe(raw);

	free(raw);
	return safe;
}
