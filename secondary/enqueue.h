/* SPDX-License-Identifier: Apache-2.0 */
/* Enqueue of one packet; shared by the burst and by software segmentation. */
#ifndef SECONDARY_ENQUEUE_H
#define SECONDARY_ENQUEUE_H

#include <holdfast/packet.h>

#include "vring.h"

#define HF_PACKET_MAX (1u << 20) /* bytes; no frame is that long, and sums of such cannot wrap */

enum hf_enqueue_result {
	HF_ENQUEUE_DONE,      /* delivered; *used moved on */
	HF_ENQUEUE_NO_BUFFER, /* nothing changed: the guest has no room now */
	HF_ENQUEUE_DROPPED,   /* can never be delivered; counted */
};

/*
 * Write one packet as it is, with a header that says `offload` in front, into the chains from place
 * *used on, and fill their used entries; nothing is visible until the caller publishes. Data
 * thread, inside a burst.
 */
enum hf_enqueue_result hf_enqueue_one(struct hf_vring *vring, const struct hf_packet *packet,
				      const struct hf_offload *offload, uint16_t *used);
/*
 * The same for any packet of the caller's: it may ask something of the guest, or be a chain of
 * segments; checked, and done in software where the guest did not negotiate it. No chain is begun
 * when the burst's budget is spent (HF_BURST_BUDGET).
 */
enum hf_enqueue_result hf_enqueue_packet(struct hf_vring *vring, const struct hf_packet *packet,
					 uint16_t *used);
/* Chains from place `from` up to `to` go back to the guest with length 0. */
void hf_enqueue_give_back(struct hf_vring *vring, uint16_t from, uint16_t to);
/* hf_enqueue_one on a packed ring: *used counts chains of its shadow. */
enum hf_enqueue_result hf_packed_enqueue_one(struct hf_vring *vring, const struct hf_packet *packet,
					     const struct hf_offload *offload, uint16_t *used);

#endif
