/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of the library as ports: the callbacks to register, with a struct vswitch as context. */
#ifndef VSWITCH_DEVICES_H
#define VSWITCH_DEVICES_H

#include <holdfast/driver.h>
#include <stddef.h>

/* Once, before the first callback. */
void devices_init(void);

extern const struct hf_device_ops devices_callbacks;
/* For hf_flush_callback_register and hf_peer_state_callback_register, with the same context. */
void devices_flush(void *context);
void devices_peer_state(const char *peer, const void *state, size_t bytes, void *context);

#endif
