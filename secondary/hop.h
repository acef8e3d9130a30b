/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open peek: what a data thread keeps between hf_hop_peek and hf_hop_complete.
 *
 * Theory of operation. A peek is a burst on the source that is left open: its lane says `busy`, so
 * nobody unmaps what `rests` and `pieces` point to. The source's used entries are written while
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
 * into the destination, hop.c publishes.
 */
#ifndef SECONDARY_HOP_H
#define SECONDARY_HOP_H

#include <holdfast/hop.h>

#include "burst.h"
#include "hop_tally.h"
#include "notify.h"
#include "vring.h"

#define HOP_PIECES	  1024u /* of all packets of a peek */
#define HOP_PACKET_PIECES 64u	/* of one; a packet in more of them is copied out at once */
#define HOP_FRONT_MIN	  14u	/* addresses: counters tell group from station by them */
#define HOP_RUN		  32u	/* chains of the common shape that are handled at once */

struct hop_piece {
	const uint8_t *data; /* guest memory */
	uint32_t len;
};

/* What of a packet is still in the guest: `nr` pieces from number `first` on, or, when nr is 0,
 * `len` bytes at `data`. len 0: nothing. */
struct hop_rest {
	const uint8_t *data;
	uint32_t len; /* in all */
	uint16_t first;
	uint16_t nr;
};

/* A chain that goes back unread: counted when it does. */
struct hop_drop {
	uint16_t place;
	uint16_t reason; /* enum hf_counter */
};

struct hop_call {
	struct hf_vring *vring;
	struct hf_notify_due due;
};

struct hf_hop {
	struct hf_vring *source; /* NULL: no peek is open */
	struct hf_device *device;
	uint64_t rarp;	 /* the first packet is this announcement (hf_device.rarp), no chain's */
	uint16_t count;	 /* packets */
	uint16_t places; /* chains that were looked at, from the source's `next` on */
	uint16_t nr_pieces;
	uint16_t nr_drops;
	uint16_t nr_calls;
	struct hop_tally tally; /* of the packets */
	struct hf_packet *packets[HF_MAX_BURST];
	uint16_t place[HF_MAX_BURST]; /* of packet i's chain */
	struct hop_rest rests[HF_MAX_BURST];
	struct hop_drop drops[HF_MAX_BURST];
	struct hop_call calls[HF_MAX_BURST];
	struct hop_piece pieces[HOP_PIECES];
};

/* What of `packet` is in the guest still; NULL: nothing, or it is not of this peek. */
static inline const struct hop_rest *hop_rest_of(const struct hf_hop *hop,
						 const struct hf_packet *packet)
{
	uint16_t i = packet->peeked;

	return i < hop->count && hop->packets[i] == packet && hop->rests[i].len ? &hop->rests[i]
										: NULL;
}

/* Look at up to `ready` chains of the source. hop_peek.c */
void hop_look(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t ready, uint32_t front);

/* Append to a packet's segments, which have the room; *segment is the first that is not full. */
void hop_append(struct hf_packet **segment, const uint8_t *from, uint32_t len);

#endif
