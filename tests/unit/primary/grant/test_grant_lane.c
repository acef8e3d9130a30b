/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a lane: one a vring, until its owner lets go; and vrings that find none. */
#include "clock.h"
#include "grant.h"
#include "lane_entries.h"
#include "primary_scene.h"
#include "retire.h"
#include "suite.h"
#include "unusable.h"

static void a_lane_entry_serves_one_vring_until_retired(void)
{
	uint32_t first, second;
	uint64_t session;

	scene_begin(1);
	session = scene.device->session;
	grant_offer(scene.device);
	first = scene.vrings[0].lane_entry;
	take_all_back(scene.device);
	grant_offer(scene.device);
	CHECK_EQ(scene.vrings[0].lane_entry, first);
	take_all_back(scene.device);
	grant_retire(scene.device);
	scene.device->session = scene.primary->next_session++;
	grant_offer(scene.device);
	second = scene.vrings[0].lane_entry;
	CHECK(second != first);
	CHECK(scene.owner->lane_used[0] & (1ull << first));
	secondary_lane_retired(scene.owner, scene.device->slot, session + 100);
	CHECK(scene.owner->lane_used[0] & (1ull << first));
	secondary_lane_retired(scene.owner, scene.device->slot, session);
	CHECK(!(scene.owner->lane_used[0] & (1ull << first)));
	CHECK(scene.owner->lane_used[0] & (1ull << second));
	scene_end();
}

static void a_full_lane_leaves_vrings_idle_and_no_more(void)
{
	struct secondary *secondary;
	struct port *a, *b;
	uint32_t granted = 0;

	scene_open();
	scene.rig.conf.lane_bytes = 4096; /* 6 vrings */
	secondary = scene_secondary("vsw", VSWITCH, NULL);
	a = rig_port(&scene.rig, "vm0", 4);
	b = rig_port(&scene.rig, "vm1", 4);
	grant_offer_all(scene.primary);
	for (int i = 0; i < 4; i++)
		granted +=
			(a->device.vrings[i].owner != NULL) + (b->device.vrings[i].owner != NULL);
	CHECK_EQ(granted, 6);
	CHECK_EQ(secondary->nr_vrings, 6);
	scene_end();
}

/* As a damaged journal may say; the next one is taken over. */
static void an_entry_that_no_lane_has_is_not_taken_over(void)
{
	struct secondary *s;

	scene_begin(1);
	s = scene.owner;
	CHECK_EQ(secondary_lane_adopt(s, 0, scene.device->slot, 77, 0), -EINVAL);
	CHECK_EQ(secondary_lane_adopt(s, s->lane_entries, scene.device->slot, 77, 0), -EINVAL);
	CHECK_EQ(secondary_lane_adopt(s, 2, scene.device->slot, 77, HF_SHM_MAX_VRINGS), -EINVAL);
	CHECK_EQ(s->lane_used[0] >> 2 & 1, 0);
	CHECK_EQ(secondary_lane_adopt(s, 2, scene.device->slot, 77, 0), 0);
	CHECK_EQ(s->lane_used[0] >> 2 & 1, 1);
	scene_end();
}

static void say_retired(int socket, uint32_t device, uint64_t session)
{
	Holdfast__Attach__Retired retired = HOLDFAST__ATTACH__RETIRED__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	retired.device = device;
	retired.session = session;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_RETIRED;
	message.retired = &retired;
	REQUIRE(hf_frame_send(socket, &message.base, NULL, 0) == 0);
}

static void next_session(struct device *device)
{
	take_all_back(device);
	grant_retire(device);
	device->session = scene.primary->next_session++;
	grant_offer(device);
}

static void vrings_that_found_no_entry_are_granted_when_one_is_free(void)
{
	struct port *a, *b;
	uint64_t session;

	scene_open();
	scene.rig.conf.lane_bytes = 4096; /* 6 vrings */
	(void)scene_secondary("vsw", VSWITCH, NULL);
	a = rig_port(&scene.rig, "vm0", 5);
	b = rig_port(&scene.rig, "vm1", 4);
	grant_offer_all(scene.primary);
	CHECK(b->device.vrings[0].owner && !b->device.vrings[3].owner);
	session = a->device.session;
	take_all_back(&a->device);
	for (int i = 0; i < 5; i++)
		a->device.vrings[i].started = false;
	grant_retire(&a->device);
	say_retired(scene.sockets[0], a->device.slot, session);
	rig_until(&scene.rig, NULL, NULL, 2);
	CHECK(b->device.vrings[3].owner != NULL);
	scene_end();
}

/* A port of two rings, and a secondary with an entry for one; *ret_entries: what it really has. */
static struct port *starve(struct secondary **ret_secondary, uint32_t *ret_entries)
{
	struct secondary *secondary;
	struct port *port;

	scene_open();
	secondary = scene_secondary("vsw", VSWITCH, NULL);
	port = rig_port(&scene.rig, "vm0", 2);
	*ret_entries = secondary->lane_entries;
	secondary->lane_entries = 2; /* the header and one */
	grant_offer_all(scene.primary);
	REQUIRE(secondary->starved);
	*ret_secondary = secondary;
	return port;
}

/* Which costs nothing to say: all the rings of all ports would be gone through for each. */
static void who_says_retired_of_nothing_is_offered_nothing(void)
{
	struct secondary *secondary;
	uint32_t entries;
	struct port *a;

	a = starve(&secondary, &entries);
	REQUIRE(secondary->starved && !a->device.vrings[1].owner);
	secondary->lane_entries = entries;
	say_retired(scene.sockets[0], a->device.slot, a->device.session);
	say_retired(scene.sockets[0], a->device.slot, a->device.session + 1);
	say_retired(scene.sockets[0], UINT32_MAX, 0);
	rig_until(&scene.rig, NULL, NULL, 2);
	CHECK(secondary->starved && !a->device.vrings[1].owner);
	scene_end();
}

/* For want of memory, say: nobody says when there is some again. */
static void vrings_that_found_no_entry_are_tried_again_by_themselves(void)
{
	struct secondary *secondary;
	uint32_t entries;
	struct port *a;

	a = starve(&secondary, &entries);
	CHECK(secondary->starved && a->device.vrings[0].owner && !a->device.vrings[1].owner);
	grant_offer_again(scene.primary, hf_now_ns());
	CHECK(secondary->starved && !a->device.vrings[1].owner);
	secondary->lane_entries = entries;
	grant_offer_again(scene.primary, hf_now_ns());
	CHECK(!secondary->starved && a->device.vrings[1].owner);
	scene_end();
}

static void a_port_that_reconnects_all_the_time_does_not_take_the_whole_lane(void)
{
	struct secondary *secondary;
	struct port *a, *b;
	uint64_t first;

	scene_open();
	scene.rig.conf.lane_bytes = 4096;
	secondary = scene_secondary("vsw", VSWITCH, NULL);
	a = rig_port(&scene.rig, "vm0", 1);
	b = rig_port(&scene.rig, "vm1", 2);
	first = a->device.session;
	grant_offer(&a->device);
	for (int i = 0; i < 20; i++)
		next_session(&a->device);
	CHECK(a->device.vrings[0].owner == NULL && secondary->starved);
	grant_offer(&b->device);
	CHECK(b->device.vrings[0].owner && b->device.vrings[1].owner);
	say_retired(scene.sockets[0], a->device.slot, first);
	rig_until(&scene.rig, NULL, NULL, 2);
	CHECK(a->device.vrings[0].owner == secondary);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(a_lane_entry_serves_one_vring_until_retired),
	SENTENCE(a_full_lane_leaves_vrings_idle_and_no_more),
	SENTENCE(an_entry_that_no_lane_has_is_not_taken_over),
	SENTENCE(vrings_that_found_no_entry_are_granted_when_one_is_free),
	CATALOGUE(who_says_retired_of_nothing_is_offered_nothing, "[C-3]"),
	SENTENCE(vrings_that_found_no_entry_are_tried_again_by_themselves),
	SENTENCE(a_port_that_reconnects_all_the_time_does_not_take_the_whole_lane),
};
SUITE("grant_lane", sentences)
