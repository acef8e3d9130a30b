/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What most sentences about grants begin with: a rig, a switch that may be granted every port, and
 * one port, of which nothing is granted yet. One a program, as there is one sentence at a time; the
 * end takes everything back, so that a sentence says only what it is about.
 */
#ifndef TESTS_PRIMARY_SCENE_H
#define TESTS_PRIMARY_SCENE_H

#include "primary_rig.h"

#define VSWITCH	    HOLDFAST__ATTACH__ROLE__VSWITCH
#define STANDBY	    HOLDFAST__ATTACH__ROLE__STANDBY
#define OBSERVER    HOLDFAST__ATTACH__ROLE__OBSERVER
#define EVENT(name) HOLDFAST__CONTROL__EVENT_KIND__##name
#define BODY(name)  HOLDFAST__ATTACH__TO_SECONDARY__BODY_##name

struct scene {
	struct rig rig;
	struct primary *primary;      /* the rig's */
	int sockets[RIG_SECONDARIES]; /* our ends, by slot */
	/* Of scene_begin: */
	struct secondary *owner; /* "vsw", in slot 0 */
	struct port *port;	 /* "vm0" */
	struct device *device;	 /* the port's */
	struct vring *vrings;	 /* the device's */
};
extern struct scene scene;

/* The rig alone: for who sets the configuration before anybody comes, or has other ports. */
void scene_open(void);
void scene_begin(uint32_t nr_vrings);
/* Of all ports everything is taken back, which nothing may hinder any more. */
void scene_end(void);

/* One more, whose end is kept and closed by the scene. */
struct secondary *scene_secondary(const char *name, Holdfast__Attach__Role role, const char *glob);
/* Revoke all vrings of a device whose bursts are over. */
void take_all_back(struct device *device);

#endif
