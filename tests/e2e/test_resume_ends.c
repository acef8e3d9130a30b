/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primary dies while something ends: a session that was refused, a port that is removed. What
 * was going to end ends, also after a second death, and nothing else does.
 *
 * The burst of a secondary that stopped itself in its middle holds the end up: what is revoked
 * waits for it until the fence's deadline.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS 200u

static struct world world;
static struct front_end fe;
static uint32_t next;
static const char *const all[] = {"*", NULL};
static const char *const arguments[] = {"--supervise", "--no-huge-pages", "--fence-deadline",
					"1500", NULL};

static void kill_primary(void)
{
	pid_t pid = world_ask_pid(&world, NULL);

	REQUIRE(pid > 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
}

static void open_world(void)
{
	world_open(&world, arguments);
	REQUIRE(world_ask_pid(&world, NULL) > 0);
	next = 0;
}

static void set_up(void)
{
	static const struct session_shape shape;

	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
}

static void open_session(const char *port)
{
	REQUIRE(front_end_connect(&fe, world_port_path(&world, port)) == 0);
	set_up();
}

/* The echo stops in the middle of a burst on ring 1. */
static void stop_in_a_burst(void)
{
	world_trap_echo(&world, 0);
	REQUIRE(front_end_send_packets(&fe, 0, next, 20) == 20);
	REQUIRE(world_echo_stopped(&world, 0));
}

static void echo_was_fenced(void)
{
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
}

/* A number for a ring that runs, and no answer wanted: the session is over. */
static void be_refused(void)
{
	const uint32_t state[2] = {1, 128};
	uint64_t before = world_counter(&world, "refused.vring_state");

	REQUIRE(front_end_send(&fe, FE_SET_VRING_NUM, 0, state, sizeof(state), NULL, 0) == 0);
	REQUIRE(world_counter_becomes(&world, "refused.vring_state", before + 1));
}

static void still_serves(const char *port)
{
	next = 0;
	world_start_echo(&world, 1, "second", "vswitch", all);
	open_session(port);
	front_end_close(&fe);
}

static void a_refused_session_ends_however_often_the_primary_dies(void)
{
	for (int deaths = 1; deaths <= 3; deaths++) {
		open_world();
		world_add_port(&world, "p0", false, NULL);
		world_start_echo(&world, 0, "echo", "vswitch", all);
		open_session("p0");
		stop_in_a_burst();
		be_refused();
		for (int i = 0; i < deaths; i++)
			kill_primary();
		CHECK(front_end_is_closed(&fe));
		front_end_close(&fe);
		echo_was_fenced();
		still_serves("p0");
		world_close(&world);
	}
}

static void a_message_behind_a_refused_one_is_not_waited_for(void)
{
	uint64_t features;

	open_world();
	world_add_port(&world, "p0", false, NULL);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	open_session("p0");
	CHECK_EQ(front_end_stop_ring(&fe, 0), driver_used_idx(&fe.rings[0]));
	REQUIRE(front_end_get_u64(&fe, FE_GET_FEATURES, &features) == 0);
	stop_in_a_burst();
	be_refused();
	REQUIRE(front_end_send(&fe, FE_GET_FEATURES, 0, NULL, 0, NULL, 0) == 0);
	kill_primary();
	CHECK(front_end_is_closed(&fe));
	front_end_close(&fe);
	echo_was_fenced();
	world_close(&world);
}

/* --- descriptors that run short --- */

/* From now on that process can open so many descriptors more. */
static bool leave_descriptors(pid_t pid, unsigned int count)
{
	struct rlimit limit;
	char path[64];

	if (prlimit(pid, RLIMIT_NOFILE, NULL, &limit) < 0)
		return false;
	for (limit.rlim_cur = 0; count; limit.rlim_cur++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%lu", pid, limit.rlim_cur);
		count -= access(path, F_OK) < 0 && errno == ENOENT;
	}
	return prlimit(pid, RLIMIT_NOFILE, &limit, NULL) == 0;
}

/* Taken, it would be a ring without interrupt after the primary's death, silently. */
static void a_descriptor_that_could_not_be_kept_is_refused_and_its_session_goes_on(void)
{
	pid_t pid;

	open_world();
	world_add_port(&world, "p0", false, NULL);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	open_session("p0");
	pid = world_ask_pid(&world, NULL);
	world_rest(&world);
	/* For the message; none for the store. Ring 2 has no call descriptor that would be freed.
	 */
	REQUIRE(leave_descriptors(pid, 1));
	CHECK_EQ(front_end_set_fd(&fe, FE_SET_VRING_CALL, 2), 1);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	REQUIRE(kill(pid, SIGKILL) == 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK_EQ(front_end_set_fd(&fe, FE_SET_VRING_CALL, 2), 0); /* the new one has room */
	front_end_close(&fe);
	still_serves("p0");
	world_close(&world);
}

/* --- a message that is the primary's death --- */

static void open_poisoned_world(void)
{
	const char *holdfastd = getenv("HOLDFASTD"), *poison = getenv("POISON");

	REQUIRE(holdfastd && poison);
	setenv("POISONED", holdfastd, 1);
	setenv("HOLDFASTD", poison, 1);
	open_world();
	setenv("HOLDFASTD", getenv("POISONED"), 1);
}

static void a_message_that_kills_each_primary_ends_its_session_only(void)
{
	static const struct session_shape shape;
	struct front_end other;
	uint64_t features;

	open_poisoned_world();
	world_add_port(&world, "p0", false, NULL);
	world_add_port(&world, "p1", false, NULL);
	REQUIRE(front_end_connect(&other, world_port_path(&world, "p1")) == 0);
	REQUIRE(front_end_get_u64(&other, FE_GET_FEATURES, &features) == 0);
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	CHECK_EQ(front_end_setup(&fe, &shape), -ECONNRESET);
	front_end_close(&fe);
	CHECK_EQ(front_end_get_u64(&other, FE_GET_FEATURES, &features), 0);
	/* The next one on that port begins anew. */
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	CHECK_EQ(front_end_get_u64(&fe, FE_GET_FEATURES, &features), 0);
	front_end_close(&fe);
	front_end_close(&other);
	world_close(&world);
}

/* --- ports --- */

static void a_port_removed_in_the_middle_of_a_message_stays_removed(void)
{
	const uint32_t state[2] = {1, 0};

	open_world();
	world_add_port(&world, "p0", false, NULL);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	open_session("p0");
	stop_in_a_burst();
	REQUIRE(front_end_send(&fe, FE_GET_VRING_BASE, 0, state, sizeof(state), NULL, 0) == 0);
	/* In this order: the stop is in hand when the port goes. */
	usleep(50000);
	CHECK_EQ(world_del_port(&world, "p0"), 0);
	kill_primary();
	CHECK(!world_has_port(&world, "p0"));
	CHECK(front_end_is_closed(&fe));
	CHECK(!world_has_port(&world, "p0"));
	CHECK_EQ(access(world_port_path(&world, "p0"), F_OK), -1);
	front_end_close(&fe);
	echo_was_fenced();
	/* The name is free, and so is the place. */
	world_add_port(&world, "p0", false, NULL);
	kill_primary();
	still_serves("p0");
	world_close(&world);
}

static void a_new_port_of_a_removed_ones_name_stays(void)
{
	open_world();
	world_add_port(&world, "first", false, NULL);
	world_add_port(&world, "p0", false, NULL);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	open_session("p0");
	stop_in_a_burst();
	CHECK_EQ(world_del_port(&world, "p0"), 0);
	/* The new one gets the lower place, and is found before the old one. */
	CHECK_EQ(world_del_port(&world, "first"), 0);
	world_add_port(&world, "p0", false, NULL);
	kill_primary();
	CHECK(world_has_port(&world, "p0"));
	CHECK(front_end_is_closed(&fe));
	front_end_close(&fe);
	echo_was_fenced();
	still_serves("p0");
	world_close(&world);
}

/* --- a port that connects --- */

static bool somebody_connects(int listener, int ms)
{
	struct pollfd waiting = {.fd = listener, .events = POLLIN};

	return poll(&waiting, 1, ms) == 1;
}

/* The primary stands still, the burst ends, the primary dies: its successor finds a session that
 * was ending and for which nothing has to be waited. */
static void die_with_an_end_half_done(void)
{
	pid_t pid = world_ask_pid(&world, NULL);

	stop_in_a_burst();
	be_refused();
	REQUIRE(kill(pid, SIGSTOP) == 0);
	world_signal_echo(&world, 0, SIGCONT);
	usleep(50000);
	REQUIRE(kill(pid, SIGKILL) == 0);
}

static void a_port_that_connects_has_one_session_after_a_death(void)
{
	char path[128];
	uint64_t features;
	int listener;

	open_world();
	snprintf(path, sizeof(path), "%s/front.sock", world.dir);
	listener = front_end_listen(path);
	REQUIRE(listener >= 0);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	world_add_port(&world, "c0", true, path);
	REQUIRE(front_end_accept(&fe, listener) == 0);
	set_up();
	die_with_an_end_half_done();
	CHECK(front_end_is_closed(&fe));
	front_end_close(&fe);
	REQUIRE(front_end_accept(&fe, listener) == 0);
	CHECK(!somebody_connects(listener, 500));
	CHECK_EQ(front_end_get_u64(&fe, FE_GET_FEATURES, &features), 0);
	next = 0;
	set_up();
	front_end_close(&fe);
	close(listener);
	world_close(&world);
}

static const struct sentence sentences[] = {
	SENTENCE(a_refused_session_ends_however_often_the_primary_dies),
	SENTENCE(a_message_behind_a_refused_one_is_not_waited_for),
	SENTENCE(a_descriptor_that_could_not_be_kept_is_refused_and_its_session_goes_on),
	CATALOGUE(a_message_that_kills_each_primary_ends_its_session_only, "[F-9]"),
	SENTENCE(a_port_removed_in_the_middle_of_a_message_stays_removed),
	SENTENCE(a_new_port_of_a_removed_ones_name_stays),
	SENTENCE(a_port_that_connects_has_one_session_after_a_death),
};
SUITE("resume_ends", sentences)
