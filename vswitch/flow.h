/* SPDX-License-Identifier: Apache-2.0 */
/* What a switch reads of a frame: who talks to whom, and which flow it belongs to. */
#ifndef VSWITCH_FLOW_H
#define VSWITCH_FLOW_H

#include <holdfast/packet.h>
#include <stdbool.h>
#include <stdint.h>

/* Both ends as stations (keys of the forwarding database, the frame's VLAN in them). */
struct flow_ends {
	uint64_t source;
	uint64_t destination;
};

/* False: too short to be an Ethernet frame. Only the first segment is read. */
bool flow_ends(const struct hf_packet *packet, struct flow_ends *ret_ends);

/* Must a bridge keep this destination to itself (01-80-C2-00-00-0X; IEEE 802.1Q, 8.6.3)? */
bool flow_is_link_local(uint64_t destination);

/*
 * A number that is the same for every frame of a flow and for both of its directions: from
 * addresses and ports of TCP, UDP and SCTP, from addresses of other IP and of fragments, from the
 * MACs of everything else.
 */
uint32_t flow_hash(const struct hf_packet *packet);

/* Spread a hash over `choices` numbers, evenly. */
static inline uint16_t flow_choose(uint32_t hash, uint16_t choices)
{
	return (uint16_t)((uint64_t)hash * choices >> 32);
}

#endif
