/* SPDX-License-Identifier: Apache-2.0 */
/* The table form of a document, drawn by libsmartcols. */
#ifndef CLI_OUTPUT_TABLE_H
#define CLI_OUTPUT_TABLE_H

#include "output.h"

void output_table_rows(struct output *out, const struct table *table, const void *const *rows,
		       size_t n);
void output_table_record(struct output *out, const struct table *table, const void *row);
void output_table_remark(struct output *out, enum tone tone, const char *text);

#endif
