/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a caller may write into an ioctl: pointers, numbers, sizes, counts and descriptors, right
 * or wrong or changing while it is looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vhost.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "check.h"
#include "scene.h"
#include "suite.h"

#define DEVICES 170u

static const unsigned long with_argument[] = {
	VHOST_GET_FEATURES,   VHOST_SET_FEATURES,	  VHOST_SET_MEM_TABLE,
	VHOST_SET_VRING_NUM,  VHOST_SET_VRING_ADDR,	  VHOST_SET_VRING_BASE,
	VHOST_GET_VRING_BASE, VHOST_SET_VRING_KICK,	  VHOST_SET_VRING_CALL,
	VHOST_SET_VRING_ERR,  VHOST_NET_SET_BACKEND,	  VHOST_GET_BACKEND_FEATURES,
	VHOST_SET_LOG_BASE,   VHOST_SET_BACKEND_FEATURES, VHOST_SET_LOG_FD,
};

static int error_of(unsigned long command, void *argument)
{
	return ioctl(fe.socket, command, argument) < 0 ? errno : 0;
}

/* --- how many --- */

/* Each that gets none of another's takes one of its own, of about 150. */
static void there_may_be_more_devices_than_the_kernel_has_majors(void)
{
	char name[16];

	world_open(&world, NULL);
	for (uint32_t i = 0; i < DEVICES; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		world_add_port(&world, name, false, NULL);
	}
	REQUIRE(front_end_connect(&fe, world_port_path(&world, name)) == 0);
	front_end_close(&fe);
	world_close(&world);
}

/* --- pointers --- */

static void a_pointer_that_leads_nowhere_is_refused_and_nothing_changes(void)
{
	struct ledger before;
	uint8_t *pages;

	scene_open(NULL);
	before = scene_ledger();
	pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(pages != MAP_FAILED);
	REQUIRE(munmap(pages + 4096, 4096) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(with_argument); i++) {
		void *const nowhere[] = {
			NULL,
			pages + 4096,				  /* unmapped */
			pages + 4094,				  /* from mapped to unmapped */
			(void *)(uintptr_t)(UINT64_MAX - 1),	  /* wraps */
			(void *)(uintptr_t)0xffff888000000000ull, /* the kernel's */
		};

		for (size_t k = 0; k < ARRAY_SIZE(nowhere); k++) {
			int error = error_of(with_argument[i], nowhere[k]);

			/* What is declined is not even read. */
			CHECK(error == EFAULT || error == EOPNOTSUPP);
		}
	}
	munmap(pages, 4096);
	scene_check_works();
	scene_check_ledger(&before);
	scene_close();
}

static void a_table_that_ends_behind_its_page_is_refused(void)
{
	const size_t table_bytes =
		sizeof(struct vhost_memory) + 2 * sizeof(struct vhost_memory_region);
	struct vhost_memory *table;
	uint8_t *pages;

	scene_open(NULL);
	pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(pages != MAP_FAILED);
	REQUIRE(munmap(pages + 4096, 4096) == 0);
	/* Head, and one of two regions. */
	table = (void *)(pages + 4096 - table_bytes + sizeof(struct vhost_memory_region));
	table->nregions = 2;
	CHECK_EQ(error_of(VHOST_SET_MEM_TABLE, table), EFAULT);
	/* The head's half. */
	CHECK_EQ(error_of(VHOST_SET_MEM_TABLE, pages + 4096 - 4), EFAULT);
	munmap(pages, 4096);
	scene_close();
}

/* --- numbers and sizes --- */

static bool is_known(unsigned long command)
{
	static const unsigned long others[] = {VHOST_SET_OWNER, VHOST_RESET_OWNER};

	for (size_t i = 0; i < ARRAY_SIZE(with_argument); i++)
		if (with_argument[i] == command)
			return true;
	return command == others[0] || command == others[1];
}

/* Every number of vhost's, in each direction, as long and as short as no structure of it is. */
static void an_ioctl_that_is_none_of_vhost_nets_is_refused(void)
{
	static const uint32_t sizes[] = {0, 1, 4, 7, 9, 41, 4095};
	static uint8_t bytes[8192];
	uint32_t taken = 0;

	scene_open(NULL);
	for (uint32_t nr = 0; nr < 256; nr += nr < 0x34 ? 1 : 13)
		for (uint32_t dir = 0; dir < 4; dir++)
			for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
				unsigned long command = _IOC(dir, VHOST_VIRTIO, nr, sizes[i]);

				if (!is_known(command))
					taken += error_of(command, bytes) == 0;
			}
	CHECK_EQ(taken, 0);
	scene_close();
}

/* What anybody may ask at any time, and gets, if the call is of 64 bits. */
static void a_32_bit_programs_call_is_refused(void)
{
	int result = -EINVAL;
#ifdef __x86_64__
	/* Where a 32-bit pointer reaches it. */
	uint64_t *features = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	REQUIRE(features != MAP_FAILED);
	scene_open(NULL);
	CHECK_EQ(error_of(VHOST_GET_FEATURES, features), 0);
	/* The 32-bit ABI's ioctl is 54. */
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(54), "b"(fe.socket), "c"((uint32_t)VHOST_GET_FEATURES),
			   "d"((uint32_t)(uintptr_t)features)
			 : "memory");
	munmap(features, 4096);
	scene_close();
#endif
	CHECK_EQ(result, -EINVAL);
}

/* --- counts --- */

static struct {
	struct vhost_memory head;
	struct vhost_memory_region regions[64];
} table;

static void fill_table(void)
{
	const struct hf_shm_region *r = &fe.guest.regions[0];

	memset(&table, 0, sizeof(table));
	table.head.nregions = 1;
	table.regions[0].guest_phys_addr = r->gpa;
	table.regions[0].memory_size = r->size;
	table.regions[0].userspace_addr = r->user_addr;
}

static void a_table_of_no_region_or_too_many_is_refused(void)
{
	static const uint32_t counts[] = {0, 9, 64, 65, 255, 256, 65536, INT_MAX, UINT_MAX};

	scene_open(NULL);
	fill_table();
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		int error;

		table.head.nregions = counts[i];
		error = error_of(VHOST_SET_MEM_TABLE, &table);
		CHECK(error == EINVAL || error == E2BIG);
		scene_check_works();
	}
	table.head.nregions = 1;
	CHECK_EQ(error_of(VHOST_SET_MEM_TABLE, &table), 0);
	scene_close();
}

static atomic_bool racing;
static const uint32_t *flips;

static void *flip_count(void *context)
{
	(void)context;
	for (uint32_t i = 0; atomic_load(&racing); i++)
		__atomic_store_n(&table.head.nregions, flips[i % 2], __ATOMIC_RELAXED);
	return NULL;
}

/* Both counts are seen, or it was no race. */
static void race(const uint32_t *counts, uint32_t rounds)
{
	uint32_t done = 0, refused = 0;
	pthread_t thread;

	flips = counts;
	atomic_store(&racing, true);
	REQUIRE(pthread_create(&thread, NULL, flip_count, NULL) == 0);
	for (uint32_t i = 0; i < rounds || (i < 100 * rounds && !(done && refused)); i++)
		*(error_of(VHOST_SET_MEM_TABLE, &table) ? &refused : &done) += 1;
	atomic_store(&racing, false);
	pthread_join(thread, NULL);
	CHECK(done > 0);
	CHECK(refused > 0);
}

static void a_count_that_changes_between_two_looks_is_believed_once(void)
{
	static const uint32_t counts[][2] = {{1, 8}, {1, 64}, {1, UINT_MAX}};
	struct ledger before;

	scene_open(NULL);
	before = scene_ledger();
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		fill_table();
		race(counts[i], 50);
		scene_check_works();
	}
	scene_check_ledger(&before);
	scene_close();
}

/* --- two at a time --- */

#define TABLES 100

static void *set_tables(void *context)
{
	struct front_end *front_end = context;
	long long failed = 0;

	for (int i = 0; i < TABLES; i++)
		failed += front_end_set_memory(front_end) != 0;
	return (void *)(intptr_t)failed;
}

static void two_devices_set_up_at_the_same_time_get_what_is_theirs(void)
{
	static struct front_end other;
	struct front_end *const both[2] = {&fe, &other};
	pthread_t threads[2];

	scene_open(NULL);
	scene_join(&other, "p1", NULL);
	for (int i = 0; i < 2; i++)
		REQUIRE(pthread_create(&threads[i], NULL, set_tables, both[i]) == 0);
	for (int i = 0; i < 2; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		CHECK_EQ((intptr_t)failed, 0);
	}
	for (int i = 0; i < 2; i++)
		CHECK(world_maps_become(world.secondaries[0].pid, both[i]->guest.fd, 1));
	scene_check_echo(&other);
	CHECK_EQ(driver_check(&other.rings[0]) + driver_check(&other.rings[1]), 0);
	front_end_close(&other);
	scene_close();
}

/* --- rings and descriptors --- */

/* Each with what is right for ring 0 while it is stopped. */
struct vring_command {
	unsigned long number;
	union {
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct vhost_vring_file file;
		unsigned int index; /* the first word of each */
	} argument;
};

static int error_for_ring(const struct vring_command *command, uint32_t index)
{
	struct vring_command said = *command;

	said.argument.index = index;
	return error_of(said.number, &said.argument);
}

/* The index is all that is wrong: with ring 0's it is done. */
static void check_indices(void)
{
	static const uint32_t indices[] = {2, 3, 255, 256, 258, 65536, 0x80000000u, UINT_MAX};
	const struct driver *ring = &fe.rings[0];
	const uint64_t to_user = fe.guest.user - fe.guest.base;
	const struct vring_command commands[] = {
		{VHOST_SET_VRING_NUM, {.state = {.num = ring->size}}},
		{VHOST_SET_VRING_BASE, {.state = {.num = scene_bases[0]}}},
		{VHOST_GET_VRING_BASE, {.state = {0}}},
		{VHOST_SET_VRING_ADDR,
		 {.addr = {.desc_user_addr = ring->desc + to_user,
			   .used_user_addr = ring->used + to_user,
			   .avail_user_addr = ring->avail + to_user}}},
		{VHOST_SET_VRING_KICK, {.file = {.fd = fe.kicks[0]}}},
		{VHOST_SET_VRING_CALL, {.file = {.fd = fe.calls[0]}}},
		{VHOST_SET_VRING_ERR, {.file = {.fd = fe.errs[0]}}},
		{VHOST_NET_SET_BACKEND, {.file = {.fd = -1}}},
	};

	for (size_t k = 0; k < ARRAY_SIZE(commands); k++) {
		for (size_t i = 0; i < ARRAY_SIZE(indices); i++)
			CHECK_EQ(error_for_ring(&commands[k], indices[i]), ENOBUFS);
		CHECK_EQ(error_for_ring(&commands[k], 0), 0);
	}
}

static void a_ring_that_is_not_there_is_refused_by_every_ioctl(void)
{
	scene_open(NULL);
	scene_stop_rings();
	check_indices();
	scene_start_rings();
	scene_close();
}

static void what_is_no_eventfd_is_not_taken_for_one(void)
{
	static const unsigned long commands[] = {VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
						 VHOST_SET_VRING_ERR};
	int pipes[2], sockets[2], fds[12];
	struct ledger before;
	size_t n = 0;

	scene_open(NULL);
	before = scene_ledger();
	REQUIRE(pipe(pipes) == 0);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	fds[n++] = pipes[0];
	fds[n++] = sockets[0];
	fds[n++] = memfd_create("not an eventfd", 0);
	fds[n++] = open("/dev/null", O_RDWR);
	fds[n++] = open("/", O_RDONLY | O_DIRECTORY);
	fds[n++] = epoll_create1(0);
	fds[n++] = timerfd_create(CLOCK_MONOTONIC, 0);
	fds[n++] = fe.socket; /* the device itself */
	fds[n++] = 9999;      /* closed */
	fds[n++] = INT_MAX;
	fds[n++] = -2;
	fds[n++] = INT_MIN;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(commands); k++) {
			struct vhost_vring_file file = {.index = 0, .fd = fds[i]};
			int error = error_of(commands[k], &file);

			CHECK(error == EBADF || error == EINVAL);
		}
	for (size_t i = 1; i < n; i++)
		if (fds[i] > 2 && fds[i] != fe.socket && fds[i] < 9999)
			close(fds[i]);
	close(sockets[1]);
	scene_check_works();
	scene_check_ledger(&before);
	close(pipes[0]);
	close(pipes[1]);
	scene_close();
}

static const struct sentence sentences[] = {
	SENTENCE(there_may_be_more_devices_than_the_kernel_has_majors),
	CATALOGUE(a_pointer_that_leads_nowhere_is_refused_and_nothing_changes, "[U-1]"),
	CATALOGUE(a_table_that_ends_behind_its_page_is_refused, "[U-1]"),
	CATALOGUE(an_ioctl_that_is_none_of_vhost_nets_is_refused, "[U-1] [53]"),
	CATALOGUE(a_32_bit_programs_call_is_refused, "[U-1]"),
	CATALOGUE(a_table_of_no_region_or_too_many_is_refused, "[U-1]"),
	CATALOGUE(a_count_that_changes_between_two_looks_is_believed_once, "[U-1] [53]"),
	CATALOGUE(two_devices_set_up_at_the_same_time_get_what_is_theirs, "[U-2] [53]"),
	CATALOGUE(a_ring_that_is_not_there_is_refused_by_every_ioctl, "[U-5]"),
	CATALOGUE(what_is_no_eventfd_is_not_taken_for_one, "[U-5] [53]"),
};
SUITE("cuse: arguments", sentences)
