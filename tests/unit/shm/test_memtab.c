/* SPDX-License-Identifier: Apache-2.0 */
/* shm/memtab.h: what a front-end may describe, at and beyond every edge. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "memtab.h"
#include "suite.h"

#define TOP UINT64_MAX

static struct hf_memtab table;
static uint32_t at;

static int add(uint64_t gpa, uint64_t size, uint64_t user)
{
	struct hf_shm_region region = {.gpa = gpa, .size = size, .user_addr = user};

	return hf_memtab_add(&table, &region, &at);
}

static void start_empty(void)
{
	table = (struct hf_memtab){0};
	at = UINT32_MAX;
}

static void a_region_of_no_size_is_refused(void)
{
	start_empty();
	CHECK_EQ(add(0, 0, 0), -EINVAL);
	CHECK_EQ(table.count, 0);
}

static void a_region_that_wraps_is_refused(void)
{
	struct hf_shm_region offset = {.size = 4096, .file_offset = TOP - 4094};

	start_empty();
	CHECK_EQ(add(TOP - 4094, 4096, 0), -EINVAL);
	CHECK_EQ(add(0, 4096, TOP - 4094), -EINVAL);
	CHECK_EQ(hf_memtab_add(&table, &offset, &at), -EINVAL);
	CHECK_EQ(add(0, TOP, 1), -EINVAL);
	CHECK_EQ(add(1, TOP, 0), -EINVAL);
	CHECK_EQ(table.count, 0);
}

static void a_region_may_end_just_below_the_top(void)
{
	start_empty();
	CHECK_EQ(add(TOP - 4096, 4096, TOP - 4096), 0);
	CHECK_EQ(hf_memtab_find_gpa(&table, TOP - 1), 0);
	CHECK_EQ(hf_memtab_find_gpa(&table, TOP), -1);
}

static void a_region_of_one_byte_is_a_region(void)
{
	start_empty();
	CHECK_EQ(add(100, 1, 500), 0);
	CHECK_EQ(hf_memtab_find_gpa(&table, 99), -1);
	CHECK_EQ(hf_memtab_find_gpa(&table, 100), 0);
	CHECK_EQ(hf_memtab_find_gpa(&table, 101), -1);
}

static void overlap_in_either_address_is_refused_and_touching_is_not(void)
{
	start_empty();
	CHECK_EQ(add(4096, 4096, 65536), 0);
	CHECK_EQ(add(4096, 4096, 65536), -EEXIST);
	CHECK_EQ(add(8191, 10, 0), -EEXIST);
	CHECK_EQ(add(4000, 97, 0), -EEXIST);
	CHECK_EQ(add(0, 20000, 0), -EEXIST);
	CHECK_EQ(add(5000, 1, 0), -EEXIST);
	CHECK_EQ(add(1 << 20, 1, 65536 + 4095), -EEXIST);
	CHECK_EQ(table.count, 1);
	CHECK_EQ(add(8192, 4096, 65536 + 4096), 0);
	CHECK_EQ(add(0, 4096, 65536 - 4096), 0);
	CHECK_EQ(table.count, 3);
}

static void regions_are_sorted_and_the_index_tells_where(void)
{
	start_empty();
	CHECK_EQ(add(3 << 12, 4096, 0x1000), 0);
	CHECK_EQ(at, 0);
	CHECK_EQ(add(1 << 12, 4096, 0x9000), 0);
	CHECK_EQ(at, 0);
	CHECK_EQ(add(2 << 12, 4096, 0x5000), 0);
	CHECK_EQ(at, 1);
	CHECK_EQ(add(9 << 12, 4096, 0xa000), 0);
	CHECK_EQ(at, 3);
	for (uint32_t i = 1; i < table.count; i++)
		CHECK(table.regions[i - 1].gpa < table.regions[i].gpa);
	CHECK_EQ(table.regions[1].user_addr, 0x5000);
}

static void add_in_scattered_order(void)
{
	for (uint64_t i = 0; i < HF_SHM_MAX_REGIONS; i++) {
		uint64_t n = (i * 211) % HF_SHM_MAX_REGIONS; /* 509 is prime: each once */

		REQUIRE(add(n * 8192, 4096, (1000 - n) * 4096) == 0);
	}
}

static void all_509_regions_fit_and_the_next_does_not(void)
{
	start_empty();
	add_in_scattered_order();
	CHECK_EQ(table.count, 509);
	CHECK_EQ(add(1ull << 40, 4096, 1ull << 40), -ENOSPC);
	CHECK_EQ(table.count, 509);
	for (uint64_t n = 0; n < HF_SHM_MAX_REGIONS; n++) {
		CHECK_EQ(hf_memtab_find_gpa(&table, n * 8192), n);
		CHECK_EQ(hf_memtab_find_gpa(&table, n * 8192 + 4095), n);
		CHECK_EQ(hf_memtab_find_gpa(&table, n * 8192 + 4096), -1);
	}
}

static void a_region_is_removed_only_by_all_three_of_its_numbers(void)
{
	start_empty();
	add_in_scattered_order();
	CHECK_EQ(hf_memtab_remove(&table, 8192, 999 * 4096, 4095, &at), -ENOENT);
	CHECK_EQ(hf_memtab_remove(&table, 8192, 998 * 4096, 4096, &at), -ENOENT);
	CHECK_EQ(hf_memtab_remove(&table, 8193, 999 * 4096, 4096, &at), -ENOENT);
	CHECK_EQ(hf_memtab_remove(&table, 12288, 999 * 4096, 4096, &at), -ENOENT);
	CHECK_EQ(table.count, 509);
	CHECK_EQ(hf_memtab_remove(&table, 8192, 999 * 4096, 4096, &at), 0);
	CHECK_EQ(at, 1);
	CHECK_EQ(table.count, 508);
	CHECK_EQ(hf_memtab_find_gpa(&table, 8192), -1);
	CHECK_EQ(hf_memtab_find_gpa(&table, 16384), 1);
	CHECK_EQ(add(8192, 4096, 999 * 4096), 0);
	CHECK_EQ(at, 1);
}

static void an_empty_table_holds_nothing(void)
{
	uint64_t gpa;

	start_empty();
	CHECK_EQ(hf_memtab_find_gpa(&table, 0), -1);
	CHECK(!hf_memtab_user_to_gpa(&table, 0, 0, &gpa));
	CHECK_EQ(hf_memtab_remove(&table, 0, 0, 0, &at), -ENOENT);
}

static void a_user_range_is_checked_for_its_end_too(void)
{
	uint64_t gpa = 7;

	start_empty();
	CHECK_EQ(add(0, 32 << 20, 0x7f0000000000), 0);
	CHECK_EQ(add(32 << 20, 32 << 20, 0x7e0000000000), 0);
	CHECK(hf_memtab_user_to_gpa(&table, 0x7e0000000000 + 16, 4096, &gpa));
	CHECK_EQ(gpa, (32 << 20) + 16);
	CHECK(!hf_memtab_user_to_gpa(&table, 0x7e0000000000 + (32 << 20) - 16, 4096, &gpa));
	CHECK(!hf_memtab_user_to_gpa(&table, 0x7f0000000000 + (32 << 20) - 16, 4096, &gpa));
	CHECK(!hf_memtab_user_to_gpa(&table, 0x7e0000000000, TOP, &gpa));
	CHECK(!hf_memtab_user_to_gpa(&table, TOP, 2, &gpa));
	CHECK_EQ(gpa, (32 << 20) + 16); /* not clobbered by a refusal */
	CHECK(hf_memtab_user_to_gpa(&table, 0x7f0000000000 + (32 << 20) - 1, 1, &gpa));
	CHECK_EQ(gpa, (32 << 20) - 1);
}

static const struct sentence sentences[] = {
	SENTENCE(a_region_of_no_size_is_refused),
	SENTENCE(a_region_that_wraps_is_refused),
	SENTENCE(a_region_may_end_just_below_the_top),
	SENTENCE(a_region_of_one_byte_is_a_region),
	SENTENCE(overlap_in_either_address_is_refused_and_touching_is_not),
	SENTENCE(regions_are_sorted_and_the_index_tells_where),
	SENTENCE(all_509_regions_fit_and_the_next_does_not),
	SENTENCE(a_region_is_removed_only_by_all_three_of_its_numbers),
	SENTENCE(an_empty_table_holds_nothing),
	SENTENCE(a_user_range_is_checked_for_its_end_too),
};
SUITE("memtab", sentences)
