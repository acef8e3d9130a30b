/* SPDX-License-Identifier: Apache-2.0 */
/* A transmit queue that was turned on is attended once, also when nobody has a packet for it. */
#ifndef VSWITCH_ATTEND_H
#define VSWITCH_ATTEND_H

#include "forward.h"

/* Attend the queues of ours that came with the table. True: somebody else has the turn of one. */
bool attend(const struct forward *f, struct arrivals *arrivals);

#endif
