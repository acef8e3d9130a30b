/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source's side of a hop: from chains to packets whose front is private.
 *
 * Theory of operation. Descriptors, header and front are read once, like in dequeue.c and by the
 * same rules; of what follows only the place is noted, checked to its end. Simple chains are looked
 * at in runs (run.h, hop_core.h); every other one goes the general way, one at a time, in its
 * place.
 */
#include <string.h>

#include "chain.h"
#include "copy.h"
#include "header.h"
#include "hop.h"
#include "packed.h"
#include "packed_chain.h"
#include "run.h"

/* Where its bytes go: header, front, then pieces; or all into the packet, when they are many. */
struct collector {
	struct hf_hop *hop;
	struct hf_packet *packet;
	struct hf_packet *segment; /* whole: the first that is not full */
	uint8_t header[HF_NET_HEADER_MAX];
	uint32_t header_have;
	uint32_t header_bytes;
	uint32_t front;
	const uint8_t *front_from; /* guest memory: its first byte */
	uint64_t room;
	uint64_t total;
	uint16_t nr_pieces; /* behind those that the hop has */
	bool whole;
};

void hop_append(struct hf_packet **segment, const uint8_t *from, uint32_t len)
{
	while (len && *segment) {
		struct hf_packet *s = *segment;
		uint32_t n = (uint32_t)min_u64(len, s->room - s->len);

		hf_copy(s->data + s->len, from, n);
		s->len += n;
		from += n;
		len -= n;
		if (s->len == s->room)
			*segment = s->next;
	}
}

static void collector_open(struct collector *c, struct hf_hop *hop, struct hf_packet *packet,
			   uint32_t front)
{
	*c = (struct collector){.hop = hop,
				.packet = packet,
				.segment = packet,
				.header_bytes = hop->source->header_bytes,
				.front = (uint32_t)min_u64(front, packet->room)};
	for (struct hf_packet *s = packet; s; s = s->next) {
		c->room += s->room;
		s->len = 0;
	}
}

/* Too many pieces to remember. */
static void collect_whole(struct collector *c)
{
	const struct hop_piece *pieces = c->hop->pieces + c->hop->nr_pieces;

	c->whole = true;
	for (uint16_t i = 0; i < c->nr_pieces; i++)
		hop_append(&c->segment, pieces[i].data, pieces[i].len);
	c->nr_pieces = 0;
}

static void collect_piece(struct collector *c, const uint8_t *from, uint32_t len)
{
	uint32_t at = c->hop->nr_pieces + c->nr_pieces;

	if (!c->whole && (c->nr_pieces == HOP_PACKET_PIECES || at == HOP_PIECES))
		collect_whole(c);
	if (c->whole) {
		hop_append(&c->segment, from, len);
		return;
	}
	c->hop->pieces[at] = (struct hop_piece){from, len};
	c->nr_pieces++;
}

static uint32_t collect_header(struct collector *c, const uint8_t *from, uint64_t len)
{
	uint32_t n = (uint32_t)min_u64(len, c->header_bytes - c->header_have);

	memcpy(c->header + c->header_have, from, n);
	/* The copy is what is looked at, not what the compiler could read again. */
	hf_compiler_barrier();
	c->header_have += n;
	/* What is asked for is checked against the frame's own headers, in our memory. */
	if (c->header_have == c->header_bytes && (c->header[0] | c->header[1])) {
		c->whole = c->packet->room < HF_LAYOUT_PEEK;
		if (!c->whole && c->front < HF_LAYOUT_PEEK)
			c->front = HF_LAYOUT_PEEK;
	}
	return n;
}

/* 0 or the DROP reason. */
static int collect(void *context, const uint8_t *from, uint64_t len)
{
	struct collector *c = context;
	uint32_t n;

	if (c->header_have < c->header_bytes) {
		n = collect_header(c, from, len);
		from += n;
		len -= n;
	}
	c->total += len;
	if (c->total > c->room)
		return HF_CHAIN_DROP(TOO_BIG);
	if (len && c->packet->len < c->front) {
		n = (uint32_t)min_u64(len, c->front - c->packet->len);
		if (!c->packet->len)
			c->front_from = from;
		else if (c->front_from && from != c->front_from + c->packet->len)
			c->front_from = NULL; /* a later part may lie where it seems to go on */
		hop_append(&c->segment, from, n);
		from += n;
		len -= n;
	}
	if (len)
		collect_piece(c, from, (uint32_t)len);
	return 0;
}

/* The packet's front is there. */
static void add_packet(struct collector *c)
{
	struct hf_hop *hop = c->hop;
	struct hf_packet *p = c->packet;
	const struct hop_piece *pieces = hop->pieces + hop->nr_pieces;
	uint16_t i = hop->count++;
	/* Only then is all that lies before the rest of this packet, whatever becomes of `len`. */
	bool in_one =
		c->nr_pieces == 1 && c->front_from && c->front_from + p->len == pieces[0].data;

	p->peeked = i;
	hop->packets[i] = p;
	hop->total[i] = p->total;
	if (p->len)
		hop->group |= p->data[0];
	hop->nr_pieces_of[i] = 0;
	if (!c->nr_pieces)
		hop_note_whole(hop, i);
	if (in_one)
		hop->rest[i] = c->front_from;
	if (!c->nr_pieces || in_one)
		return;
	hop->nr_pieces_of[i] = (uint8_t)c->nr_pieces;
	hop->uneven = true;
	hop->first_piece[i] = hop->nr_pieces;
	hop->nr_pieces = (uint16_t)(hop->nr_pieces + c->nr_pieces);
}

/* All its bytes are collected: 0 with the packet added, or the DROP reason. */
static int close_packet(struct collector *c)
{
	if (!c->total)
		return HF_CHAIN_DROP(SHORT_CHAIN);
	c->packet->total = (uint32_t)c->total;
	if (!hf_header_to_offload(c->header, c->hop->source->features, c->packet))
		return HF_CHAIN_DROP(BAD_HEADER);
	add_packet(c);
	return 0;
}

/* The same, from the chain at `head`. */
static int look_at_chain(struct hf_hop *hop, uint16_t head, struct hf_packet *packet,
			 uint32_t front)
{
	struct hf_vring *v = hop->source;
	struct hf_chain chain;
	struct collector c;
	struct vring_desc d;
	int result;

	hf_chain_start(v, &chain, head);
	collector_open(&c, hop, packet, front);
	while ((result = hf_chain_next(v, &chain, &d)) > 0) {
		result = hf_descriptor_pieces(v, &d, collect, &c);
		if (result < 0)
			return result;
	}
	return result < 0 ? result : close_packet(&c);
}

static void note_drop(struct hf_hop *hop, int reason)
{
	hop->drops[hop->nr_drops++] = (struct hop_drop){hop->places, (uint16_t)-reason};
}

void hop_look_at_buffer(struct hf_hop *hop, const uint8_t *from, uint32_t len,
			struct hf_packet *packet, uint32_t front)
{
	struct collector c;
	int reason;

	collector_open(&c, hop, packet, front);
	reason = collect(&c, from, len);
	if (!reason)
		reason = close_packet(&c);
	if (reason < 0)
		note_drop(hop, reason);
}

/* The chain at hop->at of a packed ring, the same. False: none is there, or the ring is broken. */
static bool look_at_packed(struct hf_hop *hop, struct hf_packet *packet, uint32_t front)
{
	struct hf_vring *v = hop->source;
	uint32_t left = v->size - hf_packed_distance(v, v->next, hop->at);
	struct hf_packed_chain chain;
	struct collector c;
	struct vring_desc d;
	const uint16_t at = hop->at;
	int result;

	if (!hf_packed_chain_start(v, &chain, at, left))
		return false;
	collector_open(&c, hop, packet, front);
	while ((result = hf_packed_chain_next(v, &chain, &d)) > 0) {
		/* As packed_dequeue.c: some drivers mark the header in their tables writable. */
		if (chain.indirect.in_indirect)
			d.flags = 0;
		result = hf_descriptor_pieces(v, &d, collect, &c);
		if (result < 0)
			break;
	}
	if (result == HF_PACKED_BROKEN || !hf_packed_chain_finish(v, &chain))
		return false;
	if (!result)
		result = close_packet(&c);
	if (result < 0)
		note_drop(hop, result);
	hop->used[hop->places] = hf_packed_used_state(at, chain.id, 0);
	hop->long_chains |= chain.descs != 1;
	hop->descs[hop->places++] = (uint16_t)chain.descs;
	hop->at = chain.at;
	return true;
}

void hop_look_packed(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t count,
		     uint32_t front)
{
	struct hf_vring *v = hop->source;
	uint16_t before, room;

	hop->at = v->next;
	while (hop->count < count && hop->places < HF_MAX_BURST && v->budget > 0) {
		before = hop->places;
		room = (uint16_t)min_u64(count - hop->count, HF_MAX_BURST - hop->places);
		v->run->packed_peek(hop, packets, room, front);
		if (hop->places == before && !look_at_packed(hop, packets[hop->count], front))
			break;
	}
}

/* False: the ring is broken. */
static bool look_at_any(struct hf_hop *hop, struct hf_packet *packet, uint32_t front)
{
	struct hf_vring *v = hop->source;
	uint16_t head;
	int reason;

	if (!hf_vring_head(v, hop->places, &head))
		return false;
	reason = look_at_chain(hop, head, packet, front);
	if (reason < 0)
		note_drop(hop, reason);
	hf_vring_use(v, hop->places, head, 0);
	hop->places++;
	return true;
}

void hop_look(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t ready, uint32_t front)
{
	const struct hf_run_ops *run = hop->source->run;
	uint16_t until = ready, before;

	while (hop->source->budget > 0) {
		before = hop->places;
		run->peek(hop, packets, until, front);
		if (hop->places == ready)
			return;
		if (hop->places == until) {
			until = ready;
			continue;
		}
		if (!look_at_any(hop, packets[hop->count], front) || hop->places == ready)
			return;
		/* Where one is special its neighbours often are: do not look far ahead for them. */
		until = hop->places == before + 1 ? (uint16_t)(hop->places + 1) : ready;
	}
}
