/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of the library as ports: the callbacks to register, with a struct vswitch as context. */
#ifndef VSWITCH_DEVICES_H
#define VSWITCH_DEVICES_H

#include <holdfast/driver.h>

/* Once, before the first callback. */
void devices_init(void);

extern const struct hf_device_ops devices_callbacks;

#endif
