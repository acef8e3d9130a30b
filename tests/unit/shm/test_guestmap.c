/* SPDX-License-Identifier: Apache-2.0 */
/* shm/guestmap.h: regions anywhere in their files, and translation at every edge. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "guestmap.h"
#include "memory.h"
#include "suite.h"

static int file_of(size_t bytes)
{
	int fd = memfd_create("region", MFD_CLOEXEC);

	REQUIRE(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	return fd;
}

static void put(int fd, off_t offset, uint8_t byte)
{
	REQUIRE(pwrite(fd, &byte, 1, offset) == 1);
}

/* The byte at gpa, or -1 where nothing is mapped. */
static int byte_at(const struct hf_guestmap *map, uint64_t gpa)
{
	const uint8_t *byte = hf_guestmap_whole(map, gpa, 1);

	return byte ? *byte : -1;
}

static void regions_at_odd_offsets_start_at_their_own_first_byte(void)
{
	struct hf_shm_region regions[] = {
		{.gpa = 0, .size = 4096, .file_offset = 1},
		{.gpa = 4096, .size = 5000, .file_offset = 4095},
		{.gpa = 65537, .size = 1, .file_offset = 12287},
	};
	int fd = file_of(12288), fds[] = {fd, fd, fd};
	struct hf_guestmap *map = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(regions); i++)
		put(fd, (off_t)regions[i].file_offset, (uint8_t)(0x50 + i));
	put(fd, 4095 + 4999, 0x77);
	REQUIRE(hf_guestmap_create(&map, regions, fds, 3) == 0);
	CHECK_EQ(byte_at(map, 0), 0x50);
	CHECK_EQ(byte_at(map, 4096), 0x51);
	CHECK_EQ(byte_at(map, 4096 + 4999), 0x77);
	CHECK_EQ(byte_at(map, 65537), 0x52);
	map->regions[0].address[1] = 0x99; /* one file under all three */
	CHECK_EQ(pread(fd, regions, 1, 2), 1);
	CHECK_EQ(*(uint8_t *)regions, 0x99);
	hf_guestmap_destroy(map);
	close(fd);
}

static void translation_checks_the_end_as_well_as_the_start(void)
{
	struct hf_shm_region regions[] = {
		{.gpa = 4096, .size = 8192},
		{.gpa = 12288, .size = 4096, .file_offset = 8192},
		{.gpa = 1ull << 40, .size = 4096, .file_offset = 4096},
	};
	int fd = file_of(12288), fds[] = {fd, fd, fd};
	struct hf_guestmap *map = NULL;
	uint64_t len = 6000;

	REQUIRE(hf_guestmap_create(&map, regions, fds, 3) == 0);
	CHECK(!hf_guestmap_find(map, 0));
	CHECK(!hf_guestmap_find(map, 4095));
	CHECK(hf_guestmap_find(map, 4096) == &map->regions[0]);
	CHECK(hf_guestmap_find(map, 12287) == &map->regions[0]);
	CHECK(hf_guestmap_find(map, 12288) == &map->regions[1]);
	CHECK(!hf_guestmap_find(map, 16384));
	CHECK(!hf_guestmap_find(map, UINT64_MAX));
	CHECK(hf_guestmap_whole(map, 4096, 8192) != NULL);
	CHECK(!hf_guestmap_whole(map, 4096, 8193));
	CHECK(!hf_guestmap_whole(map, 12287, 2)); /* the neighbour is not the same piece */
	CHECK(!hf_guestmap_whole(map, 1ull << 40, 4097));
	CHECK(!hf_guestmap_whole(map, 4096, UINT64_MAX));
	CHECK(hf_guestmap_piece(map, 8192, &len) == map->regions[0].address + 4096);
	CHECK_EQ(len, 4096);
	len = 10;
	CHECK(hf_guestmap_piece(map, 8192, &len) != NULL);
	CHECK_EQ(len, 10);
	len = UINT64_MAX;
	CHECK(hf_guestmap_piece(map, (1ull << 40) + 4095, &len) != NULL);
	CHECK_EQ(len, 1);
	hf_guestmap_destroy(map);
	close(fd);
}

static void a_region_past_the_end_of_its_file_is_refused(void)
{
	struct hf_shm_region region = {.gpa = 0, .size = 8192};
	int fd = file_of(8192);
	struct hf_guestmap *map = NULL;

	REQUIRE(hf_guestmap_create(&map, &region, &fd, 1) == 0);
	hf_guestmap_destroy(map);
	map = NULL;
	region.size = 8193;
	CHECK_EQ(hf_guestmap_create(&map, &region, &fd, 1), -EINVAL);
	region.size = 4096;
	region.file_offset = 4097;
	CHECK_EQ(hf_guestmap_create(&map, &region, &fd, 1), -EINVAL);
	region.file_offset = 1ull << 50;
	CHECK_EQ(hf_guestmap_create(&map, &region, &fd, 1), -EINVAL);
	CHECK(!map);
	close(fd);
}

static void sizes_and_offsets_that_wrap_are_refused(void)
{
	static const uint64_t bad[][2] = {{0, 0},
					  {UINT64_MAX - 4095, 8192},
					  {UINT64_MAX, 0},
					  {4096, UINT64_MAX - 4095},
					  {INT64_MAX, 4096},
					  {4096, INT64_MAX}};
	int fd = file_of(8192);
	struct hf_guestmap *map = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct hf_shm_region region = {.size = bad[i][0], .file_offset = bad[i][1]};

		CHECK_EQ(hf_guestmap_create(&map, &region, &fd, 1), -EINVAL);
	}
	CHECK(!map);
	close(fd);
}

static void a_table_that_is_not_sorted_is_refused(void)
{
	struct hf_shm_region regions[] = {{.gpa = 8192, .size = 4096}, {.gpa = 0, .size = 4096}};
	struct hf_shm_region overlap[] = {{.gpa = 0, .size = 8192}, {.gpa = 4096, .size = 4096}};
	struct hf_shm_region wraps[] = {{.gpa = UINT64_MAX - 100, .size = 4096},
					{.gpa = 8192, .size = 4096}};
	int fd = file_of(8192), fds[] = {fd, fd};
	struct hf_guestmap *map = NULL;

	CHECK_EQ(hf_guestmap_create(&map, regions, fds, 2), -EINVAL);
	CHECK_EQ(hf_guestmap_create(&map, overlap, fds, 2), -EINVAL);
	CHECK_EQ(hf_guestmap_create(&map, wraps, fds, 2), -EINVAL);
	CHECK_EQ(hf_guestmap_create(&map, wraps, fds, 1), -EINVAL);
	CHECK_EQ(hf_guestmap_create(&map, regions, fds, HF_SHM_MAX_REGIONS + 1), -EINVAL);
	CHECK(!map);
	close(fd);
}

static void a_failed_map_leaves_nothing_mapped(void)
{
	struct hf_shm_region regions[] = {{.gpa = 0, .size = 4096}, {.gpa = 4096, .size = 1 << 20}};
	int fd = file_of(4096), fds[] = {fd, fd};
	struct hf_guestmap *map = NULL;
	char line[256];
	int left = 0;
	FILE *maps;

	CHECK_EQ(hf_guestmap_create(&map, regions, fds, 2), -EINVAL);
	maps = fopen("/proc/self/maps", "re");
	REQUIRE(maps != NULL);
	while (fgets(line, sizeof(line), maps))
		left += strstr(line, "memfd:region") != NULL;
	fclose(maps);
	CHECK_EQ(left, 0);
	close(fd);
}

/* Nor is it a child's. As the kernel says: dd, dc. */
static void guest_memory_is_no_part_of_a_core_dump(void)
{
	struct hf_shm_region region = {.gpa = 0, .size = 8192};
	int fd = file_of(8192);
	struct hf_guestmap *map = NULL;
	char line[512];
	bool ours = false;
	int flags = 0;
	FILE *smaps;

	REQUIRE(hf_guestmap_create(&map, &region, &fd, 1) == 0);
	smaps = fopen("/proc/self/smaps", "re");
	REQUIRE(smaps != NULL);
	while (fgets(line, sizeof(line), smaps)) {
		if (strstr(line, "memfd:region"))
			ours = true;
		if (!ours || strncmp(line, "VmFlags:", 8) != 0)
			continue;
		flags += strstr(line, " dd") && strstr(line, " dc");
		ours = false;
	}
	fclose(smaps);
	CHECK_EQ(flags, 1);
	hf_guestmap_destroy(map);
	close(fd);
}

static void an_empty_table_translates_nothing(void)
{
	struct hf_guestmap *map = NULL;

	REQUIRE(hf_guestmap_create(&map, NULL, NULL, 0) == 0);
	CHECK(!hf_guestmap_find(map, 0));
	CHECK(!hf_guestmap_whole(map, 0, 0));
	hf_guestmap_destroy(map);
	hf_guestmap_destroy(NULL);
}

static void a_hugetlb_region_inside_a_page_is_mapped_by_whole_pages(void)
{
	struct hf_memory memory;
	struct hf_shm_region region = {.gpa = 4096, .file_offset = 4096};
	struct hf_guestmap *map = NULL;

	REQUIRE(hf_memory_create(&memory, "huge", 2 << 20, HF_NODE_ANY, true) == 0);
	region.size = memory.size - 4096 - 100;
	((uint8_t *)memory.base)[4096] = 0x31;
	((uint8_t *)memory.base)[memory.size - 101] = 0x32;
	REQUIRE(hf_guestmap_create(&map, &region, &memory.fd, 1) == 0);
	CHECK(hf_guestmap_whole(map, 4096, region.size) != NULL);
	CHECK_EQ(byte_at(map, 4096), 0x31);
	CHECK_EQ(byte_at(map, 4096 + region.size - 1), 0x32);
	CHECK(!hf_guestmap_whole(map, 4096 + region.size, 1));
	CHECK_EQ((uintptr_t)map->regions[0].base % memory.page_bytes, 0);
	hf_guestmap_destroy(map);
	hf_memory_destroy(&memory);
}

static void all_509_regions_are_found(void)
{
	static struct hf_shm_region regions[HF_SHM_MAX_REGIONS];
	static int fds[HF_SHM_MAX_REGIONS];
	struct hf_guestmap *map = NULL;
	int fd = file_of(HF_SHM_MAX_REGIONS * 4096);
	int wrong = 0;

	for (uint64_t i = 0; i < HF_SHM_MAX_REGIONS; i++) {
		regions[i] = (struct hf_shm_region){
			.gpa = i * 8192, .size = 4096, .file_offset = i * 4096};
		fds[i] = fd;
		REQUIRE(pwrite(fd, &i, sizeof(i), (off_t)(i * 4096)) == sizeof(i));
	}
	REQUIRE(hf_guestmap_create(&map, regions, fds, HF_SHM_MAX_REGIONS) == 0);
	for (uint64_t i = 0; i < HF_SHM_MAX_REGIONS; i++) {
		uint64_t *word = hf_guestmap_whole(map, i * 8192, 8);

		wrong += !word || *word != i || hf_guestmap_find(map, i * 8192 + 4096);
	}
	CHECK_EQ(wrong, 0);
	hf_guestmap_destroy(map);
	close(fd);
}

static const struct sentence sentences[] = {
	SENTENCE(regions_at_odd_offsets_start_at_their_own_first_byte),
	CATALOGUE(translation_checks_the_end_as_well_as_the_start, "[1]"),
	CATALOGUE(a_region_past_the_end_of_its_file_is_refused, "[M-7]"),
	CATALOGUE(sizes_and_offsets_that_wrap_are_refused, "[3] [M-6]"),
	SENTENCE(a_table_that_is_not_sorted_is_refused),
	CATALOGUE(a_failed_map_leaves_nothing_mapped, "[4]"),
	CATALOGUE(guest_memory_is_no_part_of_a_core_dump, "[F-9]"),
	SENTENCE(an_empty_table_translates_nothing),
	SENTENCE(a_hugetlb_region_inside_a_page_is_mapped_by_whole_pages),
	SENTENCE(all_509_regions_are_found),
};
SUITE("guestmap", sentences)
