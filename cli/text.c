/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port names, secondaries' names and reasons come from other processes, some of them from whoever
 * may connect to a socket. Before such text reaches a terminal every character that is not plain
 * writing is replaced: C0 and C1 controls (ESC and the one-byte CSI among them), bytes that are
 * not UTF-8, and the bidirectional overrides, which make a line read other than it is.
 */
#include "text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "clock.h"

#define DISTANCE_MAX_WORD 31u

void text_no_memory(void)
{
	fputs("holdfast: out of memory; free some and try again\n", stderr);
	exit(1);
}

void *text_alloc(size_t n, size_t size)
{
	void *memory = calloc(n ? n : 1, size);

	if (!memory)
		text_no_memory();
	return memory;
}

void *text_grow(void *old, size_t n, size_t size)
{
	void *memory = reallocarray(old, n, size);

	if (!memory)
		text_no_memory();
	return memory;
}

char *text_copy(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		text_no_memory();
	return copy;
}

char *text_formatv(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		text_no_memory();
	return text;
}

char *text_format(const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	text = text_formatv(format, args);
	va_end(args);
	return text;
}

static bool is_continuation(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t text_utf8(const char *text, uint32_t *ret_code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)text[0];
	size_t length = first < 0x80	? 1
			: first >= 0xf0 ? 4
			: first >= 0xe0 ? 3
			: first >= 0xc0 ? 2
					: 0;
	uint32_t code = length == 1 ? first : first & (0x7fu >> length);

	if (!length || first >= 0xf8)
		return 0;
	/* A missing byte stops here: the terminating zero is no continuation. */
	for (size_t i = 1; i < length; i++) {
		if (!is_continuation(text[i]))
			return 0;
		code = code << 6 | ((unsigned char)text[i] & 0x3f);
	}
	if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return length;
}

static bool is_writing(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return false;
	if ((code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e))
		return false;
	return !(code >= 0x2060 && code <= 0x2069) && code != 0xfeff;
}

char *text_safe(const char *text)
{
	char *safe = text_alloc(strlen(text) + 1, 1);
	char *to = safe;

	while (*text) {
		uint32_t code = 0;
		size_t length = text_utf8(text, &code);

		if (length && is_writing(code)) {
			memcpy(to, text, length);
			to += length;
		} else {
			*to++ = '?';
		}
		text += length ? length : 1;
	}
	return safe;
}

void text_put_safe(FILE *stream, const char *text)
{
	char *safe = text_safe(text);

	fputs(safe, stream);
	free(safe);
}

const char *text_size(uint64_t bytes, char *buffer)
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes;
	int unit = -1;

	while (value >= 1024 && unit < 5) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(buffer, TEXT_NUMBER_MAX, "%u B", (unsigned)bytes);
	else
		snprintf(buffer, TEXT_NUMBER_MAX, "%.*f %ciB",
			 value < 10 && value > (double)(int)value ? 1 : 0, value, units[unit]);
	return buffer;
}

const char *text_age(uint64_t ns, char *buffer)
{
	uint64_t s = ns / NS_PER_S;

	if (ns < NS_PER_MS)
		snprintf(buffer, TEXT_NUMBER_MAX, "%u us", (unsigned)(ns / NS_PER_US));
	else if (ns < 10 * NS_PER_MS) /* pauses are as short as that */
		snprintf(buffer, TEXT_NUMBER_MAX, "%.1f ms", (double)ns / (double)NS_PER_MS);
	else if (ns < NS_PER_S)
		snprintf(buffer, TEXT_NUMBER_MAX, "%u ms", (unsigned)(ns / NS_PER_MS));
	else if (s < 60)
		snprintf(buffer, TEXT_NUMBER_MAX, "%.1f s", (double)ns / (double)NS_PER_S);
	else if (s < 3600)
		snprintf(buffer, TEXT_NUMBER_MAX, "%u min %u s", (unsigned)(s / 60),
			 (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(buffer, TEXT_NUMBER_MAX, "%u h %u min", (unsigned)(s / 3600),
			 (unsigned)(s / 60 % 60));
	else
		snprintf(buffer, TEXT_NUMBER_MAX, "%llu d %u h", (unsigned long long)(s / 86400),
			 (unsigned)(s / 3600 % 24));
	return buffer;
}

size_t text_distance(const char *a, const char *b)
{
	size_t row[DISTANCE_MAX_WORD + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > DISTANCE_MAX_WORD || b_len > DISTANCE_MAX_WORD)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t replaced = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = min_u64(min_u64(row[j], row[j - 1]) + 1, replaced);
		}
	}
	return row[b_len];
}
