/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A caller's mappings by the hundred thousand, and such as change all the time, while they are
 * looked through.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"
#include "tail.h"

static const struct guest_span head_and_tail[] = {{0, TAIL}, {TAIL, TAIL_BYTES}};
static const struct session_shape with_tail = {
	.memory = SIZE, .spans = head_and_tail, .nr_spans = 2};

#define MANY	100000u
#define LOOK_MS 60000
/* More than by a primary that stands still while it looks: a table is three requests. */
#define ANSWERED 8u
#define ROUNDS	 80u

static bool allow_mappings(uint32_t count)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "we");
	bool done = file && fprintf(file, "%u", count) > 0;

	if (file)
		done = fclose(file) == 0 && done;
	return done;
}

static atomic_bool racing;
static atomic_uint turns;

/* --- the neighbour, meanwhile */

static struct front_end other;
static atomic_uint missing;

static void *live_on(void *context)
{
	uint32_t *next = context;
	uint64_t features;

	while (atomic_load(&racing)) {
		if (front_end_get_u64(&other, FE_GET_FEATURES, &features) < 0)
			atomic_fetch_add(&missing, 1);
		atomic_fetch_add(&missing, front_end_echo(&other, 0, next, 8));
		atomic_fetch_add(&turns, 1);
	}
	return NULL;
}

static void begin_to_race(pthread_t *thread, void *(*racer)(void *context), void *context)
{
	atomic_store(&turns, 0);
	atomic_store(&racing, true);
	REQUIRE(pthread_create(thread, NULL, racer, context) == 0);
	while (!atomic_load(&turns))
		usleep(1000);
}

static void end_race(pthread_t thread)
{
	atomic_store(&racing, false);
	pthread_join(thread, NULL);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What it says, and how often the neighbour was answered until then. */
static long long set_memory_beside_neighbour(uint32_t *ret_answered)
{
	uint32_t next = 0, before;
	long long result, begun;
	pthread_t thread;

	begin_to_race(&thread, live_on, &next);
	before = atomic_load(&turns);
	begun = now_ms();
	result = front_end_set_memory(&fe);
	*ret_answered = atomic_load(&turns) - before;
	printf("    %s in %lld ms, the neighbour was answered %u times\n",
	       result ? "refused" : "found", now_ms() - begun, *ret_answered);
	CHECK(now_ms() - begun < LOOK_MS);
	end_race(thread);
	CHECK_EQ(atomic_load(&missing), 0);
	return result;
}

/* Found or refused, but answered in time; and the neighbour does not notice. */
static void a_hundred_thousand_mappings_are_looked_through_or_refused(void)
{
	const size_t bytes = (size_t)MANY * 4096;
	uint32_t answered;
	long long result;
	uint8_t *all;

	REQUIRE(allow_mappings(2 * MANY));
	tail_open(&whole);
	scene_join(&other, "p1", NULL);
	all = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	REQUIRE(all != MAP_FAILED);
	for (size_t i = 0; i < MANY; i += 2)
		REQUIRE(mprotect(all + i * 4096, 4096, PROT_NONE) == 0);
	result = set_memory_beside_neighbour(&answered);
	CHECK(result == 0 || result == -ENOMEM);
	CHECK(answered >= ANSWERED);
	munmap(all, bytes);
	scene_check_works();
	CHECK_EQ(driver_check(&other.rings[0]) + driver_check(&other.rings[1]), 0);
	front_end_close(&other);
	scene_close();
}

/* --- races */

static int other_file;
/* Where the tail is in it, when it is. */
#define OTHER_OFFSET (64u << 10)

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

#define SHARED (MAP_SHARED | MAP_FIXED)

/* Never what the region's head goes on with. */
static void *map_wrong_ones(void *context)
{
	const int rw = PROT_READ | PROT_WRITE;
	uint8_t *tail = context;

	while (atomic_load(&racing)) {
		(void)mmap(tail, TAIL_BYTES, rw, SHARED, other_file, TAIL);
		(void)mmap(tail, TAIL_BYTES, rw, MAP_PRIVATE | MAP_FIXED, fe.guest.fd, TAIL);
		(void)munmap(tail, TAIL_BYTES);
		(void)mmap(tail, TAIL_BYTES, rw, SHARED, fe.guest.fd, OTHER_OFFSET);
		atomic_fetch_add(&turns, 1);
	}
	return NULL;
}

/* Two that are right for a region of its own, at offsets of their own, and two that are not. */
static void *map_by_turns(void *context)
{
	const int rw = PROT_READ | PROT_WRITE;
	uint8_t *tail = context;

	while (atomic_load(&racing)) {
		(void)mmap(tail, TAIL_BYTES, rw, SHARED, other_file, OTHER_OFFSET);
		(void)mmap(tail, TAIL_BYTES, rw, SHARED, fe.guest.fd, TAIL);
		(void)mmap(tail, TAIL_BYTES, rw, MAP_PRIVATE | MAP_FIXED, fe.guest.fd, TAIL);
		(void)mmap(tail, TAIL_BYTES, rw, SHARED, other_file, OTHER_OFFSET);
		(void)mmap(tail, TAIL_BYTES, rw, SHARED, fe.guest.fd, TAIL);
		(void)munmap(tail, TAIL_BYTES);
		atomic_fetch_add(&turns, 1);
	}
	return NULL;
}

struct outcome {
	uint32_t done, refused;
	/* What the secondary had for the tail, each time it was done. */
	uint32_t first, second; /* the guest's own file; the other one */
	uint32_t torn;		/* the file of the one at the offset of the other */
};

/* How often the secondary has that file mapped from that offset on. */
static size_t maps_at(int fd, unsigned long wanted)
{
	unsigned long offset, inode;
	char path[64], line[512];
	struct stat st = {0};
	size_t n = 0;
	FILE *maps;

	REQUIRE(fstat(fd, &st) == 0);
	snprintf(path, sizeof(path), "/proc/%d/maps", world.secondaries[0].pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps))
		n += sscanf(line, "%*s %*s %lx %*s %lu", &offset, &inode) == 2 &&
		     inode == st.st_ino && offset == wanted;
	if (maps)
		fclose(maps);
	return n;
}

static void look_at_secondary(struct outcome *outcome)
{
	if (maps_at(other_file, TAIL) || maps_at(fe.guest.fd, OTHER_OFFSET))
		outcome->torn++;
	else if (maps_at(other_file, OTHER_OFFSET))
		outcome->second++;
	else
		outcome->first++;
}

static bool all_was_seen(const struct outcome *o)
{
	return o->done && o->refused && o->first && o->second;
}

static struct outcome set_memory_while(void *(*disturb)(void *context), uint32_t rounds)
{
	struct outcome outcome = {0};
	pthread_t thread;

	begin_to_race(&thread, disturb, fe.guest.bytes + TAIL);
	for (uint32_t i = 0; i < ROUNDS || (i < rounds && !all_was_seen(&outcome)); i++) {
		if (front_end_set_memory(&fe) < 0) {
			outcome.refused++;
			continue;
		}
		outcome.done++;
		look_at_secondary(&outcome);
	}
	end_race(thread);
	printf("    %u done (%u, %u), %u refused, in %u turns of the racer\n", outcome.done,
	       outcome.first, outcome.second, outcome.refused, atomic_load(&turns));
	CHECK_EQ(outcome.torn, 0);
	return outcome;
}

static void open_race(const struct session_shape *shape, struct ledger *ret_before)
{
	tail_open(shape);
	*ret_before = scene_ledger();
	other_file = memfd_create("other", MFD_CLOEXEC);
	REQUIRE(other_file >= 0 && ftruncate(other_file, SIZE) == 0);
}

static void close_race(const struct ledger *before)
{
	tail_restore();
	scene_check_works();
	CHECK(world_maps_become(world.secondaries[0].pid, other_file, 0));
	CHECK_EQ(world_fds(world.primary, other_file), 0);
	scene_check_ledger(before);
	close(other_file);
	scene_close();
}

static void mappings_that_change_meanwhile_are_refused_or_found(void)
{
	struct ledger before;

	open_race(&whole, &before);
	/* It is the same memory all the time. */
	CHECK(set_memory_while(split_and_merge, ROUNDS).done > 0);
	tail_restore();
	scene_check_works();
	/* It is at no time. */
	CHECK_EQ(set_memory_while(map_wrong_ones, ROUNDS).done, 0);
	close_race(&before);
}

/* Never the file of one mapping with the offset of another. */
static void a_mapping_is_taken_as_it_was_at_one_moment(void)
{
	struct ledger before;
	struct outcome outcome;

	open_race(&with_tail, &before);
	/* So that the tail is a line of its own, whatever is mapped there. */
	REQUIRE(madvise(fe.guest.bytes + TAIL - 4096, 4096, MADV_DONTFORK) == 0);
	outcome = set_memory_while(map_by_turns, 10 * ROUNDS);
	CHECK(all_was_seen(&outcome));
	close_race(&before);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_hundred_thousand_mappings_are_looked_through_or_refused, "[U-4]"),
	CATALOGUE(mappings_that_change_meanwhile_are_refused_or_found, "[U-4] [U-1]"),
	CATALOGUE(a_mapping_is_taken_as_it_was_at_one_moment, "[U-4]"),
};
SUITE("cuse: moving", sentences)
