/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch between two guests: it starts, attaches, is granted their rings and carries packets,
 * and each call in turn that it makes for it fails. It carries them nevertheless, or ends with a
 * line that says why; and the next one carries them.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "clock.h"
#include "faults.h"
#include "front_end.h"
#include "program.h"
#include "suite.h"
#include "world.h"

#define PACKETS 16u
#define MOST	25u /* of one kind, without HF_TEST_LONG */
#define WAIT_NS (20 * NS_PER_S)
#define BROKEN	3u /* so many that are wrong say enough */

static struct world world;
static struct front_end left, right;
static uint32_t sent, next; /* packets' numbers */

static void open_session(struct front_end *fe, const char *port)
{
	static const struct session_shape shape = {.memory = 128u << 10, .size = 64};

	REQUIRE(front_end_connect(fe, world_port_path(&world, port)) == 0);
	REQUIRE(front_end_setup(fe, &shape) == 0);
	front_end_post_buffers(fe, 0);
}

static void begin(void)
{
	static const char *const arguments[] = {"--port",	   "p0", "--port", "p1",
						"--no-huge-pages", NULL};

	faults_open();
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
	faults_close();
}

static void start(struct program *program)
{
	const char *argv[] = {getenv("VSWITCH"), "--run-dir", world.dir, NULL};

	REQUIRE(argv[0] != NULL);
	faults_begin();
	program_start(program, argv);
	faults_end();
}

static bool says_it_carries_not(const struct program *program)
{
	char said[8192];

	(void)program_said(program->err, said, sizeof(said));
	return strstr(said, "gets no packets");
}

/* Packet after packet from the left, until enough came to the right. False: it ended, or carries
 * nothing. */
static bool carries(struct program *program)
{
	uint64_t give_up = hf_now_ns() + WAIT_NS;
	uint32_t came = 0, wrong = 0;

	while (came < PACKETS && !program_ended(program, 0) && hf_now_ns() < give_up &&
	       !says_it_carries_not(program)) {
		sent += front_end_send_packets(&left, 0, sent, 1);
		came += front_end_receive_packets(&right, 0, &next, &wrong);
		usleep(500);
	}
	CHECK_EQ(wrong, 0);
	return came >= PACKETS;
}

static bool is_right(struct program *program, bool carried)
{
	char said[8192];

	(void)program_said(program->err, said, sizeof(said));
	if (!carried && !program->pid)
		return (program_exited_with(program, 1) && strchr(said, '\n')) ||
		       strstr(faults_where(), "libnuma"); /* it dies of it, before main() */
	if (!carried && !says_it_carries_not(program))
		return false;
	program_end(program, SIGTERM);
	return program_exited_with(program, 0);
}

static bool one_life(uint32_t kinds, uint32_t how, uint32_t nth, uint32_t *ret_seen)
{
	struct program program;
	char said[8192];
	bool carried, good;
	uint32_t seen;

	faults_arm(0, kinds, how, nth, 1);
	start(&program);
	carried = carries(&program);
	seen = faults_disarm(NULL);
	good = is_right(&program, carried);
	if (!good) {
		(void)program_said(program.err, said, sizeof(said));
		printf("    call %u: %s; %s, status 0x%x, and said:\n%s", nth, faults_where(),
		       carried ? "carried packets" : "carried nothing",
		       (unsigned int)program.status, said);
	}
	program_end(&program, SIGTERM);
	program_forget(&program);
	CHECK(world_secondaries_become(&world, 0));
	if (ret_seen)
		*ret_seen = seen;
	return good;
}

static void sweep_switch(uint32_t kinds)
{
	uint32_t of, wrong = 0;
	struct sweep sweep;

	begin();
	CHECK(one_life(kinds, FAULT_ERROR, 0, &of));
	sweep = sweep_over(of, MOST);
	CHECK(of > 0);
	while (wrong < BROKEN && sweep_next(&sweep)) {
		bool good = one_life(kinds, FAULT_ERROR, sweep.at, NULL);

		wrong += !good;
		CHECK(good);
	}
	CHECK(one_life(kinds, FAULT_ERROR, 0, NULL));
	end();
}

static void a_switch_without_memory_carries_or_says_why_not(void)
{
	sweep_switch(FAULT_HEAP);
}

static void a_switch_without_maps_carries_or_says_why_not(void)
{
	sweep_switch(FAULT_MAP);
}

static void a_switch_without_descriptors_carries_or_says_why_not(void)
{
	sweep_switch(FAULT_DESCRIPTOR);
}

static void a_switch_to_which_anything_else_is_refused_carries_or_says_why_not(void)
{
	sweep_switch(FAULT_FILE | FAULT_PROCESS);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_switch_without_memory_carries_or_says_why_not, "[F-7]"),
	CATALOGUE(a_switch_without_maps_carries_or_says_why_not, "[F-7]"),
	CATALOGUE(a_switch_without_descriptors_carries_or_says_why_not, "[F-7]"),
	SENTENCE(a_switch_to_which_anything_else_is_refused_carries_or_says_why_not),
};
SUITE("sweep_switch", sentences)
