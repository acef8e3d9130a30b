/* SPDX-License-Identifier: Apache-2.0 */
/* What the receiving guest did not negotiate, done in software. */
#ifndef SECONDARY_OFFLOAD_H
#define SECONDARY_OFFLOAD_H

#include "enqueue.h"
#include "vring.h"

#define HF_SCRATCH_BYTES (64u * 1024u + 1024u) /* the largest frame, linear */

/*
 * Enqueue a packet whose metadata (checked: hf_offload_fits) asks for more than the guest takes:
 * its checksum is completed, or it is cut into segments with complete checksums. All or nothing.
 * The packet itself is not written to. Data thread, inside a burst.
 */
enum hf_enqueue_result hf_enqueue_software(struct hf_vring *vring, const struct hf_packet *packet,
					   const struct hf_offload *offload, uint16_t *used);

#endif
