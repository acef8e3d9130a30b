/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once: eight guests at full rate, a secondary killed every 10 ms and another one
 * started in its place, one stopped now and then and continued when it is too late, the primary
 * killed in between, front-ends that change their memory table meanwhile, and a guest of its own
 * that comes and goes. What may be lost is
 * counted (pump.h); nothing may be stuck, closed or left behind.
 *
 * HF_STORM_SECONDS makes it longer, HF_TEST_SEED another one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "pump.h"
#include "suite.h"
#include "world.h"

#define SECONDS	     15u
#define PLACES	     4u
#define TICK_NS	     (10 * NS_PER_MS)
#define WAIT_MS	     20000
#define ATTACHMENTS  300u
#define SESSIONS     300u
#define SLEEPERS_WAY 400u /* ms that one is stopped, at most */

static struct world world;
static struct pump pump;
static uint64_t state;

struct place {
	char name[24];
	uint64_t continue_at_ns; /* stopped until then; 0: not stopped */
	bool counted;		 /* as a death that has begun */
};

static struct place places[PLACES];
static struct {
	uint32_t deaths, stops, fenced_stops, unforeseen, not_attached, primary_deaths, handovers,
		tables, refused_tables;
} storm;

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static uint32_t any(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % below;
}

static void seed(void)
{
	uint64_t number = setting("HF_TEST_SEED", hf_now_ns() / NS_PER_MS % 1000000);

	printf("\n    HF_TEST_SEED=%llu\n", (unsigned long long)number);
	state = 0x9e3779b97f4a7c15ull * (number + 1);
}

/* --- secondaries --- */

/* Place 0 serves everything and place 3 waits; the others serve half each. */
static void start(uint32_t at)
{
	static const char *const globs[PLACES][2] = {{"*"}, {"p[0-3]"}, {"p[4-7]"}, {"*"}};
	static uint32_t number;

	snprintf(places[at].name, sizeof(places[at].name), "s%u-%u", at, ++number);
	places[at].continue_at_ns = 0;
	places[at].counted = false;
	world_start_echo(&world, at, places[at].name, at == 3 ? "standby" : "vswitch", globs[at]);
}

static void begin_death(uint32_t at)
{
	if (!places[at].counted)
		atomic_fetch_add(&pump.begun, 1);
	places[at].counted = true;
}

static void end_death(uint32_t at)
{
	places[at].counted = false;
	atomic_fetch_add(&pump.ended, 1);
	storm.deaths++;
}

/* Ours or the primary's; it found no primary just before; it was to stop itself too soon. */
static bool is_expected(int number)
{
	return number == SIGKILL || number == 0 || number == SIGUSR1;
}

static void kill_one(uint32_t at)
{
	int number;

	if (!world.secondaries[at].pid)
		return;
	begin_death(at);
	world_signal_echo(&world, at, SIGKILL);
	number = world_reap_echo(&world, at);
	CHECK(is_expected(number));
	end_death(at);
}

/* Who ended by itself found no primary when it came, or was fenced. */
static void bury(uint32_t at)
{
	bool was_counted = places[at].counted;
	int status;

	if (!world.secondaries[at].pid || !world_echo_ended(&world, at, &status))
		return;
	if (WIFSIGNALED(status)) {
		CHECK(is_expected(WTERMSIG(status)));
		storm.unforeseen += !was_counted;
		storm.fenced_stops += places[at].continue_at_ns != 0;
		begin_death(at);
		end_death(at);
	} else {
		storm.not_attached++;
	}
}

static void urge_hand_over(uint32_t to)
{
	storm.handovers++;
	world_urge_hand_over(&world, places[to].name);
}

/* Continued when whoever waits for it may have had it killed already, and soon killed itself. */
static void stop_one(uint32_t at)
{
	if (!world.secondaries[at].pid || places[at].continue_at_ns)
		return;
	begin_death(at);
	storm.stops++;
	world_signal_echo(&world, at, storm.stops % 2 ? SIGSTOP : SIGUSR1); /* in a burst, or not */
	places[at].continue_at_ns = hf_now_ns() + any(SLEEPERS_WAY) * NS_PER_MS;
	urge_hand_over((at + 1) % PLACES);
}

static void look_after(uint32_t at)
{
	uint64_t due = places[at].continue_at_ns;

	bury(at);
	if (due && hf_now_ns() >= due && world.secondaries[at].pid) {
		world_signal_echo(&world, at, SIGCONT);
		usleep(any(3000));
		kill_one(at);
	}
	if (!world.secondaries[at].pid)
		start(at);
}

/* --- the primary, and the front-ends' messages --- */

static void kill_primary(void)
{
	pid_t pid = world_find_primary(&world);

	if (pid > 0 && kill(pid, SIGKILL) == 0)
		storm.primary_deaths++;
}

/* A thread: one of them exchanges its memory table, another a descriptor, again and again. */
static void *talk(void *context)
{
	(void)context;
	for (uint32_t i = 0; !atomic_load(&pump.stop); i++) {
		struct front_end *fe = &pump.guests[i * 5 % PUMP_GUESTS].fe;
		long long result = i % 3 ? front_end_set_memory(fe)
					 : front_end_set_fd(fe, FE_SET_VRING_CALL, i & 1);

		storm.tables++;
		storm.refused_tables += result != 0;
		usleep(20000);
	}
	return NULL;
}

/* --- a guest that comes and goes --- */

static struct {
	uint32_t sessions, refused, silent, torn, unknown;
	uint32_t sent, came; /* in the session that is on */
} visits;

static void on_visitors_packet(struct front_end *fe, uint32_t number)
{
	(void)fe;
	visits.unknown += number >= visits.sent;
	visits.came++;
}

/* A switch that dies takes packets along: so more of them, until some come. */
static bool hears_something(struct front_end *fe)
{
	uint64_t give_up = fair_clock_ns(&pump.clock) + (uint64_t)WAIT_MS * NS_PER_MS;
	uint32_t unused = 0;

	visits.sent = visits.came = 0;
	while (!visits.came && fair_clock_ns(&pump.clock) < give_up) {
		visits.sent += front_end_send_packets(fe, 0, visits.sent, 8);
		usleep(1000);
		front_end_receive_packets(fe, 0, &unused, &visits.torn);
	}
	return visits.came;
}

/* Until the primary has seen that the last one is gone it closes the next one. Each try may take
 * WAIT_MS where no primary comes back. */
static bool visit(struct front_end *fe)
{
	static const struct session_shape shape;
	uint64_t give_up = fair_clock_ns(&pump.clock) + (uint64_t)WAIT_MS * NS_PER_MS;

	while (fair_clock_ns(&pump.clock) < give_up && !atomic_load(&pump.stop)) {
		if (front_end_connect(fe, world_port_path(&world, "x")) == 0 &&
		    front_end_setup(fe, &shape) == 0)
			return true;
		front_end_close(fe);
		usleep(1000);
	}
	return false;
}

/* A thread: it counts, and asserts nothing. */
static void *come_and_go(void *context)
{
	struct front_end fe;

	(void)context;
	while (!atomic_load(&pump.stop)) {
		if (!visit(&fe)) {
			visits.refused += !atomic_load(&pump.stop);
			continue;
		}
		fe.received = on_visitors_packet;
		front_end_post_buffers(&fe, 0);
		visits.silent += !hears_something(&fe);
		visits.sessions++;
		front_end_close(&fe);
	}
	return NULL;
}

static void judge_visits(void)
{
	printf("    a guest came and went %u times\n", visits.sessions);
	CHECK(visits.sessions > 0);
	CHECK_EQ(visits.refused, 0);
	CHECK_EQ(visits.silent, 0);
	CHECK_EQ(visits.torn, 0);
	CHECK_EQ(visits.unknown, 0);
}

/* --- the storm --- */

static void tick(void)
{
	uint32_t kind = any(100), at = any(PLACES);

	for (uint32_t i = 0; i < PLACES; i++)
		look_after(i);
	if (kind < 6)
		kill_primary();
	if (kind < 9)
		stop_one(at);
	else if (kind < 12)
		urge_hand_over(at);
	else if (!places[at].continue_at_ns || kind < 30)
		kill_one(at);
	if (!world.secondaries[at].pid)
		start(at);
}

static void tell(const char *what)
{
	char command[200];

	printf("\n    %s\n", what);
	(void)fflush(stdout);
	snprintf(command, sizeof(command), "timeout 5 \"$HOLDFAST\" --run-dir '%s' %s", world.dir,
		 what);
	(void)!system(command);
}

/* What has gone wrong here was not understood when it was seen: all that can be said. */
static void tell_all(unsigned int nr_ports)
{
	static const char *const questions[] = {"events", "health", "stats", "secondary list",
						"doctor"};

	for (size_t i = 0; i < ARRAY_SIZE(questions); i++)
		tell(questions[i]);
	for (unsigned int i = 0; i < nr_ports; i++) {
		char question[32];

		snprintf(question, sizeof(question), "port show p%u --rings", i);
		tell(question);
	}
}

/* On a machine that leaves us little the time is over before anything has happened. */
static bool something_is_missing(void)
{
	return !storm.deaths || !storm.primary_deaths;
}

static void rage(uint64_t seconds)
{
	uint64_t until = hf_now_ns() + seconds * NS_PER_S, next = hf_now_ns();
	pthread_t talker, visitor;
	bool all_was_taken;

	REQUIRE(pthread_create(&talker, NULL, talk, NULL) == 0);
	REQUIRE(pthread_create(&visitor, NULL, come_and_go, NULL) == 0);
	for (; next < until || (seconds && something_is_missing()); next += TICK_NS) {
		uint64_t now = hf_now_ns();

		if (now < next)
			usleep((useconds_t)((next - now) / NS_PER_US));
		else if (now - next > NS_PER_S)
			next = now;
		tick();
	}
	for (uint32_t i = 0; i < PLACES; i++)
		if (places[i].continue_at_ns)
			places[i].continue_at_ns = 1;
	for (uint32_t i = 0; i < PLACES; i++)
		look_after(i);
	all_was_taken = pump_stop(&pump);
	CHECK(all_was_taken);
	if (!all_was_taken)
		tell_all(PUMP_GUESTS);
	pthread_join(talker, NULL);
	pthread_join(visitor, NULL);
}

/* Who came when the primary died has ended, and another one comes in its place. */
static bool all_places_become_taken(void)
{
	for (int ms = 0; ms < WAIT_MS; ms++) {
		if (world_count_secondaries(&world) == PLACES)
			return true;
		for (uint32_t i = 0; i < PLACES; i++) {
			bury(i);
			if (!world.secondaries[i].pid)
				start(i);
		}
		usleep(1000);
	}
	return false;
}

struct ledger {
	size_t parent_fds, parent_maps, primary_fds, primary_maps, own_fds, own_maps;
};

/* Of a life that has just taken over everything, with all places taken. */
static void take_ledger(struct ledger *ledger)
{
	pid_t pid = world_ask_pid(&world, NULL);

	CHECK(all_places_become_taken());
	REQUIRE(kill(pid, SIGKILL) == 0);
	CHECK(world_ask_pid(&world, NULL) != pid);
	CHECK(all_places_become_taken());
	pump_check_echo(&pump, 200);
	pid = world_ask_pid(&world, NULL);
	world_rest(&world);
	*ledger = (struct ledger){
		.parent_fds = world_fds(world.primary, -1),
		.parent_maps = world_maps(world.primary, -1),
		.primary_fds = world_fds(pid, -1),
		.primary_maps = world_maps(pid, -1),
		.own_fds = world_fds(getpid(), -1),
		.own_maps = world_maps(getpid(), -1),
	};
}

static void check_ledger(const struct ledger *before)
{
	struct ledger after;

	take_ledger(&after);
	CHECK_EQ(after.parent_fds, before->parent_fds);
	CHECK_EQ(after.parent_maps, before->parent_maps);
	CHECK_EQ(after.primary_fds, before->primary_fds);
	CHECK_EQ(after.primary_maps, before->primary_maps);
	CHECK_EQ(after.own_fds, before->own_fds);
	CHECK_EQ(after.own_maps, before->own_maps);
}

static void open_storm(void)
{
	static const char *const arguments[] = {"--supervise", "--max-secondaries",
						"16",	       "--fence-deadline",
						"60",	       "--port",
						"p0",	       "--port",
						"p1",	       "--port",
						"p2",	       "--port",
						"p3",	       "--port",
						"p4",	       "--port",
						"p5",	       "--port",
						"p6",	       "--port",
						"p7",	       "--port",
						"x",	       NULL};

	memset(&storm, 0, sizeof(storm));
	seed();
	world_open(&world, arguments);
	for (uint32_t i = 0; i < PLACES; i++)
		start(i);
	pump_open(&pump, world.dir, PUMP_GUESTS);
}

static void a_storm_leaves_nothing_stuck_closed_or_behind(void)
{
	struct ledger before;

	open_storm();
	pump_start(&pump); /* a thread once: what it needs stays */
	usleep(300000);
	rage(0);
	take_ledger(&before);
	memset(&storm, 0, sizeof(storm));
	pump_start(&pump);
	rage(setting("HF_STORM_SECONDS", SECONDS));
	printf("    %u secondaries died (%u unforeseen, %u could not attach), %u stopped (%u "
	       "fenced); %u hand-overs asked for; the primary died %u times; %u messages, %u "
	       "refused\n",
	       storm.deaths, storm.unforeseen, storm.not_attached, storm.stops, storm.fenced_stops,
	       storm.handovers, storm.primary_deaths, storm.tables, storm.refused_tables);
	/* Who is too busy to empty its hands in time has packets of its device until it dies. */
	pump_judge(&pump, storm.deaths, storm.unforeseen + storm.handovers,
		   storm.stops + storm.unforeseen);
	judge_visits();
	CHECK(!something_is_missing());
	CHECK_EQ(storm.refused_tables, 0);
	check_ledger(&before);
	for (uint32_t i = 0; i < PLACES; i++)
		kill_one(i);
	CHECK(world_secondaries_become(&world, 0));
	pump_close(&pump);
	world_close(&world);
}

/* --- hundreds of times, in a house that has room for two or three --- */

static struct front_end fe;
static uint32_t next;
static const char *const all[] = {"*", NULL};

static void open_session(void)
{
	static const struct session_shape shape;

	REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
	REQUIRE(front_end_setup(&fe, &shape) == 0);
	front_end_post_buffers(&fe, 0);
	next = 0;
}

static void close_session(void)
{
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
}

static void kill_primary_now_and_then(uint32_t round)
{
	if (round % 25 == 7)
		kill_primary();
}

static void note_house(size_t house[4])
{
	pid_t pid = world_ask_pid(&world, NULL);

	world_rest(&world);
	house[0] = world_fds(world.primary, -1);
	house[1] = world_maps(world.primary, -1);
	house[2] = world_fds(pid, -1);
	house[3] = world_maps(pid, -1);
}

static void check_house(const size_t before[4])
{
	pid_t pid = world_ask_pid(&world, NULL);

	CHECK(world_fds_become(world.primary, before[0]));
	CHECK(world_maps_become(world.primary, -1, before[1]));
	CHECK(world_fds_become(pid, before[2]));
	CHECK(world_maps_become(pid, -1, before[3]));
}

static void attachments_by_the_hundred_leave_no_place_taken(void)
{
	static const char *const arguments[] = {
		"--supervise", "--no-huge-pages", "--max-secondaries", "2", "--port", "p0", NULL};
	size_t before[4];

	world_open(&world, arguments);
	open_session();
	note_house(before);
	for (uint32_t round = 0; round < ATTACHMENTS; round++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", round);
		world_start_echo(&world, 0, name, round % 2 ? "vswitch" : "standby", all);
		next += 1000; /* what the one before took along does not come */
		CHECK_EQ(front_end_echo(&fe, 0, &next, 20), 0);
		kill_primary_now_and_then(round);
		if (round % 3) {
			world_signal_echo(&world, 0, SIGKILL);
			CHECK_EQ(world_reap_echo(&world, 0), SIGKILL);
		} else {
			CHECK_EQ(world_stop_echo(&world, 0), 0);
		}
	}
	CHECK(world_secondaries_become(&world, 0));
	check_house(before);
	close_session();
	world_close(&world);
}

static uint32_t echo_or_tell(void)
{
	uint32_t wrong = front_end_echo(&fe, 0, &next, 20);

	if (!wrong)
		return 0;
	printf("\n    %u of 20 packets are missing or wrong\n", wrong);
	tell_all(1);
	return wrong;
}

/* A lane of a page: six vrings. */
static void sessions_by_the_hundred_leave_no_lane_entry_taken(void)
{
	static const char *const arguments[] = {
		"--supervise", "--no-huge-pages", "--lane-vrings", "6", "--port", "p0", NULL};
	size_t before[4];

	world_open(&world, arguments);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	world_start_echo(&world, 1, "spare", "standby", all);
	CHECK(world_secondaries_become(&world, 2));
	note_house(before);
	for (uint32_t round = 0; round < SESSIONS; round++) {
		open_session();
		kill_primary_now_and_then(round);
		CHECK_EQ(echo_or_tell(), 0);
		kill_primary_now_and_then(round + 12);
		close_session();
	}
	check_house(before);
	world_close(&world);
}

static const struct sentence sentences[] = {
	SENTENCE(attachments_by_the_hundred_leave_no_place_taken),
	SENTENCE(sessions_by_the_hundred_leave_no_lane_entry_taken),
	CATALOGUE(a_storm_leaves_nothing_stuck_closed_or_behind, "[X-2] [X-3]"),
};
SUITE("storm", sentences)
