/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains driven wrongly: the catalogue's cases of loops, indices, lengths and segments, over both
 * kinds of rings and all four ways that bursts go (alive.h).
 */
#include "alive.h"
#include "check.h"

#define HOLE   ALIVE_MEMORY
#define MIB    (1ull << 20)
#define NEXT   DRIVER_NEXT
#define LOOP   HF_COUNTER_DROP_LOOP
#define NOADDR HF_COUNTER_DROP_BAD_ADDRESS
#define SHORT  HF_COUNTER_DROP_SHORT_CHAIN

/* ---- loops, and chains as long as can be */

static void loop_of(struct alive *a, const uint64_t *in)
{
	uint32_t n = (uint32_t)in[0], len = (uint32_t)in[1];

	n = n ? n : a->size;
	alive_chain_of(a, n, len);
	alive_spoil(a, n - 1, alive_slot(a, n - 1), len, NEXT | a->writable, a->head);
}

static void loop_in_a_table(struct alive *a, const uint64_t *in)
{
	uint32_t n = (uint32_t)in[0];
	uint32_t first = n ? 0 : a->size - 1; /* 0: the last one names itself */

	n = n ? n : a->size;
	alive_table_of(a, n, 0);
	alive_entry(a, alive_slot(a, ALIVE_TABLE), n - 1, alive_slot(a, 0), 0, NEXT | a->writable,
		    (uint16_t)first);
}

static void chain_as_long_as_the_ring(struct alive *a, const uint64_t *in)
{
	struct piece pieces[512];

	(void)in;
	alive_put(a, pieces, alive_cut(a, pieces, a->size, 5));
}

/* In so many entries more than the ring has. */
static void table_as_long_as_the_ring(struct alive *a, const uint64_t *in)
{
	struct piece pieces[512];
	uint32_t n = a->size + (uint32_t)in[0];

	alive_cut(a, pieces, a->size, 5);
	if (in[0]) /* then nothing is in front of the end */
		alive_fill(a, pieces, n, 0);
	if (in[0])
		pieces[n - 1].len = 200;
	alive_table(a, alive_slot(a, ALIVE_TABLE), pieces, n);
}

static void a_loop_costs_its_chain_and_a_chain_of_the_rings_length_is_none(void)
{
	static const struct hostile cases[] = {
		{"D[0].next = 0", loop_of, LOOP, BOTH | SPLIT, 0, {1, 0}},
		{"D[0].next = 0, with a byte", loop_of, LOOP, BOTH | SPLIT, 0, {1, 1}},
		{"0 -> 1 -> 0", loop_of, LOOP, BOTH | SPLIT, 0, {2, 0}},
		{"0 -> 1 -> 0, with a byte", loop_of, LOOP, BOTH | SPLIT, 0, {2, 1}},
		{"of all descriptors", loop_of, LOOP, BOTH | SPLIT, 0, {0, 0}},
		{"of one entry", loop_in_a_table, LOOP, BOTH | SPLIT, INDIRECT, {1}},
		{"of two entries", loop_in_a_table, LOOP, BOTH | SPLIT, INDIRECT, {2}},
		{"of a ring's entries", loop_in_a_table, LOOP, BOTH | SPLIT, INDIRECT, {16}},
		{"of the last entry", loop_in_a_table, LOOP, BOTH | SPLIT, INDIRECT, {0}},
		{"exactly Q", chain_as_long_as_the_ring, ALIVE_DELIVERED, BOTH | ANY},
		{"a table of exactly Q", table_as_long_as_the_ring, ALIVE_DELIVERED, BOTH | ANY,
		 INDIRECT},
		{"a table of Q + 1", table_as_long_as_the_ring, LOOP, BOTH | ANY, INDIRECT, {1}},
	};
	ALIVE_RUN(cases);
}

/* ---- indices */

static void head_of(struct alive *a, const uint64_t *in)
{
	driver_put_head(a->d, in[0] ? (uint16_t)in[0] : a->size);
}

static void next_of(struct alive *a, const uint64_t *in)
{
	alive_chain_of(a, 1, 1);
	alive_spoil(a, 0, alive_slot(a, 0), 1, NEXT | a->writable,
		    in[0] ? (uint16_t)in[0] : a->size);
}

static void next_in_a_table(struct alive *a, const uint64_t *in)
{
	alive_table_of(a, 2, 1);
	alive_entry(a, alive_slot(a, ALIVE_TABLE), 1, alive_slot(a, 1), 1, NEXT | a->writable,
		    (uint16_t)in[0]);
}

static void a_head_out_of_range_costs_the_ring(void)
{
	static const struct hostile cases[] = {
		{"Q", head_of, HF_COUNTER_BREAK_BAD_HEAD, BOTH | SPLIT},
		{"0x7fff", head_of, HF_COUNTER_BREAK_BAD_HEAD, BOTH | SPLIT, 0, {0x7fff}},
		{"0xffff", head_of, HF_COUNTER_BREAK_BAD_HEAD, BOTH | SPLIT, 0, {0xffff}},
	};
	ALIVE_RUN(cases);
}

static void a_next_out_of_range_costs_its_chain(void)
{
	static const struct hostile cases[] = {
		{"Q", next_of, HF_COUNTER_DROP_BAD_NEXT, BOTH | SPLIT},
		{"0xffff", next_of, HF_COUNTER_DROP_BAD_NEXT, BOTH | SPLIT, 0, {0xffff}},
		{"a table's end",
		 next_in_a_table,
		 HF_COUNTER_DROP_BAD_NEXT,
		 BOTH | SPLIT,
		 INDIRECT,
		 {2}},
		{"0xffff in a table",
		 next_in_a_table,
		 HF_COUNTER_DROP_BAD_NEXT,
		 BOTH | SPLIT,
		 INDIRECT,
		 {0xffff}},
	};
	ALIVE_RUN(cases);
}

/* ---- lengths */

/* Each is a burst of its own here; what looks at four at once is in test_look.c. */
static void four_in_the_hole(struct alive *a, const uint64_t *in)
{
	for (int i = 0; i < 4; i++)
		alive_one(a, HOLE + 4096, (uint32_t)in[0], a->writable);
}

static void four_in_a_row_that_lie_nowhere_are_dropped_whatever_their_length(void)
{
	static const struct hostile cases[] = {
		{"of no byte", four_in_the_hole, SHORT, BOTH | ANY, MRG, {0}, 0, 4},
		{"of one byte", four_in_the_hole, NOADDR, BOTH | ANY, MRG, {1}, 0, 4},
		{"of an ordinary length", four_in_the_hole, NOADDR, BOTH | ANY, MRG, {72}, 0, 4},
	};
	ALIVE_RUN(cases);
}

static void chain_of_bytes(struct alive *a, const uint64_t *in)
{
	uint8_t zeros[16] = {0};
	uint32_t len = in[0] == 2 ? alive_header(a) - 1 : in[0] == 3 ? alive_header(a) : in[0] > 0;
	struct piece piece = {alive_slot(a, 0), len, a->writable};

	if (!a->to)
		guest_write(&a->rig.guest, piece.gpa, zeros, sizeof(zeros));
	alive_put(a, &piece, 1);
}

static void a_chain_that_is_not_longer_than_the_header_is_dropped(void)
{
	static const struct hostile cases[] = {
		{"0", chain_of_bytes, SHORT, FROM | ANY, 0, {0}},
		{"1", chain_of_bytes, SHORT, FROM | ANY, 0, {1}},
		{"H - 1", chain_of_bytes, SHORT, FROM | ANY, 0, {2}},
		{"H", chain_of_bytes, SHORT, FROM | ANY, 0, {3}},
		{"0 for the guest", chain_of_bytes, SHORT, TO | ANY, MRG, {0}},
	};
	ALIVE_RUN(cases);
}

static void check_one_byte(struct alive *a)
{
	struct piece piece = {alive_slot(a, 0), alive_header(a) + 1, 0};
	struct driver_used used;

	alive_write(a, piece.gpa);
	alive_put(a, &piece, 1);
	driver_publish(a->d);
	CHECK_EQ(alive_move(a), 1);
	CHECK_EQ(a->packet.total, 1);
	CHECK_EQ(a->packet.len, 1);
	CHECK_EQ(a->packet.data[0], alive_byte(0));
	CHECK(driver_consume(a->d, &used));
	CHECK_EQ(used.len, 0);
	alive_check(a);
	alive_good(a);
	alive_delivered(a);
}

/* The fixed rule. */
static void a_header_and_one_byte_are_a_packet(void)
{
	alive_each(FROM | ANY, 0, 0, check_one_byte);
}

static void in_steps(struct alive *a, const uint64_t *in)
{
	struct piece pieces[512];

	alive_put(a, pieces, alive_cut(a, pieces, (uint32_t)in[0], (uint32_t)in[1]));
}

/* The two bytes of num_buffers may lie in two descriptors. */
static void a_header_may_lie_in_any_pieces(void)
{
	static const struct hostile cases[] = {
		{"12 of one byte and 60", in_steps, ALIVE_DELIVERED, BOTH | ANY, 0, {13, 1}},
		{"11 and the rest", in_steps, ALIVE_DELIVERED, BOTH | ANY, MRG, {2, 11}},
		{"10 and the rest", in_steps, ALIVE_DELIVERED, BOTH | ANY, 0, {2, 10}},
		{"5 and 5 and the rest", in_steps, ALIVE_DELIVERED, BOTH | ANY, MRG, {3, 5}},
	};
	ALIVE_RUN(cases);
}

/* Two regions that touch in the guest, and in this process do not. */
static void check_regions_edge(struct alive *a, uint64_t edge, uint32_t before)
{
	struct piece piece = {edge - before, alive_header(a) + ALIVE_FRAME, a->writable};

	alive_write(a, piece.gpa);
	alive_put(a, &piece, 1);
	alive_delivered(a);
	guest_declare(&a->rig.guest, piece.gpa, piece.len, false);
}

static void a_header_may_lie_in_two_regions(void)
{
	static const struct guest_span spans[] = {{0, MIB}, {MIB, MIB}};
	static struct alive a;

	for (enum way way = 0; way < NR_WAYS; way++)
		for (int packed = 0; packed < 2; packed++) {
			struct rig_shape shape = {.features = V1 | MRG | (packed ? PACKED : 0),
						  .size = 16,
						  .memory = 2 * MIB,
						  .spans = spans,
						  .nr_spans = 2};

			alive_open(&a, way, &shape);
			for (uint32_t before = 1; before < 80; before++)
				check_regions_edge(&a, MIB, before);
			alive_close(&a);
		}
}

static void single(struct alive *a, const uint64_t *in)
{
	alive_one(a, in[0] ? in[0] : alive_slot(a, 0), (uint32_t)in[1], a->writable);
	/* Of a length that is not looked at as far: where the packet goes. */
	if (!in[0] && a->to) {
		guest_declare(&a->rig.guest, alive_slot(a, 0), 72, true);
		a->pieces[0].len = 72;
	}
}

static void sum_of_4_gib(struct alive *a, const uint64_t *in)
{
	(void)in;
	alive_chain_of(a, 256, 0x01000000);
}

/* Enqueue looks no further than it needs room, so the length alone is no fault there. */
static void lengths_that_are_enormous_or_wrap_cost_their_chain(void)
{
	static const struct hostile cases[] = {
		{"len 0xffffffff", single, HF_COUNTER_DROP_TOO_BIG, FROM | ANY, 0, {0, 0xffffffff}},
		{"len 0xffffffff", single, ALIVE_DELIVERED, TO | ANY, 0, {0, 0xffffffff}},
		{"256 x 0x01000000",
		 sum_of_4_gib,
		 HF_COUNTER_DROP_TOO_BIG,
		 FROM | ANY,
		 0,
		 {0},
		 256},
		{"addr 2^64-1, len 2", single, NOADDR, BOTH | ANY, 0, {UINT64_MAX, 2}},
		{"addr 2^64-16, len 4096", single, NOADDR, BOTH | ANY, 0, {UINT64_MAX - 15, 4096}},
	};
	ALIVE_RUN(cases);
}

/* An empty descriptor at place in[0] of three; 3: all are. */
static void empty_at(struct alive *a, const uint64_t *in)
{
	struct piece pieces[3], cut[2];

	alive_cut(a, cut, 2, 20);
	for (uint32_t i = 0, k = 0; i < 3; i++)
		pieces[i] = i == in[0] || in[0] == 3 ? (struct piece){1ull << 50, 0, a->writable}
						     : cut[k++];
	alive_put(a, pieces, 3);
	a->nr_pieces = 0;
	for (uint32_t i = 0; i < 3; i++)
		if (pieces[i].len)
			a->pieces[a->nr_pieces++] = pieces[i];
}

static void many_empty(struct alive *a, const uint64_t *in)
{
	uint64_t table = alive_slot(a, ALIVE_TABLE);

	alive_table_of(a, 2, 0);
	for (uint32_t i = 0; i < in[0]; i++)
		alive_entry(a, table, i, alive_slot(a, 0), 0, NEXT | a->writable,
			    (uint16_t)(i + 1));
	alive_spoil(a, 0, table, 16 * (uint32_t)in[0], DRIVER_INDIRECT, 0);
}

/* No dirty log is offered, so there is no log array for empty descriptors to run over; they are
 * counted against the chain's length all the same. */
static void descriptors_of_no_length_are_skipped_and_counted(void)
{
	static const struct hostile cases[] = {
		{"first", empty_at, ALIVE_DELIVERED, BOTH | ANY, 0, {0}},
		{"middle", empty_at, ALIVE_DELIVERED, BOTH | ANY, 0, {1}},
		{"last", empty_at, ALIVE_DELIVERED, BOTH | ANY, 0, {2}},
		{"all", empty_at, SHORT, BOTH | ANY, MRG, {3}},
		{"65536 in a table", many_empty, LOOP, BOTH | ANY, INDIRECT, {65536}},
	};
	ALIVE_RUN(cases);
}

static void all_empty(struct alive *a, const uint64_t *in)
{
	(void)in;
	alive_chain_of(a, a->size, 0);
}

static void a_whole_ring_of_empty_descriptors_is_dropped(void)
{
	static const struct hostile cases[] = {
		{"all of the ring", all_empty, SHORT, BOTH | ANY, MRG},
		{"all of a large ring", all_empty, SHORT, BOTH | ANY, MRG, {0}, 256},
	};
	ALIVE_RUN(cases);
}

/* ---- segments */

static void more_pieces_than_segments(struct alive *a, const uint64_t *in)
{
	struct piece pieces[512];
	uint32_t n = (uint32_t)in[0];

	if (in[1])
		alive_table(a, alive_slot(a, ALIVE_TABLE), pieces, alive_cut(a, pieces, n, 1));
	else
		alive_put(a, pieces, alive_cut(a, pieces, n, 1));
}

static void a_chain_of_more_pieces_than_anybody_keeps_is_delivered(void)
{
	static const struct hostile cases[] = {
		{"1-byte descriptors x Q, rest empty",
		 more_pieces_than_segments,
		 ALIVE_DELIVERED,
		 BOTH | ANY,
		 0,
		 {256},
		 256},
		{"72 of one byte",
		 more_pieces_than_segments,
		 ALIVE_DELIVERED,
		 BOTH | ANY,
		 0,
		 {72},
		 256},
		{"72 of one byte in a table",
		 more_pieces_than_segments,
		 ALIVE_DELIVERED,
		 BOTH | ANY,
		 INDIRECT,
		 {72, 1},
		 256},
		{"65 of one byte and the rest",
		 more_pieces_than_segments,
		 ALIVE_DELIVERED,
		 BOTH | ANY,
		 0,
		 {66},
		 128},
	};
	ALIVE_RUN(cases);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_loop_costs_its_chain_and_a_chain_of_the_rings_length_is_none, "[26] [R-1]"),
	CATALOGUE(a_head_out_of_range_costs_the_ring, "[27] [R-1]"),
	CATALOGUE(a_next_out_of_range_costs_its_chain, "[27] [R-1]"),
	CATALOGUE(four_in_a_row_that_lie_nowhere_are_dropped_whatever_their_length, "[28]"),
	CATALOGUE(a_chain_that_is_not_longer_than_the_header_is_dropped, "[29]"),
	CATALOGUE(a_header_and_one_byte_are_a_packet, "[29]"),
	CATALOGUE(a_header_may_lie_in_any_pieces, "[29]"),
	CATALOGUE(a_header_may_lie_in_two_regions, "[29]"),
	CATALOGUE(lengths_that_are_enormous_or_wrap_cost_their_chain, "[36] [R-4]"),
	CATALOGUE(descriptors_of_no_length_are_skipped_and_counted, "[34] [R-4]"),
	CATALOGUE(a_whole_ring_of_empty_descriptors_is_dropped, "[34]"),
	CATALOGUE(a_chain_of_more_pieces_than_anybody_keeps_is_delivered, "[R-6]"),
};
SUITE("hostile chains", sentences)
