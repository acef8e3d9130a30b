/* SPDX-License-Identifier: Apache-2.0 */
/* Who is granted what. */
#include <string.h>

#include "death.h"
#include "grant.h"
#include "lane.h"
#include "primary_scene.h"
#include "suite.h"

static void the_first_vswitch_that_serves_the_port_gets_it(void)
{
	struct secondary *other, *first, *second;
	struct port *port;

	scene_open();
	other = scene_secondary("other", VSWITCH, "net*");
	first = scene_secondary("first", VSWITCH, "vm*");
	second = scene_secondary("second", VSWITCH, NULL);
	port = rig_port(&scene.rig, "vm0", 2);
	grant_offer(&port->device);
	CHECK(port->device.owner == first);
	CHECK(port->device.vrings[0].owner == first && port->device.vrings[1].owner == first);
	CHECK_EQ(first->nr_vrings, 2);
	CHECK_EQ(second->nr_vrings + other->nr_vrings, 0);
	CHECK_EQ(rig_events(&scene.rig, EVENT(VRING_GRANTED), NULL), 1);
	scene_end();
}

static void standbys_come_after_vswitches_by_priority(void)
{
	struct secondary *observer, *low, *high, *vswitch;
	struct port *port;

	scene_open();
	observer = scene_secondary("observer", OBSERVER, NULL);
	low = scene_secondary("low", STANDBY, NULL);
	high = scene_secondary("high", STANDBY, NULL);
	high->priority = 5;
	port = rig_port(&scene.rig, "vm0", 2);
	grant_offer(&port->device);
	CHECK(port->device.owner == high);
	vswitch = scene_secondary("vswitch", VSWITCH, NULL);
	grant_offer_all(scene.primary);
	CHECK(port->device.owner == high); /* it lives and serves the port */
	grant_secondary_died(scene.primary, high);
	CHECK(port->device.owner == vswitch);
	grant_secondary_died(scene.primary, vswitch);
	CHECK(port->device.owner == low);
	grant_secondary_died(scene.primary, low);
	CHECK(port->device.owner == NULL);
	CHECK(port->device.vrings[0].owner == NULL);
	CHECK_EQ(observer->nr_vrings, 0);
	scene_end();
}

static void a_ready_device_that_nobody_serves_is_said_once(void)
{
	const struct event *event;
	struct port *port;

	scene_open();
	(void)scene_secondary("other", VSWITCH, "net*");
	port = rig_port(&scene.rig, "vm0", 2);
	grant_offer(&port->device);
	grant_offer(&port->device);
	grant_offer_all(scene.primary);
	REQUIRE(rig_events(&scene.rig, EVENT(PORT_ORPHANED), &event) == 1);
	CHECK(!strcmp(event->port, "vm0"));
	scene_end();
}

static void grants_are_never_used_twice(void)
{
	uint64_t last = 0;

	scene_begin(2);
	for (int i = 0; i < 10; i++) {
		grant_offer(scene.device);
		CHECK(scene.vrings[0].grant > last);
		CHECK(scene.vrings[1].grant > scene.vrings[0].grant);
		last = scene.vrings[1].grant;
		take_all_back(scene.device);
		CHECK_EQ(rig_grant_word(&scene.vrings[0]), 0);
		rig_drain(scene.sockets[0]);
	}
	scene_end();
}

static void only_started_whole_vrings_are_granted(void)
{
	scene_begin(4);
	scene.vrings[1].started = false;
	scene.vrings[2].broken = true;
	scene.vrings[3].enabled = false;
	grant_offer(scene.device);
	CHECK(scene.vrings[0].owner != NULL);
	CHECK(scene.vrings[1].owner == NULL);
	CHECK(scene.vrings[2].owner == NULL);
	CHECK_EQ(rig_grant_word(&scene.vrings[3]), scene.vrings[3].grant);
	CHECK_EQ(rig_grant_word(&scene.vrings[0]), scene.vrings[0].grant | HF_GRANT_ENABLED);
	scene_end();
}

static void a_port_that_is_being_removed_gets_nothing(void)
{
	scene_begin(1);
	scene.port->removing = true;
	grant_offer(scene.device);
	CHECK(scene.vrings[0].owner == NULL);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(the_first_vswitch_that_serves_the_port_gets_it),
	SENTENCE(standbys_come_after_vswitches_by_priority),
	SENTENCE(a_ready_device_that_nobody_serves_is_said_once),
	SENTENCE(grants_are_never_used_twice),
	SENTENCE(only_started_whole_vrings_are_granted),
	SENTENCE(a_port_that_is_being_removed_gets_nothing),
};
SUITE("grant_offer", sentences)
