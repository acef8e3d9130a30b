/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A receive queue is run by its owner (port_queue_owner()) and nobody else. A transmit queue is
 * run by whoever has packets for it, one at a time (deliver.c). To keep workers out of each
 * other's way, one that owns enabled transmit queues of a device chooses among those only: with as
 * many queue pairs as workers, nothing is ever shared. One that owns none chooses among all.
 *
 * A flow stays in order: it comes from one receive queue, so through one worker, which chooses by
 * the flow's hash among a set that only changes when queues come and go.
 */
#include "table.h"

#include <stdlib.h>

static unsigned transmit_queues(const struct port *port)
{
	unsigned n = 0;

	for (unsigned pair = 0; pair < port->nr_pairs; pair++)
		n += port->transmit_on[pair];
	return n;
}

static unsigned receive_queues(const struct port *port)
{
	unsigned n = 0;

	for (unsigned pair = 0; pair < port->nr_pairs; pair++)
		n += port->receive_on[pair];
	return n;
}

static void add_sources(struct view *view, struct port *port, unsigned worker, unsigned workers)
{
	for (uint16_t pair = 0; pair < port->nr_pairs; pair++) {
		uint16_t queue = HF_DEQUEUE_QUEUE(pair);
		bool waitable = port->wait_fd[pair] >= 0;

		if (!port->receive_on[pair] || port_queue_owner(port, queue, workers) != worker)
			continue;
		view->sources[view->nr_sources++] = (struct source){
			.port = port, .queue = queue, .waitable = waitable, .want = BURST};
		view->must_poll |= !waitable;
	}
}

/* Those that nobody has attended yet. An older table may name them as well: whoever finds it done
 * passes over it. */
static void add_arrivals(struct view *view, struct port *port, unsigned worker, unsigned workers)
{
	for (uint16_t pair = 0; port->ops->attend && pair < port->nr_pairs; pair++) {
		uint16_t queue = HF_ENQUEUE_QUEUE(pair);

		/* Relaxed: a worker that has just cleared it costs an entry for nothing. */
		if (port->transmit_on[pair] && port_queue_owner(port, queue, workers) == worker &&
		    atomic_load_explicit(&port->turns[pair].due, memory_order_relaxed))
			view->arrivals->list[view->arrivals->nr++] =
				(struct arrival){.port = port, .queue = queue};
	}
}

/* The transmit queues of `port`, of one worker or (worker == workers) of all. */
static uint16_t list_queues(const struct port *port, unsigned worker, unsigned workers,
			    uint16_t *list)
{
	uint16_t n = 0;

	for (uint16_t pair = 0; pair < port->nr_pairs; pair++) {
		uint16_t queue = HF_ENQUEUE_QUEUE(pair);

		if (!port->transmit_on[pair])
			continue;
		if (worker == workers || port_queue_owner(port, queue, workers) == worker)
			list[n++] = queue;
	}
	return n;
}

/* Returns how many of the words at `store` it took. */
static unsigned add_route(struct view *view, struct port *port, unsigned worker, unsigned workers,
			  uint16_t *store)
{
	uint16_t n = list_queues(port, worker, workers, store);

	if (!n)
		n = list_queues(port, workers, workers, store);
	if (n)
		view->routes[port->id] =
			(struct route){.port = port, .queues = store, .nr_queues = n};
	return n;
}

/* Room for the largest result: every queue in every view. */
static bool allocate(struct table *table, struct port *const *ports)
{
	size_t nr_transmit = 0, nr_receive = 0, nr_ports = 0;
	bool complete;

	for (unsigned i = 0; i < MAX_PORTS; i++) {
		if (!ports[i])
			continue;
		nr_ports++;
		nr_transmit += transmit_queues(ports[i]);
		nr_receive += receive_queues(ports[i]);
	}
	table->reachable = calloc(nr_ports + 1, sizeof(*table->reachable));
	table->queues = calloc(table->nr_workers * nr_transmit + 1, sizeof(*table->queues));
	complete = table->reachable && table->queues;
	for (unsigned w = 0; w < table->nr_workers; w++) {
		struct view *view = &table->views[w];

		view->routes = calloc(MAX_PORTS, sizeof(*view->routes));
		view->sources = calloc(nr_receive + 1, sizeof(*view->sources));
		view->arrivals = calloc(1, sizeof(*view->arrivals) +
						   nr_transmit * sizeof(view->arrivals->list[0]));
		complete = complete && view->routes && view->sources && view->arrivals;
	}
	return complete;
}

struct table *table_build(struct port *const *ports, unsigned nr_workers)
{
	struct table *table = calloc(1, sizeof(*table) + nr_workers * sizeof(table->views[0]));
	size_t used = 0;

	if (!table)
		return NULL;
	table->nr_workers = nr_workers;
	if (!allocate(table, ports)) {
		table_free(table);
		return NULL;
	}
	for (uint16_t id = 0; id < MAX_PORTS; id++) {
		if (!ports[id])
			continue;
		if (transmit_queues(ports[id]))
			table->reachable[table->nr_reachable++] = id;
		for (unsigned w = 0; w < nr_workers; w++) {
			add_sources(&table->views[w], ports[id], w, nr_workers);
			add_arrivals(&table->views[w], ports[id], w, nr_workers);
			used += add_route(&table->views[w], ports[id], w, nr_workers,
					  table->queues + used);
		}
	}
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (unsigned w = 0; w < table->nr_workers; w++) {
		free(table->views[w].routes);
		free(table->views[w].sources);
		free(table->views[w].arrivals);
	}
	free(table->reachable);
	free(table->queues);
	free(table);
}
