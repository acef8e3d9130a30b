/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front-end that changes everything all the time, beside one that does not (alive.h): rings that
 * go on and off, stops in the middle of a start, another memory under running rings, many tables at
 * once, buffers that are not given back; and one that is killed or stopped at any moment.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alive.h"
#include "check.h"
#include "suite.h"

#define WAIT_MS 20000
#define SLOTS	(256u * 128u) /* bytes of one ring's buffers */

static const char *const unbounded[] = {"--message-rate", "0", NULL};
static const struct session_shape plain;
static struct alive a;
static struct front_end bad;

/* ---- on and off */

/* HF_TEST_LONG=1: a hundred thousand times. */
static void a_ring_that_goes_on_and_off_for_ever_harms_nobody(void)
{
	uint32_t times = suite_is_long() ? 100000 : 5000, number = 50;

	alive_open(&a, unbounded);
	alive_set_up(&a, &bad);
	for (uint32_t i = 0; i < times; i++) {
		const uint32_t state[2] = {i & 1, i >> 1 & 1};

		REQUIRE(front_end_send(&bad, FE_SET_VRING_ENABLE, 0, state, sizeof(state), NULL,
				       0) == 0);
		if (i % (times / 20) == 0)
			alive_check_memory(&a);
	}
	for (uint32_t ring = 0; ring < 2; ring++)
		CHECK_EQ(front_end_state(&bad, FE_SET_VRING_ENABLE, ring, 1), 0);
	/* All were answered: what each of them left behind would be here still. */
	alive_check_memory(&a);
	alive_check_neighbour(&a);
	CHECK_EQ(front_end_echo(&bad, 0, &number, 200), 0);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

/* ---- a stop while it starts */

#define MOST_DEVICES 64u
#define STEPS	     40u

static struct front_end many[MOST_DEVICES];

/* Its answer is what the guest sees consumed, and from then on no byte changes. */
static void stop_now(struct front_end *fe)
{
	for (uint32_t ring = 0; ring < 2; ring++) {
		int base = front_end_stop_ring(fe, 1 - ring);

		CHECK_EQ(base, driver_used_idx(&fe->rings[1 - ring]));
	}
	guest_declare(&fe->guest, 0, fe->guest.size, false);
}

static void open_device(unsigned int d)
{
	char name[16];

	snprintf(name, sizeof(name), "m%u", d);
	world_add_port(&a.world, name, false, NULL);
	REQUIRE(front_end_connect(&many[d], world_port_path(&a.world, name)) == 0);
	REQUIRE(front_end_setup(&many[d], &plain) == 0);
	front_end_post_buffers(&many[d], 0);
}

static void close_device(unsigned int d)
{
	char name[16];

	front_end_close(&many[d]);
	snprintf(name, sizeof(name), "m%u", d);
	CHECK_EQ(world_del_port(&a.world, name), 0);
}

static void stop_at_many_moments(unsigned int first)
{
	for (unsigned int step = 0; step < STEPS; step++) {
		open_device(step);
		front_end_send_packets(&many[step], 0, 0, 100);
		usleep((first + step) * 100);
		stop_now(&many[step]);
	}
	/* Whoever was late has had time by then. */
	usleep(1000000);
	for (unsigned int step = 0; step < STEPS; step++) {
		CHECK_EQ(guest_strays(&many[step].guest), 0);
		close_device(step);
	}
}

/* The first time allocators grow. */
static void have_as_many_devices(void)
{
	for (unsigned int d = 0; d < STEPS; d++)
		open_device(d);
	for (unsigned int d = 0; d < STEPS; d++)
		close_device(d);
}

static void a_stop_at_any_moment_of_a_start_is_exact(void)
{
	unsigned int moments = (suite_is_long() ? 5 : 1) * STEPS;

	alive_open(&a, NULL);
	have_as_many_devices();
	alive_baseline(&a);
	for (unsigned int first = 0; first < moments; first += STEPS)
		stop_at_many_moments(first);
	alive_check(&a);
	alive_close(&a);
}

/* ---- another memory under running rings */

/* What is sent lies in a file of its own, in the table's second region. */
static uint64_t sent_at;

static int new_file(void)
{
	int fd = memfd_create("other", MFD_CLOEXEC);

	REQUIRE(fd >= 0 && ftruncate(fd, (off_t)bad.guest.size) == 0);
	return fd;
}

static void fill_file(int fd, const void *bytes)
{
	size_t len = bad.guest.size - sent_at;

	REQUIRE(pwrite(fd, bytes, len, (off_t)sent_at) == (ssize_t)len);
}

/* The back-end is told; then the guest itself sees it. */
static void exchange(int fd)
{
	uint64_t table[9] = {2,
			     bad.guest.base,
			     sent_at,
			     bad.guest.user,
			     0,
			     bad.guest.base + sent_at,
			     bad.guest.size - sent_at,
			     bad.guest.user + sent_at,
			     sent_at};
	const int fds[2] = {bad.guest.fd, fd};

	fill_file(fd, bad.guest.bytes + sent_at);
	CHECK_EQ(front_end_ask(&bad, FE_SET_MEM_TABLE, table, sizeof(table), fds, 2), 0);
	REQUIRE(mmap(bad.guest.bytes + sent_at, bad.guest.size - sent_at, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, fd, (off_t)sent_at) != MAP_FAILED);
}

/* Packets on their way are lost at most, and never torn: what was theirs is overwritten at once. */
static void memory_that_was_exchanged_is_not_looked_at_again(void)
{
	static uint8_t poison[1u << 20], bytes[1u << 20];
	unsigned int rounds = suite_is_long() ? 1000 : 50;
	uint32_t number = 0, wrong = 0;
	int fd, before;

	memset(poison, 0xee, sizeof(poison));
	alive_open(&a, NULL);
	alive_connect(&a, &bad);
	REQUIRE(front_end_setup(&bad, &plain) == 0);
	bad.buffers = align_up(bad.buffers, 4096);
	sent_at = bad.buffers + SLOTS;
	REQUIRE(bad.guest.size - sent_at <= sizeof(poison));
	front_end_post_buffers(&bad, 0);
	before = new_file();
	exchange(before);
	CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
	for (unsigned int i = 0; i < rounds; i++) {
		fd = new_file();
		front_end_send_packets(&bad, 0, number, 60);
		exchange(fd);
		fill_file(before, poison);
		for (int ms = 0;
		     ms < WAIT_MS && driver_used_idx(&bad.rings[1]) != bad.rings[1].avail_idx; ms++)
			usleep(1000);
		CHECK_EQ(driver_used_idx(&bad.rings[1]), bad.rings[1].avail_idx);
		front_end_receive_packets(&bad, 0, &number, &wrong);
		CHECK_EQ(world_maps(a.world.primary, before), 0);
		CHECK(world_maps_become(a.world.secondaries[0].pid, before, 0));
		/* What the guest sends is nobody's to write. */
		REQUIRE(pread(before, bytes, bad.guest.size - sent_at, (off_t)sent_at) > 0);
		CHECK_EQ(memcmp(bytes, poison, bad.guest.size - sent_at), 0);
		close(before);
		before = fd;
		number += 100;
		CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
	}
	CHECK_EQ(wrong, 0);
	close(before);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

/* The whole table gives way to one that has nothing of it, or its only region is removed. */
static long long take_away(int next, bool by_table)
{
	const uint64_t elsewhere[5] = {1, 1ull << 40, 4096, 1ull << 40, 0};

	if (!by_table)
		return front_end_remove_region(&bad, 0);
	return front_end_ask(&bad, FE_SET_MEM_TABLE, elsewhere, sizeof(elsewhere), &next, 1);
}

static long long give_back(bool by_table)
{
	return by_table ? front_end_set_memory(&bad) : front_end_add_region(&bad, 0);
}

/* All of the guest moves from its file to `next`: rings, and buffers of both directions. */
static void move_to(int next, const void *poison)
{
	size_t size = bad.guest.size;

	REQUIRE(pwrite(next, bad.guest.bytes, size, 0) == (ssize_t)size);
	REQUIRE(pwrite(bad.guest.fd, poison, size, 0) == (ssize_t)size);
	REQUIRE(mmap(bad.guest.bytes, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, next,
		     0) != MAP_FAILED);
	bad.guest.fd = next;
}

static void check_untouched(int fd, const uint8_t *poison)
{
	static uint8_t bytes[1u << 20];

	CHECK_EQ(pread(fd, bytes, bad.guest.size, 0), (ssize_t)bad.guest.size);
	CHECK_EQ(memcmp(bytes, poison, bad.guest.size), 0);
}

/* Rings and buffers go on in the new file where they were in the old one, which nobody reads and
 * nobody writes any more. */
static void rings_that_moved_to_another_file_leave_the_old_one_alone(void)
{
	static uint8_t poison[1u << 20];
	unsigned int rounds = suite_is_long() ? 1000 : 60, in_between = 0;
	uint32_t number = 50, wrong = 0;

	memset(poison, 0xee, sizeof(poison));
	alive_open(&a, NULL);
	alive_set_up(&a, &bad);
	REQUIRE(bad.guest.size <= sizeof(poison));
	for (unsigned int i = 0; i < rounds || (!in_between && i < 20 * rounds); i++) {
		int before = bad.guest.fd, next = new_file();

		front_end_send_packets(&bad, 0, number, 250);
		CHECK_EQ(take_away(next, i % 2), 0);
		in_between += driver_used_idx(&bad.rings[1]) != bad.rings[1].avail_idx;
		move_to(next, poison);
		CHECK_EQ(give_back(i % 2), 0);
		for (int ms = 0;
		     ms < WAIT_MS && driver_used_idx(&bad.rings[1]) != bad.rings[1].avail_idx; ms++)
			usleep(1000);
		CHECK_EQ(driver_used_idx(&bad.rings[1]), bad.rings[1].avail_idx);
		front_end_receive_packets(&bad, 0, &number, &wrong);
		number += 300;
		CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
		CHECK_EQ(world_maps(a.world.primary, before), 0);
		CHECK(world_maps_become(a.world.secondaries[0].pid, before, 0));
		check_untouched(before, poison);
		close(before);
	}
	printf("    %u moves with packets under way\n", in_between);
	CHECK(in_between > 0);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(driver_check(&bad.rings[0]), 0);
	CHECK_EQ(driver_check(&bad.rings[1]), 0);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

/* ---- many tables at once */

#define THREADS 4u

static unsigned int devices, table_rounds;
static atomic_uint refused;

/* A thread: all devices whose number is its own, modulo. */
static void *change_tables(void *arg)
{
	unsigned int first = (unsigned int)(uintptr_t)arg;

	for (unsigned int i = 0; i < table_rounds; i++)
		for (unsigned int d = first; d < devices; d += THREADS)
			if (front_end_set_memory(&many[d]))
				atomic_fetch_add(&refused, 1);
	return NULL;
}

static void change_them_all(void)
{
	pthread_t threads[THREADS];

	for (unsigned int d = 0; d < devices; d++)
		open_device(d);
	for (uintptr_t t = 0; t < THREADS; t++)
		REQUIRE(pthread_create(&threads[t], NULL, change_tables, (void *)t) == 0);
	for (unsigned int t = 0; t < THREADS; t++)
		REQUIRE(pthread_join(threads[t], NULL) == 0);
	CHECK_EQ(atomic_load(&refused), 0);
	for (unsigned int d = 0; d < devices; d++) {
		uint32_t number = 0;

		CHECK_EQ(front_end_echo(&many[d], 0, &number, 20), 0);
		close_device(d);
	}
}

/* The first time allocators grow; from then on the ledger must not change. */
static void many_devices_change_their_memory_at_once(void)
{
	devices = suite_is_long() ? MOST_DEVICES : 16;
	table_rounds = suite_is_long() ? 500 : 10;
	alive_open(&a, NULL);
	change_them_all();
	alive_baseline(&a);
	change_them_all();
	alive_check(&a);
	alive_close(&a);
}

/* ---- buffers that are not given back */

static void a_guest_that_gives_no_buffer_back_finds_all_its_packets_later(void)
{
	uint32_t sent, came = 0, number = 50, wrong = 0;

	alive_open(&a, NULL);
	alive_set_up(&a, &bad);
	/* Until its ring is full, and a switch has its hands full. */
	sent = front_end_send_packets(&bad, 0, number, 256);
	for (int ms = 0; ms < WAIT_MS && driver_used_idx(&bad.rings[0]) != bad.rings[0].avail_idx;
	     ms++)
		usleep(1000);
	CHECK_EQ(driver_used_idx(&bad.rings[0]), bad.rings[0].avail_idx);
	sent += front_end_send_packets(&bad, 0, number + sent, 256);
	for (int i = 0; i < 10; i++)
		alive_check_neighbour(&a);
	for (int ms = 0; ms < WAIT_MS && came < sent; ms++) {
		came += front_end_receive_packets(&bad, 0, &number, &wrong);
		usleep(1000);
	}
	CHECK_EQ(came, sent);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(front_end_echo(&bad, 0, &number, 100), 0);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

/* ---- killed, stopped, and back before it is gone */

/* A process that sets up a session and sends packets until it is killed. */
static pid_t start_front_end(int told)
{
	uint32_t number = 0;
	pid_t pid = fork();

	if (pid)
		return pid;
	for (;;) {
		if (front_end_connect(&bad, world_port_path(&a.world, "bad")) == 0 &&
		    front_end_setup(&bad, &plain) == 0)
			break;
		front_end_close(&bad);
		usleep(200);
	}
	if (write(told, "!", 1) != 1)
		_exit(1);
	front_end_post_buffers(&bad, 0);
	for (;;) {
		(void)front_end_echo(&bad, 0, &number, 100);
		(void)front_end_set_memory(&bad);
	}
}

static void a_front_end_may_be_killed_at_any_moment(void)
{
	unsigned int rounds = suite_is_long() ? 1000 : 40;
	int told[2], status;
	char byte;

	alive_open(&a, NULL);
	REQUIRE(pipe2(told, O_CLOEXEC) == 0);
	for (unsigned int i = 0; i < rounds; i++) {
		pid_t pid = start_front_end(told[1]);

		REQUIRE(pid > 0);
		/* In its set-up, or behind it. */
		if (i % 2)
			REQUIRE(read(told[0], &byte, 1) == 1);
		usleep(i * 137 % 3000);
		if (i % 8 == 7) { /* for an hour, as far as anybody can tell */
			CHECK_EQ(kill(pid, SIGSTOP), 0);
			alive_check_neighbour(&a);
		}
		CHECK_EQ(kill(pid, SIGKILL), 0);
		/* Every other time the next one comes before this one is seen to be gone. */
		if (i % 4 < 2)
			alive_check_ledger(&a);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	close(told[0]);
	close(told[1]);
	alive_check(&a);
	alive_close(&a);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_ring_that_goes_on_and_off_for_ever_harms_nobody, "[49]"),
	CATALOGUE(a_stop_at_any_moment_of_a_start_is_exact, "[48]"),
	CATALOGUE(memory_that_was_exchanged_is_not_looked_at_again, "[5]"),
	CATALOGUE(rings_that_moved_to_another_file_leave_the_old_one_alone, "[5] [37]"),
	CATALOGUE(many_devices_change_their_memory_at_once, "[6]"),
	CATALOGUE(a_guest_that_gives_no_buffer_back_finds_all_its_packets_later, "[44]"),
	CATALOGUE(a_front_end_may_be_killed_at_any_moment, "[F-4]"),
};
SUITE("changes", sentences)
