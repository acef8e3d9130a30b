/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/PID/maps, and the regions that are looked for in them. */
#include <string.h>
#include <sys/sysmacros.h>

#include "check.h"
#include "cuse_maps.h"
#include "suite.h"

#define BASE 0x7f0000000000ull

/* What becomes of [BASE, BASE + size) by these lines. */
static struct cuse_region look(uint64_t size, const char *const *lines)
{
	struct cuse_region region = {.address = BASE, .size = size};

	for (; *lines; lines++) {
		struct cuse_map map;

		if (cuse_map_parse(*lines, &map))
			cuse_region_look(&region, &map);
	}
	region.fault = cuse_region_end(&region);
	return region;
}

#define LOOK(size, ...) look(size, (const char *const[]){__VA_ARGS__, NULL})

static void a_line_says_place_file_and_whether_it_is_shared(void)
{
	struct cuse_map map;

	REQUIRE(cuse_map_parse("7f0000000000-7f0000400000 rw-s 00200000 00:1a 77      /memfd:a",
			       &map));
	CHECK_EQ(map.start, BASE);
	CHECK_EQ(map.end, BASE + 0x400000);
	CHECK_EQ(map.offset, 0x200000);
	CHECK(map.dev == makedev(0, 0x1a));
	CHECK_EQ(map.ino, 77);
	CHECK(map.shared);
	REQUIRE(cuse_map_parse("7f0000000000-7f0000400000 rw-p 00000000 00:00 0 ", &map));
	CHECK(!map.shared);
	/* The last one there can be. */
	REQUIRE(cuse_map_parse(
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]", &map));
	CHECK_EQ(map.end, 0xffffffffff601000ull);
}

static void a_line_that_is_none_is_not_understood(void)
{
	static const char *const lines[] = {
		"",
		"-",
		"7f00",
		"7f00-",
		"7f00-7f01",
		"7f00-7f01 ",
		"7f00-7f01 rw",
		"7f00-7f01 rw-s",
		"7f00-7f01 rw-s ",
		"7f00-7f01 rw-s 0",
		"7f00-7f01 rw-s 0 ",
		"7f00-7f01 rw-s 0 0",
		"7f00-7f01 rw-s 0 0:",
		"7f00-7f01 rw-s 0 0:0",
		"7f00-7f01 rw-s 0 0:0 ",
		"7f00-7f01 rw-s 0 0:0 x",
		"7f01-7f00 rw-s 0 00:01 1 /backwards",
		"7f00-7f00 rw-s 0 00:01 1 /empty",
		"17f0000000000000000-7f00 rw-s 0 00:01 1 /long",
		"7F00-7F01 rw-s 0 00:01 1 /capitals",
		"/memfd:7f00-7f01 rw-s 0 00:01 1",
	};
	struct cuse_map map;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		CHECK(!cuse_map_parse(lines[i], &map));
}

/* Names are the caller's to choose: spaces, "(deleted)", another line escaped, another file's name.
 */
static void names_say_nothing(void)
{
	struct cuse_region region =
		LOOK(0x2000,
		     "7effff000000-7effff001000 rw-s 00000000 00:01 5 "
		     "/dev/shm/7f0000000000-7f0000002000 rw-s",
		     "7f0000000000-7f0000001000 rw-s 00003000 00:01 9    /dev/shm/a b (deleted)",
		     "7f0000001000-7f0000002000 rw-s 00004000 00:01 9    /dev/shm/a\\012"
		     "7f0000001000-7f0000002000 rw-p 00000000 00:00 0");

	CHECK_EQ(region.fault, CUSE_FOUND);
	CHECK_EQ(region.first.ino, 9);
	CHECK_EQ(region.file_offset, 0x3000);
	/* The same name, and another file. */
	region = LOOK(0x2000, "7f0000000000-7f0000001000 rw-s 00000000 00:01 9 /dev/shm/a",
		      "7f0000001000-7f0000002000 rw-s 00001000 00:01 10 /dev/shm/a");
	CHECK_EQ(region.fault, CUSE_UNMAPPED);
	/* The same inode number on another device. */
	region = LOOK(0x2000, "7f0000000000-7f0000001000 rw-s 00000000 00:01 9 /dev/shm/a",
		      "7f0000001000-7f0000002000 rw-s 00001000 00:02 9 /dev/shm/a");
	CHECK_EQ(region.fault, CUSE_UNMAPPED);
}

static void a_region_may_be_cut_and_may_begin_and_end_inside_a_map(void)
{
	struct cuse_region region =
		LOOK(0x3000, "7efffffff000-7f0000001000 rw-s 00010000 00:01 9 x",
		     "7f0000001000-7f0000002000 rw-s 00012000 00:01 9 x",
		     "7f0000002000-7f0000009000 rw-s 00013000 00:01 9 x");

	CHECK_EQ(region.fault, CUSE_FOUND);
	CHECK_EQ(region.file_offset, 0x11000);
	CHECK_EQ(region.first.start, 0x7efffffff000ull);
	CHECK_EQ(region.first.end, 0x7f0000001000ull);
}

static void two_maps_of_one_file_are_no_region_when_offsets_do_not_go_on(void)
{
	CHECK_EQ(LOOK(0x2000, "7f0000000000-7f0000001000 rw-s 00000000 00:01 9 x",
		      "7f0000001000-7f0000002000 rw-s 00000000 00:01 9 x")
			 .fault,
		 CUSE_UNMAPPED);
	CHECK_EQ(LOOK(0x2000, "7f0000000000-7f0000001000 rw-s 00001000 00:01 9 x",
		      "7f0000001000-7f0000002000 rw-s 00003000 00:01 9 x")
			 .fault,
		 CUSE_UNMAPPED);
}

static void a_gap_and_what_lies_behind_the_last_map_are_not_mapped(void)
{
	CHECK_EQ(LOOK(0x1000, "7efff0000000-7efff0001000 rw-s 00000000 00:01 9 x").fault,
		 CUSE_UNMAPPED);
	CHECK_EQ(LOOK(0x3000, "7f0000000000-7f0000001000 rw-s 00000000 00:01 9 x",
		      "7f0000002000-7f0000003000 rw-s 00002000 00:01 9 x")
			 .fault,
		 CUSE_UNMAPPED);
	CHECK_EQ(LOOK(0x1001, "7f0000000000-7f0000001000 rw-s 00000000 00:01 9 x").fault,
		 CUSE_UNMAPPED);
	CHECK_EQ(LOOK(0x1000, "nonsense").fault, CUSE_UNMAPPED);
}

static void private_memory_is_called_so_also_in_the_middle(void)
{
	struct cuse_region region =
		LOOK(0x1000, "7f0000000000-7f0000001000 rw-p 00000000 00:01 9 x");

	CHECK_EQ(region.fault, CUSE_PRIVATE);
	CHECK_EQ(region.found, 0);
	region = LOOK(0x2000, "7f0000000000-7f0000001000 rw-s 00000000 00:01 9 x",
		      "7f0000001000-7f0000002000 rw-p 00001000 00:01 9 x");
	CHECK_EQ(region.fault, CUSE_PRIVATE);
	CHECK_EQ(region.found, 0x1000);
}

int main(void)
{
	static const struct sentence sentences[] = {
		SENTENCE(a_line_says_place_file_and_whether_it_is_shared),
		SENTENCE(a_line_that_is_none_is_not_understood),
		CATALOGUE(names_say_nothing, "[53] [U-4]"),
		CATALOGUE(a_region_may_be_cut_and_may_begin_and_end_inside_a_map, "[53] [U-4]"),
		CATALOGUE(two_maps_of_one_file_are_no_region_when_offsets_do_not_go_on,
			  "[53] [U-4]"),
		SENTENCE(a_gap_and_what_lies_behind_the_last_map_are_not_mapped),
		SENTENCE(private_memory_is_called_so_also_in_the_middle),
	};

	return suite_run("cuse_maps", sentences, ARRAY_SIZE(sentences));
}
