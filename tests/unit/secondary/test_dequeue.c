/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets out of a model guest's rings, of both kinds (RING_PACKED: built once for each): what
 * arrives, and where indices wrap. What hostile guests do is in test_hostile_ring.c;
 * test_reference.c compares bursts with a reference on random images.
 */
#include <holdfast/burst.h>

#include "burst_rig.h"
#include "check.h"
#include "suite.h"

static void headers_of_both_sizes_may_lie_anywhere(void)
{
	static const uint64_t features[] = {0, V1, MRG, V1 | MRG | ANY_LAYOUT};
	static const uint32_t layouts[][12] = {
		{10}, {12}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {4, 0, 7}, {72}, {11, 3}, {13}};

	for (size_t f = 0; f < ARRAY_SIZE(features); f++)
		for (size_t l = 0; l < ARRAY_SIZE(layouts); l++) {
			struct piece pieces[16];
			uint32_t n;

			open_rig(features[f], 64, 0);
			n = scatter(pieces, 60, (uint32_t)l, layouts[l],
				    layouts[l][1] ? (l == 2 ? 12 : 3) : 1);
			REQUIRE(driver_post(&rig.tx, pieces, n) >= 0);
			CHECK_EQ(dequeue(BURST), 1);
			came(0, 60, (uint32_t)l);
			CHECK_EQ(driver_consume_all(&rig.tx), 1);
			close_rig();
		}
}

static void a_chain_of_exactly_the_ring_size_is_delivered(void)
{
	static uint32_t ones[256];
	struct piece pieces[256];
	uint32_t n;

	for (uint32_t i = 0; i < 63; i++)
		ones[i] = 1;
	open_rig(V1, 64, 0);
	n = scatter(pieces, 100, 9, ones, 63);
	CHECK_EQ(n, 64);
	REQUIRE(driver_post(&rig.tx, pieces, n) >= 0);
	CHECK_EQ(dequeue(BURST), 1);
	came(0, 100, 9);
	close_rig();
}

static void an_indirect_table_of_exactly_the_ring_size_is_delivered(void)
{
	static uint32_t ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct piece pieces[16];

	open_rig(V1 | INDIRECT, 16, 0);
	CHECK_EQ(scatter(pieces, 80, 3, ones, 15), 16);
	/* The table may be unaligned. */
	REQUIRE(driver_put_indirect(&rig.tx, slot(100) + 3, pieces, 16) >= 0);
	driver_publish(&rig.tx);
	CHECK_EQ(dequeue(BURST), 1);
	came(0, 80, 3);
	CHECK_EQ(driver_consume_all(&rig.tx), 1);
	close_rig();
}

/* Two regions that touch in guest memory and lie apart in ours. */
static void open_two_regions(uint64_t features)
{
	static const struct guest_span spans[] = {{0, 4u << 20}, {4u << 20, 4u << 20}};
	struct rig_shape shape = {.features = features | RING,
				  .size = 64,
				  .memory = 8u << 20,
				  .spans = spans,
				  .nr_spans = 2};

	REQUIRE(rig_create(&rig, &shape));
}

static void buffers_and_tables_may_straddle_regions(void)
{
	const uint64_t edge = 4u << 20;

	for (uint32_t before = 1; before < 40; before += 3) {
		struct piece pieces[2] = {{edge - before, 12 + 60, 0}};

		open_two_regions(V1 | INDIRECT);
		write_packet(edge - before, 60, before);
		REQUIRE(driver_post(&rig.tx, pieces, 1) >= 0);
		CHECK_EQ(dequeue(BURST), 1);
		came(0, 60, before);
		close_rig();

		open_two_regions(V1 | INDIRECT);
		write_packet(slot(0), 60, before);
		pieces[0] = (struct piece){slot(0), 12, 0};
		pieces[1] = (struct piece){slot(0) + 12, 60, 0};
		REQUIRE(driver_put_indirect(&rig.tx, edge - before, pieces, 2) >= 0);
		driver_publish(&rig.tx);
		CHECK_EQ(dequeue(BURST), 1);
		came(0, 60, before);
		close_rig();
	}
}

static void zero_length_descriptors_are_skipped_wherever_they_stand(void)
{
	static const uint32_t layouts[][5] = {
		{0, 12}, {12, 0}, {5, 0, 0, 7}, {12, 30, 0}, {0, 0, 40}};

	for (size_t l = 0; l < ARRAY_SIZE(layouts); l++) {
		struct piece pieces[8];
		uint32_t n;

		open_rig(V1, 64, 0);
		n = scatter(pieces, 60, 4, layouts[l], 4);
		/* … even with an address that is nowhere. */
		pieces[n++] = (struct piece){1ull << 50, 0, 0};
		REQUIRE(driver_post(&rig.tx, pieces, n) >= 0);
		CHECK_EQ(dequeue(BURST), 1);
		came(0, 60, 4);
		close_rig();
	}
}

static void the_shortest_and_the_largest_packet_are_delivered(void)
{
	static const uint32_t lengths[] = {1, 2, 13, 14, 60, 1514, 9000, 65535, 65562};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct piece piece;

		open_rig(V1, 4, 0);
		write_packet(slot(0), lengths[i], 7);
		piece = (struct piece){slot(0), 12 + lengths[i], 0};
		REQUIRE(driver_post(&rig.tx, &piece, 1) >= 0);
		CHECK_EQ(dequeue(BURST), 1);
		came(0, lengths[i], 7);
		CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_GOOD_BYTES), lengths[i]);
		close_rig();
	}
}

static void room_is_enough_to_the_byte(void)
{
	for (uint32_t room = 98; room <= 101; room++)
		for (uint32_t part = 0; part <= 2; part++) {
			uint32_t first = room * part / 2;
			struct hf_packet second = {.data = data[1], .room = room - first};
			struct piece piece = {0};

			open_rig(V1, 4, 0);
			write_packet(slot(0), 100, 1);
			piece = (struct piece){slot(0), 112, 0};
			REQUIRE(driver_post(&rig.tx, &piece, 1) >= 0);
			make_room(first);
			packets[0].next = &second;
			CHECK_EQ(hf_dequeue_burst(rig.device, 1, pointers, 1), room >= 100);
			CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_DROP_TOO_BIG), room < 100);
			if (room >= 100) {
				CHECK_EQ(packets[0].len + second.len, 100);
				CHECK(is_packet(data[0], packets[0].len, 1));
			}
			CHECK_EQ(driver_consume_all(&rig.tx), 1);
			close_rig();
		}
}

static void the_indirect_descriptors_own_write_flag_is_ignored(void)
{
	struct piece piece;
	int head;

	open_rig(V1 | INDIRECT, 16, 0);
	write_packet(slot(0), 60, 2);
	piece = (struct piece){slot(0), 72, 0};
	head = driver_put_indirect(&rig.tx, slot(9), &piece, 1);
	if (RING)
		rig.tx.heads[0].flags |= DRIVER_WRITE;
	else
		driver_write_desc(&rig.tx, rig.tx.desc, (uint32_t)head, slot(9), 16,
				  DRIVER_INDIRECT | DRIVER_WRITE, 0);
	driver_publish(&rig.tx);
	CHECK_EQ(dequeue(BURST), 1);
	came(0, 60, 2);
	close_rig();
}

/* Send and take `total` packets through a ring of `size`, `at_once` at a time. */
static void run_laps(uint16_t size, uint16_t base, uint32_t total, uint32_t at_once)
{
	uint32_t sent = 0, got = 0, wrong = 0;

	open_rig(V1, size, base);
	while (got < total) {
		uint32_t n = 0;
		uint16_t taken;

		for (; n < at_once && sent < total; n++, sent++) {
			struct piece piece = {slot(sent % 512), 72, 0};

			write_packet(piece.gpa, 60, sent);
			if (driver_put(&rig.tx, &piece, 1) < 0)
				break;
		}
		driver_publish(&rig.tx);
		taken = dequeue(BURST);
		for (uint16_t i = 0; i < taken; i++)
			wrong += packets[i].total != 60 || !is_packet(data[i], 60, got + i);
		got += taken;
		REQUIRE(taken > 0);
		driver_consume_all(&rig.tx);
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(driver_used_idx(&rig.tx), at((uint32_t)base + total));
	close_rig();
}

static void indices_wrap_at_65535_in_rings_of_every_size(void)
{
	static const uint16_t odd[] = {1, 2, 3, 5, 31, 33, 100, 255, 1000};

	if (RING) {
		run_laps(32767, 32760, 100, 17);
		run_laps(32767, 0, 10 * 32767, BURST); /* more than 16 bits count */
	}
	for (uint32_t size = 1; size <= 32768; size *= 2)
		run_laps((uint16_t)size, 65530, 100, (uint32_t)min_u64(size, 17));
	run_laps(2, 0, 70000 / 8, 2);
	/* Only a split ring's size is a power of two. */
	for (size_t i = 0; RING && i < ARRAY_SIZE(odd); i++) {
		run_laps(odd[i], 0, 10 * odd[i], (uint32_t)min_u64(odd[i], 17));
		run_laps(odd[i], odd[i] - 1u, 100, (uint32_t)min_u64(odd[i], 17));
	}
}

static const struct sentence sentences[] = {
	CATALOGUE(headers_of_both_sizes_may_lie_anywhere, "[29] [39]"),
	CATALOGUE(a_chain_of_exactly_the_ring_size_is_delivered, "[26]"),
	CATALOGUE(an_indirect_table_of_exactly_the_ring_size_is_delivered, "[26] [R-2]"),
	CATALOGUE(buffers_and_tables_may_straddle_regions, "[1]"),
	CATALOGUE(zero_length_descriptors_are_skipped_wherever_they_stand, "[R-4]"),
	CATALOGUE(the_shortest_and_the_largest_packet_are_delivered, "[29] [R-6]"),
	SENTENCE(room_is_enough_to_the_byte),
	CATALOGUE(the_indirect_descriptors_own_write_flag_is_ignored, "[R-2]"),
	CATALOGUE(indices_wrap_at_65535_in_rings_of_every_size, "[39] [P-7]"),
};
SUITE(RING ? "dequeue, packed rings" : "dequeue, split rings", sentences)
