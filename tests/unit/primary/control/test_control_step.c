/* SPDX-License-Identifier: Apache-2.0 */
/* An answer in parts: what happens to a port between two of them. */
#include <errno.h>

#include "check.h"
#include "control_answer.h"
#include "device.h"
#include "port.h"
#include "ports.h"
#include "primary_scene.h"
#include "suite.h"

static uint8_t arena[ANSWER_ARENA_BYTES];
static Holdfast__Control__PortShowRequest wanted;
static Holdfast__Control__Request request;
static struct answer answer;
static Holdfast__Control__Response response;

/* "vm0" is shown, and its first part is gone. */
static void begin_to_show(uint32_t nr_vrings)
{
	scene_begin(nr_vrings);
	wanted = (Holdfast__Control__PortShowRequest)HOLDFAST__CONTROL__PORT_SHOW_REQUEST__INIT;
	wanted.name = answer_borrow("vm0");
	request = (Holdfast__Control__Request)HOLDFAST__CONTROL__REQUEST__INIT;
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_PORT_SHOW;
	request.port_show = &wanted;
	answer = (struct answer){.primary = scene.primary, .request = &request, .arena = arena};
}

static const Holdfast__Control__PortShowReply *next_part(void)
{
	response = (Holdfast__Control__Response)HOLDFAST__CONTROL__RESPONSE__INIT;
	answer.arena_used = 0;
	REQUIRE(control_port_show(&answer, &response) == 0);
	return response.port_show;
}

/* Of a table that has more than fit into one part; *ret_count: how many it really has. */
static struct hf_memtab *show_first_regions(uint32_t *ret_count)
{
	struct hf_memtab *memory;

	begin_to_show(2);
	memory = &scene.device->memory;
	*ret_count = memory->count;
	memory->count = 400;
	CHECK(next_part()->port != NULL);
	CHECK_EQ(next_part()->n_regions, 256);
	return memory;
}

static void a_table_that_became_shorter_is_at_its_end(void)
{
	struct hf_memtab *memory;
	uint32_t count;

	memory = show_first_regions(&count);
	/* The same session took regions away. */
	memory->count = count;
	CHECK_EQ(next_part()->n_regions, 0);
	CHECK(response.more);
	CHECK_EQ(next_part()->n_vrings, 2);
	CHECK(!response.more);
	scene_end();
}

static void a_table_that_became_longer_is_shown_to_its_end(void)
{
	struct hf_memtab *memory;
	uint32_t count;

	memory = show_first_regions(&count);
	memory->count = HF_SHM_MAX_REGIONS;
	CHECK_EQ(next_part()->n_regions, HF_SHM_MAX_REGIONS - 256);
	CHECK_EQ(next_part()->n_vrings, 2);
	CHECK(!response.more);
	memory->count = count;
	scene_end();
}

static void rings_that_are_gone_are_at_their_end(void)
{
	struct vring last;

	begin_to_show(2);
	last = scene.vrings[200];
	scene.vrings[200].size = RIG_RING_SIZE;
	CHECK(next_part()->port != NULL);
	CHECK_EQ(next_part()->n_regions, 1);
	CHECK_EQ(next_part()->n_vrings, 64);
	scene.vrings[200] = last;
	CHECK_EQ(next_part()->n_vrings, 0);
	CHECK(!response.more);
	scene_end();
}

static int add(const char *name, bool by_rule)
{
	Holdfast__Control__PortAddRequest body = HOLDFAST__CONTROL__PORT_ADD_REQUEST__INIT;

	body.name = answer_borrow(name);
	request = (Holdfast__Control__Request)HOLDFAST__CONTROL__REQUEST__INIT;
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_PORT_ADD;
	request.port_add = &body;
	response = (Holdfast__Control__Response)HOLDFAST__CONTROL__RESPONSE__INIT;
	answer = (struct answer){
		.primary = scene.primary, .request = &request, .arena = arena, .by_rule = by_rule};
	return control_port_add(&answer, &response);
}

static void the_last_quarter_of_the_places_is_for_who_may_all(void)
{
	char name[8];

	scene_open();
	for (unsigned int i = 0; i < RIG_PORTS - RIG_PORTS / 4; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		CHECK_EQ(add(name, true), 0);
	}
	CHECK_EQ(add("last", true), -ENOSPC);
	CHECK(*response.reason);
	CHECK_EQ(add("last", false), 0);
	CHECK_EQ(port_del(scene.primary, "last"), 0);
	for (unsigned int i = 0; i < RIG_PORTS - RIG_PORTS / 4; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		CHECK_EQ(port_del(scene.primary, name), 0);
	}
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(a_table_that_became_shorter_is_at_its_end),
	SENTENCE(a_table_that_became_longer_is_shown_to_its_end),
	SENTENCE(rings_that_are_gone_are_at_their_end),
	SENTENCE(the_last_quarter_of_the_places_is_for_who_may_all),
};
SUITE("control_step", sentences)
