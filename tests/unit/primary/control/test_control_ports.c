/* SPDX-License-Identifier: Apache-2.0 */
/* Ports and their features by the control socket. */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "control_client.h"
#include "device.h"
#include "port.h"
#include "primary_scene.h"
#include "suite.h"

static int add(const char *name, uint32_t pairs, Holdfast__Control__PortKind kind)
{
	Holdfast__Control__PortAddRequest body = HOLDFAST__CONTROL__PORT_ADD_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.name = TEXT(name);
	body.queue_pairs = pairs;
	body.kind = kind;
	request.body_case = ASK(PORT_ADD);
	request.port_add = &body;
	return call_error(&request);
}

static int del(const char *name)
{
	Holdfast__Control__PortDelRequest body = HOLDFAST__CONTROL__PORT_DEL_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.name = TEXT(name);
	request.body_case = ASK(PORT_DEL);
	request.port_del = &body;
	return call_error(&request);
}

static struct answer *list(bool connected_only)
{
	Holdfast__Control__PortListRequest body = HOLDFAST__CONTROL__PORT_LIST_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.connected_only = connected_only;
	request.body_case = ASK(PORT_LIST);
	request.port_list = &body;
	return call(&request, ANSWER(PORT_LIST));
}

static void ports_come_and_go(void)
{
	struct answer *answer;

	scene_open();
	control_serve();
	CHECK_EQ(add("vm0", 0, HOLDFAST__CONTROL__PORT_KIND__VHOST_USER), 0);
	CHECK_EQ(add("vm0", 0, HOLDFAST__CONTROL__PORT_KIND__VHOST_USER), -EEXIST);
	CHECK_EQ(add("vm1", 2, HOLDFAST__CONTROL__PORT_KIND__VHOST_USER), 0);
	CHECK_EQ(add("vm2", 129, HOLDFAST__CONTROL__PORT_KIND__VHOST_USER), -EINVAL);
	CHECK_EQ(add("../x", 0, HOLDFAST__CONTROL__PORT_KIND__VHOST_USER), -EINVAL);
	CHECK_EQ(add("c0", 2, HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE), -EINVAL);
	CHECK_EQ(add("k2", 0, (Holdfast__Control__PortKind)2), -EOPNOTSUPP);
	CHECK_EQ(add("k-", 0, (Holdfast__Control__PortKind)-1), -EOPNOTSUPP);
	answer = list(false);
	REQUIRE(answer->nr_parts == 1 && answer->parts[0]->port_list->n_ports == 2);
	CHECK(!strcmp(answer->parts[0]->port_list->ports[1]->name, "vm1"));
	CHECK_EQ(answer->parts[0]->port_list->ports[1]->queue_pairs, 2);
	CHECK_EQ(answer->parts[0]->port_list->ports[0]->queue_pairs, 128);
	CHECK_EQ(answer->parts[0]->port_list->ports[0]->state,
		 HOLDFAST__CONTROL__PORT_STATE__LISTENING);
	free_answer(answer);
	answer = list(true);
	CHECK_EQ(answer->parts[0]->port_list->n_ports, 0);
	free_answer(answer);
	CHECK_EQ(del("vm9"), -ENOENT);
	CHECK_EQ(del("vm0"), 0);
	CHECK_EQ(del("vm1"), 0);
	scene_end();
}

static void a_long_list_comes_in_parts(void)
{
	struct port *ports[200];
	struct answer *answer;
	size_t seen = 0;

	scene_open();
	control_serve();
	free(scene.primary->ports);
	scene.rig.conf.max_devices = ARRAY_SIZE(ports);
	scene.primary->ports = calloc(ARRAY_SIZE(ports), sizeof(ports[0]));
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		struct port *port = calloc(1, sizeof(*port));

		REQUIRE(port != NULL);
		port->primary = scene.primary;
		port->listener = -1;
		memset(port->name, 'n', sizeof(port->name) - 1);
		memset(port->path, 'p', sizeof(port->path) - 1);
		memset(port->last_error, 'e', sizeof(port->last_error) - 1);
		device_init(&port->device, scene.primary, port, (uint32_t)i);
		scene.primary->ports[i] = ports[i] = port;
	}
	answer = list(false);
	CHECK_EQ(answer->nr_parts, 4);
	for (size_t p = 0; p < answer->nr_parts; p++)
		for (size_t i = 0; i < answer->parts[p]->port_list->n_ports; i++)
			CHECK_EQ(answer->parts[p]->port_list->ports[i]->device, seen++);
	CHECK_EQ(seen, 200);
	CHECK_EQ(answer->parts[0]->port_list->ports[0]->state,
		 HOLDFAST__CONTROL__PORT_STATE__PORT_FAILED);
	free_answer(answer);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		free(ports[i]);
	memset(scene.primary->ports, 0, sizeof(ports));
	scene.rig.conf.max_devices = RIG_PORTS;
	scene_end();
}

static void features_are_got_and_changed(void)
{
	Holdfast__Control__FeatureRequest body = HOLDFAST__CONTROL__FEATURE_REQUEST__INIT;
	Request request = REQUEST_INIT;
	struct answer *answer;

	scene_open();
	control_serve();
	(void)rig_port(&scene.rig, "vm0", 0);
	request.body_case = ASK(FEATURE);
	request.feature = &body;
	answer = call(&request, ANSWER(FEATURE));
	CHECK_EQ(answer->parts[0]->feature->supported, port_supported_features());
	CHECK_EQ(answer->parts[0]->feature->features, port_supported_features());
	free_answer(answer);
	body.verb = HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__DISABLE;
	body.port = TEXT("vm0");
	body.mask = 1;
	answer = call(&request, ANSWER(FEATURE));
	CHECK_EQ(answer->parts[0]->feature->features & 1, 0);
	free_answer(answer);
	body.mask = 1ull << 61;
	CHECK_EQ(call_error(&request), -EINVAL);
	body.verb = (Holdfast__Control__FeatureRequest__Verb)9;
	CHECK_EQ(call_error(&request), -EINVAL);
	body.verb = HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__GET;
	body.port = TEXT("vm9");
	CHECK_EQ(call_error(&request), -ENOENT);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(ports_come_and_go),
	SENTENCE(a_long_list_comes_in_parts),
	SENTENCE(features_are_got_and_changed),
};
SUITE("control_ports", sentences)
