/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody starts again, and the guest does nothing: it is called all the same for what was done
 * before. With fewer features than before, the front-end is told so, and not asked without end. And
 * ports, front-ends and secondaries that come and go all at once stand in nobody's way.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alive.h"
#include "check.h"
#include "clock.h"
#include "control.pb-c.h"
#include "suite.h"

#define CSUM	(1ull << 0)
#define PACKETS 100u
#define WAIT_MS 20000
#define OLD	1000000u /* number of the first of them */
#define CLOSED	HOLDFAST__CONTROL__EVENT_KIND__SESSION_CLOSED

static const char *const all[] = {"*", NULL};
static const struct session_shape plain;
static struct world world;
static struct front_end fe;
static uint32_t next;

static void start_echo(void)
{
	world_start_echo(&world, 0, "echo", "vswitch", all);
}

static void open_world(const char *first)
{
	const char *const arguments[] = {"--port", "p0", first, NULL};

	world_open(&world, arguments);
	start_echo();
	next = 0;
}

static void appear(void)
{
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &plain) == 0);
	front_end_post_buffers(&fe, 0);
}

static void come(void)
{
	appear();
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
}

/* The guest heard all of it, and does nothing more. */
static void hear_calls(void)
{
	eventfd_t ignored;

	for (int ring = 0; ring < 2; ring++)
		while (eventfd_read(fe.calls[ring], &ignored) == 0)
			;
}

static void hear_kicks(void)
{
	eventfd_t ignored;

	for (int ring = 0; ring < 2; ring++)
		while (eventfd_read(fe.kicks[ring], &ignored) == 0)
			;
}

static bool is_called(uint32_t ring)
{
	struct pollfd fd = {.fd = fe.calls[ring], .events = POLLIN};

	return poll(&fd, 1, WAIT_MS) == 1;
}

static void end_session(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
	world_close(&world);
}

/* ---- the interrupt that is owed */

/* Its rings are used up as far as they go: nothing is left to be done, but the calls. The one
 * before may have died between an index and its call, on either ring. */
static bool succeed(void (*start_switch)(void))
{
	world_signal_echo(&world, 0, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	hear_calls();
	start_switch();
	return is_called(0) && is_called(1);
}

static void succeed_each_other(void (*start_switch)(void))
{
	int rounds = 0;

	while (rounds < 10 && succeed(start_switch))
		rounds++;
	CHECK_EQ(rounds, 10);
}

static void a_guest_that_waits_is_called_by_the_next_switch(void)
{
	open_world(NULL);
	come();
	succeed_each_other(start_echo);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	end_session();
}

/* Two workers that sleep: one of them runs the ring. */
static void start_vswitch(void)
{
	const char *const argv[] = {getenv("VSWITCH"), "--run-dir", world.dir, "--name",
				    "vswitch",	       "--workers", "2",       "--mode",
				    "interrupt",       NULL};

	world_start(&world, 0, argv);
}

/* Nobody has a packet for the guest, so no burst to it would come by itself. */
static void a_guest_that_waits_is_called_by_the_next_holdfast_vswitch(void)
{
	open_world(NULL);
	appear();
	CHECK(is_called(0));
	succeed_each_other(start_vswitch);
	/* It does not end with its standard input. */
	world_signal_echo(&world, 0, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	end_session();
}

static bool calls_move(void)
{
	for (uint32_t ring = 0; ring < 2; ring++) {
		close(fe.calls[ring]);
		fe.calls[ring] = -1;
		CHECK_EQ(front_end_set_fd(&fe, FE_SET_VRING_CALL, ring), 0);
	}
	return is_called(0) && is_called(1);
}

/* As above, and the switch lives on: a call that it made went to a descriptor that nobody hears. */
static void a_guest_that_waits_is_called_where_its_calls_go_by_then(void)
{
	const char *const arguments[] = {"--port", "p0", NULL};
	int rounds = 0;

	world_open(&world, arguments);
	start_vswitch();
	appear();
	CHECK(is_called(0) && is_called(1));
	while (rounds < 10 && calls_move())
		rounds++;
	CHECK_EQ(rounds, 10);
	world_signal_echo(&world, 0, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
	end_session();
}

/* The available ring is full when it starts; nobody kicks. */
static void a_ring_that_is_full_when_it_starts_needs_no_kick(void)
{
	open_world(NULL);
	come();
	for (int round = 0; round < 10; round++) {
		uint16_t base[2];

		for (uint32_t ring = 0; ring < 2; ring++) {
			int stopped = front_end_stop_ring(&fe, 1 - ring);

			REQUIRE(stopped >= 0);
			base[1 - ring] = (uint16_t)stopped;
		}
		CHECK_EQ(front_end_send_packets(&fe, 0, next, fe.rings[1].size), fe.rings[1].size);
		hear_kicks();
		hear_calls();
		for (uint32_t ring = 0; ring < 2; ring++) {
			REQUIRE(front_end_start_ring(&fe, ring, base[ring]) == 0);
			CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, ring, 1), 0);
		}
		CHECK(is_called(0));
		CHECK(is_called(1));
		for (int i = 0;
		     i < WAIT_MS && driver_used_idx(&fe.rings[1]) != fe.rings[1].avail_idx; i++)
			usleep(1000);
		CHECK_EQ(driver_used_idx(&fe.rings[1]), fe.rings[1].avail_idx);
		next += fe.rings[1].size;
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	}
	end_session();
}

/* Its last packets were never taken, and stand in its table and its available ring still. */
static void a_driver_that_was_reset_finds_none_of_its_old_packets_again(void)
{
	open_world(NULL);
	come();
	for (int round = 0; round < 10; round++) {
		world_signal_echo(&world, 0, SIGKILL);
		CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
		CHECK_EQ(front_end_send_packets(&fe, 0, OLD, 50), 50);
		for (uint32_t ring = 0; ring < 2; ring++) {
			CHECK(front_end_stop_ring(&fe, 1 - ring) > 0);
			REQUIRE(driver_begin_again(&fe.rings[1 - ring]));
		}
		hear_kicks();
		hear_calls();
		start_echo();
		for (uint32_t ring = 0; ring < 2; ring++) {
			REQUIRE(front_end_start_ring(&fe, ring, 0) == 0);
			CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, ring, 1), 0);
		}
		/* Each has had a burst. */
		CHECK(is_called(0) && is_called(1));
		CHECK_EQ(driver_used_idx(&fe.rings[1]), 0);
		front_end_post_buffers(&fe, 0);
		/* An old one would be a number that is too high. */
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	}
	end_session();
}

/* The primary's death is nobody's restart but its own: the rings run on, calls and all. */
static void a_primarys_death_costs_no_call(void)
{
	open_world("--supervise");
	come();
	for (int round = 0; round < 5; round++) {
		CHECK_EQ(kill(world_ask_pid(&world, NULL), SIGKILL), 0);
		hear_calls();
		front_end_send_packets(&fe, 0, next, 20);
		CHECK(is_called(0));
		CHECK(is_called(1));
		CHECK(world_ask_pid(&world, NULL) > 0);
		next += 20;
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	}
	end_session();
}

/* ---- fewer features than before */

/* As the administrator does. */
static void switch_csum_off(void)
{
	char command[256];

	snprintf(command, sizeof(command), "%s --run-dir %s feature disable p0 csum >/dev/null",
		 getenv("HOLDFAST"), world.dir);
	CHECK_EQ(system(command), 0);
}

/* It greets, and wants what it had before, without asking. Is it closed? */
static bool insist(struct front_end *peer, uint64_t features)
{
	uint64_t offered = 0;

	if (front_end_get_u64(peer, FE_GET_FEATURES, &offered) < 0)
		return false;
	CHECK_EQ(offered & CSUM, 0);
	CHECK_EQ(front_end_send(peer, FE_SET_OWNER, 0, NULL, 0, NULL, 0), 0);
	CHECK_EQ(front_end_send(peer, FE_SET_FEATURES, 0, &features, sizeof(features), NULL, 0), 0);
	return front_end_is_closed(peer);
}

static void features_that_are_gone_are_refused_by_name(void)
{
	static const struct session_shape rich = {.features = FE_VERSION_1 | CSUM};
	char detail[256];
	uint64_t had;

	open_world("--supervise");
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &rich) == 0);
	had = fe.features;
	CHECK(had & CSUM);
	front_end_post_buffers(&fe, 0);
	/* Who has it keeps it, over the primary's death as well. */
	switch_csum_off();
	CHECK_EQ(kill(world_ask_pid(&world, NULL), SIGKILL), 0);
	CHECK(world_ask_pid(&world, NULL) > 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	front_end_close(&fe);
	/* Who comes again is told no, */
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	CHECK_EQ(front_end_send(&fe, FE_SET_OWNER, 0, NULL, 0, NULL, 0), 0);
	CHECK_EQ(front_end_set_u64(&fe, FE_SET_PROTOCOL_FEATURES, FE_REPLY_ACK), 0);
	fe.protocol_features = FE_REPLY_ACK;
	CHECK_EQ(front_end_set_u64(&fe, FE_SET_FEATURES, had), 1);
	CHECK_EQ(world_counter(&world, "refused.unsupported_feature"), 1);
	/* and may take what there is; */
	CHECK_EQ(front_end_set_u64(&fe, FE_SET_FEATURES, had & ~CSUM), 0);
	front_end_close(&fe);
	/* or closed, when no answer is asked for, with the reason for everybody to read. */
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	CHECK(insist(&fe, had));
	CHECK(world_last_event(&world, CLOSED, detail, sizeof(detail)) > 0);
	CHECK_EQ(strcmp(detail, "unsupported_feature"), 0);
	front_end_close(&fe);
	next = 0;
	come();
	end_session();
}

/* We connect to it, and it insists each time: no more than ten times a second. */
static void who_insists_is_not_asked_without_end(void)
{
	const uint64_t had = FE_PROTOCOL_FEATURES | FE_VERSION_1 | CSUM;
	uint64_t begun, times = 0;
	char path[128];
	int listener;

	open_world(NULL);
	CHECK_EQ(world_del_port(&world, "p0"), 0);
	snprintf(path, sizeof(path), "%s/vmm.sock", world.dir);
	listener = front_end_listen(path);
	REQUIRE(listener >= 0);
	world_add_port(&world, "p0", true, path);
	switch_csum_off();
	begun = hf_now_ns();
	for (; hf_now_ns() - begun < NS_PER_S; times++) {
		REQUIRE(front_end_accept(&fe, listener) == 0);
		insist(&fe, had);
		front_end_close(&fe);
	}
	CHECK(times <= 2 + (hf_now_ns() - begun) / (100 * NS_PER_MS));
	/* Once it gives in, it is served. */
	REQUIRE(front_end_accept(&fe, listener) == 0);
	REQUIRE(front_end_setup(&fe, &plain) == 0);
	front_end_post_buffers(&fe, 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	close(listener);
	unlink(path);
	end_session();
}

/* ---- all of them come and go at once */

static struct alive a;
static atomic_bool stop;
static atomic_uint sessions_begun, sessions_whole, sessions_heard;
static char visited[128];

/* Somebody is about to take its rings back, or to take its port away. */
static bool hears_something(struct front_end *guest)
{
	uint32_t number = 0, wrong = 0, came = 0;

	front_end_post_buffers(guest, 0);
	for (int ms = 0; ms < 30 && !came; ms++) {
		front_end_send_packets(guest, 0, 100 * (uint32_t)ms, 20);
		came = front_end_receive_packets(guest, 0, &number, &wrong);
		usleep(1000);
	}
	return came;
}

/* A thread: it counts, and asserts nothing. */
static void *visit(void *unused)
{
	const uint32_t junk[3] = {FE_SET_MEM_TABLE, FE_VERSION, UINT32_MAX};
	struct front_end guest;

	(void)unused;
	for (unsigned int i = 0; !atomic_load(&stop); i++) {
		if (access(visited, F_OK) < 0) {
			usleep(200);
			continue;
		}
		if (front_end_connect(&guest, visited) < 0) {
			front_end_close(&guest);
			continue;
		}
		atomic_fetch_add(&sessions_begun, 1);
		if (i % 3 == 0)
			(void)front_end_send_bytes(&guest, junk, sizeof(junk), NULL, 0, 0);
		else if (front_end_setup(&guest, &plain) == 0) {
			atomic_fetch_add(&sessions_whole, 1);
			if (hears_something(&guest))
				atomic_fetch_add(&sessions_heard, 1);
		}
		if (i % 5 == 0)
			(void)front_end_finish(&guest);
		front_end_close(&guest);
	}
	return NULL;
}

/* A process: secondaries that serve all of it come, leave and are killed, until its input ends. */
static pid_t start_attaching(const int *input)
{
	const char *argv[] = {getenv("ECHO"), a.world.dir, "passer-by", "vswitch", "x*", NULL};
	struct pollfd over = {.fd = input[0], .events = POLLIN};
	pid_t pid = fork();

	if (pid)
		return pid;
	close(input[1]);
	for (int i = 0; poll(&over, 1, 0) == 0; i++) {
		int ends[2], status;

		if (pipe2(ends, O_CLOEXEC) < 0)
			_exit(1);
		pid = fork();
		if (pid == 0) {
			dup2(ends[0], STDIN_FILENO);
			execv(argv[0], (char *const *)(uintptr_t)argv);
			_exit(127);
		}
		close(ends[0]);
		usleep((unsigned int)(i % 8) * 4000);
		if (i % 2)
			kill(pid, SIGKILL);
		close(ends[1]);
		if (waitpid(pid, &status, 0) != pid ||
		    (WIFEXITED(status) && WEXITSTATUS(status) > 1))
			_exit(2);
	}
	_exit(0);
}

/* Of each request of the control socket. */
static void take_port_away(uint64_t *longest)
{
	uint64_t asked = fair_clock_ns(&a.clock);

	CHECK_EQ(world_del_port(&a.world, "x"), 0);
	*longest = max_u64(*longest, fair_clock_ns(&a.clock) - asked);
}

static void give_port(uint64_t *longest)
{
	uint64_t asked = fair_clock_ns(&a.clock);

	world_add_port(&a.world, "x", false, NULL);
	*longest = max_u64(*longest, fair_clock_ns(&a.clock) - asked);
}

static void ports_front_ends_and_secondaries_may_come_and_go_at_once(void)
{
	unsigned int rounds = suite_is_long() ? 20000 : 400;
	pthread_t thread;
	int ends[2], status;
	uint64_t longest = 0;
	pid_t attaching;

	alive_open(&a, NULL);
	snprintf(visited, sizeof(visited), "%s/x.sock", a.world.dir);
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	attaching = start_attaching(ends);
	REQUIRE(attaching > 0);
	REQUIRE(pthread_create(&thread, NULL, visit, NULL) == 0);
	for (unsigned int i = 0; i < rounds; i++) {
		unsigned int heard = atomic_load(&sessions_heard);

		give_port(&longest);
		if (i % 4)
			usleep((i % 16) * 300);
		/* Now and then somebody gets as far as to have packets under way. */
		for (int ms = 0; i % 40 == 1 && ms < WAIT_MS; ms++) {
			if (atomic_load(&sessions_heard) != heard)
				break;
			usleep(1000);
		}
		take_port_away(&longest);
		CHECK(world_counter(&a.world, "refused.lane_out_of_range") == 0);
	}
	close(ends[1]);
	CHECK_EQ(waitpid(attaching, &status, 0), attaching);
	CHECK_EQ(status, 0);
	close(ends[0]);
	atomic_store(&stop, true);
	REQUIRE(pthread_join(thread, NULL) == 0);
	CHECK(atomic_load(&sessions_begun) > 0);
	CHECK(atomic_load(&sessions_whole) > 0);
	CHECK(atomic_load(&sessions_heard) > 0);
	printf("\n    %u ports, a request took %llu ms at most; %u sessions, %u of them whole, %u "
	       "with packets\n    ",
	       rounds, (unsigned long long)(longest / NS_PER_MS), atomic_load(&sessions_begun),
	       atomic_load(&sessions_whole), atomic_load(&sessions_heard));
	CHECK(longest <= FAIR_BOUND_NS);
	CHECK(world_secondaries_become(&a.world, 1));
	alive_check(&a);
	alive_close(&a);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_guest_that_waits_is_called_by_the_next_switch, "[50]"),
	CATALOGUE(a_guest_that_waits_is_called_by_the_next_holdfast_vswitch, "[50]"),
	CATALOGUE(a_guest_that_waits_is_called_where_its_calls_go_by_then, "[50]"),
	CATALOGUE(a_ring_that_is_full_when_it_starts_needs_no_kick, "[50]"),
	CATALOGUE(a_driver_that_was_reset_finds_none_of_its_old_packets_again, "[43]"),
	CATALOGUE(a_primarys_death_costs_no_call, "[50]"),
	CATALOGUE(features_that_are_gone_are_refused_by_name, "[51]"),
	CATALOGUE(who_insists_is_not_asked_without_end, "[51]"),
	CATALOGUE(ports_front_ends_and_secondaries_may_come_and_go_at_once, "[46]"),
};
SUITE("restart", sentences)
