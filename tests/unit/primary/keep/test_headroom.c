/* SPDX-License-Identifier: Apache-2.0 */
/* primary/keep/headroom.h: who may have the descriptors that are left. */
#include "headroom.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "conf.h"
#include "fd.h"
#include "port.h"
#include "primary.h"
#include "suite.h"

#define LIMIT	640u
#define RESERVE 64u
#define BESIDE	(RESERVE * 3 / 4) /* what one that takes more leaves besides */
#define RIGHT	8u
#define PORTS	4u

static struct primary primary;
static struct conf conf;
static struct port *ports[PORTS];
static struct rlimit old;

/* Sessions on the first `sessions` ports, with nothing but their sockets; no store: what is short
 * is the table. */
static void begin(size_t sessions)
{
	const struct rlimit tight = {LIMIT, LIMIT};

	conf = (struct conf){.max_devices = PORTS};
	primary = (struct primary){.conf = &conf, .ports = ports};
	for (size_t i = 0; i < PORTS; i++) {
		ports[i] = calloc(1, sizeof(*ports[i]));
		REQUIRE(ports[i] != NULL);
		device_init(&ports[i]->device, &primary, ports[i], (uint32_t)i);
		ports[i]->device.session = i < sessions ? i + 1 : 0;
		headroom_note(&ports[i]->device);
	}
	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &(struct rlimit){tight.rlim_cur, old.rlim_max}) == 0);
}

static void end(void)
{
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	for (size_t i = 0; i < PORTS; i++) {
		device_reset(&ports[i]->device);
		free(ports[i]);
	}
}

/* It has taken so many. */
static void has(size_t port, uint32_t descriptors)
{
	ports[port]->device.descriptors.now = descriptors;
	ports[port]->device.descriptors.most =
		(uint32_t)max_u64(ports[port]->device.descriptors.most, descriptors);
}

/* Numbers are given from below: as if all up to there were taken. */
static bool may_have(size_t port, uint32_t used, uint32_t more, uint32_t replaced)
{
	int fds[8];

	for (uint32_t i = 0; i < more; i++)
		fds[i] = (int)(used + i);
	return headroom_for_message(&ports[port]->device, fds, more, replaced);
}

static void the_last_ones_are_not_who_takes_most(void)
{
	uint32_t owed = 2 * 2 * (RIGHT - 1), left = LIMIT - owed - BESIDE;

	begin(3); /* two others */
	has(0, 200);
	CHECK(may_have(0, left - 2, 1, 0)); /* one number more for itself, one for the store */
	CHECK(!may_have(0, left - 1, 1, 0));
	CHECK(may_have(1, left - 1, 1, 0)); /* it has a right to it */
	CHECK(may_have(1, LIMIT - 8, 4, 0));
	CHECK(!may_have(1, LIMIT - 8, 5, 0)); /* there are none */
	end();
}

static void what_a_session_once_had_it_may_have_again(void)
{
	begin(2);
	has(1, 40);
	has(1, 5); /* it starts anew */
	CHECK(may_have(1, LIMIT - 20, 8, 0));
	has(1, 40);
	CHECK(!may_have(1, LIMIT - 20, 8, 0));
	/* Nobody takes it meanwhile. */
	has(1, 5);
	has(0, 100);
	CHECK(!may_have(0, LIMIT - 2 * 35 - BESIDE, 1, 0));
	CHECK(may_have(0, LIMIT - 2 * 35 - BESIDE - 2, 1, 0));
	end();
}

static void an_exchange_takes_nothing_from_anybody(void)
{
	begin(4);
	has(0, 200);
	CHECK(!may_have(0, LIMIT - 8, 1, 0));
	CHECK(may_have(0, LIMIT - 8, 1, 1));
	CHECK(!may_have(0, LIMIT - 1, 2, 2)); /* for a moment both are there */
	end();
}

/* A low number is free again as soon as anybody has gone. */
static void a_low_number_does_not_hide_what_secondaries_have(void)
{
	struct secondary *secondaries[LIMIT / 8] = {NULL};
	struct secondary *one = (struct secondary *)(void *)secondaries; /* nobody looks into it */

	begin(1);
	primary.secondaries = secondaries;
	conf.max_secondaries = LIMIT / 8;
	CHECK(headroom_for_new(&primary, NEW_FRONT_END, 3));
	for (size_t i = 0; i < LIMIT / 8 - 8; i++)
		secondaries[i] = one;
	CHECK(!headroom_for_new(&primary, NEW_FRONT_END, 3));
	primary.secondaries = NULL;
	conf.max_secondaries = 0;
	end();
}

static void who_is_new_comes_after_what_is_owed(void)
{
	uint32_t owed = 2 * (40 - 5);

	begin(1);
	has(0, 40);
	has(0, 5);
	CHECK(headroom_for_new(&primary, NEW_FRONT_END, (int)(LIMIT - RESERVE - owed - 1)));
	CHECK(!headroom_for_new(&primary, NEW_FRONT_END, (int)(LIMIT - RESERVE - owed)));
	CHECK(headroom_for_new(&primary, NEW_SECONDARY, (int)(LIMIT - RESERVE / 2 - 1)));
	CHECK(!headroom_for_new(&primary, NEW_SECONDARY, (int)(LIMIT - RESERVE / 2)));
	end();
}

static void all_that_a_session_holds_is_counted(void)
{
	struct device *device;

	begin(1);
	device = &ports[0]->device;
	CHECK_EQ(device->descriptors.now, 1);
	device->vrings[0].kick = eventfd(0, EFD_CLOEXEC);
	device->vrings[255].call = eventfd(0, EFD_CLOEXEC);
	device->vrings[7].err = eventfd(0, EFD_CLOEXEC);
	headroom_note(device);
	CHECK_EQ(device->descriptors.now, 4);
	hf_fd_close(&device->vrings[0].kick);
	headroom_note(device);
	CHECK_EQ(device->descriptors.now, 3);
	CHECK_EQ(device->descriptors.most, 4);
	device_reset(device);
	CHECK_EQ(device->descriptors.most, 0);
	end();
}

static const struct sentence sentences[] = {
	CATALOGUE(the_last_ones_are_not_who_takes_most, "[C-6]"),
	SENTENCE(what_a_session_once_had_it_may_have_again),
	SENTENCE(an_exchange_takes_nothing_from_anybody),
	SENTENCE(who_is_new_comes_after_what_is_owed),
	SENTENCE(a_low_number_does_not_hide_what_secondaries_have),
	SENTENCE(all_that_a_session_holds_is_counted),
};
SUITE("headroom", sentences)
