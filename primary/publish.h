/* SPDX-License-Identifier: Apache-2.0 */
/* Draft → directory slot. The only writer of device slots (grant words are grant.c's). */
#ifndef PRIMARY_PUBLISH_H
#define PRIMARY_PUBLISH_H

struct device;

/*
 * Publish what the draft says now: state, features, memory table, vring setup. Readers see it
 * whole or not at all. Called after every change that a reader could care about; cheap when
 * nothing is connected.
 */
void publish_device(struct device *device);
/* The slot is free again. */
void publish_free(struct device *device);

#endif
