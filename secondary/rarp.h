/* SPDX-License-Identifier: Apache-2.0 */
/* SEND_RARP: a reverse ARP broadcast in the guest's name, so that switches learn where it is. */
#ifndef SECONDARY_RARP_H
#define SECONDARY_RARP_H

#include <holdfast/packet.h>

#include "device.h"

/* An announcement that is due, into `packet`, whole. False: there is none, or no room for it. Data
 * thread; of several that dequeue from the device one gets it. */
bool hf_rarp_take(struct hf_device *device, struct hf_packet *packet);

#endif
