/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was published of a device stays as it is as long as a burst may be using it, whatever the
 * front-end asks for: a secondary that is in a burst holds it, and the directory is read as any
 * reader would read it.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "directory.h"
#include "front_end.h"
#include "order.h"
#include "published.h"
#include "suite.h"
#include "world.h"

#define PACKETS 100u
#define WAIT_MS 20000
#define READS	1000

static struct world world;
static struct front_end fe;
static struct hf_directory directory;
static struct hf_shm_device before, now;
static uint32_t next;

static void open_all(void)
{
	static const char *const arguments[] = {"--port",	    "p0",    "--no-huge-pages",
						"--fence-deadline", "60000", NULL};
	static const char *const all[] = {"*", NULL};
	static const struct session_shape shape;

	world_open(&world, arguments);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	next = 0;
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	REQUIRE(published_open(&directory, world.primary));
}

static void close_all(void)
{
	hf_directory_detach(&directory);
	front_end_close(&fe);
	world_close(&world);
}

/* In the middle of a burst on ring 1. */
static void hold_ring(void)
{
	CHECK_EQ(driver_consume_all(&fe.rings[1]), 0);
	world_trap_echo(&world, 0);
	front_end_send_packets(&fe, 0, next, 32);
	REQUIRE(world_echo_stopped(&world, 0));
	REQUIRE(hf_directory_snapshot(&directory, 0, &before) == 0);
	CHECK(hf_load_acquire(hf_directory_grant(&directory, 0, 1)) & 1);
}

static bool is_revoked(void)
{
	for (int i = 0; i < WAIT_MS; i++) {
		if (!hf_load_acquire(hf_directory_grant(&directory, 0, 1)))
			return true;
		usleep(1000);
	}
	return false;
}

/* All that a burst takes from it: where memory and ring are, and what was agreed on. */
static void check_unchanged(void)
{
	for (int i = 0; i < READS; i++) {
		REQUIRE(hf_directory_snapshot(&directory, 0, &now) == 0);
		CHECK_EQ(now.mem_generation, before.mem_generation);
		CHECK_EQ(now.session, before.session);
		CHECK_EQ(now.features, before.features);
		CHECK_EQ(now.nr_regions, before.nr_regions);
		CHECK_EQ(memcmp(now.regions, before.regions,
				before.nr_regions * sizeof(before.regions[0])),
			 0);
		CHECK_EQ(now.vrings[1].desc_gpa, before.vrings[1].desc_gpa);
		CHECK_EQ(now.vrings[1].avail_gpa, before.vrings[1].avail_gpa);
		CHECK_EQ(now.vrings[1].used_gpa, before.vrings[1].used_gpa);
		CHECK_EQ(now.vrings[1].size, before.vrings[1].size);
		CHECK_EQ(now.vrings[1].lane_entry, before.vrings[1].lane_entry);
	}
}

/* It leaves its burst, and the front-end is answered. */
static void let_go(uint32_t request)
{
	uint64_t answer[2] = {1, 1};

	world_signal_echo(&world, 0, SIGCONT);
	CHECK_EQ(front_end_reply(&fe, request, answer, sizeof(answer)), 8);
	if (request != FE_GET_VRING_BASE)
		CHECK_EQ(answer[0], 0);
}

static void a_memory_table_is_published_when_no_burst_uses_the_old_one(void)
{
	uint64_t table[5];

	open_all();
	hold_ring();
	table[0] = 1;
	table[1] = fe.guest.base;
	table[2] = fe.guest.size;
	table[3] = fe.guest.user;
	table[4] = 0;
	CHECK_EQ(front_end_send(&fe, FE_SET_MEM_TABLE, FE_NEED_REPLY, table, sizeof(table),
				&fe.guest.fd, 1),
		 0);
	CHECK(is_revoked());
	check_unchanged();
	let_go(FE_SET_MEM_TABLE);
	REQUIRE(hf_directory_snapshot(&directory, 0, &now) == 0);
	CHECK(now.mem_generation != before.mem_generation);
	CHECK(now.generation > before.generation);
	close_all();
}

static void a_ring_that_stops_is_where_it_was_until_no_burst_uses_it(void)
{
	const uint32_t state[2] = {1, 0};
	uint64_t held;

	open_all();
	hold_ring();
	held = hf_load_acquire(hf_directory_grant(&directory, 0, 1));
	CHECK_EQ(front_end_send(&fe, FE_GET_VRING_BASE, 0, state, sizeof(state), NULL, 0), 0);
	CHECK(is_revoked());
	check_unchanged();
	let_go(FE_GET_VRING_BASE);
	/* A number is not given twice: who is late is never taken for the new owner. */
	REQUIRE(front_end_start_ring(&fe, 1, driver_used_idx(&fe.rings[1])) == 0);
	CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, 1, 1), 0);
	for (int i = 0; i < WAIT_MS && !hf_load_acquire(hf_directory_grant(&directory, 0, 1)); i++)
		usleep(1000);
	CHECK(hf_load_acquire(hf_directory_grant(&directory, 0, 1)) >> 1 > held >> 1);
	close_all();
}

static void a_session_that_ends_stays_published_until_no_burst_uses_it(void)
{
	open_all();
	hold_ring();
	front_end_close(&fe);
	CHECK(is_revoked());
	check_unchanged();
	world_signal_echo(&world, 0, SIGCONT);
	for (int i = 0; i < WAIT_MS; i++) {
		REQUIRE(hf_directory_snapshot(&directory, 0, &now) == 0);
		if (now.session != before.session)
			break;
		usleep(1000);
	}
	CHECK_EQ(now.session, 0);
	CHECK_EQ(now.nr_regions, 0);
	hf_directory_detach(&directory);
	world_close(&world);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_memory_table_is_published_when_no_burst_uses_the_old_one, "[47] [5]"),
	CATALOGUE(a_ring_that_stops_is_where_it_was_until_no_burst_uses_it, "[47]"),
	CATALOGUE(a_session_that_ends_stays_published_until_no_burst_uses_it, "[47]"),
};
SUITE("published", sentences)
