/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many front-ends, several secondaries: everybody gets what is his, nobody anything else, and
 * nothing is left behind. Over the real sockets, with real processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define MAX_SESSIONS   256u
#define NR_SECONDARIES 4u
#define PACKETS	       500u

static struct world world;
static const char *const all[] = {"*", NULL};

static void open_session(struct front_end *fe, const char *port, const struct session_shape *shape)
{
	REQUIRE(front_end_connect(fe, world_port_path(&world, port)) == 0);
	REQUIRE(front_end_setup(fe, shape) == 0);
	for (uint32_t p = 0; p < fe->nr_rings / 2; p++)
		front_end_post_buffers(fe, p);
}

static void close_session(struct front_end *fe)
{
	uint32_t breaches = 0;

	for (uint32_t i = 0; i < fe->nr_rings; i++)
		breaches += driver_check(&fe->rings[i]);
	CHECK_EQ(breaches, 0);
	front_end_close(fe);
}

static void packets_come_back_whole_and_in_order_on_every_pair(void)
{
	static const uint64_t features[] = {FE_VERSION_1, FE_VERSION_1 | FE_MRG_RXBUF,
					    FE_VERSION_1 | FE_MRG_RXBUF | 1ull << 29};
	static const char *const arguments[] = {"--port", "p0", NULL};
	struct front_end fe;

	world_open(&world, arguments);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		struct session_shape shape = {
			.features = features[i], .queue_pairs = 4, .base = 65500};
		uint32_t next[4] = {0};

		open_session(&fe, "p0", &shape);
		for (uint32_t round = 0; round < 4; round++)
			for (uint32_t p = 0; p < fe.nr_rings / 2; p++)
				CHECK_EQ(front_end_echo(&fe, p, &next[p], PACKETS), 0);
		close_session(&fe);
	}
	world_close(&world);
}

static void a_client_mode_port_connects_again_and_again(void)
{
	struct session_shape shape = {0};
	struct front_end fe;
	char path[128];
	int listener;

	world_open(&world, NULL);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	snprintf(path, sizeof(path), "%s/vmm.sock", world.dir);
	world_add_port(&world, "c0", true, path); /* nobody listens yet */
	for (int life = 0; life < 3; life++) {
		uint32_t next = 0;

		listener = front_end_listen(path);
		REQUIRE(listener >= 0);
		REQUIRE(front_end_accept(&fe, listener) == 0);
		REQUIRE(front_end_setup(&fe, &shape) == 0);
		front_end_post_buffers(&fe, 0);
		CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
		close(listener);
		unlink(path);
		close_session(&fe);
	}
	world_close(&world);
}

static struct front_end sessions[MAX_SESSIONS];
static uint32_t nr_sessions;
static const char prefixes[] = "abcd"; /* one for each secondary */

static void open_all_sessions(void)
{
	struct session_shape shape = {.size = 64, .memory = 128u << 10};
	char name[16];

	for (uint32_t i = 0; i < nr_sessions; i++) {
		snprintf(name, sizeof(name), "%c%u", prefixes[i % NR_SECONDARIES], i);
		open_session(&sessions[i], name, &shape);
	}
}

/* Who has the session's memory mapped, or open? Its secondary and the primary, nobody else. */
static void check_who_has_it(const struct front_end *fe, uint32_t owner)
{
	for (uint32_t s = 0; s < NR_SECONDARIES; s++) {
		pid_t pid = world.secondaries[s].pid;

		CHECK_EQ(world_maps(pid, fe->guest.fd), s == owner);
		if (s != owner) {
			CHECK_EQ(world_fds(pid, fe->guest.fd), 0);
		}
	}
}

static void run_all_sessions(void)
{
	uint32_t missing = 0;

	open_all_sessions();
	for (uint32_t i = 0; i < nr_sessions; i++) {
		uint32_t next = 0;

		missing += front_end_echo(&sessions[i], 0, &next, 100);
	}
	CHECK_EQ(missing, 0);
	for (uint32_t i = 0; i < nr_sessions; i += 5)
		check_who_has_it(&sessions[i], i % NR_SECONDARIES);
	for (uint32_t i = 0; i < nr_sessions; i++)
		close_session(&sessions[i]);
}

/* The primary, then its secondaries. */
static pid_t process(uint32_t i)
{
	return i ? world.secondaries[i - 1].pid : world.primary;
}

/* What all of them hold when nothing changes any more: a slow machine is long at giving back. */
static void settle(size_t *fds, size_t *maps)
{
	size_t before, now = 0;

	do {
		before = now;
		now = 0;
		usleep(1000000);
		for (uint32_t i = 0; i <= NR_SECONDARIES; i++) {
			fds[i] = world_fds(process(i), -1);
			maps[i] = world_maps(process(i), -1);
			now += fds[i] + maps[i];
		}
	} while (now != before);
}

static void sessions_on_4_secondaries(uint32_t count)
{
	size_t fds[NR_SECONDARIES + 1] = {0}, maps[NR_SECONDARIES + 1] = {0};
	char name[16], glob[4] = "x*";

	nr_sessions = count;
	world_open(&world, NULL);
	for (uint32_t i = 0; i < nr_sessions; i++) {
		snprintf(name, sizeof(name), "%c%u", prefixes[i % NR_SECONDARIES], i);
		world_add_port(&world, name, false, NULL);
	}
	for (uint32_t s = 0; s < NR_SECONDARIES; s++) {
		const char *const globs[] = {glob, NULL};

		glob[0] = prefixes[s];
		snprintf(name, sizeof(name), "echo-%u", s);
		world_start_echo(&world, s, name, "vswitch", globs);
	}
	/* The first time fills caches; from then on the ledger must not change. Hugepages are in
	 * it: one that is neither mapped nor open by anybody is free. */
	for (int round = 0; round < 3; round++) {
		run_all_sessions();
		if (!round)
			settle(fds, maps);
		for (uint32_t i = 0; i <= NR_SECONDARIES; i++) {
			CHECK(world_fds_become(process(i), fds[i]));
			CHECK(world_maps_become(process(i), -1, maps[i]));
		}
	}
	world_close(&world);
}

static void sessions_256_on_4_secondaries_that_see_only_their_own(void)
{
	sessions_on_4_secondaries(256);
}

static void sessions_32_on_4_secondaries_that_see_only_their_own(void)
{
	sessions_on_4_secondaries(32);
}

static void an_observer_gets_no_guest_memory(void)
{
	static const char *const arguments[] = {"--port", "p0", NULL};
	struct session_shape shape = {0};
	struct front_end fe;
	uint32_t next = 0;

	world_open(&world, arguments);
	world_start_echo(&world, 0, "watch", "observer", all);
	world_start_echo(&world, 1, "echo", "vswitch", all);
	open_session(&fe, "p0", &shape);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
	CHECK_EQ(world_maps(world.secondaries[0].pid, fe.guest.fd), 0);
	CHECK_EQ(world_fds(world.secondaries[0].pid, fe.guest.fd), 0);
	CHECK_EQ(world_maps(world.secondaries[1].pid, fe.guest.fd), 1);
	close_session(&fe);
	world_close(&world);
}

static void a_second_client_is_refused_and_the_first_not_disturbed(void)
{
	static const char *const arguments[] = {"--port", "p0", NULL};
	struct session_shape shape = {0};
	struct front_end first, second;
	uint32_t next = 0;
	int result;

	world_open(&world, arguments);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	open_session(&first, "p0", &shape);
	CHECK_EQ(front_end_echo(&first, 0, &next, PACKETS), 0);
	result = front_end_connect(&second, world_port_path(&world, "p0"));
	CHECK(second.is_device ? result == -EBUSY : !result && front_end_is_closed(&second));
	front_end_close(&second);
	CHECK_EQ(front_end_echo(&first, 0, &next, PACKETS), 0);
	close_session(&first);
	world_close(&world);
}

static const struct sentence sentences[] = {
	SENTENCE(packets_come_back_whole_and_in_order_on_every_pair),
	SENTENCE_OF("vhost-user", a_client_mode_port_connects_again_and_again),
	SENTENCE(an_observer_gets_no_guest_memory),
	CATALOGUE(a_second_client_is_refused_and_the_first_not_disturbed, "[21]"),
	SENTENCE_OF("vhost-user", sessions_256_on_4_secondaries_that_see_only_their_own),
	SENTENCE_OF("cuse", sessions_32_on_4_secondaries_that_see_only_their_own),
};
SUITE("sessions", sentences)
