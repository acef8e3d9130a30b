/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primary is killed, at every message and in the middle of every message, idle and under
 * traffic: the front-end's socket never closes, no packet is lost, the secondary runs on. HF_KILLS
 * makes the storm longer.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS	     500u
#define KILLS	     50u
#define MAX_MESSAGES 64u

static struct world world;
static struct front_end fe;
static uint32_t next;
static unsigned int worst_ms;
static const char *const all[] = {"*", NULL};
static const char *const arguments[] = {"--supervise", "--no-huge-pages", "--port", "p0", NULL};

static void kill_primary(void)
{
	pid_t pid = world_ask_pid(&world, NULL);

	REQUIRE(pid > 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
}

/* It answers again; how soon is printed. */
static void check_answers(void)
{
	unsigned int ms;

	CHECK(world_ask_pid(&world, &ms) > 0);
	if (ms > worst_ms)
		worst_ms = ms;
}

static void open_world(void)
{
	world_open(&world, arguments);
	REQUIRE(world_ask_pid(&world, NULL) > 0);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	worst_ms = 0;
	next = 0;
}

static void open_session(void)
{
	static const struct session_shape shape;

	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
}

static void close_session(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
}

static void close_world(void)
{
	printf("    control socket answered within %u ms at worst\n", worst_ms);
	world_close(&world);
}

static void an_idle_session_outlives_its_primary(void)
{
	pid_t echo;

	open_world();
	open_session();
	echo = world.secondaries[0].pid;
	for (int i = 0; i < 5; i++) {
		kill_primary();
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
		check_answers();
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	}
	CHECK_EQ(kill(echo, 0), 0);
	/* And the session can still be worked with: stop, start, stop. */
	for (uint32_t ring = 0; ring < 2; ring++)
		CHECK_EQ(front_end_stop_ring(&fe, ring), driver_used_idx(&fe.rings[ring]));
	close_session();
	open_session();
	close_session();
	close_world();
}

/* --- a death at each message --- */

static uint32_t message, fatal;
static size_t kept;	    /* by the parent, without a session */
static useconds_t delay_us; /* how far the message gets is chance */
static pid_t victim;

static void strike(struct front_end *front_end)
{
	(void)front_end;
	if (++message != fatal)
		return;
	usleep(delay_us);
	CHECK_EQ(kill(victim, SIGKILL), 0);
}

/* How many messages there were. */
static uint32_t set_up_with_a_death(uint32_t number, size_t cut)
{
	static const struct session_shape shape;
	uint32_t begun = next;
	int result;

	message = 0;
	fatal = number;
	victim = world_ask_pid(&world, NULL);
	if (kept)
		REQUIRE(world_fds_become(world.primary, kept));
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	/* A connection that is accepted and not yet stored is lost with its primary: that is the
	 * limit. The first message comes behind it; who answers has also written down whose it is.
	 */
	if (kept && !fe.is_device) /* whose opening is a request like all others */
		REQUIRE(world_fds_become(world.primary, kept + 1));
	REQUIRE(world_ask_pid(&world, NULL) == victim);
	fe.disturb = strike;
	fe.cut = cut;
	result = front_end_setup(&fe, &shape);
	if (result)
		printf("    message %u, %u us, %zu bytes: %d\n", number, delay_us, cut, result);
	REQUIRE(result == 0);
	fe.disturb = NULL;
	front_end_post_buffers(&fe, 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
	CHECK_EQ(next, begun + 100);
	check_answers();
	close_session();
	next = 0;
	return message;
}

/* How many messages there are, when nobody dies. */
static uint32_t set_up_without_a_death(void)
{
	uint32_t count;

	kept = 0;
	count = set_up_with_a_death(0, 0);
	world_rest(&world);
	kept = world_fds(world.primary, -1);
	return count;
}

static void a_set_up_completes_whatever_message_the_primary_dies_at(void)
{
	uint32_t count;

	open_world();
	count = set_up_without_a_death();
	CHECK(count > 10 && count < MAX_MESSAGES);
	for (uint32_t i = 1; i <= 3 * count; i++) {
		delay_us = i % 3 * 60;
		(void)set_up_with_a_death(1 + i % count, 0);
	}
	printf("    %u messages\n", count);
	close_world();
}

static void a_set_up_completes_when_it_dies_in_the_middle_of_any_message(void)
{
	static const size_t cuts[] = {1, 11, 12, 15};
	uint32_t count;

	open_world();
	count = set_up_without_a_death();
	for (uint32_t i = 1; i <= count; i++)
		(void)set_up_with_a_death(i, cuts[i % ARRAY_SIZE(cuts)]);
	printf("    %u messages\n", count);
	close_world();
}

/* --- a storm --- */

static uint32_t kills_wanted(void)
{
	const char *text = getenv("HF_KILLS");

	return text ? (uint32_t)strtoul(text, NULL, 10) : KILLS;
}

/* The last few lives need not be alike: a descriptor may still be on its way. */
static void check_ledger(pid_t pid, size_t *fds, size_t *maps)
{
	if (*fds) {
		CHECK(world_fds_become(pid, *fds));
		CHECK(world_maps_become(pid, -1, *maps));
		return;
	}
	world_rest(&world);
	*fds = world_fds(pid, -1);
	*maps = world_maps(pid, -1);
}

static void no_packet_is_lost_in_a_storm_of_deaths(void)
{
	size_t parent_fds = 0, parent_maps = 0, fds = 0, maps = 0;
	uint32_t missing = 0, kills = kills_wanted();

	open_world();
	open_session();
	for (uint32_t i = 0; i < kills; i++) {
		kill_primary();
		missing += front_end_echo(&fe, 0, &next, 2000);
		check_answers();
		missing += front_end_echo(&fe, 0, &next, 100 + i % 7 * 300);
		if (i % 10 == 3) {
			check_ledger(world.primary, &parent_fds, &parent_maps);
			check_ledger(world_ask_pid(&world, NULL), &fds, &maps);
		}
	}
	CHECK_EQ(missing, 0);
	printf("    %u deaths, %u packets, %u missing or out of order\n", kills, next, missing);
	close_session();
	close_world();
}

static void a_primary_that_dies_while_it_takes_over_is_taken_over(void)
{
	open_world();
	open_session();
	for (uint32_t i = 0; i < 10; i++) {
		kill_primary();
		usleep(i * 700);
		kill_primary();
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	}
	check_answers();
	CHECK_EQ(front_end_stop_ring(&fe, 1), driver_used_idx(&fe.rings[1]));
	close_session();
	close_world();
}

static void who_died_or_left_meanwhile_is_noticed(void)
{
	open_world();
	open_session();
	kill_primary();
	front_end_close(&fe);
	world_signal_echo(&world, 0, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	check_answers();
	world_start_echo(&world, 1, "second", "vswitch", all);
	next = 0;
	open_session();
	close_session();
	close_world();
}

static void standbys_and_drains_outlive_it(void)
{
	open_world();
	open_session();
	world_start_echo(&world, 1, "spare", "standby", all);
	CHECK(world_maps_become(world.secondaries[1].pid, fe.guest.fd, 1)); /* prepared */
	kill_primary();
	check_answers();
	CHECK_EQ(world_handed_over(world_hand_over(&world, "p0", "spare"), NULL), 1);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK_EQ(world_handed_over(world_drain(&world, "spare", false), NULL), 1);
	kill_primary();
	check_answers();
	/* It still knows that the other one is drained. */
	CHECK_EQ(world_handed_over(world_drain(&world, "echo", false), NULL), -EBUSY);
	CHECK_EQ(world_handed_over(world_hand_over(&world, "p0", "spare"), NULL), 1);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	/* Both at once: the one that waits goes on. */
	kill_primary();
	world_signal_echo(&world, 1, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, 1), SIGKILL);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	check_answers();
	close_session();
	close_world();
}

static void what_was_survived_is_counted_on(void)
{
	open_world();
	open_session();
	world_start_echo(&world, 1, "spare", "standby", all);
	CHECK(world_maps_become(world.secondaries[1].pid, fe.guest.fd, 1)); /* prepared */
	CHECK_EQ(world_handed_over(world_hand_over(&world, "p0", "spare"), NULL), 1);
	CHECK_EQ(world_counter(&world, "handovers"), 1);
	kill_primary();
	check_answers();
	CHECK_EQ(world_counter(&world, "handovers"), 1);
	CHECK(world_counter(&world, "longest_handover_ns") > 0);
	world_signal_echo(&world, 1, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, 1), SIGKILL);
	CHECK(world_counter_becomes(&world, "takeovers", 1));
	kill_primary();
	check_answers();
	CHECK_EQ(world_counter(&world, "handovers"), 1);
	CHECK_EQ(world_counter(&world, "takeovers"), 1);
	close_session();
	close_world();
}

static const struct sentence sentences[] = {
	SENTENCE(an_idle_session_outlives_its_primary),
	CATALOGUE(a_set_up_completes_whatever_message_the_primary_dies_at, "[F-3]"),
	SENTENCE_OF("vhost-user", a_set_up_completes_when_it_dies_in_the_middle_of_any_message),
	CATALOGUE(no_packet_is_lost_in_a_storm_of_deaths, "[F-3]"),
	CATALOGUE(a_primary_that_dies_while_it_takes_over_is_taken_over, "[X-5]"),
	SENTENCE(who_died_or_left_meanwhile_is_noticed),
	SENTENCE(standbys_and_drains_outlive_it),
	SENTENCE(what_was_survived_is_counted_on),
};
SUITE("resume", sentences)
