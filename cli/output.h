/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One document per answer, of records, tables and remarks, in the form that -o asks for.
 *
 *	output_begin(out, "port show");
 *	output_record(out, &port_table, port);
 *	output_table(out, &region_table, rows, n);
 *	output_remark(out, "verdict", TONE_GOOD, "…");
 *	output_end(out);
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdio.h>

#include "json.h"
#include "table.h"

/* Version of the JSON: raised when a key goes or changes its meaning; new keys do not raise it. */
#define OUTPUT_SCHEMA 1u

enum output_format {
	OUTPUT_TABLE,
	OUTPUT_JSON,
	OUTPUT_JSONL, /* one row a line, for pipes and endless streams */
};

struct output {
	FILE *stream;
	enum output_format format;
	bool colour;
	/* state of the document being written */
	const char *document;
	struct json json;
	unsigned parts;
	bool no_heading; /* a table that goes on with one printed before */
};

/* Colour when the stream is a terminal and the environment does not forbid it. */
void output_init(struct output *out, FILE *stream, enum output_format format);
/* -1: no such format */
int output_format_parse(const char *name, enum output_format *ret);

void output_begin(struct output *out, const char *document);
void output_table(struct output *out, const struct table *table, const void *const *rows, size_t n);
void output_record(struct output *out, const struct table *table, const void *row);
/* A line for people, a key with text for programs. */
__attribute__((format(printf, 4, 5))) void output_remark(struct output *out, const char *key,
							 enum tone tone, const char *format, ...);
void output_end(struct output *out);

#endif
