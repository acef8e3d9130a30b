/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message that was acted on, but not yet noted as such when the primary died, is handled once
 * more, and what was done for it is done once.
 *
 * The moment between the two is stretched: the holder of the descriptors stands still, so nothing
 * is noted while another session's descriptors are on their way to it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS	    100u
#define DESCRIPTORS 20u /* more than the holder's socket takes unread */
#define WAIT_MS	    20000

static struct world world;
static struct front_end fe, filler;
static uint32_t next;
static const char *const all[] = {"*", NULL};
static const char *const arguments[] = {
	"--supervise", "--no-huge-pages", "--port", "p0", "--port", "p1", NULL};

static void open_world(void)
{
	static const struct session_shape shape;

	next = 0;
	world_open(&world, arguments);
	REQUIRE(world_ask_pid(&world, NULL) > 0);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	REQUIRE(front_end_connect(&filler, world_port_path(&world, "p1")) == 0);
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	/* All of it is stored: the holder is read off as well, and gets no more. */
	world_rest(&world);
}

static void close_world(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&filler);
	front_end_close(&fe);
	world_close(&world);
}

/* From now on no message is noted as acted on. */
static void stop_holder(void)
{
	kill(world.primary, SIGSTOP);
	for (uint64_t i = 0; i < DESCRIPTORS; i++) {
		(void)front_end_set_fd(&filler, FE_SET_VRING_CALL, 0);
		close(filler.calls[0]);
		filler.calls[0] = -1;
	}
	/* Until they are taken, and not until the primary goes on without its holder: there is
	 * nothing to see of that. If it comes to it later, the message is noted, and all the same
	 * must hold. */
	usleep(100000);
}

/* Ring 1 as if just laid out: its kick is waited for. */
static void begin_ring_anew(void)
{
	struct driver *ring = &fe.rings[1];
	uint64_t at = ring->desc;

	CHECK_EQ(front_end_stop_ring(&fe, 1), 0);
	driver_destroy(ring);
	REQUIRE(driver_create(ring, &fe.guest, at, ring->size, false, 0));
	close(fe.kicks[1]);
	fe.kicks[1] = -1;
	CHECK_EQ(front_end_state(&fe, FE_SET_VRING_BASE, 1, 0), 0);
	CHECK_EQ(front_end_set_fd(&fe, FE_SET_VRING_KICK, 1), 0);
}

/* Packets are there, and nobody is kicked. */
static void send_without_kick(void)
{
	int kick = fe.kicks[1];

	fe.kicks[1] = -1;
	REQUIRE(front_end_send_packets(&fe, 0, 0, PACKETS) == PACKETS);
	fe.kicks[1] = kick;
}

static bool packets_are_taken(void)
{
	for (int i = 0; i < WAIT_MS && driver_used_idx(&fe.rings[1]) != PACKETS; i++)
		usleep(1000);
	return driver_used_idx(&fe.rings[1]) == PACKETS;
}

static void a_base_that_started_its_ring_does_not_set_it_back(void)
{
	const uint32_t state[2] = {1, 0};
	uint32_t came = 0, wrong = 0;
	uint64_t answer = 1;
	pid_t pid;

	open_world();
	pid = world_ask_pid(&world, NULL);
	begin_ring_anew();
	send_without_kick();
	stop_holder();
	REQUIRE(front_end_send(&fe, FE_SET_VRING_BASE, FE_NEED_REPLY, state, sizeof(state), NULL,
			       0) == 0);
	REQUIRE(packets_are_taken());
	REQUIRE(kill(pid, SIGKILL) == 0);
	kill(world.primary, SIGCONT);
	REQUIRE(world_ask_pid(&world, NULL) != pid);
	CHECK_EQ(front_end_reply(&fe, FE_SET_VRING_BASE, &answer, sizeof(answer)), 8);
	CHECK_EQ(answer, 0);
	for (int i = 0; i < WAIT_MS && came < PACKETS; i++, usleep(1000))
		came += front_end_receive_packets(&fe, 0, &next, &wrong);
	CHECK_EQ(came, PACKETS);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, 500), 0);
	CHECK_EQ(driver_used_idx(&fe.rings[1]), PACKETS + 500);
	close_world();
}

/* --- what was consumed, and is still on its way to a secondary that does not read --- */

#define MANY_CALLS 1000u

/* The stopped echo's socket is full: what it is sent from now on waits in the primary. */
static void fill_echo_socket(struct front_end *front_end)
{
	for (uint32_t i = 0; i < MANY_CALLS; i++)
		if (front_end_set_fd(front_end, FE_SET_VRING_CALL, 0))
			CHECK(false);
}

static void memory_is_let_go_whose_session_ended_with_the_primary(void)
{
	static const char *const small[] = {
		"--supervise", "--no-huge-pages", "--port", "p0", "--port", "p1", "--port",
		"p2",	       "--lane-vrings",	  "13",	    NULL};
	static const struct session_shape many = {.queue_pairs = FE_MAX_PAIRS}, one;
	struct front_end more[2];
	pid_t pid, echo;

	world_open(&world, small);
	pid = world_ask_pid(&world, NULL);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	echo = world.secondaries[0].pid;
	for (int i = 0; i < 2; i++) {
		REQUIRE(front_end_connect(&more[i], world_port_path(&world, i ? "p2" : "p1")) == 0);
		REQUIRE(front_end_setup(&more[i], &many) == 0);
	}
	CHECK(world_maps_become(echo, more[1].guest.fd, 1));
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &one) == 0);
	CHECK(world_maps_become(echo, fe.guest.fd, 1)); /* without an entry in the lane */
	world_signal_echo(&world, 0, SIGSTOP);
	REQUIRE(world_echo_stopped(&world, 0));
	fill_echo_socket(&more[0]);
	REQUIRE(front_end_finish(&fe));
	REQUIRE(world_ask_pid(&world, NULL) == pid); /* and is done with it */
	REQUIRE(kill(pid, SIGKILL) == 0);
	REQUIRE(world_ask_pid(&world, NULL) != pid);
	world_signal_echo(&world, 0, SIGCONT);
	CHECK(world_maps_become(echo, fe.guest.fd, 0));
	front_end_close(&fe);
	for (int i = 0; i < 2; i++)
		front_end_close(&more[i]);
	world_close(&world);
}

static void an_announcement_that_was_held_back_is_made_by_the_next_life(void)
{
	uint32_t wrong = 0;
	pid_t pid;

	open_world();
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	pid = world_ask_pid(&world, NULL);
	world_signal_echo(&world, 0, SIGSTOP);
	REQUIRE(world_echo_stopped(&world, 0));
	fill_echo_socket(&fe);
	CHECK_EQ(front_end_set_u64(&fe, FE_SEND_RARP, 0x563412005452), 0);
	REQUIRE(kill(pid, SIGKILL) == 0);
	REQUIRE(world_ask_pid(&world, NULL) != pid);
	world_signal_echo(&world, 0, SIGCONT);
	/* It comes round as a packet that is none of ours. */
	for (int i = 0; i < WAIT_MS && !wrong; i++, usleep(1000))
		CHECK_EQ(front_end_receive_packets(&fe, 0, &next, &wrong), 0);
	CHECK_EQ(wrong, 1);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	close_world();
}

static const struct sentence sentences[] = {
	SENTENCE(an_announcement_that_was_held_back_is_made_by_the_next_life),
	SENTENCE(memory_is_let_go_whose_session_ended_with_the_primary),
	SENTENCE(a_base_that_started_its_ring_does_not_set_it_back),
};
SUITE("resume_again", sentences)
