/* SPDX-License-Identifier: Apache-2.0 */
#include "primary_scene.h"

#include <string.h>

#include "fd.h"
#include "revoke.h"
#include "suite.h"

struct scene scene;

void scene_open(void)
{
	memset(&scene, 0, sizeof(scene));
	scene.primary = &scene.rig.primary;
	for (size_t i = 0; i < RIG_SECONDARIES; i++)
		scene.sockets[i] = -1;
	rig_open(&scene.rig);
}

void scene_begin(uint32_t nr_vrings)
{
	scene_open();
	scene.owner = scene_secondary("vsw", VSWITCH, NULL);
	scene.port = rig_port(&scene.rig, "vm0", nr_vrings);
	scene.device = &scene.port->device;
	scene.vrings = scene.device->vrings;
}

void scene_end(void)
{
	for (size_t i = 0; i < RIG_PORTS; i++)
		if (scene.primary->ports[i])
			take_all_back(&scene.primary->ports[i]->device);
	hf_fd_close_all(scene.sockets, RIG_SECONDARIES);
	rig_close(&scene.rig);
}

struct secondary *scene_secondary(const char *name, Holdfast__Attach__Role role, const char *glob)
{
	struct secondary *secondary;
	int socket;

	secondary = rig_secondary(&scene.rig, name, role, glob, &socket);
	hf_fd_close(&scene.sockets[secondary->slot]); /* of who was there before */
	scene.sockets[secondary->slot] = socket;
	return secondary;
}

static void nothing_more(struct revocation *revocation)
{
	(void)revocation;
}

void take_all_back(struct device *device)
{
	struct revocation r = {.done = nothing_more};

	revoke_start(&r, device, GRANT_ALL_VRINGS);
	CHECK(!r.active);
}
