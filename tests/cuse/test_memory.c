/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a caller's memory is said to be, and where it is: files with names that mislead, several
 * files, mappings that are private, read-only, missing, split, many, or changing all the time.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "scene.h"
#include "suite.h"

#define SIZE (256u << 10)
#define HALF (SIZE / 2)
/* Behind rings and buffers: nobody looks there. */
#define TAIL	   (192u << 10)
#define TAIL_BYTES (SIZE - TAIL)

static const struct guest_span halves[] = {{0, HALF}, {HALF, HALF}};
static const struct session_shape whole = {.memory = SIZE};
static const struct session_shape in_halves = {.memory = SIZE, .spans = halves, .nr_spans = 2};
static char dir[] = "/dev/shm/hf-memory-XXXXXX";

static void open_scene(const struct session_shape *shape)
{
	scene_open(shape);
	/* The buffers, behind the rings. */
	REQUIRE(fe.buffers + 2 * 256 * 128 <= TAIL);
}

/* --- to move the guest's memory under its feet --- */

static uint16_t bases[2];

static void stop(void)
{
	for (uint32_t ring = 0; ring < 2; ring++) {
		int base = front_end_stop_ring(&fe, ring);

		REQUIRE(base >= 0);
		bases[ring] = (uint16_t)base;
	}
}

static void start(void)
{
	for (uint32_t ring = 0; ring < 2; ring++) {
		REQUIRE(front_end_start_ring(&fe, ring, bases[ring]) == 0);
		CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, ring, 1), 0);
	}
}

/* [at, at + len) of the guest is at `offset` of the file now, mapped like that. */
static void map(size_t at, size_t len, int protection, int flags, int fd, off_t offset)
{
	uint8_t *bytes = fe.guest.bytes + at;

	REQUIRE(mmap(bytes, len, protection, flags | MAP_FIXED, fd, offset) == bytes);
}

/* With what it held. */
static void move(size_t at, size_t len, int fd, off_t offset)
{
	REQUIRE(pwrite(fd, fe.guest.bytes + at, len, offset) == (ssize_t)len);
	map(at, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
}

static void map_tail(int protection, int flags, int fd, off_t offset)
{
	map(TAIL, TAIL_BYTES, protection, flags, fd, offset);
}

/* As it was in the beginning. */
static void restore_tail(void)
{
	map_tail(PROT_READ | PROT_WRITE, MAP_SHARED, fe.guest.fd, TAIL);
	CHECK_EQ(front_end_set_memory(&fe), 0);
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
	open_scene(&whole);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i <= ARRAY_SIZE(names); i++) {
		const char *name = i < ARRAY_SIZE(names) ? names[i] : longest;
		int fd = new_file(name);

		stop();
		move(0, SIZE, fd, 0);
		if (i % 2)
			remove_file(name);
		CHECK_EQ(front_end_set_memory(&fe), 0);
		start();
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
	open_scene(&in_halves);
	first = new_file("memory");
	second = new_file("memory2");
	stop();
	move(0, HALF, first, 0);
	move(HALF, HALF, second, 0);
	CHECK_EQ(front_end_set_memory(&fe), 0);
	start();
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
	open_scene(&in_halves);
	stop();
	/* The later half first in the file, and a third mapping of it all elsewhere. */
	move(0, HALF, fd, 3 * SIZE);
	move(HALF, HALF, fd, SIZE);
	third = mmap(NULL, 4 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(third != MAP_FAILED);
	CHECK_EQ(front_end_set_memory(&fe), 0);
	start();
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
	open_scene(&whole);
	map_tail(rw, MAP_SHARED, fd, TAIL);
	check_refused(EFAULT);
	map_tail(rw, MAP_SHARED, fe.guest.fd, TAIL - 4096);
	check_refused(EFAULT);
	restore_tail();
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

	open_scene(&whole);
	map_tail(rw, MAP_PRIVATE, fe.guest.fd, TAIL);
	check_refused(EINVAL);
	map_tail(rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check_refused(EINVAL);
	REQUIRE(munmap(fe.guest.bytes + TAIL, 4096) == 0);
	check_refused(EFAULT);
	restore_tail();
	scene_close();
}

/* Else we would write for a caller what it may not write itself. */
static void memory_that_the_caller_may_only_read_is_refused(void)
{
	char path[64];
	int reader;

	open_scene(&whole);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fe.guest.fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(reader >= 0);
	map_tail(PROT_READ, MAP_SHARED, reader, TAIL);
	check_refused(EFAULT);
	restore_tail();
	close(reader);
	scene_close();
}

static void addresses_that_are_nobodys_are_refused(void)
{
	static const uint64_t nowhere[] = {0, 4096, 0x7ffffffff000ull, 0xffff888000000000ull,
					   UINT64_MAX - 4095};

	open_scene(&whole);
	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		const uint64_t mine = fe.guest.regions[0].user_addr;

		fe.guest.regions[0].user_addr = nowhere[i];
		CHECK(front_end_set_memory(&fe) < 0);
		fe.guest.regions[0].user_addr = mine;
		scene_check_works();
	}
	scene_close();
}

/* --- many, and changing --- */

#define MANY 100000u

static bool allow_mappings(uint32_t count)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "we");
	bool done = file && fprintf(file, "%u", count) > 0;

	if (file)
		done = fclose(file) == 0 && done;
	return done;
}

/* Found or refused, but answered; and the neighbour does not notice. */
static void a_hundred_thousand_mappings_are_looked_through_or_refused(void)
{
	const size_t bytes = (size_t)MANY * 4096;
	struct front_end other;
	long long result;
	uint8_t *all;

	REQUIRE(allow_mappings(2 * MANY));
	open_scene(&whole);
	all = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	REQUIRE(all != MAP_FAILED);
	for (size_t i = 0; i < MANY; i += 2)
		REQUIRE(mprotect(all + i * 4096, 4096, PROT_NONE) == 0);
	result = front_end_set_memory(&fe);
	CHECK(result == 0 || result == -ENOMEM);
	printf("    %s\n", result ? "refused" : "found");
	munmap(all, bytes);
	scene_check_works();
	scene_join(&other, "p1", NULL);
	scene_check_echo(&other);
	front_end_close(&other);
	scene_close();
}

static atomic_bool racing;
static atomic_uint turns;
static int other_file;

static void *split_and_merge(void *context)
{
	uint8_t *tail = context;

	while (atomic_load(&racing)) {
		(void)madvise(tail + 4096, 4096, MADV_DONTFORK);
		(void)madvise(tail + 4096, 4096, MADV_DOFORK);
		atomic_fetch_add(&turns, 1);
	}
	return NULL;
}

static void *map_another(void *context)
{
	uint8_t *tail = context;

	while (atomic_load(&racing)) {
		const int shared = MAP_SHARED | MAP_FIXED, rw = PROT_READ | PROT_WRITE;

		(void)mmap(tail, TAIL_BYTES, rw, shared, other_file, TAIL);
		(void)mmap(tail, TAIL_BYTES, rw, MAP_PRIVATE | MAP_FIXED, fe.guest.fd, TAIL);
		(void)munmap(tail, TAIL_BYTES);
		(void)mmap(tail, TAIL_BYTES, rw, shared, fe.guest.fd, TAIL);
		atomic_fetch_add(&turns, 1);
	}
	return NULL;
}

/* Each time either as it was at one moment, or refused. How often it was done. */
static uint32_t set_memory_while(void *(*disturb)(void *context))
{
	pthread_t thread;
	uint32_t done = 0;

	atomic_store(&turns, 0);
	atomic_store(&racing, true);
	REQUIRE(pthread_create(&thread, NULL, disturb, fe.guest.bytes + TAIL) == 0);
	for (uint32_t i = 0; i < 150 || atomic_load(&turns) < 150; i++)
		done += front_end_set_memory(&fe) == 0;
	atomic_store(&racing, false);
	pthread_join(thread, NULL);
	printf("    %u done, in %u turns of the racer\n", done, atomic_load(&turns));
	return done;
}

static void mappings_that_change_meanwhile_are_refused_or_found(void)
{
	struct ledger before;

	open_scene(&whole);
	before = scene_ledger();
	other_file = memfd_create("other", MFD_CLOEXEC);
	REQUIRE(other_file >= 0 && ftruncate(other_file, SIZE) == 0);
	/* It is the same memory all the time. */
	CHECK(set_memory_while(split_and_merge) > 0);
	CHECK_EQ(front_end_set_memory(&fe), 0);
	scene_check_works();
	(void)set_memory_while(map_another);
	CHECK_EQ(front_end_set_memory(&fe), 0);
	scene_check_works();
	CHECK(world_maps_become(world.secondaries[0].pid, other_file, 0));
	CHECK_EQ(world_fds(world.primary, other_file), 0);
	scene_check_ledger(&before);
	close(other_file);
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
	CATALOGUE(a_hundred_thousand_mappings_are_looked_through_or_refused, "[U-4]"),
	CATALOGUE(mappings_that_change_meanwhile_are_refused_or_found, "[U-4] [U-1]"),
};
SUITE("cuse: memory", sentences)
