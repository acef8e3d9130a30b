/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP segmentation in software. A kernel marks a train of datagrams of one flow as one frame of
 * gso type 5 (QUIC over a veth is a common source); virtio 1.1 and so this API have no such type.
 */
#ifndef VSWITCH_UDP_CUT_H
#define VSWITCH_UDP_CUT_H

#include <holdfast/packet.h>
#include <stdbool.h>
#include <stdint.h>

#define UDP_CUT_GSO 5u /* VIRTIO_NET_HDR_GSO_UDP_L4 */

/* A frame that is being cut. */
struct udp_cut {
	const uint8_t *frame;
	uint32_t len;
	uint32_t at;	 /* the next piece's payload starts here */
	uint16_t l3, l4; /* where the IP and the UDP header start */
	uint16_t size;	 /* payload of a piece; the last has what is left */
	uint16_t number; /* of the next piece */
};

/* Start cutting the `len` bytes at `frame`, which must stay. False: it is not what `offload` says,
 * or more pieces than any kernel makes. */
bool udp_cut_begin(struct udp_cut *cut, const struct hf_offload *offload, const uint8_t *frame,
		   uint32_t len);

/* The next datagram, a frame of its own whose UDP checksum is left to be filled in
 * (HF_OFFLOAD_NEEDS_CSUM). False: there is none, or it does not fit into the packet. */
bool udp_cut_next(struct udp_cut *cut, struct hf_packet *packet);

#endif
