/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings driven wrongly, one named case each. After every DROP the bad chain is back with length 0
 * and the good one behind it arrives; after every BREAK the ring is silent and untouched. No byte
 * outside the buffers and the used ring changes, ever.
 *
 * A DROP_ or BREAK_ counter without a case fails the suite.
 */
#define CSUM HF_FEATURE(VIRTIO_NET_F_CSUM)
#define TSO4 HF_FEATURE(VIRTIO_NET_F_HOST_TSO4)

#define SIZE 16u
#define RING 0ull
#include "drops.h"

/* A chain of one descriptor whose fields are then spoiled. */
static int one(uint64_t gpa, uint32_t len, uint16_t flags)
{
	struct piece piece = {gpa, len, writable};
	int head = driver_put(d, &piece, 1);

	REQUIRE(head >= 0);
	driver_write_desc(d, d->desc, (uint32_t)head, gpa, len, flags, (uint16_t)head);
	return head;
}

static void two(uint16_t first_flags, uint16_t second_flags)
{
	struct piece pieces[] = {{slot(0), 1, writable}, {slot(1), 100, writable}};
	int head = driver_put(d, pieces, 2);

	REQUIRE(head >= 0);
	driver_write_desc(d, d->desc, (uint32_t)head, slot(0), 1, first_flags | DRIVER_NEXT,
			  (uint16_t)(head + 1));
	driver_write_desc(d, d->desc, (uint32_t)head + 1, slot(1), 100, second_flags, 0);
}

static void loop_of_one(void)
{
	one(slot(0), 0, DRIVER_NEXT | writable);
}

static void loop_of_two(void)
{
	struct piece pieces[] = {{slot(0), 0, writable}, {slot(1), 0, writable}};
	int head = driver_put(d, pieces, 2);

	driver_write_desc(d, d->desc, (uint32_t)head + 1, slot(1), 0, DRIVER_NEXT | writable,
			  (uint16_t)head);
}

static void loop_with_bytes(void)
{
	one(slot(0), 1, DRIVER_NEXT | writable);
}

/* n descriptors in an indirect table, all of length 0 but the last. */
static void table_of(uint32_t n)
{
	struct piece pieces[SIZE + 1];

	for (uint32_t i = 0; i < n; i++)
		pieces[i] = (struct piece){slot(i), i + 1 == n ? 200 : 0, writable};
	REQUIRE(driver_put_indirect(d, slot(100), pieces, n) >= 0);
}

static void table_one_longer_than_the_ring(void)
{
	table_of(SIZE + 1);
}

static void loop_in_a_table(void)
{
	table_of(2);
	driver_write_desc(d, slot(100), 1, slot(1), 0, DRIVER_NEXT | writable, 0);
}

static void next_at_the_rings_end(void)
{
	int head = one(slot(0), 1, 0);

	driver_write_desc(d, d->desc, (uint32_t)head, slot(0), 1, DRIVER_NEXT | writable, SIZE);
}

static void next_far_out(void)
{
	int head = one(slot(0), 1, 0);

	driver_write_desc(d, d->desc, (uint32_t)head, slot(0), 1, DRIVER_NEXT | writable, 0xffff);
}

static void next_at_the_tables_end(void)
{
	table_of(2);
	driver_write_desc(d, slot(100), 1, slot(1), 1, DRIVER_NEXT | writable, 2);
}

static void table_len(uint32_t len, uint16_t flags)
{
	int head;

	table_of(2);
	head = (int)(d->next_desc + SIZE - 1) % (int)SIZE;
	driver_write_desc(d, d->desc, (uint32_t)head, slot(100), len, DRIVER_INDIRECT | flags, 0);
}

static void table_of_no_bytes(void)
{
	table_len(0, 0);
}

static void table_of_half_an_entry(void)
{
	table_len(8, 0);
}

static void table_of_17_bytes(void)
{
	table_len(17, 0);
}

static void table_that_goes_on(void)
{
	table_len(32, DRIVER_NEXT);
}

static void table_in_a_table(void)
{
	table_of(2);
	driver_write_desc(d, slot(100), 0, slot(101), 16, DRIVER_INDIRECT, 0);
}

static void table_nowhere(void)
{
	int head = one(slot(0), 1, 0);

	driver_write_desc(d, d->desc, (uint32_t)head, HOLE + 16, 32, DRIVER_INDIRECT, 0);
}

static void table_over_the_end(void)
{
	struct piece piece = {slot(0), 0, writable};
	int head;

	head = driver_put(d, &piece, 1);
	driver_write_desc(d, d->desc, (uint32_t)head, HOLE - 16, 4096, DRIVER_INDIRECT, 0);
	driver_write_desc(d, HOLE - 16, 0, slot(0), 0, DRIVER_NEXT | writable, 1);
}

static void buffer_nowhere(void)
{
	one(HOLE + 4096, 100, writable);
}

static void buffer_over_the_end(void)
{
	guest_declare(&rig.guest, HOLE - 16, 16, writable);
	one(HOLE - 16, 4096, writable);
}

static void buffer_that_wraps(void)
{
	one(UINT64_MAX - 15, 4096, writable);
}

static void buffer_at_the_top(void)
{
	one(UINT64_MAX, 2, writable);
}

static void second_buffer_nowhere(void)
{
	two(writable, writable);
	driver_write_desc(d, d->desc, (d->next_desc + SIZE - 1u) % SIZE, 1ull << 50, 100, writable,
			  0);
}

static void wrong_direction(void)
{
	one(slot(0), 100, writable ^ DRIVER_WRITE);
}

static void wrong_direction_second(void)
{
	two(writable, writable ^ DRIVER_WRITE);
}

static void wrong_direction_and_empty(void)
{
	struct piece pieces[] = {{slot(0), 0, writable}, {slot(1), 100, writable}};
	int head = driver_put(d, pieces, 2);

	driver_write_desc(d, d->desc, (uint32_t)head, slot(0), 0,
			  (writable ^ DRIVER_WRITE) | DRIVER_NEXT, (uint16_t)(head + 1));
}

static void chain_of_nothing(void)
{
	one(slot(0), 0, writable);
}

static void chain_of_one_byte(void)
{
	one(slot(0), 1, writable);
}

static void chain_of_a_header_less_one(void)
{
	one(slot(0), 11, writable);
}

static void chain_of_a_header(void)
{
	one(slot(0), 12, writable);
}

static void larger_than_the_room(void)
{
	one(slot(0), ROOM + 12 + 1, writable);
}

static void larger_than_anything(void)
{
	one(slot(0), 0xffffffff, writable);
}

/* A frame of FRAME zeros behind this header. */
static void with_header(uint8_t flags, uint8_t gso, uint16_t gso_size, uint16_t start,
			uint16_t offset)
{
	uint8_t bytes[12 + FRAME] = {flags, gso};

	memcpy(bytes + 4, &gso_size, 2);
	memcpy(bytes + 6, &start, 2);
	memcpy(bytes + 8, &offset, 2);
	guest_write(&rig.guest, slot(0), bytes, sizeof(bytes));
	one(slot(0), sizeof(bytes), 0);
}

static void checksum_behind_the_frame(void)
{
	with_header(1, 0, 0, FRAME - 1, 0);
}

static void checksum_start_far_out(void)
{
	with_header(1, 0, 0, 65535, 0);
}

static void checksum_sum_wraps(void)
{
	with_header(1, 0, 0, 65535, 65535);
}

static void segments_of_no_size(void)
{
	with_header(1, 1, 0, 34, 16);
}

static void segments_of_an_unknown_type(void)
{
	with_header(1, 2, 100, 34, 16);
}

static void tcp_segments_of_what_is_not_tcp(void)
{
	with_header(1, 1, 100, 34, 16);
}

static void segments_not_negotiated(void)
{
	with_header(1, 4, 100, 34, 16);
}

static void only_ecn(void)
{
	with_header(1, 0x80, 100, 34, 16);
}

static const struct drop drops[] = {
	CASE(loop_of_one, LOOP, 0, BOTH),
	CASE(loop_of_two, LOOP, 0, BOTH),
	CASE(loop_with_bytes, LOOP, 0, FROM),
	CASE(table_one_longer_than_the_ring, LOOP, INDIRECT, BOTH),
	CASE(loop_in_a_table, LOOP, INDIRECT, BOTH),
	CASE(next_at_the_rings_end, BAD_NEXT, 0, BOTH),
	CASE(next_far_out, BAD_NEXT, 0, BOTH),
	CASE(next_at_the_tables_end, BAD_NEXT, INDIRECT, BOTH),
	CASE(table_of_no_bytes, BAD_INDIRECT, INDIRECT, BOTH),
	CASE(table_of_half_an_entry, BAD_INDIRECT, INDIRECT, BOTH),
	CASE(table_of_17_bytes, BAD_INDIRECT, INDIRECT, BOTH),
	CASE(table_that_goes_on, BAD_INDIRECT, INDIRECT, BOTH),
	CASE(table_in_a_table, BAD_INDIRECT, INDIRECT, BOTH),
	CASE(loop_in_a_table, BAD_INDIRECT, 0, BOTH), /* not negotiated */
	CASE(table_nowhere, BAD_ADDRESS, INDIRECT, BOTH),
	CASE(table_over_the_end, BAD_ADDRESS, INDIRECT, BOTH),
	CASE(buffer_nowhere, BAD_ADDRESS, 0, BOTH),
	CASE(buffer_over_the_end, BAD_ADDRESS, 0, BOTH),
	CASE(buffer_that_wraps, BAD_ADDRESS, 0, BOTH),
	CASE(buffer_at_the_top, BAD_ADDRESS, 0, BOTH),
	CASE(second_buffer_nowhere, BAD_ADDRESS, 0, BOTH),
	CASE(wrong_direction, BAD_DIRECTION, 0, BOTH),
	CASE(wrong_direction_second, BAD_DIRECTION, 0, BOTH),
	CASE(wrong_direction_and_empty, BAD_DIRECTION, 0, BOTH),
	CASE(chain_of_nothing, SHORT_CHAIN, 0, FROM),
	CASE(chain_of_one_byte, SHORT_CHAIN, 0, FROM),
	CASE(chain_of_a_header_less_one, SHORT_CHAIN, 0, FROM),
	CASE(chain_of_a_header, SHORT_CHAIN, 0, FROM),
	CASE(chain_of_nothing, SHORT_CHAIN, MRG, TO),
	CASE(larger_than_the_room, TOO_BIG, 0, FROM),
	CASE(larger_than_anything, TOO_BIG, 0, FROM),
	CASE(checksum_behind_the_frame, BAD_HEADER, CSUM, FROM),
	CASE(checksum_start_far_out, BAD_HEADER, CSUM, FROM),
	CASE(checksum_sum_wraps, BAD_HEADER, CSUM, FROM),
	CASE(segments_of_no_size, BAD_HEADER, CSUM | TSO4, FROM),
	CASE(segments_of_an_unknown_type, BAD_HEADER, CSUM | TSO4, FROM),
	CASE(tcp_segments_of_what_is_not_tcp, BAD_HEADER, CSUM | TSO4, FROM),
	CASE(segments_not_negotiated, BAD_HEADER, CSUM | TSO4, FROM),
	CASE(only_ecn, BAD_HEADER, CSUM | TSO4, FROM),
};

static void a_bad_chain_from_the_guest_costs_itself_only(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(drops); i++)
		if (drops[i].dequeue)
			check_drop(&drops[i], 1);
}

static void a_bad_chain_for_the_guest_costs_itself_only(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(drops); i++)
		if (drops[i].enqueue)
			check_drop(&drops[i], 0);
}

/* ---- what costs the ring */

static void check_broken(uint16_t queue, enum hf_counter reason, uint16_t used_idx)
{
	for (int i = 0; i < 5; i++)
		CHECK_EQ(move_one(queue), 0);
	CHECK_EQ(rig_counter(&rig, queue, reason), 1);
	CHECK_EQ(rig_errors(&rig, queue), 1);
	CHECK_EQ(rig.lanes[queue].broken, reason + 1);
	/* Whatever the guest does now: nothing. */
	guest_declare(&rig.guest, d->used, driver_used_bytes(SIZE), false);
	driver_publish(d);
	CHECK_EQ(move_one(queue), 0);
	CHECK_EQ(driver_used_idx(d), used_idx);
	CHECK_EQ(rig_errors(&rig, queue), 0);
}

static void check_avail_jump(uint16_t queue, uint16_t jump)
{
	open_ring(queue, 0);
	put_good(queue);
	guest_write16(&rig.guest, d->avail + 2, jump);
	check_broken(queue, HF_COUNTER_BREAK_AVAIL_IDX, 0);
	close_ring(queue);
}

static void an_available_index_too_far_ahead_breaks_the_ring(void)
{
	static const uint16_t jumps[] = {SIZE + 1, 0x7fff, 65535, 65534};

	for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
		check_avail_jump(0, jumps[i]);
		check_avail_jump(1, jumps[i]);
	}
}

static void an_available_index_of_a_full_ring_is_legal(void)
{
	uint32_t got = 0;

	open_ring(1, 0);
	for (uint32_t i = 0; i < SIZE; i++)
		put_good(1);
	driver_publish(d);
	while (move_one(1))
		got++;
	CHECK_EQ(got, SIZE);
	CHECK_EQ(driver_consume_all(d), SIZE);
	close_ring(1);
}

static void a_head_out_of_range_breaks_the_ring(void)
{
	static const uint16_t heads[] = {SIZE, 0x7fff, 0xffff};

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		for (uint16_t queue = 0; queue < 2; queue++) {
			open_ring(queue, 0);
			driver_put_head(d, heads[i]);
			driver_publish(d);
			check_broken(queue, HF_COUNTER_BREAK_BAD_HEAD, 0);
			close_ring(queue);
		}
}

static void what_came_before_a_bad_head_is_still_delivered(void)
{
	open_ring(1, 0);
	put_good(1);
	driver_put_head(d, SIZE);
	driver_publish(d);
	CHECK_EQ(move_one(1), 1);
	check_broken(1, HF_COUNTER_BREAK_BAD_HEAD, 1);
	close_ring(1);
}

/* ---- what is wrong with the packet, or the moment */

static void a_buffer_too_small_for_the_packet_drops_the_packet(void)
{
	struct piece piece = {0, 12 + FRAME - 1, DRIVER_WRITE};

	open_ring(0, 0);
	piece.gpa = slot(0);
	driver_post(d, &piece, 1);
	for (int i = 1; i < 4; i++) { /* returns, again and again */
		CHECK_EQ(move_one(0), 1);
		CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_GUEST_BUFFER_SMALL), i);
	}
	CHECK_EQ(driver_used_idx(d), 0);
	close_ring(0);
}

static void a_packet_larger_than_the_whole_ring_is_dropped(void)
{
	open_ring(0, MRG);
	for (uint32_t i = 0; i < SIZE; i++) {
		struct piece piece = {slot(i), 4, DRIVER_WRITE};

		driver_put(d, &piece, 1);
	}
	driver_publish(d);
	CHECK_EQ(move_one(0), 1);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_TOO_BIG), 1);
	CHECK_EQ(driver_used_idx(d), 0);
	close_ring(0);
}

static void metadata_outside_the_packet_drops_the_packet(void)
{
	static uint8_t bytes[FRAME];
	struct hf_packet packet = {.data = bytes,
				   .len = FRAME,
				   .total = FRAME,
				   .offload = {.flags = 1, .csum_start = FRAME - 1}};
	struct hf_packet *pointer = &packet;

	open_ring(0, 0);
	put_good(0);
	driver_publish(d);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, &pointer, 1), 1);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_BAD_METADATA), 1);
	CHECK_EQ(driver_used_idx(d), 0);
	close_ring(0);
}

static void a_disabled_ring_drops_what_the_guest_sends(void)
{
	open_ring(1, 0);
	rig.grants[1] &= ~HF_GRANT_ENABLED;
	for (int i = 0; i < 5; i++)
		put_good(1);
	driver_publish(d);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(move_one(1), 0);
	CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_DROP_DISABLED), 5);
	CHECK_EQ(driver_consume_all(d), 5);
	close_ring(1);
}

/* Many bad chains: none is lost, none comes twice. */
static void bad_chains_forever_leave_nothing_behind(void)
{
	open_ring(1, 0);
	for (int i = 0; i < 100000; i++) {
		wrong_direction();
		driver_publish(d);
		CU_ASSERT_FATAL(move_one(1) == 0);
		CU_ASSERT_FATAL(driver_consume_all(d) == 1);
	}
	CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_DROP_BAD_DIRECTION), 100000);
	close_ring(1);
}

/* Last: the others have counted. */
static void every_refusal_has_a_case(void)
{
	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++) {
		const char *name = hf_shm_counter_name(i);

		if (strncmp(name, "drop_", 5) != 0 && strncmp(name, "break_", 6) != 0)
			continue;
		if (i == HF_COUNTER_BREAK_BAD_CHAIN || /* a packed ring's */
		    i == HF_COUNTER_BREAK_MEMORY_GONE) /* in test_sigbus.c */
			continue;
		if (!met[i])
			printf("    no case for %s\n", name);
		CHECK(met[i] > 0);
	}
}

static const struct sentence sentences[] = {
	CATALOGUE(a_bad_chain_from_the_guest_costs_itself_only,
		  "[26] [27] [36] [R-1] [R-2] [R-3] [R-4] [R-5] [R-9]"),
	CATALOGUE(a_bad_chain_for_the_guest_costs_itself_only,
		  "[26] [27] [36] [R-1] [R-2] [R-3] [R-4] [R-5]"),
	CATALOGUE(an_available_index_too_far_ahead_breaks_the_ring, "[33]"),
	CATALOGUE(an_available_index_of_a_full_ring_is_legal, "[33]"),
	CATALOGUE(a_head_out_of_range_breaks_the_ring, "[27]"),
	SENTENCE(what_came_before_a_bad_head_is_still_delivered),
	CATALOGUE(a_buffer_too_small_for_the_packet_drops_the_packet, "[R-10]"),
	CATALOGUE(a_packet_larger_than_the_whole_ring_is_dropped, "[32] [R-10]"),
	SENTENCE(metadata_outside_the_packet_drops_the_packet),
	SENTENCE(a_disabled_ring_drops_what_the_guest_sends),
	SENTENCE(what_is_sent_behind_the_enabling_is_not_dropped),
	SENTENCE(what_is_sent_while_the_ring_is_taken_back_is_not_dropped),
	CATALOGUE(bad_chains_forever_leave_nothing_behind, "[7] [37]"),
	SENTENCE(every_refusal_has_a_case),
};
SUITE("hostile ring", sentences)
