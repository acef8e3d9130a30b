/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The switch that ran a queue before may have died between an index and the call for it, or the
 * call went to a descriptor that the front-end has replaced since: the guest sleeps beside packets,
 * and would do so until somebody sends it another one. The library makes that call in the next
 * burst on the queue, and tells that the queue is to be run; but a transmit queue has a burst only
 * when there is a packet. So its owner makes an empty one as soon as a table names the queue.
 *
 * The control thread notes in the queue that this is due (port.h), then publishes the table. Who
 * attends clears the note first: one that is made meanwhile is of another turning on, and stays for
 * the table that comes with it.
 */
#include "attend.h"

/* False: somebody else has the turn. */
static bool attend_one(const struct forward *f, const struct arrival *arrival)
{
	struct port *port = arrival->port;
	bool alone = f->nr_workers == 1 || port->ops->shared_transmit;

	if (!alone && !port_take_turn(port, arrival->queue))
		return false;
	/* Acquire: pairs with the release in vswitch_queue_on(); the queue runs. */
	if (atomic_exchange_explicit(&port->turns[arrival->queue / 2u].due, false,
				     memory_order_acquire))
		port->ops->attend(port, arrival->queue);
	if (!alone)
		port_end_turn(port, arrival->queue);
	return true;
}

bool attend(const struct forward *f, struct arrivals *arrivals)
{
	unsigned left = 0;

	for (unsigned i = 0; i < arrivals->nr; i++) {
		if (!attend_one(f, &arrivals->list[i]))
			arrivals->list[left++] = arrivals->list[i];
	}
	arrivals->nr = left;
	return left;
}
