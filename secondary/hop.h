/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open peek: what a data thread keeps between hf_hop_peek and hf_hop_complete.
 *
 * Theory of operation. A peek is a burst on the source that is left open: its lane says `busy`, so
 * nobody unmaps what `rest` and `pieces` point to. The source's used entries are written while
 * chains are looked at, and published by hf_hop_complete; each hf_hop_forward is a burst of its
 * own on its destination, published before. So whoever dies in between has published the
 * destination's part or none, and the source's never before it: the next owner looks at the same
 * chains again.
 *
 * The eventfd of a destination is its front-end's as well, which can make a write to it hang, and
 * a thread that hangs while it is busy gets its process fenced: so calls are decided in the
 * destination's burst and written when the source's is over.
 *
 * What knows about kinds of rings: hop_peek.c walks chains of the source, hop_forward.c writes
 * into the destination, hop.c publishes; hop_core.h has the runs of both.
 */
#ifndef SECONDARY_HOP_H
#define SECONDARY_HOP_H

#include <holdfast/hop.h>

#include "burst.h"
#include "notify.h"
#include "vring.h"

/*
 * Descriptors that a peek looks at, before it begins no further chain (HF_BURST_BUDGET is a whole
 * burst's): a switch that is fair to its guests looks at the next one in between.
 */
#define HOP_BUDGET	  2048
#define HOP_PIECES	  1024u /* of all packets of a peek */
#define HOP_PACKET_PIECES 64u	/* of one; a packet in more of them is copied out at once */
#define HOP_WHOLE	  255u	/* in the place of a number of pieces */
#define HOP_FRONT_MIN	  14u	/* addresses: counters tell group from station by them */

struct hop_piece {
	const uint8_t *data; /* guest memory */
	uint32_t len;
};

/* A chain that goes back unread: counted when it does. */
struct hop_drop {
	uint16_t place;	 /* from the source's `next` on */
	uint16_t reason; /* enum hf_counter */
};

struct hop_call {
	struct hf_vring *vring;
	struct hf_notify_due due;
};

struct hf_hop {
	struct hf_vring *source; /* NULL: no peek is open */
	struct hf_device *device;
	uint64_t walked; /* descriptors, of all peeks (hf_hop_walked) */
	uint64_t rarp;	 /* the first packet is this announcement (hf_device.rarp), no chain's */
	uint16_t count;	 /* packets */
	uint16_t places; /* chains that were looked at */
	uint16_t nr_pieces;
	uint16_t nr_drops;
	uint16_t nr_calls;
	uint8_t group;	  /* all packets' first bytes or-ed: bit 0: one is to several stations */
	bool uneven;	  /* nr_pieces_of[] is not 0 of one */
	bool long_chains; /* packed: descs[] is not 1 of one */

	/*
	 * Of packet i. What is in the guest still is what its `total` is more than its `len`: that
	 * many bytes at rest[i] + len, or, when nr_pieces_of[i] is not 0, so many pieces from
	 * number first_piece[i] on. Nothing is, when it is HOP_WHOLE; a packet in one segment that
	 * is all there has itself as its rest.
	 */
	struct hf_packet *packets[HF_MAX_BURST];
	const uint8_t *rest[HF_MAX_BURST];
	uint32_t total[HF_MAX_BURST];
	uint8_t nr_pieces_of[HF_MAX_BURST];
	uint16_t first_piece[HF_MAX_BURST];

	/* Packed: of the chain at place i, and the position behind the last. */
	uint64_t used[HF_MAX_BURST]; /* second word of its used descriptor */
	uint16_t descs[HF_MAX_BURST];
	uint16_t at;

	struct hop_drop drops[HF_MAX_BURST];
	struct hop_call calls[HF_MAX_BURST];
	struct hop_piece pieces[HOP_PIECES];
};

static_assert(HOP_PACKET_PIECES < HOP_WHOLE && HOP_WHOLE <= UINT8_MAX, "nr_pieces_of");

/* Is it of this peek, with its numbers as they were? Only such have something in the guest. */
static inline bool hop_has(const struct hf_hop *hop, const struct hf_packet *packet)
{
	uint16_t i = packet->peeked;

	return i < hop->count && hop->packets[i] == packet && hop->total[i] == packet->total &&
	       packet->len <= packet->total && hop->nr_pieces_of[i] != HOP_WHOLE;
}

/* All of packet `i` is in the caller's segments: nothing of it is looked for anywhere else, also
 * when the caller makes it shorter. */
static inline void hop_note_whole(struct hf_hop *hop, uint16_t i)
{
	const struct hf_packet *packet = hop->packets[i];

	hop->rest[i] = packet->data;
	hop->nr_pieces_of[i] = packet->len == packet->total ? 0 : HOP_WHOLE;
	hop->uneven |= hop->nr_pieces_of[i];
}

/* Is all of it in the caller's segments? */
static inline bool hop_is_whole(const struct hf_packet *packet)
{
	uint64_t len = 0;

	for (const struct hf_packet *s = packet; s; s = s->next)
		len += s->len;
	return len == packet->total;
}

/* hop_peek.c: look at up to `ready` chains of the source, with `packets` for all of them. */
void hop_look(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t ready, uint32_t front);
/* The same of a packed source: up to `count` packets. */
void hop_look_packed(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t count,
		     uint32_t front);
/*
 * A buffer that was looked at already, `len` bytes at `from`, more than the header: for what a
 * run's copy cannot do itself. Its packet is added, or it is noted as dropped; its place is
 * hop->places.
 */
void hop_look_at_buffer(struct hf_hop *hop, const uint8_t *from, uint32_t len,
			struct hf_packet *packet, uint32_t front);

/* Append to a packet's segments, which have the room; *segment is the first that is not full. */
void hop_append(struct hf_packet **segment, const uint8_t *from, uint32_t len);

#endif
