/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge: a slow scalar decoder of split and packed rings on a frozen memory image.
 *
 * One descriptor at a time, one byte at a time, every check, no state but the position: written
 * from the specification and the project's fixed rules, sharing no code with the library. It
 * changes the image as a back-end would, so two images can be compared whole.
 *
 * Fixed rules where the specification leaves room:
 * - a chain has at most as many descriptors as the ring has entries; the one that refers to an
 *   indirect table does not count;
 * - descriptors are looked at in order, and only as far as needed: the first rule that is broken
 *   names the reason;
 * - a burst of no packets looks at nothing, any other one first at the available index;
 * - enqueue: a chain that breaks a rule goes back with length 0, with the chains before it that
 *   the same packet had begun to fill; the packet goes on behind it;
 * - packed: an indirect table is alone in its chain. A chain's end is looked for whatever is wrong
 *   with it; a descriptor on the way that is not available, or more than the ring has, breaks it;
 * - packed: dequeue does not ask for the direction of an indirect table's entries;
 * - packed: a burst goes no further than once round the ring;
 * - from a ring that is disabled all chains go back, and only their ends are looked for; nothing
 *   goes to one;
 * - a segmentation type is believed when the headers in the first 256 bytes of the frame say so,
 *   and the checksum that has to come with it is that of the TCP or UDP header there.
 */
#ifndef MODEL_REFERENCE_H
#define MODEL_REFERENCE_H

#include <holdfast/packet.h>
#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "guest.h"

#define REFERENCE_HEADERS_WITHIN 256u
#define REFERENCE_BUDGET	 8000u /* nearly that of a burst */
#define REFERENCE_PEEK_BUDGET	 1900u /* nearly that of a peek */

struct reference {
	uint8_t *image; /* of a guest's file, changed by the reference */
	const struct guest *guest;
	uint64_t desc, avail, used;
	uint64_t features;
	uint16_t size;
	uint16_t next; /* packed: place */
	bool packed;
	bool wrap;	/* packed: the wrap counter at `next` */
	uint32_t moved; /* packed: descriptors in this burst */
	bool disabled;
	bool broken;
	uint64_t counters[HF_NR_COUNTERS];
	uint32_t steps; /* descriptors that this burst has looked at */
	bool ambiguous; /* a buffer overlaps the rings: the order of stores decides; or so many
			   descriptors that the burst's budget does */
};

struct reference_packet {
	uint8_t *bytes;
	uint32_t room; /* dequeue: bytes that fit */
	uint32_t len;
	struct hf_offload offload;
};

uint32_t reference_header_bytes(uint64_t features);

/* Up to `count` chains from the guest. How many packets came. */
uint16_t reference_dequeue(struct reference *ring, struct reference_packet *packets,
			   uint16_t count);
/* Packets to the guest, which negotiated what they ask for. Of their metadata only the checksum's
 * place is looked at. How many were taken. */
uint16_t reference_enqueue(struct reference *ring, const struct reference_packet *packets,
			   uint16_t count);

/* The virtio-net header of a frame from the guest: may it pass? Its metadata then. */
bool reference_header(const uint8_t *header, uint64_t features, const uint8_t *frame, uint32_t len,
		      struct hf_offload *ret_offload);

#endif
