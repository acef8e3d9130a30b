/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A burst comes from one receive queue of one port. Each packet is learned from and gets a
 * verdict: dropped, flooded, or a port. What is flooded goes first: should a station become known
 * in mid-burst, its earlier packets are still ahead of its later ones. Then the packets for ports
 * are gathered by (port, transmit queue), in order, and each group is one transmit call.
 *
 * A group for a queue that another worker runs goes into the ring to that worker (table.c says
 * when). A flood crosses to each such worker once, not once per port, and that worker delivers it
 * to those of our far ports whose queue it owns: choosing with our view, it comes to the same
 * choice. A packet is in several places at once then, but everybody only reads it.
 *
 * Nothing waits. What a port does not take in TRIES calls that move nothing is dropped and
 * counted; the same for a full ring. Broadcast storms are bounded by that too.
 */
#include "forward.h"

#include "flow.h"

#define TRIES 8u /* calls that move nothing, before packets are dropped */

/* Packets and where each goes: port id << 16 | queue. */
struct batch {
	struct hf_packet *packets[BURST];
	uint32_t keys[BURST];
	uint16_t count;
};

#define KEY(port, queue) ((uint32_t)(port) << 16 | (queue))
#define KEY_PORT(key)	 ((uint16_t)((key) >> 16))
#define KEY_QUEUE(key)	 ((uint16_t)(key))

enum verdict { DROP = -2, FLOOD = -1 }; /* or a port id */

static const struct view *own_view(const struct forward *f)
{
	return &f->table->views[f->worker];
}

static struct port_stats *stats_of(const struct forward *f, uint16_t port)
{
	return &f->stats->ports[port];
}

/* The flow of a packet of our own burst, remembered in the packet for its next destination. */
static uint32_t own_flow(struct hf_packet *packet)
{
	if (!packet->user[PACKET_FLOW])
		packet->user[PACKET_FLOW] = flow_hash(packet) | PACKET_FLOW_KNOWN;
	return (uint32_t)packet->user[PACKET_FLOW];
}

/* The same of a packet that was handed over: its owner and other workers may be reading it. */
static uint32_t foreign_flow(const struct hf_packet *packet)
{
	uint64_t flow = packet->user[PACKET_FLOW];

	return flow ? (uint32_t)flow : flow_hash(packet);
}

static void batch_add(struct batch *batch, uint16_t port, uint16_t queue, struct hf_packet *packet)
{
	batch->packets[batch->count] = packet;
	batch->keys[batch->count++] = KEY(port, queue);
}

static void batch_own(struct batch *batch, const struct route *route, struct hf_packet *packet)
{
	uint16_t choice = 0;

	if (route->nr_queues > 1)
		choice = flow_choose(own_flow(packet), route->nr_queues);
	batch_add(batch, route->port->id, route->queues[choice], packet);
}

/* Only if the choice falls on a queue of ours. */
static void batch_foreign(const struct forward *f, struct batch *batch, const struct route *route,
			  struct hf_packet *packet)
{
	uint16_t queue = route->queues[0];

	if (route->nr_queues > 1)
		queue = route->queues[flow_choose(foreign_flow(packet), route->nr_queues)];
	if (port_queue_owner(route->port, queue, f->nr_workers) == f->worker)
		batch_add(batch, route->port->id, queue, packet);
}

static void transmit(struct forward *f, struct port *port, uint16_t queue,
		     struct hf_packet *const *packets, uint16_t nr)
{
	struct port_stats *stats = stats_of(f, port->id);
	unsigned fruitless = 0;
	uint16_t done = 0;

	while (done < nr && fruitless < TRIES) {
		uint16_t taken = port->ops->transmit(port, queue, packets + done,
						     (uint16_t)(nr - done), stats);

		done = (uint16_t)(done + taken);
		if (!taken) {
			fruitless++;
			cpu_relax();
		}
	}
	if (done < nr)
		count(&stats->tx_no_buffer, (uint16_t)(nr - done));
}

/* Returns how many went in, from the front. */
static uint16_t hand_over(struct forward *f, unsigned owner, struct handover_entry entry,
			  struct hf_packet *const *packets, uint16_t nr)
{
	uint16_t done;

	for (done = 0; done < nr; done++) {
		entry.packet = packets[done];
		if (!handover_push(f->out[owner], entry))
			break;
		packets[done]->user[PACKET_REFERENCES]++;
	}
	f->handed |= 1u << owner;
	count(&f->stats->handed_over, done);
	return done;
}

/* One group: packets for one queue of one port. */
static void send_group(struct forward *f, const struct route *route, uint16_t queue,
		       struct hf_packet *const *packets, uint16_t nr)
{
	struct port *port = route->port;
	unsigned owner = port_queue_owner(port, queue, f->nr_workers);
	struct handover_entry entry = {.serial = port->serial, .port = port->id, .queue = queue};
	uint16_t done;

	if (route->local || owner == f->worker) {
		transmit(f, port, queue, packets, nr);
		return;
	}
	done = hand_over(f, owner, entry, packets, nr);
	if (done < nr)
		count(&stats_of(f, port->id)->tx_handover, (uint16_t)(nr - done));
}

/* Move the packets that go where the first one goes to `group`, keep the others, all in order. */
static uint16_t take_group(struct batch *batch, struct hf_packet **group)
{
	uint32_t key = batch->keys[0];
	uint16_t taken = 0, left = 0;

	for (uint16_t i = 0; i < batch->count; i++) {
		if (batch->keys[i] == key) {
			group[taken++] = batch->packets[i];
			continue;
		}
		batch->packets[left] = batch->packets[i];
		batch->keys[left++] = batch->keys[i];
	}
	batch->count = left;
	return taken;
}

static void send_batch(struct forward *f, const struct view *view, struct batch *batch)
{
	struct hf_packet *group[BURST];

	while (batch->count) {
		uint32_t key = batch->keys[0];
		uint16_t nr = take_group(batch, group);

		send_group(f, &view->routes[KEY_PORT(key)], KEY_QUEUE(key), group, nr);
	}
}

static void flood_near(struct forward *f, struct hf_packet *const *packets, uint16_t nr,
		       uint16_t ingress)
{
	const struct view *view = own_view(f);
	struct batch batch;

	for (unsigned i = 0; i < view->nr_near; i++) {
		const struct route *route = &view->routes[view->near[i]];

		if (view->near[i] == ingress)
			continue;
		batch.count = 0;
		for (uint16_t p = 0; p < nr; p++)
			batch_own(&batch, route, packets[p]);
		send_batch(f, view, &batch);
	}
}

/* Our part of a flood that `origin` handed over: its far ports, where the queue is ours. */
static void flood_far(struct forward *f, unsigned origin, struct hf_packet *const *packets,
		      uint16_t nr, uint16_t ingress)
{
	const struct view *view = &f->table->views[origin];
	struct batch batch;

	for (unsigned i = 0; i < view->nr_far; i++) {
		const struct route *route = &view->routes[view->far[i]];

		if (view->far[i] == ingress)
			continue;
		batch.count = 0;
		for (uint16_t p = 0; p < nr; p++)
			batch_foreign(f, &batch, route, packets[p]);
		send_batch(f, view, &batch);
	}
}

static void flood(struct forward *f, const struct port *ingress, struct hf_packet *const *packets,
		  uint16_t nr)
{
	const struct handover_entry entry = {
		.serial = ingress->serial, .port = ingress->id, .queue = HANDOVER_FLOOD};
	uint32_t peers = own_view(f)->far_workers;

	count(&stats_of(f, ingress->id)->rx_flooded, nr);
	flood_near(f, packets, nr, ingress->id);
	for (unsigned peer = 0; peers; peer++, peers >>= 1) {
		uint16_t done;

		if (!(peers & 1))
			continue;
		done = hand_over(f, peer, entry, packets, nr);
		if (done < nr)
			count(&stats_of(f, ingress->id)->tx_handover, (uint16_t)(nr - done));
	}
}

static void learn(struct forward *f, uint64_t source, uint16_t ingress)
{
	/* A group address sends nothing, and neither does nobody. */
	if (source & FDB_KEY_GROUP || !(source & FDB_KEY_MAC))
		return;
	switch (fdb_learn(f->fdb, source, ingress, f->now)) {
	case FDB_KNOWN:
		break;
	case FDB_LEARNED:
		count(&f->stats->learned, 1);
		break;
	case FDB_MOVED:
		count(&f->stats->moved, 1);
		break;
	case FDB_FULL:
		count(&f->stats->not_learned, 1);
		break;
	}
}

static int decide(struct forward *f, const struct flow_ends *ends, uint16_t ingress)
{
	int port;

	learn(f, ends->source, ingress);
	if (flow_is_link_local(ends->destination))
		return DROP;
	if (ends->destination & FDB_KEY_GROUP)
		return FLOOD;
	port = fdb_lookup(f->fdb, ends->destination, f->now);
	if (port == FDB_UNKNOWN)
		return FLOOD;
	return port == ingress ? DROP : port;
}

/* A burst after its verdicts. */
struct sorted {
	struct batch batch;
	struct hf_packet *floods[BURST];
	uint16_t nr_floods;
};

static void classify(struct forward *f, const struct port *ingress,
		     struct hf_packet *const *packets, uint16_t nr, struct sorted *sorted)
{
	const struct view *view = own_view(f);
	struct port_stats *stats = stats_of(f, ingress->id);
	struct flow_ends last = {0}, ends;
	int verdict = DROP;

	for (uint16_t i = 0; i < nr; i++) {
		packets[i]->user[PACKET_FLOW] = 0;
		if (!flow_ends(packets[i], &ends)) {
			count(&stats->rx_runt, 1);
			continue;
		}
		/* Packets come in trains: the last answer is often this one's. (A first frame
		 * without addresses finds the empty memory, and is dropped: nobody's to nobody.) */
		if (ends.source != last.source || ends.destination != last.destination)
			verdict = decide(f, &ends, ingress->id);
		last = ends;
		if (verdict == DROP)
			count(&stats->rx_filtered, 1);
		else if (verdict == FLOOD)
			sorted->floods[sorted->nr_floods++] = packets[i];
		else if (view->routes[verdict].port)
			batch_own(&sorted->batch, &view->routes[verdict], packets[i]);
		else
			count(&stats_of(f, (uint16_t)verdict)->tx_no_queue, 1);
	}
}

/* Let the other workers see what they were given. */
static void flush(struct forward *f)
{
	for (unsigned peer = 0; f->handed; peer++) {
		if (f->handed & 1u << peer && handover_publish(f->out[peer]))
			idle_wake(f->idle[peer]);
		f->handed &= ~(1u << peer);
	}
}

void forward_burst(struct forward *f, const struct port *ingress, struct hf_packet *const *packets,
		   uint16_t nr)
{
	struct sorted sorted;

	sorted.batch.count = 0;
	sorted.nr_floods = 0;
	stats_received(stats_of(f, ingress->id), packets, nr);
	classify(f, ingress, packets, nr, &sorted);
	if (sorted.nr_floods)
		flood(f, ingress, sorted.floods, sorted.nr_floods);
	send_batch(f, own_view(f), &sorted.batch);
	flush(f);
}

/* Is the queue still one of those to choose from? It may have been turned off since. */
static bool has_queue(const struct route *route, uint16_t queue)
{
	for (uint16_t i = 0; i < route->nr_queues; i++) {
		if (route->queues[i] == queue)
			return true;
	}
	return false;
}

/* Entries with the same destination, in a row. */
static void deliver_run(struct forward *f, unsigned origin, const struct handover_entry *to,
			struct hf_packet *const *packets, uint16_t nr)
{
	const struct route *route = &own_view(f)->routes[to->port];

	if (to->queue == HANDOVER_FLOOD)
		flood_far(f, origin, packets, nr, to->port);
	else if (!route->port || route->port->serial != to->serial)
		count(&f->stats->handover_stale, nr);
	else if (!has_queue(route, to->queue))
		count(&stats_of(f, to->port)->tx_no_queue, nr);
	else
		transmit(f, route->port, to->queue, packets, nr);
}

bool forward_inbox(struct forward *f, unsigned origin)
{
	struct handover *ring = f->in[origin];
	struct hf_packet *packets[BURST];
	uint32_t index;
	uint32_t waiting = handover_peek(ring, &index);
	uint32_t end = index + waiting;

	while (index != end) {
		const struct handover_entry to = *handover_at(ring, index);
		uint16_t nr = 0;

		do {
			packets[nr++] = handover_at(ring, index++)->packet;
		} while (index != end && nr < BURST &&
			 handover_same(&to, handover_at(ring, index)));
		deliver_run(f, origin, &to, packets, nr);
		handover_done(ring, index);
	}
	return waiting != 0;
}

bool forward_inbox_due(const struct forward *f)
{
	uint32_t first;

	for (unsigned origin = 0; origin < f->nr_workers; origin++) {
		if (origin != f->worker && handover_peek(f->in[origin], &first))
			return true;
	}
	return false;
}

struct hf_packet *forward_take_back(struct forward *f, unsigned peer)
{
	struct hf_packet *packet;

	do {
		packet = handover_take_back(f->out[peer]);
	} while (packet && --packet->user[PACKET_REFERENCES]);
	return packet;
}
