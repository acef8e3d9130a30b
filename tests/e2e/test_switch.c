/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdfast-vswitch as a process, between two front-ends: in its roles, and told to end. VSWITCH
 * (environment) names it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS 64u
#define WAIT_NS (20 * NS_PER_S)

static struct world world;
static struct front_end left, right;
static uint32_t sent, next; /* packets' numbers */
static int output = -1;	    /* the next switch's; -1: ours */

static pid_t start_switch(const char *role)
{
	const char *program = getenv("VSWITCH");
	pid_t pid = fork();

	if (pid == 0) {
		if (output >= 0)
			dup2(output, STDOUT_FILENO);
		close_range(3, ~0u, 0);
		execl(program, program, "--run-dir", world.dir, "--role", role, "--name", role,
		      (char *)NULL);
		_exit(127);
	}
	REQUIRE(pid > 0);
	return pid;
}

static int end_switch(pid_t pid, int how)
{
	int status = -1;

	kill(pid, how);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	return status;
}

static void open_session(struct front_end *fe, const char *port)
{
	struct session_shape shape = {0};

	REQUIRE(front_end_connect(fe, world_port_path(&world, port)) == 0);
	REQUIRE(front_end_setup(fe, &shape) == 0);
	front_end_post_buffers(fe, 0);
}

static void begin(void)
{
	static const char *const arguments[] = {"--port", "p0", "--port", "p1", NULL};

	world_open(&world, arguments);
	sent = next = 1;
	open_session(&left, "p0");
	open_session(&right, "p1");
}

static void end(void)
{
	CHECK_EQ(driver_check(&left.rings[1]) + driver_check(&right.rings[0]), 0);
	front_end_close(&left);
	front_end_close(&right);
	world_close(&world);
}

/* Send one packet after the other from the left until PACKETS came to the right; what came. */
static uint32_t pass(void)
{
	uint64_t give_up = hf_now_ns() + WAIT_NS;
	uint32_t came = 0, wrong = 0;

	while (came < PACKETS && hf_now_ns() < give_up) {
		sent += front_end_send_packets(&left, 0, sent, 1);
		came += front_end_receive_packets(&right, 0, &next, &wrong);
		usleep(500);
	}
	CHECK_EQ(wrong, 0);
	return came;
}

/* Until the process has the guest's memory, which only who runs its rings has. */
static bool runs(pid_t pid, const struct front_end *fe)
{
	for (unsigned i = 0; i < 20000; i++, usleep(1000))
		if (world_maps(pid, fe->guest.fd))
			return true;
	return false;
}

static void packets_go_from_one_port_to_the_other(void)
{
	pid_t pid;

	begin();
	pid = start_switch("vswitch");
	CHECK(pass() >= PACKETS);
	CHECK_EQ(end_switch(pid, SIGTERM), 0);
	end();
}

static void a_standby_goes_on_when_the_switch_is_dead(void)
{
	pid_t pid, standby;

	begin();
	pid = start_switch("vswitch");
	CHECK(pass() >= PACKETS);
	CHECK(runs(pid, &left));
	standby = start_switch("standby");
	CHECK(pass() >= PACKETS);
	CHECK_EQ(end_switch(pid, SIGKILL), SIGKILL);
	CHECK(pass() >= PACKETS);
	CHECK(runs(standby, &left));
	CHECK_EQ(end_switch(standby, SIGTERM), 0);
	end();
}

static void a_switch_may_have_as_many_files_open_as_the_system_lets_it(void)
{
	struct rlimit low, its;
	rlim_t before;
	pid_t pid;

	begin();
	REQUIRE(!getrlimit(RLIMIT_NOFILE, &low));
	before = low.rlim_cur;
	low.rlim_cur = 64;
	REQUIRE(!setrlimit(RLIMIT_NOFILE, &low));
	pid = start_switch("vswitch");
	low.rlim_cur = before;
	REQUIRE(!setrlimit(RLIMIT_NOFILE, &low));
	CHECK(pass() >= PACKETS);
	CHECK(!prlimit(pid, RLIMIT_NOFILE, NULL, &its));
	CHECK_EQ(its.rlim_cur, low.rlim_max);
	CHECK_EQ(end_switch(pid, SIGTERM), 0);
	end();
}

static void fill(int fd)
{
	static const char page[4096];
	int flags = fcntl(fd, F_GETFL);

	REQUIRE(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
	while (write(fd, page, sizeof(page)) > 0)
		;
	REQUIRE(fcntl(fd, F_SETFL, flags) == 0);
}

/* All that comes before the end of the output, or until it has come. What it was filled with is
 * left out. */
static bool hear(int fd, const char *wanted)
{
	static char text[65536], page[4096];
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	size_t len = 0;

	text[0] = '\0';
	while (!strstr(text, wanted) && poll(&ready, 1, (int)(WAIT_NS / NS_PER_MS)) == 1) {
		ssize_t n = read(fd, page, sizeof(page));

		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n && len < sizeof(text) - 1; i++)
			if (page[i])
				text[len++] = page[i];
		text[len] = '\0';
	}
	return strstr(text, wanted);
}

/* The totals are the last line. */
static void statistics_wait_for_who_reads_late(void)
{
	int ends[2];
	pid_t pid;

	begin();
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	fill(ends[1]);
	output = ends[1];
	pid = start_switch("vswitch");
	output = -1;
	CHECK(pass() >= PACKETS);
	kill(pid, SIGUSR1);
	/* It has other things to do meanwhile. */
	CHECK(pass() >= PACKETS);
	CHECK(hear(ends[0], "\nswitch: stations "));
	/* At its end as well, which waits a moment. */
	fill(ends[1]);
	close(ends[1]);
	kill(pid, SIGTERM);
	CHECK(hear(ends[0], "\nswitch: stations "));
	CHECK_EQ(end_switch(pid, SIGTERM), 0);
	close(ends[0]);
	end();
}

/*
 * The worker hangs in a call to the guest on the right, and meanwhile the one on the left goes: the
 * switch's control thread waits for that worker, and something else has to free it.
 */
static void a_guest_that_makes_a_call_hang_stops_nobody_who_comes_and_goes(void)
{
	uint64_t value;
	pid_t pid;

	begin();
	pid = start_switch("vswitch");
	CHECK(pass() >= PACKETS);
	do /* the switch may call meanwhile */
		(void)!read(right.calls[0], &value, sizeof(value));
	while (eventfd_write(right.calls[0], UINT64_MAX - 1) < 0);
	REQUIRE(fcntl(right.calls[0], F_SETFL, 0) == 0);
	/* The worker publishes, and then calls. */
	for (uint32_t wrong = 0, came = 0; !came; usleep(500)) {
		(void)front_end_send_packets(&left, 0, sent++, 1);
		came = front_end_receive_packets(&right, 0, &next, &wrong);
	}
	front_end_close(&left);
	open_session(&left, "p0");
	CHECK(pass() >= PACKETS);
	CHECK_EQ(end_switch(pid, SIGTERM), 0);
	end();
}

__attribute__((unused)) static pid_t child_of(pid_t pid)
{
	char path[64];
	int child = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%d", &child) != 1)
		child = 0;
	if (file)
		fclose(file);
	return child;
}

/* Bounded; -1: it lives. It comes to us when its parent is dead. */
__attribute__((unused)) static int status_of_orphan(pid_t pid)
{
	int status;

	for (unsigned i = 0; i < 20000; i++, usleep(1000))
		if (waitpid(pid, &status, WNOHANG | __WALL) == pid)
			return status;
	return -1;
}

__attribute__((unused)) static void the_unmapper_of_its_memory_has_no_descriptors_and_ends_with_it(
	void)
{
	static const int ways[] = {SIGKILL, SIGTERM};

	REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	for (unsigned i = 0; i < 2; i++) {
		pid_t pid, unmapper;

		begin();
		pid = start_switch("vswitch");
		CHECK(pass() >= PACKETS);
		unmapper = child_of(pid);
		REQUIRE(unmapper > 0);
		CHECK(world_maps(unmapper, left.guest.fd) > 0);
		CHECK(world_fds_become(unmapper, 1)); /* its end of the pipe */
		(void)end_switch(pid, ways[i]);
		CHECK_EQ(status_of_orphan(unmapper), 0);
		end();
	}
	REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}

static const struct sentence sentences[] = {
	SENTENCE(packets_go_from_one_port_to_the_other),
	SENTENCE(a_standby_goes_on_when_the_switch_is_dead),
	SENTENCE(statistics_wait_for_who_reads_late),
	SENTENCE(a_guest_that_makes_a_call_hang_stops_nobody_who_comes_and_goes),
	SENTENCE(a_switch_may_have_as_many_files_open_as_the_system_lets_it),
#ifndef __SANITIZE_THREAD__ /* there is none then */
	SENTENCE(the_unmapper_of_its_memory_has_no_descriptors_and_ends_with_it),
#endif
};

SUITE("end to end: the switch", sentences)
