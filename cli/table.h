/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a noun looks like: one list of columns, from which the table, the JSON keys and the JSON
 * types follow.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stddef.h>

#include "cell.h"
#include "check.h"

/* How a table shows a number; JSON always has the number itself. */
enum show {
	SHOW_DIGITS,
	SHOW_HEX,
	SHOW_SIZE, /* bytes */
	SHOW_AGE,  /* nanoseconds */
};

struct column {
	const char *name;    /* JSON key */
	const char *header;  /* NULL: in JSON only */
	enum cell_kind type; /* a promise to readers of JSON: this or null */
	/* NULL: the field `field` of the protobuf message that the row is */
	void (*get)(const void *row, struct cell *ret);
	const char *field; /* NULL: same as `name` */
	enum show show;
	bool record_only; /* too much for a line of a list: shown in records and JSON */
	bool wrap;	  /* may be broken over lines on a narrow terminal */
	unsigned width;	  /* at least so wide; for streams, where later rows may be wider */
};

struct table {
	const char *name; /* JSON key of the array or of the record */
	const struct column *columns;
	size_t nr_columns;
	const char *empty; /* what a table says when there is no row */
};

#define TABLE(the_name, the_columns, when_empty)                                                   \
	{                                                                                          \
		.name = (the_name), .columns = (the_columns),                                      \
		.nr_columns = ARRAY_SIZE(the_columns), .empty = (when_empty)                       \
	}

/* The value of a column for a row; a getter that breaks the promised type yields null. */
void table_cell(const struct column *column, const void *row, struct cell *ret);

#endif
