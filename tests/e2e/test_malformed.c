/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front-end that lies, beside one that does not. After every case: the bad session was told no
 * or closed, its port accepts the next one, the neighbour's packets all come back, and the primary
 * holds no descriptor more than before.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

static struct world world;
static struct front_end bad, neighbour;
static uint32_t next;

static void open_all(void)
{
	static const char *const arguments[] = {"--port", "bad", "--port", "good", NULL};
	static const char *const all[] = {"*", NULL};
	static const struct session_shape shape;

	world_open(&world, arguments);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	REQUIRE(front_end_connect(&neighbour, world_port_path(&world, "good")) == 0);
	REQUIRE(front_end_setup(&neighbour, &shape) == 0);
	front_end_post_buffers(&neighbour, 0);
	next = 0;
	CHECK_EQ(front_end_echo(&neighbour, 0, &next, 100), 0);
}

static void close_all(void)
{
	CHECK_EQ(driver_check(&neighbour.rings[0]), 0);
	CHECK_EQ(driver_check(&neighbour.rings[1]), 0);
	front_end_close(&neighbour);
	world_close(&world);
}

/* Until it is served: the port may still be busy ending the last session. */
static void connect_bad(void)
{
	uint64_t features;

	for (int i = 0; i < 10000; i++) {
		REQUIRE(front_end_connect(&bad, world_port_path(&world, "bad")) == 0);
		if (front_end_get_u64(&bad, FE_GET_FEATURES, &features) == 0)
			return;
		front_end_close(&bad);
		usleep(100);
	}
	REQUIRE(false);
}

/* All that was sent has been looked at. */
static void close_bad(void)
{
	CHECK(front_end_finish(&bad));
	front_end_close(&bad);
}

/* A valid session works on the port, and the neighbour never noticed. */
static void check_alive(size_t fds)
{
	static const struct session_shape shape;
	uint32_t number = 0;

	CHECK(world_fds_become(world.primary, fds));
	CHECK_EQ(front_end_echo(&neighbour, 0, &next, 100), 0);
	connect_bad();
	REQUIRE(front_end_setup(&bad, &shape) == 0);
	front_end_post_buffers(&bad, 0);
	CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
	front_end_close(&bad);
	CHECK(world_fds_become(world.primary, fds));
}

static void bad_headers_close_the_session(void)
{
	static const uint32_t headers[][3] = {
		{FE_GET_FEATURES, 0, 0},	   {FE_GET_FEATURES, 2, 0},
		{FE_GET_FEATURES, 3, 0},	   {FE_SET_FEATURES, 1, 0xffffffff},
		{FE_SET_MEM_TABLE, 1, 0x80000000}, {FE_SET_FEATURES, 1, 1u << 20},
	};
	size_t fds;

	open_all();
	fds = world_fds(world.primary, -1);
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		connect_bad();
		CHECK_EQ(front_end_send_bytes(&bad, headers[i], 12, NULL, 0, 0), 0);
		CHECK(front_end_is_closed(&bad));
		front_end_close(&bad);
	}
	check_alive(fds);
	close_all();
}

static void a_message_cut_anywhere_costs_only_its_session(void)
{
	struct {
		uint32_t request, flags, size;
		uint64_t value;
	} message = {FE_SET_FEATURES, FE_VERSION, 8, 0};
	size_t fds;

	open_all();
	fds = world_fds(world.primary, -1);
	for (size_t len = 0; len < 20; len++) {
		connect_bad();
		CHECK_EQ(front_end_send_bytes(&bad, &message, len, NULL, 0, 0), 0);
		close_bad();
	}
	check_alive(fds);
	close_all();
}

/* Every request there is, with any payload size and any number of descriptors. */
static void any_request_with_any_size_and_descriptors_leaves_nothing(void)
{
	static const size_t counts[] = {0, 1, 2, 8, 9, 64, 253};
	static const uint32_t sizes[] = {0, 7, 8, 40, 264, 600};
	static uint8_t payload[1024];
	int fds[253], one = eventfd(0, EFD_CLOEXEC);
	size_t before;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = one;
	open_all();
	before = world_fds(world.primary, -1);
	for (uint32_t request = 0; request < 48; request++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
			for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
				connect_bad();
				front_end_send(&bad, FE_SET_OWNER, 0, NULL, 0, NULL, 0);
				memset(payload, (int)(request * 37 + s), sizeof(payload));
				front_end_send(&bad, request, 0, payload, sizes[s], fds, counts[c]);
				front_end_close(&bad);
			}
	check_alive(before);
	close(one);
	close_all();
}

static void any_two_first_messages_are_survived(void)
{
	static uint8_t payload[1024];
	size_t before;

	open_all();
	before = world_fds(world.primary, -1);
	for (uint32_t first = 1; first < 46; first++)
		for (uint32_t second = 1; second < 46; second++) {
			connect_bad();
			front_end_send(&bad, first, 0, payload, 8, NULL, 0);
			front_end_send(&bad, second, 0, payload, 8, NULL, 0);
			close_bad();
		}
	check_alive(before);
	close_all();
}

static void a_session_byte_by_byte_works(void)
{
	struct {
		uint32_t request, flags, size;
	} message = {FE_GET_FEATURES, FE_VERSION, 0};
	uint64_t features = 0;

	open_all();
	connect_bad();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(front_end_send_bytes(&bad, &message, 12, NULL, 0, 1000), 0);
		CHECK_EQ(front_end_reply(&bad, FE_GET_FEATURES, &features, 8), 8);
		CHECK(features & FE_VERSION_1);
		CHECK_EQ(front_end_echo(&neighbour, 0, &next, 50), 0);
	}
	front_end_close(&bad);
	close_all();
}

/* Refused with NEED_REPLY, and the session goes on as if nothing had been said. */
static void a_refused_message_leaves_the_session_as_it_was(void)
{
	static const struct session_shape shape;
	static const uint32_t indices[] = {256, 0xffff, 0x10000, 0x10001, 0x80000000, 0xffffffff};
	static const uint32_t sizes[] = {0, 3, 255, 32769, 65536, 0xffffffff};
	uint32_t number = 0;

	open_all();
	connect_bad();
	REQUIRE(front_end_setup(&bad, &shape) == 0);
	front_end_post_buffers(&bad, 0);
	for (size_t i = 0; i < ARRAY_SIZE(indices); i++) {
		CHECK(front_end_state(&bad, FE_SET_VRING_NUM, indices[i], 256) > 0);
		CHECK(front_end_state(&bad, FE_SET_VRING_BASE, indices[i], 0) > 0);
		CHECK(front_end_state(&bad, FE_SET_VRING_ENABLE, indices[i], 1) > 0);
		CHECK(front_end_state(&bad, FE_SET_VRING_NUM, 4, sizes[i]) > 0);
	}
	/* On a started ring. */
	CHECK(front_end_state(&bad, FE_SET_VRING_NUM, 0, 128) > 0);
	CHECK(front_end_state(&bad, FE_SET_VRING_BASE, 0, 5) > 0);
	CHECK_EQ(front_end_echo(&bad, 0, &number, 200), 0);
	front_end_close(&bad);
	close_all();
}

static void a_bad_memory_table_leaves_the_old_one_in_force(void)
{
	static const uint64_t bad_regions[][3] = {/* gpa, size, offset */
						  {0, 0, 0},
						  {0, UINT64_MAX - 4095, 8192},
						  {0, 4096, UINT64_MAX - 4095},
						  {UINT64_MAX - 100, 4096, 0},
						  {0, 1ull << 40, 0},
						  {0, 4096, 1ull << 40}};
	static const struct session_shape shape;
	uint32_t number = 0;

	open_all();
	connect_bad();
	REQUIRE(front_end_setup(&bad, &shape) == 0);
	front_end_post_buffers(&bad, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad_regions); i++) {
		uint64_t table[5] = {1, bad_regions[i][0], bad_regions[i][1], bad.guest.user,
				     bad_regions[i][2]};

		CHECK(front_end_ask(&bad, FE_SET_MEM_TABLE, table, sizeof(table), &bad.guest.fd,
				    1) > 0);
		CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
	}
	front_end_close(&bad);
	close_all();
}

/* Rings that break their rules, with a neighbour on the same secondary. */
static void a_broken_ring_is_told_and_costs_nobody_else_a_packet(void)
{
	static const struct session_shape shape;
	uint64_t told = 0;
	size_t fds;

	open_all();
	fds = world_fds(world.primary, -1);
	for (int round = 0; round < 10; round++) {
		struct driver *d = &bad.rings[1];

		connect_bad();
		REQUIRE(front_end_setup(&bad, &shape) == 0);
		front_end_post_buffers(&bad, 0);
		if (round % 2)
			driver_put_head(d, 0x7fff);
		else
			d->avail_idx = 30000;
		driver_publish(d);
		CHECK_EQ(front_end_echo(&neighbour, 0, &next, 200), 0);
		for (int i = 0; i < 5000 && read(bad.errs[1], &told, 8) != 8; i++)
			usleep(1000);
		CHECK_EQ(told, 1);
		CHECK_EQ(driver_used_idx(d), 0);
		front_end_close(&bad);
	}
	check_alive(fds);
	close_all();
}

static const struct sentence sentences[] = {
	CATALOGUE(bad_headers_close_the_session, "[M-1]"),
	CATALOGUE(a_message_cut_anywhere_costs_only_its_session, "[17]"),
	CATALOGUE(any_request_with_any_size_and_descriptors_leaves_nothing, "[10] [16]"),
	CATALOGUE(any_two_first_messages_are_survived, "[19]"),
	CATALOGUE(a_session_byte_by_byte_works, "[M-16] [M-17]"),
	CATALOGUE(a_refused_message_leaves_the_session_as_it_was, "[12] [M-13]"),
	CATALOGUE(a_bad_memory_table_leaves_the_old_one_in_force, "[3] [M-6] [M-13]"),
	SENTENCE(a_broken_ring_is_told_and_costs_nobody_else_a_packet),
};
SUITE("malformed", sentences)
