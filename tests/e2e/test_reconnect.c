/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front-end dies and comes back as another one: with another memory table, with fewer rings, with
 * fewer features. All of the old one is given back, and what the new one cannot do any more is
 * said.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "control.pb-c.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS	  200u
#define EVENT_IDX (1ull << 29)
#define CHANGED	  HOLDFAST__CONTROL__EVENT_KIND__FEATURES_CHANGED

static const struct session_shape rich = {.features = FE_VERSION_1 | FE_MRG_RXBUF | EVENT_IDX};
static const struct session_shape plain = {.features = FE_VERSION_1};
static const struct session_shape legacy = {.features = EVENT_IDX};
static const char *const all[] = {"*", NULL};

static struct world world;
static struct front_end fe;
static int listener = -1; /* client mode; -1: the port listens */
static char vmm_path[128];
static char detail[256];

static void open_world(bool client)
{
	static const char *const arguments[] = {"--supervise", "--no-huge-pages", NULL};

	world_open(&world, arguments);
	snprintf(vmm_path, sizeof(vmm_path), "%s/vmm.sock", world.dir);
	world_add_port(&world, "p0", client, client ? vmm_path : NULL);
	listener = client ? front_end_listen(vmm_path) : -1;
	REQUIRE(!client || listener >= 0);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	world_start_echo(&world, 1, "spare", "standby", all);
	CHECK(world_secondaries_become(&world, 2));
}

static void close_world(void)
{
	if (listener >= 0)
		close(listener);
	listener = -1;
	world_close(&world);
}

static void come(const struct session_shape *shape)
{
	uint32_t next = 0;

	REQUIRE((listener >= 0 ? front_end_accept(&fe, listener)
			       : front_end_connect(&fe, world_port_path(&world, "p0"))) == 0);
	REQUIRE(front_end_setup(&fe, shape) == 0);
	for (uint32_t pair = 0; pair < fe.nr_rings / 2; pair++) {
		front_end_post_buffers(&fe, pair);
		next = 0;
		CHECK_EQ(front_end_echo(&fe, pair, &next, PACKETS), 0);
	}
}

/* Whatever it was doing: packets are on their way. */
static void die(void)
{
	front_end_send_packets(&fe, 0, 0, 50);
	front_end_close(&fe);
}

static uint64_t changes(void)
{
	return world_last_event(&world, CHANGED, detail, sizeof(detail));
}

static void check_features_in(bool client)
{
	uint64_t first, second;

	open_world(client);
	come(&rich);
	die();
	come(&rich);
	CHECK_EQ(changes(), 0);
	die();
	come(&plain);
	first = changes();
	CHECK(first > 0);
	CHECK_EQ(strcmp(detail, "lost mrg_rxbuf event_idx"), 0);
	die();
	come(&plain);
	CHECK_EQ(changes(), first);
	die();
	come(&legacy);
	second = changes();
	CHECK(second > first);
	CHECK_EQ(strcmp(detail, "header 10 bytes, was 12; lost version_1, gained event_idx"), 0);
	front_end_close(&fe);
	close_world();
}

static void what_a_front_end_lost_on_its_way_is_said(void)
{
	check_features_in(false);
}

static void the_same_where_we_connect_to_it(void)
{
	check_features_in(true);
}

static void it_is_known_over_the_primarys_death(void)
{
	open_world(false);
	come(&rich);
	CHECK_EQ(kill(world_ask_pid(&world, NULL), SIGKILL), 0);
	die();
	come(&plain);
	CHECK(changes() > 0);
	CHECK_EQ(strcmp(detail, "lost mrg_rxbuf event_idx"), 0);
	front_end_close(&fe);
	close_world();
}

struct ledger {
	size_t parent_fds, fds, maps, echo_fds, echo_maps, spare_fds, spare_maps;
};

static void take_ledger(struct ledger *l)
{
	pid_t pid = world_ask_pid(&world, NULL);

	world_rest(&world);
	l->parent_fds = world_fds(world.primary, -1);
	l->fds = world_fds(pid, -1);
	l->maps = world_maps(pid, -1);
	l->echo_fds = world_fds(world.secondaries[0].pid, -1);
	l->echo_maps = world_maps(world.secondaries[0].pid, -1);
	l->spare_fds = world_fds(world.secondaries[1].pid, -1);
	l->spare_maps = world_maps(world.secondaries[1].pid, -1);
}

static void check_ledger(const struct ledger *l)
{
	pid_t pid = world_ask_pid(&world, NULL);

	CHECK(world_fds_become(world.primary, l->parent_fds));
	CHECK(world_fds_become(pid, l->fds));
	CHECK(world_maps_become(pid, -1, l->maps));
	CHECK(world_fds_become(world.secondaries[0].pid, l->echo_fds));
	CHECK(world_maps_become(world.secondaries[0].pid, -1, l->echo_maps));
	CHECK(world_fds_become(world.secondaries[1].pid, l->spare_fds));
	CHECK(world_maps_become(world.secondaries[1].pid, -1, l->spare_maps));
}

static void check_tables_in(bool client)
{
	static const struct guest_span spans[] = {
		{0, 1u << 20}, {2u << 20, 1u << 20}, {4u << 20, 1u << 20}};
	static const struct session_shape shapes[] = {
		{.queue_pairs = 4, .memory = 6u << 20, .spans = spans, .nr_spans = 3},
		{.queue_pairs = 1, .base = 65530},
		{.queue_pairs = 2, .size = 64, .memory = 1u << 20},
		{.queue_pairs = 8, .features = FE_VERSION_1 | FE_MRG_RXBUF},
		{.queue_pairs = 1, .size = 1024, .memory = 2u << 20},
	};
	struct ledger before;

	open_world(client);
	come(&shapes[0]);
	die();
	take_ledger(&before);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(shapes); i++) {
		come(&shapes[i % ARRAY_SIZE(shapes)]);
		die();
	}
	check_ledger(&before);
	close_world();
}

static void another_memory_table_and_fewer_rings_leave_nothing_of_the_old_ones(void)
{
	check_tables_in(false);
}

static void nor_do_they_where_we_connect_to_it(void)
{
	check_tables_in(true);
}

static const struct sentence sentences[] = {
	SENTENCE(what_a_front_end_lost_on_its_way_is_said),
	SENTENCE(the_same_where_we_connect_to_it),
	SENTENCE(it_is_known_over_the_primarys_death),
	SENTENCE(another_memory_table_and_fewer_rings_leave_nothing_of_the_old_ones),
	SENTENCE(nor_do_they_where_we_connect_to_it),
};
SUITE("reconnect", sentences)
