/* SPDX-License-Identifier: Apache-2.0 */
/* Who does not read what it is sent, and asks for more. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "clock.h"
#include "device.h"
#include "fd.h"
#include "grant.h"
#include "outbox.h"
#include "primary_scene.h"
#include "refusal.h"
#include "revoke.h"
#include "suite.h"
#include "tell.h"

#define LONG_NS (11 * NS_PER_S)

/* As many as it takes, of what front-ends cause; it is then behind. */
static void fall_behind(void)
{
	for (unsigned int i = 0; i < 16384 && !grant_congested(scene.device); i++)
		grant_set_enabled(NULL, &scene.vrings[0], true);
	REQUIRE(grant_congested(scene.device) && !scene.owner->cut);
}

static bool owner_is_gone(void *context)
{
	(void)context;
	return scene.primary->secondaries[0] == NULL;
}

static bool is_up_to_date(void *context)
{
	(void)context;
	rig_drain(scene.sockets[0]);
	return secondary_idle(scene.owner);
}

static void who_is_behind_for_ten_seconds_is_cut_off(void)
{
	scene_begin(1);
	grant_offer(scene.device);
	secondaries_look(scene.primary, hf_now_ns() + LONG_NS);
	CHECK(!scene.owner->cut);
	fall_behind();
	secondaries_look(scene.primary, hf_now_ns());
	CHECK(!scene.owner->cut);
	secondaries_look(scene.primary, hf_now_ns() + LONG_NS);
	CHECK(scene.owner->cut);
	CHECK_EQ(scene.primary->refusals[REFUSED_ATTACH_SLOW], 1);
	/* Its guests' front-ends are read again. */
	CHECK(!grant_congested(scene.device));
	CHECK(rig_until(&scene.rig, owner_is_gone, NULL, 20000));
	CHECK(scene.vrings[0].owner == NULL);
	scene_end();
}

static void who_catches_up_has_its_time_again(void)
{
	uint64_t first_ns;

	scene_begin(1);
	grant_offer(scene.device);
	fall_behind();
	first_ns = hf_now_ns();
	CHECK(rig_until(&scene.rig, is_up_to_date, NULL, 20000));
	secondaries_look(scene.primary, first_ns + LONG_NS);
	CHECK(!scene.owner->cut);
	fall_behind();
	secondaries_look(scene.primary, hf_now_ns() + LONG_NS / 2);
	CHECK(!scene.owner->cut);
	CHECK(rig_until(&scene.rig, is_up_to_date, NULL, 20000));
	scene_end();
}

static unsigned int asked;

/* No Reply is read. */
static void ask_for_more(void)
{
	Holdfast__Attach__FeatureGet get = HOLDFAST__ATTACH__FEATURE_GET__INIT;
	Holdfast__Attach__ToPrimary request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	get.port = (char *)(uintptr_t) "vm0";
	request.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_FEATURE_GET;
	request.feature_get = &get;
	request.request = asked + 1;
	if (hf_frame_send(scene.sockets[0], &request.base, NULL, 0) == 0)
		asked++;
}

static bool nobody_takes_it(void *context)
{
	unsigned int *rounds = context, before = asked;

	for (unsigned int i = 0; i < 64; i++)
		ask_for_more();
	*rounds = asked == before ? *rounds + 1 : 0;
	return *rounds > 50 || scene.owner->cut;
}

static void who_asks_and_does_not_read_is_not_read(void)
{
	unsigned int rounds = 0, replies = 0, turn = 0;

	scene_begin(1);
	grant_offer(scene.device);
	rig_drain(scene.sockets[0]);
	asked = 0;
	REQUIRE(fcntl(scene.sockets[0], F_SETFL, O_NONBLOCK) == 0);
	CHECK(rig_until(&scene.rig, nobody_takes_it, &rounds, 20000));
	CHECK(!scene.owner->cut && secondary_congested(scene.owner));
	/* Nothing is lost, of what it asked. */
	while (replies < asked && turn++ < 20000) {
		rig_until(&scene.rig, NULL, NULL, 1);
		while (rig_has_message(scene.sockets[0])) {
			Holdfast__Attach__ToSecondary *m = rig_message(scene.sockets[0], NULL);

			REQUIRE(m && m->body_case == BODY(REPLY));
			CHECK_EQ(m->reply->request, ++replies);
			rig_message_free(m);
		}
	}
	CHECK_EQ(replies, asked);
	CHECK(secondary_idle(scene.owner));
	scene_end();
}

static void say_bye(void)
{
	Holdfast__Attach__Bye bye = HOLDFAST__ATTACH__BYE__INIT;
	Holdfast__Attach__ToPrimary request = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	request.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_BYE;
	request.bye = &bye;
	REQUIRE(hf_frame_send(scene.sockets[0], &request.base, NULL, 0) == 0);
}

/* And its Bye is read: it would be killed. */
static void who_is_behind_and_ends_is_seen_to_end(void)
{
	scene_begin(1);
	grant_offer(scene.device);
	fall_behind();
	say_bye();
	hf_fd_close(&scene.sockets[0]);
	CHECK(rig_until(&scene.rig, owner_is_gone, NULL, 20000));
	scene_end();
}

static unsigned int events_of_owner;
static void (*owner_is_ready)(struct loop_source *source, uint32_t events);

static void count_event(struct loop_source *source, uint32_t events)
{
	events_of_owner++;
	owner_is_ready(source, events);
}

static bool owner_is_cut(void *context)
{
	(void)context;
	return scene.owner->cut;
}

/* There is room for what waits for it, for ever, and it cannot be sent. */
static void what_waits_for_who_reads_no_more_takes_no_time(void)
{
	scene_begin(1);
	grant_offer(scene.device);
	fall_behind();
	REQUIRE(shutdown(scene.sockets[0], SHUT_RD) == 0);
	rig_drain(scene.sockets[0]);
	CHECK(rig_until(&scene.rig, owner_is_cut, NULL, 20000));
	CHECK(scene.owner->hung_up && !secondary_idle(scene.owner));
	owner_is_ready = scene.owner->socket_source.ready;
	scene.owner->socket_source.ready = count_event;
	events_of_owner = 0;
	CHECK_EQ(secondary_await(scene.owner), 0); /* as after a pause */
	rig_until(&scene.rig, NULL, NULL, 50);
	CHECK_EQ(events_of_owner, 0);
	say_bye();
	CHECK(rig_until(&scene.rig, owner_is_gone, NULL, 20000));
	CHECK_EQ(events_of_owner, 1);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(who_is_behind_for_ten_seconds_is_cut_off),
	SENTENCE(who_catches_up_has_its_time_again),
	SENTENCE(who_asks_and_does_not_read_is_not_read),
	SENTENCE(who_is_behind_and_ends_is_seen_to_end),
	CATALOGUE(what_waits_for_who_reads_no_more_takes_no_time, "[C-7]"),
};
SUITE("slow", sentences)
