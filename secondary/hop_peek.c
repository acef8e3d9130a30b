/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source's side of a hop: from chains to packets whose front is private.
 *
 * Theory of operation. Descriptors, header and front are read once, like in dequeue.c and by the
 * same rules; of what follows only the place is noted, checked to its end. Chains of the common
 * shape (one descriptor in one region, nothing asked for) are looked at in runs, in loops over
 * locals: the compiler need not read the vring again after each store, and the processor has many
 * loads under way at once. Every other chain goes the general way, one at a time, in its place.
 */
#include <string.h>

#include "chain.h"
#include "copy.h"
#include "header.h"
#include "hop.h"

/* Chains of the common shape. */
struct run {
	const uint8_t *from[HOP_RUN]; /* the header */
	uint32_t len[HOP_RUN];	      /* of the frame behind it */
	uint16_t head[HOP_RUN];
};

/* How many chains from place `place` on are of that shape, `want` at most. */
static uint16_t find_run(const struct hf_vring *v, uint16_t place, struct hf_packet *const *packets,
			 uint16_t want, struct run *run)
{
	const uint64_t hot_gpa = v->hot_gpa, hot_size = v->hot_size;
	uint8_t *const hot = v->hot_address;
	const uint32_t header = v->header_bytes;
	const struct vring_desc *desc = v->desc;
	const uint16_t first = (uint16_t)(v->next + place), mask = v->mask;

	for (uint16_t i = 0; i < want; i++) {
		uint16_t head = hf_read_once(&v->avail->ring[(uint16_t)(first + i) & mask]);
		struct vring_desc d;
		uint64_t offset;

		if (unlikely(head > mask))
			return i;
		hf_desc_read(&d, (const uint8_t *)&desc[head]);
		offset = d.addr - hot_gpa;
		if (unlikely(d.flags || d.len <= header || d.len - header > packets[i]->room ||
			     offset >= hot_size || d.len > hot_size - offset))
			return i;
		run->from[i] = hot + offset;
		run->len[i] = d.len - header;
		run->head[i] = head;
		__builtin_prefetch(hot + offset);
	}
	return want;
}

static inline void clear_rest(struct hf_packet *packet)
{
	for (struct hf_packet *s = packet->next; s; s = s->next)
		s->len = 0;
}

/* The packet's front is there. */
static inline void add_packet(struct hf_hop *hop, struct hf_packet *packet, struct hop_rest rest)
{
	uint16_t index = hop->count++;

	packet->peeked = index;
	hop->packets[index] = packet;
	hop->rests[index] = rest;
	hop->place[index] = hop->places;
	hop_tally_add(&hop->tally, packet->total, hop_group_of(packet->data, packet->len));
}

static inline void take_simple(struct hf_hop *hop, struct hf_packet *packet, const uint8_t *frame,
			       uint32_t len, uint32_t front)
{
	uint32_t keep = len < front ? len : front;

	hf_copy(packet->data, frame, keep);
	packet->len = keep;
	packet->total = len;
	packet->offload = (struct hf_offload){0};
	if (unlikely(packet->next))
		clear_rest(packet);
	add_packet(hop, packet, (struct hop_rest){.data = frame + keep, .len = len - keep});
}

/* A run of at most `want` chains; how many. */
static uint16_t look_at_run(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t want,
			    uint32_t front)
{
	struct hf_vring *v = hop->source;
	struct run run;
	uint16_t n = find_run(v, hop->places, packets, want, &run), i;
	const uint32_t header_bytes = v->header_bytes;

	for (i = 0; i < n; i++) {
		uint64_t header;

		__builtin_memcpy(&header, run.from[i], sizeof(header));
		__asm__ __volatile__("" : "+r"(header));
		/* flags and gso_type: when these are zero nothing is asked for. */
		if (unlikely(header & 0xffff))
			break;
		take_simple(hop, packets[i], run.from[i] + header_bytes, run.len[i], front);
		hf_vring_use(v, hop->places, run.head[i], 0);
		hop->places++;
	}
	return i;
}

/* ---- any chain */

/* Where its bytes go: header, front, then pieces; or all into the packet, when they are many. */
struct collector {
	struct hf_hop *hop;
	struct hf_packet *packet;
	struct hf_packet *segment; /* whole: the first that is not full */
	uint8_t header[HF_NET_HEADER_MAX];
	uint32_t header_have;
	uint32_t header_bytes;
	uint32_t front;
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
static int collect(struct collector *c, const uint8_t *from, uint64_t len)
{
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
		hop_append(&c->segment, from, n);
		from += n;
		len -= n;
	}
	if (len)
		collect_piece(c, from, (uint32_t)len);
	return 0;
}

/* One descriptor's bytes, which may lie in several regions. 0 or the DROP reason. */
static int collect_descriptor(struct hf_vring *v, struct collector *c, const struct vring_desc *d)
{
	uint64_t gpa = d->addr, left = d->len, end;
	int reason;

	if (d->flags & VRING_DESC_F_WRITE)
		return HF_CHAIN_DROP(BAD_DIRECTION);
	if (!add_ok(gpa, left, &end))
		return HF_CHAIN_DROP(BAD_ADDRESS);
	while (left) {
		uint64_t piece = left;
		const uint8_t *from = hf_vring_piece(v, gpa, &piece);

		if (!from)
			return HF_CHAIN_DROP(BAD_ADDRESS);
		reason = collect(c, from, piece);
		if (reason < 0)
			return reason;
		gpa += piece;
		left -= piece;
	}
	return 0;
}

static struct hop_rest rest_of(const struct collector *c)
{
	struct hf_hop *hop = c->hop;
	const struct hop_piece *pieces = hop->pieces + hop->nr_pieces;
	struct hop_rest rest = {.first = hop->nr_pieces, .nr = c->nr_pieces};

	if (c->nr_pieces == 1)
		return (struct hop_rest){.data = pieces[0].data, .len = pieces[0].len};
	for (uint16_t i = 0; i < c->nr_pieces; i++)
		rest.len += pieces[i].len;
	hop->nr_pieces = (uint16_t)(hop->nr_pieces + c->nr_pieces);
	return rest;
}

/* 0 with the packet added, or the DROP reason. */
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
		result = collect_descriptor(v, &c, &d);
		if (result < 0)
			return result;
	}
	if (result < 0)
		return result;
	if (!c.total)
		return HF_CHAIN_DROP(SHORT_CHAIN);
	packet->total = (uint32_t)c.total;
	if (!hf_header_to_offload(c.header, v->features, packet))
		return HF_CHAIN_DROP(BAD_HEADER);
	add_packet(hop, packet, rest_of(&c));
	return 0;
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
		hop->drops[hop->nr_drops++] = (struct hop_drop){hop->places, (uint16_t)-reason};
	hf_vring_use(v, hop->places, head, 0);
	hop->places++;
	return true;
}

void hop_look(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t ready, uint32_t front)
{
	uint16_t want = HOP_RUN;

	while (hop->places < ready && hop->source->budget > 0) {
		uint16_t left = (uint16_t)(ready - hop->places);
		uint16_t n =
			look_at_run(hop, packets + hop->count, want < left ? want : left, front);

		if (n) {
			want = HOP_RUN;
			continue;
		}
		/* Where one is special its neighbours often are: do not look far ahead for them. */
		want = 1;
		if (!look_at_any(hop, packets[hop->count], front))
			break;
	}
}
