/* SPDX-License-Identifier: Apache-2.0 */
/* Draft → directory slot. The only writer of device slots (grant words are grant.c's). */
#ifndef PRIMARY_PUBLISH_H
#define PRIMARY_PUBLISH_H

#include <stdint.h>

struct device;
struct vring;

/*
 * Publish what the draft says now: state, features, memory table, vring setup. Readers see it
 * whole or not at all. Called after every change that a reader could care about; cheap when
 * nothing is connected.
 */
void publish_device(struct device *device);
/* The slot is free again. */
void publish_free(struct device *device);

/* HF_VRING_… */
uint32_t publish_vring_flags(const struct vring *vring);

#endif
