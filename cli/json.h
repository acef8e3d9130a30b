/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON to a stream; knows commas and escapes, not our documents. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *stream;
	bool pretty;
	unsigned depth;
	bool follows; /* something stands before on this level: a comma is due */
};

void json_start(struct json *json, FILE *stream, bool pretty);
/* `key` is NULL for an element of an array and for the document itself. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);
void json_signed(struct json *json, const char *key, int64_t value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
/* A newline behind the finished document. */
void json_end(struct json *json);

#endif
