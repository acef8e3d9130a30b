/* SPDX-License-Identifier: Apache-2.0 */
/* What an owner is told while its rings run. */
#ifndef PRIMARY_TELL_H
#define PRIMARY_TELL_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct secondary;
struct vring;

/*
 * A front-end can repeat these two as fast as it likes, so while the owner has not read what it was
 * sent before, only the last one of each counts: it goes out by grant_catch_up.
 */
/* The call descriptor changed: the owner, and who is prepared to run it, get the new one. */
void grant_send_call(struct vring *vring);
/* SEND_RARP: the owner announces this address in the next dequeue burst. */
void grant_send_rarp(struct device *device, const uint8_t mac[6]);
/* The secondary has read all it was sent: what was held back. */
void grant_catch_up(struct secondary *secondary);
/* Is the device's owner behind with reading? Then its front-end has to wait. */
bool grant_congested(const struct device *device);

/* It runs the device: what it may not have heard of. */
void tell_owner(struct device *device);

#endif
