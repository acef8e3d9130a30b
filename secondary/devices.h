/* SPDX-License-Identifier: Apache-2.0 */
/* What grants.c, the other half of what the primary sends, asks of devices.c. Control thread. */
#ifndef SECONDARY_DEVICES_H
#define SECONDARY_DEVICES_H

#include "service.h"

/* The place of a device by its directory slot, or NULL. */
struct hf_device **hf_devices_slot(struct hf_service *service, uint32_t slot);
/* The device, when it is of this session. */
struct hf_device *hf_devices_find(struct hf_service *service, uint32_t slot, uint64_t session);
/* new_device, once. */
void hf_devices_announce(struct hf_service *service, struct hf_device *device);
/* Is the switch to run a queue that is granted, and enabled or not? */
bool hf_devices_to_be_run(uint32_t queue, bool enabled);
/* vring_state_changed, when it did. */
void hf_devices_tell_state(struct hf_device *device, uint16_t queue, bool run);
/* True once more for a queue that is to be run: it is to have a burst. */
void hf_devices_ask_for_burst(struct hf_device *device, uint16_t queue);

#endif
