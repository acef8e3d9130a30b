/* SPDX-License-Identifier: Apache-2.0 */
/* Grants that their owner refuses, for want of something or for good. */
#include <errno.h>

#include "clock.h"
#include "death.h"
#include "grant.h"
#include "lane.h"
#include "primary_scene.h"
#include "refusal.h"
#include "secondary_life.h"
#include "secondary_request.h"
#include "suite.h"
#include "unusable.h"

static int refuse(struct secondary *secondary, const struct vring *vring, uint64_t life, int error)
{
	Holdfast__Attach__VringRefused refused = HOLDFAST__ATTACH__VRING_REFUSED__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	struct hf_frame frame = {0};

	refused.device = vring->device->slot;
	refused.session = vring->device->session;
	refused.vring = vring->index;
	refused.grant = vring->grant;
	refused.error = error;
	refused.life = life;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_VRING_REFUSED;
	message.vring_refused = &refused;
	return secondary_request(secondary, &message, &frame);
}

static void a_refusal_of_what_an_earlier_life_said_breaks_no_ring(void)
{
	struct vring *vring;
	uint64_t grant;

	scene_begin(2);
	vring = &scene.vrings[1];
	grant_offer(scene.device);
	grant = vring->grant;
	CHECK_EQ(refuse(scene.owner, vring, 7, -EINVAL), 0);
	CHECK(vring->owner == scene.owner && vring->grant == grant && !vring->broken);
	CHECK_EQ(rig_grant_word(vring) & ~HF_GRANT_ENABLED, grant);
	CHECK_EQ(refuse(scene.owner, vring, 0, -EINVAL), 0);
	CHECK(vring->owner == NULL && vring->broken);
	scene_end();
}

/* Or one switch without memory would take the guest's ring from all others. */
static void a_ring_that_its_owner_has_no_memory_for_is_offered_again(void)
{
	static const int shortages[] = {-ENOMEM, -EMFILE, -ENXIO};
	struct vring *vring;
	uint64_t now = hf_now_ns();

	scene_begin(2);
	vring = &scene.vrings[1];
	grant_offer(scene.device);
	for (size_t i = 0; i < sizeof(shortages) / sizeof(shortages[0]); i++) {
		uint64_t grant = vring->grant;

		CHECK_EQ(refuse(scene.owner, vring, 0, shortages[i]), 0);
		grant_offer(scene.device); /* not at once */
		CHECK(vring->owner == NULL && !vring->broken);
		/* Each time twice as long as before. */
		grant_offer_again(scene.primary, now + (NS_PER_S << i) - NS_PER_MS);
		CHECK(vring->owner == NULL);
		grant_offer_again(scene.primary, now + (NS_PER_S << i) + 100 * NS_PER_MS);
		CHECK(vring->owner == scene.owner && vring->grant != grant);
	}
	scene_end();
}

/* A primary that dies over the directory leaves each of its secondaries one that is busy. */
static void a_ring_whose_owner_met_a_busy_directory_is_offered_at_each_look(void)
{
	struct vring *vring;

	scene_begin(2);
	vring = &scene.vrings[1];
	grant_offer(scene.device);
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(refuse(scene.owner, vring, 0, -EBUSY), 0);
		grant_offer(scene.device); /* not at once */
		CHECK(vring->owner == NULL && !vring->broken && !vring->lacked);
		grant_offer_again(scene.primary, hf_now_ns());
		CHECK(vring->owner == scene.owner);
	}
	scene_end();
}

/* Else it would hold the ring unseen, and for ever. */
static void a_ring_whose_owner_always_says_busy_is_put_off_and_moves_on(void)
{
	struct secondary *next;
	struct vring *vring;
	uint64_t now;

	scene_begin(1);
	next = scene_secondary("next", STANDBY, NULL);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	for (int i = 0; i < 12 && vring->owner != next; i++) {
		REQUIRE(vring->owner == scene.owner);
		CHECK_EQ(refuse(scene.owner, vring, 0, -EBUSY), 0);
		CHECK(vring->lacked == (i < 8 ? 0 : i - 7) || vring->owner == next);
		now = hf_now_ns() + 100 * NS_PER_S;
		grant_offer_again(scene.primary, now);
	}
	CHECK(vring->owner == next);
	CHECK_EQ(rig_events(&scene.rig, EVENT(VRING_PUT_OFF), NULL), 1);
	scene_end();
}

static void a_ring_whose_owner_always_lacks_is_said_once_and_tried_ever_later(void)
{
	uint64_t now = hf_now_ns(), far;
	uint32_t granted;
	struct vring *vring;

	scene_begin(2);
	vring = &scene.vrings[1];
	grant_offer(scene.device);
	granted = rig_events(&scene.rig, EVENT(VRING_GRANTED), NULL);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(refuse(scene.owner, vring, 0, -EMFILE), 0);
		far = now + 65 * NS_PER_S;
		CHECK(vring->put_off_ns > now && vring->put_off_ns <= far);
		grant_offer_again(scene.primary, far);
		CHECK(vring->owner == scene.owner);
	}
	CHECK_EQ(rig_events(&scene.rig, EVENT(VRING_PUT_OFF), NULL), 1);
	CHECK_EQ(rig_events(&scene.rig, EVENT(VRING_GRANTED), NULL),
		 granted); /* of the first try */
	CHECK(vring_lacks(vring));
	/* It runs at last. */
	rig_lane(vring)->counters[HF_COUNTER_BURSTS] = 1;
	grant_offer_again(scene.primary, now);
	CHECK(!vring_lacks(vring) && vring->lacked == 0);
	CHECK_EQ(rig_events(&scene.rig, EVENT(VRING_GRANTED), NULL), granted + 1);
	scene_end();
}

static void a_device_that_its_owner_lacks_for_goes_to_the_next_one(void)
{
	uint64_t far = hf_now_ns() + 100 * NS_PER_S;
	struct secondary *rich;

	scene_begin(2);
	rich = scene_secondary("rich", VSWITCH, NULL);
	grant_offer(scene.device);
	for (int i = 0; i < 3; i++) {
		CHECK(scene.device->owner == scene.owner);
		CHECK_EQ(refuse(scene.owner, &scene.vrings[0], 0, -EMFILE), 0);
		CHECK_EQ(refuse(scene.owner, &scene.vrings[1], 0, -EMFILE), 0);
		if (i < 2)
			grant_offer_again(scene.primary, far);
	}
	CHECK(scene.device->owner == rich);
	CHECK(scene.vrings[0].owner == rich && scene.vrings[1].owner == rich);
	CHECK_EQ(scene.vrings[0].lacked, 3); /* who has it now may lack as much */
	/* And back, should that one lack as well: what it was prepared with is tried first. */
	for (int i = 0; i < 8 && scene.device->owner == rich; i++) {
		CHECK_EQ(refuse(rich, &scene.vrings[0], 0, -ENOMEM), 0);
		CHECK_EQ(refuse(rich, &scene.vrings[1], 0, -ENOMEM), 0);
		if (scene.device->owner == rich)
			grant_offer_again(scene.primary, far);
	}
	CHECK(scene.device->owner == scene.owner);
	scene_end();
}

static void who_comes_after_the_death_of_one_that_lacked_does_not_wait_for_its_rings(void)
{
	uint64_t far = hf_now_ns() + 100 * NS_PER_S;
	struct secondary *next;
	struct vring *vring;

	scene_begin(2);
	vring = &scene.vrings[1];
	grant_offer(scene.device);
	for (int i = 0; i < 7; i++) {
		grant_offer_again(scene.primary, far);
		CHECK_EQ(refuse(scene.owner, vring, 0, -EMFILE), 0);
	}
	CHECK(vring->owner == NULL && vring->put_off_ns && vring->lacked == 7);
	grant_secondary_died(scene.primary, scene.owner);
	secondary_destroy(scene.owner);
	next = scene_secondary("vsw", VSWITCH, NULL);
	grant_offer_all(scene.primary);
	CHECK(scene.vrings[0].owner == next && vring->owner == next);
	CHECK_EQ(vring->lacked, 0);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(a_refusal_of_what_an_earlier_life_said_breaks_no_ring),
	SENTENCE(a_ring_that_its_owner_has_no_memory_for_is_offered_again),
	SENTENCE(a_ring_whose_owner_met_a_busy_directory_is_offered_at_each_look),
	SENTENCE(a_ring_whose_owner_always_says_busy_is_put_off_and_moves_on),
	SENTENCE(a_ring_whose_owner_always_lacks_is_said_once_and_tried_ever_later),
	SENTENCE(a_device_that_its_owner_lacks_for_goes_to_the_next_one),
	SENTENCE(who_comes_after_the_death_of_one_that_lacked_does_not_wait_for_its_rings),
};
SUITE("grant_unusable", sentences)
