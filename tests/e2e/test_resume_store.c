/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primary dies when not all is well with who keeps its descriptors: a supervisor that stands
 * still, sockets' files that were removed.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "front_end.h"
#include "suite.h"
#include "world.h"

static struct world world;
static struct front_end fe;
static uint32_t next;
static const char *const all[] = {"*", NULL};
static const char *const arguments[] = {"--supervise", "--no-huge-pages", "--port", "p0", NULL};

static void open_session(void)
{
	static const struct session_shape shape;

	next = 0;
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
}

static void open_world(void)
{
	world_open(&world, arguments);
	open_session();
	/* All that belongs to the session is kept by now: who answers has waited for that. */
	REQUIRE(world_ask_pid(&world, NULL) > 0);
}

static void close_world(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
	world_close(&world);
}

/* A stopped supervisor, and more to tell it than its socket holds. */
static void stop_holder(void)
{
	usleep(200000);
	CHECK_EQ(kill(world.primary, SIGSTOP), 0);
	for (int i = 0; i < 4; i++) {
		world_start_echo(&world, 1, "filler", "vswitch", all);
		CHECK_EQ(front_end_echo(&fe, 0, &next, 10), 0);
		CHECK_EQ(world_stop_echo(&world, 1), 0);
	}
}

static void a_switch_that_nobody_kept_is_dead_before_its_rings_are_anothers(void)
{
	pid_t primary;

	open_world();
	primary = world_ask_pid(&world, NULL);
	stop_holder();
	world_start_echo(&world, 0, "echo", "vswitch", all);
	CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
	CHECK_EQ(kill(primary, SIGKILL), 0);
	CHECK_EQ(kill(world.primary, SIGCONT), 0);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	world_start_echo(&world, 2, "other", "vswitch", all);
	CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
	CHECK_EQ(driver_used_idx(&fe.rings[1]), 240);
	close_world();
}

static void a_supervisor_that_stands_still_stops_no_front_end(void)
{
	uint64_t features = 0;

	open_world();
	stop_holder();
	CHECK(front_end_get_u64(&fe, FE_GET_FEATURES, &features) >= 0);
	CHECK(features != 0);
	CHECK_EQ(kill(world.primary, SIGCONT), 0);
	/* When what waited has arrived a death is survived again. */
	world_rest(&world);
	CHECK_EQ(kill(world_ask_pid(&world, NULL), SIGKILL), 0);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
	close_world();
}

static void sockets_whose_files_were_removed_are_there_again_after_a_death(void)
{
	static const char *const names[] = {"attach", "control", "p0"};
	pid_t primary;

	open_world();
	primary = world_ask_pid(&world, NULL);
	for (size_t i = 0; i < 3; i++)
		CHECK_EQ(unlink(world_port_path(&world, names[i])), 0);
	CHECK_EQ(kill(primary, SIGKILL), 0);
	CHECK(world_ask_pid(&world, NULL) > 0);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
	/* And the next front-end finds the port. */
	front_end_close(&fe);
	open_session();
	CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
	close_world();
}

static const struct sentence sentences[] = {
	SENTENCE(a_switch_that_nobody_kept_is_dead_before_its_rings_are_anothers),
	SENTENCE(a_supervisor_that_stands_still_stops_no_front_end),
	SENTENCE(sockets_whose_files_were_removed_are_there_again_after_a_death),
};
SUITE("resume_store", sentences)
