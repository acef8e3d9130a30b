/* SPDX-License-Identifier: Apache-2.0 */
/* Rings that end their owners, and when they are forgiven. */
#include "check.h"
#include "clock.h"
#include "dead.h"
#include "death.h"
#include "device.h"
#include "grant.h"
#include "lane.h"
#include "primary_scene.h"
#include "refusal.h"
#include "secondary_life.h"
#include "suite.h"

/* The vrings of these indices are in a burst, each after so many; then its owner dies, and the next
 * one comes. */
static void die_in(struct device *device, uint32_t vrings, uint64_t after)
{
	struct secondary *owner = device->owner;

	REQUIRE(owner != NULL);
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		const struct vring *vring = &device->vrings[i];

		if (!vring->owner)
			continue;
		rig_lane(vring)->busy = vrings >> i & 1;
		rig_lane(vring)->counters[HF_COUNTER_EMPTY_BURSTS] = after;
	}
	grant_secondary_died(scene.primary, owner);
	secondary_destroy(owner);
	(void)scene_secondary("next", VSWITCH, NULL);
	grant_offer_all(scene.primary);
}

static void a_ring_whose_first_burst_ends_three_owners_is_run_by_nobody(void)
{
	const struct event *event;
	struct vring *vring;

	scene_begin(4);
	grant_offer(scene.device);
	vring = &scene.vrings[2];
	die_in(scene.device, 1u << 2, 5); /* the first one has run it for a while */
	die_in(scene.device, 1u << 2, 0);
	CHECK(vring->owner != NULL && !vring->broken);
	die_in(scene.device, 1u << 2, 0);
	CHECK(vring->owner == NULL && vring->broken);
	for (uint32_t i = 0; i < 4; i++)
		CHECK(i == 2 || scene.vrings[i].owner != NULL);
	CHECK_EQ(scene.primary->refusals[REFUSED_ENDS_OWNERS], 1);
	REQUIRE(rig_events(&scene.rig, EVENT(VRING_BROKEN), &event) == 1);
	CHECK_EQ(event->vring, 2);
	/* Set up anew it has one try; one burst that ends is forgiveness. */
	vring->broken = false;
	grant_offer(scene.device);
	die_in(scene.device, 1u << 2, 0);
	CHECK(vring->owner == NULL && vring->broken);
	vring->broken = false;
	grant_offer(scene.device);
	die_in(scene.device, 0, 0); /* it is not in a burst of it */
	CHECK(vring->owner != NULL && !vring->broken);
	die_in(scene.device, 0, 1);
	for (int i = 0; i < 2; i++)
		die_in(scene.device, 1u << 2, 0);
	CHECK(vring->owner != NULL && !vring->broken);
	CHECK_EQ(scene.primary->refusals[REFUSED_ENDS_OWNERS], 2);
	scene_end();
}

static void deaths_from_outside_break_no_ring(void)
{
	scene_begin(4);
	grant_offer(scene.device);
	for (int i = 0; i < 20; i++)
		die_in(scene.device, 0xf, 1);
	for (int i = 0; i < 20; i++)
		die_in(scene.device, 0, 0);
	for (uint32_t i = 0; i < 4; i++)
		CHECK(scene.vrings[i].owner != NULL && !scene.vrings[i].broken);
	CHECK_EQ(scene.primary->refusals[REFUSED_ENDS_OWNERS], 0);
	scene_end();
}

/* The process of the owner of the scene's device dies by this signal, in the first burst of its
 * first ring. */
static void die_by(int number)
{
	struct dead dead = dead_by(number, 0);
	struct secondary *owner = scene.device->owner;

	REQUIRE(owner != NULL);
	owner->pid = dead.pid;
	REQUIRE(dup2(dead.pidfd, owner->pidfd) == owner->pidfd);
	close(dead.pidfd);
	die_in(scene.device, 1, 0);
	dead_bury(&dead);
}

/* On a machine that gives switches little they may be killed again and again before a first burst
 * of theirs ends. */
static void whom_others_kill_in_first_bursts_breaks_no_ring_either(void)
{
	static const int numbers[] = {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGKILL};

	scene_begin(2);
	grant_offer(scene.device);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		die_by(numbers[i]);
	CHECK(scene.vrings[0].owner && !scene.vrings[0].broken);
	CHECK_EQ(scene.vrings[0].deaths, 0);
	for (int i = 0; i < 3; i++)
		die_by(i % 2 ? SIGSEGV : SIGABRT);
	CHECK(!scene.vrings[0].owner && scene.vrings[0].broken);
	scene_end();
}

static void is_killed_by_us(struct secondary *secondary)
{
	secondary->killed = true;
}

static void had_hung(struct secondary *secondary)
{
	secondary->watch.hung = true;
}

static void when_memory_was_short(struct secondary *secondary)
{
	secondary->oom_kills--;
}

static void when_nobody_says_if_memory_was_short(struct secondary *secondary)
{
	secondary->oom_kills = UINT64_MAX;
}

/* And what a guest may have brought about is not somebody else's doing. */
static void a_kill_that_may_be_a_rings_doing_counts(void)
{
	static const struct {
		void (*owner)(struct secondary *owner);
		int number;
	} deaths[] = {
		{is_killed_by_us, SIGKILL},
		{had_hung, SIGTERM},
		{had_hung, SIGKILL},
		{when_memory_was_short, SIGKILL},
		{when_nobody_says_if_memory_was_short, SIGKILL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++) {
		scene_begin(2);
		grant_offer(scene.device);
		for (int n = 0; n < 3; n++) {
			REQUIRE(scene.device->owner != NULL);
			deaths[i].owner(scene.device->owner);
			die_by(deaths[i].number);
		}
		CHECK(!scene.vrings[0].owner && scene.vrings[0].broken);
		scene_end();
	}
}

static void of_a_hops_two_rings_the_source_is_broken_first(void)
{
	struct vring *source, *destination;

	scene_begin(4);
	grant_offer(scene.device);
	destination = &scene.vrings[0];
	source = &scene.vrings[3];
	for (int i = 0; i < 3; i++)
		die_in(scene.device, 1u << 0 | 1u << 3, 0);
	CHECK(source->broken && !destination->broken);
	die_in(scene.device, 1u << 0, 0); /* it was not the source's doing */
	CHECK(destination->broken);
	CHECK_EQ(scene.primary->refusals[REFUSED_ENDS_OWNERS], 2);
	scene_end();
}

/* Or a bad release of a switch would leave rings behind that only their guests can heal. */
static void a_broken_ring_is_tried_again_after_a_while_and_after_longer_ones(void)
{
	uint64_t minute = 60 * NS_PER_S, wait = minute;
	struct vring *vring;

	scene_begin(4);
	grant_offer(scene.device);
	vring = &scene.vrings[1];
	for (int i = 0; i < 2; i++)
		die_in(scene.device, 1u << 1, 0);
	for (int i = 0; i < 6; i++, wait = wait < 16 * minute ? 2 * wait : wait) {
		uint64_t before = hf_now_ns();

		die_in(scene.device, 1u << 1, 0);
		CHECK(vring->broken && !vring->owner);
		grant_forgive(scene.primary, before + wait - 1);
		CHECK(vring->broken && !vring->owner);
		grant_forgive(scene.primary, hf_now_ns() + wait);
		CHECK(!vring->broken && vring->owner);
	}
	die_in(scene.device, 1u << 1, 1);
	CHECK(vring->owner && vring->deaths == 1);
	/* One that was broken in an earlier life of the primary's. */
	take_all_back(scene.device);
	vring->deaths = 3;
	vring->broken = true;
	grant_forgive(scene.primary, hf_now_ns());
	CHECK(vring->broken);
	grant_forgive(scene.primary, hf_now_ns() + minute);
	CHECK(!vring->broken);
	/* And one that the guest broke stays so. */
	take_all_back(scene.device);
	vring->deaths = 0;
	vring->broken = true;
	grant_forgive(scene.primary, hf_now_ns() + 100 * minute);
	CHECK(vring->broken);
	scene_end();
}

static void a_ring_that_its_guest_breaks_under_its_owner_is_not_forgiven(void)
{
	uint64_t hour = 3600 * NS_PER_S;
	struct vring *vring;

	scene_begin(4);
	grant_offer(scene.device);
	vring = &scene.vrings[1];
	for (int i = 0; i < 3; i++)
		die_in(scene.device, 1u << 1, 0);
	grant_forgive(scene.primary, hf_now_ns() + hour);
	REQUIRE(vring->owner && !vring->broken);
	rig_lane(vring)->broken = 1;
	grant_check_broken(scene.primary);
	CHECK(vring->broken && vring->deaths == 3);
	for (int i = 1; i < 4; i++) {
		if (i == 2)
			rig_lane(vring)->counters[HF_COUNTER_BURSTS] = 1;
		grant_forgive(scene.primary, hf_now_ns() + (uint64_t)i * hour);
		CHECK(vring->broken && vring->owner);
		CHECK_EQ(vring->deaths, i < 2 ? 3 : 0);
		grant_check_broken(scene.primary);
	}
	CHECK_EQ(rig_events(&scene.rig, EVENT(VRING_BROKEN), NULL),
		 2); /* by deaths; by its guest */
	scene_end();
}

/* One whose ring ends switches, and one who only sends to him. */
static void a_destination_that_ends_switches_leaves_no_other_guest_broken(void)
{
	struct vring *source, *destination;
	struct port *guilty, *innocent;

	scene_open();
	(void)scene_secondary("first", VSWITCH, NULL);
	guilty = rig_port(&scene.rig, "vm0", 2);
	innocent = rig_port(&scene.rig, "vm1", 2);
	grant_offer_all(scene.primary);
	destination = &guilty->device.vrings[0];
	source = &innocent->device.vrings[1];
	for (int i = 0; i < 3; i++) {
		if (source->owner)
			rig_lane(source)->busy = 1;
		die_in(&guilty->device, 1u << 0, 0);
	}
	CHECK(source->broken && !destination->broken);
	die_in(&guilty->device, 1u << 0, 0);
	CHECK(destination->broken);
	grant_forgive(scene.primary, hf_now_ns());
	CHECK(!source->broken && source->owner);
	CHECK(destination->broken);
	scene_end();
}

static void the_end_of_a_session_does_not_forgive_a_ring(void)
{
	scene_begin(4);
	grant_offer(scene.device);
	for (int i = 0; i < 2; i++)
		die_in(scene.device, 1, 0);
	take_all_back(scene.device);
	device_reset(scene.device);
	CHECK_EQ(scene.vrings[0].deaths, 2);
	CHECK_EQ(scene.vrings[1].deaths, 0);
	scene_end();
}

static const struct sentence sentences[] = {
	CATALOGUE(a_ring_whose_first_burst_ends_three_owners_is_run_by_nobody, "[F-1]"),
	CATALOGUE(deaths_from_outside_break_no_ring, "[F-1]"),
	CATALOGUE(whom_others_kill_in_first_bursts_breaks_no_ring_either, "[F-1]"),
	CATALOGUE(a_kill_that_may_be_a_rings_doing_counts, "[F-1] [F-2]"),
	SENTENCE(of_a_hops_two_rings_the_source_is_broken_first),
	SENTENCE(a_broken_ring_is_tried_again_after_a_while_and_after_longer_ones),
	SENTENCE(a_ring_that_its_guest_breaks_under_its_owner_is_not_forgiven),
	SENTENCE(a_destination_that_ends_switches_leaves_no_other_guest_broken),
	SENTENCE(the_end_of_a_session_does_not_forgive_a_ring),
};
SUITE("grant_blame", sentences)
