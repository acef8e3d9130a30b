/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One command line that heals itself: holdfastd --supervise --run COMMAND. The switch is killed,
 * both are, the primary, the supervisor; and in good order nobody is left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS 500u
#define WAIT_MS 20000

static struct world world;
static struct front_end fe;
static uint32_t next;
static char work[64]; /* for what must be there before the run directory is */
static int quiet;     /* a switch that echoes ends when its standard input says so */
static pid_t running, standby;

/* Until `count` are attached, one of which runs everything if `ready`. */
static bool attached_become(size_t count, bool ready)
{
	pid_t pids[8];

	for (int i = 0; i < WAIT_MS; i++) {
		size_t n = world_attached(&world, pids, ARRAY_SIZE(pids), &running);

		standby = n == 2 ? (pids[0] == running ? pids[1] : pids[0]) : 0;
		if (n == count && (running || !ready))
			return true;
		usleep(1000);
	}
	return false;
}

static bool is_gone(pid_t pid)
{
	for (int i = 0; i < WAIT_MS; i++) {
		(void)waitpid(pid, NULL, WNOHANG); /* when it became ours */
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return true;
		usleep(1000);
	}
	return false;
}

static void open_work(void)
{
	char path[96];

	snprintf(work, sizeof(work), "/tmp/hf-run-XXXXXX");
	REQUIRE(mkdtemp(work) != NULL);
	snprintf(path, sizeof(path), "%s/quiet", work);
	REQUIRE(mkfifo(path, 0600) == 0);
	quiet = open(path, O_RDWR | O_CLOEXEC);
	REQUIRE(quiet >= 0);
}

static void close_work(void)
{
	char path[96];

	close(quiet);
	snprintf(path, sizeof(path), "%s/quiet", work);
	unlink(path);
	snprintf(path, sizeof(path), "%s/starts", work);
	unlink(path);
	CHECK_EQ(rmdir(work), 0);
}

static void open_world(const char *command)
{
	const char *arguments[] = {"--supervise", "--no-huge-pages", "--port", "p0",
				   "--run",	  command,	     NULL};

	world_open(&world, arguments);
	next = 0;
}

/* Two that echo, and a front-end on them. */
static void open_all(void)
{
	static const struct session_shape shape;
	char command[400];

	open_work();
	snprintf(command, sizeof(command), "%s \"$HOLDFAST_RUN_DIR\" echo vswitch '*' <%s/quiet",
		 getenv("ECHO"), work);
	open_world(command);
	CHECK(attached_become(2, false));
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK(attached_become(2, true));
}

static void close_all(void)
{
	pid_t primary = world_ask_pid(&world, NULL);

	CHECK(attached_become(2, true));
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
	world_close(&world);
	CHECK(is_gone(primary));
	CHECK(is_gone(running));
	CHECK(is_gone(standby));
	close_work();
}

/* What a dead switch had taken out is lost; from `next` on all must come. */
static void check_echo_goes_on(void)
{
	next += 1000;
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
}

static void a_switch_that_dies_is_relieved_and_started_again(void)
{
	open_all();
	for (int i = 0; i < 5; i++) {
		pid_t first = running, second = standby;

		CHECK_EQ(kill(first, SIGKILL), 0);
		CHECK(is_gone(first));
		CHECK(world_counter_becomes(&world, "takeovers", (uint64_t)i + 1));
		check_echo_goes_on();
		CHECK(attached_become(2, true));
		CHECK_EQ(running, second);
		CHECK(standby != first);
	}
	close_all();
}

static void both_die_and_come_back(void)
{
	open_all();
	for (int i = 0; i < 3; i++) {
		pid_t first = running, second = standby;

		CHECK_EQ(kill(second, SIGKILL), 0);
		CHECK_EQ(kill(first, SIGKILL), 0);
		CHECK(is_gone(first));
		CHECK(is_gone(second));
		CHECK(attached_become(2, true));
		check_echo_goes_on();
	}
	close_all();
}

static void the_primary_dies_and_switches_run_on(void)
{
	open_all();
	for (int i = 0; i < 5; i++) {
		pid_t first = running, second = standby;

		CHECK_EQ(kill(world_ask_pid(&world, NULL), SIGKILL), 0);
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
		REQUIRE(world_ask_pid(&world, NULL) > 0);
		CHECK(attached_become(2, true));
		CHECK_EQ(running, first);
		CHECK_EQ(standby, second);
	}
	close_all();
}

static void primary_and_switch_die_at_once(void)
{
	open_all();
	for (int i = 0; i < 5; i++) {
		pid_t first = running;

		CHECK_EQ(kill(world_ask_pid(&world, NULL), SIGKILL), 0);
		CHECK_EQ(kill(first, SIGKILL), 0);
		CHECK(is_gone(first));
		check_echo_goes_on();
		CHECK(attached_become(2, true));
	}
	close_all();
}

/* It runs on, and can still become another program; only nobody catches it any more. */
static void the_supervisor_dies_and_all_run_on(void)
{
	pid_t primary;

	open_all();
	primary = world_ask_pid(&world, NULL);
	/* Its children become ours, to be waited for. */
	REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	CHECK_EQ(kill(world.primary, SIGKILL), 0);
	REQUIRE(waitpid(world.primary, NULL, 0) == world.primary);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK_EQ(world_ask_pid(&world, NULL), primary);
	/* Notices that nobody keeps anything. */
	world_add_port(&world, "p1", false, NULL);
	CHECK_EQ(world_upgrade_begun(world_upgrade(&world, ""), NULL), 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK(world_counter_becomes(&world, "upgrades", 1));
	CHECK_EQ(world_ask_pid(&world, NULL), primary);
	CHECK(attached_become(2, true));
	front_end_close(&fe);
	CHECK_EQ(kill(running, SIGTERM), 0);
	CHECK_EQ(kill(standby, SIGTERM), 0);
	CHECK(is_gone(running));
	CHECK(is_gone(standby));
	world.primary = primary;
	world_close(&world);
	REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
	close_work();
}

static void a_switch_that_cannot_start_is_tried_with_back_off(void)
{
	char command[160], path[96];
	struct stat st;

	open_work();
	snprintf(command, sizeof(command), "sh -c 'echo >>%s/starts; exit 1'", work);
	open_world(command);
	REQUIRE(world_ask_pid(&world, NULL) > 0);
	usleep(1000000);
	snprintf(path, sizeof(path), "%s/starts", work);
	/* Two of them, at 0, 100, 300, 700 ms; a host that is busy tries less. */
	for (int ms = 0; ms < WAIT_MS && (stat(path, &st) < 0 || st.st_size < 2); ms++)
		usleep(1000);
	REQUIRE(stat(path, &st) == 0);
	printf("\n    %ld starts in about a second\n    ", (long)st.st_size);
	CHECK(st.st_size >= 2);
	world_close(&world);
	close_work();
}

static void holdfast_vswitch_has_its_warm_standby(void)
{
	char command[300];
	pid_t first, second;

	open_work();
	snprintf(command, sizeof(command), "%s", getenv("VSWITCH"));
	open_world(command);
	CHECK(attached_become(2, false));
	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &(struct session_shape){0}) == 0);
	CHECK(attached_become(2, true));
	first = running;
	second = standby;
	CHECK(world_maps_become(second, fe.guest.fd, 1)); /* prepared */
	CHECK_EQ(kill(first, SIGKILL), 0);
	CHECK(world_counter_becomes(&world, "takeovers", 1));
	CHECK(is_gone(first));
	CHECK(attached_become(2, true));
	CHECK_EQ(running, second);
	front_end_close(&fe);
	second = standby;
	first = running;
	world_close(&world);
	CHECK(is_gone(first));
	CHECK(is_gone(second));
	close_work();
}

static const struct sentence sentences[] = {
	SENTENCE(holdfast_vswitch_has_its_warm_standby),
	SENTENCE(a_switch_that_dies_is_relieved_and_started_again),
	CATALOGUE(both_die_and_come_back, "[F-5]"),
	CATALOGUE(the_primary_dies_and_switches_run_on, "[F-3]"),
	CATALOGUE(primary_and_switch_die_at_once, "[F-5]"),
	SENTENCE(the_supervisor_dies_and_all_run_on),
	SENTENCE(a_switch_that_cannot_start_is_tried_with_back_off),
};
SUITE("supervise", sentences)
