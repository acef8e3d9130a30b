/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The library allows one thread at a time per vring. A receive queue belongs to the worker that
 * port_queue_owner() names, and so does a transmit queue. Which transmit queue a worker uses:
 *
 * - A worker that owns at least one enabled transmit queue of a device chooses among those only
 *   (its route is local). With one worker, or with as many queue pairs as workers, that is always
 *   so: nothing is shared, nothing is handed over, there is no atomic operation on the way.
 * - Otherwise it chooses among all of them and hands the packets to the owner (handover.h).
 *
 * A spinlock per transmit queue would be shorter. But its holder copies up to a burst of 64 KiB
 * frames, and may be preempted while it does: then every other worker either waits, for all its
 * ports, or drops packets although the guest has room. A ring between two workers absorbs that,
 * the producer never waits, and the vring's lines stay in one cache. The price is a copy of four
 * words per packet and, with fewer queues than workers, a second pair of cold lines.
 *
 * A flow stays in order: it comes from one receive queue, so through one worker, which chooses by
 * the flow's hash among a set that only changes when queues come and go.
 */
#include "table.h"

#include <stdlib.h>

static unsigned transmit_queues(const struct port *port)
{
	unsigned n = 0;

	for (unsigned pair = 0; pair < HF_MAX_QUEUE_PAIRS; pair++)
		n += port->transmit_on[pair];
	return n;
}

static void add_sources(struct view *view, struct port *port, unsigned worker, unsigned workers)
{
	for (uint16_t pair = 0; pair < HF_MAX_QUEUE_PAIRS; pair++) {
		uint16_t queue = HF_DEQUEUE_QUEUE(pair);
		bool waitable = port->wait_fd[pair] >= 0;

		if (!port->receive_on[pair] || port_queue_owner(port, queue, workers) != worker)
			continue;
		view->sources[view->nr_sources++] =
			(struct source){.port = port, .queue = queue, .waitable = waitable};
		view->must_poll |= !waitable;
	}
}

/* The transmit queues of `port`, of one worker or (worker == workers) of all. */
static uint16_t list_queues(const struct port *port, unsigned worker, unsigned workers,
			    uint16_t *list)
{
	uint16_t n = 0;

	for (uint16_t pair = 0; pair < HF_MAX_QUEUE_PAIRS; pair++) {
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
	struct route route = {.port = port, .queues = store, .local = true};

	if (port->ops->shared_transmit)
		route.nr_queues = list_queues(port, workers, workers, store);
	else
		route.nr_queues = list_queues(port, worker, workers, store);
	if (!route.nr_queues) {
		route.local = false;
		route.nr_queues = list_queues(port, workers, workers, store);
	}
	if (!route.nr_queues)
		return 0;
	view->routes[port->id] = route;
	if (route.local) {
		view->near[view->nr_near++] = port->id;
		return route.nr_queues;
	}
	view->far[view->nr_far++] = port->id;
	for (uint16_t i = 0; i < route.nr_queues; i++)
		view->far_workers |= 1u << port_queue_owner(port, store[i], workers);
	return route.nr_queues;
}

static bool allocate_view(struct view *view, unsigned nr_receive)
{
	view->routes = calloc(MAX_PORTS, sizeof(*view->routes));
	view->sources = calloc(nr_receive + 1, sizeof(*view->sources));
	return view->routes && view->sources;
}

struct table *table_build(struct port *const *ports, unsigned nr_workers)
{
	struct table *table = calloc(1, sizeof(*table) + nr_workers * sizeof(table->views[0]));
	unsigned nr_ports = 0, nr_transmit = 0, nr_receive = 0, used = 0;

	if (!table)
		return NULL;
	table->nr_workers = nr_workers;
	for (unsigned i = 0; i < MAX_PORTS; i++) {
		if (!ports[i])
			continue;
		nr_ports++;
		nr_transmit += transmit_queues(ports[i]);
		for (unsigned pair = 0; pair < HF_MAX_QUEUE_PAIRS; pair++)
			nr_receive += ports[i]->receive_on[pair];
	}
	/* Per worker: every port in near or far, every queue in one route. */
	table->ids =
		calloc((size_t)nr_workers * (2 * nr_ports + nr_transmit) + 1, sizeof(*table->ids));
	for (unsigned w = 0; w < nr_workers; w++) {
		struct view *view = &table->views[w];

		if (!table->ids || !allocate_view(view, nr_receive)) {
			table_free(table);
			return NULL;
		}
		view->near = table->ids + used;
		view->far = view->near + nr_ports;
		used += 2 * nr_ports;
		for (unsigned i = 0; i < MAX_PORTS; i++) {
			if (!ports[i])
				continue;
			add_sources(view, ports[i], w, nr_workers);
			used += add_route(view, ports[i], w, nr_workers, table->ids + used);
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
	}
	free(table->ids);
	free(table);
}
