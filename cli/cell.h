/* SPDX-License-Identifier: Apache-2.0 */
/* One value on its way from a reply to a table or to JSON. */
#ifndef CLI_CELL_H
#define CLI_CELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cell_kind {
	CELL_NULL, /* unknown or not applicable: "-" in a table */
	CELL_TEXT,
	CELL_NUMBER,
	CELL_SIGNED,
	CELL_BOOL,
	CELL_LIST, /* of texts */
};

enum tone {
	TONE_PLAIN,
	TONE_GOOD,
	TONE_WARN,
	TONE_BAD,
};

/* Zero-initialise; cell_clear frees. */
struct cell {
	enum cell_kind kind;
	enum tone tone;
	union {
		uint64_t number;
		int64_t signed_number;
		bool truth;
	};
	char *text; /* the text, or how a table shows the number; NULL: its digits */
	char **items;
	size_t nr_items;
};

void cell_clear(struct cell *cell);
__attribute__((format(printf, 2, 3))) void cell_text(struct cell *cell, const char *format, ...);
void cell_number(struct cell *cell, uint64_t value);
void cell_signed(struct cell *cell, int64_t value);
void cell_bool(struct cell *cell, bool value);
/* An empty list, then its items. */
void cell_list(struct cell *cell);
void cell_list_add(struct cell *cell, const char *item);
/* What a table shows instead of the number. */
__attribute__((format(printf, 2, 3))) void cell_shown(struct cell *cell, const char *format, ...);

/* As a table shows it, safe for a terminal. Caller frees. */
char *cell_display(const struct cell *cell);

#endif
