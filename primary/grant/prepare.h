/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a secondary must have before it can run a device: its memory, and the set-up of its vrings.
 * The owner is sent it with the grants; who waits for the device is sent it ahead of them.
 */
#ifndef PRIMARY_PREPARE_H
#define PRIMARY_PREPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "device.h"

struct secondary;

/* Bring the secondary's copy of the memory table up to date; publishes the slot before. */
void prepare_memory(struct device *device, struct secondary *secondary);
/* Does it hold memory of this session that is not the present table's? */
bool prepare_is_stale(const struct device *device, const struct secondary *secondary);
/* Everybody who may be granted the device one day, but its owner: memory, and every started vring
 * that changed since it was last sent. */
void prepare_others(struct device *device);

/* Has `secondary`, which has a lane entry for the vring, got its present set-up? */
bool prepare_is_current(const struct vring *vring, struct secondary *secondary);
/* It was just sent it. */
void prepare_note(const struct vring *vring, struct secondary *secondary);
/* The descriptors of a set-up in their order: kick, call, err, those that are there. How many. */
size_t prepare_fds(const struct vring *vring, int fds[3]);

/* `secondary` gets the vring's call descriptor as it is now. */
void prepare_send_call(const struct vring *vring, struct secondary *secondary);
/* It changed: those who wait get it. Who has not read what it was sent before is prepared anew by
 * prepare_catch_up. */
void prepare_call_changed(const struct vring *vring);
/* What `secondary` has of the vring is out of date. */
void prepare_void(const struct vring *vring, struct secondary *secondary);
/* It has read everything: what was kept back while it had not. */
void prepare_catch_up(struct secondary *secondary);

#endif
