/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdfast-vswitch under three guests is killed, and replaced by a new one under load: what was
 * sent from one guest to another arrives once and in order, and a third never sees a packet of
 * theirs, because who sits where is still known.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define HEADER	 12u
#define FRAME	 64u
#define SLOT	 128u
#define WINDOW	 100u
#define UPGRADES 20u
#define KILLS	 10u

static struct world world;
static struct front_end guests[3];

static void start_switch(size_t index, const char *name, const char *role)
{
	const char *argv[] = {getenv("VSWITCH"), "--run-dir", world.dir, "--name", name,
			      "--role",		 role,	      NULL};

	REQUIRE(argv[0] != NULL);
	world_start(&world, index, argv);
	for (size_t i = 0; i < 3 && guests[i].guest.bytes; i++)
		CHECK(world_maps_become(world.secondaries[index].pid, guests[i].guest.fd, 1));
}

static void open_all(bool supervised)
{
	static const char *const names[] = {"a", "b", "c"};
	static const char *const arguments[] = {"--port", "a", "--port",      "b",
						"--port", "c", "--supervise", NULL};
	const char *alone[ARRAY_SIZE(arguments) - 1] = {NULL};
	static const struct session_shape shape;

	memset(guests, 0, sizeof(guests));
	memcpy(alone, arguments, (ARRAY_SIZE(alone) - 1) * sizeof(alone[0]));
	world_open(&world, supervised ? arguments : alone);
	start_switch(0, "one", "vswitch");
	for (size_t i = 0; i < 3; i++) {
		REQUIRE(front_end_connect(&guests[i], world_port_path(&world, names[i])) == 0);
		REQUIRE(front_end_setup(&guests[i], &shape) == 0);
		front_end_post_buffers(&guests[i], 0);
	}
}

static void close_all(void)
{
	for (size_t i = 0; i < 3; i++) {
		CHECK_EQ(driver_check(&guests[i].rings[0]), 0);
		CHECK_EQ(driver_check(&guests[i].rings[1]), 0);
		front_end_close(&guests[i]);
	}
	world_close(&world);
}

/* Packets `first` … from guest `from` to guest `to`, as many as fit. */
static uint32_t send_frames(uint8_t from, uint8_t to, uint32_t first, uint32_t count)
{
	struct front_end *fe = &guests[from];
	struct driver *d = &fe->rings[1];
	uint32_t sent = 0;

	driver_consume_all(d);
	for (; sent < count && d->descs_free; sent++) {
		uint8_t bytes[HEADER + FRAME] = {0}, *frame = bytes + HEADER;
		struct piece piece = {fe->buffers + (d->size + d->next_desc) * (uint64_t)SLOT,
				      sizeof(bytes), 0};
		uint32_t number = first + sent;

		memcpy(frame, "\x52\x54\0\0\0", 5);
		memcpy(frame + 6, "\x52\x54\0\0\0", 5);
		frame[5] = to;
		frame[11] = from;
		memcpy(frame + 12, "\x88\xb5", 2);
		memcpy(frame + 14, &number, 4);
		guest_write(&fe->guest, piece.gpa, bytes, sizeof(bytes));
		if (driver_put(d, &piece, 1) < 0)
			break;
	}
	driver_publish(d);
	(void)eventfd_write(fe->kicks[1], 1);
	return sent;
}

/* What has come; those with numbers other than *next, and then up, are counted as wrong. */
static uint32_t take_frames(uint8_t guest, uint32_t *next, uint32_t *wrong)
{
	struct front_end *fe = &guests[guest];
	struct driver *d = &fe->rings[0];
	struct driver_used used;
	uint32_t came = 0, number;

	while (driver_consume(d, &used)) {
		const uint8_t *frame = guest_at(&fe->guest, fe->buffers + used.id * (uint64_t)SLOT);

		if (!used.len)
			continue;
		memcpy(&number, frame + HEADER + 14, 4);
		*wrong += used.len != HEADER + FRAME || (next && number != *next);
		if (next)
			*next = number + 1;
		came++;
	}
	front_end_post_buffers(fe, 0);
	return came;
}

/* Everything arrives, once, in order. What is missing or wrong. */
static uint32_t pass(uint8_t from, uint8_t to, uint32_t *number, uint32_t count)
{
	uint64_t give_up = hf_now_ns() + 20 * NS_PER_S;
	uint32_t sent = 0, came = 0, wrong = 0, first = *number;

	while (came < count && hf_now_ns() < give_up) {
		uint32_t room = WINDOW - (sent - came);

		sent += send_frames(from, to, first + sent,
				    room < count - sent ? room : count - sent);
		came += take_frames(to, number, &wrong);
		sched_yield();
	}
	return wrong + (count - came);
}

/* Each guest is heard once, so that the switch knows where it is; floods are thrown away. */
static void introduce(void)
{
	uint32_t wrong = 0;

	for (uint8_t i = 0; i < 3; i++) {
		send_frames(i, 0xee, 0, 1);
		for (int t = 0; t < 20000 && driver_used_idx(&guests[i].rings[1]) !=
						     guests[i].rings[1].avail_idx;
		     t++)
			usleep(1000);
	}
	usleep(20000);
	for (uint8_t i = 0; i < 3; i++)
		take_frames(i, NULL, &wrong);
	CHECK_EQ(wrong, 0);
}

static uint32_t strangers_packets(void)
{
	uint32_t wrong = 0;

	return take_frames(2, NULL, &wrong);
}

/* Nobody has told the switch itself where `to` is. Until it has read what the one before it knew,
 * it sends what is for that guest to the stranger as well; all of a packet's copies are there when
 * its buffer is given back. */
static bool becomes_known(uint8_t from, uint8_t to)
{
	struct driver *sent = &guests[from].rings[1];
	uint64_t give_up = hf_now_ns() + 20 * NS_PER_S;
	uint32_t wrong = 0;

	while (hf_now_ns() < give_up) {
		send_frames(from, to, 0, 1);
		while (driver_used_idx(sent) != sent->avail_idx && hf_now_ns() < give_up)
			usleep(1000);
		if (take_frames(to, NULL, &wrong) && !strangers_packets())
			return !wrong;
	}
	return false;
}

static void a_switch_is_replaced_under_load_and_nothing_is_lost(void)
{
	static const char *const names[] = {"one", "two"};
	uint32_t forth = 0, back = 0;
	uint64_t longest = 0;

	open_all(false);
	introduce();
	CHECK_EQ(pass(0, 1, &forth, 1000), 0);
	CHECK_EQ(strangers_packets(), 0);
	for (unsigned int i = 0; i < UPGRADES; i++) {
		uint64_t pause = 0;
		int s;

		start_switch((i + 1) % 2, names[(i + 1) % 2], "vswitch");
		s = world_drain(&world, names[i % 2], false);
		CHECK_EQ(pass(0, 1, &forth, 1000), 0);
		CHECK_EQ(pass(1, 0, &back, 1000), 0);
		CHECK_EQ(world_handed_over(s, &pause), 3);
		world_signal_echo(&world, i % 2, SIGTERM);
		CHECK_EQ(world_reap_echo(&world, i % 2), 0);
		CHECK_EQ(pass(0, 1, &forth, 200), 0);
		CHECK_EQ(strangers_packets(), 0);
		longest = max_u64(longest, pause);
	}
	CHECK_EQ(world_counter(&world, "handovers"), 3 * UPGRADES);
	printf("\n    %u upgrades of 3 devices, longest pause %llu us\n    ", UPGRADES,
	       (unsigned long long)longest / 1000);
	world_signal_echo(&world, UPGRADES % 2, SIGTERM);
	CHECK_EQ(world_reap_echo(&world, UPGRADES % 2), 0);
	close_all();
}

static void what_a_killed_switch_knew_is_known_to_the_next(void)
{
	static const char *const names[] = {"one", "two"};
	uint32_t forth = 0, back = 0;

	open_all(false);
	introduce();
	start_switch(1, "two", "standby");
	for (unsigned int i = 0; i < KILLS; i++) {
		CHECK_EQ(pass(0, 1, &forth, 200), 0);
		CHECK_EQ(strangers_packets(), 0);
		world_signal_echo(&world, i % 2, SIGKILL);
		CHECK_EQ(world_reap_echo(&world, i % 2), SIGKILL);
		CHECK(world_counter_becomes(&world, "takeovers", 3 * (i + 1)));
		CHECK(becomes_known(1, 0));
		CHECK_EQ(pass(1, 0, &back, 200), 0);
		CHECK_EQ(strangers_packets(), 0);
		start_switch(i % 2, names[i % 2], "standby");
	}
	for (size_t i = 0; i < 2; i++) {
		world_signal_echo(&world, i, SIGTERM);
		CHECK_EQ(world_reap_echo(&world, i), 0);
	}
	close_all();
}

/* Nobody waits when it dies, and the primary that keeps what it knew dies as well. */
static void what_a_switch_knew_outlives_the_primary_that_kept_it(void)
{
	static const char *const names[] = {"one", "two"};
	uint32_t forth = 0, back = 0;

	open_all(true);
	introduce();
	for (unsigned int i = 0; i < KILLS; i++) {
		CHECK_EQ(pass(0, 1, &forth, 200), 0);
		CHECK_EQ(strangers_packets(), 0);
		world_signal_echo(&world, i % 2, SIGKILL);
		CHECK_EQ(world_reap_echo(&world, i % 2), SIGKILL);
		if (i % 3) {
			CHECK(world_secondaries_become(&world, 0)); /* it has noticed */
		}
		for (unsigned int n = 0; n <= i % 2; n++)
			CHECK_EQ(kill(world_ask_pid(&world, NULL), SIGKILL), 0);
		start_switch((i + 1) % 2, names[(i + 1) % 2], i % 2 ? "vswitch" : "standby");
		CHECK(becomes_known(1, 0));
		CHECK_EQ(pass(1, 0, &back, 200), 0);
		CHECK_EQ(strangers_packets(), 0);
	}
	world_signal_echo(&world, KILLS % 2, SIGTERM);
	CHECK_EQ(world_reap_echo(&world, KILLS % 2), 0);
	close_all();
}

static const struct sentence sentences[] = {
	SENTENCE(a_switch_is_replaced_under_load_and_nothing_is_lost),
	SENTENCE(what_a_killed_switch_knew_is_known_to_the_next),
	SENTENCE(what_a_switch_knew_outlives_the_primary_that_kept_it),
};
SUITE("upgrade", sentences)
