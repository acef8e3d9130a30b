/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one source may cost the others of its worker.
 *
 * Theory of operation. A worker goes around its sources, so what one of them has it do in a round
 * is what all the others wait for. Work is counted in bytes, as they are copied; a source may spend
 * SHARE_ROUND of it in a round. Of a peek no packet is begun when that is spent: the others stay in
 * the guest's ring. What was spent above (by the last packet, or by what is known only afterwards)
 * is owed: it is taken from the next rounds' shares, and as long as a whole one or more is owed the
 * source sits out. So on average no source has more than its share, and in one round no more than
 * that and one packet. (Deficit round robin, with the deficit's sign turned.) It is owed to the
 * others: when nothing comes from any for a while (worker.c), it is owed no more.
 *
 * Who stays below, and that is whoever sends what a network carries to whom it is for, pays one
 * comparison in a burst. A source that was cut is asked for fewer packets from then on, since the
 * others would be looked at in vain; bursts that are full and within the share double that again.
 *
 * Two descriptors that packets have no need of are charged like a whole round, which is far more
 * than it takes to walk them. At cost, a guest that sends single bytes in the longest chains would
 * be given a share of the worker like any other; so it is one chain in a hundred rounds, and nobody
 * else gets slower for that. Honest guests have next to none.
 *
 * Who is sent to has a part in the work as well: it posts the buffers. What is walked there beyond
 * need is the receiver's, not the sender's: it may be SHARE_CRUMBS in a second, of all workers, and
 * what comes for that port in the rest of the second is dropped. So a guest that posts its buffers
 * in crumbs, or chains that are no good, loses its own packets, and the worker less than a
 * thousandth of its time. (Seconds, not rounds: a worker that sleeps has few of those.) What honest
 * drivers post is no waste: Linux without mergeable buffers has 19 pages for the largest frame, and
 * in a packed ring all of them are walked, however small the frame is that came.
 *
 * A packet that has to be segmented for want of an offload costs SHARE_CUT for each frame. That is
 * less than its bytes where the segments are as long as a network's; of shorter ones a guest pays
 * the rest as well, by what its packet says of itself: before it is sent to anybody, so that the
 * share bounds it and it is paid also when another worker does the cutting, and whether or not
 * anybody has to. What came by an uplink nobody here has sent, and to let the uplink pay would be
 * to let all its receivers: there the rest is that of the receiver, which lacks the offload. It may
 * be SHARE_CUTS frames in a second; in what is left of it such packets are dropped, and only such:
 * others may have sent them to do harm.
 */
#ifndef VSWITCH_SHARE_H
#define VSWITCH_SHARE_H

#include "table.h"

/* Four of the largest frames to one port, two bursts of full Ethernet frames, or 64 small frames to
 * a few ports: some 25 µs. */
#define SHARE_ROUND  (256u << 10)
#define SHARE_COPY   256u	       /* a packet at one of many destinations, besides its bytes */
#define SHARE_DESCS  8u		       /* descriptors that any packet may be in … */
#define SHARE_PIECE  1024u	       /* … and one more for so many bytes */
#define SHARE_WASTED (SHARE_ROUND / 2) /* a descriptor beyond that */
#define SHARE_CUT    1024u	       /* a frame that is cut: headers and checksums of its own */
#define SHARE_CUTS   65536u	       /* of those, beyond bytes, for one receiver in a second */
#define SHARE_BUFFER 20u   /* descriptors that a receiver may post for any frame, see above */
#define SHARE_CRUMBS 8192u /* descriptors beyond that, of a receiver in a second */

/* The source has its turn: how much it may spend. 0: it sits this round out. */
static inline uint32_t share_open(struct source *source)
{
	uint32_t owed = source->owed;

	if (!owed)
		return SHARE_ROUND;
	source->owed = owed < SHARE_ROUND ? 0 : owed - SHARE_ROUND;
	return owed < SHARE_ROUND ? SHARE_ROUND - owed : 0;
}

/* What `walked` descriptors are beyond what `nr` packets need, as work. */
uint64_t share_waste(struct hf_packet *const *packets, uint16_t nr, uint64_t walked);

/* Has a port had `most` of something in this second? A worker that began its round in the last one
 * may find the next one's count: that is not its second's. */
static inline bool share_is_spent(const _Atomic uint64_t *count, uint32_t now, uint32_t most)
{
	/* Relaxed: the word means nothing for any other. */
	const uint64_t had = atomic_load_explicit(count, memory_order_relaxed);

	return had >> 32 == now && (uint32_t)had >= most;
}

/* Has the port's guest wasted what it may, in this second? */
static inline bool share_is_shut(const struct port *port, uint32_t now)
{
	return share_is_spent(&port->crumbs, now, SHARE_CRUMBS);
}

/* Would the packet be cut into frames that cost more than its bytes? */
static inline bool share_is_minced(const struct hf_packet *packet)
{
	return packet->offload.gso_type && packet->offload.gso_size < SHARE_CUT;
}

/* Of such a packet: what they cost beyond its bytes, as work. */
uint64_t share_mincing(const struct hf_packet *packet);

/* May such a packet be cut for the port? Then that is charged to it. */
bool share_may_cut(struct port *port, uint32_t now, const struct hf_packet *packet);

/* For up to `nr` packets, of which `cut` frames were made, the port's guest had `walked`
 * descriptors looked at. The worker that has the turn. */
void share_walked(struct port *port, uint32_t now, struct hf_packet *const *packets, uint16_t nr,
		  uint32_t cut, uint32_t walked);

/* It spent more than it might, on the first `taken` packets or none. */
void share_owe(struct source *source, uint32_t budget, uint64_t spent, uint16_t taken);

/* Its turn is over: `came` packets were there, `taken` were dealt with. */
static inline void share_close(struct source *source, uint32_t budget, uint64_t spent,
			       uint16_t came, uint16_t taken)
{
	if (spent > budget)
		share_owe(source, budget, spent, taken);
	else if (came == source->want && came < BURST)
		source->want = (uint8_t)(came < BURST / 2 ? 2 * came : BURST);
}

#endif
