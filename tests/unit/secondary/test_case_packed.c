/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed rings driven wrongly: the catalogue's cases of chains that go round, of ids and of tables,
 * by all four ways that bursts go. Event structures and the two bits are in test_hostile_packed.c.
 */
#include <string.h>

#include "alive.h"
#include "check.h"

#define SIZE  15u
#define AVAIL 0x0080u
#define USED  0x8000u

static struct alive a;

static void open_at(enum way way, uint16_t base)
{
	struct rig_shape shape = {.features = V1 | PACKED | INDIRECT,
				  .size = SIZE,
				  .base = base,
				  .memory = 448u << 10};

	alive_open(&a, way, &shape);
}

static void each_place(void (*check)(void))
{
	for (enum way way = 0; way < NR_WAYS; way++)
		for (uint16_t base = 0; base < 2 * SIZE; base++) {
			open_at(way, base);
			check();
			alive_close(&a);
		}
}

/* ---- round and round */

static void check_whole_ring(void)
{
	struct piece pieces[SIZE];

	alive_put(&a, pieces, alive_cut(&a, pieces, SIZE, 5));
	alive_delivered(&a);
}

static void a_chain_through_the_whole_ring_is_delivered_from_every_place(void)
{
	each_place(check_whole_ring);
}

/* The last one goes on: with the first, which is of another lap. Endless, or one too many, is the
 * same in a ring. */
static void check_endless(void)
{
	alive_fill(&a, a.pieces, SIZE, 1);
	alive_chain_of(&a, SIZE, 1);
	alive_spoil(&a, SIZE - 1, alive_slot(&a, 0), 1, DRIVER_NEXT | a.writable, 0);
	alive_broken(&a, HF_COUNTER_BREAK_BAD_CHAIN);
}

static void a_chain_longer_than_the_ring_costs_it_from_every_place(void)
{
	each_place(check_endless);
}

/* NEXT, and what is next says something else than "available". */
static void next_is_not_available(uint16_t bits)
{
	uint16_t at;

	alive_chain_of(&a, 4, 1);
	at = driver_after(a.d, a.d->head_of[a.head], 2);
	bits = (at & 0x8000) ? bits : bits ^ (AVAIL | USED);
	guest_write16(a.d->guest, a.d->desc + 16ull * (at & 0x7fff) + 14,
		      a.writable | DRIVER_NEXT | bits);
	alive_broken(&a, HF_COUNTER_BREAK_BAD_CHAIN);
}

static void check_next_not_available(void)
{
	next_is_not_available(USED); /* one lap ahead */
}

static void check_next_used(void)
{
	next_is_not_available(AVAIL | USED);
}

static void check_next_of_the_lap_before(void)
{
	next_is_not_available(0);
}

static void a_chain_whose_next_is_not_available_costs_the_ring(void)
{
	each_place(check_next_not_available);
	each_place(check_next_used);
	each_place(check_next_of_the_lap_before);
}

/* ---- ids */

/* The model writes other ids to all but the last. */
static void check_ids_inside(void)
{
	struct piece pieces[4];

	alive_put(&a, pieces, alive_cut(&a, pieces, 4, 20));
	for (uint32_t i = 0; i < 3; i++) {
		uint16_t at = driver_after(a.d, a.d->head_of[a.head], i);

		guest_write16(a.d->guest, a.d->desc + 16ull * (at & 0x7fff) + 12,
			      (uint16_t)(0xffff - i));
	}
	alive_delivered(&a);
}

static void only_the_last_descriptors_id_counts(void)
{
	each_place(check_ids_inside);
}

/* ---- tables */

/* Every flag but WRITE means nothing in a table; nor does an id. */
static void check_junk_in_a_table(void)
{
	uint64_t table = alive_slot(&a, ALIVE_TABLE);
	struct piece pieces[3];

	alive_table(&a, table, pieces, alive_cut(&a, pieces, 3, 20));
	for (uint32_t i = 0; i < 3; i++)
		alive_entry(&a, table, i, pieces[i].gpa, pieces[i].len,
			    (uint16_t)(0xfffd & ~(a.writable ^ DRIVER_WRITE)) | a.writable, 0xffff);
	alive_delivered(&a);
}

static void check_table_of_the_rings_size(void)
{
	struct piece pieces[SIZE];

	alive_table(&a, alive_slot(&a, ALIVE_TABLE), pieces, alive_cut(&a, pieces, SIZE, 5));
	alive_delivered(&a);
}

static void a_table_may_have_junk_for_flags_and_be_as_long_as_the_ring(void)
{
	each_place(check_junk_in_a_table);
	each_place(check_table_of_the_rings_size);
}

/* ---- the position behind a chain that failed */

static uint32_t bad_at, chain_length;

static void check_failed_mid_chain(void)
{
	alive_chain_of(&a, chain_length, 1);
	alive_spoil(&a, bad_at, 1ull << 50, 100,
		    a.writable | (bad_at + 1 < chain_length ? DRIVER_NEXT : 0), 0);
	alive_dropped(&a, HF_COUNTER_DROP_BAD_ADDRESS, 1);
}

static void check_table_in_a_chain(void)
{
	alive_chain_of(&a, 5, 1);
	alive_spoil(&a, bad_at, alive_slot(&a, ALIVE_TABLE), 32, DRIVER_INDIRECT | DRIVER_NEXT, 0);
	alive_dropped(&a, HF_COUNTER_DROP_BAD_INDIRECT, 1);
}

/* All of it, wherever the fault was, and wherever the ring's end is. */
static void a_chain_that_failed_is_passed_over_whole(void)
{
	static const uint32_t lengths[] = {1, 2, 7, SIZE - 1};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		for (bad_at = 0; bad_at < lengths[i]; bad_at += 1 + lengths[i] / 4) {
			chain_length = lengths[i];
			each_place(check_failed_mid_chain);
		}
	for (bad_at = 0; bad_at < 4; bad_at++)
		each_place(check_table_in_a_chain);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_chain_through_the_whole_ring_is_delivered_from_every_place, "[P-2] [P-7]"),
	CATALOGUE(a_chain_longer_than_the_ring_costs_it_from_every_place, "[P-2]"),
	CATALOGUE(a_chain_whose_next_is_not_available_costs_the_ring, "[P-1] [P-2]"),
	CATALOGUE(only_the_last_descriptors_id_counts, "[38] [P-3]"),
	CATALOGUE(a_table_may_have_junk_for_flags_and_be_as_long_as_the_ring, "[P-4]"),
	CATALOGUE(a_chain_that_failed_is_passed_over_whole, "[P-4] [P-5]"),
};
SUITE("hostile packed chains", sentences)
