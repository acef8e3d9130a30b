/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port: a device of the library or an uplink, behind one small table of operations, so that
 * forwarding does not care which.
 *
 * Queues are numbered as the library numbers vrings: transmit on even, receive on odd numbers. An
 * uplink has one pair, 0 and 1.
 */
#ifndef VSWITCH_PORT_H
#define VSWITCH_PORT_H

#include <holdfast/hop.h>
#include <holdfast/packet.h>
#include <stdbool.h>
#include <stdint.h>

#include "sizes.h"
#include "stats.h"

struct port;

struct port_ops {
	const char *kind;
	/* Stations that may be known on such a port at once; 0: as many as there is room. More are
	 * flooded to, and the refusals counted (rx_not_learned). */
	uint32_t stations;
	/* May several workers transmit on one queue at the same time? */
	bool shared_transmit;
	/* Up to `count` packets into `packets`; returns how many came. May reorder the array. */
	uint16_t (*receive)(struct port *port, uint16_t queue, struct hf_packet **packets,
			    uint16_t count, struct port_stats *stats);
	/* In the place of receive(), which is NULL then: the packets stay where they are, and of
	 * each only the front is in memory of ours, until the hop is completed. */
	uint16_t (*peek)(struct port *port, uint16_t queue, struct hf_hop *hop,
			 struct hf_packet **packets, uint16_t count);
	/* Ask for what the queue's next peek() or receive() begins with. NULL: nothing to ask for.
	 */
	void (*prefetch)(const struct port *port, uint16_t queue);
	/* As transmit(), for packets of a peek, in one copy. NULL: they are copied out first. */
	uint16_t (*forward)(struct port *port, uint16_t queue, struct hf_hop *hop,
			    struct hf_packet *const *packets, uint16_t count,
			    struct port_stats *stats);
	/* Up to `count` packets out; returns how many it dealt with, from the front, and has
	 * counted each of those as sent or as dropped with its reason. Only reads the packets. */
	uint16_t (*transmit)(struct port *port, uint16_t queue, struct hf_packet *const *packets,
			     uint16_t count, struct port_stats *stats);
	/* A transmit queue was turned on: what is due on it before there is a packet for it. NULL:
	 * nothing. */
	void (*attend)(struct port *port, uint16_t queue);
	/* Descriptors that the last forward() or transmit() on the queue looked at, and *ret_cut
	 * frames that it cut out of packets. NULL: there is no such thing. */
	uint32_t (*walked)(struct port *port, uint16_t queue, uint32_t *ret_cut);
	/* Would a packet that asks for this be cut into frames, for want of the offload? NULL:
	 * never. */
	bool (*cuts)(const struct port *port, const struct hf_offload *offload);
	/* Want (or not) an event on the receive queue's descriptor. Returns 1 if packets are there
	 * already. NULL: events come anyway. */
	int (*arm)(struct port *port, uint16_t queue, bool wanted);
	/* Free what the port stands on. NULL: somebody else owns it. */
	void (*close)(struct port *port);
};

/*
 * Whose turn it is to run a transmit queue: the library allows one thread at a time. Nobody waits
 * for a turn (deliver.c says what happens instead), and a switch of one worker takes none.
 */
struct turn {
	_Alignas(CACHE_LINE) atomic_bool taken;
	/* Turned on and not attended yet: set by the control thread, cleared by the queue's owner.
	 */
	atomic_bool due;
};

struct port {
	/* Fixed while any worker knows the port. */
	const struct port_ops *ops;
	void *backend;	 /* struct hf_device or struct uplink */
	uint32_t serial; /* never used twice, unlike id */
	uint16_t id;	 /* index in the table of ports */
	/* Of any worker: second << 32 | descriptors that it wasted in it (share.h). */
	_Atomic uint64_t crumbs;
	_Atomic uint64_t cuts; /* … frames that were cut for it beyond need */
	char name[HF_NAME_MAX + 1];

	struct turn turns[HF_MAX_QUEUE_PAIRS]; /* any worker */

	/* Control thread only. */
	uint16_t nr_pairs; /* one more than the highest that was ever on */
	bool transmit_on[HF_MAX_QUEUE_PAIRS];
	bool receive_on[HF_MAX_QUEUE_PAIRS];
	int wait_fd[HF_MAX_QUEUE_PAIRS]; /* of receive queues, our own duplicate; -1: none */
};

static inline bool port_take_turn(struct port *port, uint16_t queue)
{
	atomic_bool *taken = &port->turns[queue / 2u].taken;

	/* Acquire: pairs with the release below; what the last one did to the vring's state comes
	 * before what we do. A look first: a line that is only read is not fought for. */
	return !atomic_load_explicit(taken, memory_order_relaxed) &&
	       !atomic_exchange_explicit(taken, true, memory_order_acquire);
}

static inline void port_end_turn(struct port *port, uint16_t queue)
{
	atomic_store_explicit(&port->turns[queue / 2u].taken, false, memory_order_release);
}

/* The worker that runs a receive queue, prefers a transmit queue and delivers what others left for
 * it. One for both queues of a pair; ports and pairs go around the workers. */
static inline unsigned port_queue_owner(const struct port *port, uint16_t queue, unsigned workers)
{
	return (port->id + queue / 2u) % workers;
}

#endif
