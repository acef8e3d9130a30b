/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery: packets into transmit queues, one thread at a time per queue, and nobody waiting. */
#ifndef VSWITCH_DELIVER_H
#define VSWITCH_DELIVER_H

#include "forward.h"

/* Deliver packets to one queue of one port, now or by way of its owner, or count them dropped. */
void deliver(struct forward *f, struct port *port, uint16_t queue, struct hf_packet *const *packets,
	     uint16_t nr);
/* Let the owners see what deliver() left for them. */
void deliver_flush(struct forward *f);

/* Deliver what worker `origin` left for us. True if there was anything, or still is. */
bool deliver_inbox(struct forward *f, unsigned origin);
/* Is there anything in any inbox? */
bool deliver_inbox_due(const struct forward *f);

/* A packet whose last reference was given back by worker `peer`, or NULL. Call until NULL. */
struct hf_packet *deliver_take_back(struct forward *f, unsigned peer);

#endif
