/* SPDX-License-Identifier: Apache-2.0 */
/* A port is shown with its rings, whatever the guest made of them. */
#include <string.h>
#include <unistd.h>

#include "control_client.h"
#include "grant.h"
#include "primary_scene.h"
#include "suite.h"
#include "vu_wire.h"

static struct answer *show(const char *name, bool descriptors)
{
	Holdfast__Control__PortShowRequest body = HOLDFAST__CONTROL__PORT_SHOW_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.name = TEXT(name);
	body.descriptors = descriptors;
	request.body_case = ASK(PORT_SHOW);
	request.port_show = &body;
	return call(&request, ANSWER(PORT_SHOW));
}

static const Holdfast__Control__Vring *find_vring(const struct answer *answer, uint32_t index)
{
	for (size_t p = 0; p < answer->nr_parts; p++)
		for (size_t i = 0; i < answer->parts[p]->port_show->n_vrings; i++)
			if (answer->parts[p]->port_show->vrings[i]->index == index)
				return answer->parts[p]->port_show->vrings[i];
	return NULL;
}

static void a_port_is_shown_with_its_rings(void)
{
	const Holdfast__Control__Vring *v;
	struct answer *answer;
	uint16_t *avail;

	scene_begin(2);
	control_serve();
	grant_offer(scene.device);
	avail = rig_guest(scene.device, scene.vrings[1].avail_gpa, 4);
	avail[0] = 1;
	avail[1] = 40;
	*rig_used_idx(&scene.vrings[1]) = 12;
	rig_lane(&scene.vrings[1])->avail = 13;
	rig_lane(&scene.vrings[1])->used = 12;
	rig_lane(&scene.vrings[1])->running = 1;
	answer = show("vm0", false);
	REQUIRE(answer->parts[0]->port_show->port != NULL);
	CHECK_EQ(answer->parts[0]->port_show->port->state, HOLDFAST__CONTROL__PORT_STATE__READY);
	CHECK_EQ(answer->parts[0]->port_show->port->started_vrings, 2);
	CHECK(!strcmp(answer->parts[0]->port_show->port->owner, "vsw"));
	CHECK_EQ(answer->parts[0]->port_show->port->memory_bytes, RIG_MEMORY);
	REQUIRE(answer->parts[1]->port_show->n_regions == 1);
	CHECK_EQ(answer->parts[1]->port_show->regions[0]->size, RIG_MEMORY);
	REQUIRE((v = find_vring(answer, 1)) != NULL);
	CHECK(v->mapped && v->started && v->enabled && v->running && !v->busy && !v->broken);
	CHECK_EQ(v->avail_flags, 1);
	CHECK_EQ(v->avail_idx, 40);
	CHECK_EQ(v->used_idx, 12);
	CHECK_EQ(v->last_avail, 13);
	CHECK_EQ(v->last_used, 12);
	CHECK_EQ(v->grant, scene.vrings[1].grant);
	CHECK_EQ(v->size, RIG_RING_SIZE);
	CHECK_EQ(v->n_descriptors, 0);
	free_answer(answer);
	scene_end();
}

static void a_packed_ring_is_shown_with_its_wrap_counters(void)
{
	const Holdfast__Control__Vring *v;
	struct answer *answer;
	uint16_t *events, *descriptor;

	scene_begin(2);
	control_serve();
	scene.device->features |= VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	grant_offer(scene.device);
	events = rig_guest(scene.device, scene.vrings[1].avail_gpa, 4);
	events[0] = 0x8011;
	events[1] = 2;
	rig_lane(&scene.vrings[1])->avail = 0x8000 | 13;
	rig_lane(&scene.vrings[1])->used = 12;
	descriptor = rig_guest(scene.device, scene.vrings[1].desc_gpa, 16);
	descriptor[6] = 77;
	descriptor[7] = 0x8001;
	answer = show("vm0", true);
	REQUIRE((v = find_vring(answer, 1)) != NULL);
	CHECK(v->packed && v->mapped);
	CHECK_EQ(v->avail_flags, 2);
	CHECK_EQ(v->avail_idx, 0x8011);
	CHECK_EQ(v->last_avail, 13);
	CHECK_EQ(v->avail_wrap, true);
	CHECK_EQ(v->last_used, 12);
	CHECK_EQ(v->used_wrap, false);
	REQUIRE(v->n_descriptors > 0);
	CHECK_EQ(v->descriptors[0]->id, 77);
	CHECK_EQ(v->descriptors[0]->flags, 0x8001);
	CHECK_EQ(v->descriptors[0]->next, 0);
	free_answer(answer);
	scene_end();
}

static void a_ring_outside_of_memory_is_shown_as_not_mapped(void)
{
	const Holdfast__Control__Vring *v;
	struct answer *answer;

	scene_begin(1);
	control_serve();
	scene.vrings[0].avail_gpa = RIG_MEMORY - 2;
	scene.vrings[0].desc_gpa = RIG_MEMORY - 64;
	answer = show("vm0", true);
	REQUIRE((v = find_vring(answer, 0)) != NULL);
	CHECK(!v->mapped);
	CHECK_EQ(v->n_descriptors, 0);
	free_answer(answer);
	scene_end();
}

static void a_ring_whose_file_was_cut_short_is_shown_as_not_mapped(void)
{
	const Holdfast__Control__Vring *v;
	struct answer *answer;

	scene_begin(1);
	control_serve();
	REQUIRE(ftruncate(scene.device->region_fds[0], 0) == 0);
	answer = show("vm0", true);
	REQUIRE((v = find_vring(answer, 0)) != NULL);
	CHECK(!v->mapped);
	CHECK_EQ(v->n_descriptors, 0);
	free_answer(answer);
	scene_end();
}

static void descriptors_of_the_largest_ring_come_in_parts(void)
{
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} * table;
	struct answer *answer;
	struct vring *vring;
	size_t seen = 0, wrong = 0;

	scene_begin(2);
	control_serve();
	vring = &scene.vrings[1];
	vring->size = 32768;
	vring->desc_gpa = RIG_MEMORY / 2;
	table = rig_guest(scene.device, vring->desc_gpa, 32768 * sizeof(*table));
	REQUIRE(table != NULL);
	for (uint32_t i = 0; i < 32768; i++) {
		table[i].addr = UINT64_MAX - i;
		table[i].len = UINT32_MAX - i;
		table[i].flags = 3;
		table[i].next = (uint16_t)(i + 1);
	}
	answer = show("vm0", true);
	for (size_t p = 0; p < answer->nr_parts; p++) {
		const Holdfast__Control__PortShowReply *part = answer->parts[p]->port_show;

		CHECK(part->n_vrings <= 1);
		if (!part->n_vrings || part->vrings[0]->index != 1)
			continue;
		for (size_t i = 0; i < part->vrings[0]->n_descriptors; i++, seen++)
			wrong += part->vrings[0]->descriptors[i]->index != seen ||
				 part->vrings[0]->descriptors[i]->addr != UINT64_MAX - seen ||
				 part->vrings[0]->descriptors[i]->len != UINT32_MAX - seen ||
				 part->vrings[0]->descriptors[i]->next != (uint16_t)(seen + 1);
	}
	CHECK_EQ(seen, 32768);
	CHECK_EQ(wrong, 0);
	free_answer(answer);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(a_port_is_shown_with_its_rings),
	SENTENCE(a_packed_ring_is_shown_with_its_wrap_counters),
	SENTENCE(a_ring_outside_of_memory_is_shown_as_not_mapped),
	SENTENCE(a_ring_whose_file_was_cut_short_is_shown_as_not_mapped),
	SENTENCE(descriptors_of_the_largest_ring_come_in_parts),
};
SUITE("control_show", sentences)
