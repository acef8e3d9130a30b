/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames, built and taken apart by the book: Ethernet with VLAN tags, IPv4 and IPv6, TCP and UDP.
 * Slow on purpose, and sharing no code with the library: what it says about a frame is the judge.
 */
#ifndef MODEL_NET_H
#define MODEL_NET_H

#include <holdfast/packet.h>
#include <stdbool.h>
#include <stdint.h>

enum { NET_FIN = 0x01, NET_PSH = 0x08, NET_ACK = 0x10, NET_CWR = 0x80 };

struct net_shape {
	uint8_t ip;	 /* 4 or 6 */
	uint8_t proto;	 /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t vlans;	 /* tags */
	uint8_t options; /* bytes of IPv4 options / TCP options, multiple of 4 */
	bool extension;	 /* IPv6: a destination options header in between */
	uint32_t payload;
	uint32_t seed; /* of the payload */
	uint32_t seq;
	uint16_t ip_id;
	uint8_t tcp_flags;
	bool partial; /* leave the L4 checksum to the offload: pseudo-header sum only */
};

/* What net_parse found. */
struct net_seen {
	uint8_t ip, proto, vlans, tcp_flags;
	uint32_t l3, l4, payload; /* offsets */
	uint32_t payload_len;
	uint32_t seq;
	uint16_t ip_id;
	bool ip_checksum_ok; /* IPv6: true */
	bool l4_checksum_ok; /* not for fragments: false there */
	bool lengths_ok;     /* IP and UDP lengths are those of the frame */
	bool fragment, more_fragments;
	uint32_t fragment_offset; /* bytes */
	uint32_t fragment_id;
};

/* Build the frame; its length. *ret_offload (may be NULL): csum and header numbers that fit. */
uint32_t net_build(uint8_t *frame, const struct net_shape *shape, struct hf_offload *ret_offload);
/* False: not a whole IP packet with TCP or UDP (or a fragment of one). */
bool net_parse(const uint8_t *frame, uint32_t len, struct net_seen *ret_seen);
/* Byte `i` of a payload with this seed. */
uint8_t net_payload_byte(uint32_t seed, uint32_t i);
/* The internet checksum's folded sum, one's complement not yet taken. */
uint16_t net_sum(const uint8_t *bytes, uint32_t len, uint32_t start);

#endif
