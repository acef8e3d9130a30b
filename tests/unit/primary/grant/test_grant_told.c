/* SPDX-License-Identifier: Apache-2.0 */
/* What an owner is told, in which order, and what waits while it does not read. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "grant.h"
#include "lane.h"
#include "outbox.h"
#include "primary_scene.h"
#include "refusal.h"
#include "revoke.h"
#include "suite.h"
#include "tell.h"

static void memory_comes_before_ready_before_grants(void)
{
	Holdfast__Attach__ToSecondary *m;
	struct vring *vring;
	size_t fds;

	scene_begin(1);
	vring = &scene.vrings[0];
	vring->base = vring->base_used = 4711;
	grant_offer(scene.device);

	REQUIRE((m = rig_message(scene.sockets[0], &fds)) && m->body_case == BODY(DEVICE_MEMORY));
	CHECK_EQ(fds, 1);
	CHECK_EQ(m->device_memory->session, scene.device->session);
	CHECK_EQ(m->device_memory->total, 1);
	rig_message_free(m);
	REQUIRE((m = rig_message(scene.sockets[0], &fds)) && m->body_case == BODY(DEVICE_READY));
	CHECK_EQ(m->device_ready->mem_generation, scene.device->mem_generation);
	rig_message_free(m);
	REQUIRE((m = rig_message(scene.sockets[0], &fds)) && m->body_case == BODY(VRING_GRANT));
	CHECK_EQ(fds, 2); /* kick and call */
	CHECK(m->vring_grant->has_kick && m->vring_grant->has_call && !m->vring_grant->has_err);
	CHECK_EQ(m->vring_grant->grant | HF_GRANT_ENABLED, rig_grant_word(vring));
	CHECK_EQ(m->vring_grant->grant & HF_GRANT_ENABLED, 0);
	CHECK(m->vring_grant->enabled);
	CHECK_EQ(m->vring_grant->lane_entry, vring->lane_entry);
	CHECK_EQ(m->vring_grant->avail, 4711);
	CHECK_EQ(m->vring_grant->used, 4711);
	CHECK_EQ(m->vring_grant->size, RIG_RING_SIZE);
	CHECK_EQ(m->vring_grant->used_gpa, vring->used_gpa);
	rig_message_free(m);
	CHECK_EQ(rig_lane(vring)->used, 4711);
	CHECK_EQ(rig_lane(vring)->grant, vring->grant);
	CHECK_EQ(hf_directory_device(&scene.primary->directory, 0)->vrings[0].owner,
		 scene.owner->slot);
	take_all_back(scene.device);
	CHECK_EQ(hf_directory_device(&scene.primary->directory, 0)->vrings[0].owner,
		 HF_SHM_NO_OWNER);
	scene_end();
}

static void memory_is_sent_once_for_each_table(void)
{
	scene_begin(1);
	grant_offer(scene.device);
	CHECK_EQ(rig_skip_to(scene.sockets[0], BODY(VRING_GRANT)), 2);
	take_all_back(scene.device);
	CHECK_EQ(rig_skip_to(scene.sockets[0], BODY(VRING_REVOKE)), 0);
	grant_offer(scene.device);
	CHECK_EQ(rig_skip_to(scene.sockets[0], BODY(VRING_GRANT)), 0);
	take_all_back(scene.device);
	scene.device->mem_generation++;
	grant_offer(scene.device);
	CHECK_EQ(rig_skip_to(scene.sockets[0], BODY(VRING_GRANT)), 3); /* revoke, memory, ready */
	scene_end();
}

static void add_regions(struct device *device, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		device->memory.regions[i] = device->memory.regions[0];
		device->memory.regions[i].gpa = (uint64_t)i * RIG_MEMORY;
		device->region_fds[i] = dup(device->region_fds[0]);
	}
	device->memory.count = count;
}

static void many_regions_come_in_packets_of_a_hundred(void)
{
	static const uint32_t expected[][2] = {{0, 100}, {100, 100}, {200, 50}};

	scene_begin(1);
	add_regions(scene.device, 250);
	grant_offer(scene.device);
	for (size_t i = 0; i < 3; i++) {
		size_t fds;
		Holdfast__Attach__ToSecondary *m = rig_message(scene.sockets[0], &fds);

		REQUIRE(m && m->body_case == BODY(DEVICE_MEMORY));
		CHECK_EQ(m->device_memory->first, expected[i][0]);
		CHECK_EQ(fds, expected[i][1]);
		CHECK_EQ(m->device_memory->total, 250);
		rig_message_free(m);
	}
	CHECK_EQ(rig_skip_to(scene.sockets[0], BODY(VRING_GRANT)), 1);
	scene_end();
}

static void memory_that_was_taken_away_is_let_go_by_an_owner_whose_rings_stopped(void)
{
	Holdfast__Attach__ToSecondary *m;
	size_t fds;

	scene_begin(1);
	grant_offer(scene.device);
	take_all_back(scene.device);
	rig_drain(scene.sockets[0]);
	scene.vrings[0].started = false;
	scene.device->memory.count = 0;
	scene.device->mem_generation++;
	grant_offer(scene.device);
	REQUIRE((m = rig_message(scene.sockets[0], &fds)) && m->body_case == BODY(DEVICE_MEMORY));
	CHECK(m->device_memory->total == 0 && fds == 0);
	rig_message_free(m);
	REQUIRE((m = rig_message(scene.sockets[0], &fds)) && m->body_case == BODY(DEVICE_READY));
	CHECK_EQ(m->device_ready->mem_generation, scene.device->mem_generation);
	rig_message_free(m);
	grant_offer(scene.device);
	CHECK(recv(scene.sockets[0], &fds, 1, MSG_PEEK | MSG_DONTWAIT) < 0); /* once */
	scene.device->memory.count = 1;
	scene_end();
}

static void call_state_and_announcement_go_to_the_owner(void)
{
	Holdfast__Attach__ToSecondary *m;
	const uint8_t mac[6] = {2, 0, 0, 1, 2, 3};
	struct vring *vring;
	size_t fds;

	scene_begin(1);
	vring = &scene.vrings[0];
	vring->enabled = false;
	grant_send_call(vring); /* nobody to tell */
	grant_offer(scene.device);
	rig_drain(scene.sockets[0]);

	grant_send_call(vring);
	REQUIRE((m = rig_message(scene.sockets[0], &fds)) && m->body_case == BODY(VRING_NOTIFY));
	CHECK(m->vring_notify->has_call && fds == 1);
	rig_message_free(m);
	hf_fd_close(&vring->call);
	grant_send_call(vring);
	REQUIRE((m = rig_message(scene.sockets[0], &fds)) && m->body_case == BODY(VRING_NOTIFY));
	CHECK(!m->vring_notify->has_call && fds == 0);
	rig_message_free(m);

	vring->enabled = true;
	grant_set_enabled(NULL, vring, true);
	CHECK_EQ(rig_grant_word(vring), vring->grant | HF_GRANT_ENABLED);
	REQUIRE((m = rig_message(scene.sockets[0], &fds)) && m->body_case == BODY(VRING_STATE));
	CHECK(m->vring_state->enabled);
	rig_message_free(m);

	grant_send_rarp(scene.device, mac);
	REQUIRE((m = rig_message(scene.sockets[0], &fds)) && m->body_case == BODY(DEVICE_RARP));
	CHECK_EQ(m->device_rarp->mac.len, 6);
	CHECK(!memcmp(m->device_rarp->mac.data, mac, 6));
	rig_message_free(m);
	scene_end();
}

static bool is_gone(void *context)
{
	struct rig *rig = context;

	return !rig->primary.secondaries[0] || rig->primary.secondaries[0]->leaving;
}

static void who_does_not_read_is_cut_off_and_its_vrings_go_on(void)
{
	struct secondary *other;

	scene_begin(1);
	grant_offer(scene.device);
	CHECK(scene.device->owner == scene.owner);
	for (int i = 0; i < 100000 && !scene.owner->cut; i++)
		grant_set_enabled(NULL, &scene.vrings[0], true);
	CHECK(scene.owner->cut);
	other = scene_secondary("other", VSWITCH, NULL);
	CHECK_EQ(scene.primary->refusals[REFUSED_ATTACH_SLOW], 1);
	CHECK(scene.vrings[0].owner == scene.owner); /* not from inside the call */
	CHECK(rig_until(&scene.rig, is_gone, &scene.rig, 20000));
	CHECK(scene.vrings[0].owner == other);
	scene_end();
}

static void what_waits_is_sent_in_order_when_there_is_room(void)
{
	Holdfast__Attach__ToSecondary *m;
	struct vring *vring;
	int wrong = 0;
	size_t fds;

	scene_begin(1);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	rig_drain(scene.sockets[0]);
	/* The number goes where the session is: a sequence to look for. */
	for (unsigned int i = 0; i < 2000; i++) {
		scene.device->session = i;
		grant_set_enabled(NULL, vring, true);
	}
	CHECK(!scene.owner->cut);
	for (unsigned int i = 0; i < 2000; i++) {
		if (i % 50 == 0)
			rig_until(&scene.rig, NULL, NULL, 1);
		m = rig_message(scene.sockets[0], &fds);
		REQUIRE(m != NULL);
		wrong += m->body_case != BODY(VRING_STATE) || fds != 0 ||
			 m->vring_state->session != i;
		rig_message_free(m);
	}
	CHECK_EQ(wrong, 0);
	scene_end();
}

static void calls_and_announcements_do_not_pile_up(void)
{
	unsigned int calls = 0, rarps = 0, last = 0;
	Holdfast__Attach__ToSecondary *m;
	struct vring *vring;

	scene_begin(1);
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	rig_drain(scene.sockets[0]);
	for (unsigned int i = 1; i <= 50000; i++) {
		grant_send_rarp(scene.device, (uint8_t[6]){(uint8_t)i, (uint8_t)(i >> 8)});
		grant_send_call(vring);
	}
	CHECK(!scene.owner->cut);
	CHECK(!grant_congested(scene.device));
	do {
		rig_until(&scene.rig, NULL, NULL, 2);
		while (recv(scene.sockets[0], &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) > 0 &&
		       (m = rig_message(scene.sockets[0], NULL))) {
			calls += m->body_case == BODY(VRING_NOTIFY);
			rarps += m->body_case == BODY(DEVICE_RARP);
			if (m->body_case == BODY(DEVICE_RARP))
				last = m->device_rarp->mac.data[0] |
				       (unsigned int)m->device_rarp->mac.data[1] << 8;
			rig_message_free(m);
		}
	} while (!secondary_idle(scene.owner) || scene.device->rarp_unsent || vring->call_unsent);
	CHECK(calls < 1000 && rarps < 1000);
	CHECK_EQ(last, 50000);
	scene_end();
}

static void events_of_one_front_end_do_not_push_out_the_others(void)
{
	const struct event *last = NULL;

	scene_open();
	(void)rig_port(&scene.rig, "noisy", 1);
	event_emit(scene.primary, EVENT(PORT_ADDED), "quiet", NULL, -1, 0, "%s", "");
	for (int i = 0; i < 3000; i++)
		event_emit(scene.primary, EVENT(SESSION_OPENED), "noisy", NULL, -1, 0, "%s", "x");
	CHECK_EQ(rig_events(&scene.rig, EVENT(PORT_ADDED), NULL), 1);
	CHECK(rig_events(&scene.rig, EVENT(SESSION_OPENED), NULL) < 200);
	rig_until(&scene.rig, NULL, NULL, 110);
	event_emit(scene.primary, EVENT(SESSION_CLOSED), "noisy", NULL, -1, 0, "%s", "x");
	REQUIRE(rig_events(&scene.rig, EVENT(SESSION_CLOSED), &last) == 1);
	CHECK(strstr(last->detail, "more before it left out") != NULL);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(memory_comes_before_ready_before_grants),
	SENTENCE(memory_is_sent_once_for_each_table),
	SENTENCE(many_regions_come_in_packets_of_a_hundred),
	SENTENCE(memory_that_was_taken_away_is_let_go_by_an_owner_whose_rings_stopped),
	SENTENCE(call_state_and_announcement_go_to_the_owner),
	SENTENCE(who_does_not_read_is_cut_off_and_its_vrings_go_on),
	SENTENCE(what_waits_is_sent_in_order_when_there_is_room),
	SENTENCE(calls_and_announcements_do_not_pile_up),
	SENTENCE(events_of_one_front_end_do_not_push_out_the_others),
};
SUITE("grant_told", sentences)
