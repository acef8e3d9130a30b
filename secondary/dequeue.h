/* SPDX-License-Identifier: Apache-2.0 */
/* What dequeue and the direct hop share. */
#ifndef SECONDARY_DEQUEUE_H
#define SECONDARY_DEQUEUE_H

#include "vring.h"

/* A ring that is granted but disabled: up to `ready` chains of what the guest sends are discarded
 * (vhost-user, "Ring states"). Data thread, inside a burst. */
void hf_dequeue_discard(struct hf_vring *vring, uint16_t ready);

#endif
