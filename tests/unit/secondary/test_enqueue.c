/* SPDX-License-Identifier: Apache-2.0 */
/* Packets into a model guest's rings, of both kinds: what arrives, and in which buffers. */
#include <holdfast/burst.h>
#include <string.h>

#include "burst_rig.h"
#include "check.h"
#include "suite.h"

static void a_packet_arrives_behind_a_header_of_the_negotiated_size(void)
{
	static const uint64_t features[] = {0, V1, MRG, V1 | MRG};

	for (size_t f = 0; f < ARRAY_SIZE(features); f++) {
		const uint8_t *buffer;
		struct driver_used used;

		open_rig(features[f], 64, 0);
		post_buffer(0, SLOT);
		make_packets(1, 60, 3);
		CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 1);
		buffer = guest_at(&rig.guest, slot(0));
		REQUIRE(driver_consume(&rig.rx, &used));
		CHECK_EQ(used.len, header_bytes() + 60);
		for (uint32_t i = 0; i < 10; i++)
			CHECK_EQ(buffer[i], 0);
		if (header_bytes() == 12)
			CHECK_EQ(buffer[10] + buffer[11] * 256, 1);
		CHECK(is_packet(buffer + header_bytes(), 60, 3));
		close_rig();
	}
}

/* Gather a packet from used buffers of one piece each. */
static uint32_t gather(uint8_t *to, uint16_t *ret_buffers)
{
	struct driver_used used;
	uint32_t len = 0, left = 1;
	uint64_t addr;

	for (uint32_t i = 0; i < left; i++) {
		uint32_t skip = i ? 0 : 12;

		if (!driver_consume(&rig.rx, &used))
			return 0;
		addr = posted[used.id % 256];
		if (!i)
			left = guest_read16(&rig.guest, addr + 10);
		memcpy(to + len, guest_at(&rig.guest, addr + skip), used.len - skip);
		len += used.len - skip;
	}
	*ret_buffers = (uint16_t)left;
	return len;
}

static void a_large_packet_is_spread_over_mergeable_buffers(void)
{
	static const uint32_t lengths[] = {60, 1514, 2036, 2037, 9000, 65562};
	static uint8_t bytes[PACKET_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint16_t buffers = 0;

		open_rig(V1 | MRG, 256, 65500);
		for (uint32_t b = 0; b < 256; b++)
			post_buffer(b, 2048);
		make_packets(1, lengths[i], 8);
		CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 1);
		CHECK_EQ(gather(bytes, &buffers), lengths[i]);
		CHECK_EQ(buffers, (lengths[i] + 12 + 2047) / 2048);
		CHECK(is_packet(bytes, lengths[i], 8));
		close_rig();
	}
}

static void num_buffers_may_lie_in_two_descriptors(void)
{
	struct piece pieces[] = {{0, 11, DRIVER_WRITE}, {0, 100, DRIVER_WRITE}};

	open_rig(V1 | MRG, 16, 0);
	for (int i = 0; i < 2; i++) {
		pieces[0].gpa = slot(2 * (uint32_t)i);
		pieces[1].gpa = slot(2 * (uint32_t)i + 1);
		REQUIRE(driver_post(&rig.rx, pieces, 2) >= 0);
	}
	make_packets(1, 150, 1);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 1);
	CHECK_EQ(*guest_at(&rig.guest, slot(0) + 10), 2);
	CHECK_EQ(*guest_at(&rig.guest, slot(1)), 0);
	CHECK(is_packet(guest_at(&rig.guest, slot(1) + 1), 99, 1));
	CHECK_EQ(driver_consume_all(&rig.rx), 2);
	close_rig();
}

static void exactly_as_many_packets_are_taken_as_there_is_room_for(void)
{
	uint32_t chains = 0;

	open_rig(V1 | MRG, 256, 0);
	while (chains < 200) /* 95 buffers of 16 bytes each hold 1500 + 12 */
		post_buffer(chains++, 16);
	make_packets(BURST, 1500, 0);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, BURST), 200 / 95);
	CHECK_EQ(driver_used_idx(&rig.rx), at(190));
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_NO_GUEST_BUFFER), 1);
	CHECK_EQ(driver_consume_all(&rig.rx), 190);
	close_rig();
}

static void a_burst_stops_where_the_buffers_end_and_goes_on_there(void)
{
	open_rig(V1, 16, 65534);
	for (uint32_t i = 0; i < 5; i++)
		post_buffer(i, 2048);
	make_packets(8, 60, 0);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 8), 5);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers + 5, 3), 0);
	for (uint32_t i = 5; i < 8; i++)
		post_buffer(i, 2048);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers + 5, 3), 3);
	for (uint32_t i = 0; i < 8; i++)
		CHECK(is_packet(guest_at(&rig.guest, slot(i) + 12), 60, i));
	CHECK_EQ(driver_consume_all(&rig.rx), 8);
	close_rig();
}

static void a_packet_of_segments_is_gathered(void)
{
	open_rig(V1, 16, 0);
	post_buffer(0, 2048);
	make_packets(1, 300, 6);
	packets[1] = (struct hf_packet){.data = data[0] + 100, .len = 0, .next = &packets[2]};
	packets[2] = (struct hf_packet){.data = data[0] + 100, .len = 200};
	packets[0].len = 100;
	packets[0].next = &packets[1];
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 1);
	CHECK(is_packet(guest_at(&rig.guest, slot(0) + 12), 300, 6));
	packets[0].total = 299; /* not the sum of its segments */
	post_buffer(1, 2048);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 1);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_BAD_METADATA), 1);
	CHECK_EQ(driver_consume_all(&rig.rx), 1);
	close_rig();
}

static const struct sentence sentences[] = {
	SENTENCE(a_packet_arrives_behind_a_header_of_the_negotiated_size),
	CATALOGUE(a_large_packet_is_spread_over_mergeable_buffers, "[32] [R-10]"),
	CATALOGUE(num_buffers_may_lie_in_two_descriptors, "[29]"),
	CATALOGUE(exactly_as_many_packets_are_taken_as_there_is_room_for, "[32]"),
	SENTENCE(a_burst_stops_where_the_buffers_end_and_goes_on_there),
	SENTENCE(a_packet_of_segments_is_gathered),
};
SUITE(RING ? "enqueue, packed rings" : "enqueue, split rings", sentences)
