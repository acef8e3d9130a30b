/* SPDX-License-Identifier: Apache-2.0 */
/* Forwarding: learn, decide, group by destination, deliver. One of these per worker. */
#ifndef VSWITCH_FORWARD_H
#define VSWITCH_FORWARD_H

#include "fdb.h"
#include "handover.h"
#include "idle.h"
#include "stats.h"
#include "table.h"

/* Words of hf_packet.user that forwarding uses. */
#define PACKET_REFERENCES 0 /* hand-over entries that still name the packet */
#define PACKET_FLOW	  1 /* flow hash | PACKET_FLOW_KNOWN, or 0 */
#define PACKET_FLOW_KNOWN (UINT64_C(1) << 32)

struct forward {
	/* Fixed. */
	struct fdb *fdb;
	struct worker_stats *stats;
	unsigned worker;
	unsigned nr_workers;
	struct handover *out[MAX_WORKERS]; /* to each other worker */
	struct handover *in[MAX_WORKERS];  /* from each other worker */
	struct idle *idle[MAX_WORKERS];	   /* to wake them */
	/* Of this round. */
	const struct table *table;
	uint32_t now;	 /* seconds, monotonic */
	uint32_t handed; /* set of workers that were given something since the last flush */
};

/*
 * Forward packets that came in on `ingress`. They stay the caller's; those with
 * PACKET_REFERENCES other than 0 afterwards are being read by other workers, until
 * forward_take_back() has brought the number back to 0.
 */
void forward_burst(struct forward *f, const struct port *ingress, struct hf_packet *const *packets,
		   uint16_t nr);

/* Deliver what worker `origin` handed over. True if there was anything. */
bool forward_inbox(struct forward *f, unsigned origin);
/* Is there anything in any inbox? */
bool forward_inbox_due(const struct forward *f);

/* A packet whose last reference was given back by worker `peer`, or NULL. Call until NULL. */
struct hf_packet *forward_take_back(struct forward *f, unsigned peer);

#endif
