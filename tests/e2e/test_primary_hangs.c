/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A supervised primary whose loop does not come round any more: it is ended, and its successor goes
 * on with what it had. The fault shim lets a call of its never return.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "faults.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS 200u
#define WAIT_MS 30000

static struct world world;
static struct front_end fe;
static uint32_t next;

static void begin_with(const char *option, const char *seconds)
{
	const char *arguments[] = {"--supervise", option, seconds, "--port", "p0", NULL};
	static const struct session_shape shape = {.memory = 128u << 10, .size = 64};
	static const char *const all[] = {"*", NULL};

	faults_open();
	faults_begin();
	world_open(&world, arguments);
	faults_end();
	world_start_echo(&world, 0, "echo", "vswitch", all);
	CHECK(world_secondaries_become(&world, 1));
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	next = 0;
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
}

static void begin(const char *watchdog)
{
	begin_with("--watchdog", watchdog);
}

static void end(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]) + driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
	world_close(&world);
	faults_close();
}

static bool becomes_another(pid_t pid)
{
	for (int i = 0; i < WAIT_MS; i++, usleep(1000))
		if (world_find_primary(&world) > 0 && world_find_primary(&world) != pid)
			return true;
	return false;
}

static void check_succeeded(uint32_t how)
{
	pid_t pid;

	begin("1");
	pid = world_ask_pid(&world, NULL);
	faults_arm(pid, FAULT_ALL, how, 1, 1);
	CHECK(becomes_another(pid));
	faults_disarm(NULL);
	/* Packets went on without it, and messages go on with the next. */
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK(world_ask_pid(&world, NULL) != pid);
	CHECK_EQ(front_end_set_memory(&fe), 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	end();
}

static void a_primary_that_hangs_is_ended_and_its_sessions_go_on(void)
{
	check_succeeded(FAULT_HANG);
}

static void one_that_loops_without_end_is_ended_too(void)
{
	check_succeeded(FAULT_SPIN);
}

static void one_that_somebody_has_stopped_is_left_alone(void)
{
	pid_t pid;

	begin("1");
	pid = world_ask_pid(&world, NULL);
	CHECK_EQ(kill(pid, SIGSTOP), 0);
	sleep(4);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	CHECK_EQ(world_ask_pid(&world, NULL), pid);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	end();
}

static void nobody_looks_when_it_is_not_wanted(void)
{
	pid_t pid;

	begin("0");
	pid = world_ask_pid(&world, NULL);
	faults_arm(pid, FAULT_ALL, FAULT_HANG, 1, 1);
	sleep(3);
	CHECK_EQ(world_find_primary(&world), pid);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK(becomes_another(pid));
	faults_disarm(NULL);
	CHECK(world_ask_pid(&world, NULL) != pid);
	end();
}

/* It has said nothing yet, and will not. */
static void one_that_hangs_before_it_is_ready_is_ended_too(void)
{
	pid_t pid, hung;
	uint32_t hit;

	begin_with("--start-deadline", "5");
	pid = world_ask_pid(&world, NULL);
	faults_arm_but(world.primary, FAULT_MAP, FAULT_HANG, 2);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK(becomes_another(pid));
	hung = world_find_primary(&world);
	CHECK(becomes_another(hung));
	faults_disarm(&hit);
	CHECK_EQ(hit, 1);
	CHECK(world_ask_pid(&world, NULL) != hung);
	CHECK_EQ(front_end_set_memory(&fe), 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(a_primary_that_hangs_is_ended_and_its_sessions_go_on),
	SENTENCE(one_that_loops_without_end_is_ended_too),
	SENTENCE(one_that_hangs_before_it_is_ready_is_ended_too),
	SENTENCE(one_that_somebody_has_stopped_is_left_alone),
	SENTENCE(nobody_looks_when_it_is_not_wanted),
};
SUITE("primary_hangs", sentences)
