/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: the fast path of both bursts, here on a split ring; packed_run.h has the packed one's part.
 *
 * Theory of operation. Nearly every chain is simple: one descriptor, whole in one region, one
 * segment. A run is up to HF_RUN simple chains that stand behind one another, taken through three
 * loops instead of one body for each:
 *
 * - look reads each head and each descriptor once, checks them, and leaves what it found, bounded,
 *   in arrays of locals;
 * - copy moves the bytes, and looks at nothing in the ring;
 * - use fills the used entries.
 *
 * In one body for each, every store of a byte into the guest may alias the vring's own fields, so
 * they are loaded anew for each packet, and no load of the next packet starts before the checks of
 * this one are through. A chain that is not simple ends the look: the run before it is finished,
 * then the general way takes that one chain (dequeue.c, enqueue_one.c), then a new look begins. So
 * order is kept, and what the general way would refuse the look only declines.
 *
 * The loops are in run_core.h, compiled once for each level of instructions (run_plain.c, …);
 * hf_run_choose() picks one for the life of the process.
 */
#ifndef SECONDARY_RUN_H
#define SECONDARY_RUN_H

#include <holdfast/packet.h>

#include "burst.h"
#include "vring.h"

struct hf_hop;

#define HF_RUN 32u

/* What a look found. Addresses are of this process and good for all of len[i]. */
struct hf_run {
	uint8_t *address[HF_RUN + 1]; /* behind the last one it is repeated, as a next one */
	uint64_t used[HF_RUN];	      /* used entry, or second word of the used descriptor */
	uint32_t len[HF_RUN]; /* bytes of the header and the frame, there or to be put there */
	uint8_t longer;	      /* not 0: a len[i] is more than what is copied without a call */
	/* Into chains: no frame has more lines than the copy asks for ahead; see prefetch_frame. */
	bool small;
	uint8_t group; /* the copy: first bytes of the frames or-ed; bit 0: one is a group address
			*/
};

/* One level of instructions. Data thread, inside a burst. */
struct hf_run_ops {
	const char *name;
	/*
	 * Take the simple chains from place *used on, at most `ready` places in all, into packets
	 * from *got on. A chain that is not simple is left where it is, and ends it.
	 */
	void (*dequeue)(struct hf_vring *vring, struct hf_packet *const *packets, uint16_t ready,
			uint16_t *used, uint16_t *got, struct hf_tally *tally);
	/*
	 * Enqueue packets from the front of `packets`, at most `count`, each into the one simple
	 * chain at place `used`, `used` + 1, …, which are there. How many; the packet after them,
	 * or its chain, is not simple.
	 */
	uint16_t (*enqueue)(struct hf_vring *vring, struct hf_packet *const *packets,
			    uint16_t count, uint16_t used, struct hf_tally *tally);
	/* The same for a hop (hop.h): chains of its source from hop->places on, at most `ready`
	 * places in all, into packets from hop->count on; and as `enqueue` for packets of it. */
	void (*peek)(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t ready,
		     uint32_t front);
	/* Of a packed source: a run from hop->at on, at most `room` packets. */
	void (*packed_peek)(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t room,
			    uint32_t front);
	uint16_t (*forward)(const struct hf_hop *hop, struct hf_vring *vring,
			    struct hf_packet *const *packets, uint16_t count, uint16_t used,
			    struct hf_tally *tally);
	/* As `packed_enqueue`, below, for packets of a hop. */
	uint16_t (*packed_forward)(const struct hf_hop *hop, struct hf_vring *vring,
				   struct hf_packet *const *packets, uint16_t count,
				   struct hf_tally *tally);
	/*
	 * Of a packed ring: take a run of simple chains from v->next on into packets from the
	 * front, at most `room`, and publish it. How many packets came; *ret_ended: the chain
	 * behind it is not simple, or not there.
	 */
	uint16_t (*packed_dequeue)(struct hf_vring *vring, struct hf_packet *const *packets,
				   uint16_t room, struct hf_tally *tally, bool *ret_ended);
	/* Enqueue a run of simple packets, at most `count`, into simple chains, and publish it. How
	 * many; 0: the first packet or its chain is not simple, or there is none. */
	uint16_t (*packed_enqueue)(struct hf_vring *vring, struct hf_packet *const *packets,
				   uint16_t count, struct hf_tally *tally);
};

extern const struct hf_run_ops hf_run_plain;
#if defined(__x86_64__)
extern const struct hf_run_ops hf_run_avx2;
extern const struct hf_run_ops hf_run_avx512;
#endif

/* Do the processor and the kernel have the instructions of this level? Any thread. */
bool hf_run_has(const struct hf_run_ops *level);

/*
 * The level this process runs: the highest the processor has, or the one $HOLDFAST_SIMD names
 * (plain, avx2, avx512). One that is not there, or no level at all, is said once in the log, and
 * the choice is as without it. Any thread.
 */
const struct hf_run_ops *hf_run_choose(void);

#endif
