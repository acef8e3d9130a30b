/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secondary that scribbles over everything it can write, while it is attached and runs a guest's
 * rings: the primary and the other secondary's guest lose nothing. Its own guest may lose all, and
 * is served by the next one when it sets up its rings again.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alive.h"
#include "check.h"
#include "clock.h"
#include "suite.h"

#define PLACE 1u /* in the world, of who scribbles */

static struct alive a;
static struct front_end bad;

/* It serves "bad" only, and is given it; returns when it scribbles. */
static void let_it_scribble(void)
{
	const char *argv[] = {getenv("SCRIBBLE"), a.world.dir, "scribbler", "bad", NULL};

	alive_give(&a, PLACE, argv);
	/* Of other people's it has nothing to write to. */
	CHECK_EQ(world_maps(a.world.secondaries[PLACE].pid, a.neighbour.guest.fd), 0);
}

static void kill_it(void)
{
	int killed;

	/* It may have been fenced by now. */
	world_signal_echo(&a.world, PLACE, SIGKILL);
	killed = world_reap_echo(&a.world, PLACE);
	CHECK_EQ(killed, SIGKILL);
	CHECK(world_secondaries_become(&a.world, 1));
}

/* HF_TEST_LONG=1: a minute. */
static void watch_it(void)
{
	uint64_t until = hf_now_ns() + (suite_is_long() ? 60 : 1) * NS_PER_S;
	unsigned int looks = 0;

	while (hf_now_ns() < until || looks < 5) {
		alive_check_neighbour(&a);
		CHECK(world_counter(&a.world, "lives") == 1);
		looks++;
	}
}

static void who_scribbles_over_its_lane_harms_its_own_guest_only(void)
{
	alive_open(&a, NULL);
	alive_set_up(&a, &bad);
	let_it_scribble();
	watch_it();
	kill_it();
	alive_check_neighbour(&a);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

/* Each thing that a front-end may ask for makes the primary read what was scribbled. */
static void front_ends_of_who_scribbles_are_answered(void)
{
	alive_open(&a, NULL);
	for (int round = 0; round < 3; round++) {
		alive_set_up(&a, &bad);
		let_it_scribble();
		CHECK_EQ(front_end_set_memory(&bad), 0);
		CHECK_EQ(front_end_state(&bad, FE_SET_VRING_ENABLE, 0, 0), 0);
		CHECK_EQ(front_end_state(&bad, FE_SET_VRING_ENABLE, 0, 1), 0);
		for (uint32_t ring = 0; ring < 2; ring++) {
			int base = front_end_stop_ring(&bad, ring);

			CHECK(base >= 0 && base <= UINT16_MAX);
		}
		alive_check_neighbour(&a);
		kill_it();
		front_end_close(&bad);
		alive_check(&a);
	}
	alive_close(&a);
}

static void its_guest_is_served_again_by_the_next(void)
{
	uint32_t number = 0;

	alive_open(&a, NULL);
	alive_set_up(&a, &bad);
	let_it_scribble();
	alive_check_neighbour(&a);
	kill_it();
	CHECK(world_counter_becomes(&a.world, "refused.lane_out_of_range", 1));
	REQUIRE(front_end_begin_again(&bad) == 0);
	front_end_post_buffers(&bad, 0);
	CHECK_EQ(front_end_echo(&bad, 0, &number, 200), 0);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

static const struct sentence sentences[] = {
	CATALOGUE(who_scribbles_over_its_lane_harms_its_own_guest_only, "[C-8]"),
	CATALOGUE(front_ends_of_who_scribbles_are_answered, "[C-8]"),
	CATALOGUE(its_guest_is_served_again_by_the_next, "[C-8]"),
};
SUITE("scribble", sentences)
