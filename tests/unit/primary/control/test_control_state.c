/* SPDX-License-Identifier: Apache-2.0 */
/* Versions, secondaries, counters and health: how the primary is. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "control_client.h"
#include "grant.h"
#include "lane.h"
#include "port.h"
#include "primary_scene.h"
#include "refusal.h"
#include "suite.h"

static void version_says_what_runs_here(void)
{
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Request request = REQUEST_INIT;
	struct answer *answer;

	scene_open();
	control_serve();
	request.body_case = ASK(VERSION);
	request.version = &version;
	answer = call(&request, ANSWER(VERSION));
	CHECK_EQ(answer->parts[0]->version->pid, getpid());
	CHECK_EQ(answer->parts[0]->version->abi_major, HF_ABI_MAJOR);
	CHECK(*answer->parts[0]->version->version != '\0');
	CHECK(answer->parts[0]->version->uptime_ns > 0);
	free_answer(answer);
	scene_end();
}

static void secondaries_are_listed_by_name_or_all(void)
{
	Holdfast__Control__SecondaryListRequest body =
		HOLDFAST__CONTROL__SECONDARY_LIST_REQUEST__INIT;
	Request request = REQUEST_INIT;
	struct answer *answer;
	struct port *port;

	scene_open();
	control_serve();
	(void)scene_secondary("one", VSWITCH, "vm*");
	(void)scene_secondary("two", HOLDFAST__ATTACH__ROLE__STANDBY, NULL);
	port = rig_port(&scene.rig, "vm0", 2);
	grant_offer(&port->device);
	request.body_case = ASK(SECONDARY_LIST);
	request.secondary_list = &body;
	answer = call(&request, ANSWER(SECONDARY_LIST));
	REQUIRE(answer->nr_parts == 2);
	CHECK(!strcmp(answer->parts[0]->secondary_list->secondaries[0]->name, "one"));
	CHECK_EQ(answer->parts[0]->secondary_list->secondaries[0]->vrings, 2);
	CHECK_EQ(answer->parts[0]->secondary_list->secondaries[0]->pid, getpid());
	CHECK_EQ(answer->parts[0]->secondary_list->secondaries[0]->heartbeat_age_ns, UINT64_MAX);
	REQUIRE(answer->parts[0]->secondary_list->secondaries[0]->n_ports == 1);
	CHECK(!strcmp(answer->parts[0]->secondary_list->secondaries[0]->ports[0], "vm0"));
	REQUIRE(answer->parts[0]->secondary_list->secondaries[0]->n_globs == 1);
	CHECK(!strcmp(answer->parts[0]->secondary_list->secondaries[0]->globs[0], "vm*"));
	free_answer(answer);
	body.name = TEXT("two");
	answer = call(&request, ANSWER(SECONDARY_LIST));
	REQUIRE(answer->nr_parts == 1);
	CHECK(!strcmp(answer->parts[0]->secondary_list->secondaries[0]->name, "two"));
	free_answer(answer);
	body.name = TEXT("three");
	CHECK_EQ(call_error(&request), -ENOENT);
	scene_end();
}

static uint64_t counter_in(Holdfast__Control__Counter **counters, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(counters[i]->name, name))
			return counters[i]->value;
	return UINT64_MAX;
}

static void counters_are_those_of_all_grants(void)
{
	const Holdfast__Control__StatsReply *part;
	struct answer *answer;

	scene_begin(2);
	control_serve();
	scene.vrings[1].counters[HF_COUNTER_GOOD_PACKETS] = 1000;
	grant_offer(scene.device);
	rig_lane(&scene.vrings[1])->counters[HF_COUNTER_GOOD_PACKETS] = 11;
	refusal_count(scene.primary, REFUSED_LANE_LIES);
	answer = stats("");
	part = answer->parts[0]->stats;
	REQUIRE(part->n_vrings == 2);
	CHECK_EQ(part->vrings[0]->n_counters, HF_NR_COUNTERS);
	CHECK_EQ(counter_in(part->vrings[1]->counters, HF_NR_COUNTERS, "good_packets"), 1011);
	CHECK_EQ(counter_in(part->vrings[0]->counters, HF_NR_COUNTERS, "good_packets"), 0);
	part = answer->parts[1]->stats;
	CHECK_EQ(counter_in(part->primary, part->n_primary, "port.vm0.refused_messages"), 0);
	part = answer->parts[2]->stats;
	CHECK_EQ(part->n_primary, NR_REFUSALS + 8); /* also those at zero */
	CHECK_EQ(counter_in(part->primary, part->n_primary, "takeovers"), 0);
	CHECK_EQ(counter_in(part->primary, part->n_primary, "longest_handover_ns"), 0);
	CHECK_EQ(counter_in(part->primary, part->n_primary, "refused.lane_out_of_range"), 1);
	free_answer(answer);
	answer = stats("vm0");
	CHECK_EQ(answer->nr_parts, 2);
	free_answer(answer);
	scene_end();
}

static void counters_of_many_vrings_come_in_parts(void)
{
	struct answer *answer;
	struct port *ports[3];
	size_t seen = 0;

	scene_open();
	control_serve();
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		char name[8];

		snprintf(name, sizeof(name), "vm%zu", i);
		ports[i] = rig_port(&scene.rig, name, 60);
		for (uint32_t v = 0; v < 60; v++)
			for (uint32_t c = 0; c < HF_NR_COUNTERS; c++)
				ports[i]->device.vrings[v].counters[c] = UINT64_MAX - c;
	}
	answer = stats("");
	for (size_t p = 0; p < answer->nr_parts; p++)
		for (size_t i = 0; i < answer->parts[p]->stats->n_vrings; i++)
			CHECK_EQ(answer->parts[p]->stats->vrings[i]->vring, seen++ % 60);
	CHECK_EQ(seen, 180);
	free_answer(answer);
	scene_end();
}

static struct answer *health(const char *port)
{
	Holdfast__Control__HealthRequest body = HOLDFAST__CONTROL__HEALTH_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.port = TEXT(port);
	request.body_case = ASK(HEALTH);
	request.health = &body;
	return call(&request, ANSWER(HEALTH));
}

static const Holdfast__Control__HealthReply__Check *check_in(const struct answer *answer,
							     const char *name)
{
	const Holdfast__Control__HealthReply *reply = answer->parts[0]->health;

	for (size_t i = 0; i < reply->n_checks; i++)
		if (!strcmp(reply->checks[i]->name, name))
			return reply->checks[i];
	REQUIRE(!"there is such a check");
	return NULL;
}

static void health_names_what_is_wrong(void)
{
	struct answer *answer;
	struct port *port;

	scene_open();
	control_serve();
	port = rig_port(&scene.rig, "vm0", 2);
	port->client = true;
	grant_offer(&port->device);
	answer = health("");
	CHECK(!answer->parts[0]->health->healthy);
	CHECK(!check_in(answer, "ready_ports_without_owner")->ok);
	CHECK(strstr(check_in(answer, "ready_ports_without_owner")->detail, "vm0") != NULL);
	CHECK(check_in(answer, "ports_with_broken_vrings")->ok);
	free_answer(answer);
	(void)scene_secondary("vsw", VSWITCH, NULL);
	grant_offer_all(scene.primary);
	answer = health("vm0");
	CHECK(answer->parts[0]->health->healthy);
	CHECK_EQ(answer->parts[0]->health->ports_ready, 1);
	CHECK_EQ(answer->parts[0]->health->secondaries, 1);
	CHECK(check_in(answer, "ports_whose_switch_lacks_memory_or_descriptors")->ok);
	free_answer(answer);
	port->device.vrings[1].broken = true;
	port->device.vrings[0].lacked = 2;
	answer = health("");
	CHECK(!check_in(answer, "ports_with_broken_vrings")->ok);
	CHECK(!check_in(answer, "ports_whose_switch_lacks_memory_or_descriptors")->ok);
	free_answer(answer);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(version_says_what_runs_here),	    SENTENCE(secondaries_are_listed_by_name_or_all),
	SENTENCE(counters_are_those_of_all_grants), SENTENCE(counters_of_many_vrings_come_in_parts),
	SENTENCE(health_names_what_is_wrong),
};
SUITE("control_state", sentences)
