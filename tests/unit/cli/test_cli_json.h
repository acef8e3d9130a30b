/* SPDX-License-Identifier: Apache-2.0 */
/* Is a text one JSON value? Strict (RFC 8259), for checking what we write. */
#ifndef TESTS_CLI_JSON_H
#define TESTS_CLI_JSON_H

#include <stdbool.h>
#include <string.h>

static bool json_value(const char **at);

static void json_blank(const char **at)
{
	*at += strspn(*at, " \t\r\n");
}

static bool json_take(const char **at, char c)
{
	json_blank(at);
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* One UTF-8 character that may stand in a string. */
static bool json_character(const char **at)
{
	unsigned char first = (unsigned char)**at;
	int more = first < 0x80	   ? 0
		   : first >= 0xf0 ? 3
		   : first >= 0xe0 ? 2
		   : first >= 0xc2 ? 1
				   : -1;

	if (first < 0x20 || more < 0 || first > 0xf4)
		return false;
	for ((*at)++; more > 0; more--, (*at)++)
		if (((unsigned char)**at & 0xc0) != 0x80)
			return false;
	return true;
}

static bool json_escape(const char **at)
{
	if (**at == 'u') {
		if (strspn(*at + 1, "0123456789abcdefABCDEF") < 4)
			return false;
		*at += 5;
		return true;
	}
	return **at && strchr("\"\\/bfnrt", *(*at)++);
}

static bool json_string(const char **at)
{
	if (!json_take(at, '"'))
		return false;
	while (**at && **at != '"') {
		if (**at == '\\') {
			(*at)++;
			if (!json_escape(at))
				return false;
		} else if (!json_character(at)) {
			return false;
		}
	}
	return json_take(at, '"');
}

static bool json_members(const char **at, char end, bool keyed)
{
	if (json_take(at, end))
		return true;
	do {
		if (keyed && (!json_string(at) || !json_take(at, ':')))
			return false;
		if (!json_value(at))
			return false;
	} while (json_take(at, ','));
	return json_take(at, end);
}

static bool json_digits(const char **at)
{
	size_t n = strspn(*at, "0123456789");

	*at += n;
	return n > 0;
}

static bool json_numeral(const char **at)
{
	if (**at == '-')
		(*at)++;
	if (**at == '0' && (*at)[1] >= '0' && (*at)[1] <= '9')
		return false;
	if (!json_digits(at))
		return false;
	if (**at == '.') {
		(*at)++;
		return json_digits(at);
	}
	return true;
}

static bool json_word(const char **at, const char *word)
{
	if (strncmp(*at, word, strlen(word)) != 0)
		return false;
	*at += strlen(word);
	return true;
}

static bool json_value(const char **at)
{
	json_blank(at);
	switch (**at) {
	case '{':
		(*at)++;
		return json_members(at, '}', true);
	case '[':
		(*at)++;
		return json_members(at, ']', false);
	case '"':
		return json_string(at);
	case 't':
		return json_word(at, "true");
	case 'f':
		return json_word(at, "false");
	case 'n':
		return json_word(at, "null");
	default:
		return json_numeral(at);
	}
}

static inline bool json_is_valid(const char *text)
{
	if (!json_value(&text))
		return false;
	json_blank(&text);
	return *text == '\0';
}

/* Every line is one value, and there is one at least. */
static inline bool json_lines_are_valid(const char *text)
{
	size_t lines = 0;

	while (*text) {
		if (!json_value(&text) || *text != '\n')
			return false;
		text++;
		lines++;
	}
	return lines > 0;
}

#endif
