/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why not libsmartcols' own JSON: it writes one table per document, with terminal escapes already
 * worked into the text, and a document of ours has a schema version, records and several tables.
 *
 * Output is valid for any input: bytes that are not UTF-8 become U+FFFD, since the text may come
 * from a peer and a reader must not choke on it.
 */
#include "json.h"

#include <inttypes.h>

#include "text.h"

void json_start(struct json *json, FILE *stream, bool pretty)
{
	*json = (struct json){.stream = stream, .pretty = pretty};
}

static void write_text(FILE *stream, const char *text)
{
	fputc('"', stream);
	while (*text) {
		uint32_t code = 0;
		size_t length = text_utf8(text, &code);

		if (!length)
			fputs("\\ufffd", stream);
		else if (code == '"' || code == '\\')
			fprintf(stream, "\\%c", (int)code);
		else if (code < 0x20 || (code >= 0x7f && code < 0xa0))
			fprintf(stream, "\\u%04" PRIx32, code);
		else
			fwrite(text, 1, length, stream);
		text += length ? length : 1;
	}
	fputc('"', stream);
}

static void break_line(struct json *json)
{
	if (!json->pretty)
		return;
	fputc('\n', json->stream);
	for (unsigned i = 0; i < json->depth; i++)
		fputs("  ", json->stream);
}

static void lead_in(struct json *json, const char *key)
{
	if (json->follows)
		fputc(',', json->stream);
	if (json->depth)
		break_line(json);
	if (key) {
		write_text(json->stream, key);
		fputs(json->pretty ? ": " : ":", json->stream);
	}
	json->follows = true;
}

void json_open(struct json *json, const char *key, char bracket)
{
	lead_in(json, key);
	fputc(bracket, json->stream);
	json->depth++;
	json->follows = false;
}

void json_close(struct json *json, char bracket)
{
	json->depth--;
	if (json->follows)
		break_line(json);
	fputc(bracket, json->stream);
	json->follows = true;
}

void json_text(struct json *json, const char *key, const char *value)
{
	lead_in(json, key);
	write_text(json->stream, value);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
	lead_in(json, key);
	fprintf(json->stream, "%" PRIu64, value);
}

void json_signed(struct json *json, const char *key, int64_t value)
{
	lead_in(json, key);
	fprintf(json->stream, "%" PRId64, value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	lead_in(json, key);
	fputs(value ? "true" : "false", json->stream);
}

void json_null(struct json *json, const char *key)
{
	lead_in(json, key);
	fputs("null", json->stream);
}

void json_end(struct json *json)
{
	fputc('\n', json->stream);
	json->follows = false;
}
