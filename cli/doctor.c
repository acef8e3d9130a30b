/* SPDX-License-Identifier: Apache-2.0 */
/* The command: gather facts, walk the steps, print them. */
#include "doctor.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "text.h"

#define MOST_STEPS 24

struct step_row {
	const char *name;
	const struct finding *finding;
};

static const char *const verdict_names[] = {
	[VERDICT_OK] = "ok",
	[VERDICT_NOTE] = "note",
	[VERDICT_BROKEN] = "broken",
};
static const enum tone verdict_tones[] = {
	[VERDICT_OK] = TONE_GOOD,
	[VERDICT_NOTE] = TONE_WARN,
	[VERDICT_BROKEN] = TONE_BAD,
};

static void get_step(const void *row, struct cell *ret)
{
	const struct step_row *step = row;

	cell_text(ret, "%s", step->name);
}

static void get_verdict(const void *row, struct cell *ret)
{
	const struct step_row *step = row;

	cell_text(ret, "%s", verdict_names[step->finding->verdict]);
	ret->tone = verdict_tones[step->finding->verdict];
}

static void get_proof(const void *row, struct cell *ret)
{
	const struct step_row *step = row;

	cell_text(ret, "%s", step->finding->proof);
}

static void get_remedy(const void *row, struct cell *ret)
{
	const struct step_row *step = row;

	if (step->finding->remedy[0])
		cell_text(ret, "%s", step->finding->remedy);
}

static const struct column step_columns[] = {
	{"step", "STEP", CELL_TEXT, get_step},
	{"verdict", "VERDICT", CELL_TEXT, get_verdict},
	{"proof", "PROOF", CELL_TEXT, get_proof, .wrap = true},
	{"remedy", NULL, CELL_TEXT, get_remedy},
};
static const struct table step_table = TABLE("steps", step_columns, NULL);

static void print_steps(struct cli *cli, const char *subject, const struct step_row *rows, size_t n)
{
	const void *pointers[MOST_STEPS];
	const struct step_row *broken = NULL;

	for (size_t i = 0; i < n; i++) {
		pointers[i] = &rows[i];
		if (rows[i].finding->verdict == VERDICT_BROKEN && !broken)
			broken = &rows[i];
	}
	output_begin(&cli->output, "doctor");
	output_table(&cli->output, &step_table, pointers, n);
	if (cli->output.format == OUTPUT_TABLE) /* in JSON each step has its own */
		for (size_t i = 0; i < n; i++)
			if (rows[i].finding->verdict == VERDICT_NOTE && rows[i].finding->remedy[0])
				output_remark(&cli->output, "hint", TONE_PLAIN, "%s: %s",
					      rows[i].name, rows[i].finding->remedy);
	if (broken)
		output_remark(&cli->output, "verdict", TONE_BAD, "broken at '%s': %s; mend it: %s",
			      broken->name, broken->finding->proof, broken->finding->remedy);
	else
		output_remark(&cli->output, "verdict", TONE_GOOD, "nothing is broken with %s",
			      subject);
	output_end(&cli->output);
}

static enum client_status ask_version(struct client *client, struct reply *ret)
{
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;

	request.body_case = REQUEST_BODY(VERSION);
	request.version = &version;
	return client_call(client, &request, RESPONSE_BODY(VERSION), ret);
}

static enum client_status ask_stats(struct client *client, const char *port, struct reply *ret)
{
	Holdfast__Control__StatsRequest stats = HOLDFAST__CONTROL__STATS_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;

	stats.port = (char *)(uintptr_t)port; /* only read */
	request.body_case = REQUEST_BODY(STATS);
	request.stats = &stats;
	return client_call(client, &request, RESPONSE_BODY(STATS), ret);
}

static enum client_status ask_secondaries(struct client *client, struct reply *ret)
{
	Holdfast__Control__SecondaryListRequest list =
		HOLDFAST__CONTROL__SECONDARY_LIST_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;

	request.body_case = REQUEST_BODY(SECONDARY_LIST);
	request.secondary_list = &list;
	return client_call(client, &request, RESPONSE_BODY(SECONDARY_LIST), ret);
}

static enum client_status ask_health(struct client *client, struct reply *ret)
{
	Holdfast__Control__HealthRequest health = HOLDFAST__CONTROL__HEALTH_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;

	request.body_case = REQUEST_BODY(HEALTH);
	request.health = &health;
	return client_call(client, &request, RESPONSE_BODY(HEALTH), ret);
}

/* All replies the facts point into. */
struct gathered {
	struct doctor_facts facts;
	struct reply version, secondaries;
	struct port_view first, second;
	char trouble[512], no_port[512];
};

static bool gather_counters(struct client *client, const char *port, struct counter_facts *ret)
{
	struct reply stats;

	if (ask_stats(client, port, &stats) != CLIENT_OK)
		return false;
	doctor_count(&stats, port, ret);
	reply_free(&stats);
	return true;
}

static void gather_owner(struct client *client, struct gathered *g)
{
	struct doctor_facts *facts = &g->facts;
	const char *owner = g->first.port->owner;

	if (ask_secondaries(client, &g->secondaries) != CLIENT_OK)
		return;
	facts->have_secondaries = true;
	for (size_t i = 0; i < g->secondaries.nr_parts; i++) {
		const Holdfast__Control__SecondaryListReply *part =
			g->secondaries.parts[i]->secondary_list;

		facts->nr_secondaries += part->n_secondaries;
		for (size_t s = 0; s < part->n_secondaries; s++)
			if (*owner && !strcmp(part->secondaries[s]->name, owner))
				facts->owner = part->secondaries[s];
	}
	doctor_look_at_process(facts->owner ? facts->owner->pid : 0, &facts->owner_process);
}

static void gather_motion(struct client *client, struct gathered *g, const char *name)
{
	struct timespec between = {.tv_nsec = DOCTOR_SAMPLE_MS * (long)NS_PER_MS};
	struct doctor_facts *facts = &g->facts;

	if (!port_is_connected(g->first.port))
		return;
	facts->have_counters = gather_counters(client, name, &facts->counters);
	nanosleep(&between, NULL);
	if (port_view_ask(client, name, false, &g->second) != CLIENT_OK)
		return;
	/* Another session in between: nothing can be compared. */
	if (g->second.port->sessions == g->first.port->sessions)
		facts->second = &g->second;
	facts->have_later_counters =
		facts->have_counters && gather_counters(client, name, &facts->later_counters);
}

static void gather_port(struct client *client, struct gathered *g, const char *name)
{
	struct doctor_facts *facts = &g->facts;
	enum client_status status = port_view_ask(client, name, false, &g->first);
	const char *path;
	char device[300];

	if (status != CLIENT_OK) {
		snprintf(g->no_port, sizeof(g->no_port), "%s", client->reason);
		facts->no_port = g->no_port;
		return;
	}
	facts->first = &g->first;
	path = g->first.port->path;
	if (*path && *path != '/') { /* a cuse device, by its name */
		snprintf(device, sizeof(device), "/dev/%.250s", path);
		path = device;
	}
	facts->have_path = *path != '\0';
	doctor_look_at_path(path, &facts->path);
	doctor_look_at_process(g->first.port->peer_pid, &facts->peer);
	gather_owner(client, g);
	gather_motion(client, g, name);
}

static void gather(struct client *client, const char *name, struct gathered *g)
{
	struct doctor_facts *facts = &g->facts;

	facts->port_name = name;
	facts->peer.node = facts->owner_process.node = -1;
	if (ask_version(client, &g->version) != CLIENT_OK) {
		snprintf(g->trouble, sizeof(g->trouble), "%s", client->reason);
		facts->trouble = g->trouble;
		return;
	}
	facts->primary = g->version.parts[0]->version;
	gather_port(client, g, name);
}

static void let_go(struct gathered *g)
{
	reply_free(&g->version);
	reply_free(&g->secondaries);
	port_view_free(&g->first);
	port_view_free(&g->second);
}

static int doctor_port(struct cli *cli, const char *name)
{
	struct gathered g = {0};
	struct finding findings[MOST_STEPS];
	const struct step *ran[MOST_STEPS];
	struct step_row rows[MOST_STEPS];
	size_t n;
	int code = EXIT_OK;

	static_assert(MOST_STEPS >= 20, "room for every step");
	gather(&cli->client, name, &g);
	n = doctor_walk(doctor_port_steps, doctor_nr_port_steps, &g.facts, findings, ran);
	for (size_t i = 0; i < n; i++) {
		rows[i] = (struct step_row){ran[i]->name, &findings[i]};
		if (findings[i].verdict == VERDICT_BROKEN)
			code = ran[i]->code;
	}
	print_steps(cli, name, rows, n);
	let_go(&g);
	return code;
}

static int doctor_host(struct cli *cli)
{
	struct host_facts facts = {0};
	struct reply version = {0}, health = {0}, secondaries = {0};
	struct finding findings[MOST_STEPS] = {0};
	struct step_row rows[MOST_STEPS];
	char trouble[512];
	int code = EXIT_OK;

	if (ask_version(&cli->client, &version) == CLIENT_OK) {
		facts.primary = version.parts[0]->version;
		if (ask_health(&cli->client, &health) == CLIENT_OK)
			facts.health = &health;
		facts.have_secondaries = ask_secondaries(&cli->client, &secondaries) == CLIENT_OK;
		for (size_t i = 0; i < secondaries.nr_parts; i++)
			facts.nr_secondaries += secondaries.parts[i]->secondary_list->n_secondaries;
	} else {
		snprintf(trouble, sizeof(trouble), "%s", cli->client.reason);
		facts.trouble = trouble;
	}
	doctor_look_at_host(facts.primary ? facts.primary->pid : 0, &facts);
	for (size_t i = 0; i < doctor_nr_host_steps; i++) {
		doctor_host_steps[i].judge(&facts, &findings[i]);
		rows[i] = (struct step_row){doctor_host_steps[i].name, &findings[i]};
		if (findings[i].verdict == VERDICT_BROKEN && !code)
			code = facts.trouble ? EXIT_NOT_CONNECTED : EXIT_FAILED;
	}
	print_steps(cli, "this host", rows, doctor_nr_host_steps);
	reply_free(&version);
	reply_free(&health);
	reply_free(&secondaries);
	return code;
}

int doctor_command(struct cli *cli, const struct args *args)
{
	return args->nr_words ? doctor_port(cli, args->words[0]) : doctor_host(cli);
}

void doctor_verdict_line(struct output *out, const struct port_view *view)
{
	struct doctor_facts facts = {.port_name = view->port->name, .first = view};
	struct finding findings[MOST_STEPS];
	const struct step *ran[MOST_STEPS];
	size_t n;

	facts.peer.node = facts.owner_process.node = -1;
	n = doctor_walk(doctor_port_steps, doctor_nr_port_steps, &facts, findings, ran);
	if (n && findings[n - 1].verdict == VERDICT_BROKEN)
		output_remark(out, "verdict", TONE_BAD, "broken at '%s': %s; mend it: %s",
			      ran[n - 1]->name, findings[n - 1].proof, findings[n - 1].remedy);
	else
		output_remark(out, "verdict", TONE_GOOD,
			      "set up and owned; is traffic moving? holdfast doctor %s",
			      view->port->name);
}
