/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed rings in the session engine: which sizes, positions and places are legal, what is answered
 * when such a ring stops, and when it starts.
 */
#include <string.h>

#include "device.h"
#include "fake_grants.h"
#include "front.h"
#include "refusal.h"
#include "session.h"
#include "suite.h"

#define PACKED                                                                                     \
	(VIRTIO_BIT(VU_F_PROTOCOL_FEATURES) | VIRTIO_BIT(VIRTIO_F_VERSION_1) |                     \
	 VIRTIO_BIT(VIRTIO_F_RING_PACKED))
#define WRAP 0x8000u

static struct front front;

static struct vring *ring(uint32_t index)
{
	return &front_port()->device.vrings[index];
}

static void begin(uint64_t features)
{
	front_begin();
	front_connect(&front);
	front_greet(&front, features | VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	front_memory(&front);
	front_turn();
}

static void end(void)
{
	front_close(&front);
	front_end();
}

static int ask_state(uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_vring_state state = {index, num};

	return front_ask(&front, request, &state, sizeof(state), NULL, 0);
}

static void set_up(uint32_t index, uint32_t size, uint32_t base)
{
	struct vu_vring_addr addr = front_addr(index);

	CHECK_EQ(ask_state(VU_SET_VRING_NUM, index, size), 0);
	CHECK_EQ(ask_state(VU_SET_VRING_BASE, index, base), 0);
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
	front_vring_fd(&front, VU_SET_VRING_KICK, index, front.kick[index]);
	front_state(&front, VU_SET_VRING_ENABLE, index, 1);
	front_turn();
}

static void a_packed_ring_has_any_size_up_to_32768(void)
{
	static const uint32_t good[] = {1, 2, 3, 100, 255, 256, 32767, 32768};
	static const uint32_t bad[] = {0, 32769, 65535, 65536, 65537, UINT32_MAX};

	begin(PACKED);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK_EQ(ask_state(VU_SET_VRING_NUM, 0, good[i]), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(ask_state(VU_SET_VRING_NUM, 0, bad[i]), 1);
	CHECK_EQ(ring(0)->size, 32768);
	end();
}

static void a_position_has_a_wrap_counter_and_lies_in_the_ring(void)
{
	begin(PACKED);
	CHECK_EQ(ring(0)->base, WRAP); /* nothing was said yet */
	CHECK_EQ(ask_state(VU_SET_VRING_NUM, 0, 100), 0);
	CHECK_EQ(ask_state(VU_SET_VRING_BASE, 0, WRAP | 99), 0);
	CHECK_EQ(ring(0)->base, WRAP | 99);
	/* Both, or with 0 for the used one: it is the same. */
	CHECK_EQ(ask_state(VU_SET_VRING_BASE, 0, (WRAP | 42u) << 16 | WRAP | 42), 0);
	CHECK_EQ(ring(0)->base, WRAP | 42);
	CHECK_EQ(ring(0)->base_used, WRAP | 42);
	CHECK_EQ(ask_state(VU_SET_VRING_BASE, 0, 17), 0);
	CHECK_EQ(ring(0)->base, 17);
	CHECK_EQ(ask_state(VU_SET_VRING_BASE, 0, 100), 1);
	CHECK_EQ(ask_state(VU_SET_VRING_BASE, 0, WRAP | 100), 1);
	CHECK_EQ(ask_state(VU_SET_VRING_BASE, 0, 0x7fff), 1);
	CHECK_EQ(ring(0)->base, 17);
	end();
}

static void a_position_beyond_a_size_that_came_later_is_a_fresh_ring(void)
{
	struct vu_vring_addr addr = front_addr(0);

	begin(PACKED);
	CHECK_EQ(ask_state(VU_SET_VRING_BASE, 0, WRAP | 300), 0);
	CHECK_EQ(ask_state(VU_SET_VRING_NUM, 0, 100), 0);
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
	front_vring_fd(&front, VU_SET_VRING_KICK, 0, front.kick[0]);
	front_turn();
	CHECK(ring(0)->started);
	CHECK_EQ(ring(0)->base, WRAP);
	end();
}

/* The descriptors, and four bytes each: nothing of a split ring's length. */
static void its_three_parts_lie_whole_inside_one_region(void)
{
	struct vu_vring_addr addr = front_addr(0);
	uint64_t top = FRONT_USER + FRONT_MEMORY;

	begin(PACKED);
	CHECK_EQ(ask_state(VU_SET_VRING_NUM, 0, 255), 0);
	addr.desc_user = top - 255 * 16;
	addr.avail_user = top - 255 * 16 - 4;
	addr.used_user = top - 255 * 16 - 8;
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 0);
	CHECK_EQ(ring(0)->desc_gpa, FRONT_MEMORY - 255 * 16);
	addr.desc_user += 16;
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 1);
	addr = front_addr(0);
	addr.avail_user = top - 2;
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 1);
	addr = front_addr(0);
	addr.used_user += 2; /* not aligned to 4 */
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 1);
	addr = front_addr(0);
	addr.avail_user = addr.desc_user + 16; /* inside the descriptors */
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0), 1);
	end();
}

static void a_fresh_packed_ring_waits_for_its_kick(void)
{
	begin(PACKED);
	set_up(0, 255, WRAP);
	CHECK(!ring(0)->started);
	front_kick(&front, 0);
	CHECK(ring(0)->started);
	CHECK_EQ(ring(0)->base, WRAP);
	end();
}

/* 0, 1: position; 2: a descriptor that was available once; 3: kicks that were turned off. */
static void any_trace_of_use_starts_a_packed_ring_at_once(void)
{
	for (int trace = 0; trace < 5; trace++) {
		begin(PACKED);
		if (trace == 2)
			front.guest[0x1000 + 14] = 0x80;
		if (trace == 3)
			front.guest[0x4000 + 2] = 1;
		set_up(0, 255, trace == 0 ? 0 : trace == 1 ? WRAP | 7 : WRAP);
		CHECK_EQ(ring(0)->started, trace < 4);
		end();
	}
}

static void a_stop_answers_both_positions_with_their_wrap_counters(void)
{
	struct vu_vring_state answer;

	begin(PACKED);
	set_up(0, 255, WRAP | 200);
	CHECK(ring(0)->started);
	fake.position[0] = 33; /* in the next lap */
	front_state(&front, VU_GET_VRING_BASE, 0, 0);
	CHECK_EQ(front_reply(&front, VU_GET_VRING_BASE, &answer, sizeof(answer)), sizeof(answer));
	CHECK_EQ(answer.num, 33u << 16 | 33);
	end();
}

/* What a front-end negotiates anew may be the other kind. */
static void another_kind_of_ring_begins_anew(void)
{
	begin(PACKED);
	CHECK_EQ(ask_state(VU_SET_VRING_NUM, 0, 255), 0);
	CHECK_EQ(ask_state(VU_SET_VRING_BASE, 0, WRAP | 200), 0);
	front_u64(&front, VU_SET_FEATURES, PACKED & ~VIRTIO_BIT(VIRTIO_F_RING_PACKED));
	front_turn();
	CHECK_EQ(ring(0)->base, 0);
	/* No split ring has this size: it is as if none had been said. */
	set_up(1, 256, 0);
	CHECK(ring(1)->has_address);
	CHECK_EQ(ask_state(VU_SET_VRING_NUM, 0, 255), 1);
	CHECK(!ring(0)->has_address);
	front_u64(&front, VU_SET_FEATURES, PACKED);
	front_turn();
	CHECK_EQ(ring(0)->base, WRAP);
	end();
}

/* Virtio has no legacy one. */
static void a_packed_ring_without_version_1_is_refused(void)
{
	const uint64_t had = PACKED;
	uint64_t features = PACKED & ~VIRTIO_BIT(VIRTIO_F_VERSION_1);

	begin(had);
	CHECK_EQ(front_ask(&front, VU_SET_FEATURES, &features, 8, NULL, 0), 1);
	CHECK_EQ(primary.refusals[REFUSED_UNSUPPORTED_FEATURE], 1);
	CHECK_EQ(front_port()->device.features, had);
	features &= ~VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	CHECK_EQ(front_ask(&front, VU_SET_FEATURES, &features, 8, NULL, 0), 0);
	end();
}

static const struct sentence sentences[] = {
	CATALOGUE(a_packed_ring_has_any_size_up_to_32768, "[M-5] [P-7]"),
	CATALOGUE(a_position_has_a_wrap_counter_and_lies_in_the_ring, "[M-14]"),
	CATALOGUE(a_position_beyond_a_size_that_came_later_is_a_fresh_ring, "[M-14]"),
	CATALOGUE(its_three_parts_lie_whole_inside_one_region, "[2] [M-10]"),
	SENTENCE(a_fresh_packed_ring_waits_for_its_kick),
	SENTENCE(any_trace_of_use_starts_a_packed_ring_at_once),
	SENTENCE(a_stop_answers_both_positions_with_their_wrap_counters),
	CATALOGUE(a_packed_ring_without_version_1_is_refused, "[M-11]"),
	CATALOGUE(another_kind_of_ring_begins_anew, "[M-11]"),
};
SUITE("session, packed rings", sentences)
