/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What descriptors name, driven wrongly: the catalogue's cases of indirect tables, directions,
 * addresses and regions, over both kinds of rings and all four ways that bursts go (alive.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "alive.h"
#include "check.h"

#define HOLE   ALIVE_MEMORY
#define MIB    (1ull << 20)
#define NEXT   DRIVER_NEXT
#define WRITE  DRIVER_WRITE
#define LOOP   HF_COUNTER_DROP_LOOP
#define NOADDR HF_COUNTER_DROP_BAD_ADDRESS
#define TABLES HF_COUNTER_DROP_BAD_INDIRECT

/* ---- indirect tables */

/* A table of two, which the descriptor describes otherwise: length, flags. */
static void table_with(struct alive *a, const uint64_t *in)
{
	alive_table_of(a, 2, 200);
	alive_spoil(a, 0, alive_slot(a, ALIVE_TABLE), (uint32_t)in[0],
		    DRIVER_INDIRECT | (uint16_t)in[1], 0);
}

/* The second descriptor is there, and is not asked. */
static void table_that_goes_on(struct alive *a, const uint64_t *in)
{
	(void)in;
	alive_chain_of(a, 2, 1);
	alive_spoil(a, 0, alive_slot(a, ALIVE_TABLE), 32, DRIVER_INDIRECT | NEXT,
		    (uint16_t)((a->head + 1) % a->size));
}

static void table_in_a_table(struct alive *a, const uint64_t *in)
{
	(void)in;
	alive_table_of(a, 2, 200);
	alive_entry(a, alive_slot(a, ALIVE_TABLE), 0, alive_slot(a, ALIVE_TABLE + 1), 16,
		    DRIVER_INDIRECT, 0);
}

/* Its first entry is there, and empty. */
static void table_over_the_end(struct alive *a, const uint64_t *in)
{
	(void)in;
	alive_one(a, HOLE - 16, 4096, DRIVER_INDIRECT);
	alive_entry(a, HOLE - 16, 0, alive_slot(a, 0), 0, NEXT | a->writable, 1);
}

/* 65,537 entries, of which the chain has in[0]. */
static void enormous_table(struct alive *a, const uint64_t *in)
{
	uint32_t n = in[0] ? (uint32_t)in[0] : a->size + 1u;
	struct piece pieces[512];

	if (in[0])
		alive_cut(a, pieces, n, 20);
	else
		alive_fill(a, pieces, n, 0);
	alive_table(a, alive_slot(a, ALIVE_TABLE), pieces, n);
	alive_spoil(a, 0, alive_slot(a, ALIVE_TABLE), 16 * 65537, DRIVER_INDIRECT, 0);
}

static void good_table(struct alive *a, const uint64_t *in)
{
	struct piece pieces[512];
	uint64_t at = alive_slot(a, ALIVE_TABLE) + in[0];

	alive_table(a, at, pieces, alive_cut(a, pieces, 3, 20));
	alive_spoil(a, 0, at, 48, DRIVER_INDIRECT | (uint16_t)in[1], 0);
}

/* In descriptors of the ring that are in no chain. */
static void table_in_the_ring(struct alive *a, const uint64_t *in)
{
	uint64_t at = a->d->desc + 16ull * (a->size - 3u);
	struct piece pieces[2];

	(void)in;
	alive_cut(a, pieces, 2, 20);
	alive_table(a, at, pieces, 2);
	if (a->d->packed) /* where each entry's flags do not say that it is available */
		for (uint32_t i = 0; i < 2; i++)
			alive_entry(a, at, i, pieces[i].gpa, pieces[i].len, a->writable, 0);
}

/* What is sent is its own table; what is written is written over it. */
static void table_in_its_own_buffers(struct alive *a, const uint64_t *in)
{
	uint64_t table = alive_slot(a, ALIVE_TABLE) + in[0];
	struct piece pieces[3] = {{alive_slot(a, 0), 12, a->writable},
				  {alive_slot(a, ALIVE_TABLE), 48, a->writable},
				  {alive_slot(a, ALIVE_TABLE), 100, a->writable}};
	uint8_t zeros[12] = {0};

	if (!a->to)
		guest_write(&a->rig.guest, pieces[0].gpa, zeros, sizeof(zeros));
	alive_table(a, table, pieces, 3);
}

static void rules_of_indirect_tables_cost_their_chain_only(void)
{
	static const struct hostile cases[] = {
		{"len 0", table_with, TABLES, BOTH | ANY, INDIRECT, {0}},
		{"len 8", table_with, TABLES, BOTH | ANY, INDIRECT, {8}},
		{"len 17", table_with, TABLES, BOTH | ANY, INDIRECT, {17}},
		{"16 n + 8", table_with, TABLES, BOTH | ANY, INDIRECT, {16 * 3 + 8}},
		{"len 16 * 65537, a chain longer than the ring",
		 enormous_table,
		 LOOP,
		 BOTH | ANY,
		 INDIRECT,
		 {0}},
		{"len 16 * 65537, a short chain",
		 enormous_table,
		 ALIVE_DELIVERED,
		 BOTH | SPLIT,
		 INDIRECT,
		 {3}},
		{"INDIRECT | NEXT", table_that_goes_on, TABLES, BOTH | ANY, INDIRECT},
		{"nested", table_in_a_table, TABLES, BOTH | SPLIT, INDIRECT},
		{"not negotiated", table_with, TABLES, BOTH | ANY, 0, {32}},
		{"over the end", table_over_the_end, NOADDR, BOTH | ANY, INDIRECT},
	};
	ALIVE_RUN(cases);
}

static void what_tables_may_be_is_delivered(void)
{
	static const struct hostile cases[] = {
		{"WRITE on the indirect descriptor",
		 good_table,
		 ALIVE_DELIVERED,
		 BOTH | ANY,
		 INDIRECT,
		 {0, WRITE}},
		{"unaligned by 1", good_table, ALIVE_DELIVERED, BOTH | ANY, INDIRECT, {1}},
		{"unaligned by 3", good_table, ALIVE_DELIVERED, BOTH | ANY, INDIRECT, {3}},
		{"unaligned by 15", good_table, ALIVE_DELIVERED, BOTH | ANY, INDIRECT, {15}},
		{"in the ring", table_in_the_ring, ALIVE_DELIVERED, BOTH | ANY, INDIRECT},
		{"in its own buffers",
		 table_in_its_own_buffers,
		 ALIVE_ANYTHING,
		 BOTH | ANY,
		 INDIRECT,
		 {0}},
		{"half in its own buffers",
		 table_in_its_own_buffers,
		 ALIVE_ANYTHING,
		 BOTH | ANY,
		 INDIRECT,
		 {24}},
	};
	ALIVE_RUN(cases);
}

/* ---- directions */

/* Two descriptors; number in[0] is of the other direction. */
static void turned(struct alive *a, const uint64_t *in)
{
	uint32_t i = (uint32_t)in[0];

	alive_chain_of(a, 2, 30);
	alive_spoil(a, i, alive_slot(a, i), (uint32_t)in[1],
		    (uint16_t)((a->writable ^ WRITE) | (i ? 0 : NEXT)),
		    (uint16_t)((a->head + 1) % a->size));
}

/* Bits 3 … 15; of a packed ring two of them say whose the descriptor is. */
static void unknown_flags(struct alive *a, const uint64_t *in)
{
	struct piece piece = {alive_slot(a, 0), alive_header(a) + ALIVE_FRAME, a->writable};
	uint16_t bits = a->d->packed ? 0x7f78 : 0xfff8;

	(void)in;
	alive_write(a, piece.gpa);
	alive_put(a, &piece, 1);
	alive_spoil(a, 0, piece.gpa, piece.len, a->writable | bits, 0);
}

static void a_descriptor_of_the_wrong_direction_costs_its_chain(void)
{
	static const struct hostile cases[] = {
		{"first", turned, HF_COUNTER_DROP_BAD_DIRECTION, BOTH | ANY, 0, {0, 30}},
		{"second: readable behind writable",
		 turned,
		 HF_COUNTER_DROP_BAD_DIRECTION,
		 BOTH | ANY,
		 0,
		 {1, 30}},
		{"first, and empty", turned, HF_COUNTER_DROP_BAD_DIRECTION, BOTH | ANY, 0, {0, 0}},
	};
	ALIVE_RUN(cases);
}

static void flags_that_mean_nothing_are_ignored(void)
{
	static const struct hostile cases[] = {
		{"all others", unknown_flags, ALIVE_DELIVERED, BOTH | ANY},
	};
	ALIVE_RUN(cases);
}

/* ---- addresses */

static void single(struct alive *a, const uint64_t *in)
{
	alive_one(a, in[0], (uint32_t)in[1], a->writable);
}

static void second_nowhere(struct alive *a, const uint64_t *in)
{
	alive_chain_of(a, 2, 30);
	alive_spoil(a, 1, in[0], 100, a->writable, 0);
}

static void over_the_end(struct alive *a, const uint64_t *in)
{
	guest_declare(&a->rig.guest, HOLE - in[0], in[0], a->to);
	alive_one(a, HOLE - in[0], 4096, a->writable);
}

/* The frame is the same 30 bytes twice. */
static void one_buffer_twice(struct alive *a, const uint64_t *in)
{
	uint32_t header = alive_header(a);
	struct piece pieces[3] = {{alive_slot(a, 0), header, a->writable},
				  {alive_slot(a, 1), 30, a->writable},
				  {alive_slot(a, 1), 30, a->writable}};

	(void)in;
	alive_write(a, alive_slot(a, 2));
	if (!a->to) {
		guest_write(&a->rig.guest, pieces[0].gpa, guest_at(&a->rig.guest, alive_slot(a, 2)),
			    header);
		guest_write(&a->rig.guest, pieces[1].gpa,
			    guest_at(&a->rig.guest, alive_slot(a, 2) + header), 30);
	}
	alive_put(a, pieces, 3);
}

static void an_address_that_is_not_mapped_to_its_end_costs_its_chain(void)
{
	static const struct hostile cases[] = {
		{"hole", single, NOADDR, BOTH | ANY, 0, {HOLE + 4096, 100}},
		{"boundary", over_the_end, NOADDR, BOTH | ANY, 0, {16}},
		{"boundary, one byte", over_the_end, NOADDR, BOTH | ANY, 0, {1}},
		{"wrap", single, NOADDR, BOTH | ANY, 0, {UINT64_MAX - 15, 4096}},
		{"second in the hole", second_nowhere, NOADDR, BOTH | ANY, 0, {1ull << 50}},
		{"two descriptors, one buffer", one_buffer_twice, ALIVE_DELIVERED, BOTH | ANY},
	};
	ALIVE_RUN(cases);
}

/* The ring itself, part in[0] of it, is what is sent or filled. */
static void ring_as_buffer(struct alive *a, const uint64_t *in)
{
	const uint64_t parts[] = {a->d->used, a->d->avail, a->d->desc};
	uint8_t zeros[12] = {0};
	struct piece pieces[] = {{alive_slot(a, 0), 12, a->writable},
				 {parts[in[0]], (uint32_t)in[1], a->writable}};

	if (!a->to)
		guest_write(&a->rig.guest, pieces[0].gpa, zeros, sizeof(zeros));
	alive_put(a, pieces, 2);
}

/* We survive rewriting our own input. */
static void a_buffer_that_is_the_ring_itself_hurts_its_guest_only(void)
{
	static const struct hostile cases[] = {
		{"used ring", ring_as_buffer, ALIVE_ANYTHING, BOTH | ANY, 0, {0, 60}},
		{"available ring", ring_as_buffer, ALIVE_ANYTHING, BOTH | ANY, 0, {1, 60}},
		{"descriptors", ring_as_buffer, ALIVE_ANYTHING, BOTH | ANY, 0, {2, 60}},
		{"used ring, mergeable", ring_as_buffer, ALIVE_ANYTHING, BOTH | ANY, MRG, {0, 30}},
		{"available ring, mergeable",
		 ring_as_buffer,
		 ALIVE_ANYTHING,
		 BOTH | ANY,
		 MRG,
		 {1, 30}},
		{"descriptors, mergeable",
		 ring_as_buffer,
		 ALIVE_ANYTHING,
		 BOTH | ANY,
		 MRG,
		 {2, 30}},
	};
	ALIVE_RUN(cases);
}

static void memory_that_may_only_be_read_is_not_mapped(void)
{
	struct hf_guestmap *map = NULL;
	struct guest guest;
	char path[64];
	int fd;

	REQUIRE(guest_create(&guest, MIB, 0, NULL, 0));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", guest.fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	CHECK_EQ(hf_guestmap_create(&map, guest.regions, &fd, 1), -EACCES);
	close(fd);
	guest_destroy(&guest);
}

/* ---- regions */

/* [0, 32M) and [32M, 64M), at addresses of ours that do not touch. */
static void check_two_regions(struct alive *a)
{
	const uint64_t edge = 32 * MIB, end = 64 * MIB;
	struct hf_guestmap *map = a->rig.device->map;
	struct piece pieces[512];

	CHECK(map->regions[0].address + map->regions[0].size != map->regions[1].address);
	/* (a) over the edge of the two */
	pieces[0] = (struct piece){edge - 16, 4096, a->writable};
	alive_write(a, edge - 16);
	if (!a->to)
		pieces[0].len = alive_header(a) + ALIVE_FRAME;
	alive_put(a, pieces, 1);
	alive_delivered(a);
	/* (e) so may a table */
	alive_table(a, edge - 16, pieces, alive_cut(a, pieces, 3, 20));
	alive_delivered(a);
	/* (b) over the end */
	guest_declare(&a->rig.guest, end - 16, 16, a->to);
	alive_one(a, end - 16, 4096, a->writable);
	alive_dropped(a, NOADDR, 1);
}

/* (c): its first entry is there, and empty. */
static void check_table_over_the_end(struct alive *a)
{
	const uint64_t end = 64 * MIB;

	alive_one(a, end - 16, 4096, DRIVER_INDIRECT);
	alive_entry(a, end - 16, 0, alive_slot(a, 0), 0, NEXT | a->writable, 1);
	alive_dropped(a, NOADDR, 1);
}

/* (d): what the session refused before; a snapshot is checked again. */
static void check_ring_over_the_end(const struct alive *a)
{
	struct hf_vring v;
	struct hf_vring_setup setup = {.grant = 4,
				       .map = a->rig.device->map,
				       .features = a->rig.features,
				       .desc_gpa = 64 * MIB - 16,
				       .avail_gpa = a->d->avail,
				       .used_gpa = a->d->used,
				       .size = a->size};

	hf_vring_init(&v);
	CHECK_EQ(hf_vring_setup(&v, &setup), -EINVAL);
	setup.desc_gpa = 32 * MIB - 16; /* in two regions */
	CHECK_EQ(hf_vring_setup(&v, &setup), -EINVAL);
	hf_vring_destroy(&v);
}

static void ranges_are_checked_to_their_ends_in_regions_that_touch(void)
{
	static const struct guest_span spans[] = {{0, 32 * MIB}, {32 * MIB, 32 * MIB}};
	static struct alive a;

	for (enum way way = 0; way < NR_WAYS; way++)
		for (int packed = 0; packed < 2; packed++) {
			struct rig_shape shape = {.features = V1 | INDIRECT | (packed ? PACKED : 0),
						  .size = 16,
						  .memory = 64 * MIB,
						  .spans = spans,
						  .nr_spans = 2};

			/* Half a second each of canaries: not each way over each kind of ring. */
			if (packed != (way == WAY_PEEK || way == WAY_ENQUEUE))
				continue;
			alive_open(&a, way, &shape);
			check_ring_over_the_end(&a);
			check_two_regions(&a);
			alive_close(&a);
			alive_open(&a, way, &shape);
			check_table_over_the_end(&a);
			alive_close(&a);
		}
}

/* Eight regions, each with a hole behind it. */
static void open_eight(struct alive *a, enum way way, bool packed)
{
	static struct guest_span spans[8];
	struct rig_shape shape = {.features = V1 | (packed ? PACKED : 0),
				  .size = 16,
				  .memory = ALIVE_MEMORY,
				  .spans = spans,
				  .nr_spans = 8};

	for (uint32_t i = 0; i < 8; i++)
		spans[i] = (struct guest_span){i * 256ull << 10, i ? 128 << 10 : 252 << 10};
	alive_open(a, way, &shape);
}

static void an_address_in_a_hole_between_regions_costs_its_chain(void)
{
	static struct alive a;

	for (enum way way = 0; way < NR_WAYS; way++)
		for (int packed = 0; packed < 2; packed++) {
			uint64_t bad[10] = {UINT64_MAX};

			for (uint32_t i = 1; i < 9; i++)
				bad[i] = ((uint64_t)i * 256 << 10) - 4096;
			bad[9] = (128ull << 10) + (256 << 10);
			for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
				open_eight(&a, way, packed);
				alive_one(&a, bad[i], 100, a.writable);
				alive_dropped(&a, NOADDR, 1);
				alive_close(&a);
			}
		}
}

/* Resident pages of the process. */
static long resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long total = 0, pages = 0;

	if (file && fscanf(file, "%ld %ld", &total, &pages) != 2)
		pages = -1;
	if (file)
		fclose(file);
	return pages;
}

/* None is lost, none comes twice, and nothing grows. */
static void check_forever(struct alive *a, uint32_t rounds)
{
	long before = 0;

	for (uint32_t i = 0; i < rounds; i++) {
		if (i == rounds / 10)
			before = resident();
		alive_one(a, HOLE + 4096, 100, a->writable);
		driver_publish(a->d);
		CU_ASSERT_FATAL(alive_move(a) == 0);
		CU_ASSERT_FATAL(driver_consume_all(a->d) == 1);
	}
	CHECK(resident() - before < 64);
	CHECK_EQ(rig_counter(&a->rig, a->queue, NOADDR), rounds);
	CHECK_EQ(a->d->descs_free, a->size);
	alive_check(a);
	alive_good(a);
	driver_publish(a->d);
	CHECK_EQ(alive_move(a), 1);
}

static void a_million(struct alive *a)
{
	check_forever(a, getenv("HF_TEST_LONG") ? 10000000 : 1000000 / NR_WAYS / 2);
}

/* A million together; HF_TEST_LONG=1: ten of each. */
static void a_million_bad_chains_leave_nothing_behind(void)
{
	alive_each(BOTH | ANY, 0, 0, a_million);
}

static const struct sentence sentences[] = {
	CATALOGUE(rules_of_indirect_tables_cost_their_chain_only, "[R-2] [P-4]"),
	CATALOGUE(what_tables_may_be_is_delivered, "[R-2]"),
	CATALOGUE(a_descriptor_of_the_wrong_direction_costs_its_chain, "[R-3]"),
	CATALOGUE(flags_that_mean_nothing_are_ignored, "[R-3]"),
	CATALOGUE(an_address_that_is_not_mapped_to_its_end_costs_its_chain, "[R-5]"),
	CATALOGUE(a_buffer_that_is_the_ring_itself_hurts_its_guest_only, "[R-5]"),
	CATALOGUE(memory_that_may_only_be_read_is_not_mapped, "[R-5]"),
	CATALOGUE(ranges_are_checked_to_their_ends_in_regions_that_touch, "[1]"),
	CATALOGUE(an_address_in_a_hole_between_regions_costs_its_chain, "[7]"),
	CATALOGUE(a_million_bad_chains_leave_nothing_behind, "[7] [37]"),
};
SUITE("hostile memory", sentences)
