/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits is prepared, and goes on where the dead one was. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "death.h"
#include "fd.h"
#include "grant.h"
#include "primary_scene.h"
#include "retire.h"
#include "secondary_life.h"
#include "state.h"
#include "suite.h"
#include "tell.h"

static void who_waits_is_prepared_and_takes_over_without_descriptors(void)
{
	Holdfast__Attach__ToSecondary *m;
	struct secondary *spare;
	const struct event *event;
	struct vring *vring;
	uint32_t entry;

	scene_begin(1);
	spare = scene_secondary("spare", STANDBY, "vm*");
	(void)scene_secondary("watch", OBSERVER, NULL);
	(void)scene_secondary("other", VSWITCH, "net*");
	vring = &scene.vrings[0];
	grant_offer(scene.device);
	grant_offer(scene.device); /* nothing new */
	CHECK(scene.device->owner == scene.owner);
	rig_expect_only(scene.sockets[1], BODY(DEVICE_MEMORY), 1);
	rig_expect_only(scene.sockets[1], BODY(DEVICE_READY), 0);
	m = rig_expect(scene.sockets[1], BODY(VRING_PREPARE), 2);
	CHECK_EQ(m->vring_prepare->size, RIG_RING_SIZE);
	CHECK_EQ(m->vring_prepare->used_gpa, vring->used_gpa);
	entry = m->vring_prepare->lane_entry;
	CHECK(entry != 0);
	rig_message_free(m);
	CHECK(!rig_has_message(scene.sockets[1]) && !rig_has_message(scene.sockets[2]) &&
	      !rig_has_message(scene.sockets[3]));

	*rig_used_idx(vring) = 7;
	rig_lane(vring)->used = rig_lane(vring)->avail = 7;
	grant_secondary_died(scene.primary, scene.owner);
	CHECK(vring->owner == spare);
	m = rig_expect(scene.sockets[1], BODY(VRING_GRANT), 0);
	CHECK(m->vring_grant->prepared);
	CHECK_EQ(m->vring_grant->lane_entry, entry);
	CHECK_EQ(m->vring_grant->used, 7);
	rig_message_free(m);
	REQUIRE(rig_events(&scene.rig, EVENT(TAKEN_OVER), &event) == 1);
	CHECK(!strcmp(event->secondary, "spare") && !strcmp(event->port, "vm0"));
	CHECK(event->duration_ns > 0);
	CHECK_EQ(scene.primary->continuity.takeovers, 1);
	scene_end();
}

static void what_changes_is_sent_to_those_who_wait(void)
{
	struct vring *vring;

	scene_begin(2);
	(void)scene_secondary("spare", STANDBY, NULL);
	vring = &scene.vrings[1];
	vring->started = false;
	grant_offer(scene.device);
	CHECK_EQ(rig_skip_to(scene.sockets[1], BODY(VRING_PREPARE)), 2);
	vring->started = true; /* one more */
	grant_offer(scene.device);
	rig_expect_only(scene.sockets[1], BODY(VRING_PREPARE), 2);
	grant_send_call(vring);
	rig_expect_only(scene.sockets[1], BODY(VRING_NOTIFY), 1);

	take_all_back(scene.device); /* a new kick */
	vring->setup++;
	grant_offer(scene.device);
	rig_expect_only(scene.sockets[1], BODY(VRING_PREPARE), 2);
	CHECK_EQ(rig_skip_to(scene.sockets[0], BODY(VRING_REVOKE)), 5);
	rig_expect_only(scene.sockets[0], BODY(VRING_REVOKE), 0);
	rig_expect_only(scene.sockets[0], BODY(VRING_GRANT), 0); /* as it was */
	rig_expect_only(scene.sockets[0], BODY(VRING_GRANT), 2);

	take_all_back(scene.device); /* a new memory table */
	scene.device->mem_generation++;
	grant_offer(scene.device);
	rig_expect_only(scene.sockets[1], BODY(DEVICE_MEMORY), 1);
	rig_expect_only(scene.sockets[1], BODY(DEVICE_READY), 0);
	rig_expect_only(scene.sockets[1], BODY(VRING_PREPARE), 2);
	rig_expect_only(scene.sockets[1], BODY(VRING_PREPARE), 2);

	take_all_back(scene.device); /* the end of the session */
	grant_retire(scene.device);
	rig_expect_only(scene.sockets[1], BODY(DEVICE_RETIRE), 0);
	CHECK(!rig_has_message(scene.sockets[1]));
	scene_end();
}

static void the_state_of_the_dead_goes_to_the_next_after_its_grants(void)
{
	struct secondary *spare;
	struct state *state;
	int s, fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	scene_begin(1);
	REQUIRE(ftruncate(fd, 4096) == 0);
	CHECK_EQ(state_create(&state, fd), -EINVAL); /* might shrink */
	REQUIRE(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
	REQUIRE(state_create(&scene.owner->state, fd) == 0);
	grant_offer(scene.device);
	grant_secondary_died(scene.primary, scene.owner);
	secondary_destroy(scene.owner);
	CHECK(scene.device->owner == NULL); /* nobody is there yet */
	spare = scene_secondary("spare", VSWITCH, NULL);
	s = scene.sockets[spare->slot];
	grant_offer_all(scene.primary);
	CHECK(scene.device->owner == spare);
	CHECK_EQ(rig_skip_to(s, BODY(VRING_GRANT)), 2);
	rig_expect_only(s, BODY(PEER_STATE), 1);
	take_all_back(scene.device); /* once */
	grant_offer(scene.device);
	rig_expect_only(s, BODY(VRING_REVOKE), 0);
	rig_expect_only(s, BODY(VRING_GRANT), 0);
	CHECK(!rig_has_message(s));
	hf_fd_close(&fd);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(who_waits_is_prepared_and_takes_over_without_descriptors),
	SENTENCE(what_changes_is_sent_to_those_who_wait),
	SENTENCE(the_state_of_the_dead_goes_to_the_next_after_its_grants),
};
SUITE("grant_spare", sentences)
