/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. The caller's packet may be on its way to other guests too, so it is never
 * written to. What changes is put into a small segment of our own, and a chain of segments (ours
 * and pieces of the caller's) goes the ordinary way into the ring:
 *
 *   checksum only:   [ front ][ 2 bytes of checksum ][ rest ]
 *   segmentation:    [ headers of segment i ][ payload piece i ]   for each i
 *
 * Segmentation goes by the frame's own headers, not the metadata's offsets: hf_offload_fits has
 * checked that the two agree. A frame in several segments is made linear first, in the vring's
 * scratch.
 */
#include "offload.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "checksum.h"
#include "header.h"
#include "packed.h"

#define HEADERS_MAX   (HF_LAYOUT_PEEK + 8u) /* with an IPv6 fragment header put in */
#define TCP_FIN	      0x01
#define TCP_PSH	      0x08
#define TCP_CWR	      0x80
#define IPV6_FRAGMENT 44

static const struct hf_offload no_offload;

static void put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get_be16(const uint8_t *p)
{
	return (uint32_t)(p[0] << 8 | p[1]);
}

/* The frame in one piece. NULL: larger than anything a frame can be. */
static const uint8_t *linear(struct hf_vring *v, const struct hf_packet *packet)
{
	if (!packet->next)
		return packet->data;
	if (packet->total > HF_SCRATCH_BYTES)
		return NULL;
	hf_packet_peek(packet, 0, packet->total, v->scratch);
	return v->scratch;
}

/* A segment that is only read: the cast away from const ends at hf_enqueue_one, which reads. */
static struct hf_packet piece_of(const uint8_t *data, uint32_t len, struct hf_packet *next)
{
	return (struct hf_packet){
		.data = (uint8_t *)(uintptr_t)data, .len = len, .room = len, .next = next};
}

static enum hf_enqueue_result complete_checksum(struct hf_vring *v, const uint8_t *frame,
						uint32_t total, const struct hf_offload *o,
						uint16_t *used)
{
	uint32_t at = (uint32_t)o->csum_start + o->csum_offset;
	uint16_t sum = hf_sum_finish(hf_sum(0, frame + o->csum_start, total - o->csum_start));
	struct hf_packet rest = piece_of(frame + at + 2, total - at - 2, NULL);
	uint8_t bytes[2];
	struct hf_packet middle = piece_of(bytes, 2, &rest);
	struct hf_packet front = piece_of(frame, at, &middle);

	/* A checksum of 0 means "none" in UDP; its other spelling is right for TCP as well. */
	if (!sum)
		sum = 0xffff;
	memcpy(bytes, &sum, sizeof(bytes));
	front.total = total;
	hf_count(v, HF_COUNTER_SOFTWARE_CSUM, 1);
	return hf_enqueue_one(v, &front, &no_offload, used);
}

/* Pseudo-header of TCP and UDP (RFC 9293 3.1, RFC 8200 8.1). */
static uint64_t pseudo_sum(const uint8_t *headers, const struct hf_frame_layout *l, uint32_t l4_len)
{
	uint8_t tail[8] = {0};
	uint64_t sum;

	tail[0] = (uint8_t)(l4_len >> 24);
	tail[1] = (uint8_t)(l4_len >> 16);
	tail[2] = (uint8_t)(l4_len >> 8);
	tail[3] = (uint8_t)l4_len;
	tail[7] = l->l4_protocol;
	sum = hf_sum(0, tail, sizeof(tail));
	if (l->ip_version == 4)
		return hf_sum(sum, headers + l->l3 + 12, 8);
	return hf_sum(sum, headers + l->l3 + 8, 32);
}

static void fix_ip_length(uint8_t *headers, const struct hf_frame_layout *l, uint32_t after_ip)
{
	uint8_t *ip = headers + l->l3;

	if (l->ip_version == 4) {
		uint32_t ihl = (ip[0] & 0x0fu) * 4u;
		uint16_t sum;

		put_be16(ip + 2, ihl + after_ip);
		memset(ip + 10, 0, 2);
		sum = hf_sum_finish(hf_sum(0, ip, ihl));
		memcpy(ip + 10, &sum, sizeof(sum));
	} else {
		put_be16(ip + 4, (uint32_t)(l->l4 - l->l3) - 40u + after_ip);
	}
}

/* What every segment of one frame shares. */
struct cut {
	const uint8_t *frame;
	uint32_t total;
	uint32_t size; /* payload bytes of a segment */
	struct hf_frame_layout layout;
	const struct hf_offload *offload;
};

/* Headers of the TCP segment whose payload starts at `at`; returns their length. */
static uint32_t tcp_headers(const struct cut *c, uint32_t at, uint32_t len, uint8_t *headers)
{
	const struct hf_frame_layout *l = &c->layout;
	uint8_t *tcp = headers + l->l4;
	uint32_t seq, l4_len = (uint32_t)(l->payload - l->l4) + len;
	uint64_t sum;
	uint16_t folded;

	memcpy(headers, c->frame, l->payload);
	if (l->ip_version == 4)
		put_be16(headers + l->l3 + 4,
			 get_be16(headers + l->l3 + 4) + (at - l->payload) / c->size);
	fix_ip_length(headers, l, l4_len);
	memcpy(&seq, tcp + 4, sizeof(seq));
	seq = htonl(ntohl(seq) + (at - l->payload));
	memcpy(tcp + 4, &seq, sizeof(seq));
	if (at + len < c->total)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (at > l->payload)
		tcp[13] &= (uint8_t)~TCP_CWR;
	memset(tcp + 16, 0, 2);
	sum = pseudo_sum(headers, l, l4_len);
	sum = hf_sum(sum, tcp, (uint32_t)(l->payload - l->l4));
	folded = hf_sum_finish(hf_sum(sum, c->frame + at, len));
	memcpy(tcp + 16, &folded, sizeof(folded));
	return l->payload;
}

/*
 * UDP goes out as IP fragments (UFO): the L4 header is the front of the first fragment's payload,
 * its checksum covers the whole datagram. `at` counts from the L4 header.
 */
static uint32_t fragment_headers(const struct cut *c, uint32_t at, uint32_t len, uint32_t id,
				 uint8_t *headers)
{
	const struct hf_frame_layout *l = &c->layout;
	bool last = at + len == c->total;
	uint32_t offset = at - l->l4;

	memcpy(headers, c->frame, l->l4);
	if (l->ip_version == 4) {
		put_be16(headers + l->l3 + 6, offset / 8 | (last ? 0 : 0x2000u));
		fix_ip_length(headers, l, len);
		return l->l4;
	}
	headers[l->l4_type_at] = IPV6_FRAGMENT;
	memset(headers + l->l4, 0, 8);
	headers[l->l4] = l->l4_protocol;
	put_be16(headers + l->l4 + 2, offset | (last ? 0 : 1u));
	id = htonl(id);
	memcpy(headers + l->l4 + 4, &id, sizeof(id));
	fix_ip_length(headers, l, len + 8);
	return l->l4 + 8u;
}

/* The whole datagram's checksum, for the first fragment. */
static void udp_checksum(const struct cut *c, uint8_t udp[8])
{
	const struct hf_frame_layout *l = &c->layout;
	uint32_t len = c->total - l->l4;
	uint16_t folded;
	uint64_t sum;

	memcpy(udp, c->frame + l->l4, 8);
	put_be16(udp + 4, len);
	memset(udp + 6, 0, 2);
	sum = hf_sum(pseudo_sum(c->frame, l, len), udp, 8);
	folded = hf_sum_finish(hf_sum(sum, c->frame + l->l4 + 8, len - 8));
	if (!folded)
		folded = 0xffff;
	memcpy(udp + 6, &folded, sizeof(folded));
}

static enum hf_enqueue_result enqueue_tcp(struct hf_vring *v, const struct cut *c, uint16_t *used)
{
	enum hf_enqueue_result result = HF_ENQUEUE_DONE;
	uint32_t at = c->layout.payload;

	/* A frame without payload is one segment all the same. */
	do {
		uint32_t len = (uint32_t)min_u64(c->size, c->total - at);
		uint8_t headers[HEADERS_MAX];
		uint32_t n = tcp_headers(c, at, len, headers);
		struct hf_packet payload = piece_of(c->frame + at, len, NULL);
		struct hf_packet front = piece_of(headers, n, &payload);

		front.total = n + len;
		result = hf_enqueue_one(v, &front, &no_offload, used);
		at += len;
	} while (result == HF_ENQUEUE_DONE && at < c->total);
	return result;
}

static enum hf_enqueue_result enqueue_fragments(struct hf_vring *v, const struct cut *c,
						uint16_t *used)
{
	enum hf_enqueue_result result = HF_ENQUEUE_DONE;
	/* Unlike that of any other datagram under way between the same two hosts, by another of the
	 * guest's vrings or under an earlier grant as well: each grant has a number of its own. */
	uint32_t id = (uint32_t)v->my_grant * 0x85ebca6bu +
		      (uint32_t)v->lane->counters[HF_COUNTER_SOFTWARE_GSO] * 0x9e3779b1u;
	uint8_t udp[8];

	udp_checksum(c, udp);
	for (uint32_t at = c->layout.l4; result == HF_ENQUEUE_DONE && at < c->total;) {
		uint32_t len = (uint32_t)min_u64(c->size, c->total - at);
		uint8_t headers[HEADERS_MAX];
		uint32_t n = fragment_headers(c, at, len, id, headers);
		uint32_t own = at == c->layout.l4 ? 8 : 0;
		struct hf_packet payload = piece_of(c->frame + at + own, len - own, NULL);
		struct hf_packet l4 = piece_of(udp, own, &payload);
		struct hf_packet front = piece_of(headers, n, &l4);

		front.total = n + len;
		result = hf_enqueue_one(v, &front, &no_offload, used);
		at += len;
	}
	return result;
}

static enum hf_enqueue_result drop(struct hf_vring *v, enum hf_counter reason)
{
	hf_count(v, reason, 1);
	return HF_ENQUEUE_DROPPED;
}

/* IPv4's length counts its header, IPv6's does not. */
static uint32_t longest_frame(const struct hf_frame_layout *l)
{
	return 65535u + l->l3 + (l->ip_version == 6 ? 40u : 0u);
}

/* Bytes of a fragment's payload: eights, and in IPv6 the length there is counts the extension
 * headers as well, and the fragment's own. */
static uint32_t fragment_size(const struct cut *c)
{
	const struct hf_frame_layout *l = &c->layout;
	uint32_t most = 65535u - 8u - (l->ip_version == 6 ? (uint32_t)(l->l4 - l->l3) - 40u : 0);

	return (uint32_t)min_u64(c->offload->gso_size, most) & ~7u;
}

/* Each takes at least one chain. */
static uint32_t segments(const struct cut *c, bool udp)
{
	uint32_t bytes = c->total - (udp ? c->layout.l4 : c->layout.payload);

	return bytes ? (bytes + c->size - 1) / c->size : 1;
}

/* Chains there are, at most `want`. On a packed ring each of their descriptors has to be looked at:
 * the burst pays for it. */
static uint16_t available(struct hf_vring *v, uint16_t want, uint32_t *ret_descs)
{
	uint16_t n;

	if (!v->packed)
		return (uint16_t)(*ret_descs = hf_vring_available(v, want));
	n = hf_packed_available(v, want, ret_descs);
	v->budget -= (int32_t)*ret_descs;
	return n;
}

/* Beside the `taken` that this burst has filled and not yet published: are there `n`? Those that
 * are were looked at for frames of ours. */
static bool has_chains(struct hf_vring *v, uint32_t taken, uint32_t n)
{
	uint32_t descs, ready = available(v, (uint16_t)min_u64(taken + n, v->size), &descs);

	ready = ready > taken ? ready - taken : 0;
	v->cut = (uint16_t)min_u64(v->cut + ready, UINT16_MAX);
	return ready == n;
}

/* Has the guest posted everything it has? */
static bool is_full(struct hf_vring *v)
{
	uint32_t descs;

	(void)available(v, v->size, &descs);
	return descs == v->size;
}

static enum hf_enqueue_result segment(struct hf_vring *v, struct cut *c, uint16_t *used)
{
	bool udp = (c->offload->gso_type & ~HF_GSO_ECN) == HF_GSO_UDP;
	uint32_t start = *used, needed;
	enum hf_enqueue_result result;

	if (!hf_frame_layout(c->frame, (uint32_t)min_u64(c->total, HF_LAYOUT_PEEK), &c->layout) ||
	    c->total > longest_frame(&c->layout))
		return drop(v, HF_COUNTER_DROP_BAD_METADATA);
	c->size = udp ? fragment_size(c) : c->offload->gso_size;
	if (!c->size)
		return drop(v, HF_COUNTER_DROP_BAD_METADATA);
	/* A gso_size of 1 turns one frame into tens of thousands: count before cutting. */
	needed = segments(c, udp);
	if (needed > v->size)
		return drop(v, HF_COUNTER_DROP_TOO_BIG);
	if (v->budget <= 0 || !has_chains(v, start, needed))
		return HF_ENQUEUE_NO_BUFFER;
	v->gave_back = (uint16_t)start;
	result = udp ? enqueue_fragments(v, c, used) : enqueue_tcp(v, c, used);
	if (result == HF_ENQUEUE_DONE) {
		hf_count(v, HF_COUNTER_SOFTWARE_GSO, 1);
		return result;
	}
	/* None of it, and the segments before a bad chain go back with that. */
	*used = v->gave_back;
	if (*used != start) {
		hf_enqueue_give_back(v, (uint16_t)start, *used);
		return result;
	}
	/* The whole ring is ours and the segments still do not fit: no later try will be better. */
	if (result == HF_ENQUEUE_NO_BUFFER && v->budget > 0 && !start && !v->broken && is_full(v))
		return drop(v, HF_COUNTER_DROP_TOO_BIG);
	return result;
}

enum hf_enqueue_result hf_enqueue_software(struct hf_vring *v, const struct hf_packet *packet,
					   const struct hf_offload *o, uint16_t *used)
{
	struct cut cut = {.frame = linear(v, packet), .total = packet->total, .offload = o};

	if (!cut.frame)
		return drop(v, HF_COUNTER_DROP_TOO_BIG);
	if (o->gso_type == HF_GSO_NONE)
		return complete_checksum(v, cut.frame, cut.total, o, used);
	return segment(v, &cut, used);
}
