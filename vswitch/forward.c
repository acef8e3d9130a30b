/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A burst comes from one receive queue of one port. Each packet is learned from and gets a
 * verdict: dropped, flooded, or a port. What is flooded goes first: should a station become known
 * in mid-burst, its earlier packets are still ahead of its later ones. Then the packets for ports
 * are gathered by (port, transmit queue), in order, and each group is delivered at once
 * (deliver.c). A flooded packet may be in several places at once; everybody only reads it.
 *
 * What a guest sent is not received but peeked at (holdfast/hop.h), and goes to other guests in one
 * copy. All of the above happens while the sender's ring is held, so it must not last: a burst that
 * is flooded to many is copied out first, and then it is nobody's but ours. (One copy more is
 * little beside so many.)
 *
 * How much work a packet is, is known with its verdict: its bytes, as often as they are copied, or
 * the frames that it asks to be cut into. No verdict is sought for the packets of a hop that come
 * when the source's share of the round is spent (share.h).
 */
#include "forward.h"

#include "deliver.h"
#include "flow.h"
#include "share.h"

/* Packets and where each goes: port id << 16 | queue. */
struct batch {
	struct hf_packet *packets[BURST];
	uint32_t keys[BURST];
	uint16_t count;
};

#define FLOOD_HELD 4u /* ports that a burst is flooded to while its sender's ring is held */

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

/* The flow of a packet of our burst, remembered in the packet for its next destination. */
static uint32_t flow_of(struct hf_packet *packet)
{
	if (!packet->user[PACKET_FLOW])
		packet->user[PACKET_FLOW] = flow_hash(packet) | PACKET_FLOW_KNOWN;
	return (uint32_t)packet->user[PACKET_FLOW];
}

static void batch_add(struct batch *batch, const struct route *route, struct hf_packet *packet)
{
	uint16_t choice = 0;

	if (route->nr_queues > 1)
		choice = flow_choose(flow_of(packet), route->nr_queues);
	batch->packets[batch->count] = packet;
	batch->keys[batch->count++] = KEY(route->port->id, route->queues[choice]);
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

/* Of what no guest sent, and so none has paid for: has the receiver had its part of what is cut?
 * Then it is dropped. Apart, and so are all steps for such packets: others pay one comparison. */
static __attribute__((noinline, cold)) bool drop_minced(struct forward *f,
							const struct port *ingress,
							struct port *port,
							const struct hf_packet *packet)
{
	if (ingress->ops->peek || !port->ops->cuts || !port->ops->cuts(port, &packet->offload) ||
	    share_may_cut(port, f->now, packet))
		return false;
	count(&stats_of(f, port->id)->tx_no_buffer, 1);
	return true;
}

static void send_batch(struct forward *f, struct batch *batch)
{
	const struct view *view = own_view(f);
	struct hf_packet *group[BURST];

	while (batch->count) {
		uint32_t key = batch->keys[0];
		uint16_t nr = take_group(batch, group);

		deliver(f, view->routes[KEY_PORT(key)].port, KEY_QUEUE(key), group, nr);
	}
}

static void flood(struct forward *f, const struct port *ingress, struct hf_packet *const *packets,
		  uint16_t nr)
{
	const struct view *view = own_view(f);
	struct batch batch;

	count(&stats_of(f, ingress->id)->rx_flooded, nr);
	for (unsigned i = 0; i < f->table->nr_reachable; i++) {
		uint16_t port = f->table->reachable[i];

		if (port == ingress->id)
			continue;
		batch.count = 0;
		for (uint16_t p = 0; p < nr; p++) {
			if (!share_is_minced(packets[p]) ||
			    !drop_minced(f, ingress, view->routes[port].port, packets[p]))
				batch_add(&batch, &view->routes[port], packets[p]);
		}
		send_batch(f, &batch);
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
	case FDB_REFUSED:
		count(&stats_of(f, ingress)->rx_not_learned, 1);
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

/* What a guest pays for a packet besides its bytes, at each port. */
static int64_t mincing(const struct forward *f, const struct hf_packet *packet)
{
	return share_is_minced(packet) && f->hop ? (int64_t)share_mincing(packet) : 0;
}

/* Of a flooded packet, besides that: a copy for each port but the sender's, and of many one more
 * (FLOOD_HELD). */
static int64_t flood_work(const struct forward *f, const struct hf_packet *packet)
{
	const unsigned ports = f->table->nr_reachable;

	return ports > 1 ? (ports - 1) * (packet->total + mincing(f, packet) + SHARE_COPY) : 0;
}

/* Verdicts for as many as the budget reaches to; how many. */
static uint16_t classify(struct forward *f, const struct port *ingress,
			 struct hf_packet *const *packets, uint16_t nr, struct sorted *sorted)
{
	const struct view *view = own_view(f);
	struct port_stats *stats = stats_of(f, ingress->id);
	const int64_t budget = f->hop ? f->budget : INT64_MAX;
	struct flow_ends last = {0}, ends;
	int64_t left = budget, besides = 0; /* of what is spent: not the bytes */
	int verdict = DROP;
	uint16_t i;

	for (i = 0; i < nr && left > 0; i++) {
		left -= packets[i]->total;
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
		else if (verdict == FLOOD) {
			sorted->floods[sorted->nr_floods++] = packets[i];
			left -= flood_work(f, packets[i]);
			besides += flood_work(f, packets[i]);
		} else if (view->routes[verdict].port) {
			if (share_is_minced(packets[i])) {
				left -= mincing(f, packets[i]);
				besides += mincing(f, packets[i]);
				if (drop_minced(f, ingress, view->routes[verdict].port, packets[i]))
					continue;
			}
			batch_add(&sorted->batch, &view->routes[verdict], packets[i]);
		} else
			count(&stats_of(f, (uint16_t)verdict)->tx_no_queue, 1);
	}
	count(&stats->rx_packets, i);
	f->spent = (uint64_t)(budget - left);
	count(&stats->rx_bytes, f->spent - (uint64_t)besides);
	return i;
}

/* The sender gets its buffers back. */
static void end_hop(struct forward *f, uint16_t nr)
{
	if (f->hop)
		hf_hop_complete(f->hop, nr);
	f->hop = NULL;
}

static void take_all(struct forward *f, struct hf_packet *const *packets, uint16_t nr)
{
	hf_hop_copy(f->hop, packets, nr);
	end_hop(f, nr);
}

uint16_t forward_burst(struct forward *f, const struct port *ingress,
		       struct hf_packet *const *packets, uint16_t nr)
{
	struct sorted sorted;

	sorted.batch.count = 0;
	sorted.nr_floods = 0;
	nr = classify(f, ingress, packets, nr, &sorted);
	if (f->hop && sorted.nr_floods && f->table->nr_reachable > FLOOD_HELD + 1)
		take_all(f, packets, nr);
	if (sorted.nr_floods)
		flood(f, ingress, sorted.floods, sorted.nr_floods);
	send_batch(f, &sorted.batch);
	end_hop(f, nr);
	deliver_flush(f);
	return nr;
}
