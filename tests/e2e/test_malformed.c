/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front-end that lies, beside one that does not. What must hold after every case is in alive.h;
 * here is who is told no, and who is closed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alive.h"
#include "check.h"
#include "legal.h"
#include "order.h"
#include "published.h"
#include "suite.h"

#define NR_REQUESTS (LEGAL_REQUESTS + 2) /* and some behind the last */
#define MOST_SLOTS  8u
#define WAIT_MS	    20000

static struct alive a;
static struct front_end bad;
static struct hf_directory directory;

struct message {
	uint32_t request, flags, size;
	uint8_t payload[1024];
};

/* The stream is closed, its reason counted, and nobody else is worse off. */
static void closed(const struct message *message, size_t len, const char *counter)
{
	uint64_t before = world_counter(&a.world, counter);

	alive_connect(&a, &bad);
	CHECK_EQ(front_end_send_bytes(&bad, message, len, NULL, 0, 0), 0);
	CHECK(front_end_is_closed(&bad));
	front_end_close(&bad);
	CHECK_EQ(world_counter(&a.world, counter), before + 1);
	alive_check_ledger(&a);
}

static void bad_headers_close_the_session(void)
{
	static const uint32_t flags[] = {0, 2, 3, 0x80000000};
	static const uint32_t rights[] = {FE_VERSION | FE_REPLY, FE_VERSION | 0x10,
					  FE_VERSION | 0x40000000};
	static const uint32_t sizes[] = {269, 1u << 31, UINT32_MAX};
	struct message message = {.flags = FE_VERSION};

	alive_open(&a, NULL);
	for (uint32_t i = 0; i < ARRAY_SIZE(flags); i++) {
		message = (struct message){FE_GET_FEATURES, flags[i], 0, {0}};
		closed(&message, 12, "refused.header_version");
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(rights); i++) {
		message = (struct message){FE_GET_FEATURES, rights[i], 0, {0}};
		closed(&message, 12, "refused.header_flags");
	}
	/* Whatever was asked for; and before a byte of it is there. */
	for (uint32_t request = 0; request < NR_REQUESTS; request++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			message = (struct message){request, FE_VERSION, sizes[s], {0}};
			closed(&message, 12, "refused.payload_too_large");
		}
	alive_check(&a);
	alive_close(&a);
}

/* Told no when an answer was asked for; ignored else; never worth a session. */
static void requests_that_nobody_knows_are_refused_and_the_session_goes_on(void)
{
	uint32_t request = 0, number = 50;
	uint64_t word = 0;

	alive_open(&a, NULL);
	alive_set_up(&a, &bad);
	for (; request < 256; request = request ? request + 1 : 41) {
		CHECK_EQ(front_end_ask(&bad, request, &word, 8, NULL, 0), 1);
		CHECK_EQ(front_end_send(&bad, request, 0, &word, 8, &bad.guest.fd, 1), 0);
	}
	for (unsigned int bit = 8; bit < 32; bit++)
		CHECK_EQ(front_end_ask(&bad, 1u << bit, NULL, 0, NULL, 0), 1);
	CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

static void a_message_cut_anywhere_costs_only_its_session(void)
{
	struct message message = {FE_SET_FEATURES, FE_VERSION, 8, {0}};

	alive_open(&a, NULL);
	for (size_t len = 0; len < 20; len++) {
		alive_connect(&a, &bad);
		CHECK_EQ(front_end_send_bytes(&bad, &message, len, NULL, 0, 0), 0);
		alive_finish(&bad);
		alive_check_ledger(&a);
	}
	alive_check(&a);
	alive_close(&a);
}

/* One request with as many descriptors as there may be and more, and sizes around the right one. */
static void try_descriptors(uint32_t request, const int *fds)
{
	static const size_t counts[] = {0, 1, 2, 8, 9, 64, 253};
	struct message message = {.request = request};
	uint32_t good = legal_payload(request, message.payload);
	const uint32_t sizes[] = {good, good ? good - 1 : 4, good + 1, 269};

	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
		for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
			alive_connect(&a, &bad);
			front_end_send(&bad, FE_SET_OWNER, 0, NULL, 0, NULL, 0);
			front_end_send(&bad, request, 0, message.payload, sizes[s], fds, counts[c]);
			alive_finish(&bad);
		}
	alive_check_ledger(&a);
}

/* HF_TEST_LONG=1: a hundred times. */
static void any_request_with_any_size_and_descriptors_leaves_nothing(void)
{
	int fds[253], one = eventfd(0, EFD_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = one;
	alive_open(&a, NULL);
	for (int round = 0; round < (suite_is_long() ? 100 : 1); round++)
		for (uint32_t request = 0; request < NR_REQUESTS; request++)
			try_descriptors(request, fds);
	alive_check(&a);
	close(one);
	alive_close(&a);
}

/* Hundreds of bytes kept of each would be more than the band. */
static void a_ring_size_that_is_set_for_ever_costs_nothing(void)
{
	static const char *const unbounded[] = {"--message-rate", "0", NULL};
	const uint32_t state[2] = {0, 256};
	int times = suite_is_long() ? 100000 : 5000;

	alive_open(&a, unbounded);
	alive_connect(&a, &bad);
	front_end_send(&bad, FE_SET_OWNER, 0, NULL, 0, NULL, 0);
	for (int i = 0; i < times; i++)
		REQUIRE(front_end_send(&bad, FE_SET_VRING_NUM, 0, state, 8, NULL, 0) == 0);
	alive_check_memory(&a);
	CHECK_EQ(front_end_state(&bad, FE_SET_VRING_NUM, 1, 128), 0);
	alive_check_memory(&a);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

/* Bit 8 and no descriptor: the guest polls, or is polled. */
static void rings_without_descriptors_are_polled(void)
{
	uint32_t number = 50;

	alive_open(&a, NULL);
	alive_set_up(&a, &bad);
	for (uint32_t ring = 0; ring < 2; ring++)
		for (uint32_t r = FE_SET_VRING_KICK; r <= FE_SET_VRING_ERR; r++)
			CHECK_EQ(front_end_set_u64(&bad, r, 0x100 | ring), 0);
	CHECK_EQ(front_end_echo(&bad, 0, &number, 200), 0);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

static void a_session_byte_by_byte_works(void)
{
	struct message message = {FE_GET_FEATURES, FE_VERSION, 0, {0}};
	uint64_t features = 0;

	alive_open(&a, NULL);
	alive_connect(&a, &bad);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(front_end_send_bytes(&bad, &message, 12, NULL, 0, 1000), 0);
		CHECK_EQ(front_end_reply(&bad, FE_GET_FEATURES, &features, 8), 8);
		CHECK(features & FE_VERSION_1);
	}
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

/* The device of "bad". */
static uint32_t slot_of_bad(void)
{
	int slot = published_slot(&directory, MOST_SLOTS, "bad");

	REQUIRE(slot >= 0);
	return (uint32_t)slot;
}

/* Refused with NEED_REPLY, and the session goes on as if nothing had been said. */
static void a_refused_message_leaves_the_session_as_it_was(void)
{
	static const uint32_t indices[] = {256, 0xffff, 0x10000, 0x10001, 0x80000000, UINT32_MAX};
	static const uint32_t sizes[] = {0, 3, 255, 32769, 65536, UINT32_MAX};
	static struct hf_shm_device before, after;
	uint32_t number = 50, slot;

	alive_open(&a, NULL);
	alive_set_up(&a, &bad);
	REQUIRE(published_open(&directory, a.world.primary));
	slot = slot_of_bad();
	REQUIRE(hf_directory_snapshot(&directory, slot, &before) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(indices); i++) {
		const uint64_t addr[5] = {indices[i], 0x1000, 0x3000, 0x4000, 0};

		CHECK(front_end_state(&bad, FE_SET_VRING_NUM, indices[i], 256) > 0);
		CHECK(front_end_state(&bad, FE_SET_VRING_BASE, indices[i], 0) > 0);
		CHECK(front_end_state(&bad, FE_GET_VRING_BASE, indices[i], 0) > 0);
		CHECK(front_end_state(&bad, FE_SET_VRING_ENABLE, indices[i], 1) > 0);
		CHECK(front_end_ask(&bad, FE_SET_VRING_ADDR, addr, sizeof(addr), NULL, 0) > 0);
		CHECK(front_end_state(&bad, FE_SET_VRING_NUM, 4, sizes[i]) > 0);
	}
	for (uint32_t bit = 9; bit < 64; bit++)
		for (uint32_t r = FE_SET_VRING_KICK; r <= FE_SET_VRING_ERR; r++)
			CHECK(front_end_set_u64(&bad, r, 0x100 | 1ull << bit) > 0);
	/* On a started ring. */
	CHECK(front_end_state(&bad, FE_SET_VRING_NUM, 0, 128) > 0);
	CHECK(front_end_state(&bad, FE_SET_VRING_BASE, 0, 5) > 0);
	/* Nothing was published, not even the same once more. */
	REQUIRE(hf_directory_snapshot(&directory, slot, &after) == 0);
	CHECK_EQ(after.generation, before.generation);
	CHECK_EQ(memcmp(&after, &before, sizeof(before)), 0);
	hf_directory_detach(&directory);
	CHECK_EQ(front_end_echo(&bad, 0, &number, 200), 0);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

static void a_bad_memory_table_leaves_the_old_one_in_force(void)
{
	static const uint64_t bad_regions[][3] = {
		/* gpa, size, offset */
		{0, 0, 0},	    {0, UINT64_MAX - 4095, 8192}, {0, UINT64_MAX, 0},
		{0, 1, 1},	    {0, 4096, UINT64_MAX - 4095}, {UINT64_MAX - 100, 4096, 0},
		{0, 1ull << 40, 0}, {0, 4096, 1ull << 40}};
	static const uint32_t counts[] = {0, 9, 32, UINT32_MAX};
	uint64_t table[33] = {0};
	uint32_t number = 50;
	int fds[8];

	alive_open(&a, NULL);
	alive_set_up(&a, &bad);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = bad.guest.fd;
	for (size_t i = 0; i < ARRAY_SIZE(bad_regions); i++) {
		const uint64_t one[5] = {1, bad_regions[i][0], bad_regions[i][1], bad.guest.user,
					 bad_regions[i][2]};

		CHECK(front_end_ask(&bad, FE_SET_MEM_TABLE, one, sizeof(one), fds, 1) > 0);
		CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		table[0] = counts[i];
		CHECK(front_end_ask(&bad, FE_SET_MEM_TABLE, table, 8 + 8 * 32, fds, 8) > 0);
		CHECK(front_end_ask(&bad, FE_SET_MEM_TABLE, table, 8, NULL, 0) > 0);
		CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
	}
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

static void a_table_of_no_region_ends_who_asks_for_no_answer(void)
{
	uint64_t none = 0;

	alive_open(&a, NULL);
	alive_set_up(&a, &bad);
	CHECK_EQ(front_end_send(&bad, FE_SET_MEM_TABLE, 0, &none, 8, NULL, 0), 0);
	(void)eventfd_write(bad.kicks[1], 1);
	CHECK(front_end_is_closed(&bad));
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

/* What cannot be mapped, or not to write. */
static int open_no_memory(size_t i)
{
	static const char *const paths[] = {"/tmp", "/dev/zero"};
	char path[64];
	int fd, writable;

	if (i < ARRAY_SIZE(paths))
		return open(paths[i], (i ? O_RDWR : O_RDONLY | O_DIRECTORY) | O_CLOEXEC);
	writable = memfd_create("read-only", MFD_CLOEXEC);
	REQUIRE(writable >= 0 && ftruncate(writable, 16 << 20) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", writable);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	close(writable);
	return fd;
}

static void refuse_memory(int fd)
{
	int guest = bad.guest.fd;

	bad.guest.fd = fd;
	CHECK(front_end_set_memory(&bad) > 0);
	CHECK_EQ(front_end_add_region(&bad, 0), 1);
	bad.guest.fd = guest;
}

/* Everything is told of its rings, and packets are there. */
static void post_on_no_memory(void)
{
	for (uint32_t ring = 0; ring < 2; ring++) {
		CHECK_EQ(front_end_start_ring(&bad, ring, 0), 0);
		CHECK_EQ(front_end_state(&bad, FE_SET_VRING_ENABLE, ring, 1), 0);
	}
	front_end_post_buffers(&bad, 0);
	CHECK_EQ(front_end_send_packets(&bad, 0, 0, 20), 20);
}

/* Neither now nor when everybody has had time for it. */
static void check_nobody_runs_them(int fd)
{
	uint32_t slot;

	REQUIRE(published_open(&directory, a.world.primary));
	slot = slot_of_bad();
	alive_check_neighbour(&a);
	for (uint32_t ring = 0; ring < 2; ring++) {
		CHECK_EQ(hf_load_acquire(hf_directory_grant(&directory, slot, ring)), 0);
		CHECK_EQ(driver_used_idx(&bad.rings[ring]), 0);
	}
	CHECK_EQ(world_maps(a.world.secondaries[0].pid, fd), 0);
	CHECK_EQ(world_maps(a.world.secondaries[0].pid, bad.guest.fd), 0);
	hf_directory_detach(&directory);
}

/* Behind a refused table no ring runs, and behind a good one it does. */
static void memory_that_was_refused_runs_no_ring(void)
{
	static const struct session_shape shape;

	alive_open(&a, NULL);
	for (size_t i = 0; i < 3; i++) {
		uint32_t number = 0, wrong = 0;
		int fd = open_no_memory(i);

		REQUIRE(fd >= 0);
		alive_connect(&a, &bad);
		REQUIRE(front_end_agree(&bad, &shape) == 0);
		refuse_memory(fd);
		post_on_no_memory();
		check_nobody_runs_them(fd);
		CHECK_EQ(front_end_set_memory(&bad), 0);
		for (int ms = 0; ms < WAIT_MS && number < 20; ms++) {
			front_end_receive_packets(&bad, 0, &number, &wrong);
			usleep(1000);
		}
		CHECK_EQ(number, 20);
		CHECK_EQ(wrong, 0);
		close(fd);
		front_end_close(&bad);
		alive_check_ledger(&a);
	}
	alive_check(&a);
	alive_close(&a);
}

static void memory_that_was_refused_leaves_rings_in_the_old_one(void)
{
	alive_open(&a, NULL);
	for (size_t i = 0; i < 3; i++) {
		uint32_t number = 50;
		int fd = open_no_memory(i), base;

		REQUIRE(fd >= 0);
		alive_set_up(&a, &bad);
		base = front_end_stop_ring(&bad, 1);
		CHECK_EQ(base, driver_used_idx(&bad.rings[1]));
		refuse_memory(fd);
		CHECK_EQ(front_end_start_ring(&bad, 1, (uint16_t)base), 0);
		CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
		close(fd);
		front_end_close(&bad);
		alive_check_ledger(&a);
	}
	alive_check(&a);
	alive_close(&a);
}

/* Rings that break their rules, with a neighbour on the same secondary. */
static void a_broken_ring_is_told_and_costs_nobody_else_a_packet(void)
{
	static const struct session_shape shape;
	uint64_t told = 0;

	alive_open(&a, NULL);
	for (int round = 0; round < 10; round++) {
		struct driver *d = &bad.rings[1];

		alive_connect(&a, &bad);
		REQUIRE(front_end_setup(&bad, &shape) == 0);
		front_end_post_buffers(&bad, 0);
		if (round % 2)
			driver_put_head(d, 0x7fff);
		else
			d->avail_idx = 30000;
		driver_publish(d);
		alive_check_neighbour(&a);
		for (int i = 0; i < 20000 && read(bad.errs[1], &told, 8) != 8; i++)
			usleep(1000);
		CHECK_EQ(told, 1);
		CHECK_EQ(driver_used_idx(d), 0);
		front_end_close(&bad);
		alive_check_ledger(&a);
	}
	alive_check(&a);
	alive_close(&a);
}

static const struct sentence sentences[] = {
	CATALOGUE(bad_headers_close_the_session, "[M-1] [17]"),
	CATALOGUE(requests_that_nobody_knows_are_refused_and_the_session_goes_on, "[M-1]"),
	CATALOGUE(a_message_cut_anywhere_costs_only_its_session, "[17]"),
	CATALOGUE(any_request_with_any_size_and_descriptors_leaves_nothing, "[10] [16]"),
	CATALOGUE(a_ring_size_that_is_set_for_ever_costs_nothing, "[10]"),
	CATALOGUE(rings_without_descriptors_are_polled, "[10]"),
	CATALOGUE(a_session_byte_by_byte_works, "[M-16] [M-17]"),
	CATALOGUE(a_refused_message_leaves_the_session_as_it_was, "[12] [M-4] [M-13]"),
	CATALOGUE(a_bad_memory_table_leaves_the_old_one_in_force, "[3] [M-6] [M-13]"),
	CATALOGUE(a_table_of_no_region_ends_who_asks_for_no_answer, "[6]"),
	CATALOGUE(memory_that_was_refused_runs_no_ring, "[4]"),
	CATALOGUE(memory_that_was_refused_leaves_rings_in_the_old_one, "[4]"),
	SENTENCE(a_broken_ring_is_told_and_costs_nobody_else_a_packet),
};
SUITE("malformed", sentences)
