/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a flood by one peer costs the others: a stream of packets from guest to guest, and a client
 * that asks the primary a hundred times a second, beside one hostile peer, in slices without and
 * with the flood, one after the other.
 *
 * The hostile peer runs when nobody else wants the processor (flood_kinds.h), so that what is
 * missing is what the primary and the switch do because of it. At the given pace the stream is less
 * than a switch can carry, and should lose nothing. For who floods by its rings, on the worker that
 * runs the neighbours' as well, there is a second row: the stream as fast as it can be. There
 * nothing is left over, and the share of the worker is what is measured.
 *
 * What a peer may do at once (the first 16,384 messages, and so on) is done before; measured is
 * what goes on for ever.
 *
 * No time decides anything. The status says whether packets came twice, out of order or damaged, or
 * were lost.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "command_line.h"
#include "control_ask.h"
#include "flood_kinds.h"
#include "median.h"
#include "stage.h"

#define MAX_SLICES 1000u
#define SETTLE_NS  (20 * NS_PER_MS)
#define SPEND_NS   (2 * NS_PER_S)
#define ASK_US	   10000u
#define ANSWERS	   10000u
#define ANNOUNCE   64u

enum { WITHOUT, WITH };

struct options {
	struct stage_options stage;
	const char *json, *only;
	uint32_t slices;
	uint64_t slice_ns;
	char dir[80];
};

/* Of one of the two. */
struct side {
	double rates[MAX_SLICES]; /* packets a second */
	uint32_t delays[FLOW_DELAYS];
	uint32_t answers[ANSWERS]; /* of the primary, by ten microseconds */
	uint64_t ns, primary_ns, switch_ns;
};

struct run {
	const struct flood_kind *kind;
	bool full;
	struct stage stage;
	struct flood_process hostile;
	struct side sides[2];
	double ratios[MAX_SLICES];
	uint64_t done;
	/* The client. */
	pthread_t client;
	atomic_bool over;
	atomic_int side;
	atomic_uint unanswered;
};

static struct run run;

/* --- the client --- */

static void *ask(void *context)
{
	(void)context;
	while (!atomic_load(&run.over)) {
		uint64_t begun = hf_now_ns();
		int side = atomic_load(&run.side);

		if (control_pid(run.stage.daemon.run_dir) > 0)
			run.sides[side]
				.answers[min_u64((hf_now_ns() - begun) / 10000, ANSWERS - 1)]++;
		else
			atomic_fetch_add(&run.unanswered, 1);
		usleep(ASK_US);
	}
	return NULL;
}

static int start_client(void)
{
	int error = stage_run_on(&run.stage, false);

	if (!error && pthread_create(&run.client, NULL, ask, NULL))
		error = -EAGAIN;
	return error ? error : stage_run_on(&run.stage, true);
}

static void stop_client(void)
{
	atomic_store(&run.over, true);
	pthread_join(run.client, NULL);
}

/* --- slices --- */

static uint64_t processor_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t id;

	if (clock_getcpuclockid(pid, &id) || clock_gettime(id, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void run_slice(const struct options *o, int which, uint32_t n)
{
	struct side *side = &run.sides[which];
	struct flow *flow = &run.stage.flow;
	pid_t daemon = run.stage.daemon.pid, sw = run.stage.switches[run.stage.owner].pid;
	uint64_t begun, primary_ns, switch_ns, done;

	atomic_store(&run.hostile.shared->on, which == WITH);
	flow_run(flow, SETTLE_NS);
	atomic_store(&run.side, which);
	flow->delays = side->delays;
	flow_watch(flow);
	primary_ns = processor_ns(daemon);
	switch_ns = processor_ns(sw);
	done = atomic_load(&run.hostile.shared->done);
	begun = hf_now_ns();
	flow_run(flow, o->slice_ns);
	side->ns += hf_now_ns() - begun;
	side->rates[n] = (double)flow->arrivals * NS_PER_S / (double)(hf_now_ns() - begun);
	side->primary_ns += processor_ns(daemon) - primary_ns;
	side->switch_ns += processor_ns(sw) - switch_ns;
	if (which == WITH)
		run.done += atomic_load(&run.hostile.shared->done) - done;
	flow->delays = NULL;
}

/* The receiver says where it is: else a switch sends the stream to everybody, also the hostile
 * peer. */
static void announce(struct front *who)
{
	struct front_ring *r = &who->rings[FRONT_DEQUEUE];
	uint8_t *frame = r->buffers + FRONT_HEADER, source[6];
	const uint8_t *answer;
	uint32_t len;

	front_fill(r, ANNOUNCE);
	memcpy(source, frame + 6, 6);
	memcpy(frame + 6, frame, 6);
	memcpy(frame, source, 6);
	front_post_frame(r, ANNOUNCE, 0);
	front_kick(who, FRONT_DEQUEUE);
	for (uint32_t ms = 0; ms < 1000 && front_reap_one(r, &answer, &len) == 0; ms++)
		usleep(1000);
}

/* --- results --- */

/* The smallest that 99 of 100 are not above. */
static uint32_t quantile_99(const uint32_t *counts, uint32_t size)
{
	uint64_t sum = 0, seen = 0;
	uint32_t i = 0;

	for (uint32_t j = 0; j < size; j++)
		sum += counts[j];
	while (i + 1 < size && (seen += counts[i]) * 100 < sum * 99)
		i++;
	return i;
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_header(void)
{
	printf("the stream beside the flood, in percent of without; p99 of a packet's way in us, "
	       "of "
	       "the primary's answer in ms;\nprimary, switch: percent of a processor; done: what "
	       "the hostile peer did in a second\n\n%-10s %-6s %10s %8s %7s %7s %7s %7s %8s %8s "
	       "%8s %10s %5s\n",
	       "flood", "pace", "packets/s", "rate %", "p99", "p99 w/", "answer", "ans w/",
	       "primary", "prim w/", "switch w/", "done", "lost");
}

static void report(const struct options *o, FILE *json, bool first)
{
	struct side *a = &run.sides[WITHOUT], *b = &run.sides[WITH];
	const struct flow_counts *c = &run.stage.flow.counts;
	double rate = median(a->rates, o->slices), ratio = 100 * median(run.ratios, o->slices);
	double answers[2] = {quantile_99(a->answers, ANSWERS) / 100.0,
			     quantile_99(b->answers, ANSWERS) / 100.0};
	uint32_t p99[2] = {quantile_99(a->delays, FLOW_DELAYS),
			   quantile_99(b->delays, FLOW_DELAYS)};
	double done = b->ns ? (double)run.done * NS_PER_S / (double)b->ns : 0;
	double primary[2] = {percent(a->primary_ns, a->ns), percent(b->primary_ns, b->ns)};

	printf("%-10s %-6s %10.0f %8.2f %7u %7u %7.2f %7.2f %8.2f %8.2f %8.2f %10.0f %5llu\n",
	       run.kind->name, run.full ? "full" : "steady", rate, ratio, p99[0], p99[1],
	       answers[0], answers[1], primary[0], primary[1], percent(b->switch_ns, b->ns), done,
	       (unsigned long long)c->lost);
	fflush(stdout);
	if (!json)
		return;
	fprintf(json,
		"%s{\"op\": \"flood\", \"flood\": \"%s\", \"pace\": \"%s\", \"packets_per_s\": "
		"%.0f, \"rate_percent\": %.2f, \"p99_us\": [%u, %u], \"answer_p99_ms\": [%.2f, "
		"%.2f], \"unanswered\": %u, \"primary_percent\": [%.2f, %.2f], "
		"\"switch_percent\": [%.2f, %.2f], \"done_per_s\": %.0f, \"slices\": %u, "
		"\"lost\": %llu, \"duplicated\": %llu, \"late\": %llu, \"damaged\": %llu}",
		first ? "" : ",\n", run.kind->name, run.full ? "full" : "steady", rate, ratio,
		p99[0], p99[1], answers[0], answers[1], atomic_load(&run.unanswered), primary[0],
		primary[1], percent(a->switch_ns, a->ns), percent(b->switch_ns, b->ns), done,
		o->slices, (unsigned long long)c->lost, (unsigned long long)c->duplicated,
		(unsigned long long)c->late, (unsigned long long)c->damaged);
}

static bool is_right(void)
{
	const struct flow_counts *c = &run.stage.flow.counts;

	return !c->lost && !c->duplicated && !c->late && !c->damaged &&
	       !atomic_load(&run.unanswered);
}

static int measure(const struct options *o)
{
	int error = start_client();

	/* What a peer may do at once is done; from now on its allowances are what comes in. */
	if (!error) {
		atomic_store(&run.hostile.shared->on, true);
		flow_run(&run.stage.flow, SPEND_NS);
	}
	for (uint32_t i = 0; !error && i < o->slices; i++) {
		run_slice(o, WITHOUT, i);
		run_slice(o, WITH, i);
		run.ratios[i] = run.sides[WITH].rates[i] / run.sides[WITHOUT].rates[i];
	}
	atomic_store(&run.hostile.shared->on, false);
	if (!error)
		stop_client();
	if (!error && !flow_settle(&run.stage.flow))
		error = -ETIMEDOUT;
	return error;
}

static int run_one(const struct options *o, const struct flood_kind *kind, bool full, FILE *json,
		   bool first)
{
	struct stage_options options = o->stage;
	int error;

	run = (struct run){.kind = kind, .full = full};
	options.dir = o->dir;
	options.hostile = true;
	if (full)
		options.period_ns = 0;
	error = stage_open(&run.stage, &options);
	if (!error)
		error = stage_run_on(&run.stage, false);
	if (!error)
		error = flood_start(&run.hostile, kind, run.stage.daemon.run_dir);
	if (!error)
		error = stage_run_on(&run.stage, true);
	if (!error) {
		announce(&run.stage.fronts[1]);
		(void)flow_settle(&run.stage.flow);
		run.stage.flow.counts = (struct flow_counts){0};
		error = measure(o);
	}
	if (!error)
		report(o, json, first);
	flood_stop(&run.hostile);
	stage_close(&run.stage);
	if (error || !is_right())
		fprintf(stderr, "%s: %s\n", kind->name,
			error ? strerror(-error)
			      : "packets are wrong, or missing, or no answer came");
	return error ? error : is_right() ? 0 : -EPROTO;
}

static int run_all(const struct options *o)
{
	FILE *json = o->json ? fopen(o->json, "w") : NULL;
	bool first = true, wrong = false;

	if (o->json && !json) {
		perror(o->json);
		return 1;
	}
	if (json)
		fputs("[\n", json);
	print_header();
	for (const struct flood_kind *k = flood_kinds; k->name; k++)
		for (int full = 0; full <= k->guest; full++) {
			if (o->only && strcmp(o->only, k->name) != 0)
				continue;
			wrong |= run_one(o, k, full, json, first) != 0;
			first = false;
		}
	if (json) {
		fputs("\n]\n", json);
		wrong |= fclose(json) != 0;
	}
	if (first)
		fprintf(stderr, "holdfast-floods: --flood %s: see --help\n", o->only);
	return first ? 2 : wrong;
}

/* --- the command line --- */

static void print_help(void)
{
	fputs("usage: holdfast-floods [OPTION]…\n"
	      "What a flood by one peer costs the others.\n"
	      "\n"
	      "  --json FILE        write the results as JSON as well\n"
	      "  --flood NAME       only this one, of those below\n"
	      "  --slices N         without and with it, each (10)\n"
	      "  --slice-ms N       how long one is (300)\n"
	      "  --quick            two short ones: does it work, not what does it "
	      "cost\n" STAGE_HELP("20") "\n",
	      stdout);
	for (const struct flood_kind *k = flood_kinds; k->name; k++)
		printf("  %-10s %s\n", k->name, k->help);
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
	case 'f':
		o->only = value;
		break;
	case 's':
		error = line_number(value, 1, MAX_SLICES, name, &n);
		o->slices = (uint32_t)n;
		break;
	case 'l':
		error = line_number(value, 10, 60000, name, &n);
		o->slice_ns = (uint64_t)n * NS_PER_MS;
		break;
	case 'q':
		o->slices = 2;
		o->slice_ns = 100 * NS_PER_MS;
		break;
	default:
		error = stage_option(&o->stage, option, name, value);
	}
	return error;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"json", required_argument, NULL, 'j'},
		{"flood", required_argument, NULL, 'f'},
		{"slices", required_argument, NULL, 's'},
		{"slice-ms", required_argument, NULL, 'l'},
		{"quick", no_argument, NULL, 'q'},
		STAGE_OPTIONS,
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	static struct options o = {.slices = 10, .slice_ns = 300 * NS_PER_MS};
	int status;

	o.stage = stage_defaults();
	o.stage.period_ns = 20 * NS_PER_US;
	o.stage.deadline_ms = 5000;
	status = line_parse(argc, argv, longs, print_help, take, &o);
	if (status)
		return status < 0 ? 2 : 0;
	if (line_directory(o.dir, sizeof(o.dir)))
		return 1;
	status = run_all(&o);
	rmdir(o.dir);
	return status;
}
