/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Everything here is read-only on a private copy of the frame, and every offset is checked against
 * the bytes of the first segment: the guest wrote them, but can no longer change them.
 *
 * The hash adds one hash per end (address and port), so exchanging the ends does not change it,
 * and mixes the sum. All fragments of a datagram must choose alike and only the first has ports,
 * so a fragment is hashed without ports, the first one too.
 */
#include "flow.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "fdb.h"

#define TAG_BYTES     4u
#define MAX_TAGS      2u
#define IPV4_FRAGMENT 0x3fffu /* more-fragments flag and offset */
#define LINK_LOCAL    UINT64_C(0x0180c2000000)

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint64_t read64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static uint64_t mix(uint64_t h)
{
	h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
	h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

bool flow_ends(const struct hf_packet *packet, struct flow_ends *ret_ends)
{
	const uint8_t *frame = packet->data;
	uint16_t vlan = 0;

	if (packet->len < ETH_HLEN)
		return false;
	/* A priority tag carries VLAN 0, which is what an untagged frame has. */
	if (read16(frame + 12) == ETH_P_8021Q && packet->len >= ETH_HLEN + TAG_BYTES)
		vlan = read16(frame + 14) & 0xfffu;
	ret_ends->destination = fdb_key(vlan, frame);
	ret_ends->source = fdb_key(vlan, frame + ETH_ALEN);
	return true;
}

bool flow_is_link_local(uint64_t destination)
{
	return (destination & FDB_KEY_MAC & ~UINT64_C(0xf)) == LINK_LOCAL;
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* The ports at `at`, if `len` bytes of the frame hold them. */
static void read_ports(const uint8_t *frame, uint32_t len, uint32_t at, uint16_t ports[2])
{
	if (at + 4 > len)
		return;
	ports[0] = read16(frame + at);
	ports[1] = read16(frame + at + 2);
}

static bool hash_ipv4(const uint8_t *frame, uint32_t len, uint32_t at, uint64_t *ret_hash)
{
	const uint8_t *ip = frame + at;
	uint16_t ports[2] = {0, 0};
	uint32_t header;
	uint64_t ends;

	if (at + 20 > len)
		return false;
	header = (ip[0] & 0xfu) * 4u;
	if (ip[0] >> 4 != 4 || header < 20)
		return false;
	if (has_ports(ip[9]) && !(read16(ip + 6) & IPV4_FRAGMENT))
		read_ports(frame, len, at + header, ports);
	ends = read64(ip + 12);
	*ret_hash = mix((uint32_t)ends | (uint64_t)ports[0] << 32) +
		    mix(ends >> 32 | (uint64_t)ports[1] << 32) + ip[9];
	return true;
}

/* Ports only where they follow the fixed header: behind an extension header (a fragment header
 * among them) every packet of the flow is hashed by address, so they still choose alike. */
static bool hash_ipv6(const uint8_t *frame, uint32_t len, uint32_t at, uint64_t *ret_hash)
{
	const uint8_t *ip = frame + at;
	uint16_t ports[2] = {0, 0};

	if (at + 40 > len || ip[0] >> 4 != 6)
		return false;
	if (has_ports(ip[6]))
		read_ports(frame, len, at + 40, ports);
	*ret_hash = mix(read64(ip + 8) ^ mix(read64(ip + 16) + ports[0])) +
		    mix(read64(ip + 24) ^ mix(read64(ip + 32) + ports[1])) + ip[6];
	return true;
}

uint32_t flow_hash(const struct hf_packet *packet)
{
	const uint8_t *frame = packet->data;
	uint32_t at = ETH_HLEN;
	uint16_t type;
	uint64_t hash;
	bool known = false;

	if (packet->len < ETH_HLEN)
		return 0;
	type = read16(frame + 12);
	for (unsigned tags = 0; tags < MAX_TAGS; tags++) {
		if ((type != ETH_P_8021Q && type != ETH_P_8021AD) || at + TAG_BYTES > packet->len)
			break;
		type = read16(frame + at + 2);
		at += TAG_BYTES;
	}
	if (type == ETH_P_IP)
		known = hash_ipv4(frame, packet->len, at, &hash);
	else if (type == ETH_P_IPV6)
		known = hash_ipv6(frame, packet->len, at, &hash);
	if (!known)
		hash = mix(fdb_key(0, frame)) + mix(fdb_key(0, frame + ETH_ALEN));
	return (uint32_t)mix(hash);
}
