/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. A header is eight numbers that somebody else chose, about bytes that
 * somebody else chose; acting on it means writing a checksum at an offset or cutting a frame into
 * pieces. So every offset is compared with the length of the very packet it came with, in sums
 * that cannot wrap, and a segmentation type is believed only when the frame's own headers say the
 * same. The frame is in our memory by then: nobody changes it between check and use.
 */
#include "header.h"

#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <string.h>

#include "check.h"
#include "vring.h"

#define ETHERNET_BYTES 14u
#define VLAN_BYTES     4u
#define VLAN_TAGS_MAX  2

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void put_le16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

void hf_packet_peek(const struct hf_packet *p, uint32_t from, uint32_t len, uint8_t *to)
{
	for (; p && len; p = p->next) {
		uint32_t n;

		if (from >= p->len) {
			from -= p->len;
			continue;
		}
		n = (uint32_t)min_u64(len, p->len - from);
		memcpy(to, p->data + from, n);
		to += n;
		len -= n;
		from = 0;
	}
}

static bool ipv4_layout(const uint8_t *frame, uint32_t have, struct hf_frame_layout *l)
{
	uint32_t ihl;

	if (l->l3 + 20u > have)
		return false;
	ihl = (frame[l->l3] & 0x0fu) * 4u;
	/* A fragment has no L4 header of its own: more fragments, or an offset. */
	if (frame[l->l3] >> 4 != 4 || ihl < 20 || (be16(frame + l->l3 + 6) & 0x3fff))
		return false;
	l->ip_version = 4;
	l->l4_protocol = frame[l->l3 + 9];
	l->l4_type_at = (uint16_t)(l->l3 + 9);
	l->l4 = (uint16_t)(l->l3 + ihl);
	return true;
}

/* RFC 8200: hop-by-hop, routing and destination options may come before the L4 header. */
static bool ipv6_layout(const uint8_t *frame, uint32_t have, struct hf_frame_layout *l)
{
	uint32_t at = l->l3 + 40u, type_at = l->l3 + 6u;

	if (at > have || frame[l->l3] >> 4 != 6)
		return false;
	while (frame[type_at] == IPPROTO_HOPOPTS || frame[type_at] == IPPROTO_ROUTING ||
	       frame[type_at] == IPPROTO_DSTOPTS) {
		if (at + 8u > have)
			return false;
		type_at = at;
		at += (frame[at + 1] + 1u) * 8u;
	}
	if (at > UINT16_MAX)
		return false;
	l->ip_version = 6;
	l->l4_protocol = frame[type_at];
	l->l4_type_at = (uint16_t)type_at;
	l->l4 = (uint16_t)at;
	return true;
}

static bool is_tag(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8;
}

bool hf_frame_layout(const uint8_t *frame, uint32_t have, struct hf_frame_layout *ret)
{
	struct hf_frame_layout l = {.l3 = ETHERNET_BYTES};
	uint16_t type;
	int tags = 0;

	if (have < ETHERNET_BYTES)
		return false;
	type = be16(frame + 12);
	while (is_tag(type) && tags++ < VLAN_TAGS_MAX) {
		if (l.l3 + VLAN_BYTES > have)
			return false;
		type = be16(frame + l.l3 + 2);
		l.l3 += VLAN_BYTES;
	}
	if (!(type == 0x0800 ? ipv4_layout(frame, have, &l)
			     : type == 0x86dd && ipv6_layout(frame, have, &l)))
		return false;
	if (l.l4_protocol == IPPROTO_TCP) {
		if (l.l4 + 20u > have || (frame[l.l4 + 12] >> 4) < 5)
			return false;
		l.payload = (uint16_t)(l.l4 + (frame[l.l4 + 12] >> 4) * 4u);
	} else if (l.l4_protocol == IPPROTO_UDP) {
		if (l.l4 + 8u > have)
			return false;
		l.payload = (uint16_t)(l.l4 + 8u);
	} else {
		return false;
	}
	*ret = l;
	return l.payload <= have;
}

/* The checksum's own place, from the TCP or UDP header on. */
static uint16_t checksum_at(const struct hf_frame_layout *l)
{
	return l->l4_protocol == IPPROTO_TCP ? 16 : 6;
}

/* Is the frame what the segmentation type says? With the checksum of that very header: a guest that
 * takes the segmentation on gets the offsets as they are. */
static bool gso_matches_frame(const struct hf_offload *o, const struct hf_packet *packet)
{
	uint8_t front[HF_LAYOUT_PEEK];
	uint32_t have = (uint32_t)min_u64(packet->total, sizeof(front));
	struct hf_frame_layout l;

	hf_packet_peek(packet, 0, have, front);
	if (!hf_frame_layout(front, have, &l) || o->csum_start != l.l4 ||
	    o->csum_offset != checksum_at(&l))
		return false;
	switch (o->gso_type & ~HF_GSO_ECN) {
	case HF_GSO_TCPV4:
		return l.ip_version == 4 && l.l4_protocol == IPPROTO_TCP;
	case HF_GSO_TCPV6:
		return l.ip_version == 6 && l.l4_protocol == IPPROTO_TCP;
	case HF_GSO_UDP:
		return l.l4_protocol == IPPROTO_UDP && !(o->gso_type & HF_GSO_ECN);
	default:
		return false;
	}
}

/* Bytes of the frame's addresses, tags and type: what a switch decides by. */
static uint32_t l2_bytes(const struct hf_packet *packet)
{
	uint8_t front[ETHERNET_BYTES + VLAN_TAGS_MAX * VLAN_BYTES];
	uint32_t have = (uint32_t)min_u64(packet->total, sizeof(front)), bytes = ETHERNET_BYTES;

	hf_packet_peek(packet, 0, have, front);
	while (bytes <= have && bytes < sizeof(front) && is_tag(be16(front + bytes - 2)))
		bytes += VLAN_BYTES;
	return bytes;
}

/* A checksum is written into what it covers. Inside of the packet; and behind what was decided on,
 * or a guest could change its frame's addresses or tag after the switch has looked at them. */
static bool checksum_fits(const struct hf_offload *o, const struct hf_packet *packet)
{
	return (uint32_t)o->csum_start + o->csum_offset + 2u <= packet->total &&
	       o->csum_start >= l2_bytes(packet);
}

bool hf_offload_fits(const struct hf_offload *o, const struct hf_packet *packet)
{
	bool csum = o->flags & HF_OFFLOAD_NEEDS_CSUM;

	if (csum && !checksum_fits(o, packet))
		return false;
	if (o->gso_type == HF_GSO_NONE)
		return true;
	/* Segmentation of any kind goes with a partial checksum (virtio 1.1, 5.1.6.2.1). */
	return csum && o->gso_size && gso_matches_frame(o, packet);
}

/* May a guest with these features send this? Unknown types have no bit and are refused. */
static bool negotiated_by_guest(const struct hf_offload *o, uint64_t features)
{
	uint64_t need = 0;

	if (o->flags & HF_OFFLOAD_NEEDS_CSUM)
		need |= HF_FEATURE(VIRTIO_NET_F_CSUM);
	switch (o->gso_type & ~HF_GSO_ECN) {
	case HF_GSO_NONE:
		break;
	case HF_GSO_TCPV4:
		need |= HF_FEATURE(VIRTIO_NET_F_HOST_TSO4);
		break;
	case HF_GSO_TCPV6:
		need |= HF_FEATURE(VIRTIO_NET_F_HOST_TSO6);
		break;
	case HF_GSO_UDP:
		need |= HF_FEATURE(VIRTIO_NET_F_HOST_UFO);
		break;
	default:
		return false;
	}
	if (o->gso_type & HF_GSO_ECN)
		need |= HF_FEATURE(VIRTIO_NET_F_HOST_ECN);
	return (features & need) == need;
}

bool hf_header_to_offload(const uint8_t header[10], uint64_t features, struct hf_packet *packet)
{
	struct hf_offload o = {
		/* DATA_VALID and RSC_INFO are ours to set, never the driver's: ignored. */
		.flags = header[0] & HF_OFFLOAD_NEEDS_CSUM,
		.gso_type = header[1],
		.hdr_len = le16(header + 2),
		.gso_size = le16(header + 4),
		.csum_start = le16(header + 6),
		.csum_offset = le16(header + 8),
	};

	if (hf_offload_is_none(&o)) {
		packet->offload = (struct hf_offload){0};
		return true;
	}
	if (!negotiated_by_guest(&o, features) || !hf_offload_fits(&o, packet))
		return false;
	/* A hint that many drivers get wrong (virtio 1.1, 5.1.6.2.2): only bounded. */
	o.hdr_len = (uint16_t)min_u64(o.hdr_len, packet->total);
	packet->offload = o;
	return true;
}

bool hf_offload_needs_software(const struct hf_offload *o, uint64_t features)
{
	uint64_t need = 0;

	if (o->flags & HF_OFFLOAD_NEEDS_CSUM)
		need |= HF_FEATURE(VIRTIO_NET_F_GUEST_CSUM);
	if ((o->gso_type & ~HF_GSO_ECN) == HF_GSO_TCPV4)
		need |= HF_FEATURE(VIRTIO_NET_F_GUEST_TSO4);
	if ((o->gso_type & ~HF_GSO_ECN) == HF_GSO_TCPV6)
		need |= HF_FEATURE(VIRTIO_NET_F_GUEST_TSO6);
	if ((o->gso_type & ~HF_GSO_ECN) == HF_GSO_UDP)
		need |= HF_FEATURE(VIRTIO_NET_F_GUEST_UFO);
	if (o->gso_type & HF_GSO_ECN)
		need |= HF_FEATURE(VIRTIO_NET_F_GUEST_ECN);
	return (features & need) != need;
}

void hf_offload_to_header(const struct hf_offload *o, uint8_t *header, uint32_t bytes)
{
	header[0] = o->flags;
	header[1] = o->gso_type;
	put_le16(header + 2, o->hdr_len);
	put_le16(header + 4, o->gso_size);
	put_le16(header + 6, o->csum_start);
	put_le16(header + 8, o->csum_offset);
	if (bytes > 10)
		put_le16(header + 10, 1);
}
