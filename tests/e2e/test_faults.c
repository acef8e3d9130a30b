/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every fault in a bad moment: without a free hugepage, with the limit of descriptors reached, and
 * a second one before the first is over. Expected is always the same: what exists survives, what
 * cannot be done is refused, and when all is over nothing is left behind.
 *
 * A fault is a function that leaves a guest which echoes; a moment is a house in which it happens.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define PACKETS	   200u
#define SUPERVISED 512u /* descriptors: (512 - 64) / 3 of them can be kept */
#define ALONE	   160u
#define CROWD	   24u

static struct world world;
static struct front_end fe;
static uint32_t next;
static const char *const all[] = {"*", NULL};
static const char *names[2]; /* who runs the rings, who waits */
static size_t crowd;	     /* sessions that fill the house */
static struct front_end others[CROWD];
static uint32_t others_next[CROWD];

/* --- what there is --- */

static void check_echo(void)
{
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
}

/* What the one that died had in its hands does not come. */
static void check_echo_after_a_death(void)
{
	next += 1000;
	check_echo();
}

static void open_session(struct front_end *to, const char *port)
{
	static const struct session_shape shape = {.memory = 128u << 10, .size = 64};

	REQUIRE(front_end_connect(to, world_port_path(&world, port)) == 0);
	REQUIRE(front_end_setup(to, &shape) == 0);
	front_end_post_buffers(to, 0);
}

static void wait_prepared(size_t place)
{
	CHECK(world_maps_become(world.secondaries[place].pid, fe.guest.fd, 1));
}

static void start_pair(void)
{
	names[0] = "a";
	names[1] = "b";
	world_start_echo(&world, 0, names[0], "vswitch", all);
	CHECK(world_secondaries_become(&world, 1));
	open_session(&fe, "p0");
	next = 0;
	check_echo();
	world_start_echo(&world, 1, names[1], "standby", all);
	wait_prepared(1);
}

/* Ports p0 … and many more. */
static void open_house(const char *const *options, unsigned int descriptors)
{
	static char port_names[CROWD + 1][8];
	const char *arguments[2 * CROWD + 24] = {"--fence-deadline", "100"};
	size_t n = 2;

	for (; *options; options++)
		arguments[n++] = *options;
	for (size_t i = 0; i <= CROWD; i++) {
		snprintf(port_names[i], sizeof(port_names[i]), "p%zu", i);
		arguments[n++] = "--port";
		arguments[n++] = port_names[i];
	}
	crowd = 0;
	world_open_limited(&world, arguments, descriptors);
}

/* --- nothing is left --- */

struct ledger {
	size_t parent_fds, fds, maps;
};

static void take_ledger(struct ledger *ledger)
{
	pid_t pid = world_ask_pid(&world, NULL);

	world_rest(&world);
	ledger->parent_fds = world_fds(world.primary, -1);
	ledger->fds = world_fds(pid, -1);
	ledger->maps = world_maps(pid, -1);
}

static void check_ledger(const struct ledger *before)
{
	pid_t pid = world_ask_pid(&world, NULL);

	CHECK(world_fds_become(world.primary, before->parent_fds));
	CHECK(world_fds_become(pid, before->fds));
	CHECK(world_maps_become(pid, -1, before->maps));
}

/* --- faults --- */

static void swap_names(void)
{
	const char *name = names[0];

	names[0] = names[1];
	names[1] = name;
}

static size_t place_of(const char *name)
{
	return name[0] == 'b';
}

/* Whoever died comes again, and waits. */
static void start_again(void)
{
	size_t place = place_of(names[1]);

	world_start_echo(&world, place, names[1], "standby", all);
	wait_prepared(place);
}

static void kill_secondary(void)
{
	size_t place = place_of(names[0]);

	front_end_send_packets(&fe, 0, next, 20);
	world_signal_echo(&world, place, SIGKILL);
	CHECK_EQ(world_reap_echo(&world, place), SIGKILL);
	swap_names();
}

static void secondary_dies(void)
{
	kill_secondary();
	check_echo_after_a_death();
	start_again();
}

/* The second one takes who has just taken over, if it has. */
static void secondary_dies_twice(void)
{
	kill_secondary();
	world_signal_echo(&world, place_of(names[0]), SIGKILL);
	CHECK_EQ(world_reap_echo(&world, place_of(names[0])), SIGKILL);
	world_start_echo(&world, place_of(names[0]), names[0], "vswitch", all);
	check_echo_after_a_death();
	start_again();
}

static void trap(void)
{
	world_trap_echo(&world, place_of(names[0]));
	(void)driver_consume_all(&fe.rings[1]);
	front_end_send_packets(&fe, 0, next, 20);
	REQUIRE(world_echo_stopped(&world, place_of(names[0])));
}

static void check_fenced(void)
{
	size_t place = place_of(names[0]);

	world_signal_echo(&world, place, SIGCONT); /* too late */
	CHECK_EQ(world_reap_echo(&world, place), SIGKILL);
	swap_names();
}

static void secondary_hangs(void)
{
	trap();
	CHECK_EQ(front_end_set_memory(&fe), 0);
	check_fenced();
	check_echo_after_a_death();
	start_again();
}

/* And when it is being fenced the one that waits dies. */
static void secondary_hangs_and_the_next_dies(void)
{
	trap();
	world_urge_hand_over(&world, names[1]);
	usleep(20000);
	world_signal_echo(&world, place_of(names[1]), SIGKILL);
	CHECK_EQ(world_reap_echo(&world, place_of(names[1])), SIGKILL);
	CHECK_EQ(front_end_set_memory(&fe), 0);
	check_fenced();
	world_start_echo(&world, place_of(names[0]), names[0], "vswitch", all);
	check_echo_after_a_death();
	start_again();
}

static void hand_over(void)
{
	int socket = world_hand_over(&world, "p0", names[1]);

	check_echo();
	CHECK_EQ(world_handed_over(socket, NULL), 1);
	swap_names();
	check_echo();
}

/* The second is asked for while the first is under way. */
static void hand_over_and_back(void)
{
	int there = world_hand_over(&world, NULL, names[1]);
	int back = world_hand_over(&world, NULL, names[0]);

	check_echo();
	(void)world_handed_over(there, NULL);
	(void)world_handed_over(back, NULL);
	check_echo();
	CHECK(world_handed_over(world_hand_over(&world, "p0", names[0]), NULL) >= 0);
	check_echo();
}

static void primary_dies(void)
{
	pid_t pid = world_ask_pid(&world, NULL);

	CHECK_EQ(kill(pid, SIGKILL), 0);
	check_echo();
	CHECK(world_ask_pid(&world, NULL) != pid);
	check_echo();
}

static void primary_dies_twice(void)
{
	CHECK_EQ(kill(world_ask_pid(&world, NULL), SIGKILL), 0);
	usleep(3000);
	if (world_find_primary(&world) > 0)
		kill(world_find_primary(&world), SIGKILL);
	check_echo();
	CHECK(world_ask_pid(&world, NULL) > 0);
	check_echo();
}

static void front_end_dies(void)
{
	front_end_send_packets(&fe, 0, next, 20);
	front_end_close(&fe);
	open_session(&fe, "p0");
	next = 0;
	check_echo();
	wait_prepared(0);
	wait_prepared(1);
}

static void front_end_dies_twice(void)
{
	front_end_close(&fe);
	open_session(&fe, "p0");
	front_end_close(&fe);
	open_session(&fe, "p0");
	next = 0;
	check_echo();
	wait_prepared(0);
	wait_prepared(1);
}

/* --- moments --- */

static void close_house(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
	world_close(&world);
}

/* Three times: the first may fill caches. */
static void happen(void (*fault)(void))
{
	struct ledger ledger;

	fault();
	take_ledger(&ledger);
	for (int i = 0; i < 2; i++)
		fault();
	check_ledger(&ledger);
}

static void without_hugepages(void (*fault)(void))
{
	static const char *const options[] = {"--supervise", "--no-huge-pages", NULL};

	open_house(options, 0);
	start_pair();
	happen(fault);
	close_house();
}

/* True: it is served. Else it was closed. */
static bool one_more(void)
{
	static const struct session_shape shape = {.memory = 64u << 10, .size = 16};
	struct front_end *other = &others[crowd];
	char name[8];

	snprintf(name, sizeof(name), "p%zu", crowd + 1);
	REQUIRE(front_end_connect(other, world_port_path(&world, name)) == 0);
	if (front_end_setup(other, &shape) == 0) {
		front_end_post_buffers(other, 0);
		others_next[crowd++] = 0;
		return true;
	}
	front_end_close(other);
	return false;
}

/* Sessions until the next is refused. */
static void fill_house(void)
{
	uint64_t before = world_counter(&world, "refused.no_resources");

	while (crowd < CROWD && one_more())
		;
	CHECK(crowd > 0 && crowd < CROWD);
	CHECK(world_counter(&world, "refused.no_resources") > before);
}

static void check_crowd(void)
{
	uint32_t missing = 0;

	for (size_t i = 0; i < crowd; i++)
		missing += front_end_echo(&others[i], 0, &others_next[i], 20);
	CHECK_EQ(missing, 0);
}

static void empty_house(void)
{
	while (crowd)
		front_end_close(&others[--crowd]);
}

static void without_descriptors_in(void (*fault)(void), const char *const *options,
				   unsigned int descriptors)
{
	size_t full;

	open_house(options, descriptors);
	start_pair();
	fill_house();
	full = crowd;
	happen(fault);
	CHECK(!one_more());
	check_crowd();
	empty_house();
	fault();
	fill_house(); /* it has room again, for as many */
	CHECK_EQ(crowd, full);
	empty_house();
	close_house();
}

static void without_descriptors(void (*fault)(void))
{
	static const char *const options[] = {"--supervise", "--no-huge-pages", NULL};

	without_descriptors_in(fault, options, SUPERVISED);
}

static void without_descriptors_alone(void (*fault)(void))
{
	static const char *const options[] = {"--no-huge-pages", NULL};

	without_descriptors_in(fault, options, ALONE);
}

static void twice_in_a_row(void (*fault)(void))
{
	static const char *const options[] = {"--supervise", NULL};

	open_house(options, 0);
	start_pair();
	happen(fault);
	close_house();
}

#define CASE(name, moment, fault)                                                                  \
	static void name(void)                                                                     \
	{                                                                                          \
		moment(fault);                                                                     \
	}

CASE(a_secondary_dies_without_hugepages, without_hugepages, secondary_dies)
CASE(a_secondary_hangs_without_hugepages, without_hugepages, secondary_hangs)
CASE(a_device_is_handed_over_without_hugepages, without_hugepages, hand_over)
CASE(the_primary_dies_without_hugepages, without_hugepages, primary_dies)
CASE(a_front_end_dies_without_hugepages, without_hugepages, front_end_dies)
CASE(a_secondary_dies_when_no_descriptor_is_left, without_descriptors, secondary_dies)
CASE(a_secondary_hangs_when_no_descriptor_is_left, without_descriptors, secondary_hangs)
CASE(a_device_is_handed_over_when_no_descriptor_is_left, without_descriptors, hand_over)
CASE(the_primary_dies_when_no_descriptor_is_left, without_descriptors, primary_dies)
CASE(a_front_end_dies_when_no_descriptor_is_left, without_descriptors, front_end_dies)
CASE(a_secondary_dies_when_a_primary_alone_has_no_descriptor_left, without_descriptors_alone,
     secondary_dies)
CASE(a_device_is_handed_over_when_a_primary_alone_has_no_descriptor_left, without_descriptors_alone,
     hand_over)
CASE(a_front_end_dies_when_a_primary_alone_has_no_descriptor_left, without_descriptors_alone,
     front_end_dies)
CASE(a_secondary_dies_and_the_next_one_too, twice_in_a_row, secondary_dies_twice)
CASE(a_secondary_hangs_and_the_next_one_dies, twice_in_a_row, secondary_hangs_and_the_next_dies)
CASE(a_device_is_handed_over_and_back_at_once, twice_in_a_row, hand_over_and_back)
CASE(the_primary_dies_and_its_successor_too, twice_in_a_row, primary_dies_twice)
CASE(a_front_end_dies_and_the_next_one_too, twice_in_a_row, front_end_dies_twice)

static const struct sentence sentences[] = {
	SENTENCE(a_secondary_dies_without_hugepages),
	SENTENCE(a_secondary_hangs_without_hugepages),
	SENTENCE(a_device_is_handed_over_without_hugepages),
	SENTENCE(the_primary_dies_without_hugepages),
	SENTENCE(a_front_end_dies_without_hugepages),
	CATALOGUE(a_secondary_dies_when_no_descriptor_is_left, "[C-6]"),
	SENTENCE(a_secondary_hangs_when_no_descriptor_is_left),
	SENTENCE(a_device_is_handed_over_when_no_descriptor_is_left),
	SENTENCE(the_primary_dies_when_no_descriptor_is_left),
	CATALOGUE(a_front_end_dies_when_no_descriptor_is_left, "[C-6]"),
	SENTENCE(a_secondary_dies_when_a_primary_alone_has_no_descriptor_left),
	SENTENCE(a_device_is_handed_over_when_a_primary_alone_has_no_descriptor_left),
	SENTENCE(a_front_end_dies_when_a_primary_alone_has_no_descriptor_left),
	SENTENCE(a_secondary_dies_and_the_next_one_too),
	SENTENCE(a_secondary_hangs_and_the_next_one_dies),
	SENTENCE(a_device_is_handed_over_and_back_at_once),
	SENTENCE(the_primary_dies_and_its_successor_too),
	CATALOGUE(a_front_end_dies_and_the_next_one_too, "[F-4]"),
};
SUITE("faults", sentences)
