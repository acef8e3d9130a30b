/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters. Each worker has a whole set of its own and is the only one that writes it; the
 * control thread adds the sets up. So no line is written by two threads, and an increment is a
 * plain load, add and store: atomic only so that a reader sees whole numbers.
 */
#ifndef VSWITCH_STATS_H
#define VSWITCH_STATS_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "sizes.h"

typedef _Atomic uint64_t counter;

/* From the port's view: rx came in from the guest or the wire, tx went out to it. */
struct port_stats {
	counter rx_packets;
	counter rx_bytes;
	counter rx_flooded;  /* of those: sent to every other port */
	counter rx_runt;     /* dropped: shorter than an Ethernet header */
	counter rx_filtered; /* dropped: for a station on the same port, or link-local */
	counter rx_error; /* dropped: cut off, malformed, an offload without a name; and reads that
			   * the kernel refused: a frame each, or news of a link that was down */
	counter rx_not_learned; /* forwarded, but the port has as many stations as it may */
	counter tx_packets;	/* delivered: what a guest's library dropped is not among them */
	counter tx_bytes;
	counter tx_no_buffer; /* dropped: the guest or the kernel had no room, or the guest's
			       * buffers are crumbs, or it had too much cut for it (share.h) */
	counter tx_no_queue;  /* dropped: no queue of the port is enabled */
	counter tx_left_full; /* dropped: its turn was taken, and the ring to its owner full */
	counter tx_error;     /* dropped: refused by the kernel (too large, link down, malformed) */
	counter tx_refused;   /* dropped by the library: never fits into what the guest posts, or an
			       * offload that contradicts the packet; `holdfast stats PORT` has the
			       * reasons (drop_too_big …) */
};

struct worker_stats {
	_Alignas(CACHE_LINE) struct port_stats ports[MAX_PORTS];
	counter learned;
	counter moved;
	counter not_learned; /* the forwarding database was full */
	counter left;	     /* packets left for other workers */
	counter left_stale;  /* of those: dropped, the queue was off or the port gone by then */
	counter sleeps;
};

static inline void count(counter *c, uint64_t n)
{
	/* Relaxed: the number means nothing for any other word. */
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

struct hf_packet;

/* Count `count` packets that went out to a port. */
void stats_sent(struct port_stats *stats, struct hf_packet *const *packets, uint16_t count);

/* Zeroed sets for `workers` workers, cache-line aligned; free with free(). */
struct worker_stats *stats_create(unsigned workers);
/* Forget the numbers of a port that no worker knows. (One may just be counting what it did not
 * send to the port before it; that number may survive.) */
void stats_clear_port(struct worker_stats *sets, unsigned workers, uint16_t port);

/* The table: a header, then a line per port, then totals of the switch. */
void stats_print_header(FILE *out);
void stats_print_port(FILE *out, const struct worker_stats *sets, unsigned workers, uint16_t port,
		      const char *name);
void stats_print_totals(FILE *out, const struct worker_stats *sets, unsigned workers,
			unsigned stations);

#endif
