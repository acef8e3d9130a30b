/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest notices when its secondary dies, hangs or is replaced: a pause, which is printed and
 * not judged, and nothing else, which is.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define KILLS	  100u
#define HANDOVERS 200u

static struct world world;
static struct front_end fe;
static uint32_t next;
static const char *const all[] = {"*", NULL};

static void open_all(const char *spare_role)
{
	static const char *const port[] = {"--port", "p0", "--fence-deadline", "300", NULL};
	static const struct session_shape shape;

	world_open(&world, port);
	world_start_echo(&world, 0, "a", "vswitch", all);
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	next = 0;
	CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
	world_start_echo(&world, 1, "b", spare_role, all);
	CHECK(world_maps_become(world.secondaries[1].pid, fe.guest.fd, 1)); /* prepared */
}

static void close_all(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
	world_close(&world);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_pauses(const char *what, uint64_t *ns, size_t n)
{
	qsort(ns, n, sizeof(*ns), by_size);
	printf("\n    %s: %zu, p50 %llu us, p99 %llu us, longest %llu us\n    ", what, n,
	       (unsigned long long)ns[n / 2] / 1000, (unsigned long long)ns[n * 99 / 100] / 1000,
	       (unsigned long long)ns[n - 1] / 1000);
}

static bool all_was_taken(void)
{
	return driver_used_idx(&fe.rings[1]) == fe.rings[1].avail_idx;
}

/* How long until the guest's ring moves, when packets wait in it? */
static uint64_t time_until_it_moves(uint16_t from, uint64_t since_ns)
{
	while (driver_used_idx(&fe.rings[1]) == from && hf_now_ns() < since_ns + 20 * NS_PER_S)
		;
	return hf_now_ns() - since_ns;
}

/* What flew at the kill may be lost, one burst of it; what comes is whole and in order. */
static void settle_after_a_death(void)
{
	uint32_t wrong = 0;

	for (int i = 0; i < 20000 && !all_was_taken(); i++)
		usleep(1000);
	CHECK(all_was_taken()); /* nothing is stuck */
	usleep(1000);
	front_end_receive_packets(&fe, 0, &next, &wrong);
	CHECK_EQ(wrong, 0);
	next += 1000;
}

static void a_killed_owner_is_followed_by_the_standby_a_hundred_times(void)
{
	static const char *const names[] = {"a", "b"};
	static uint64_t pauses[KILLS];

	open_all("standby");
	for (unsigned int round = 0; round < KILLS; round++) {
		unsigned int owner = round % 2;
		uint16_t used;
		uint64_t now;

		/* At a different point of its work each time. */
		front_end_send_packets(&fe, 0, next, 100);
		for (unsigned int i = 0; i < round % 10; i++)
			sched_yield();
		now = hf_now_ns();
		world_signal_echo(&world, owner, SIGKILL);
		CHECK_EQ(world_reap_echo(&world, owner), SIGKILL);
		used = driver_used_idx(&fe.rings[1]);
		if (front_end_send_packets(&fe, 0, next + 100, 50))
			pauses[round] = time_until_it_moves(used, now);
		settle_after_a_death();
		CHECK_EQ(front_end_echo(&fe, 0, &next, 100), 0);
		world_start_echo(&world, owner, names[owner], "standby", all);
		CHECK(world_maps_become(world.secondaries[owner].pid, fe.guest.fd, 1));
	}
	CHECK_EQ(world_counter(&world, "takeovers"), KILLS);
	print_pauses("kill to first packet, as the guest sees it", pauses, KILLS);
	printf("longest takeover %llu us in the primary ",
	       (unsigned long long)world_counter(&world, "longest_takeover_ns") / 1000);
	close_all();
}

/* Traffic without a break while the device goes back and forth. */
static void hand_overs_lose_nothing_and_duplicate_nothing(void)
{
	static const char *const names[] = {"b", "a"};
	static uint64_t pauses[HANDOVERS];

	open_all("vswitch");
	for (unsigned int round = 0; round < HANDOVERS; round++) {
		int s = world_hand_over(&world, round % 3 ? "p0" : NULL, names[round % 2]);

		CHECK_EQ(front_end_echo(&fe, 0, &next, 500), 0);
		CHECK_EQ(world_handed_over(s, &pauses[round]), 1);
	}
	CHECK_EQ(front_end_echo(&fe, 0, &next, 500), 0);
	CHECK_EQ(world_counter(&world, "handovers"), HANDOVERS);
	print_pauses("hand-over, last burst to last grant", pauses, HANDOVERS);
	close_all();
}

static void a_stopped_owner_is_fenced_and_never_writes_again(void)
{
	uint16_t used;

	open_all("standby");
	/* What came back after the last look of open_all: the count below begins here. */
	(void)driver_consume_all(&fe.rings[1]);
	world_trap_echo(&world, 0);
	front_end_send_packets(&fe, 0, next, 32);
	REQUIRE(world_echo_stopped(&world, 0));
	used = driver_used_idx(&fe.rings[1]);
	usleep(20000);
	CHECK_EQ(driver_used_idx(&fe.rings[1]), used); /* nobody runs it, nobody missed it yet */
	CHECK_EQ(world_handed_over(world_hand_over(&world, "p0", "b"), NULL), 1);
	world_signal_echo(&world, 0, SIGCONT);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	CHECK_EQ(world_counter(&world, "fencings"), 1);
	settle_after_a_death();
	CHECK_EQ(front_end_echo(&fe, 0, &next, 500), 0);
	close_all();
}

static void a_drained_secondary_can_be_stopped_at_leisure(void)
{
	open_all("vswitch");
	CHECK_EQ(world_handed_over(world_drain(&world, "nobody", false), NULL), -ENOENT);
	{
		int s = world_drain(&world, "a", false);

		CHECK_EQ(front_end_echo(&fe, 0, &next, 500), 0);
		CHECK_EQ(world_handed_over(s, NULL), 1);
	}
	CHECK_EQ(world_handed_over(world_drain(&world, "b", false), NULL), -EBUSY);
	CHECK_EQ(world_stop_echo(&world, 0), 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, 500), 0);
	CHECK_EQ(world_counter(&world, "handovers"), 1);
	CHECK_EQ(world_counter(&world, "takeovers"), 0);
	close_all();
}

static void a_new_table_or_call_reaches_who_waits(void)
{
	open_all("standby");
	for (int round = 0; round < 10; round++) {
		CHECK_EQ(front_end_set_memory(&fe), 0);
		CHECK_EQ(front_end_set_fd(&fe, FE_SET_VRING_CALL, 0), 0);
		next += 100;
		CHECK_EQ(front_end_echo(&fe, 0, &next, 50), 0);
		CHECK(world_maps_become(world.secondaries[1].pid, fe.guest.fd, 1));
	}
	world_signal_echo(&world, 0, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	settle_after_a_death();
	CHECK_EQ(front_end_echo(&fe, 0, &next, 500), 0);
	close_all();
}

static const struct sentence sentences[] = {
	SENTENCE(a_killed_owner_is_followed_by_the_standby_a_hundred_times),
	SENTENCE(hand_overs_lose_nothing_and_duplicate_nothing),
	SENTENCE(a_stopped_owner_is_fenced_and_never_writes_again),
	SENTENCE(a_drained_secondary_can_be_stopped_at_leisure),
	SENTENCE(a_new_table_or_call_reaches_who_waits),
};
SUITE("continuity", sentences)
