/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include <netinet/in.h>
#include <string.h>

#define ETH 14u

uint8_t net_payload_byte(uint32_t seed, uint32_t i)
{
	return (uint8_t)((seed * 131 + i) ^ (i >> 8));
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

uint16_t net_sum(const uint8_t *bytes, uint32_t len, uint32_t start)
{
	uint64_t sum = start;

	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t pseudo_sum(const uint8_t *ip, uint8_t version, uint8_t proto, uint32_t l4_len)
{
	const uint8_t *addresses = version == 4 ? ip + 12 : ip + 8;
	uint16_t sum = net_sum(addresses, version == 4 ? 8 : 32, proto);

	sum = net_sum(NULL, 0, (uint32_t)sum + (l4_len >> 16));
	return net_sum(NULL, 0, (uint32_t)sum + (l4_len & 0xffff));
}

static uint32_t build_ethernet(uint8_t *f, const struct net_shape *s)
{
	uint32_t at = 12;

	memcpy(f, "\x52\x54\x00\x00\x00\x02\x52\x54\x00\x00\x00\x01", 12);
	for (int i = s->vlans; i > 0; i--) {
		put16(f + at, i > 1 ? 0x88a8 : 0x8100);
		put16(f + at + 2, 0x2000u + (uint32_t)i);
		at += 4;
	}
	put16(f + at, s->ip == 4 ? 0x0800 : 0x86dd);
	return at + 2;
}

static uint32_t build_ipv4(uint8_t *ip, const struct net_shape *s, uint32_t l4_len)
{
	uint32_t bytes = 20u + s->options;

	memset(ip, 0, 20);
	memset(ip + 20, 1, s->options); /* no-operation */
	ip[0] = (uint8_t)(0x40 | bytes / 4);
	put16(ip + 2, bytes + l4_len);
	put16(ip + 4, s->ip_id);
	ip[8] = 64;
	ip[9] = s->proto;
	put32(ip + 12, 0x0a000001);
	put32(ip + 16, 0x0a000002);
	put16(ip + 10, (uint16_t)~net_sum(ip, bytes, 0));
	return bytes;
}

static uint32_t build_ipv6(uint8_t *ip, const struct net_shape *s, uint32_t l4_len)
{
	uint32_t extension = s->extension ? 8 : 0;

	memset(ip, 0, 40);
	ip[0] = 0x60;
	put16(ip + 4, l4_len + extension);
	ip[6] = s->extension ? 60 : s->proto;
	ip[7] = 64;
	ip[8] = ip[24] = 0xfd;
	ip[23] = 1;
	ip[39] = 2;
	if (s->extension)
		memcpy(ip + 40, (uint8_t[]){s->proto, 0, 1, 4, 0, 0, 0, 0}, 8);
	return 40 + extension;
}

static uint32_t build_l4(uint8_t *l4, const struct net_shape *s)
{
	put16(l4, 1000);
	put16(l4 + 2, 2000);
	if (s->proto == IPPROTO_UDP) {
		put16(l4 + 4, 8 + s->payload);
		put16(l4 + 6, 0);
		return 8;
	}
	put32(l4 + 4, s->seq);
	put32(l4 + 8, 7777);
	l4[12] = (uint8_t)((20u + s->options) / 4 << 4);
	l4[13] = s->tcp_flags;
	put16(l4 + 14, 4096);
	put32(l4 + 16, 0);
	memset(l4 + 20, 1, s->options);
	return 20u + s->options;
}

uint32_t net_build(uint8_t *f, const struct net_shape *s, struct hf_offload *ret)
{
	uint32_t l4_header = s->proto == IPPROTO_UDP ? 8 : 20u + s->options;
	uint32_t l3 = build_ethernet(f, s), l4, l4_len = l4_header + s->payload;
	uint32_t csum_offset = s->proto == IPPROTO_UDP ? 6 : 16;
	uint16_t sum;

	l4 = l3 + (s->ip == 4 ? build_ipv4(f + l3, s, l4_len) : build_ipv6(f + l3, s, l4_len));
	build_l4(f + l4, s);
	for (uint32_t i = 0; i < s->payload; i++)
		f[l4 + l4_header + i] = net_payload_byte(s->seed, i);
	sum = pseudo_sum(f + l3, s->ip, s->proto, l4_len);
	if (!s->partial) {
		sum = (uint16_t)~net_sum(f + l4, l4_len, sum);
		if (!sum && s->proto == IPPROTO_UDP)
			sum = 0xffff;
	}
	put16(f + l4 + csum_offset, sum);
	if (ret)
		*ret = (struct hf_offload){.flags = s->partial ? HF_OFFLOAD_NEEDS_CSUM : 0,
					   .hdr_len = (uint16_t)(l4 + l4_header),
					   .csum_start = s->partial ? (uint16_t)l4 : 0,
					   .csum_offset = s->partial ? (uint16_t)csum_offset : 0};
	return l4 + l4_len;
}

static bool parse_ipv4(const uint8_t *f, uint32_t len, struct net_seen *s)
{
	const uint8_t *ip = f + s->l3;
	uint32_t bytes, field;

	if (s->l3 + 20 > len || ip[0] >> 4 != 4)
		return false;
	bytes = (ip[0] & 15u) * 4;
	if (bytes < 20 || s->l3 + bytes > len)
		return false;
	field = get16(ip + 6);
	s->ip = 4;
	s->ip_id = (uint16_t)get16(ip + 4);
	s->fragment_id = s->ip_id;
	s->proto = ip[9];
	s->l4 = s->l3 + bytes;
	s->ip_checksum_ok = net_sum(ip, bytes, 0) == 0xffff;
	s->lengths_ok = get16(ip + 2) == len - s->l3;
	s->more_fragments = field & 0x2000;
	s->fragment_offset = (field & 0x1fff) * 8;
	s->fragment = s->more_fragments || s->fragment_offset;
	return true;
}

static bool parse_ipv6(const uint8_t *f, uint32_t len, struct net_seen *s)
{
	const uint8_t *ip = f + s->l3;

	if (s->l3 + 40 > len || ip[0] >> 4 != 6)
		return false;
	s->ip = 6;
	s->proto = ip[6];
	s->l4 = s->l3 + 40;
	s->ip_checksum_ok = true;
	s->lengths_ok = get16(ip + 4) == len - s->l4;
	while (s->proto == 0 || s->proto == 43 || s->proto == 60 || s->proto == 44) {
		const uint8_t *h = f + s->l4;

		if (s->l4 + 8 > len)
			return false;
		if (s->proto == 44) {
			s->fragment = true;
			s->fragment_offset = get16(h + 2) & 0xfff8;
			s->more_fragments = h[3] & 1;
			s->fragment_id = get32(h + 4);
		}
		s->l4 += s->proto == 44 ? 8 : 8u + h[1] * 8u;
		s->proto = h[0];
	}
	return true;
}

static bool parse_l4(const uint8_t *f, uint32_t len, struct net_seen *s)
{
	uint32_t bytes = 8, l4_len = len - s->l4;
	const uint8_t *l4 = f + s->l4;

	if (s->l4 + bytes > len)
		return false;
	if (s->proto == IPPROTO_TCP) {
		if (s->l4 + 20 > len)
			return false;
		bytes = (uint32_t)(l4[12] >> 4) * 4;
		s->seq = get32(l4 + 4);
		s->tcp_flags = l4[13];
	} else if (s->proto == IPPROTO_UDP) {
		s->lengths_ok &= get16(l4 + 4) == l4_len;
	} else {
		return false;
	}
	if (bytes < 8 || s->l4 + bytes > len)
		return false;
	s->payload = s->l4 + bytes;
	s->payload_len = len - s->payload;
	s->l4_checksum_ok =
		net_sum(l4, l4_len, pseudo_sum(f + s->l3, s->ip, s->proto, l4_len)) == 0xffff;
	return true;
}

bool net_parse(const uint8_t *f, uint32_t len, struct net_seen *ret)
{
	struct net_seen s = {.l3 = ETH};
	uint32_t type;

	if (len < ETH)
		return false;
	for (type = get16(f + 12); type == 0x8100 || type == 0x88a8; s.vlans++) {
		s.l3 += 4;
		if (s.l3 > len)
			return false;
		type = get16(f + s.l3 - 2);
	}
	if (!(type == 0x0800 ? parse_ipv4(f, len, &s) : type == 0x86dd && parse_ipv6(f, len, &s)))
		return false;
	if (s.fragment) {
		s.payload = s.l4;
		s.payload_len = len - s.l4;
	} else if (!parse_l4(f, len, &s)) {
		return false;
	}
	*ret = s;
	return true;
}
