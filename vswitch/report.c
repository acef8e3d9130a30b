/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

#define END_TRIES   100
#define END_WAIT_MS 10

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* Behind the line that has begun to go. */
static size_t end_of_line(const struct report *r)
{
	const char *end = strchr(r->text + r->at, '\n');

	if (!r->at || r->text[r->at - 1] == '\n' || !end)
		return r->at;
	return (size_t)(end + 1 - r->text);
}

static void let_go(struct report *r)
{
	free(r->text);
	r->text = NULL;
	r->missing = 0;
}

/* What of the last one goes before `text` does. NULL: no memory. */
static char *join(struct report *r, const char *text, size_t end)
{
	char *whole = NULL, note[96] = "";
	size_t room = end - r->at + sizeof(note) + strlen(text);

	if (r->missing)
		(void)snprintf(note, sizeof(note),
			       "holdfast-vswitch: %zu lines are missing here, nobody read\n",
			       r->missing);
	whole = malloc(room);
	if (whole)
		(void)snprintf(whole, room, "%.*s%s%s", (int)(end - r->at), r->text + r->at, note,
			       text);
	r->table = end - r->at + strlen(note);
	return whole;
}

/* `text` takes the place of what has not gone. */
static char *replace(struct report *r, char *text)
{
	size_t end = end_of_line(r);
	char *whole;

	if (r->at >= r->table)
		r->missing = 0; /* it was said */
	r->missing += count_lines(r->text + (end > r->table ? end : r->table));
	whole = join(r, text, end);
	free(text);
	free(r->text);
	return whole;
}

void report_put(struct report *r, char *text)
{
	r->table = r->text ? r->table : 0;
	r->text = r->text ? replace(r, text) : text;
	r->at = 0;
	r->bytes = r->text ? strlen(r->text) : 0;
	if (!r->text)
		say("no memory for statistics; free some");
	else
		report_go_on(r);
}

/* A line at a time: those of others who have the same descriptor come between. */
void report_go_on(struct report *r)
{
	size_t before = r->at;

	while (r->text && r->at < r->bytes) {
		const char *from = r->text + r->at, *end = strchr(from, '\n');
		size_t line = end ? (size_t)(end + 1 - from) : r->bytes - r->at;
		ssize_t n = say_bytes(r->fd, from, line);

		if (n < 0)
			r->at = r->bytes; /* it is never going to */
		else
			r->at += (size_t)n;
		if (n >= 0 && (size_t)n < line)
			break;
	}
	r->stuck = r->at == before;
	if (r->at == r->bytes)
		let_go(r);
}

int report_wants(const struct report *r)
{
	return r->text && !r->stuck ? r->fd : -1;
}

void report_end(struct report *r)
{
	for (int tries = 0; r->text && tries < END_TRIES; tries++) {
		(void)poll(NULL, 0, END_WAIT_MS);
		report_go_on(r);
	}
	if (r->text)
		say("%zu lines of statistics are missing, nobody read",
		    count_lines(r->text + r->at));
	let_go(r);
}
