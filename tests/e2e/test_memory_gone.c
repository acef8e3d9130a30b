/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front-end that takes its memory away under a real switch, in the middle of traffic: cut short,
 * or punched out, on ordinary pages and on hugepages. Three guests on one switch; two of them
 * behave, and must not lose a packet. No process dies, each ring of the third breaks once, the
 * primary answers, and the same session works again when the front-end has set it up anew.
 *
 * All guests' packets are flooded to all: number >> SENDER_SHIFT tells whose it is.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "control.pb-c.h"
#include "front_end.h"
#include "memory.h"
#include "suite.h"
#include "world.h"

#define PACKETS	     400u
#define WINDOW	     32u
#define WAIT_NS	     (20 * NS_PER_S)
#define HUGE	     (2u << 20)
#define SENDER_SHIFT 28
#define ROUNDS	     5

enum { LEFT, RIGHT, HOSTILE, GUESTS };

static struct world world;
static struct front_end guests[GUESTS];
static uint32_t sent[GUESTS];	       /* by each */
static uint32_t came[GUESTS][GUESTS];  /* at whom, of whom */
static uint32_t last[GUESTS][GUESTS];  /* number of the last one + 1 */
static uint32_t wrong[GUESTS][GUESTS]; /* not the next in order */
static uint64_t breaks[2];	       /* of the hostile guest's rings, as its descriptors say */

/* --- traffic --- */

static void received(struct front_end *fe, uint32_t number)
{
	uint32_t at = (uint32_t)(fe - guests), of = (number >> SENDER_SHIFT) % GUESTS;

	number &= (1u << SENDER_SHIFT) - 1;
	if (number != came[at][of])
		wrong[at][of]++;
	came[at][of]++;
	last[at][of] = number + 1;
}

/* Torn ones are what the hostile guest sent at that moment; another's would be missing. */
static void receive(uint32_t at)
{
	uint32_t next = 0, torn = 0;

	(void)front_end_receive_packets(&guests[at], 0, &next, &torn);
}

static void send_some(uint32_t from, uint32_t n)
{
	sent[from] +=
		front_end_send_packets(&guests[from], 0, from << SENDER_SHIFT | sent[from], n);
}

static void count_from_now_on(void)
{
	memset(sent, 0, sizeof(sent));
	memset(came, 0, sizeof(came));
	memset(last, 0, sizeof(last));
	memset(wrong, 0, sizeof(wrong));
}

/* The least that anybody has of `from`. */
static uint32_t least(uint32_t from, uint32_t count)
{
	uint32_t n = UINT32_MAX;

	for (uint32_t at = 0; at < count; at++)
		if (at != from && came[at][from] < n)
			n = came[at][from];
	return n;
}

/* The first `count` guests send `n` packets each, to all of them: how many did not come. */
static uint32_t missing(uint32_t count, uint32_t n)
{
	uint64_t give_up = hf_now_ns() + WAIT_NS;
	uint32_t left = n * count, faults = 0, first[GUESTS];

	memcpy(first, sent, sizeof(first));
	while (left && hf_now_ns() < give_up) {
		left = 0;
		for (uint32_t i = 0; i < count; i++) {
			receive(i);
			if (sent[i] < first[i] + n && sent[i] - least(i, count) < WINDOW)
				send_some(i, 1);
			left += first[i] + n - least(i, count);
		}
	}
	for (uint32_t at = 0; at < count; at++)
		for (uint32_t of = 0; of < count; of++)
			faults += wrong[at][of];
	return left + faults;
}

/* Has everybody heard everybody's number `from` or a later one? */
static bool all_heard(uint32_t count, const uint32_t from[GUESTS])
{
	for (uint32_t at = 0; at < count; at++)
		for (uint32_t of = 0; of < count; of++)
			if (at != of && last[at][of] <= from[of])
				return false;
	return true;
}

static bool all_came(uint32_t count)
{
	for (uint32_t at = 0; at < count; at++)
		for (uint32_t of = 0; of < count; of++)
			if (at != of && last[at][of] != sent[of])
				return false;
	return true;
}

#define QUIET_ROUNDS 200u

/* Rings are granted one after the other: until the first `count` guests hear each other, and
 * nothing is under way. What was sent so far is not counted. The last that was sent may have found
 * no ring or no buffer, and is sent for anew when nothing has come for a while. */
static void meet(uint32_t count)
{
	uint64_t give_up = hf_now_ns() + WAIT_NS;
	uint32_t from[GUESTS], quiet = 0;

	memcpy(from, sent, sizeof(from));
	while (!(all_heard(count, from) && all_came(count)) && hf_now_ns() < give_up) {
		bool send = !all_heard(count, from) || ++quiet % QUIET_ROUNDS == 0;

		for (uint32_t i = 0; i < count; i++) {
			receive(i);
			if (send)
				send_some(i, 1);
		}
		usleep(1000);
	}
	CHECK(all_heard(count, from) && all_came(count));
	count_from_now_on();
}

/* --- the house --- */

static void start_switch(size_t place, const char *role, const char *name)
{
	const char *argv[] = {getenv("VSWITCH"), "--run-dir", world.dir, "--role", role,
			      "--name",		 name,	      NULL};

	world_start(&world, place, argv);
}

static void open_session(uint32_t i, bool huge)
{
	struct session_shape shape = {.huge = huge, .memory = huge ? HUGE : 0};
	char port[8];

	snprintf(port, sizeof(port), "p%u", i);
	REQUIRE(front_end_connect(&guests[i], world_port_path(&world, port)) == 0);
	REQUIRE(front_end_setup(&guests[i], &shape) == 0);
	guests[i].received = received;
	front_end_post_buffers(&guests[i], 0);
}

/* A switch, one that waits, and one that only looks. */
static void begin(bool huge)
{
	static const char *const arguments[] = {"--port", "p0", "--port", "p1",
						"--port", "p2", NULL};
	static const char *const all[] = {"*", NULL};

	world_open(&world, arguments);
	count_from_now_on();
	memset(breaks, 0, sizeof(breaks));
	start_switch(0, "vswitch", "a");
	for (uint32_t i = 0; i < GUESTS; i++)
		open_session(i, huge && i == HOSTILE);
	meet(GUESTS);
	CHECK_EQ(missing(GUESTS, PACKETS), 0);
	start_switch(1, "standby", "b");
	CHECK(world_maps_become(world.secondaries[1].pid, guests[HOSTILE].guest.fd, 1));
	world_start_echo(&world, 2, "c", "observer", all);
	CHECK(world_secondaries_become(&world, 3));
}

static void end(void)
{
	for (size_t i = 0; i < 2; i++)
		if (world.secondaries[i].pid) {
			world_signal_echo(&world, i, SIGTERM);
			CHECK_EQ(world_reap_echo(&world, i), 0);
		}
	CHECK_EQ(world_stop_echo(&world, 2), 0);
	CHECK_EQ(driver_check(&guests[LEFT].rings[0]) + driver_check(&guests[RIGHT].rings[0]), 0);
	for (uint32_t i = 0; i < GUESTS; i++)
		front_end_close(&guests[i]);
	world_close(&world);
}

static void check_alive(void)
{
	int status;

	for (size_t i = 0; i < 3; i++)
		CHECK(!world.secondaries[i].pid || !world_echo_ended(&world, i, &status));
	CHECK_EQ(world_ask_pid(&world, NULL), world.primary);
}

/* --- the deed --- */

static bool cut_all(struct guest *guest)
{
	return guest_cut(guest, 0);
}

/* The rings stay, and some of the buffers. */
static bool cut_in_the_buffers(struct guest *guest)
{
	return guest_cut(guest, 40u << 10);
}

/* Both directions are under way when it happens. */
static void take_away(bool (*how)(struct guest *guest))
{
	send_some(HOSTILE, 200);
	send_some(LEFT, WINDOW / 2);
	send_some(RIGHT, WINDOW / 2);
	REQUIRE(how(&guests[HOSTILE].guest));
}

static void look_at_breaks(void)
{
	uint64_t value;

	for (int i = 0; i < 2; i++)
		if (read(guests[HOSTILE].errs[i], &value, sizeof(value)) == sizeof(value))
			breaks[i] += value;
}

/* Floods reach its enqueue ring, the switch polls the other one. */
static void wait_for_breaks(void)
{
	uint64_t give_up = hf_now_ns() + WAIT_NS;

	while ((!breaks[0] || !breaks[1]) && hf_now_ns() < give_up) {
		CHECK_EQ(missing(HOSTILE, 10), 0);
		look_at_breaks();
	}
	CHECK_EQ(missing(HOSTILE, PACKETS), 0);
	look_at_breaks();
	CHECK_EQ(breaks[0], 1);
	CHECK_EQ(breaks[1], 1);
	memset(breaks, 0, sizeof(breaks));
}

static void check_event(void)
{
	char detail[64] = "";

	for (int i = 0; i < 20000; i++, usleep(1000))
		if (world_last_event(&world, HOLDFAST__CONTROL__EVENT_KIND__VRING_BROKEN, detail,
				     sizeof(detail)))
			break;
	CHECK(strstr(detail, "break_memory_gone") != NULL);
}

static void set_up_again(void)
{
	REQUIRE(front_end_begin_again(&guests[HOSTILE]) == 0);
	front_end_post_buffers(&guests[HOSTILE], 0);
	meet(GUESTS);
	CHECK_EQ(missing(GUESTS, PACKETS), 0);
	CHECK_EQ(driver_check(&guests[HOSTILE].rings[0]), 0);
}

static void cut_again_and_again(bool huge, bool (*how)(struct guest *guest))
{
	begin(huge);
	for (int i = 0; i < ROUNDS; i++) {
		take_away(how);
		wait_for_breaks();
		check_event();
		check_alive();
		set_up_again();
	}
	end();
}

static void a_guest_whose_memory_is_cut_to_nothing_breaks_alone_and_can_come_back(void)
{
	cut_again_and_again(false, cut_all);
}

static void a_guest_whose_buffers_are_cut_off_breaks_alone_and_can_come_back(void)
{
	cut_again_and_again(false, cut_in_the_buffers);
}

/* One that is in use, and one in its place when it is set up again. */
static bool has_huge_pages(void)
{
	if (hf_huge_pages_free(NULL) >= 2)
		return true;
	printf("\n    skipped: no two hugepages of 2 MiB are free\n    ");
	return false;
}

static void a_guest_whose_hugepages_are_cut_breaks_alone_and_can_come_back(void)
{
	if (has_huge_pages())
		cut_again_and_again(true, cut_all);
}

/* What was punched out reads as zeros, or lacks a page: broken rings, or none; but nobody else. */
static void punch_again_and_again(bool huge)
{
	begin(huge);
	for (int i = 0; i < ROUNDS; i++) {
		take_away(guest_punch);
		CHECK_EQ(missing(HOSTILE, PACKETS), 0);
		check_alive();
		set_up_again();
	}
	end();
}

static void a_guest_that_punches_out_its_memory_hurts_nobody_and_can_come_back(void)
{
	punch_again_and_again(false);
}

static void a_guest_that_punches_out_its_hugepages_hurts_nobody_and_can_come_back(void)
{
	if (has_huge_pages())
		punch_again_and_again(true);
}

/* Its heir has the same memory mapped, and meets the same; who comes after that cannot map it. */
static void the_heir_of_a_broken_guest_lives_and_so_does_who_attaches_then(void)
{
	begin(false);
	world_signal_echo(&world, 0, SIGSTOP);
	REQUIRE(world_echo_stopped(&world, 0));
	take_away(cut_all);
	world_signal_echo(&world, 0, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	meet(HOSTILE); /* its last burst is lost */
	wait_for_breaks();
	start_switch(0, "standby", "a");
	CHECK(world_maps_become(world.secondaries[0].pid, guests[LEFT].guest.fd, 1));
	CHECK_EQ(missing(HOSTILE, PACKETS), 0);
	CHECK_EQ(world_maps(world.secondaries[0].pid, guests[HOSTILE].guest.fd), 0);
	check_alive();
	set_up_again();
	CHECK(world_maps_become(world.secondaries[0].pid, guests[HOSTILE].guest.fd, 1));
	check_alive();
	end();
}

static const struct sentence sentences[] = {
	CATALOGUE(a_guest_whose_memory_is_cut_to_nothing_breaks_alone_and_can_come_back,
		  "[9] [M-8]"),
	SENTENCE(a_guest_whose_buffers_are_cut_off_breaks_alone_and_can_come_back),
	CATALOGUE(a_guest_whose_hugepages_are_cut_breaks_alone_and_can_come_back, "[M-8]"),
	SENTENCE(a_guest_that_punches_out_its_memory_hurts_nobody_and_can_come_back),
	SENTENCE(a_guest_that_punches_out_its_hugepages_hurts_nobody_and_can_come_back),
	SENTENCE(the_heir_of_a_broken_guest_lives_and_so_does_who_attaches_then),
};
SUITE("end to end: memory that goes", sentences)
