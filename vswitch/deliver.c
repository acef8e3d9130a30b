/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Several workers may have packets for one transmit queue, and only one thread may run it at a
 * time. So a worker takes a turn (port.h): an atomic exchange on a line that moves between caches
 * only when the queue's own lines do as well. If the turn is taken, it does not wait, because the
 * other may be copying a burst of 64 KiB frames, or be preempted in it; and it does not drop,
 * because the guest may have room. It leaves the group in the ring to the queue's owner
 * (left.h), which delivers it when the turn is free. As long as something for that queue is in
 * the ring, what follows goes the same way, so packets do not overtake each other.
 *
 * The owner passes over entries whose turn is taken, with all later ones for the same queue, and
 * delivers the rest: one queue that is stuck holds up no other. It does not sleep on what is left.
 *
 * Two simpler ways were tried or weighed. To leave it always to the owner costs a wake-up per hop
 * and loses whatever does not fit in the ring before the owner runs. To spin for the turn makes
 * every port of a worker wait for one queue.
 *
 * What a port does not take in TRIES calls that move nothing is dropped and counted; the same for
 * a full ring, and for a port whose guest wastes our time (share.h). Nobody ever waits for anybody.
 */
#include "deliver.h"

#include "share.h"

#define TRIES 8u /* calls that move nothing, before packets are dropped */

static struct port_stats *stats_of(const struct forward *f, uint16_t port)
{
	return &f->stats->ports[port];
}

/* Some of them out; how many. */
static uint16_t try_transmit(struct forward *f, struct port *port, uint16_t queue,
			     struct hf_packet *const *packets, uint16_t nr)
{
	struct port_stats *stats = stats_of(f, port->id);

	if (!f->hop)
		return port->ops->transmit(port, queue, packets, nr, stats);
	if (port->ops->forward)
		return port->ops->forward(port, queue, f->hop, packets, nr, stats);
	hf_hop_copy(f->hop, packets, nr);
	return port->ops->transmit(port, queue, packets, nr, stats);
}

/* What was walked, for those that were taken and the next, is the receiver's. True: frames were
 * cut, or would have been (of the next). */
static bool charge(const struct forward *f, struct port *port, uint16_t queue,
		   struct hf_packet *const *packets, uint16_t taken, uint16_t nr)
{
	uint32_t cut, walked = port->ops->walked(port, queue, &cut);
	uint16_t tried = taken < nr ? (uint16_t)(taken + 1) : nr;

	if (walked > tried * SHARE_BUFFER)
		share_walked(port, f->now, packets, tried, cut, walked);
	return cut;
}

static void transmit(struct forward *f, struct port *port, uint16_t queue,
		     struct hf_packet *const *packets, uint16_t nr)
{
	struct port_stats *stats = stats_of(f, port->id);
	unsigned fruitless = 0;
	uint16_t done = 0;

	while (done < nr && fruitless < TRIES && !share_is_shut(port, f->now)) {
		uint16_t left = (uint16_t)(nr - done);
		uint16_t taken = try_transmit(f, port, queue, packets + done, left);
		bool cut = port->ops->walked && charge(f, port, queue, packets + done, taken, left);

		done = (uint16_t)(done + taken);
		if (!taken && cut) {
			/* To count buffers for many frames costs too much to do it again. Others
			 * behind it may need fewer. */
			count(&stats->tx_no_buffer, 1);
			done++;
		} else if (!taken) {
			fruitless++;
			cpu_relax();
		}
	}
	if (done < nr)
		count(&stats->tx_no_buffer, (uint16_t)(nr - done));
}

/* Leave packets for the owner of the queue. */
static void leave(struct forward *f, unsigned owner, struct left_entry entry,
		  struct hf_packet *const *packets, uint16_t nr)
{
	uint16_t done;

	/* It is another thread that reads them, and later. */
	if (f->hop)
		hf_hop_copy(f->hop, packets, nr);
	for (done = 0; done < nr; done++) {
		uint64_t *references = &packets[done]->user[PACKET_REFERENCES];

		entry.packet = packets[done];
		if ((!*references && !f->may_keep) || !left_push(f->out[owner], entry))
			break;
		f->may_keep -= !*references;
		(*references)++;
	}
	f->left_for |= 1u << owner;
	count(&f->stats->left, done);
	if (done < nr)
		count(&stats_of(f, entry.port)->tx_left_full, (uint16_t)(nr - done));
}

void deliver(struct forward *f, struct port *port, uint16_t queue, struct hf_packet *const *packets,
	     uint16_t nr)
{
	struct left_entry entry = {.serial = port->serial, .port = port->id, .queue = queue};
	unsigned owner;

	if (f->nr_workers == 1 || port->ops->shared_transmit) {
		transmit(f, port, queue, packets, nr);
		return;
	}
	owner = port_queue_owner(port, queue, f->nr_workers);
	if (!left_holds(f->out[owner], &entry) && port_take_turn(port, queue)) {
		transmit(f, port, queue, packets, nr);
		port_end_turn(port, queue);
	} else {
		leave(f, owner, entry, packets, nr);
	}
}

/* Let the owners see what was left for them. */
void deliver_flush(struct forward *f)
{
	for (unsigned peer = 0; f->left_for; peer++) {
		if (f->left_for & 1u << peer && left_publish(f->out[peer]))
			idle_wake(f->idle[peer]);
		f->left_for &= ~(1u << peer);
	}
}

/* May the queue still be run? It may have been turned off, or its port gone, since. */
static bool has_queue(const struct route *route, const struct left_entry *entry)
{
	if (!route->port || route->port->serial != entry->serial)
		return false;
	/* We own it: if it is on, our own view lists it. */
	for (uint16_t i = 0; i < route->nr_queues; i++) {
		if (route->queues[i] == entry->queue)
			return true;
	}
	return false;
}

/* False: somebody else has the turn. */
static bool deliver_left(struct forward *f, const struct left_entry *to,
			 struct hf_packet *const *packets, uint16_t nr)
{
	const struct route *route = &f->table->views[f->worker].routes[to->port];

	if (!has_queue(route, to)) {
		count(&f->stats->left_stale, nr);
		return true;
	}
	if (!port_take_turn(route->port, to->queue))
		return false;
	transmit(f, route->port, to->queue, packets, nr);
	port_end_turn(route->port, to->queue);
	return true;
}

/* From entry `index` on, those for the same queue, a burst at most; marks them delivered if they
 * are. */
static bool deliver_like(struct forward *f, struct left_ring *ring, uint32_t index, uint32_t end)
{
	const struct left_entry to = *left_at(ring, index);
	struct hf_packet *packets[BURST];
	uint32_t indices[BURST];
	uint16_t nr = 0;

	for (; index != end && nr < BURST; index++) {
		const struct left_entry *entry = left_at(ring, index);

		if (left_is_delivered(ring, index) || !left_same(&to, entry))
			continue;
		packets[nr] = entry->packet;
		indices[nr++] = index;
	}
	if (!deliver_left(f, &to, packets, nr))
		return false;
	while (nr)
		left_delivered(ring, indices[--nr]);
	return true;
}

bool deliver_inbox(struct forward *f, unsigned origin)
{
	struct left_ring *ring = f->in[origin];
	const struct left_entry *stuck[LEFT_SLOTS];
	unsigned nr_stuck = 0;
	uint32_t first;
	uint32_t waiting = left_peek(ring, &first);

	for (uint32_t index = first; index != first + waiting; index++) {
		const struct left_entry *entry = left_at(ring, index);
		bool skip = left_is_delivered(ring, index);

		for (unsigned i = 0; i < nr_stuck; i++)
			skip |= left_same(stuck[i], entry);
		if (!skip && !deliver_like(f, ring, index, first + waiting))
			stuck[nr_stuck++] = entry;
	}
	if (waiting)
		left_give_back(ring);
	return waiting != 0;
}

bool deliver_inbox_due(const struct forward *f)
{
	uint32_t first;

	for (unsigned origin = 0; origin < f->nr_workers; origin++) {
		if (left_peek(f->in[origin], &first))
			return true;
	}
	return false;
}

struct hf_packet *deliver_take_back(struct forward *f, unsigned peer)
{
	struct hf_packet *packet;

	do {
		packet = left_take_back(f->out[peer]);
	} while (packet && --packet->user[PACKET_REFERENCES]);
	return packet;
}
