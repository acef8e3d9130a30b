/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secondary that hangs, and nobody says a word: no command is given, no front-end asks. How long
 * the guest waited is printed and not judged.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define LIMIT_MS 1000u
#define TRIES	 3

static struct world world;
static struct front_end fe;
static uint32_t next;
static const char *const all[] = {"*", NULL};

static void start_spare(size_t index, const char *name)
{
	world_start_echo(&world, index, name, "standby", all);
	CHECK(world_maps_become(world.secondaries[index].pid, fe.guest.fd, 1)); /* prepared */
}

static void open_all(bool spare)
{
	static const char *const arguments[] = {
		"--port", "p0", "--hang-limit", "1000", "--fence-deadline", "300", NULL};
	static const struct session_shape shape;

	world_open(&world, arguments);
	world_start_echo(&world, 0, "a", "vswitch", all);
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	next = 0;
	CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
	(void)driver_consume_all(&fe.rings[1]);
	if (spare)
		start_spare(1, "b");
}

static void close_all(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
	world_close(&world);
}

static bool all_was_taken(void)
{
	for (int i = 0; i < 20000; i++) {
		if (driver_used_idx(&fe.rings[1]) == fe.rings[1].avail_idx)
			return true;
		usleep(1000);
	}
	return false;
}

/* What the hung one had taken may be lost; what comes is whole, in order, and comes once. */
static void settle(void)
{
	uint32_t wrong = 0;

	CHECK(all_was_taken());
	usleep(1000);
	front_end_receive_packets(&fe, 0, &next, &wrong);
	CHECK_EQ(wrong, 0);
	next += 1000;
}

/* Packets wait in the ring, until somebody else takes them. */
static void wait_for_relief(uint64_t takeovers)
{
	uint64_t begun = hf_now_ns();

	CHECK(world_counter_becomes(&world, "takeovers", takeovers));
	printf("(%llu ms) ", (unsigned long long)((hf_now_ns() - begun) / NS_PER_MS));
	settle();
	CHECK_EQ(front_end_echo(&fe, 0, &next, 300), 0);
}

/* With all rings stopped nobody may write any more, whoever wakes up. */
static void wake_under_stopped_rings(size_t index)
{
	for (uint32_t ring = 0; ring < 2; ring++)
		CHECK_EQ(front_end_stop_ring(&fe, 1 - ring), driver_used_idx(&fe.rings[1 - ring]));
	guest_declare(&fe.guest, 0, fe.guest.size, false);
	world_signal_echo(&world, index, SIGCONT);
	usleep(100000);
	CHECK_EQ(guest_strays(&fe.guest), 0);
	for (uint32_t i = 0; i < 2; i++)
		guest_declare(&fe.guest, fe.rings[i].used, driver_used_bytes(fe.rings[i].size),
			      true);
	guest_declare(&fe.guest, fe.buffers, fe.guest.size - fe.buffers, true);
	for (uint32_t ring = 0; ring < 2; ring++) {
		REQUIRE(front_end_start_ring(&fe, ring, driver_used_idx(&fe.rings[ring])) == 0);
		CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, ring, 1), 0);
	}
	CHECK_EQ(front_end_echo(&fe, 0, &next, 300), 0);
}

/* Is it attached, or was it killed in a burst that it was stopped in? */
static bool is_attached(size_t index)
{
	pid_t pids[8], running;
	size_t n = world_attached(&world, pids, ARRAY_SIZE(pids), &running);

	for (size_t i = 0; i < n; i++)
		if (pids[i] == world.secondaries[index].pid)
			return true;
	return false;
}

static void a_stopped_switch_is_relieved_and_stands_by_when_it_goes_on(void)
{
	static const char *const names[] = {"a", "b"};
	unsigned int killed = 0;

	open_all(true);
	for (unsigned int round = 0; round < 4; round++) {
		size_t owner = round % 2;

		world_signal_echo(&world, owner, SIGSTOP);
		REQUIRE(world_echo_stopped(&world, owner));
		front_end_send_packets(&fe, 0, next, 100);
		wait_for_relief(round + 1);
		if (is_attached(owner)) {
			wake_under_stopped_rings(owner);
			continue;
		}
		/* The stop hit it in a burst. */
		killed++;
		CHECK_EQ(world_reap_echo(&world, owner), SIGKILL);
		start_spare(owner, names[owner]);
	}
	printf("%u of 4 in a burst ", killed);
	CHECK_EQ(world_counter(&world, "fencings"), killed);
	close_all();
}

static void a_switch_stopped_in_a_burst_is_killed_and_never_writes_again(void)
{
	open_all(true);
	world_trap_echo(&world, 0);
	front_end_send_packets(&fe, 0, next, 32);
	REQUIRE(world_echo_stopped(&world, 0));
	wait_for_relief(1);
	wake_under_stopped_rings(0);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	CHECK_EQ(world_counter(&world, "fencings"), 1);
	close_all();
}

static void an_endless_loop_in_a_burst_is_ended_and_the_standby_goes_on(void)
{
	open_all(true);
	world_loop_echo(&world, 0);
	front_end_send_packets(&fe, 0, next, 32);
	wait_for_relief(1);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	CHECK_EQ(world_counter(&world, "fencings"), 1);
	close_all();
}

static void an_endless_loop_in_a_burst_is_ended_though_nobody_stands_by(void)
{
	open_all(false);
	world_loop_echo(&world, 0);
	front_end_send_packets(&fe, 0, next, 32);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	CHECK(world_counter_becomes(&world, "fencings", 1));
	world_start_echo(&world, 0, "a", "vswitch", all);
	settle();
	CHECK_EQ(front_end_echo(&fe, 0, &next, 300), 0);
	close_all();
}

static void a_switch_in_a_debugger_is_left_alone_if_nobody_stands_by(void)
{
	open_all(false);
	world_trap_echo(&world, 0);
	front_end_send_packets(&fe, 0, next, 32);
	REQUIRE(world_echo_stopped(&world, 0));
	usleep(4 * LIMIT_MS * 1000);
	CHECK(is_attached(0));
	world_signal_echo(&world, 0, SIGCONT);
	settle();
	CHECK_EQ(front_end_echo(&fe, 0, &next, 300), 0);
	CHECK_EQ(world_counter(&world, "fencings"), 0);
	close_all();
}

static void two_that_hang_do_not_relieve_each_other(void)
{
	open_all(true);
	world_signal_echo(&world, 1, SIGSTOP);
	REQUIRE(world_echo_stopped(&world, 1));
	world_trap_echo(&world, 0); /* in a burst, so that any attempt would kill it */
	front_end_send_packets(&fe, 0, next, 32);
	REQUIRE(world_echo_stopped(&world, 0));
	usleep(3 * LIMIT_MS * 1000);
	CHECK(is_attached(0));
	CHECK_EQ(world_counter(&world, "takeovers"), 0);
	world_signal_echo(&world, 0, SIGCONT);
	settle();
	CHECK_EQ(front_end_echo(&fe, 0, &next, 300), 0);
	world_signal_echo(&world, 1, SIGCONT);
	CHECK_EQ(world_counter(&world, "fencings"), 0);
	close_all();
}

/* It cannot know who was silent while it could not listen. */
/* False: it took longer than we wanted, and whoever did not move may well be taken for hung. */
static bool stop_the_primary(void)
{
	uint64_t since;
	bool in_time;

	CHECK_EQ(kill(world.primary, SIGSTOP), 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, 300), 0);
	usleep(2 * LIMIT_MS * 1000);
	/* Stopped as long as the primary, and a little longer. */
	world_signal_echo(&world, 0, SIGSTOP);
	since = hf_now_ns();
	CHECK_EQ(kill(world.primary, SIGCONT), 0);
	usleep(LIMIT_MS * 1000 / 4);
	world_signal_echo(&world, 0, SIGCONT);
	CHECK_EQ(front_end_echo(&fe, 0, &next, 300), 0);
	in_time = hf_now_ns() - since < LIMIT_MS * NS_PER_MS / 2;
	usleep(2 * LIMIT_MS * 1000);
	CHECK_EQ(front_end_echo(&fe, 0, &next, 300), 0);
	return in_time;
}

static void a_primary_that_was_stopped_takes_nobody_for_hung(void)
{
	bool in_time = false;

	for (int i = 0; i < TRIES && !in_time; i++) {
		open_all(true);
		in_time = stop_the_primary() && stop_the_primary();
		if (in_time) {
			CHECK_EQ(world_counter(&world, "takeovers"), 0);
			CHECK_EQ(world_counter(&world, "fencings"), 0);
		}
		close_all();
	}
	if (!in_time)
		printf("\n    skipped: the machine is too slow for it\n    ");
}

static const struct sentence sentences[] = {
	CATALOGUE(a_stopped_switch_is_relieved_and_stands_by_when_it_goes_on, "[F-2]"),
	CATALOGUE(a_switch_stopped_in_a_burst_is_killed_and_never_writes_again, "[F-2]"),
	CATALOGUE(an_endless_loop_in_a_burst_is_ended_and_the_standby_goes_on, "[F-2]"),
	CATALOGUE(an_endless_loop_in_a_burst_is_ended_though_nobody_stands_by, "[F-2]"),
	SENTENCE(a_switch_in_a_debugger_is_left_alone_if_nobody_stands_by),
	SENTENCE(two_that_hang_do_not_relieve_each_other),
	SENTENCE(a_primary_that_was_stopped_takes_nobody_for_hung),
};
SUITE("hang", sentences)
