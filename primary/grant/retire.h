/* SPDX-License-Identifier: Apache-2.0 */
/* The end: of a session, of the primary. */
#ifndef PRIMARY_RETIRE_H
#define PRIMARY_RETIRE_H

#include <stdint.h>

struct device;
struct primary;
struct secondary;

/* The session is over and all vrings are revoked: owner and standbys drop the device's memory. */
void grant_retire(struct device *device);
/* Of one secondary, whatever session it was sent. */
void retire_from(struct secondary *secondary, uint32_t device_slot);
/* DeviceRetire, and nothing else. */
void retire_send(struct secondary *secondary, uint32_t device_slot, uint64_t session);
/* The primary ends: no secondary runs anything any more. Does not wait. */
void grant_withdraw_all(struct primary *primary);

#endif
