/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct virtio_net_hdr and the caller's offload metadata (virtio 1.1, 5.1.6): conversion and the
 * checks that make metadata safe to act upon.
 */
#ifndef SECONDARY_HEADER_H
#define SECONDARY_HEADER_H

#include <holdfast/packet.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The header that came with a packet from the guest → packet->offload, checked against the
 * packet's own bytes and against what the guest negotiated. False: it lies, the packet is to be
 * dropped. `packet` holds the whole frame (len, total set).
 */
bool hf_header_to_offload(const uint8_t header[10], uint64_t features, struct hf_packet *packet);

/* Does the metadata fit the packet? For what a caller wants to enqueue. */
bool hf_offload_fits(const struct hf_offload *offload, const struct hf_packet *packet);

/* What the guest has not negotiated of what `offload` asks for must be done here. */
bool hf_offload_needs_software(const struct hf_offload *offload, uint64_t features);

/* Metadata → header, `bytes` long (10 or 12), num_buffers 1. */
void hf_offload_to_header(const struct hf_offload *offload, uint8_t *header, uint32_t bytes);

static inline bool hf_offload_is_none(const struct hf_offload *o)
{
	return !(o->flags | o->gso_type);
}

/* Headers of a frame, found by looking at its own bytes only. */
struct hf_frame_layout {
	uint16_t l3;	     /* offset of the IP header */
	uint16_t l4;	     /* offset of the TCP or UDP header */
	uint16_t payload;    /* offset of what follows the L4 header */
	uint8_t ip_version;  /* 4 or 6 */
	uint8_t l4_protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t l4_type_at; /* IPv6: offset of the byte that names the protocol at l4 */
};

#define HF_LAYOUT_PEEK 256u /* bytes of a frame that layouts are found in */

/*
 * Find the TCP or UDP header of an Ethernet frame: up to two VLAN tags, IPv4 with options or IPv6
 * with extension headers, not a fragment. `have` bytes of its front are at `frame`. False when it
 * is something else, or cut.
 */
bool hf_frame_layout(const uint8_t *frame, uint32_t have, struct hf_frame_layout *ret);

/* Copy [from, from + len) of a packet that may be a chain of segments. The caller has checked that
 * it lies inside. */
void hf_packet_peek(const struct hf_packet *packet, uint32_t from, uint32_t len, uint8_t *to);

#endif
