/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a caller's memory is said to be, and where it is: files with names that mislead, several
 * files, mappings that are private, read-only, missing or split.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "suite.h"
#include "tail.h"

#define HALF (SIZE / 2)

static const struct guest_span halves[] = {{0, HALF}, {HALF, HALF}};
static const struct session_shape in_halves = {.memory = SIZE, .spans = halves, .nr_spans = 2};
static char dir[] = "/dev/shm/hf-memory-XXXXXX";

/* --- to move the guest's memory under its feet --- */

/* With what it held. */
static void move(size_t at, size_t len, int fd, off_t offset)
{
	REQUIRE(pwrite(fd, fe.guest.bytes + at, len, offset) == (ssize_t)len);
	memory_map(at, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
}

static int new_file(const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0);
	REQUIRE(ftruncate(fd, 4 * SIZE) == 0);
	return fd;
}

static void remove_file(const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	CHECK_EQ(unlink(path), 0);
}

/* Refused: nothing has changed, and what was there before goes on. */
static void check_refused(int error)
{
	CHECK_EQ(front_end_set_memory(&fe), -error);
	scene_check_works();
}

/* --- names --- */

static void the_name_of_its_file_does_not_matter(void)
{
	static const char *const names[] = {
		"a b",	     "a\nb",	  "a\n7f0000000000-7f0000001000 rw-s",
		"a\\012b",   "(deleted)", "a (deleted)",
		"a\xff\x80", "memory"};
	char longest[256];

	REQUIRE(mkdtemp(dir) != NULL);
	tail_open(&whole);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i <= ARRAY_SIZE(names); i++) {
		const char *name = i < ARRAY_SIZE(names) ? names[i] : longest;
		int fd = new_file(name);

		scene_stop_rings();
		move(0, SIZE, fd, 0);
		if (i % 2)
			remove_file(name);
		CHECK_EQ(front_end_set_memory(&fe), 0);
		scene_start_rings();
		scene_check_works();
		CHECK(world_maps_become(world.secondaries[0].pid, fd, 1));
		if (i % 2 == 0)
			remove_file(name);
		close(fd);
	}
	scene_close();
	rmdir(dir);
}

static void files_whose_names_begin_alike_are_two(void)
{
	int first, second;

	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	REQUIRE(mkdtemp(dir) != NULL);
	tail_open(&in_halves);
	first = new_file("memory");
	second = new_file("memory2");
	scene_stop_rings();
	move(0, HALF, first, 0);
	move(HALF, HALF, second, 0);
	CHECK_EQ(front_end_set_memory(&fe), 0);
	scene_start_rings();
	scene_check_works();
	CHECK(world_maps_become(world.secondaries[0].pid, first, 1));
	CHECK(world_maps_become(world.secondaries[0].pid, second, 1));
	remove_file("memory");
	remove_file("memory2");
	close(first);
	close(second);
	scene_close();
	rmdir(dir);
}

/* --- mappings --- */

static void one_file_may_be_mapped_at_several_offsets(void)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	void *third;

	REQUIRE(fd >= 0 && ftruncate(fd, 4 * SIZE) == 0);
	tail_open(&in_halves);
	scene_stop_rings();
	/* The later half first in the file, and a third mapping of it all elsewhere. */
	move(0, HALF, fd, 3 * SIZE);
	move(HALF, HALF, fd, SIZE);
	third = mmap(NULL, 4 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(third != MAP_FAILED);
	CHECK_EQ(front_end_set_memory(&fe), 0);
	scene_start_rings();
	scene_check_works();
	close(fd); /* a mapping needs none */
	CHECK_EQ(front_end_set_memory(&fe), 0);
	scene_check_works();
	scene_close();
	(void)munmap(third, 4 * SIZE);
}

static void a_region_is_one_piece_of_one_file(void)
{
	const int rw = PROT_READ | PROT_WRITE;
	int fd = memfd_create("other", MFD_CLOEXEC);

	REQUIRE(fd >= 0 && ftruncate(fd, 4 * SIZE) == 0);
	tail_open(&whole);
	tail_map(rw, MAP_SHARED, fd, TAIL);
	check_refused(EFAULT);
	tail_map(rw, MAP_SHARED, fe.guest.fd, TAIL - 4096);
	check_refused(EFAULT);
	tail_restore();
	/* Two that follow one another are one, whatever the kernel makes of them. */
	REQUIRE(madvise(fe.guest.bytes + TAIL, 4096, MADV_DONTFORK) == 0);
	REQUIRE(madvise(fe.guest.bytes + TAIL + 8192, 4096, MADV_DONTDUMP) == 0);
	CHECK_EQ(front_end_set_memory(&fe), 0);
	close(fd);
	scene_close();
}

static void memory_that_is_not_shared_is_refused(void)
{
	const int rw = PROT_READ | PROT_WRITE;

	tail_open(&whole);
	tail_map(rw, MAP_PRIVATE, fe.guest.fd, TAIL);
	check_refused(EINVAL);
	tail_map(rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check_refused(EINVAL);
	REQUIRE(munmap(fe.guest.bytes + TAIL, 4096) == 0);
	check_refused(EFAULT);
	tail_restore();
	scene_close();
}

/* Else we would write for a caller what it may not write itself. */
static void memory_that_the_caller_may_only_read_is_refused(void)
{
	char path[64];
	int reader;

	tail_open(&whole);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fe.guest.fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(reader >= 0);
	tail_map(PROT_READ, MAP_SHARED, reader, TAIL);
	check_refused(EFAULT);
	tail_restore();
	close(reader);
	scene_close();
}

static void addresses_that_are_nobodys_are_refused(void)
{
	static const uint64_t nowhere[] = {0, 4096, 0x7ffffffff000ull, 0xffff888000000000ull,
					   UINT64_MAX - 4095};

	tail_open(&whole);
	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		const uint64_t mine = fe.guest.regions[0].user_addr;

		fe.guest.regions[0].user_addr = nowhere[i];
		CHECK(front_end_set_memory(&fe) < 0);
		fe.guest.regions[0].user_addr = mine;
		scene_check_works();
	}
	scene_close();
}

static const struct sentence sentences[] = {
	CATALOGUE(the_name_of_its_file_does_not_matter, "[U-4] [53]"),
	CATALOGUE(files_whose_names_begin_alike_are_two, "[U-4] [53]"),
	CATALOGUE(one_file_may_be_mapped_at_several_offsets, "[U-4] [53]"),
	CATALOGUE(a_region_is_one_piece_of_one_file, "[U-4] [53]"),
	CATALOGUE(memory_that_is_not_shared_is_refused, "[U-4]"),
	CATALOGUE(memory_that_the_caller_may_only_read_is_refused, "[U-4]"),
	CATALOGUE(addresses_that_are_nobodys_are_refused, "[U-4]"),
};
SUITE("cuse: memory", sentences)
