/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A supervised primary dies, and each call in turn that its successor makes to take over fails. It
 * takes over nevertheless, or another one does after it. The session goes on, or is ended, and then
 * the next one works; nothing is left behind. And one that dies at each call in turn.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "control.pb-c.h"
#include "faults.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS 40u
#define MOST	6u /* of one kind, without HF_TEST_LONG */
#define BROKEN	3u /* so many that are wrong say enough */
#define WAIT_NS (20 * NS_PER_S)

static struct world world;
static struct front_end fe;
static uint32_t next;
static size_t parent_fds, fds, maps;

static void open_session(void)
{
	static const struct session_shape shape = {.memory = 128u << 10, .size = 64};

	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	next = 0;
}

static bool echoes(void)
{
	return front_end_echo(&fe, 0, &next, PACKETS) == 0;
}

static bool is_closed(void)
{
	struct pollfd p = {.fd = fe.socket, .events = POLLRDHUP};

	return poll(&p, 1, 0) == 1;
}

static void begin(void)
{
	/* libseccomp goes on without the memory it lacks: its filter kills us. */
	static const char *const arguments[] = {"--supervise", "--port", "p0", "--no-huge-pages",
						"--seccomp",   "off",	 NULL};
	static const char *const all[] = {"*", NULL};

	faults_open();
	faults_begin();
	world_open(&world, arguments);
	faults_end();
	world_start_echo(&world, 0, "echo", "vswitch", all);
	CHECK(world_secondaries_become(&world, 1));
	open_session();
	CHECK(echoes());
}

static void end(void)
{
	front_end_close(&fe);
	world_close(&world);
	faults_close();
}

/* Until somebody answers who is another one. */
static pid_t await_successor(pid_t dead)
{
	uint64_t give_up = hf_now_ns() + WAIT_NS;
	pid_t pid = dead;

	while ((pid == dead || pid <= 0) && hf_now_ns() < give_up)
		pid = world_ask_pid(&world, NULL);
	return pid;
}

/* A death; the nth call of who comes then fails. How many there were. */
static uint32_t die(uint32_t kinds, uint32_t nth, pid_t *ret_pid)
{
	pid_t dead = world_ask_pid(&world, NULL);

	*ret_pid = 0;
	if (dead <= 0)
		return 0;
	faults_arm_but(world.primary, kinds, FAULT_ERROR, nth);
	kill(dead, SIGKILL);
	*ret_pid = await_successor(dead);
	return faults_disarm(NULL);
}

static void take_ledger(pid_t pid)
{
	world_rest(&world);
	parent_fds = world_fds(world.primary, -1);
	fds = world_fds(pid, -1);
	maps = world_maps(pid, -1);
}

/* It goes on; or it was ended, and the next one works. A message shows which. */
static bool goes_on_or_was_ended(void)
{
	bool goes_on = !is_closed() && front_end_set_memory(&fe) == 0;

	if (!goes_on && !is_closed())
		return false;
	if (!goes_on) {
		front_end_close(&fe);
		open_session();
	}
	return echoes();
}

/* A session and a life later: a life may lack something for as long as it lasts. */
static bool is_as_before(void)
{
	pid_t pid;

	front_end_close(&fe);
	(void)die(0, 0, &pid);
	open_session();
	return pid > 0 && echoes() && world_fds_become(pid, fds) &&
	       world_maps_become(pid, -1, maps) && world_fds_become(world.primary, parent_fds);
}

static void sweep_resume(uint32_t kinds)
{
	uint32_t of, wrong = 0;
	struct sweep sweep;
	pid_t pid;

	begin();
	of = die(kinds, 0, &pid);
	CHECK(of > 0 && pid > 0);
	CHECK(front_end_set_memory(&fe) == 0 && echoes());
	take_ledger(pid);
	sweep = sweep_over(of, MOST);
	while (wrong < BROKEN && sweep_next(&sweep)) {
		bool right;

		(void)die(kinds, sweep.at, &pid);
		right = pid > 0 && goes_on_or_was_ended() && is_as_before();
		if (!right)
			printf("    call %u: %s\n", sweep.at, faults_where());
		wrong += !right;
		CHECK(right);
	}
	end();
}

static void a_successor_without_memory_or_maps_takes_over_or_the_next_does(void)
{
	sweep_resume(FAULT_HEAP | FAULT_MAP);
}

static void a_successor_without_descriptors_takes_over_or_the_next_does(void)
{
	sweep_resume(FAULT_DESCRIPTOR);
}

static void a_successor_to_which_anything_else_is_refused_takes_over_or_the_next_does(void)
{
	sweep_resume(FAULT_TRANSFER | FAULT_FILE | FAULT_PROCESS);
}

/* --- a set-up, and a death at each call that it takes --- */

/* Its rings are nobody's any more: a secondary that stops is not stopped in a burst of them. */
static void close_session(void)
{
	const int gone = HOLDFAST__CONTROL__EVENT_KIND__DEVICE_GONE;
	uint64_t give_up = hf_now_ns() + WAIT_NS, before = world_last_event(&world, gone, NULL, 0);

	front_end_close(&fe);
	while (world_last_event(&world, gone, NULL, 0) == before && hf_now_ns() < give_up)
		usleep(1000);
}

/* A connection that was accepted and not yet kept ends with its primary; nothing else does. */
static void set_up(void)
{
	static const struct session_shape shape = {.memory = 128u << 10, .size = 64};

	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	if (front_end_setup(&fe, &shape) != 0) {
		CHECK_EQ(fe.guest.fd, -1);
		front_end_close(&fe);
		open_session();
	}
	front_end_post_buffers(&fe, 0);
	next = 0;
}

/* The secondary hears of all lives at once, when the last one has said what it has to say. */
static uint32_t set_up_and_die(uint32_t nth)
{
	pid_t pid = world_ask_pid(&world, NULL);
	uint32_t of, hit;

	world_signal_echo(&world, 0, SIGSTOP);
	faults_arm(pid, FAULT_ALL, FAULT_DIE, nth, 1);
	set_up();
	for (int ms = 0; nth && ms < 200 && world_find_primary(&world) == pid; ms++)
		usleep(1000);
	of = faults_disarm(&hit);
	if (hit)
		CHECK(await_successor(pid) > 0);
	world_signal_echo(&world, 0, SIGCONT);
	return of;
}

static void a_set_up_completes_whatever_call_the_primary_dies_at(void)
{
	struct sweep sweep;

	begin();
	close_session();
	sweep = sweep_over(set_up_and_die(0), MOST);
	CHECK(sweep.of > 0 && echoes());
	while (sweep_next(&sweep)) {
		bool right;

		close_session();
		(void)set_up_and_die(sweep.at);
		right = echoes();
		if (!right)
			printf("    call %u: %s\n", sweep.at, faults_where());
		CHECK(right);
	}
	end();
}

static const struct sentence sentences[] = {
	CATALOGUE(a_successor_without_memory_or_maps_takes_over_or_the_next_does, "[F-7]"),
	CATALOGUE(a_successor_without_descriptors_takes_over_or_the_next_does, "[F-7]"),
	SENTENCE(a_set_up_completes_whatever_call_the_primary_dies_at),
	SENTENCE(a_successor_to_which_anything_else_is_refused_takes_over_or_the_next_does),
};
SUITE("sweep_resume", sentences)
