/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking vrings back from threads that run and lie, and from who leaves. When a revocation is done
 * the test writes to the guest's memory itself, with plain stores, so that the thread sanitizer
 * sees every access that should not be there any more.
 */
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bursts.h"
#include "death.h"
#include "grant.h"
#include "lane.h"
#include "primary_scene.h"
#include "refusal.h"
#include "revocation.h"
#include "revoke.h"
#include "secondary_life.h"
#include "suite.h"

static void *run_bursts(void *context)
{
	struct runner *r = context;
	bool enabled;

	while (!hf_load_acquire(&r->stop)) {
		uint64_t mine = hf_load_acquire(&r->mine);

		if (!mine || !hf_burst_enter(r->lane, r->grant_word, mine, false, &enabled))
			continue;
		*r->scratch += 1;
		burst_publish(r->lane, r->used_idx, HF_INTENT_DEQUEUE);
		hf_burst_leave(r->lane);
		hf_store_release(&r->bursts, r->bursts + 1);
	}
	return NULL;
}

static void a_position_is_recovered_though_the_guest_cut_its_file_short(void)
{
	struct vring *vring;
	struct waiting w;

	scene_begin(1);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	rig_lane(vring)->avail = rig_lane(vring)->used = 7;
	REQUIRE(ftruncate(scene.device->region_fds[0], 0) == 0);
	w = waiting_for(vring);
	revoke_start(&w.revocation, scene.device, 0);
	CHECK_EQ(w.done, 1);
	CHECK_EQ(vring->base, 7);
	scene_end();
}

static void nothing_is_touched_after_done(void)
{
	struct runner runner;
	uint64_t touched = 0;
	struct vring *vring;
	pthread_t thread;
	int wrong = 0;

	REQUIRE(hf_lane_register_membarrier());
	scene_begin(1);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	runner = runner_for(vring);
	REQUIRE(pthread_create(&thread, NULL, run_bursts, &runner) == 0);
	for (int i = 0; i < 300; i++) {
		struct waiting w = waiting_for(vring);
		uint64_t before = hf_load_acquire(&runner.bursts);

		hf_store_release(&runner.mine, vring->grant);
		while (hf_load_acquire(&runner.bursts) == before)
			;
		revoke_start(&w.revocation, scene.device, 0);
		if (!w.done)
			rig_until(&scene.rig, is_done, &w, 20000);
		/* The memory is ours: plain accesses. */
		wrong += w.done != 1 || w.owned || vring->base != *rig_used_idx(vring);
		touched = *runner.scratch;
		*runner.scratch = touched;
		wrong += vring->counters[HF_COUNTER_GOOD_PACKETS] != touched * BATCH;
		rig_drain(scene.sockets[0]);
		grant_offer(scene.device);
		wrong += rig_lane(vring)->used != (uint16_t)(touched * BATCH);
	}
	hf_store_release(&runner.stop, 1u);
	pthread_join(thread, NULL);
	CHECK_EQ(wrong, 0);
	CHECK(touched >= 300);
	CHECK_EQ(scene.primary->refusals[REFUSED_LANE_LIES], 0);
	scene_end();
}

static void a_burst_in_progress_is_waited_for(void)
{
	struct hf_lane_vring *lane;
	struct waiting w;

	scene_begin(2);
	grant_offer(scene.device);
	lane = rig_lane(&scene.vrings[1]);
	hf_write_once(&lane->busy, 1u);
	w = waiting_for(&scene.vrings[1]);
	revoke_start(&w.revocation, scene.device, GRANT_ALL_VRINGS);
	CHECK_EQ(w.done, 0);
	CHECK_EQ(rig_grant_word(&scene.vrings[1]), 0);
	CHECK(scene.vrings[0].owner == NULL); /* that one was quiet */
	rig_until(&scene.rig, NULL, NULL, 50);
	CHECK_EQ(w.done, 0);
	burst_publish(lane, rig_used_idx(&scene.vrings[1]), HF_INTENT_ENQUEUE);
	hf_burst_leave(lane);
	CHECK(rig_until(&scene.rig, is_done, &w, 20000));
	CHECK_EQ(w.done, 1);
	CHECK_EQ(scene.vrings[1].base, BATCH);
	CHECK_EQ(scene.vrings[1].counters[HF_COUNTER_GOOD_PACKETS], BATCH);
	CHECK_EQ(scene.owner->nr_vrings, 0);
	CHECK(!scene.owner->killed);
	CHECK_EQ(rig_events(&scene.rig, EVENT(VRING_REVOKED), NULL), 1);
	scene_end();
}

static void overlapping_revocations_are_done_once_each(void)
{
	struct waiting one, all, same;
	struct secondary *second;
	struct hf_lane_vring *lane;
	struct vring *vring;

	scene_begin(2);
	second = scene_secondary("second", VSWITCH, NULL);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	CHECK(scene.device->owner == scene.owner);
	lane = rig_lane(vring);
	hf_write_once(&lane->busy, 1u);
	one = same = waiting_for(vring);
	all = waiting_for(vring);
	revoke_start(&one.revocation, scene.device, 0);
	revoke_start(&all.revocation, scene.device, GRANT_ALL_VRINGS);
	secondary_leave(scene.owner, true); /* would hand everything to the second */
	revoke_start(&same.revocation, scene.device, 0);
	rig_until(&scene.rig, NULL, NULL, 10);
	CHECK_EQ(one.done + all.done + same.done, 0);
	CHECK(revoke_covers(&scene.vrings[1]));
	grant_offer(scene.device);
	CHECK(scene.vrings[1].owner == NULL);
	hf_burst_leave(lane);
	rig_until(&scene.rig, NULL, NULL, 20);
	CHECK_EQ(one.done, 1);
	CHECK_EQ(all.done, 1);
	CHECK_EQ(same.done, 1);
	CHECK(!one.owned && !all.owned && !same.owned);
	CHECK(scene.primary->secondaries[0] == NULL);
	grant_offer(scene.device);
	CHECK(vring->owner == second && scene.vrings[1].owner == second);
	scene_end();
}

static void a_leaving_secondary_hands_over_at_its_position(void)
{
	struct secondary *second;
	struct vring *vring;
	char byte;

	scene_begin(2);
	second = scene_secondary("second", VSWITCH, NULL);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	burst_publish(rig_lane(vring), rig_used_idx(vring), HF_INTENT_DEQUEUE);
	rig_drain(scene.sockets[0]);
	secondary_leave(scene.owner, true);
	CHECK(scene.primary->secondaries[0] == NULL);
	CHECK_EQ(recv(scene.sockets[0], &byte, 1, 0), 0); /* its end says that we are done */
	CHECK(vring->owner == second && scene.device->owner == second);
	CHECK_EQ(rig_lane(vring)->used, BATCH);
	CHECK_EQ(rig_events(&scene.rig, EVENT(SECONDARY_DETACHED), NULL), 1);
	CHECK_EQ(hf_directory_secondary(&scene.primary->directory, 0)->state, HF_SECONDARY_FREE);
	scene_end();
}

/* It died in a burst of the other guest's: whoever ran only this one could give nothing to that. */
static void devices_of_who_leaves_go_on_together(void)
{
	struct secondary *first, *second;
	struct port *quiet, *busy;
	struct hf_lane_vring *lane;

	scene_open();
	first = scene_secondary("first", VSWITCH, NULL);
	second = scene_secondary("second", VSWITCH, NULL);
	quiet = rig_port(&scene.rig, "vm0", 2);
	busy = rig_port(&scene.rig, "vm1", 2);
	grant_offer_all(scene.primary);
	lane = rig_lane(&busy->device.vrings[0]);
	hf_write_once(&lane->busy, 1u);
	secondary_leave(first, false);
	grant_offer_all(scene.primary); /* whatever else happens meanwhile */
	rig_until(&scene.rig, NULL, NULL, 10);
	CHECK(quiet->device.vrings[0].owner == NULL && quiet->device.vrings[1].owner == NULL);
	CHECK(busy->device.vrings[0].owner == first);
	hf_burst_leave(lane);
	rig_until(&scene.rig, NULL, NULL, 20);
	for (int i = 0; i < 2; i++) {
		CHECK(quiet->device.vrings[i].owner == second);
		CHECK(busy->device.vrings[i].owner == second);
	}
	scene_end();
}

static void disabling_is_seen_before_it_is_done(void)
{
	struct hf_lane_vring *lane;
	struct vring *vring;
	struct waiting w;
	uint64_t grant;

	scene_begin(1);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	grant = vring->grant;
	lane = rig_lane(vring);
	hf_write_once(&lane->busy, 1u);
	vring->enabled = false;
	w = waiting_for(NULL);
	grant_set_enabled(&w.revocation, vring, false);
	rig_until(&scene.rig, NULL, NULL, 10);
	CHECK_EQ(w.done, 0);
	hf_burst_leave(lane);
	CHECK(rig_until(&scene.rig, is_done, &w, 20000));
	CHECK(vring->owner != NULL);
	CHECK(vring->grant > grant);
	CHECK_EQ(rig_grant_word(vring), vring->grant); /* no enabled bit */
	w = waiting_for(NULL);
	revoke_start(&w.revocation, scene.device, 0);
	CHECK_EQ(w.done, 1);
	grant_set_enabled(&w.revocation, vring, false); /* not granted: nothing to wait for */
	CHECK_EQ(w.done, 2);
	scene_end();
}

static void a_lying_lane_is_counted_and_the_ring_believed(void)
{
	struct hf_lane_vring *lane;
	struct vring *vring;
	struct waiting w;

	scene_begin(1);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	lane = rig_lane(vring);
	burst_publish(lane, rig_used_idx(vring), HF_INTENT_DEQUEUE);
	lane->avail = (uint16_t)(lane->used + RIG_RING_SIZE + 1);
	w = waiting_for(vring);
	revoke_start(&w.revocation, scene.device, 0);
	CHECK_EQ(w.done, 1);
	CHECK_EQ(vring->base, BATCH);
	CHECK_EQ(vring->base_used, BATCH);
	CHECK_EQ(scene.primary->refusals[REFUSED_LANE_LIES], 1);
	scene_end();
}

static void a_broken_ring_is_said_once_and_not_offered_again(void)
{
	const struct event *event;
	struct vring *vring;
	struct waiting w;

	scene_begin(1);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	rig_lane(vring)->broken = HF_COUNTER_BREAK_BAD_HEAD + 1;
	grant_check_broken(scene.primary);
	grant_check_broken(scene.primary);
	CHECK(vring->broken);
	CHECK(hf_directory_device(&scene.primary->directory, scene.device->slot)->vrings[0].flags &
	      HF_VRING_BROKEN);
	w = waiting_for(vring);
	revoke_start(&w.revocation, scene.device, 0);
	REQUIRE(rig_events(&scene.rig, EVENT(VRING_BROKEN), &event) == 1);
	CHECK(!strcmp(event->detail, "break_bad_head"));
	grant_offer(scene.device);
	CHECK(vring->owner == NULL);
	vring->broken = false; /* it was stopped and set up again */
	grant_offer(scene.device);
	CHECK(vring->owner != NULL);
	CHECK_EQ(rig_lane(vring)->broken, 0);
	scene_end();
}

static void what_a_dead_owner_said_was_broken_is_tried_again(void)
{
	struct secondary *second;
	struct vring *vring;

	scene_begin(1);
	second = scene_secondary("second", VSWITCH, NULL);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	rig_lane(vring)->broken = HF_COUNTER_BREAK_BAD_HEAD + 1;
	grant_check_broken(scene.primary);
	CHECK(vring->broken);
	grant_secondary_died(scene.primary, scene.owner);
	CHECK(!vring->broken && vring->owner == second);
	scene_end();
}

static void a_cancelled_revocation_never_calls(void)
{
	struct hf_lane_vring *lane;
	struct vring *vring;
	struct waiting w;

	scene_begin(1);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	lane = rig_lane(vring);
	hf_write_once(&lane->busy, 1u);
	w = waiting_for(vring);
	revoke_cancel(&w.revocation);
	revoke_start(&w.revocation, scene.device, 0);
	revoke_cancel(&w.revocation);
	hf_burst_leave(lane);
	rig_until(&scene.rig, NULL, NULL, 10);
	CHECK_EQ(w.done, 0);
	CHECK(scene.primary->revocations == NULL);
	scene_end();
}

static void a_revocation_without_a_timer_is_looked_at_now_and_then(void)
{
	struct hf_lane_vring *lane;
	struct waiting w;

	scene_begin(1);
	scene.rig.conf.fence = false;
	grant_offer(scene.device);
	lane = rig_lane(&scene.vrings[0]);
	hf_write_once(&lane->busy, 1u);
	w = waiting_for(&scene.vrings[0]);
	revoke_start(&w.revocation, scene.device, 0);
	loop_timer_clear(scene.primary->loop,
			 &w.revocation.timer); /* as if it could not be armed */
	revoke_look_again(scene.primary);
	CHECK_EQ(w.done, 0);
	loop_timer_clear(scene.primary->loop, &w.revocation.timer);
	hf_burst_leave(lane);
	revoke_look_again(scene.primary);
	CHECK_EQ(w.done, 1);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(a_position_is_recovered_though_the_guest_cut_its_file_short),
	SENTENCE(nothing_is_touched_after_done),
	SENTENCE(a_burst_in_progress_is_waited_for),
	SENTENCE(overlapping_revocations_are_done_once_each),
	SENTENCE(a_leaving_secondary_hands_over_at_its_position),
	SENTENCE(devices_of_who_leaves_go_on_together),
	SENTENCE(disabling_is_seen_before_it_is_done),
	CATALOGUE(a_lying_lane_is_counted_and_the_ring_believed, "[C-8]"),
	SENTENCE(a_broken_ring_is_said_once_and_not_offered_again),
	SENTENCE(what_a_dead_owner_said_was_broken_is_tried_again),
	SENTENCE(a_cancelled_revocation_never_calls),
	SENTENCE(a_revocation_without_a_timer_is_looked_at_now_and_then),
};
SUITE("revoke", sentences)
