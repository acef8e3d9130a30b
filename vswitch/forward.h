/* SPDX-License-Identifier: Apache-2.0 */
/* Forwarding: learn, decide, group by destination. One of these per worker. */
#ifndef VSWITCH_FORWARD_H
#define VSWITCH_FORWARD_H

#include "fdb.h"
#include "idle.h"
#include "left.h"
#include "stats.h"
#include "table.h"

/* Words of hf_packet.user that forwarding uses. */
#define PACKET_REFERENCES 0 /* entries of rings (left.h) that still name the packet */
#define PACKET_FLOW	  1 /* flow hash | PACKET_FLOW_KNOWN, or 0 */
#define PACKET_FLOW_KNOWN (UINT64_C(1) << 32)

struct forward {
	/* Fixed. */
	struct fdb *fdb;
	struct worker_stats *stats;
	unsigned worker;
	unsigned nr_workers;
	struct left_ring *out[MAX_WORKERS]; /* to each worker, itself too */
	struct left_ring *in[MAX_WORKERS];  /* from each worker */
	struct idle *idle[MAX_WORKERS];	    /* to wake them */
	/* Of this burst: the hop whose packets they are, or NULL: they are in our memory, whole. */
	struct hf_hop *hop;
	uint32_t budget; /* work that its source may have us do (share.h); with a hop */
	uint64_t spent;	 /* … and that it had us do: set by forward_burst() */
	/* Of this round. */
	const struct table *table;
	unsigned may_keep; /* packets that may still be left for others */
	uint32_t now;	   /* seconds, monotonic */
	uint32_t left_for; /* set of workers that were left something since the last flush */
};

/*
 * Forward packets that came in on `ingress`, and complete the hop they are of. They stay the
 * caller's; those with PACKET_REFERENCES other than 0 afterwards, `may_keep` at most, are being
 * read by other workers until deliver_take_back() has brought the number back to 0. Returns how
 * many it dealt with: all, but for those of a hop that the budget does not reach to. They stay
 * where they are, and come again.
 */
uint16_t forward_burst(struct forward *f, const struct port *ingress,
		       struct hf_packet *const *packets, uint16_t nr);

#endif
