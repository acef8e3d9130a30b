/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session, from the greeting to running rings with a switch behind them, and each call in turn
 * that the primary makes for it fails: memory, maps, descriptors; then everything else. Whatever
 * it was, the session is served, refused or ended, never forgotten; the primary lives, the next
 * session works, and nothing is left behind.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "faults.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS 40u
#define MOST	25u /* of one kind, without HF_TEST_LONG */
#define WAIT_NS (20 * NS_PER_S)

static struct world world;
static struct front_end fe;
static size_t fds, maps, echo_fds, echo_maps;

/* --- one session --- */

/* Has the other end closed it? */
static bool is_closed(void)
{
	struct pollfd p = {.fd = fe.socket, .events = POLLRDHUP};

	return poll(&p, 1, 0) == 1;
}

/* Send and receive until all has come, or the session is over. What is missing. */
static uint32_t traffic(void)
{
	uint64_t give_up = hf_now_ns() + WAIT_NS;
	uint32_t sent = 0, came = 0, next = 0, wrong = 0;

	while (came < PACKETS && !is_closed() && hf_now_ns() < give_up) {
		sent += front_end_send_packets(&fe, 0, sent, PACKETS - sent);
		came += front_end_receive_packets(&fe, 0, &next, &wrong);
		usleep(100);
	}
	CHECK_EQ(wrong, 0);
	return PACKETS - came;
}

/* Served (0), refused (a positive answer) or ended (-ECONNRESET); never anything else. */
static long long session(void)
{
	static const struct session_shape shape = {.memory = 128u << 10, .size = 64};
	long long result = front_end_connect(&fe, world_port_path(&world, "p0"));
	uint32_t missing = 0;

	if (!result)
		result = front_end_setup(&fe, &shape);
	if (!result) {
		front_end_post_buffers(&fe, 0);
		missing = traffic();
	}
	if (!result && !missing)
		result = front_end_begin_again(&fe);
	if (!result && !missing) {
		front_end_post_buffers(&fe, 0);
		missing = traffic();
	}
	if (!result && missing)
		result = is_closed() ? -ECONNRESET : -ENODATA;
	if (result == -EPIPE)
		result = -ECONNRESET;
	front_end_close(&fe);
	return result;
}

/* --- a sweep of them --- */

static void open_house(void)
{
	static const char *const arguments[] = {"--port", "p0", "--no-huge-pages", NULL};
	static const char *const all[] = {"*", NULL};

	faults_open();
	faults_begin();
	world_open(&world, arguments);
	faults_end();
	world_start_echo(&world, 0, "echo", "vswitch", all);
	CHECK(world_secondaries_become(&world, 1));
	for (int i = 0; i < 2; i++)
		CHECK_EQ(session(), 0);
	world_rest(&world);
	fds = world_fds(world.primary, -1);
	maps = world_maps(world.primary, -1);
	echo_fds = world_fds(world.secondaries[0].pid, -1);
	echo_maps = world_maps(world.secondaries[0].pid, -1);
}

static void close_house(void)
{
	world_close(&world);
	faults_close();
}

/* True: as if nothing had happened. */
static bool is_as_before(void)
{
	pid_t echo = world.secondaries[0].pid;
	int status;

	if (waitpid(world.primary, &status, WNOHANG) == world.primary) {
		printf("    the primary has ended: status 0x%x\n", status);
		world.primary = 0;
		return false;
	}
	return session() == 0 && world_fds_become(world.primary, fds) &&
	       world_maps_become(world.primary, -1, maps) && world_fds_become(echo, echo_fds) &&
	       world_maps_become(echo, -1, echo_maps);
}

/* The one that was disturbed is over; its outcome is one of three. */
static void check_outcome(long long outcome, uint32_t at)
{
	bool good = (outcome >= 0 || outcome == -ECONNRESET) && is_as_before();

	if (!good)
		printf("    call %u: %s; the session: %lld\n", at, faults_where(), outcome);
	CHECK(good);
}

static void sweep_session(uint32_t kinds)
{
	struct sweep sweep;

	open_house();
	faults_arm(world.primary, kinds, FAULT_ERROR, 0, 0);
	CHECK_EQ(session(), 0);
	sweep = sweep_over(faults_disarm(NULL), MOST);
	CHECK(sweep.of > 0);
	while (world.primary && sweep_next(&sweep)) {
		long long outcome;

		faults_arm(world.primary, kinds, FAULT_ERROR, sweep.at, 1);
		outcome = session();
		faults_disarm(NULL);
		check_outcome(outcome, sweep.at);
	}
	close_house();
}

static void a_session_survives_any_refusal_of_memory_in_the_primary(void)
{
	sweep_session(FAULT_HEAP);
}

static void a_session_survives_any_refusal_of_a_map_in_the_primary(void)
{
	sweep_session(FAULT_MAP);
}

static void a_session_survives_any_refusal_of_a_descriptor_in_the_primary(void)
{
	sweep_session(FAULT_DESCRIPTOR);
}

static void a_session_survives_any_message_that_fails_in_the_primary(void)
{
	sweep_session(FAULT_TRANSFER);
}

static void a_session_survives_anything_else_that_fails_in_the_primary(void)
{
	sweep_session(FAULT_FILE | FAULT_PROCESS);
}

/* Neither of these loses anything: the session is served. */
static void a_session_is_served_in_a_storm_of_signals(void)
{
	uint32_t hit;

	open_house();
	for (uint32_t every = 2; every < 8; every++) {
		faults_arm_every(world.primary, FAULT_ALL, FAULT_INTERRUPT, every);
		CHECK_EQ(session(), 0);
		faults_disarm(&hit);
		CHECK(hit > 0);
		CHECK(is_as_before());
	}
	close_house();
}

static void a_session_is_served_by_short_reads_and_writes(void)
{
	uint32_t hit;

	open_house();
	for (uint32_t every = 1; every < 6; every++) {
		faults_arm_every(world.primary, FAULT_ALL, FAULT_SHORT, every);
		CHECK_EQ(session(), 0);
		faults_disarm(&hit);
		CHECK(hit > 0);
		CHECK(is_as_before());
	}
	close_house();
}

static const struct sentence sentences[] = {
	CATALOGUE(a_session_survives_any_refusal_of_memory_in_the_primary, "[18]"),
	CATALOGUE(a_session_survives_any_refusal_of_a_map_in_the_primary, "[18]"),
	CATALOGUE(a_session_survives_any_refusal_of_a_descriptor_in_the_primary, "[18]"),
	CATALOGUE(a_session_survives_any_message_that_fails_in_the_primary, "[18]"),
	CATALOGUE(a_session_survives_anything_else_that_fails_in_the_primary, "[18]"),
	SENTENCE(a_session_is_served_in_a_storm_of_signals),
	SENTENCE(a_session_is_served_by_short_reads_and_writes),
};
SUITE("sweep_session", sentences)
