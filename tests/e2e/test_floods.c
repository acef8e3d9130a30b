/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One front-end, or local process, that does all it can as fast as it can, beside a guest at full
 * rate. The neighbour loses no packet and gets none twice, the primary answers, and everything that
 * was refused was counted. How fast the others are meanwhile is for scripts/bench --flood to say.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fd.h"
#include "frame.h"
#include "front_end.h"
#include "pump.h"
#include "suite.h"
#include "world.h"

#define VRING_NOFD 0x100u
#define WAIT_MS	   20000

static struct world world;
static struct pump pump;
static struct front_end bad;
static const char *const all[] = {"*", NULL};

/* The neighbour is p0. `rate` is --message-rate's. */
static void open_at(const char *rate)
{
	const char *const arguments[] = {"--port",	   "p0", "--port", "bad",
					 "--message-rate", rate, NULL};

	world_open(&world, arguments);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	/* Before the doors are flooded, which it comes by. */
	REQUIRE(world_secondaries_become(&world, 1));
	pump_open(&pump, world.dir, 1);
	pump_start(&pump);
}

static void open_all(void)
{
	open_at("0"); /* nobody is read slower */
}

static void close_all(void)
{
	CHECK(pump_stop(&pump));
	pump_judge(&pump, 0, 0, 0);
	pump_close(&pump);
	world_close(&world);
}

static void connect_bad(void)
{
	uint64_t features;

	for (int i = 0; i < 10000; i++) {
		REQUIRE(front_end_connect(&bad, world_port_path(&world, "bad")) == 0);
		if (front_end_get_u64(&bad, FE_GET_FEATURES, &features) == 0)
			return;
		front_end_close(&bad);
		usleep(1000);
	}
	REQUIRE(false);
}

static void set_up_bad(void)
{
	static const struct session_shape shape;

	connect_bad();
	REQUIRE(front_end_setup(&bad, &shape) == 0);
	front_end_post_buffers(&bad, 0);
}

/* It works as if nothing had been. */
static void check_bad(void)
{
	uint32_t number = 0;

	set_up_bad();
	CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
	front_end_close(&bad);
	CHECK(world_ask_pid(&world, NULL) > 0);
}

/* --- the port's socket --- */

static void messages_at_full_speed_are_read_slower_to_the_last(void)
{
	const uint64_t no_err = VRING_NOFD;

	/* At a pace that a slow machine has as well. */
	open_at("50,100");
	set_up_bad();
	for (int i = 0; i < 300; i++)
		REQUIRE(front_end_send(&bad, FE_SET_VRING_ERR, 0, &no_err, 8, NULL, 0) == 0);
	CHECK_EQ(front_end_ask(&bad, FE_SET_VRING_ERR, &no_err, 8, NULL, 0), 0);
	CHECK(world_counter(&world, "refused.messages_throttled") > 0);
	front_end_close(&bad);
	check_bad();
	close_all();
}

static void connections_that_come_and_go_keep_nobody_out(void)
{
	open_all();
	for (int i = 0; i < 2000; i++) {
		REQUIRE(front_end_connect(&bad, world_port_path(&world, "bad")) == 0);
		front_end_close(&bad);
	}
	check_bad();
	close_all();
}

static void each_second_client_is_counted(void)
{
	struct front_end second;

	open_all();
	set_up_bad();
	for (int i = 0; i < 100; i++) {
		REQUIRE(front_end_connect(&second, world_port_path(&world, "bad")) == 0);
		front_end_close(&second);
	}
	CHECK(world_counter_becomes(&world, "refused.second_client", 100));
	CHECK_EQ(world_counter(&world, "refused.second_client"), 100);
	front_end_close(&bad);
	check_bad();
	close_all();
}

static void memory_tables_without_end_cost_the_neighbour_nothing(void)
{
	open_all();
	set_up_bad();
	for (int i = 0; i < 500; i++)
		REQUIRE(front_end_set_memory(&bad) == 0);
	front_end_close(&bad);
	check_bad();
	close_all();
}

/* --- the rings --- */

static void kicks_without_end_cost_the_neighbour_nothing(void)
{
	const uint64_t one = 1;

	open_all();
	set_up_bad();
	for (int i = 0; i < 200000; i++)
		CHECK_EQ(write(bad.kicks[i % 2], &one, 8), 8);
	front_end_close(&bad);
	check_bad();
	close_all();
}

/* Chains of no packet, a whole ring of them again and again; then a broken ring that is kicked. */
static void chains_that_are_dropped_cost_the_neighbour_nothing(void)
{
	struct driver *d = &bad.rings[1];
	const uint64_t one = 1;
	uint32_t made = 0;

	open_all();
	set_up_bad();
	while (made < 20000) {
		const struct piece piece = {bad.buffers, 4, 0};

		while (driver_put(d, &piece, 1) >= 0)
			made++;
		driver_publish(d);
		(void)write(bad.kicks[1], &one, 8);
		(void)driver_consume_all(d);
	}
	d->avail_idx = (uint16_t)(d->avail_idx + 30000);
	driver_publish(d);
	for (int i = 0; i < 50000; i++)
		(void)write(bad.kicks[1], &one, 8);
	front_end_close(&bad);
	check_bad();
	close_all();
}

/* --- the doors --- */

static void what_comes_to_the_doors_is_counted_to_the_last(void)
{
	static const char *const doors[] = {"attach", "control"};
	static const char *const counters[] = {"refused.attach_bad_message",
					       "refused.control_bad_message"};
	char path[128], room[512];

	open_all();
	for (size_t d = 0; d < ARRAY_SIZE(doors); d++) {
		snprintf(path, sizeof(path), "%s/%s.sock", world.dir, doors[d]);
		for (int i = 0; i < 500; i++) {
			int fd = hf_seqpacket_connect(path);

			REQUIRE(fd >= 0);
			CHECK_EQ(write(fd, "\xff\xff", 2), 2);
			while (read(fd, room, sizeof(room)) > 0)
				;
			close(fd);
		}
		CHECK_EQ(world_counter(&world, counters[d]), 500);
	}
	check_bad();
	close_all();
}

static void who_attaches_and_says_nothing_keeps_nobody_out_for_long(void)
{
	char path[128];
	int fds[70];

	open_all();
	snprintf(path, sizeof(path), "%s/attach.sock", world.dir);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = hf_seqpacket_connect(path);
		REQUIRE(fds[i] >= 0);
	}
	CHECK(world_counter_becomes(&world, "refused.attach_table_full", 6));
	CHECK(world_counter_becomes(&world, "refused.attach_bad_message", 64));
	world_start_echo(&world, 1, "other", "standby", all);
	CHECK(world_secondaries_become(&world, 2));
	hf_fd_close_all(fds, ARRAY_SIZE(fds));
	check_bad();
	close_all();
}

/* --- a thousand that have begun --- */

#define HALVES 1000u

static struct front_end halves[HALVES];

static void open_many(void)
{
	static const char *const arguments[] = {"--port",	 "p0",	 "--port", "bad",
						"--max-devices", "1100", NULL};
	char name[16];

	world_open(&world, arguments);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	for (unsigned int i = 0; i < HALVES; i++) {
		snprintf(name, sizeof(name), "h%u", i);
		world_add_port(&world, name, false, NULL);
	}
	pump_open(&pump, world.dir, 1);
	pump_check_echo(&pump, 20); /* all there is to hold is held from now on */
	world_rest(&world);
	pump_start(&pump);
}

static bool may_have_files(rlim_t wanted)
{
	struct rlimit limit;

	REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_max < wanted) {
		printf("\n    skipped: no %llu open files for this user\n",
		       (unsigned long long)wanted);
		return false;
	}
	limit.rlim_cur = limit.rlim_max;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	return true;
}

/* A byte of the header, all of it, or half of what follows. */
static void begin_half(unsigned int i)
{
	const struct {
		uint32_t request, flags, size;
		uint64_t value;
	} message = {FE_SET_FEATURES, FE_VERSION, 8, 0};
	static const size_t lengths[] = {1, 12, 16};
	char name[16];

	snprintf(name, sizeof(name), "h%u", i);
	REQUIRE(front_end_connect(&halves[i], world_port_path(&world, name)) == 0);
	CHECK_EQ(front_end_send_bytes(&halves[i], &message, lengths[i % 3], NULL, 0, 0), 0);
}

static void a_thousand_half_messages_cost_a_descriptor_each_until_their_deadline(void)
{
	size_t fds;

	/* Ours, and the primary's: port and session, each here and in its store. */
	if (!may_have_files(20000))
		return;
	open_many();
	fds = world_fds(world.primary, -1);
	for (unsigned int i = 0; i < HALVES; i++)
		begin_half(i);
	CHECK(world_fds(world.primary, -1) <= fds + 2 * HALVES);
	check_bad();
	for (unsigned int i = 0; i < HALVES; i++) {
		CHECK(front_end_is_closed(&halves[i]));
		front_end_close(&halves[i]);
	}
	/* Which of the two is first, when the primary is slow. */
	CHECK_EQ(world_counter(&world, "refused.message_timeout") +
			 world_counter(&world, "refused.greet_deadline"),
		 HALVES);
	CHECK(world_counter(&world, "refused.message_timeout") > 0);
	CHECK(world_fds_become(world.primary, fds));
	check_bad();
	close_all();
}

/* --- numbers of descriptors --- */

#define HIGH 2000u

static int high[HIGH];

static void sessions_work_when_thousands_of_descriptors_are_open(void)
{
	static const char *const arguments[] = {"--port", "p0", "--port", "bad", NULL};
	char name[16];

	if (!may_have_files(HIGH + 500))
		return;
	/* Ours first, then the primary's: a port is two there. */
	for (size_t i = 0; i < HIGH; i++)
		high[i] = eventfd(0, EFD_CLOEXEC);
	CHECK(high[HIGH - 1] > 1023);
	world_open(&world, arguments);
	for (unsigned int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "h%u", i);
		world_add_port(&world, name, false, NULL);
	}
	CHECK(world_fds(world.primary, -1) > 1000);
	for (unsigned int i = 0; i < 100; i++)
		begin_half(i); /* the next ones are above 1,024 */
	for (int ms = 0; ms < WAIT_MS && world_fds(world.primary, -1) <= 1024; ms++)
		usleep(1000);
	CHECK(world_fds(world.primary, -1) > 1024);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	pump_open(&pump, world.dir, 1);
	pump_start(&pump);
	CHECK(pump.guests[0].fe.socket > 1023);
	check_bad();
	for (unsigned int i = 0; i < 100; i++)
		front_end_close(&halves[i]);
	close_all();
	hf_fd_close_all(high, HIGH);
}

#ifdef __SANITIZE_THREAD__
#define CALLS 4000u
#else
#define CALLS 20000u
#endif

static void a_call_is_written_to_no_number_that_is_anothers(void)
{
	static const char *const arguments[] = {"--port", "p0", "--message-rate", "0", NULL};
	const char *argv[] = {getenv("FREED"), NULL, "freed", NULL};
	struct front_end *fe = &pump.guests[0].fe;
	uint64_t called = 0;

	REQUIRE(argv[0] != NULL);
	world_open(&world, arguments);
	argv[1] = world.dir;
	world_start(&world, 0, argv);
	pump_open(&pump, world.dir, 1);
	pump_start(&pump);
	for (unsigned int i = 0; i < CALLS; i++) {
		const uint64_t ring = i % 2;
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		REQUIRE(front_end_send(fe, FE_SET_VRING_CALL, 0, &ring, 8, &fd, 1) == 0);
		close(fd);
	}
	for (uint32_t ring = 0; ring < 2; ring++)
		CHECK_EQ(front_end_set_fd(fe, FE_SET_VRING_CALL, ring), 0);
	/* And the last one is heard. */
	for (int i = 0; i < WAIT_MS && read(fe->calls[0], &called, 8) != 8; i++)
		usleep(1000);
	CHECK(called > 0);
	CHECK(pump_stop(&pump));
	pump_judge(&pump, 0, 0, 0);
	CHECK_EQ(world_stop_echo(&world, 0), 0);
	pump_close(&pump);
	world_close(&world);
}

/* --- a share of descriptors --- */

#define GREEDY 15u
#define PAIRS  128u

static struct front_end greedy[GREEDY];

/* KICK, CALL and ERR of all its other vrings, from number *next on, until it is told no. How many
 * it got. */
static uint32_t take_all(struct front_end *fe, uint32_t *next)
{
	static const uint32_t requests[] = {FE_SET_VRING_CALL, FE_SET_VRING_ERR, FE_SET_VRING_KICK};
	uint32_t first = *next;
	long long answer = 0;

	for (; *next < 6 * (PAIRS - 1) && !answer; *next += !answer) {
		const uint64_t ring = 2 + *next / 3;
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		answer = front_end_ask(fe, requests[*next % 3], &ring, 8, &fd, 1);
		close(fd);
	}
	CHECK(answer >= 0);
	return *next - first;
}

static void who_takes_all_descriptors_leaves_each_other_session_what_it_had(void)
{
	static char names[GREEDY][8];
	const char *arguments[2 * GREEDY + 8] = {"--port", "p0", "--port", "bad", "--port", "late"};
	static const struct session_shape shape;
	uint32_t taken = 0, next[GREEDY] = {0};
	uint64_t refused;
	struct front_end late;

	for (size_t i = 0; i < GREEDY; i++) {
		snprintf(names[i], sizeof(names[i]), "g%zu", i);
		arguments[6 + 2 * i] = "--port";
		arguments[7 + 2 * i] = names[i];
	}
	world_open_limited(&world, arguments, 2048);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	pump_open(&pump, world.dir, 1);
	pump_start(&pump);
	set_up_bad();
	for (size_t i = 0; i < GREEDY; i++) {
		REQUIRE(front_end_connect(&greedy[i], world_port_path(&world, names[i])) == 0);
		REQUIRE(front_end_setup(&greedy[i], &shape) == 0);
	}
	for (size_t i = 0; i < GREEDY; i++)
		taken += take_all(&greedy[i], &next[i]);
	printf("    %u front-ends got %u of %u descriptors\n", GREEDY, taken, GREEDY * 6 * PAIRS);
	CHECK(taken > 500 && next[GREEDY - 1] < 6 * (PAIRS - 1));
	/* All of its rings anew, several times, and its memory: it had them before. */
	for (int i = 0; i < 3; i++) {
		uint32_t number = 0;

		CHECK_EQ(front_end_begin_again(&bad), 0);
		front_end_post_buffers(&bad, 0);
		CHECK_EQ(front_end_echo(&bad, 0, &number, 50), 0);
		/* What it gives up for a moment is nobody's. */
		CHECK_EQ(take_all(&greedy[i], &next[i]), 0);
	}
	/* Who is new is told no, and counted; a switch is not. */
	refused = world_counter(&world, "refused.no_resources");
	CHECK(refused >= GREEDY);
	REQUIRE(front_end_connect(&late, world_port_path(&world, "late")) == 0);
	CHECK(front_end_is_closed(&late));
	front_end_close(&late);
	CHECK_EQ(world_counter(&world, "refused.no_resources"), refused + 1);
	world_start_echo(&world, 1, "other", "standby", all);
	CHECK(world_secondaries_become(&world, 2));
	/* It is all there again. */
	for (size_t i = 0; i < GREEDY; i++)
		front_end_close(&greedy[i]);
	front_end_close(&bad);
	world_rest(&world);
	check_bad();
	REQUIRE(front_end_connect(&late, world_port_path(&world, "late")) == 0);
	CHECK_EQ(front_end_setup(&late, &shape), 0);
	front_end_close(&late);
	close_all();
}

static const struct sentence sentences[] = {
	CATALOGUE(messages_at_full_speed_are_read_slower_to_the_last, "[M-18]"),
	CATALOGUE(connections_that_come_and_go_keep_nobody_out, "[M-18]"),
	CATALOGUE(each_second_client_is_counted, "[M-18] [21]"),
	CATALOGUE(memory_tables_without_end_cost_the_neighbour_nothing, "[M-18] [5]"),
	CATALOGUE(kicks_without_end_cost_the_neighbour_nothing, "[M-18]"),
	CATALOGUE(chains_that_are_dropped_cost_the_neighbour_nothing, "[M-18]"),
	CATALOGUE(what_comes_to_the_doors_is_counted_to_the_last, "[M-18] [C-1]"),
	CATALOGUE(who_attaches_and_says_nothing_keeps_nobody_out_for_long, "[M-18] [C-6]"),
	CATALOGUE(a_thousand_half_messages_cost_a_descriptor_each_until_their_deadline,
		  "[M-16] [20]"),
	CATALOGUE(sessions_work_when_thousands_of_descriptors_are_open, "[21]"),
	CATALOGUE(a_call_is_written_to_no_number_that_is_anothers, "[24]"),
	CATALOGUE(who_takes_all_descriptors_leaves_each_other_session_what_it_had, "[C-6]"),
};
SUITE("floods", sentences)
