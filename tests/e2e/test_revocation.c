/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking rings back while packets fly: stop, new memory table, disable, death of the secondary,
 * and one that does not answer.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS 500u
#define TRIES	5u /* to stop a process outside of a burst */

static struct world world;
static struct front_end fe;
static uint32_t next;
static const char *const all[] = {"*", NULL};
static const char *const port[] = {"--port", "p0", "--fence-deadline", "300", NULL};

static void open_all(const struct session_shape *shape)
{
	static const struct session_shape plain;

	world_open(&world, port);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, shape ? shape : &plain) == 0);
	front_end_post_buffers(&fe, 0);
	next = 0;
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
}

static void close_all(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
	world_close(&world);
}

/* Does nobody write any more? Everything is believed now, and looked at again later. */
static void check_silence(void)
{
	guest_declare(&fe.guest, 0, fe.guest.size, false);
	front_end_send_packets(&fe, 0, next + 500, 20);
	usleep(50000);
	CHECK_EQ(guest_strays(&fe.guest), 0);
	for (uint32_t i = 0; i < 2; i++)
		driver_declare(&fe.rings[i]);
}

/* Buffers that the back-end had are its to write again. */
static void declare_buffers_again(void)
{
	guest_declare(&fe.guest, fe.buffers, fe.guest.size - fe.buffers, true);
}

static void wait_until_all_was_taken(void)
{
	uint32_t wrong = 0;

	for (int i = 0; i < 20000 && driver_used_idx(&fe.rings[1]) != fe.rings[1].avail_idx; i++)
		usleep(1000);
	CHECK_EQ(driver_used_idx(&fe.rings[1]), fe.rings[1].avail_idx);
	usleep(2000);
	front_end_receive_packets(&fe, 0, &next, &wrong);
	CHECK_EQ(wrong, 0);
}

static void stop_answers_exactly_what_the_guest_sees_consumed(void)
{
	uint32_t wrong = 0;

	open_all(NULL);
	for (int round = 0; round < 50; round++) {
		uint16_t bases[2];

		next += 1000;
		front_end_send_packets(&fe, 0, next, 100);
		for (uint32_t ring = 0; ring < 2; ring++) {
			int base = front_end_stop_ring(&fe, 1 - ring);

			REQUIRE(base >= 0);
			CHECK_EQ(base, driver_used_idx(&fe.rings[1 - ring]));
			bases[1 - ring] = (uint16_t)base;
		}
		if (round % 10 == 0)
			check_silence();
		CHECK_EQ(driver_used_idx(&fe.rings[0]), bases[0]);
		CHECK_EQ(driver_used_idx(&fe.rings[1]), bases[1]);
		declare_buffers_again();
		for (uint32_t ring = 0; ring < 2; ring++) {
			REQUIRE(front_end_start_ring(&fe, ring, bases[ring]) == 0);
			CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, ring, 1), 0);
		}
		/* What was under way comes, or came; then all of the new. */
		for (int i = 0; i < 100 && driver_used_idx(&fe.rings[1]) != fe.rings[1].avail_idx;
		     i++)
			usleep(1000);
		usleep(2000);
		front_end_receive_packets(&fe, 0, &next, &wrong);
		next += 1000;
		CHECK_EQ(front_end_echo(&fe, 0, &next, 50), 0);
	}
	CHECK_EQ(wrong, 0);
	close_all();
}

static void a_stopped_ring_stays_stopped_until_it_is_set_up_again(void)
{
	open_all(NULL);
	for (uint32_t ring = 0; ring < 2; ring++)
		CHECK_EQ(front_end_stop_ring(&fe, ring), driver_used_idx(&fe.rings[ring]));
	check_silence();
	close_all();
}

static void the_memory_table_may_change_between_any_two_packets(void)
{
	open_all(NULL);
	for (int round = 0; round < 50; round++) {
		front_end_send_packets(&fe, 0, next, 20);
		CHECK_EQ(front_end_set_memory(&fe), 0);
		/* What flew is lost at most; what comes is whole. */
		for (int i = 0; i < 20000 && driver_used_idx(&fe.rings[1]) != fe.rings[1].avail_idx;
		     i++)
			usleep(1000);
		CHECK_EQ(driver_used_idx(&fe.rings[1]), fe.rings[1].avail_idx);
		usleep(1000);
		{
			uint32_t wrong = 0;

			front_end_receive_packets(&fe, 0, &next, &wrong);
			CHECK_EQ(wrong, 0);
		}
		next += 100;
		CHECK_EQ(front_end_echo(&fe, 0, &next, 50), 0);
		CHECK(world_maps_become(world.secondaries[0].pid, fe.guest.fd, 1));
	}
	close_all();
}

/* All there is, as QEMU does for a region whose size changes. */
static void memory_may_be_taken_away_and_given_back_between_any_two_packets(void)
{
	uint32_t wrong = 0;

	open_all(NULL);
	for (int round = 0; round < 50; round++) {
		uint16_t before;

		front_end_send_packets(&fe, 0, next, 100);
		CHECK_EQ(front_end_remove_region(&fe, 0), 0);
		/* It is nobody's from the answer on. */
		guest_declare(&fe.guest, 0, fe.guest.size, false);
		before = driver_used_idx(&fe.rings[1]);
		CHECK(world_maps_become(world.secondaries[0].pid, fe.guest.fd, 0));
		CHECK_EQ(guest_strays(&fe.guest), 0);
		CHECK_EQ(driver_used_idx(&fe.rings[1]), before);
		for (uint32_t i = 0; i < 2; i++)
			driver_declare(&fe.rings[i]);
		declare_buffers_again();
		CHECK_EQ(front_end_add_region(&fe, 0), 0);
		wait_until_all_was_taken();
		front_end_receive_packets(&fe, 0, &next, &wrong);
		next += 1000;
		CHECK_EQ(front_end_echo(&fe, 0, &next, 50), 0);
		CHECK(world_maps_become(world.secondaries[0].pid, fe.guest.fd, 1));
	}
	CHECK_EQ(wrong, 0);
	close_all();
}

static void a_disabled_ring_supplies_nothing_and_comes_back(void)
{
	uint16_t before;

	open_all(NULL);
	for (int round = 0; round < 20; round++) {
		CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, 0, 0), 0);
		CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, 1, 0), 0);
		before = driver_used_idx(&fe.rings[0]);
		front_end_send_packets(&fe, 0, next, 20);
		for (int i = 0; i < 20000 && driver_used_idx(&fe.rings[1]) != fe.rings[1].avail_idx;
		     i++)
			usleep(1000);
		/* Discarded, not stuck, and nothing echoed. */
		CHECK_EQ(driver_used_idx(&fe.rings[1]), fe.rings[1].avail_idx);
		CHECK_EQ(driver_used_idx(&fe.rings[0]), before);
		CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, 0, 1), 0);
		CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, 1, 1), 0);
		next += 20;
		CHECK_EQ(front_end_echo(&fe, 0, &next, 50), 0);
	}
	close_all();
}

static void a_killed_secondary_costs_a_burst_at_most(void)
{
	open_all(NULL);
	for (int round = 0; round < 20; round++) {
		uint32_t wrong = 0;

		next += 1000;
		front_end_send_packets(&fe, 0, next, 120);
		if (round % 2)
			usleep((unsigned int)round * 50);
		world_signal_echo(&world, 0, SIGKILL);
		CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
		world_start_echo(&world, 0, "echo", "vswitch", all);
		for (int i = 0; i < 20000 && driver_used_idx(&fe.rings[1]) != fe.rings[1].avail_idx;
		     i++)
			usleep(1000);
		/* Every chain that was sent came back, none is stuck. */
		CHECK_EQ(driver_used_idx(&fe.rings[1]), fe.rings[1].avail_idx);
		usleep(2000);
		front_end_receive_packets(&fe, 0, &next, &wrong);
		CHECK_EQ(wrong, 0);
		next += 1000;
		CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
	}
	close_all();
}

static void a_standby_takes_over_when_the_owner_is_killed(void)
{
	open_all(NULL);
	world_start_echo(&world, 1, "spare", "standby", all);
	CHECK(world_maps_become(world.secondaries[1].pid, fe.guest.fd, 1)); /* prepared */
	world_signal_echo(&world, 0, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	next += 1000;
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK_EQ(world_maps(world.secondaries[1].pid, fe.guest.fd), 1);
	close_all();
}

static void a_secondary_that_leaves_hands_over_without_loss(void)
{
	open_all(NULL);
	for (int round = 0; round < 5; round++) {
		CHECK_EQ(world_stop_echo(&world, 0), 0);
		world_start_echo(&world, 0, "echo", "vswitch", all);
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	}
	close_all();
}

/* Leave the secondary stopped in the middle of a dequeue burst of 32. */
static void stop_in_a_burst(void)
{
	CHECK_EQ(driver_consume_all(&fe.rings[1]), 0);
	world_trap_echo(&world, 0);
	front_end_send_packets(&fe, 0, next, 32);
	REQUIRE(world_echo_stopped(&world, 0));
}

static void restart_rings(void)
{
	for (uint32_t ring = 0; ring < 2; ring++) {
		REQUIRE(front_end_start_ring(&fe, ring, driver_used_idx(&fe.rings[ring])) == 0);
		CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, ring, 1), 0);
	}
}

static void a_secondary_stopped_in_a_burst_is_fenced_and_its_rings_go_on(void)
{
	uint16_t before;

	open_all(NULL);
	front_end_send_packets(&fe, 0, next, 0);
	before = driver_used_idx(&fe.rings[1]);
	stop_in_a_burst();
	CHECK_EQ(front_end_stop_ring(&fe, 1), before);
	/* Answered only when it was dead. */
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	CHECK_EQ(front_end_stop_ring(&fe, 0), driver_used_idx(&fe.rings[0]));
	check_silence();
	declare_buffers_again();
	world_start_echo(&world, 0, "echo", "vswitch", all);
	restart_rings();
	wait_until_all_was_taken();
	next += 1000;
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	close_all();
}

/* It goes on when the primary is about to have it killed, a little before or a little after; true:
 * it gave its rings back in time. */
static bool wake_while_it_is_fenced(unsigned int after_ms)
{
	uint32_t state[2] = {1, 0};
	bool lives;

	front_end_send_packets(&fe, 0, next, 0); /* what came back is taken */
	stop_in_a_burst();
	CHECK_EQ(front_end_stop_ring(&fe, 0), driver_used_idx(&fe.rings[0]));
	REQUIRE(front_end_send(&fe, FE_GET_VRING_BASE, 0, state, sizeof(state), NULL, 0) == 0);
	usleep(1000 * after_ms);
	world_signal_echo(&world, 0, SIGCONT);
	CHECK_EQ(front_end_reply(&fe, FE_GET_VRING_BASE, state, sizeof(state)), 8);
	guest_declare(&fe.guest, 0, fe.guest.size, false);
	CHECK_EQ((uint16_t)state[1], driver_used_idx(&fe.rings[1]));
	usleep(50000);
	CHECK_EQ(guest_strays(&fe.guest), 0);
	lives = world_counter(&world, "fencings") == 0;
	for (uint32_t i = 0; i < 2; i++)
		driver_declare(&fe.rings[i]);
	declare_buffers_again();
	return lives;
}

static void who_wakes_up_while_it_is_fenced_writes_nothing_behind_the_answer(void)
{
	/* The last one is far behind any deadline. */
	static const unsigned int after_ms[] = {1, 290, 297, 299, 300, 301, 303, 310, 2000};
	unsigned int lived = 0;

	for (size_t i = 0; i < ARRAY_SIZE(after_ms); i++) {
		bool lives;

		open_all(NULL);
		lives = wake_while_it_is_fenced(after_ms[i]);
		lived += lives;
		if (!lives) {
			CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
			world_start_echo(&world, 0, "echo", "vswitch", all);
		}
		restart_rings();
		wait_until_all_was_taken();
		next += 1000;
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
		close_all();
	}
	printf("    %u of %zu were in time\n", lived, ARRAY_SIZE(after_ms));
	CHECK(lived < ARRAY_SIZE(after_ms));
}

/* Idle, it is hardly ever in a burst; where it is, the fence takes it. False: so it did. */
static bool stop_rings_of_who_is_stopped(void)
{
	world_signal_echo(&world, 0, SIGSTOP);
	REQUIRE(world_echo_stopped(&world, 0));
	CHECK_EQ(front_end_stop_ring(&fe, 1), driver_used_idx(&fe.rings[1]));
	CHECK_EQ(front_end_stop_ring(&fe, 0), driver_used_idx(&fe.rings[0]));
	return world_counter(&world, "fencings") == 0;
}

static void a_secondary_stopped_outside_a_burst_is_left_alone(void)
{
	unsigned int in_a_burst = 0;

	open_all(NULL);
	while (!stop_rings_of_who_is_stopped() && ++in_a_burst < TRIES) {
		CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
		close_all();
		open_all(NULL);
	}
	REQUIRE(in_a_burst < TRIES);
	check_silence();
	world_signal_echo(&world, 0, SIGCONT);
	usleep(20000);
	CHECK_EQ(driver_after(&fe.rings[1], driver_used_idx(&fe.rings[1]), 20),
		 fe.rings[1].avail_idx);
	declare_buffers_again();
	restart_rings();
	wait_until_all_was_taken();
	next += 1000;
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	close_all();
}

static void kill_in_a_burst(void)
{
	stop_in_a_burst();
	world_signal_echo(&world, 0, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
}

static void exit_in_a_burst(void)
{
	CHECK_EQ(driver_consume_all(&fe.rings[1]), 0);
	world_exit_echo(&world, 0);
	front_end_send_packets(&fe, 0, next, 32);
	CHECK_EQ(world_reap_echo(&world, 0), 0);
}

static void check_that_nothing_but_its_copy_is_lost(void (*end_in_a_burst)(void))
{
	open_all(NULL);
	for (int round = 0; round < 5; round++) {
		uint32_t first = next, wrong = 0;
		uint16_t before;

		front_end_send_packets(&fe, 0, next, 0);
		before = driver_used_idx(&fe.rings[1]);
		end_in_a_burst();
		CHECK_EQ(driver_used_idx(&fe.rings[1]), before);
		world_start_echo(&world, 0, "echo", "vswitch", all);
		/* Nothing of the burst was published: the successor sends all 32 back. */
		wait_until_all_was_taken();
		for (int i = 0; i < 20000 && next < first + 32; i++) {
			usleep(1000);
			front_end_receive_packets(&fe, 0, &next, &wrong);
		}
		CHECK_EQ(next, first + 32);
		CHECK_EQ(wrong, 0);
		CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
	}
	close_all();
}

static void a_secondary_killed_in_a_burst_loses_nothing_but_its_copy(void)
{
	check_that_nothing_but_its_copy_is_lost(kill_in_a_burst);
}

static void a_secondary_that_exits_in_a_burst_loses_nothing_but_its_copy(void)
{
	check_that_nothing_but_its_copy_is_lost(exit_in_a_burst);
}

static const struct sentence sentences[] = {
	CATALOGUE(stop_answers_exactly_what_the_guest_sees_consumed, "[48]"),
	SENTENCE(a_stopped_ring_stays_stopped_until_it_is_set_up_again),
	CATALOGUE(the_memory_table_may_change_between_any_two_packets, "[5] [37]"),
	CATALOGUE_OF("vhost-user", memory_may_be_taken_away_and_given_back_between_any_two_packets,
		     "[37] [5]"),
	SENTENCE_OF("vhost-user", a_disabled_ring_supplies_nothing_and_comes_back),
	CATALOGUE(a_killed_secondary_costs_a_burst_at_most, "[F-1]"),
	SENTENCE(a_standby_takes_over_when_the_owner_is_killed),
	SENTENCE(a_secondary_that_leaves_hands_over_without_loss),
	CATALOGUE(a_secondary_stopped_in_a_burst_is_fenced_and_its_rings_go_on, "[F-2]"),
	CATALOGUE_OF("vhost-user", who_wakes_up_while_it_is_fenced_writes_nothing_behind_the_answer,
		     "[F-2]"),
	CATALOGUE(a_secondary_stopped_outside_a_burst_is_left_alone, "[F-2]"),
	CATALOGUE(a_secondary_killed_in_a_burst_loses_nothing_but_its_copy, "[F-1] [F-6]"),
	CATALOGUE(a_secondary_that_exits_in_a_burst_loses_nothing_but_its_copy, "[F-1]"),
};
SUITE("revocation", sentences)
