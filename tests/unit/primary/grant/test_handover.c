/* SPDX-License-Identifier: Apache-2.0 */
/* Devices change hands while everybody lives, or dies in the middle. */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "death.h"
#include "grant.h"
#include "handover.h"
#include "handover_move.h"
#include "primary_scene.h"
#include "retire.h"
#include "revoke.h"
#include "secondary_life.h"
#include "suite.h"
#include "unusable.h"
#include "waiting.h"

/* Two secondaries, `old` and `new`, and three ports that `old` runs. */
static struct {
	struct secondary *old, *new;
	struct port *ports[3];
	struct handover_waiter waiter;
	struct handover_result result;
	bool done;
} move;

static const char *reason;

static void on_done(struct handover_waiter *waiter, const struct handover_result *result)
{
	CHECK(waiter == &move.waiter);
	CHECK(!move.done);
	move.done = true;
	move.result = *result;
}

/* What a front-end does at connect. */
static void connect_port(struct port *port)
{
	port->session = (struct session *)(void *)port; /* only looked at for being there */
}

static void begin(void)
{
	static const char *const names[] = {"vm0", "vm1", "vm2"};

	scene_open();
	memset(&move, 0, sizeof(move));
	move.waiter.done = on_done;
	move.old = scene_secondary("old", VSWITCH, NULL);
	for (size_t i = 0; i < 3; i++) {
		move.ports[i] = rig_port(&scene.rig, names[i], 2);
		connect_port(move.ports[i]);
		grant_offer(&move.ports[i]->device);
	}
	move.new = scene_secondary("new", VSWITCH, "vm[01]");
	grant_offer_all(scene.primary);
}

static void end(void)
{
	for (size_t i = 0; i < 3; i++) {
		take_all_back(&move.ports[i]->device);
		move.ports[i]->session = NULL;
	}
	CHECK(scene.primary->handovers == NULL);
	scene_end();
}

static struct secondary *owner(size_t port)
{
	struct device *device = &move.ports[port]->device;

	CHECK(device->vrings[0].owner == device->vrings[1].owner);
	return device->vrings[0].owner;
}

static bool is_done(void *context)
{
	(void)context;
	return move.done;
}

static bool finished(void)
{
	return rig_until(&scene.rig, is_done, NULL, 20000);
}

static int hand_over(const char *port, const char *to)
{
	return handover_start(scene.primary, port, to, &move.waiter, &reason);
}

static int drain(struct secondary *from, bool force)
{
	return handover_drain(scene.primary, from, force, &move.waiter, &reason);
}

static void one_device_goes_with_its_position(void)
{
	const struct event *event;
	struct vring *vring;

	begin();
	vring = &move.ports[1]->device.vrings[1];
	rig_lane(vring)->avail = rig_lane(vring)->used = 4711;
	*rig_used_idx(vring) = 4711;
	rig_lane(vring)->busy = 1;
	REQUIRE(hand_over("vm1", "new") == 0);
	rig_until(&scene.rig, NULL, NULL, 10);
	CHECK(!move.done); /* a burst is under way */
	CHECK_EQ(rig_grant_word(vring), 0);
	rig_lane(vring)->busy = 0;
	CHECK(finished());
	CHECK(owner(0) == move.old && owner(1) == move.new &&owner(2) == move.old);
	CHECK_EQ(rig_lane(vring)->used, 4711);
	CHECK_EQ(move.result.moved, 1);
	CHECK_EQ(move.result.failed, 0);
	REQUIRE(rig_events(&scene.rig, EVENT(HANDOVER), &event) == 1);
	CHECK(!strcmp(event->port, "vm1") && !strcmp(event->secondary, "new"));
	CHECK(event->duration_ns >= 9000000);
	CHECK(move.result.longest_ns >= event->duration_ns);
	CHECK_EQ(scene.primary->continuity.handovers, 1);
	end();
}

static void what_the_old_one_lacked_for_is_granted_to_the_new_one_at_once(void)
{
	struct vring *vring;

	begin();
	vring = &move.ports[0]->device.vrings[0];
	CHECK_EQ(grant_unusable(move.old, vring, vring->grant, -EMFILE), 0);
	CHECK(vring->owner == NULL && vring->put_off_ns && vring->lacked == 1);
	REQUIRE(hand_over("vm0", "new") == 0);
	CHECK(finished());
	CHECK(owner(0) == move.new && vring->lacked == 0);
	end();
}

/* What nobody ran when it was asked for, and somebody does by now; or another one than the asker.
 */
static void whom_a_rule_let_in_takes_nothing_from_others(void)
{
	begin();
	move.waiter.asker = move.new->id;
	REQUIRE(hand_over("vm0", "new") == 0);
	CHECK(finished());
	CHECK(owner(0) == move.old);
	CHECK_EQ(move.result.moved, 0);
	move.done = false;
	move.waiter.asker = move.old->id;
	REQUIRE(hand_over("vm0", "new") == 0);
	CHECK(finished());
	CHECK(owner(0) == move.new);
	CHECK_EQ(move.result.moved, 1);
	end();
}

/* The next message that matters to a switch: not what only says that something was revoked. */
static Holdfast__Attach__ToSecondary *next_flush(int s)
{
	Holdfast__Attach__ToSecondary *m;

	while ((m = rig_message(s, NULL)) &&
	       m->body_case != HOLDFAST__ATTACH__TO_SECONDARY__BODY_FLUSH)
		rig_message_free(m);
	return m;
}

static void what_was_taken_is_enqueued_before_the_rest_is_revoked(void)
{
	Holdfast__Attach__ToSecondary *m;
	struct device *device;

	begin();
	device = &move.ports[0]->device;
	REQUIRE(hand_over(NULL, "new") == 0);
	rig_until(&scene.rig, NULL, NULL, 5);
	CHECK(device->vrings[1].owner == NULL); /* from the guest */
	CHECK(device->vrings[0].owner == move.old);
	loop_timer_clear(scene.primary->loop, &scene.primary->handovers->timer); /* its deadline */
	grant_offer_all(scene.primary);
	CHECK(device->vrings[1].owner == NULL); /* not back meanwhile */
	m = next_flush(scene.sockets[0]);
	REQUIRE(m != NULL);
	handover_flushed(move.old, m->flush->number + 1); /* another one */
	handover_flushed(move.new, m->flush->number);
	rig_until(&scene.rig, NULL, NULL, 1);
	CHECK(device->vrings[0].owner == move.old);
	handover_flushed(move.old, m->flush->number);
	CHECK(move.done);
	CHECK(owner(0) == move.new &&owner(1) == move.new);
	rig_message_free(m);
	end();
}

static void all_means_all_that_it_serves(void)
{
	begin();
	REQUIRE(hand_over("", "new") == 0);
	CHECK(finished());
	CHECK(owner(0) == move.new &&owner(1) == move.new &&owner(2) == move.old);
	CHECK_EQ(move.result.moved, 2);
	move.done = false;
	REQUIRE(hand_over(NULL, "new") == 0); /* it has them already */
	CHECK(finished());
	CHECK_EQ(move.result.moved, 0);
	move.done = false;
	REQUIRE(hand_over(NULL, "old") == 0); /* and back */
	CHECK(finished());
	CHECK_EQ(move.result.moved, 2);
	CHECK(owner(0) == move.old && owner(1) == move.old);
	end();
}

static void refusals_touch_nothing(void)
{
	struct secondary *twin;

	begin();
	(void)scene_secondary("watch", OBSERVER, NULL);
	CHECK_EQ(hand_over("vm0", "nobody"), -ENOENT);
	CHECK(strstr(reason, "secondary list") != NULL);
	CHECK_EQ(hand_over("vm9", "new"), -ENOENT);
	CHECK(strstr(reason, "port list") != NULL);
	CHECK_EQ(hand_over("vm2", "new"), -EINVAL);
	CHECK(strstr(reason, "--ports") != NULL);
	CHECK_EQ(hand_over("vm0", "watch"), -EPERM);
	twin = scene_secondary("new", STANDBY, NULL);
	CHECK_EQ(hand_over("vm0", "new"), -ENOTUNIQ);
	twin->leaving = true;
	move.ports[0]->session = NULL;
	CHECK_EQ(hand_over("vm0", "new"), -ENOTCONN);
	twin->leaving = false;
	secondary_destroy(twin);
	CHECK_EQ(drain(move.old, false), -EBUSY); /* vm2 */
	CHECK(strstr(reason, "--force") != NULL);
	CHECK(!move.old->draining);
	for (size_t i = 0; i < 3; i++)
		CHECK(owner(i) == move.old);
	CHECK_EQ(rig_events(&scene.rig, EVENT(VRING_REVOKED), NULL), 0);
	end();
}

static void a_drained_secondary_gets_nothing_until_it_is_asked_for(void)
{
	struct secondary *third;

	begin();
	third = scene_secondary("third", STANDBY, NULL);
	REQUIRE(drain(move.old, false) == 0);
	CHECK(finished());
	CHECK_EQ(move.result.moved, 3);
	CHECK(owner(0) == move.new &&owner(1) == move.new &&owner(2) == third);
	CHECK_EQ(move.old->nr_vrings, 0);
	grant_secondary_died(scene.primary, third);
	CHECK(owner(2) == NULL); /* not to who is drained */
	CHECK_EQ(rig_events(&scene.rig, EVENT(PORT_ORPHANED), NULL), 1);
	move.done = false;
	REQUIRE(hand_over("vm2", "old") == 0);
	CHECK(finished());
	CHECK(owner(2) == move.old && !move.old->draining);
	end();
}

static void a_forced_drain_leaves_orphans(void)
{
	begin();
	REQUIRE(drain(move.old, true) == 0);
	CHECK(finished());
	CHECK_EQ(move.result.moved, 3);
	CHECK(owner(0) == move.new &&owner(1) == move.new &&owner(2) == NULL);
	CHECK_EQ(rig_events(&scene.rig, EVENT(PORT_ORPHANED), NULL), 1);
	end();
}

static void if_the_new_one_dies_in_the_middle_the_device_goes_to_the_next(void)
{
	struct vring *vring;

	begin();
	vring = &move.ports[0]->device.vrings[1];
	rig_lane(vring)->busy = 1;
	REQUIRE(hand_over(NULL, "new") == 0);
	rig_until(&scene.rig, NULL, NULL, 5);
	grant_secondary_died(scene.primary, move.new);
	rig_lane(vring)->busy = 0;
	CHECK(finished());
	CHECK_EQ(move.result.moved, 0);
	CHECK_EQ(move.result.failed, 2);
	CHECK(owner(0) == move.old && owner(1) == move.old);
	end();
}

static void if_the_old_one_dies_in_the_middle_the_new_one_has_it(void)
{
	struct vring *vring;

	begin();
	vring = &move.ports[0]->device.vrings[1];
	rig_lane(vring)->busy = 1;
	REQUIRE(hand_over("vm0", "new") == 0);
	rig_until(&scene.rig, NULL, NULL, 5);
	grant_secondary_died(scene.primary, move.old);
	CHECK(finished());
	CHECK(owner(0) == move.new &&owner(1) == move.new &&owner(2) == NULL);
	CHECK_EQ(move.result.moved, 1);
	CHECK_EQ(rig_events(&scene.rig, EVENT(TAKEN_OVER), NULL), 2);
	end();
}

static void session_over(struct revocation *revocation)
{
	(void)revocation;
	grant_retire(&move.ports[0]->device);
}

static void a_session_that_ends_in_the_middle_takes_its_device_out(void)
{
	struct revocation r = {.done = session_over};
	struct vring *vring;

	begin();
	vring = &move.ports[0]->device.vrings[1];
	rig_lane(vring)->busy = 1;
	REQUIRE(hand_over(NULL, "new") == 0);
	rig_until(&scene.rig, NULL, NULL, 5);
	vring->started = vring[-1].started = false;
	revoke_start(&r, &move.ports[0]->device, GRANT_ALL_VRINGS);
	rig_lane(vring)->busy = 0;
	CHECK(finished());
	rig_until(&scene.rig, NULL, NULL, 10);
	CHECK(!r.active);
	CHECK(owner(0) == NULL && owner(1) == move.new);
	end();
}

static bool all_is_moved(void *context)
{
	(void)context;
	return !scene.primary->handovers;
}

static void who_asked_may_go_and_the_rest_moves_all_the_same(void)
{
	begin();
	REQUIRE(hand_over(NULL, "new") == 0);
	handover_unwatch(&move.waiter);
	CHECK(rig_until(&scene.rig, all_is_moved, NULL, 20000)); /* nobody answers the Flush */
	CHECK(!move.done);
	CHECK(owner(0) == move.new &&owner(1) == move.new);
	end();
}

static void the_end_of_the_primary_forgets_what_is_under_way(void)
{
	begin();
	rig_lane(&move.ports[0]->device.vrings[0])->busy = 1;
	REQUIRE(hand_over(NULL, "new") == 0);
	rig_until(&scene.rig, NULL, NULL, 5);
	grant_withdraw_all(scene.primary);
	CHECK(move.waiter.handover == NULL);
	rig_lane(&move.ports[0]->device.vrings[0])->busy = 0;
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(one_device_goes_with_its_position),
	SENTENCE(what_the_old_one_lacked_for_is_granted_to_the_new_one_at_once),
	CATALOGUE(whom_a_rule_let_in_takes_nothing_from_others, "[C-5]"),
	SENTENCE(what_was_taken_is_enqueued_before_the_rest_is_revoked),
	SENTENCE(all_means_all_that_it_serves),
	SENTENCE(refusals_touch_nothing),
	SENTENCE(a_drained_secondary_gets_nothing_until_it_is_asked_for),
	SENTENCE(a_forced_drain_leaves_orphans),
	SENTENCE(if_the_new_one_dies_in_the_middle_the_device_goes_to_the_next),
	SENTENCE(if_the_old_one_dies_in_the_middle_the_new_one_has_it),
	SENTENCE(a_session_that_ends_in_the_middle_takes_its_device_out),
	SENTENCE(who_asked_may_go_and_the_rest_moves_all_the_same),
	SENTENCE(the_end_of_the_primary_forgets_what_is_under_way),
};
SUITE("handover", sentences)
