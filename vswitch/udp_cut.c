/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The offload says where the UDP header is (csum_start), the frame's own tags and IP header must
 * agree; what lies between (options, IPv6 extension headers) is copied as it is. Every offset is
 * compared with the length once, at the beginning: a container may have written all of it.
 *
 * Each piece gets the headers of the whole frame with its own lengths, for IPv4 the next
 * identification and header checksum, and in the UDP checksum the sum of its pseudo header:
 * whoever sends it last fills in the rest, in hardware or not at all.
 */
#include "udp_cut.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#define TAG_BYTES     4u
#define MAX_TAGS      2u
#define UDP_BYTES     8u
#define IPV4_BYTES    20u
#define IPV6_BYTES    40u
#define IPV4_FRAGMENT 0x3fffu /* more-fragments flag and offset */
#define MAX_PIECES    128u    /* UDP_MAX_SEGMENTS of Linux */

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void write16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Of an even number of bytes, which are few: no overflow. */
static uint32_t sum(const uint8_t *at, uint32_t bytes)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < bytes; i += 2)
		total += read16(at + i);
	return total;
}

static uint16_t fold(uint32_t total)
{
	total = (total & 0xffff) + (total >> 16);
	return (uint16_t)(total + (total >> 16));
}

static bool is_ipv6(const uint8_t *ip)
{
	return ip[0] >> 4 == 6;
}

/* Behind the Ethernet header and its tags. 0: it is no IP. */
static uint16_t find_l3(const uint8_t *frame, uint32_t len)
{
	uint16_t at = ETH_HLEN;
	uint16_t type;

	for (unsigned tags = 0; at + IPV4_BYTES <= len; tags++, at += TAG_BYTES) {
		type = read16(frame + at - 2);
		if (type == ETH_P_IP || type == ETH_P_IPV6)
			return is_ipv6(frame + at) == (type == ETH_P_IPV6) ? at : 0;
		if ((type != ETH_P_8021Q && type != ETH_P_8021AD) || tags == MAX_TAGS)
			return 0;
	}
	return 0;
}

/* Is the header at `l3` one of IP that ends where UDP starts? */
static bool agrees(const uint8_t *frame, uint32_t l3, uint32_t l4)
{
	const uint8_t *ip = frame + l3;

	if (is_ipv6(ip))
		return l4 >= l3 + IPV6_BYTES;
	return ip[0] >> 4 == 4 && l4 >= l3 + IPV4_BYTES && l4 == l3 + (ip[0] & 0xfu) * 4u &&
	       ip[9] == IPPROTO_UDP && !(read16(ip + 6) & IPV4_FRAGMENT);
}

bool udp_cut_begin(struct udp_cut *cut, const struct hf_offload *offload, const uint8_t *frame,
		   uint32_t len)
{
	uint16_t l3 = find_l3(frame, len), l4 = offload->csum_start;
	uint32_t payload = (uint32_t)l4 + UDP_BYTES;

	if (!(offload->flags & HF_OFFLOAD_NEEDS_CSUM) || offload->csum_offset != 6 || !l3 ||
	    payload >= len || !agrees(frame, l3, l4) || !offload->gso_size ||
	    len - payload > MAX_PIECES * (uint32_t)offload->gso_size)
		return false;
	*cut = (struct udp_cut){.frame = frame,
				.len = len,
				.at = payload,
				.l3 = l3,
				.l4 = l4,
				.size = offload->gso_size};
	return true;
}

/* Lengths, and what depends on them. */
static void correct_headers(const struct udp_cut *cut, uint8_t *frame, uint32_t len)
{
	uint8_t *ip = frame + cut->l3, *udp = frame + cut->l4;
	uint32_t datagram = len - cut->l4, pseudo = datagram + IPPROTO_UDP;

	if (is_ipv6(ip)) {
		write16(ip + 4, len - cut->l3 - IPV6_BYTES);
		pseudo += sum(ip + 8, 32);
	} else {
		write16(ip + 2, len - cut->l3);
		write16(ip + 4, (uint32_t)read16(ip + 4) + cut->number);
		write16(ip + 10, 0);
		write16(ip + 10, (uint16_t)~fold(sum(ip, cut->l4 - (uint32_t)cut->l3)));
		pseudo += sum(ip + 12, 8);
	}
	write16(udp + 4, datagram);
	write16(udp + 6, fold(pseudo));
}

bool udp_cut_next(struct udp_cut *cut, struct hf_packet *packet)
{
	uint32_t headers = cut->l4 + UDP_BYTES, bytes = cut->len - cut->at;

	if (bytes > cut->size)
		bytes = cut->size;
	if (!bytes || headers + bytes > packet->room)
		return false;
	memcpy(packet->data, cut->frame, headers);
	memcpy(packet->data + headers, cut->frame + cut->at, bytes);
	packet->len = packet->total = headers + bytes;
	packet->offload = (struct hf_offload){
		.flags = HF_OFFLOAD_NEEDS_CSUM, .csum_start = cut->l4, .csum_offset = 6};
	correct_headers(cut, packet->data, packet->len);
	cut->at += bytes;
	cut->number++;
	return true;
}
