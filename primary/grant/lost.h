/* SPDX-License-Identifier: Apache-2.0 */
/* Who ran a device before its present owner, and how that is told. */
#ifndef PRIMARY_LOST_H
#define PRIMARY_LOST_H

#include <stdint.h>

#include "device.h"

struct primary;

/* The owner holds no vring any more and is owner no longer; its successor's event will say `how`,
 * and since when nothing moved. No-op without an owner. */
void grant_let_go(struct device *device, enum lost_how how, uint64_t since_ns);
/* Nobody will come who could use what the last owner left behind. */
void grant_forget_lost(struct device *device);

/* The last grant of a device that another ran before was stored: that was the pause. */
void lost_tell_succession(struct device *device);
/* Its successor is sent what it knew; once for all devices that go from one to the other in a round
 * of grants, which lost_begin_round begins. */
void lost_send_state(struct device *device);
void lost_begin_round(const struct primary *primary);

#endif
