/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primary/nouns/session.h: messages that are refused. Each leaves the draft bit for bit as it was,
 * is counted, and is answered when an answer was asked for; without one the session ends, unless
 * the request was never offered.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "check.h"
#include "device.h"
#include "fake_grants.h"
#include "fd_ledger.h"
#include "front.h"
#include "memory.h"
#include "refusal.h"
#include "refused.h"
#include "session.h"
#include "suite.h"

static void illegal_numbers_leave_no_trace(void)
{
	uint64_t word = 67;

	begin_session();
	refused_state(VU_SET_VRING_NUM, 1, 3, REFUSED_RING_SIZE);
	refused_state(VU_SET_VRING_NUM, 4, 256, REFUSED_VRING_INDEX);
	refused_state(VU_SET_VRING_NUM, 0, 256, REFUSED_VRING_STATE);
	refused_state(VU_SET_VRING_BASE, 0, 1, REFUSED_VRING_STATE);
	refused_state(VU_SET_VRING_BASE, 1, 65536, REFUSED_PAYLOAD_VALUE);
	refused_state(VU_GET_VRING_BASE, 0x10001, 0, REFUSED_VRING_INDEX);
	refused_state(VU_SET_VRING_ENABLE, 1, 2, REFUSED_PAYLOAD_VALUE);
	refused(VU_NET_SET_MTU, &word, 8, NULL, 0, REFUSED_PAYLOAD_VALUE);
	refused(VU_NET_SET_MTU, &word, 4, NULL, 0, REFUSED_PAYLOAD_SIZE);
	word = VIRTIO_BIT(33);
	refused(VU_SET_FEATURES, &word, 8, NULL, 0, REFUSED_UNSUPPORTED_FEATURE);
	word = VIRTIO_BIT(1);
	refused(VU_SET_PROTOCOL_FEATURES, &word, 8, NULL, 0, REFUSED_UNSUPPORTED_FEATURE);
	end_session();
}

static void refused_addr(struct vu_vring_addr addr, enum refusal reason)
{
	refused(VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0, reason);
}

static void ring_parts_are_aligned_inside_one_region_and_apart(void)
{
	const uint64_t top = FRONT_USER + FRONT_MEMORY;
	struct vu_vring_addr good = front_addr(1), bad;

	begin_session();
	for (uint64_t by = 1; by < 16; by++) {
		bad = good;
		bad.desc_user += by;
		refused_addr(bad, REFUSED_RING_ALIGNMENT);
		bad = good;
		bad.avail_user += by;
		if (by % 2)
			refused_addr(bad, REFUSED_RING_ALIGNMENT);
		bad = good;
		bad.used_user += by;
		if (by % 4)
			refused_addr(bad, REFUSED_RING_ALIGNMENT);
	}
	/* The whole of each, the event word included. */
	bad = good;
	bad.desc_user = top - 16 * FRONT_SIZE + 16;
	refused_addr(bad, REFUSED_RING_ADDRESS);
	bad = good;
	bad.avail_user = top - (6 + 2 * FRONT_SIZE) + 2;
	refused_addr(bad, REFUSED_RING_ADDRESS);
	bad = good;
	bad.used_user = top - (4 + 8 * FRONT_SIZE);
	refused_addr(bad, REFUSED_RING_ADDRESS);
	bad = good;
	bad.desc_user = 0;
	refused_addr(bad, REFUSED_RING_ADDRESS);
	bad.desc_user = UINT64_MAX - 15;
	refused_addr(bad, REFUSED_RING_ADDRESS);
	bad = good;
	bad.avail_user = bad.desc_user + 16 * FRONT_SIZE - 2;
	refused_addr(bad, REFUSED_RING_ADDRESS);
	bad = good;
	bad.used_user = bad.avail_user;
	refused_addr(bad, REFUSED_RING_ADDRESS);
	end_session();
}

/* Neighbours in every address there is, and two maps all the same. */
static void a_ring_in_two_regions_is_refused(void)
{
	const uint64_t edge = 0x20000;
	struct vu_mem_table table = {
		.count = 2,
		.regions = {{0, edge, FRONT_USER, 0},
			    {edge, FRONT_MEMORY - edge, FRONT_USER + edge, edge}}};
	struct vu_vring_addr addr = front_addr(1);
	int fds[2];

	begin_session();
	fds[0] = fds[1] = front.memory;
	CHECK_EQ(front_ask(&front, VU_SET_MEM_TABLE, &table, 8 + 2 * 32, fds, 2), 0);
	draft_before = front_port()->device;
	addr.desc_user = FRONT_USER + edge - 16;
	refused_addr(addr, REFUSED_RING_ADDRESS);
	addr = front_addr(1);
	addr.avail_user = FRONT_USER + edge - 2;
	refused_addr(addr, REFUSED_RING_ADDRESS);
	addr = front_addr(1);
	addr.used_user = FRONT_USER + edge - 4;
	refused_addr(addr, REFUSED_RING_ADDRESS);
	/* On either side of it they may lie. */
	addr = front_addr(1);
	addr.desc_user = FRONT_USER + edge;
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
	end_session();
}

static void a_ring_may_end_where_its_region_ends(void)
{
	const uint64_t top = FRONT_USER + FRONT_MEMORY;
	struct vu_vring_addr addr = front_addr(1);

	begin_session();
	addr.used_user = top - (8 + 8 * FRONT_SIZE);
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
	addr.avail_user = top - (6 + 2 * FRONT_SIZE);
	addr.used_user = front_addr(1).used_user;
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
	end_session();
}

static void without_event_index_its_word_need_not_fit(void)
{
	struct vu_vring_addr addr = front_addr(0);

	front_begin();
	front_connect(&front);
	front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	front_memory(&front);
	front_state(&front, VU_SET_VRING_NUM, 0, FRONT_SIZE);
	addr.used_user = FRONT_USER + FRONT_MEMORY - (4 + 8 * FRONT_SIZE);
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
	CHECK(front_port()->device.vrings[0].has_address);
	front_u64(&front, VU_SET_FEATURES,
		  VIRTIO_BIT(VU_F_PROTOCOL_FEATURES) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX));
	front_turn();
	CHECK(!front_port()->device.vrings[0].has_address);
	end_session();
}

static void refused_table(const struct vu_region *regions, uint32_t count, const int *fds,
			  enum refusal reason)
{
	struct vu_mem_table table = {.count = count};

	memcpy(table.regions, regions, count * sizeof(*regions));
	refused(VU_SET_MEM_TABLE, &table, 8 + count * 32, fds, count, reason);
}

static void a_bad_memory_table_leaves_the_old_one_in_force(void)
{
	int two[2];

	begin_session();
	two[0] = two[1] = front.memory;
	refused_table((struct vu_region[]){{0, 0, 0, 0}}, 1, two, REFUSED_REGION_RANGE);
	refused_table((struct vu_region[]){{0, FRONT_MEMORY + 4096, 0, 0}}, 1, two,
		      REFUSED_REGION_FILE);
	refused_table((struct vu_region[]){{0, FRONT_MEMORY, 0, 4096}}, 1, two,
		      REFUSED_REGION_FILE);
	refused_table((struct vu_region[]){{0, 4096, 0, 1ull << 50}}, 1, two, REFUSED_REGION_FILE);
	/* Not whole pages: a ring in them would be aligned in the guest and not in a map. */
	refused_table((struct vu_region[]){{1, 4096, 0, 0}}, 1, two, REFUSED_REGION_RANGE);
	refused_table((struct vu_region[]){{0, 4095, 0, 0}}, 1, two, REFUSED_REGION_RANGE);
	refused_table((struct vu_region[]){{0, 4096, 2048, 0}}, 1, two, REFUSED_REGION_RANGE);
	refused_table((struct vu_region[]){{0, 4096, 0, 17}}, 1, two, REFUSED_REGION_RANGE);
	/* The same guest addresses, the same user addresses, both, one page of overlap. */
	refused_table((struct vu_region[]){{0, 8192, 0, 0}, {4096, 8192, 1 << 20, 0}}, 2, two,
		      REFUSED_REGION_OVERLAP);
	refused_table((struct vu_region[]){{0, 8192, 0, 0}, {8192, 8192, 4096, 0}}, 2, two,
		      REFUSED_REGION_OVERLAP);
	refused_table((struct vu_region[]){{0, 8192, 0, 0}, {0, 8192, 0, 0}}, 2, two,
		      REFUSED_REGION_OVERLAP);
	refused_table((struct vu_region[]){{0, 8192, 0, 0}, {4096, 4096, 8192, 0}}, 2, two,
		      REFUSED_REGION_OVERLAP);
	CHECK(fake_granted(&front_port()->device.vrings[0]));
	CHECK_EQ(fake.revocations, 0);
	end_session();
}

static void odd_but_legal_regions_are_mapped(void)
{
	struct vu_mem_table table = {
		.count = 3,
		/* Touching edges, out of order, one page, anywhere in the file. */
		.regions = {{0x11000, 4096, 0x21000, 8192},
			    {0, 0x10000, 0x40000, 0},
			    {0x10000, 4096, 0x20000, FRONT_MEMORY - 4096}}};
	int fds[3];

	begin_session();
	fds[0] = fds[1] = fds[2] = front.memory;
	CHECK_EQ(front_ask(&front, VU_SET_MEM_TABLE, &table, 8 + 3 * 32, fds, 3), 0);
	CHECK_EQ(front_port()->device.memory.count, 3);
	CHECK_EQ(front_port()->device.memory.regions[1].gpa, 0x10000);
	end_session();
}

static void memory_that_cannot_be_mapped_writable_is_refused(void)
{
	struct vu_region region = {0, 4096, 0, 0};
	int fds[6], pipe_fds[2];
	char path[64];

	begin_session();
	REQUIRE(pipe2(pipe_fds, O_CLOEXEC) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", front.memory);
	fds[0] = pipe_fds[0];
	fds[1] = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[2] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	fds[3] = open(path, O_RDONLY | O_CLOEXEC);
	fds[4] = open(path, O_WRONLY | O_CLOEXEC);
	fds[5] = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	REQUIRE(ftruncate(fds[5], 4096) == 0 && fcntl(fds[5], F_ADD_SEALS, F_SEAL_WRITE) == 0);
	for (int i = 0; i < 6; i++) {
		refused_table(&region, 1, &fds[i],
			      i < 3 ? REFUSED_REGION_FILE : REFUSED_REGION_MAP);
		close(fds[i]);
	}
	close(pipe_fds[1]);
	end_session();
}

/* Whoever serves such a file may let a reader wait for ever. */
static void a_file_of_an_ordinary_file_system_is_no_memory(void)
{
	struct vu_region region = {0, 4096, 0, 0};
	char disk[] = "/var/tmp/holdfast-XXXXXX", shm[] = "/dev/shm/holdfast-XXXXXX";
	int fd;

	begin_session();
	fd = mkstemp(disk);
	REQUIRE(fd >= 0 && unlink(disk) == 0 && ftruncate(fd, 4096) == 0);
	if (fcntl(fd, F_GET_SEALS) < 0)
		refused_table(&region, 1, &fd, REFUSED_REGION_FILE);
	close(fd);
	fd = mkstemp(shm);
	REQUIRE(fd >= 0 && unlink(shm) == 0 && ftruncate(fd, 4096) == 0);
	front_send(&front, VU_SET_MEM_TABLE, VU_NEED_REPLY,
		   &(struct vu_mem_table){.count = 1, .regions = {region}}, 40, &fd, 1);
	CHECK_EQ(front_reply_u64(&front, VU_SET_MEM_TABLE), 0);
	close(fd);
	end_session();
}

/* Mapped it could be, page by page, as long as nobody touches it. */
static void hugepages_that_the_pool_does_not_have_are_refused(void)
{
	const uint64_t more = (hf_huge_pages_free(NULL) + 4096ull) << 21;
	struct vu_region region = {0, more, FRONT_USER + FRONT_MEMORY, 0};
	struct vu_mem_reg reg = {.region = {more, more, FRONT_USER + 2 * more, 0}};
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);

	if (fd < 0 || ftruncate(fd, (off_t)more) < 0) {
		printf("\n    skipped: no hugepages on this kernel\n    ");
		close(fd);
		return;
	}
	begin_session();
	refused_table(&region, 1, &fd, REFUSED_NO_RESOURCES);
	refused(VU_ADD_MEM_REG, &reg, sizeof(reg), &fd, 1, REFUSED_NO_RESOURCES);
	CHECK(fake_granted(&front_port()->device.vrings[0]));
	end_session();
	close(fd);
}

static void unknown_and_overlapping_regions_are_neither_added_nor_removed(void)
{
	static const struct vu_region unknown[] = {
		{0, FRONT_MEMORY, FRONT_USER + 4096, 0},
		{0, FRONT_MEMORY - 4096, FRONT_USER, 0},
		{4096, 4096, FRONT_USER + 4096, 0},
		{1 << 30, 4096, 1 << 30, 0},
	};

	begin_session();
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		struct vu_mem_reg reg = {.region = unknown[i]};

		refused(VU_REM_MEM_REG, &reg, sizeof(reg), NULL, 0, REFUSED_REGION_UNKNOWN);
		if (i < 3)
			refused(VU_ADD_MEM_REG, &reg, sizeof(reg), &front.memory, 1,
				REFUSED_REGION_OVERLAP);
	}
	end_session();
}

static void only_an_eventfd_is_a_kick_a_call_or_an_error(void)
{
	char path[] = "/tmp/holdfast-XXXXXX";
	int fds[7], pair[2], pipe_fds[2];
	uint64_t word = 1;

	begin_session();
	REQUIRE(pipe2(pipe_fds, O_CLOEXEC) == 0);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	fds[0] = pipe_fds[1];
	fds[1] = pair[0];
	fds[2] = epoll_create1(EPOLL_CLOEXEC);
	fds[3] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	fds[4] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	fds[5] = memfd_create("[eventfd]", MFD_CLOEXEC);
	fds[6] = mkostemp(path, O_CLOEXEC);
	REQUIRE(fds[6] >= 0 && unlink(path) == 0);
	/* Who writes to it would wait. */
	REQUIRE(fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK) == 0);
	while (write(pipe_fds[1], path, sizeof(path)) > 0)
		;
	for (int i = 0; i < 7; i++)
		for (uint32_t request = VU_SET_VRING_KICK; request <= VU_SET_VRING_ERR; request++)
			refused(request, &word, 8, &fds[i], 1, REFUSED_EVENT_FD);
	refused(VU_SET_VRING_KICK, &word, 8, &front.socket, 1, REFUSED_EVENT_FD);
	for (int i = 0; i < 7; i++)
		close(fds[i]);
	close(pair[1]);
	close(pipe_fds[0]);
	end_session();
}

static void event_descriptors_are_made_non_blocking(void)
{
	begin_session();
	CHECK(fcntl(front_port()->device.vrings[0].call, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(front_port()->device.vrings[0].kick, F_GETFL) & O_NONBLOCK);
	end_session();
}

static void a_refusal_without_answer_ends_the_session_and_the_next_one_works(void)
{
	begin_session();
	front_state(&front, VU_SET_VRING_NUM, 1, 3);
	CHECK(front_is_closed(&front));
	CHECK(front_port()->session == NULL);
	front_close(&front);
	front_connect(&front);
	front_setup(&front);
	end_session();
}

static void requests_that_were_never_offered_are_dropped(void)
{
	static const uint32_t requests[] = {0,	6,  7,	21, 22, 23, 24, 25,	  26,
					    31, 32, 34, 41, 42, 46, 99, 1u << 31, UINT32_MAX};
	uint8_t payload[64] = {0};

	begin_session();
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		enum refusal reason = requests[i] && requests[i] < VU_NR_REQUESTS
					      ? REFUSED_UNSUPPORTED_REQUEST
					      : REFUSED_UNKNOWN_REQUEST;

		front_send(&front, requests[i], 0, payload, 24, &front.memory, 1);
		CHECK(!front_is_closed(&front));
		refused(requests[i], payload, 24, &front.memory, 1, reason);
	}
	front_send(&front, VU_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
	CHECK_EQ(front_reply_u64(&front, VU_GET_QUEUE_NUM), 2);
	end_session();
}

static void a_stream_that_cannot_be_followed_is_closed(void)
{
	static const struct vu_header bad[] = {
		{VU_GET_FEATURES, 0, 0},
		{VU_GET_FEATURES, 2, 0},
		{VU_GET_FEATURES, VU_VERSION | VU_REPLY, 0},
		{VU_GET_FEATURES, VU_VERSION | 0x10, 0},
		{VU_GET_FEATURES, VU_VERSION, 4096},
		{VU_SET_MEM_TABLE, VU_VERSION | VU_NEED_REPLY, UINT32_MAX},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		begin_session();
		front_send_bytes(&front, &bad[i], sizeof(bad[i]), NULL, 0);
		CHECK(front_is_closed(&front));
		CHECK_EQ(refusals(), 1);
		end_session();
	}
}

static const struct sentence sentences[] = {
	CATALOGUE(illegal_numbers_leave_no_trace, "[12] [M-5] [M-13]"),
	CATALOGUE(ring_parts_are_aligned_inside_one_region_and_apart, "[1] [2] [M-10]"),
	CATALOGUE(a_ring_in_two_regions_is_refused, "[1] [M-10]"),
	CATALOGUE(a_ring_may_end_where_its_region_ends, "[M-10]"),
	CATALOGUE(without_event_index_its_word_need_not_fit, "[2]"),
	CATALOGUE(a_bad_memory_table_leaves_the_old_one_in_force, "[3] [M-6] [M-7] [M-13]"),
	CATALOGUE(odd_but_legal_regions_are_mapped, "[M-6]"),
	CATALOGUE(memory_that_cannot_be_mapped_writable_is_refused, "[4] [M-9]"),
	CATALOGUE(a_file_of_an_ordinary_file_system_is_no_memory, "[M-9]"),
	CATALOGUE(hugepages_that_the_pool_does_not_have_are_refused, "[M-20]"),
	CATALOGUE(unknown_and_overlapping_regions_are_neither_added_nor_removed, "[M-6]"),
	CATALOGUE(only_an_eventfd_is_a_kick_a_call_or_an_error, "[23]"),
	CATALOGUE(event_descriptors_are_made_non_blocking, "[23]"),
	SENTENCE(a_refusal_without_answer_ends_the_session_and_the_next_one_works),
	CATALOGUE(requests_that_were_never_offered_are_dropped, "[M-1]"),
	CATALOGUE(a_stream_that_cannot_be_followed_is_closed, "[M-1]"),
};
SUITE("session_refusals", sentences)
