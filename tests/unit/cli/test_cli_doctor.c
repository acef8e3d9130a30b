/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doctor's judgement over made-up facts: a port on which all is well, then one thing wrong at a
 * time. The step that must find it is named; whatever comes later must not be reached.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"
#include "suite.h"

#define NAME(text) ((char *)(uintptr_t)(text))

static pb_port port;
static pb_vring vrings[2][2]; /* of the first and of the second look */
static const pb_vring *vring_pointers[2][2];
static pb_region region;
static const pb_region *region_pointers[1];
static struct port_view views[2];
static pb_secondary owner;
static pb_version version;
static struct doctor_facts facts;

static struct finding findings[24];
static const struct step *ran[24];
static size_t nr_ran;

static void make_vring(pb_vring *vring, uint32_t index, bool later)
{
	holdfast__control__vring__init(vring);
	vring->index = index;
	vring->size = 256;
	vring->configured = vring->started = vring->enabled = vring->mapped = vring->running = true;
	vring->desc_gpa = 0x1000;
	vring->kick_fd = 10;
	vring->call_fd = 11;
	/* Indices have wrapped; some packets pass between the looks. */
	vring->last_avail = 65530 + (later ? 5 : 0);
	vring->last_used = vring->used_idx = (uint16_t)(65530 + (later ? 5 : 0));
	vring->last_avail = (uint16_t)vring->last_avail;
	vring->avail_idx = index == 0 ? 200 : vring->last_avail;
}

static void all_is_well(void)
{
	holdfast__control__port__init(&port);
	holdfast__control__secondary__init(&owner);
	holdfast__control__version_reply__init(&version);
	holdfast__control__region__init(&region);
	port.name = NAME("p0");
	port.path = NAME("/run/holdfast/p0.sock");
	port.state = HOLDFAST__CONTROL__PORT_STATE__READY;
	port.owner = owner.name = NAME("vsw");
	port.features = 1ull << 32 | 1u << 15;
	port.nr_regions = 1;
	port.memory_bytes = 1u << 30;
	port.peer_pid = 42;
	port.sessions = 1;
	port.nr_vrings = 2;
	region.page_bytes = 4096;
	region_pointers[0] = &region;
	for (int look = 0; look < 2; look++) {
		for (uint32_t i = 0; i < 2; i++) {
			make_vring(&vrings[look][i], i, look);
			vring_pointers[look][i] = &vrings[look][i];
		}
		views[look] = (struct port_view){.port = &port,
						 .regions = region_pointers,
						 .nr_regions = 1,
						 .vrings = vring_pointers[look],
						 .nr_vrings = 2};
	}
	facts = (struct doctor_facts){
		.port_name = "p0",
		.primary = &version,
		.first = &views[0],
		.second = &views[1],
		.have_path = true,
		.path = {.mode = S_IFSOCK | 0660, .owner = "root", .group = "kvm"},
		.peer = {.state = 'S', .node = -1, .name = "qemu"},
		.have_secondaries = true,
		.owner = &owner,
		.nr_secondaries = 1,
		.owner_process = {.state = 'R', .node = -1},
		.have_counters = true,
		.have_later_counters = true,
	};
}

static void walk(void)
{
	nr_ran = doctor_walk(doctor_port_steps, doctor_nr_port_steps, &facts, findings, ran);
}

static bool stops_at(const char *step)
{
	walk();
	if (nr_ran && !strcmp(ran[nr_ran - 1]->name, step) &&
	    findings[nr_ran - 1].verdict == VERDICT_BROKEN)
		return findings[nr_ran - 1].proof[0] && findings[nr_ran - 1].remedy[0];
	fprintf(stderr, "stopped at '%s' (%s), not at '%s'\n", nr_ran ? ran[nr_ran - 1]->name : "-",
		nr_ran ? findings[nr_ran - 1].proof : "", step);
	return false;
}

static const struct finding *finding_of(const char *step)
{
	static const struct finding none;

	walk();
	for (size_t i = 0; i < nr_ran; i++)
		if (!strcmp(ran[i]->name, step))
			return &findings[i];
	return &none;
}

static void a_sound_port_passes_every_step(void)
{
	all_is_well();
	walk();
	CHECK_EQ(nr_ran, doctor_nr_port_steps);
	for (size_t i = 0; i < nr_ran; i++) {
		if (findings[i].verdict != VERDICT_OK)
			fprintf(stderr, "%s: %s\n", ran[i]->name, findings[i].proof);
		CHECK_EQ(findings[i].verdict, VERDICT_OK);
	}
}

static void a_silent_primary_is_the_first_cause(void)
{
	all_is_well();
	facts = (struct doctor_facts){.port_name = "p0", .trouble = "no primary; start holdfastd"};
	CHECK(stops_at("primary answers"));
	CHECK_EQ(nr_ran, 1);
	CHECK(!strcmp(findings[0].remedy, "start holdfastd"));
	CHECK_EQ(ran[0]->code, EXIT_NOT_CONNECTED);
}

static void a_port_that_is_not_there_is_found(void)
{
	all_is_well();
	facts.first = facts.second = NULL;
	facts.no_port = "no port p0; see list";
	CHECK(stops_at("port exists"));
	all_is_well();
	port.state = HOLDFAST__CONTROL__PORT_STATE__PORT_FAILED;
	CHECK(stops_at("port exists"));
}

static void a_missing_socket_matters_until_somebody_is_connected(void)
{
	all_is_well();
	facts.path.error = ENOENT;
	CHECK_EQ(finding_of("socket")->verdict, VERDICT_NOTE);
	port.state = HOLDFAST__CONTROL__PORT_STATE__LISTENING;
	CHECK(stops_at("socket"));
	facts.path = (struct path_facts){.mode = S_IFREG | 0644};
	CHECK(stops_at("socket"));
}

static void a_socket_only_root_may_use_is_pointed_out(void)
{
	all_is_well();
	port.state = HOLDFAST__CONTROL__PORT_STATE__LISTENING;
	facts.path.mode = S_IFSOCK | 0600;
	CHECK_EQ(finding_of("socket")->verdict, VERDICT_NOTE);
	CHECK(strstr(finding_of("socket")->remedy, "chmod") != NULL);
}

static void a_directory_that_keeps_others_from_the_socket_is_pointed_out(void)
{
	all_is_well();
	port.state = HOLDFAST__CONTROL__PORT_STATE__LISTENING;
	strcpy(facts.path.dir, "/run/holdfast");
	facts.path.dir_mode = S_IFDIR | 0755;
	CHECK_EQ(finding_of("socket")->verdict, VERDICT_OK);
	facts.path.dir_mode = S_IFDIR | 0750;
	CHECK_EQ(finding_of("socket")->verdict, VERDICT_NOTE);
	CHECK(!strcmp(finding_of("socket")->remedy,
		      "cd /run/holdfast && chgrp kvm . p0.sock && chmod g+x . && chmod 0660 "
		      "p0.sock"));
	facts.path.dir_group = true;
	CHECK_EQ(finding_of("socket")->verdict, VERDICT_OK);
	facts.path.mode = S_IFSOCK | 0606;
	CHECK_EQ(finding_of("socket")->verdict, VERDICT_NOTE);
}

static void no_front_end_is_not_connected(void)
{
	all_is_well();
	port.state = HOLDFAST__CONTROL__PORT_STATE__CONNECTING;
	CHECK(stops_at("front-end connected"));
	CHECK_EQ(ran[nr_ran - 1]->code, EXIT_NOT_CONNECTED);
}

static void no_features_and_no_memory_are_told_apart(void)
{
	all_is_well();
	port.features = 0;
	port.nr_regions = 0;
	CHECK(stops_at("features negotiated"));
	port.features = 1ull << 32;
	CHECK(stops_at("memory mapped"));
}

static void memory_far_from_the_owner_is_a_note(void)
{
	all_is_well();
	port.node = 0;
	facts.owner_process.node = 1;
	CHECK_EQ(finding_of("memory mapped")->verdict, VERDICT_NOTE);
	CHECK_EQ(nr_ran, doctor_nr_port_steps);
}

static void rings_that_are_not_set_up_or_broken_are_found(void)
{
	all_is_well();
	vrings[0][1].configured = false;
	CHECK(stops_at("rings configured"));
	all_is_well();
	vrings[0][0].broken = true;
	CHECK(stops_at("rings configured"));
	all_is_well();
	views[0].nr_vrings = 0;
	CHECK(stops_at("rings configured"));
}

static void stopped_disabled_and_driverless_are_found(void)
{
	all_is_well();
	vrings[0][0].enabled = false;
	CHECK(stops_at("started and enabled"));
	all_is_well();
	vrings[0][1].started = false;
	CHECK(stops_at("started and enabled"));
	all_is_well();
	port.status = 3; /* acknowledge, driver */
	CHECK(stops_at("started and enabled"));
	port.status = 128 | 15;
	CHECK(stops_at("started and enabled"));
	port.status = 15;
	walk();
	CHECK_EQ(nr_ran, doctor_nr_port_steps);
}

static void an_owner_missing_stopped_or_idle_is_found(void)
{
	all_is_well();
	port.owner = NAME("");
	facts.owner = NULL;
	CHECK(stops_at("owner attached"));
	all_is_well();
	facts.owner_process.state = 'T';
	CHECK(stops_at("owner attached"));
	CHECK(strstr(findings[nr_ran - 1].remedy, "kill -CONT") != NULL);
	all_is_well();
	vrings[0][1].running = false;
	CHECK(stops_at("owner attached"));
	all_is_well();
	owner.heartbeat_age_ns = 60ull * 1000000000;
	CHECK_EQ(finding_of("owner attached")->verdict, VERDICT_NOTE);
}

static void a_guest_that_posts_no_buffers_is_found(void)
{
	all_is_well();
	for (int look = 0; look < 2; look++)
		vrings[look][0].avail_idx = vrings[look][0].last_avail = 256;
	CHECK(stops_at("guest posts receive buffers"));
	/* One that gives buffers back in the meantime is only busy. */
	vrings[1][0].avail_idx = vrings[1][0].last_avail = 300;
	CHECK_EQ(finding_of("guest posts receive buffers")->verdict, VERDICT_OK);
}

static void packets_that_wait_untaken_are_found(void)
{
	all_is_well();
	for (int look = 0; look < 2; look++) {
		vrings[look][1].last_avail = 65530;
		vrings[look][1].avail_idx = 4; /* wrapped: 10 wait */
	}
	CHECK(stops_at("guest's packets are taken"));
	CHECK(strstr(findings[nr_ran - 1].proof, "10 packets wait") != NULL);
	vrings[1][1].last_avail = 65531; /* one was taken: slow, not dead */
	CHECK_EQ(finding_of("guest's packets are taken")->verdict, VERDICT_OK);
}

static void an_idle_port_is_not_broken(void)
{
	all_is_well();
	for (int i = 0; i < 2; i++)
		vrings[1][i] = vrings[0][i];
	CHECK_EQ(finding_of("used index moves")->verdict, VERDICT_NOTE);
	CHECK_EQ(nr_ran, doctor_nr_port_steps);
}

static void a_used_index_that_differs_from_the_lane_is_noted(void)
{
	all_is_well();
	for (int look = 0; look < 2; look++) {
		vrings[look][1].used_idx = 5;
		vrings[look][1].last_used = 9;
	}
	CHECK(strstr(finding_of("used index moves")->proof, "used.idx is 5") != NULL);
}

static void packed_rings_are_not_judged_by_split_indices(void)
{
	all_is_well();
	for (int look = 0; look < 2; look++)
		for (int i = 0; i < 2; i++) {
			vrings[look][i].packed = true;
			vrings[look][i].avail_idx = vrings[look][i].last_avail = 0;
		}
	walk();
	CHECK_EQ(nr_ran, doctor_nr_port_steps);
}

static void failing_calls_and_growing_drops_are_found(void)
{
	all_is_well();
	facts.later_counters.notification_errors = 3;
	CHECK(stops_at("notifications"));
	all_is_well();
	facts.counters.dropped = 5;
	facts.later_counters =
		(struct counter_facts){.dropped = 9, .worst = "drop_bad_address", .worst_value = 9};
	CHECK(stops_at("drops"));
	CHECK(strstr(findings[nr_ran - 1].proof, "drop_bad_address") != NULL);
	facts.counters.dropped = 9; /* long ago */
	CHECK_EQ(finding_of("drops")->verdict, VERDICT_NOTE);
}

static void steps_without_facts_are_left_out(void)
{
	all_is_well();
	facts.second = NULL;
	facts.have_counters = facts.have_path = false;
	walk();
	CHECK_EQ(nr_ran, 8);
	CHECK(!strcmp(ran[nr_ran - 1]->name, "owner attached"));
}

static void long_names_do_not_overflow_a_finding(void)
{
	static char name[4000];

	all_is_well();
	memset(name, 'x', sizeof(name) - 1);
	port.name = port.path = port.owner = port.last_error = name;
	facts.path.error = ENOENT;
	port.state = HOLDFAST__CONTROL__PORT_STATE__LISTENING;
	CHECK(stops_at("socket"));
	CHECK(strlen(findings[nr_ran - 1].proof) < sizeof(findings[0].proof));
}

static void files_and_processes_are_looked_at(void)
{
	struct path_facts path;
	struct process_facts process;

	doctor_look_at_path("/no/such/file", &path);
	CHECK_EQ(path.error, ENOENT);
	doctor_look_at_path("/", &path);
	CHECK(!path.error && S_ISDIR(path.mode) && path.owner[0] && path.group[0] && !path.dir[0]);
	doctor_look_at_path("/proc/self", &path);
	CHECK(!strcmp(path.dir, "/proc") && (path.dir_mode & 0777) == 0555);
	doctor_look_at_path("/proc/1", &path);
	CHECK(path.dir_group);
	doctor_look_at_process(getpid(), &process);
	CHECK(strchr("RSD", process.state) && process.name[0]);
	doctor_look_at_process(0, &process);
	CHECK(process.state == '?' && process.node == -1);
}

static void counters_of_other_ports_do_not_count(void)
{
	pb_counter drops = HOLDFAST__CONTROL__COUNTER__INIT, more = drops, other = drops;
	pb_counter *mine[] = {&drops, &more}, *theirs[] = {&other};
	pb_vring_stats a = HOLDFAST__CONTROL__STATS_REPLY__VRING_STATS__INIT, b = a;
	pb_vring_stats *both[] = {&a, &b};
	Holdfast__Control__StatsReply stats = HOLDFAST__CONTROL__STATS_REPLY__INIT;
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;
	pb_response *parts[] = {&response};
	struct reply reply = {parts, 1};
	struct counter_facts counted;

	drops.name = NAME("drop_too_big");
	drops.value = 3;
	more.name = NAME("break_bad_head");
	more.value = 1;
	other.name = NAME("drop_too_big");
	other.value = 1000;
	a.port = NAME("p0");
	a.counters = mine;
	a.n_counters = 2;
	b.port = NAME("p1");
	b.counters = theirs;
	b.n_counters = 1;
	stats.vrings = both;
	stats.n_vrings = 2;
	response.body_case = RESPONSE_BODY(STATS);
	response.stats = &stats;
	doctor_count(&reply, "p0", &counted);
	CHECK_EQ(counted.dropped, 4);
	CHECK(!strcmp(counted.worst, "drop_too_big"));
}

static const struct sentence sentences[] = {
	SENTENCE(a_sound_port_passes_every_step),
	SENTENCE(a_silent_primary_is_the_first_cause),
	SENTENCE(a_port_that_is_not_there_is_found),
	SENTENCE(a_missing_socket_matters_until_somebody_is_connected),
	SENTENCE(a_socket_only_root_may_use_is_pointed_out),
	SENTENCE(a_directory_that_keeps_others_from_the_socket_is_pointed_out),
	SENTENCE(no_front_end_is_not_connected),
	SENTENCE(no_features_and_no_memory_are_told_apart),
	SENTENCE(memory_far_from_the_owner_is_a_note),
	SENTENCE(rings_that_are_not_set_up_or_broken_are_found),
	SENTENCE(stopped_disabled_and_driverless_are_found),
	SENTENCE(an_owner_missing_stopped_or_idle_is_found),
	SENTENCE(a_guest_that_posts_no_buffers_is_found),
	SENTENCE(packets_that_wait_untaken_are_found),
	SENTENCE(an_idle_port_is_not_broken),
	SENTENCE(a_used_index_that_differs_from_the_lane_is_noted),
	SENTENCE(packed_rings_are_not_judged_by_split_indices),
	SENTENCE(failing_calls_and_growing_drops_are_found),
	SENTENCE(steps_without_facts_are_left_out),
	SENTENCE(long_names_do_not_overflow_a_finding),
	SENTENCE(files_and_processes_are_looked_at),
	SENTENCE(counters_of_other_ports_do_not_count),
};
SUITE("cli doctor", sentences)
