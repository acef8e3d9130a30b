/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The control thread keeps the wanted state in the ports (`transmit_on`, `receive_on`). A change is
 * made there; a commit builds a new table of it, publishes, waits until no worker uses the old one,
 * and frees that (quiesce.h). Only then is freed what only the old one named. So taking away needs
 * no second mechanism, and workers never see a half-made change.
 *
 * Changes are many at once: a guest with eight queue pairs that starts is sixteen of them, and one
 * commit. Who has dispatched a batch of events commits once behind it.
 *
 * Only the removal of a port cannot wait: its memory goes on return. Each is a commit of its own,
 * up to REMOVALS between two commits of the caller. Behind those the workers are given an empty
 * table and rest until the next commit: removing more ports then waits for nobody. That is how the
 * loss of the primary, which takes all ports, costs few waits; and nothing is lost by a rest where
 * ports are left: what is not received stays in the guests' rings and the kernel's queues, and
 * what one worker left for another stays where it is.
 *
 * Order when a port goes: table, wait, then its stations are forgotten: nobody can learn them
 * again, and only then may the id be used for another port. Descriptors are only ever waited on,
 * never read, so one is closed as soon as it has left the epoll set.
 */
#include "switch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

#define REMOVALS 8u /* of ports, that each wait for the workers, between two commits */

static void *allocate_lines(size_t count, size_t size)
{
	void *memory = aligned_alloc(CACHE_LINE, count * size);

	if (memory)
		memset(memory, 0, count * size);
	return memory;
}

/* Every change of the workers' table. `resting`: an empty one. */
static void publish(struct vswitch *sw, bool resting)
{
	static struct port *const none[MAX_PORTS];
	struct table *table = table_build(resting ? none : sw->ports, sw->nr_workers);

	/* Going on with the old table would break the promise that a queue is not used any more. */
	if (!table)
		die("no memory for the port table; give the service more memory");
	table->resting = resting;
	table_free(quiesce_publish(&sw->quiesce, table));
	sw->changed = false;
	sw->resting = resting;
}

void vswitch_commit(struct vswitch *sw)
{
	sw->removals = 0;
	if (sw->changed || sw->resting)
		publish(sw, false);
}

/* What a worker left for another in the round it is in, that one may find only in the round after
 * its own: all is on its way when every worker has begun two more. */
void vswitch_flush(struct vswitch *sw)
{
	for (int rounds = sw->nr_workers > 1 ? 3 : 1; rounds > 0; rounds--)
		publish(sw, false);
}

static struct idle *idle_of(struct vswitch *sw, const struct port *port, uint16_t queue)
{
	return &sw->workers[port_queue_owner(port, queue, sw->nr_workers)].idle;
}

static bool is_receive(uint16_t queue)
{
	return queue & 1;
}

/* Our own duplicate, so that it is in the epoll set exactly as long as we say, whatever the owner
 * of the original does. -1: the queue must be polled. */
static int watch(struct idle *idle, int wait_fd)
{
	int fd = wait_fd < 0 ? -1 : fcntl(wait_fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0 && idle_watch(idle, fd) < 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

void vswitch_queue_on(struct vswitch *sw, struct port *port, uint16_t queue, int wait_fd)
{
	unsigned pair = queue / 2u;

	if (pair >= HF_MAX_QUEUE_PAIRS)
		return;
	if (!is_receive(queue)) {
		port->transmit_on[pair] = true;
		/* Release: pairs with the acquire of attend.c, and the queue runs already. */
		atomic_store_explicit(&port->turns[pair].due, true, memory_order_release);
	} else {
		if (port->receive_on[pair])
			vswitch_queue_off(sw, port, queue);
		port->receive_on[pair] = true;
		port->wait_fd[pair] = watch(idle_of(sw, port, queue), wait_fd);
	}
	if (port->nr_pairs <= pair)
		port->nr_pairs = (uint16_t)(pair + 1);
	sw->changed = true;
}

static void unwatch(struct vswitch *sw, struct port *port, unsigned pair)
{
	int fd = port->wait_fd[pair];

	if (fd < 0)
		return;
	idle_unwatch(idle_of(sw, port, HF_DEQUEUE_QUEUE((uint16_t)pair)), fd);
	(void)close(fd);
	port->wait_fd[pair] = -1;
}

void vswitch_queue_off(struct vswitch *sw, struct port *port, uint16_t queue)
{
	unsigned pair = queue / 2u;

	if (pair >= HF_MAX_QUEUE_PAIRS)
		return;
	if (is_receive(queue)) {
		port->receive_on[pair] = false;
		unwatch(sw, port, pair);
	} else {
		port->transmit_on[pair] = false;
	}
	sw->changed = true;
}

struct port *vswitch_add_port(struct vswitch *sw, const struct port_ops *ops, void *backend,
			      const char *name)
{
	struct port *port;
	uint16_t id = 0;

	while (id < MAX_PORTS && sw->ports[id])
		id++;
	errno = ENOSPC;
	port = id < MAX_PORTS ? allocate_lines(1, sizeof(*port)) : NULL;
	if (!port)
		return NULL;
	port->ops = ops;
	port->backend = backend;
	port->serial = sw->next_serial++;
	port->id = id;
	memcpy(port->name, name, strnlen(name, sizeof(port->name) - 1));
	for (unsigned pair = 0; pair < HF_MAX_QUEUE_PAIRS; pair++)
		port->wait_fd[pair] = -1;
	stats_clear_port(sw->stats, sw->nr_workers, id);
	fdb_limit_port(sw->fdb, id, ops->stations);
	sw->ports[id] = port;
	knowledge_add_port(sw->knowledge, port);
	return port; /* no queue is on: nothing to publish */
}

static void release(struct port *port)
{
	if (port->ops->close)
		port->ops->close(port);
	free(port);
}

void vswitch_remove_port(struct vswitch *sw, struct port *port)
{
	for (unsigned pair = 0; pair < port->nr_pairs; pair++)
		unwatch(sw, port, pair);
	sw->ports[port->id] = NULL;
	knowledge_remove_port(sw->knowledge, port);
	if (!sw->resting)
		publish(sw, sw->removals++ >= REMOVALS);
	(void)fdb_flush_port(sw->fdb, port->id);
	release(port);
}

/* The clock of the workers. */
static uint32_t seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)now.tv_sec;
}

void vswitch_adopt(struct vswitch *sw, const char *peer, const void *memory, size_t bytes)
{
	unsigned stations;

	/* After a death the peer's rings came just before, and guests wait; what it knew is a table
	 * of thousands of entries, in memory that we have not touched yet. */
	if (sw->changed && !sw->resting)
		publish(sw, false);
	stations = knowledge_adopt(sw->fdb, sw->ports, memory, bytes, seconds());
	if (stations)
		say("%u stations known from %s", stations, peer);
}

void vswitch_age(struct vswitch *sw)
{
	(void)fdb_expire(sw->fdb, seconds());
}

void vswitch_print_stats(const struct vswitch *sw, FILE *out)
{
	stats_print_header(out);
	for (uint16_t id = 0; id < MAX_PORTS; id++) {
		if (sw->ports[id])
			stats_print_port(out, sw->stats, sw->nr_workers, id, sw->ports[id]->name);
	}
	stats_print_totals(out, sw->stats, sw->nr_workers, fdb_count(sw->fdb));
}

static void connect_worker(struct vswitch *sw, unsigned index)
{
	struct forward *f = &sw->workers[index].forward;

	f->fdb = sw->fdb;
	f->stats = &sw->stats[index];
	f->worker = index;
	f->nr_workers = sw->nr_workers;
	for (unsigned peer = 0; peer < sw->nr_workers; peer++) {
		f->out[peer] = &sw->rings[index * sw->nr_workers + peer];
		f->in[peer] = &sw->rings[peer * sw->nr_workers + index];
		f->idle[peer] = &sw->workers[peer].idle;
	}
}

static int allocate(struct vswitch *sw, const struct vswitch_config *config)
{
	unsigned n = config->nr_workers;

	sw->nr_workers = n;
	if (config->memory)
		sw->knowledge = knowledge_begin(config->memory);
	sw->fdb = sw->knowledge ? fdb_create_in(knowledge_stations(sw->knowledge), STATION_BUCKETS,
						config->ageing)
				: fdb_create(STATION_BUCKETS, config->ageing);
	sw->stats = stats_create(n);
	sw->rings = allocate_lines((size_t)n * n, sizeof(*sw->rings));
	sw->workers = allocate_lines(n, sizeof(*sw->workers));
	if (!sw->fdb || !sw->stats || !sw->rings || !sw->workers)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		sw->workers[i].idle = (struct idle){.epoll_fd = -1, .wake_fd = -1};
	publish(sw, false); /* nobody reads yet: does not wait */
	return 0;
}

static int start_workers(struct vswitch *sw, const struct vswitch_config *config)
{
	for (unsigned i = 0; i < sw->nr_workers; i++) {
		struct worker *worker = &sw->workers[i];
		int error = idle_open(&worker->idle);

		if (error) {
			say("worker %u: %s; raise the limit of open files (ulimit -n)", i,
			    strerror(-error));
			return error;
		}
		connect_worker(sw, i);
		worker->quiesce = &sw->quiesce;
		worker->mode = config->mode;
		worker->core = config->cores ? config->cores[i] : -1;
		quiesce_join(&sw->quiesce, &worker->reader, &worker->idle);
	}
	/* All are set up before the first runs: they wake each other. */
	while (sw->nr_running < sw->nr_workers) {
		int error = worker_start(&sw->workers[sw->nr_running]);

		if (error)
			return error;
		sw->nr_running++;
	}
	return 0;
}

int vswitch_start(const struct vswitch_config *config, struct vswitch **ret_sw)
{
	struct vswitch *sw = allocate_lines(1, sizeof(*sw));
	int error;

	if (!sw) {
		say("no memory for the switch; free some");
		return -ENOMEM;
	}
	error = allocate(sw, config);
	if (error)
		say("no memory for %u workers; use fewer", config->nr_workers);
	else
		error = start_workers(sw, config);
	if (error) {
		vswitch_stop(sw);
		return error;
	}
	*ret_sw = sw;
	return 0;
}

void vswitch_halt(struct vswitch *sw)
{
	while (sw->nr_running)
		worker_stop(&sw->workers[--sw->nr_running]);
	quiesce_leave_all(&sw->quiesce);
	if (atomic_load_explicit(&sw->quiesce.table, memory_order_relaxed))
		publish(sw, true); /* from here on no port has to be taken out */
	for (unsigned id = 0; id < MAX_PORTS; id++) {
		if (sw->ports[id] && sw->ports[id]->ops->close)
			vswitch_remove_port(sw, sw->ports[id]);
	}
}

void vswitch_stop(struct vswitch *sw)
{
	unsigned n = sw->workers ? sw->nr_workers : 0;

	vswitch_halt(sw);
	for (unsigned id = 0; id < MAX_PORTS; id++) {
		if (sw->ports[id])
			vswitch_remove_port(sw, sw->ports[id]);
	}
	table_free(atomic_load_explicit(&sw->quiesce.table, memory_order_relaxed));
	for (unsigned i = 0; i < n; i++) {
		worker_free_packets(&sw->workers[i]);
		idle_close(&sw->workers[i].idle);
	}
	free(sw->workers);
	free(sw->rings);
	free(sw->stats);
	fdb_destroy(sw->fdb);
	free(sw);
}
