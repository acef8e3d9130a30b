/* SPDX-License-Identifier: Apache-2.0 */
/* vswitch/report.h: tables that are larger than what fits at once, and those who read them. */
#include "report.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "suite.h"

#define LINES 2000 /* more than a pipe or a socket has room for */
#define ROOM  (1u << 20)

static int ends[2]; /* of the reader, and ours */
static struct report report;
static char heard[ROOM];
static size_t nr_heard;

static void begin(bool socket)
{
	REQUIRE((socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends)) == 0);
	REQUIRE(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
	report = (struct report){.fd = ends[1]};
	nr_heard = 0;
}

static void end(void)
{
	report_end(&report);
	CHECK(!report.text);
	close(ends[0]);
	close(ends[1]);
}

static char *table(const char *name, int lines)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	REQUIRE(out != NULL);
	for (int i = 0; i < lines; i++)
		(void)fprintf(out, "%s line %d %0150d\n", name, i, 0);
	(void)fprintf(out, "%s ends\n", name);
	REQUIRE(!fclose(out));
	return text;
}

static void hear(size_t most)
{
	size_t until = nr_heard + most < ROOM - 1 ? nr_heard + most : ROOM - 1;
	ssize_t n;

	while (nr_heard < until && (n = read(ends[0], heard + nr_heard, until - nr_heard)) > 0)
		nr_heard += (size_t)n;
	heard[nr_heard] = '\0';
}

static void hear_all(void)
{
	hear(ROOM);
	for (int turns = 0; report.text && turns < LINES; turns++) {
		report_go_on(&report);
		hear(ROOM);
	}
	CHECK(!report.text);
	CHECK_EQ(report_wants(&report), -1);
}

static void a_table_that_does_not_fit_at_once_goes_on_when_it_is_read(void)
{
	for (int kind = 0; kind < 2; kind++) {
		char *text = table("a", LINES), *copy = strdup(text);

		begin(kind);
		report_put(&report, text);
		REQUIRE(report.text != NULL && copy);
		CHECK_EQ(report_wants(&report), ends[1]);
		report_go_on(&report);
		CHECK_EQ(report_wants(&report), -1); /* to be told again that there is no room? */
		hear(16384);
		report_go_on(&report);
		CHECK_EQ(report_wants(&report), ends[1]);
		hear_all();
		CHECK(!strcmp(heard, copy));
		free(copy);
		end();
	}
}

/* Of `name`, whole lines from the first one on; returns the place behind them. */
static const char *skip_lines(const char *from, const char *name, size_t *ret_lines)
{
	for (*ret_lines = 0; !strncmp(from, name, strlen(name)); ++*ret_lines) {
		const char *line_end = strchr(from, '\n');

		REQUIRE(line_end != NULL);
		from = line_end + 1;
	}
	return from;
}

static void a_newer_table_takes_its_place_and_says_what_is_missing(void)
{
	const char *at, *note;
	size_t lines, missing = 0;
	char *last = table("c", 3), *copy = strdup(last);

	REQUIRE(copy != NULL);
	begin(false);
	report_put(&report, table("a", LINES));
	REQUIRE(report.text != NULL);
	report_put(&report, table("b", LINES));
	report_put(&report, last);
	hear_all();
	at = skip_lines(heard, "a", &lines);
	CHECK(lines > 0 && lines < LINES);
	note = at;
	REQUIRE(sscanf(at, "holdfast-vswitch: %zu lines are missing here", &missing) == 1);
	CHECK_EQ(lines + missing, 2 * (LINES + 1));
	at = strchr(note, '\n');
	REQUIRE(at != NULL);
	CHECK(!strcmp(at + 1, copy));
	free(copy);
	/* That was all. */
	nr_heard = 0;
	report_put(&report, table("d", 1));
	hear_all();
	CHECK(!strncmp(heard, "d line 0", 8));
	end();
}

/* As a socket or a terminal may cut it. */
static void a_line_that_was_cut_is_ended_first(void)
{
	begin(false);
	report.text = strdup("cut here\nlost\n");
	REQUIRE(report.text != NULL);
	report.bytes = strlen(report.text);
	report.at = 3;
	report_put(&report, table("b", 0));
	hear_all();
	CHECK(!strcmp(heard, " here\nholdfast-vswitch: 1 lines are missing here, nobody read\n"
			     "b ends\n"));
	end();
}

static void a_reader_that_is_gone_is_not_waited_for(void)
{
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);

	for (int kind = 0; kind < 2; kind++) {
		begin(kind);
		report_put(&report, table("a", LINES));
		REQUIRE(report.text != NULL);
		close(ends[0]);
		report_go_on(&report);
		CHECK(!report.text);
		ends[0] = dup(ends[1]);
		end();
	}
	(void)signal(SIGPIPE, before);
}

static const struct sentence sentences[] = {
	SENTENCE(a_table_that_does_not_fit_at_once_goes_on_when_it_is_read),
	SENTENCE(a_newer_table_takes_its_place_and_says_what_is_missing),
	SENTENCE(a_line_that_was_cut_is_ended_first),
	SENTENCE(a_reader_that_is_gone_is_not_waited_for),
};
SUITE("reports of the switch", sentences)
