/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings that nobody runs, over the primary's death: the owner dies with nobody waiting, then the
 * primary, before or after it noticed, and who attaches then goes on exactly where the rings stand.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "control.pb-c.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS	 200u
#define WAITING	 40u
#define ROUNDS	 10u
#define ORPHANED HOLDFAST__CONTROL__EVENT_KIND__PORT_ORPHANED

static struct world world;
static struct front_end fe;
static uint32_t next;
static const char *const all[] = {"*", NULL};

static void start(void)
{
	static uint32_t number;
	char name[16];

	snprintf(name, sizeof(name), "e%u", ++number);
	world_start_echo(&world, 0, name, "vswitch", all);
}

static void check_echo(void)
{
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
}

static void open_all(void)
{
	static const char *const arguments[] = {
		"--supervise", "--fence-deadline", "100", "--port", "p0", NULL};
	static const struct session_shape shape = {.base = 65500};

	world_open(&world, arguments);
	start();
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	next = 0;
	check_echo();
}

static void close_all(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
	world_close(&world);
}

static void kill_owner(void)
{
	world_signal_echo(&world, 0, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
}

static void kill_primary(void)
{
	pid_t pid = world_ask_pid(&world, NULL);

	CHECK_EQ(kill(pid, SIGKILL), 0);
}

static bool is_orphan(void)
{
	char detail[64];

	for (int i = 0; i < 20000; i++) {
		if (world_last_event(&world, ORPHANED, detail, sizeof(detail)))
			return true;
		usleep(1000);
	}
	return false;
}

/* Packets that wait in the ring are not lost and not seen twice: all come, in order. */
static void check_those_that_waited(void)
{
	uint32_t first = next, wrong = 0, came = 0;

	fe.echo_from = first;
	for (int i = 0; i < 20000 && came < WAITING; i++) {
		came += front_end_receive_packets(&fe, 0, &next, &wrong);
		usleep(1000);
	}
	CHECK_EQ(came, WAITING);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(next, first + WAITING);
}

static void wait_in_the_ring(void)
{
	(void)driver_consume_all(&fe.rings[1]);
	CHECK_EQ(front_end_send_packets(&fe, 0, next, WAITING), WAITING);
}

static void a_ring_without_owner_goes_on_after_the_primarys_death(void)
{
	open_all();
	for (uint32_t round = 0; round < ROUNDS; round++) {
		kill_owner();
		CHECK(is_orphan());
		if (round % 2)
			wait_in_the_ring();
		for (uint32_t i = 0; i <= round % 3; i++) {
			kill_primary();
			CHECK(is_orphan()); /* each life says it, and health sees it */
		}
		if (round % 2 == 0)
			wait_in_the_ring();
		start();
		check_those_that_waited();
		check_echo();
	}
	close_all();
}

static void so_it_does_when_both_die_at_once(void)
{
	open_all();
	for (uint32_t round = 0; round < ROUNDS; round++) {
		if (round % 2) {
			kill_owner();
			kill_primary();
		} else {
			kill_primary();
			kill_owner();
		}
		wait_in_the_ring();
		start();
		check_those_that_waited();
		check_echo();
	}
	close_all();
}

/* It has taken packets and not said so: they are there for the next one. */
static void so_it_does_when_the_owner_died_inside_a_burst(void)
{
	open_all();
	for (uint32_t round = 0; round < ROUNDS; round++) {
		world_trap_echo(&world, 0);
		wait_in_the_ring();
		REQUIRE(world_echo_stopped(&world, 0));
		if (round % 2)
			kill_primary();
		kill_owner();
		if (round % 2 == 0) {
			CHECK(is_orphan());
			kill_primary();
		}
		start();
		check_those_that_waited();
		check_echo();
	}
	close_all();
}

static void the_front_end_is_answered_where_its_rings_stand(void)
{
	open_all();
	for (uint32_t round = 0; round < ROUNDS; round++) {
		kill_owner();
		CHECK(is_orphan());
		kill_primary();
		for (uint32_t ring = 0; ring < 2; ring++) {
			uint16_t used = driver_used_idx(&fe.rings[ring]);

			CHECK_EQ(front_end_stop_ring(&fe, ring), used);
			CHECK_EQ(front_end_start_ring(&fe, ring, used), 0);
		}
		start();
		check_echo();
	}
	close_all();
}

static void a_stopped_owner_is_fenced_by_the_next_primary(void)
{
	open_all();
	for (uint32_t round = 0; round < 3; round++) {
		world_trap_echo(&world, 0);
		wait_in_the_ring();
		REQUIRE(world_echo_stopped(&world, 0));
		kill_primary();
		CHECK_EQ(front_end_set_memory(&fe), 0);
		world_signal_echo(&world, 0, SIGCONT); /* too late */
		CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
		kill_primary();
		start();
		check_those_that_waited();
		check_echo();
	}
	close_all();
}

static const struct sentence sentences[] = {
	CATALOGUE(a_ring_without_owner_goes_on_after_the_primarys_death, "[F-3]"),
	CATALOGUE(so_it_does_when_both_die_at_once, "[F-5]"),
	CATALOGUE(so_it_does_when_the_owner_died_inside_a_burst, "[F-5]"),
	CATALOGUE(the_front_end_is_answered_where_its_rings_stand, "[X-5]"),
	CATALOGUE(a_stopped_owner_is_fenced_by_the_next_primary, "[F-2] [F-5]"),
};
SUITE("orphans", sentences)
