/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a guest waits when something happens to those who run its rings: packets are in flight
 * from one guest to another, and the longest gap between two arrivals is the pause.
 *
 * No time decides anything. The status says whether packets came twice, out of order or damaged, or
 * were lost where none may be.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "command_line.h"
#include "pause_events.h"
#include "pause_report.h"

#define MAX_N	     100000u
#define AWAY_NS	     (100 * NS_PER_US)
#define PAGES_OF_MIB 256u
#define BUSY_NS	     500u
#define USE_ALL_NS   (60 * NS_PER_S)
#define STEADY_NS    (3 * NS_PER_MS)

struct options {
	struct stage_options stage;
	const char *json;
	const char *only;
	uint32_t n; /* 0: each its own */
	char dir[80];
};

struct pauses {
	struct options options;
	struct pause_row rows[PAUSE_ROWS];
	uint32_t nr_rows;
	bool wrong;
};

static const char help[] =
	"usage: holdfast-pauses [OPTION]…\n"
	"How long two guests that talk wait when their switch or the primary dies, hangs or is\n"
	"replaced.\n"
	"\n"
	"  --json FILE        write the results as JSON as well\n"
	"  --event NAME       only this one, of those below\n"
	"  --count N          how often each\n"
	"  --quick            a few of each: does it work, not how long does it take\n"
	"  --deadline-ms N    until one that hangs is fenced (50)\n"
	"  --ring N           entries (256)\n"
	"  --guest-mib N      of each guest that the switch has used when it dies: 1, 2, 4 … 256 "
	"(1)\n" STAGE_HELP("10") "\n";

static void print_help(void)
{
	fputs(help, stdout);
	for (const struct pause_event *e = pause_events; e->name; e++)
		printf("  %-10s %s (%u)\n", e->name, e->help, e->n);
}

static int take(void *context, int option, const char *name, const char *value)
{
	struct options *o = context;
	long n = 0;
	int error = 0;

	switch (option) {
	case 'j':
		o->json = value;
		break;
	case 'e':
		o->only = value;
		break;
	case 'n':
		error = line_number(value, 1, MAX_N, name, &n);
		o->n = (uint32_t)n;
		break;
	case 'q':
		o->n = 5;
		break;
	case 'd':
		error = line_number(value, 1, 60000, name, &n);
		o->stage.deadline_ms = (uint32_t)n;
		break;
	case 'r':
		error = line_power_of_two(value, 32, FLOW_HISTORY / 2, name, &n);
		o->stage.entries = (uint16_t)n;
		break;
	case 'g':
		error = line_power_of_two(value, 1, 256, name, &n);
		o->stage.places = (uint32_t)n * PAGES_OF_MIB;
		break;
	default:
		error = stage_option(&o->stage, option, name, value);
	}
	return error;
}

static struct pause_row *new_row(struct pauses *p, const char *event, const char *part, uint32_t n)
{
	struct pause_row *row = &p->rows[p->nr_rows];

	*row = (struct pause_row){.event = event, .part = part};
	row->ns = p->nr_rows < PAUSE_ROWS ? calloc(n, sizeof(row->ns[0])) : NULL;
	p->nr_rows += row->ns != NULL;
	return row->ns ? row : NULL;
}

/* Rows of an event: the pause, its parts, and what is left when this thread's own are taken out. */
#define PAUSE_CALM    (1 + PAUSE_PARTS)
#define PAUSE_FIGURES (2 + PAUSE_PARTS)

static int make_rows(struct pauses *p, const struct pause_event *e, uint32_t n,
		     struct pause_row *rows[PAUSE_FIGURES])
{
	rows[0] = new_row(p, e->name, "pause", n);
	rows[PAUSE_CALM] = new_row(p, e->name, "pause, if never away", n);
	for (uint32_t i = 0; i < PAUSE_PARTS; i++)
		rows[1 + i] = e->parts[i] ? new_row(p, e->name, e->parts[i], n) : NULL;
	return rows[0] && rows[PAUSE_CALM] ? 0 : -ENOMEM;
}

/* Each owner anew: what it has not touched is not in its page tables. */
static bool use_all_memory(struct stage *stage)
{
	bool used;

	if (!stage->options.places)
		return true;
	stage->flow.period_ns = BUSY_NS;
	used = flow_run_until(&stage->flow, stage->options.places, USE_ALL_NS);
	stage->flow.period_ns = stage->options.period_ns;
	return used;
}

static int strike_once(struct stage *stage, const struct pause_event *e,
		       struct pause_row *const rows[PAUSE_FIGURES])
{
	uint64_t lost = stage->flow.counts.lost;
	struct pause pause = {0};
	bool away;
	int error;

	if (!use_all_memory(stage))
		return -ETIMEDOUT;
	flow_run(&stage->flow, STEADY_NS);
	error = e->strike(stage, &pause);
	if (error)
		return error;
	away = stage->flow.stolen_ns >= AWAY_NS;
	error = e->mend(stage);
	rows[0]->ns[rows[0]->n++] = pause.pause_ns;
	rows[0]->away += away;
	if (!away)
		rows[PAUSE_CALM]->ns[rows[PAUSE_CALM]->n++] = pause.pause_ns;
	for (uint32_t i = 0; i < PAUSE_PARTS; i++)
		if (rows[1 + i] && pause.parts[i] != PAUSE_NONE)
			rows[1 + i]->ns[rows[1 + i]->n++] = pause.parts[i];
	lost = stage->flow.counts.lost - lost;
	if (lost > rows[0]->most_lost)
		rows[0]->most_lost = lost;
	return error;
}

static bool is_right(const struct pause_event *e, const struct flow_counts *c)
{
	return !c->duplicated && !c->late && !c->damaged && (!e->lossless || !c->lost);
}

static int run_event(struct pauses *p, const struct pause_event *e)
{
	uint32_t n = p->options.n ? p->options.n : e->n;
	struct stage_options options = p->options.stage;
	struct pause_row *rows[PAUSE_FIGURES];
	struct stage stage;
	int error = make_rows(p, e, n, rows);

	options.supervised = e->supervised;
	options.standby = e->standby;
	options.dir = p->options.dir;
	if (error)
		return error;
	error = stage_open(&stage, &options);
	stage.flow.counts = (struct flow_counts){0};
	for (uint32_t i = 0; !error && i < n; i++)
		error = strike_once(&stage, e, rows);
	rows[0]->counts = stage.flow.counts;
	stage_close(&stage);
	for (uint32_t i = 0; i < PAUSE_FIGURES; i++)
		if (rows[i])
			pause_report_row(rows[i]);
	if (error || !is_right(e, &rows[0]->counts)) {
		fprintf(stderr, "%s: %s\n", e->name,
			error ? strerror(-error) : "packets are wrong, or missing");
		p->wrong = true;
	}
	return error;
}

static int run_all(struct pauses *p)
{
	const struct options *o = &p->options;
	bool any = false;

	pause_report_header();
	for (const struct pause_event *e = pause_events; e->name; e++) {
		if (o->only && strcmp(o->only, e->name) != 0)
			continue;
		any = true;
		/* One that went wrong says nothing about the others. */
		(void)run_event(p, e);
	}
	if (!any) {
		fprintf(stderr, "holdfast-pauses: --event %s: see --help\n", o->only);
		return 2;
	}
	if (o->json && pause_report_json(o->json, p->rows, p->nr_rows))
		p->wrong = true;
	return p->wrong;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"json", required_argument, NULL, 'j'},
		{"event", required_argument, NULL, 'e'},
		{"count", required_argument, NULL, 'n'},
		{"quick", no_argument, NULL, 'q'},
		{"deadline-ms", required_argument, NULL, 'd'},
		{"ring", required_argument, NULL, 'r'},
		{"guest-mib", required_argument, NULL, 'g'},
		STAGE_OPTIONS,
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	static struct pauses p;
	struct options *o = &p.options;
	int status;

	o->stage = stage_defaults();
	o->stage.period_ns = 10 * NS_PER_US;
	o->stage.deadline_ms = 50;
	status = line_parse(argc, argv, longs, print_help, take, o);
	if (status)
		return status < 0 ? 2 : 0;
	if (line_directory(o->dir, sizeof(o->dir)))
		return 1;
	status = run_all(&p);
	for (uint32_t i = 0; i < p.nr_rows; i++)
		free(p.rows[i].ns);
	rmdir(o->dir);
	return status;
}
