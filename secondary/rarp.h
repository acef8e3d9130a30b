/* SPDX-License-Identifier: Apache-2.0 */
/* SEND_RARP: a reverse ARP broadcast in the guest's name, so that switches learn where it is. */
#ifndef SECONDARY_RARP_H
#define SECONDARY_RARP_H

#include <holdfast/packet.h>

#include "device.h"

/* Announce this (a MAC and HF_RARP_PENDING); only the latest counts. Any thread. */
void hf_rarp_ask(struct hf_device *device, uint64_t rarp);
/* It was taken, and nobody has announced it; a newer one counts more. Data thread. */
void hf_rarp_give_back(struct hf_device *device, uint64_t rarp);
/* An announcement that is due, into `packet`, whole. False: there is none, or no room for it. Data
 * thread of `vring`; of several that dequeue from the device one gets it. */
bool hf_rarp_take(struct hf_device *device, struct hf_vring *vring, struct hf_packet *packet);

/* May there be one? Of the vring's own line. Data thread. */
static inline bool hf_rarp_asked(const struct hf_vring *vring)
{
	return hf_read_once(&vring->asked) & HF_ASKED_RARP;
}

#endif
