/* SPDX-License-Identifier: Apache-2.0 */
/* primary/session/allowance.h, and the time a front-end has to say its first message. */
#include "allowance.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fake_grants.h"
#include "fd.h"
#include "front.h"
#include "port.h"
#include "ports.h"
#include "refusal.h"
#include "session.h"
#include "suite.h"

#define OWN_USER   7u
#define OTHER_USER 8u

static struct front front;

static void begin(uint32_t rate, uint32_t burst)
{
	front_begin();
	front_conf.message_rate = rate;
	front_conf.message_burst = burst;
	front_connect(&front);
}

static void end(void)
{
	front_close(&front);
	front_end();
}

static void ask(struct front *from, unsigned int times)
{
	while (times--)
		front_u64(from, VU_SET_STATUS, 1);
}

static uint64_t handled(const struct port *port)
{
	return port->session ? port->session->messages : 0;
}

/* A round of the loop reads for so long, and no longer. */
static void until_handled(const struct port *port, uint64_t wanted)
{
	for (int i = 0; i < 20000 && handled(port) < wanted; i++)
		front_turn();
	CHECK(handled(port) >= wanted);
}

static void until_throttled(uint64_t times)
{
	for (int i = 0; i < 20000 && primary.refusals[REFUSED_THROTTLED] < times; i++)
		front_turn();
	CHECK(primary.refusals[REFUSED_THROTTLED] >= times);
}

static struct port *other_port(struct front *other)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *reason = "";
	struct port *port;

	REQUIRE(port_add(&primary, "q", NULL, false, 2, &reason) == 0);
	port = port_find(&primary, "q");
	strcpy(address.sun_path, port->path);
	other->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	REQUIRE(connect(other->socket, (struct sockaddr *)&address, sizeof(address)) == 0);
	front_turn();
	return port;
}

static void who_says_too_much_is_read_slower_but_to_the_last_message(void)
{
	uint64_t begun, soon, passed;

	begin(50, 20);
	begun = hf_now_ns();
	front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	ask(&front, 30);
	until_handled(front_port(), 20);
	until_throttled(1);
	soon = handled(front_port());
	passed = (hf_now_ns() - begun) * 50 / NS_PER_S;
	CHECK(soon >= 20 && soon <= 20 + passed + 1);
	for (int i = 0; i < 2000 && handled(front_port()) < soon + 10; i++)
		front_wait(20);
	CHECK(handled(front_port()) >= 30);
	CHECK(!front_is_closed(&front));
	/* All that waited was waited for once. */
	CHECK(primary.refusals[REFUSED_THROTTLED] <= handled(front_port()) - 20 + 1);
	end();
}

static void nobody_waits_for_who_has_spent_its_allowance(void)
{
	struct front other = {.socket = -1};
	struct port *port;

	begin(1, 20);
	front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	ask(&front, 200);
	until_throttled(1);
	CHECK(handled(front_port()) < 40);
	port = other_port(&other);
	for (int i = 0; i < 15; i++)
		front_send(&other, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	until_handled(port, 15);
	CHECK(handled(front_port()) < 40);
	hf_fd_close(&other.socket);
	end();
}

static void a_connection_that_comes_again_finds_what_its_port_has_left(void)
{
	uint64_t throttled;

	begin(1, 20);
	front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	ask(&front, 40);
	until_throttled(1);
	CHECK(handled(front_port()) < 40);
	throttled = primary.refusals[REFUSED_THROTTLED];
	/* It closes with messages unread; who comes next finds that out. */
	front_close(&front);
	front_connect(&front);
	front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	ask(&front, 20);
	until_throttled(throttled + 1);
	CHECK_EQ(front_port()->sessions, 2);
	CHECK(handled(front_port()) < 20);
	end();
}

static void many_front_ends_of_a_user_share_what_sixteen_ports_have(void)
{
	struct port ports[20];
	struct user_allowance *user, *other;

	begin(1, 100);
	for (int i = 0; i < 20; i++)
		ports[i] = (struct port){.primary = &primary};
	user = allowance_take(&primary, OWN_USER);
	other = allowance_take(&primary, OTHER_USER);
	REQUIRE(user && other && user != other);
	for (unsigned int i = 0; i < ALLOWANCE_PORTS_OF_USER * 100; i++) {
		CHECK_EQ(allowance_wait_ns(&ports[i % 20], user), 0);
		allowance_spend(&ports[i % 20], user);
	}
	for (int i = 0; i < 200; i++)
		allowance_spend(&ports[i % 20], user);
	for (int i = 0; i < 20; i++) {
		CHECK(allowance_wait_ns(&ports[i], user) > 0);
		CHECK_EQ(allowance_wait_ns(&ports[i], NULL), 0);
		CHECK_EQ(allowance_wait_ns(&ports[i], other), 0);
	}
	allowance_give_back(user);
	allowance_give_back(other);
	end();
}

static void a_user_that_went_has_spent_what_it_spent(void)
{
	struct port fresh = {.primary = &primary};
	struct user_allowance *user, *again, *others[4];

	begin(1, 10);
	user = allowance_take(&primary, OWN_USER);
	for (unsigned int i = 0; i < 2 * ALLOWANCE_PORTS_OF_USER * 10; i++)
		allowance_spend(&fresh, user);
	fresh.messages = (struct rate){0};
	allowance_give_back(user);
	/* The front-end's own user has a place; others that come and go take the rested ones. */
	for (unsigned int i = 0; i < 40; i++)
		allowance_give_back(allowance_take(&primary, 100 + i));
	again = allowance_take(&primary, OWN_USER);
	CHECK(allowance_wait_ns(&fresh, again) > 0);
	/* All places are somebody's: then there is none, and no more sessions than ports. */
	others[0] = allowance_take(&primary, 200);
	others[1] = allowance_take(&primary, 201);
	others[2] = allowance_take(&primary, 202);
	CHECK(others[0] && others[1] && !others[2]);
	allowance_give_back(again);
	allowance_give_back(others[0]);
	allowance_give_back(others[1]);
	end();
}

static void a_set_up_of_128_queue_pairs_is_within_the_burst(void)
{
	struct conf conf;
	char *none[] = {"holdfastd", NULL};
	unsigned int said = 0;

	REQUIRE(conf_parse(&conf, 1, none) == 0);
	begin(1, conf.message_burst);
	front_port()->queue_pairs = 128;
	front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	front_turn();
	/* By the firmware, and again by the system: of each ring its size, base, address, three
	 * descriptors, on, off, and its base at the end. */
	for (unsigned int i = 0; i < 2 * 9 * 256; i++, said++) {
		front_state(&front, VU_SET_VRING_NUM, i % 256, 256);
		if (i % 32 == 0) /* a full socket would take no more */
			until_handled(front_port(), said);
	}
	until_handled(front_port(), said + 1);
	CHECK_EQ(primary.refusals[REFUSED_THROTTLED], 0);
	end();
}

static void without_a_limit_nobody_is_counted(void)
{
	begin(0, 0);
	front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	ask(&front, 200);
	until_handled(front_port(), 205);
	CHECK_EQ(handled(front_port()), 205);
	CHECK_EQ(primary.refusals[REFUSED_THROTTLED], 0);
	end();
}

/* --- the first message --- */

static void begin_with_deadline(uint64_t ms)
{
	front_begin();
	front_conf.greet_deadline_ns = ms * NS_PER_MS;
	front_connect(&front);
}

static void closed_in_the_end(void)
{
	for (int i = 0; i < 2000 && !front_is_closed(&front); i++)
		front_wait(10);
	CHECK(front_is_closed(&front));
	CHECK_EQ(primary.refusals[REFUSED_GREET_DEADLINE], 1);
	CHECK(front_port()->session == NULL);
}

static void who_connects_and_says_nothing_is_closed(void)
{
	begin_with_deadline(30);
	closed_in_the_end();
	front_close(&front);
	/* The port serves the next one. */
	front_conf.greet_deadline_ns = 3600 * NS_PER_S;
	front_connect(&front);
	front_send(&front, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	CHECK(front_reply_u64(&front, VU_GET_FEATURES) != UINT64_MAX - 1);
	end();
}

static void half_a_message_is_no_greeting(void)
{
	const struct vu_header half = {VU_GET_FEATURES, VU_VERSION, 0};

	begin_with_deadline(30);
	front_send_bytes(&front, &half, 5, NULL, 0);
	closed_in_the_end();
	CHECK_EQ(primary.refusals[REFUSED_MESSAGE_TIMEOUT], 0);
	end();
}

static void who_said_one_message_may_be_silent_for_ever(void)
{
	begin_with_deadline(3600 * 1000);
	CHECK(front_port()->session->greeting.at_ns != 0);
	front_send(&front, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	CHECK(front_reply_u64(&front, VU_GET_FEATURES) != UINT64_MAX - 1);
	CHECK_EQ(front_port()->session->greeting.at_ns, 0);
	CHECK_EQ(front_port()->session->deadline.at_ns, 0);
	end();
}

static void who_is_not_read_is_not_blamed_for_it(void)
{
	begin_with_deadline(3600 * 1000);
	primary.holding = true;
	front_send(&front, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	REQUIRE(loop_timer_set(primary.loop, &front_port()->session->greeting, 0) == 0);
	front_turn();
	front_wait(20);
	CHECK_EQ(handled(front_port()), 0);
	CHECK_EQ(primary.refusals[REFUSED_GREET_DEADLINE], 0);
	primary.holding = false;
	CHECK(front_port()->session != NULL);
	for (int i = 0; i < 2000 && !handled(front_port()); i++)
		front_wait(10);
	CHECK_EQ(handled(front_port()), 1);
	end();
}

static const struct sentence sentences[] = {
	CATALOGUE(who_says_too_much_is_read_slower_but_to_the_last_message, "[M-18]"),
	CATALOGUE(nobody_waits_for_who_has_spent_its_allowance, "[M-18]"),
	SENTENCE(a_connection_that_comes_again_finds_what_its_port_has_left),
	CATALOGUE(many_front_ends_of_a_user_share_what_sixteen_ports_have, "[M-18]"),
	SENTENCE(a_user_that_went_has_spent_what_it_spent),
	SENTENCE(a_set_up_of_128_queue_pairs_is_within_the_burst),
	SENTENCE(without_a_limit_nobody_is_counted),
	CATALOGUE(who_connects_and_says_nothing_is_closed, "[M-16]"),
	CATALOGUE(half_a_message_is_no_greeting, "[M-16]"),
	SENTENCE(who_said_one_message_may_be_silent_for_ever),
	SENTENCE(who_is_not_read_is_not_blamed_for_it),
};
SUITE("allowance", sentences)
