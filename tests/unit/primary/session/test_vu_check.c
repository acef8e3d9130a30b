/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primary/session/vu_check.h: every request against every payload size, every number of descriptors
 * and every edge of its values, in all states. Pure: descriptors here are numbers that nothing
 * opens.
 */
#include <string.h>

#include "check.h"
#include "device.h"
#include "suite.h"
#include "vu_check.h"
#include "vu_msg.h"
#include "vu_rule.h"
#include "vu_table.h"

#define ALL_PROTOCOL (VIRTIO_BIT(VU_PROTOCOL_CONFIGURE_MEM_SLOTS) | VIRTIO_BIT(VU_PROTOCOL_STATUS))

static struct device device;
static struct vu_state state;
static struct vu_raw raw;
static struct vu_msg msg;
static enum refusal reason;

static void begin(void)
{
	memset(&device, 0, sizeof(device));
	device.features = VIRTIO_BIT(VU_F_PROTOCOL_FEATURES);
	device.features_set = true;
	device.protocol_features = ALL_PROTOCOL;
	state = (struct vu_state){.device = &device,
				  .nr_vrings = 4,
				  .max_regions = VU_MAX_TABLE_REGIONS,
				  .greeted = true};
}

/* -1: accepted, else the reason. Descriptors that are never used have impossible numbers. */
static int check(uint32_t request, const void *payload, size_t size, uint32_t nr_fds)
{
	memset(&raw, 0, sizeof(raw));
	memset(raw.payload, 0xa5, sizeof(raw.payload));
	raw.header = (struct vu_header){request, VU_VERSION, (uint32_t)size};
	if (payload)
		memcpy(raw.payload, payload, size);
	raw.nr_fds = nr_fds;
	for (uint32_t i = 0; i < nr_fds; i++)
		raw.fds[i] = 1000000 + (int)i;
	if (!vu_check(&raw, vu_rule(request), &state, &msg, &reason)) {
		CHECK_EQ(raw.nr_fds, 0);
		CHECK_EQ(msg.nr_fds, nr_fds);
		return (int)reason;
	}
	CHECK_EQ(raw.nr_fds, 0);
	CHECK_EQ(msg.nr_fds, nr_fds);
	return -1;
}

/* A payload of the right size with values that are legal for `request`. */
static size_t good_payload(uint32_t request, uint8_t *bytes)
{
	struct vu_vring_state vring = {.index = 1, .num = request == VU_SET_VRING_ENABLE ? 1 : 256};
	struct vu_vring_addr addr = {.index = 1};
	struct vu_mem_table table = {.count = 2,
				     .regions = {{0, 4096, 4096, 0}, {4096, 4096, 8192, 0}}};
	struct vu_mem_reg region = {.region = {0, 4096, 4096, 0}};
	uint64_t word = request == VU_NET_SET_MTU ? 1500 : 1;

	switch (vu_rule(request)->payload) {
	case VU_PAYLOAD_NONE:
	case VU_PAYLOAD_OPAQUE:
		return 0;
	case VU_PAYLOAD_U64:
	case VU_PAYLOAD_VRING_FD:
		memcpy(bytes, &word, sizeof(word));
		return sizeof(word);
	case VU_PAYLOAD_STATE:
		memcpy(bytes, &vring, sizeof(vring));
		return sizeof(vring);
	case VU_PAYLOAD_ADDR:
		memcpy(bytes, &addr, sizeof(addr));
		return sizeof(addr);
	case VU_PAYLOAD_MEMORY:
		memcpy(bytes, &table, sizeof(table));
		return 8 + 2 * sizeof(struct vu_region);
	case VU_PAYLOAD_REGION:
		memcpy(bytes, &region, sizeof(region));
		return sizeof(region);
	}
	return 0;
}

static uint32_t good_fds(uint32_t request)
{
	switch (vu_rule(request)->payload) {
	case VU_PAYLOAD_MEMORY:
		return 2;
	case VU_PAYLOAD_VRING_FD:
		return 1;
	default:
		return vu_rule(request)->min_fds;
	}
}

static bool served(uint32_t request)
{
	return vu_rule(request) && vu_rule(request)->handle;
}

static void exactly_these_requests_are_served(void)
{
	begin();
	for (uint32_t request = 0; request < 256; request++) {
		bool expected = (request >= 1 && request <= 5) || (request >= 8 && request <= 20) ||
				(request >= 36 && request <= 40);
		int result = check(request, NULL, 0, 0);

		CHECK_EQ(served(request), expected);
		if (!vu_rule(request))
			CHECK_EQ(result, REFUSED_UNKNOWN_REQUEST);
		else if (!expected)
			CHECK_EQ(result, REFUSED_UNSUPPORTED_REQUEST);
		CHECK_EQ(!!vu_rule(request), request >= 1 && request <= 45);
	}
	CHECK_EQ(check(1u << 31, NULL, 0, 0), REFUSED_UNKNOWN_REQUEST);
	CHECK_EQ(check(UINT32_MAX, NULL, 0, 0), REFUSED_UNKNOWN_REQUEST);
}

static void a_payload_has_exactly_its_size(void)
{
	uint8_t bytes[VU_MAX_PAYLOAD];

	begin();
	for (uint32_t request = 0; request < VU_NR_REQUESTS; request++) {
		size_t good;

		if (!served(request))
			continue;
		memset(bytes, 0, sizeof(bytes));
		good = good_payload(request, bytes);
		for (size_t size = 0; size <= VU_MAX_PAYLOAD; size++)
			CHECK_EQ(check(request, bytes, size, good_fds(request)),
				 size == good ? -1 : REFUSED_PAYLOAD_SIZE);
	}
}

static void descriptors_come_in_exactly_the_number_the_payload_says(void)
{
	uint8_t bytes[VU_MAX_PAYLOAD];

	begin();
	for (uint32_t request = 0; request < VU_NR_REQUESTS; request++) {
		size_t size;

		if (!served(request))
			continue;
		size = good_payload(request, bytes);
		for (uint32_t n = 0; n <= VU_MAX_FDS; n++) {
			bool good = n == good_fds(request) || (request == VU_REM_MEM_REG && n == 1);

			CHECK_EQ(check(request, bytes, size, n), good ? -1 : REFUSED_FD_COUNT);
		}
	}
}

static void the_no_descriptor_bit_and_a_descriptor_exclude_each_other(void)
{
	uint64_t polling = 1 | VU_VRING_NOFD;

	begin();
	for (uint32_t request = VU_SET_VRING_KICK; request <= VU_SET_VRING_ERR; request++) {
		CHECK_EQ(check(request, &polling, 8, 0), -1);
		CHECK_EQ(msg.index, 1);
		CHECK_EQ(check(request, &polling, 8, 1), REFUSED_FD_COUNT);
	}
}

static void an_index_is_compared_in_its_full_width(void)
{
	static const uint32_t bad[] = {4,	255,	 256,	      0xffff,
				       0x10000, 0x10001, 0x80000000u, UINT32_MAX};
	static const uint32_t requests[] = {VU_SET_VRING_NUM, VU_SET_VRING_BASE, VU_GET_VRING_BASE,
					    VU_SET_VRING_ENABLE};

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vu_vring_addr addr = {.index = bad[i]};

		for (size_t r = 0; r < ARRAY_SIZE(requests); r++) {
			struct vu_vring_state vring = {.index = bad[i], .num = 1};

			CHECK_EQ(check(requests[r], &vring, sizeof(vring), 0), REFUSED_VRING_INDEX);
			vring.index = 3;
			CHECK_EQ(check(requests[r], &vring, sizeof(vring), 0), -1);
			CHECK_EQ(msg.index, 3);
		}
		CHECK_EQ(check(VU_SET_VRING_ADDR, &addr, sizeof(addr), 0), REFUSED_VRING_INDEX);
	}
}

static void junk_above_the_index_of_a_descriptor_message_is_refused(void)
{
	begin();
	for (unsigned int bit = 9; bit < 64; bit++) {
		uint64_t word = 1 | VIRTIO_BIT(bit);

		CHECK_EQ(check(VU_SET_VRING_KICK, &word, 8, 1), REFUSED_PAYLOAD_VALUE);
	}
	for (uint64_t index = 4; index < 256; index++)
		CHECK_EQ(check(VU_SET_VRING_CALL, &index, 8, 1), REFUSED_VRING_INDEX);
}

static void the_directory_bounds_the_index_of_a_port_without_limit(void)
{
	uint64_t index = 255;

	begin();
	state.nr_vrings = 1000;
	CHECK_EQ(check(VU_SET_VRING_KICK, &index, 8, 1), -1);
	CHECK_EQ(check(VU_SET_VRING_NUM, &(struct vu_vring_state){256, 256}, 8, 0),
		 REFUSED_VRING_INDEX);
}

static int set(uint32_t request, uint32_t num)
{
	struct vu_vring_state vring = {.index = 0, .num = num};

	return check(request, &vring, sizeof(vring), 0);
}

static void ring_sizes_are_powers_of_two_up_to_32768(void)
{
	static const uint32_t bad[] = {0, 3, 255, 257, 32767, 32769, 65536, 1u << 31, UINT32_MAX};

	begin();
	for (uint32_t size = 1; size <= 32768; size *= 2) {
		CHECK_EQ(set(VU_SET_VRING_NUM, size), -1);
		CHECK_EQ(msg.num, size);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(set(VU_SET_VRING_NUM, bad[i]), REFUSED_RING_SIZE);
}

static void bases_have_sixteen_bits_and_enable_one(void)
{
	begin();
	CHECK_EQ(set(VU_SET_VRING_BASE, 0xffff), -1);
	CHECK_EQ(set(VU_SET_VRING_BASE, 0x10000), REFUSED_PAYLOAD_VALUE);
	CHECK_EQ(set(VU_SET_VRING_BASE, UINT32_MAX), REFUSED_PAYLOAD_VALUE);
	CHECK_EQ(set(VU_SET_VRING_ENABLE, 0), -1);
	CHECK_EQ(set(VU_SET_VRING_ENABLE, 1), -1);
	CHECK_EQ(set(VU_SET_VRING_ENABLE, 2), REFUSED_PAYLOAD_VALUE);
	CHECK_EQ(set(VU_GET_VRING_BASE, UINT32_MAX), -1);
}

static int word(uint32_t request, uint64_t value)
{
	return check(request, &value, sizeof(value), 0);
}

static void mtu_and_status_have_their_bounds(void)
{
	begin();
	CHECK_EQ(word(VU_NET_SET_MTU, 0), REFUSED_PAYLOAD_VALUE);
	CHECK_EQ(word(VU_NET_SET_MTU, 67), REFUSED_PAYLOAD_VALUE);
	CHECK_EQ(word(VU_NET_SET_MTU, 68), -1);
	CHECK_EQ(word(VU_NET_SET_MTU, 65535), -1);
	CHECK_EQ(word(VU_NET_SET_MTU, 65536), REFUSED_PAYLOAD_VALUE);
	CHECK_EQ(word(VU_NET_SET_MTU, 1ull << 32 | 1500), REFUSED_PAYLOAD_VALUE);
	CHECK_EQ(word(VU_SET_STATUS, 255), -1);
	CHECK_EQ(word(VU_SET_STATUS, 256), REFUSED_PAYLOAD_VALUE);
}

static void unknown_ring_flags_are_refused(void)
{
	begin();
	for (unsigned int bit = 0; bit < 32; bit++) {
		struct vu_vring_addr addr = {.index = 0, .flags = 1u << bit};

		CHECK_EQ(check(VU_SET_VRING_ADDR, &addr, sizeof(addr), 0),
			 bit == 0 ? -1 : REFUSED_PAYLOAD_VALUE);
	}
}

static void a_table_has_one_to_eight_regions(void)
{
	static const uint32_t bad[] = {9, 32, 1u << 16, 1u << 31, UINT32_MAX};
	struct vu_mem_table table = {0};

	begin();
	for (uint32_t i = 0; i < 8; i++)
		table.regions[i] = (struct vu_region){i * 4096ull, 4096, i * 4096ull, 0};
	for (table.count = 1; table.count <= 8; table.count++)
		CHECK_EQ(check(VU_SET_MEM_TABLE, &table, 8 + table.count * 32, table.count), -1);
	table.count = 0;
	CHECK_EQ(check(VU_SET_MEM_TABLE, &table, 8, 0), REFUSED_PAYLOAD_VALUE);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		table.count = bad[i];
		CHECK_EQ(check(VU_SET_MEM_TABLE, &table, sizeof(table), 8),
			 REFUSED_REGION_TABLE_FULL);
	}
}

static void regions_that_are_empty_or_wrap_are_refused(void)
{
	static const struct vu_region bad[] = {
		{0, 0, 0, 0},
		{UINT64_MAX - 4095, 8192, 0, 0},
		{0, 8192, UINT64_MAX - 4095, 0},
		{0, 8192, 0, UINT64_MAX - 4095},
		/* Beyond what a file can have. */
		{0, 8192, 0, (1ull << 63) - 4096},
	};

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vu_mem_table table = {.count = 1, .regions = {bad[i]}};
		struct vu_mem_reg region = {.region = bad[i]};

		CHECK_EQ(check(VU_SET_MEM_TABLE, &table, 40, 1), REFUSED_REGION_RANGE);
		CHECK_EQ(check(VU_ADD_MEM_REG, &region, sizeof(region), 1), REFUSED_REGION_RANGE);
	}
}

static void regions_are_made_of_pages(void)
{
	static const struct vu_region bad[] = {
		{1, 4096, 0, 0},
		{0, 4095, 0, 0},
		{0, 4096, 2048, 0},
		{0, 4096, 0, 1},
	};

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vu_mem_table table = {.count = 1, .regions = {bad[i]}};

		CHECK_EQ(check(VU_SET_MEM_TABLE, &table, 40, 1), REFUSED_REGION_RANGE);
	}
}

static void removing_a_region_ignores_its_offset(void)
{
	struct vu_mem_reg region = {.region = {0, 4096, 4096, UINT64_MAX}};

	begin();
	CHECK_EQ(check(VU_REM_MEM_REG, &region, sizeof(region), 0), -1);
}

static void before_the_greeting_only_questions_are_answered(void)
{
	uint8_t bytes[VU_MAX_PAYLOAD];

	begin();
	state.greeted = false;
	for (uint32_t request = 0; request < VU_NR_REQUESTS; request++) {
		bool early = vu_rule(request) && !(vu_rule(request)->flags & VU_RULE_GREETED);
		size_t size;

		if (!served(request))
			continue;
		size = good_payload(request, bytes);
		CHECK_EQ(check(request, bytes, size, good_fds(request)),
			 early ? -1 : REFUSED_NO_OWNER);
	}
	CHECK_EQ(word(VU_SET_FEATURES, 0), REFUSED_NO_OWNER);
	CHECK_EQ(check(VU_GET_FEATURES, NULL, 0, 0), -1);
	CHECK_EQ(check(VU_SET_OWNER, NULL, 0, 0), -1);
}

static void gated_requests_need_their_protocol_feature(void)
{
	uint8_t bytes[VU_MAX_PAYLOAD];

	begin();
	device.protocol_features = 0;
	for (uint32_t request = 0; request < VU_NR_REQUESTS; request++) {
		bool gated = request >= VU_GET_MAX_MEM_SLOTS && request <= VU_GET_STATUS;
		size_t size;

		if (!served(request))
			continue;
		size = good_payload(request, bytes);
		CHECK_EQ(check(request, bytes, size, good_fds(request)),
			 gated ? REFUSED_NOT_NEGOTIATED : -1);
	}
}

static void enable_is_refused_only_when_bit_30_was_declined(void)
{
	begin();
	device.features = 0;
	CHECK_EQ(set(VU_SET_VRING_ENABLE, 1), REFUSED_NOT_NEGOTIATED);
	device.features_set = false;
	CHECK_EQ(set(VU_SET_VRING_ENABLE, 1), -1);
}

static void a_started_ring_keeps_its_size_address_and_base(void)
{
	struct vu_vring_addr addr = {.index = 0};

	for (int suspended = 0; suspended < 2; suspended++) {
		begin();
		device.vrings[0].started = !suspended;
		device.vrings[0].suspended = suspended;
		CHECK_EQ(set(VU_SET_VRING_NUM, 256), REFUSED_VRING_STATE);
		CHECK_EQ(set(VU_SET_VRING_BASE, 0), REFUSED_VRING_STATE);
		CHECK_EQ(check(VU_SET_VRING_ADDR, &addr, sizeof(addr), 0), REFUSED_VRING_STATE);
		CHECK_EQ(set(VU_SET_VRING_ENABLE, 1), -1);
		CHECK_EQ(set(VU_GET_VRING_BASE, 0), -1);
		addr.index = 1;
		CHECK_EQ(check(VU_SET_VRING_ADDR, &addr, sizeof(addr), 0), -1);
		addr.index = 0;
	}
}

static const struct sentence sentences[] = {
	CATALOGUE(exactly_these_requests_are_served, "[M-1]"),
	CATALOGUE(a_payload_has_exactly_its_size, "[M-1]"),
	CATALOGUE(descriptors_come_in_exactly_the_number_the_payload_says, "[M-2]"),
	CATALOGUE(the_no_descriptor_bit_and_a_descriptor_exclude_each_other, "[10]"),
	CATALOGUE(an_index_is_compared_in_its_full_width, "[12] [M-4]"),
	CATALOGUE(junk_above_the_index_of_a_descriptor_message_is_refused, "[12] [M-4]"),
	SENTENCE(the_directory_bounds_the_index_of_a_port_without_limit),
	CATALOGUE(ring_sizes_are_powers_of_two_up_to_32768, "[M-5]"),
	CATALOGUE(bases_have_sixteen_bits_and_enable_one, "[M-14]"),
	CATALOGUE(mtu_and_status_have_their_bounds, "[M-19]"),
	SENTENCE(unknown_ring_flags_are_refused),
	CATALOGUE(a_table_has_one_to_eight_regions, "[3] [6]"),
	CATALOGUE(regions_that_are_empty_or_wrap_are_refused, "[3] [M-6]"),
	SENTENCE(regions_are_made_of_pages),
	SENTENCE(removing_a_region_ignores_its_offset),
	CATALOGUE(before_the_greeting_only_questions_are_answered, "[M-3]"),
	CATALOGUE(gated_requests_need_their_protocol_feature, "[M-3]"),
	CATALOGUE(enable_is_refused_only_when_bit_30_was_declined, "[M-3]"),
	CATALOGUE(a_started_ring_keeps_its_size_address_and_base, "[M-5]"),
};
SUITE("vu_check", sentences)
