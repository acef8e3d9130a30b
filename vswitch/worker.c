/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * One round: attend what came with a new table (attend.h), take back packets from other workers,
 * deliver what they left for us, then one burst from each receive queue of ours. Between rounds the
 * worker holds nothing of the port table; that is where it passes (quiesce.h) and where it may
 * sleep (idle.h).
 *
 * Packets: a burst is received into the same BURST packets every time, which keeps them in the
 * cache. One that was left for another worker leaves the hand and is replaced by a spare.
 * Forwarding keeps no more packets than there are spares, so the hand is always full, and a worker
 * that is stuck cannot stop another one's receiving.
 *
 * Sources that have much done for them do not have a burst in each round (share.h). One that sits
 * out leaves the round as busy as its last burst did: with packets, the worker does not go to sleep
 * before it has looked there again; without, it may nap as beside any source that has never any.
 */
#include "worker.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attend.h"
#include "deliver.h"
#include "say.h"
#include "share.h"

#define FEW_SOURCES	1000u /* what their polls read stays near enough */
#define SOURCES_AHEAD	4u    /* bursts from the prefetch to its use */
#define ADAPTIVE_ROUNDS 256u  /* empty ones, before an adaptive worker sleeps */
#define IDLE_ROUNDS	64u   /* in which nothing came: whoever owes something, owes it nobody */
#define FALSE_ALARMS	64u /* "packets are there" and then none, in a row: not believed any more */

static uint32_t seconds_now(void)
{
	struct timespec now;

	/* Coarse: ageing counts seconds, and this one does not even read the cycle counter. */
	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)now.tv_sec;
}

static void take_back(struct worker *worker)
{
	struct hf_packet *packet;

	for (unsigned peer = 0; peer < worker->forward.nr_workers; peer++) {
		while ((packet = deliver_take_back(&worker->forward, peer)))
			worker->spare[worker->nr_spare++] = packet;
	}
}

static bool run_inboxes(struct worker *worker)
{
	bool busy = false;

	for (unsigned origin = 0; origin < worker->forward.nr_workers; origin++)
		busy |= deliver_inbox(&worker->forward, origin);
	return busy;
}

static uint16_t fetch(struct worker *worker, const struct source *source)
{
	struct port *port = source->port;

	worker->forward.hop = port->ops->peek ? worker->hop : NULL;
	if (worker->forward.hop)
		return port->ops->peek(port, source->queue, worker->hop, worker->hand,
				       source->want);
	return port->ops->receive(port, source->queue, worker->hand, source->want,
				  &worker->forward.stats->ports[port->id]);
}

/* How much it may spend. What it owes it owes to the others: while nothing comes from any, it would
 * wait for nobody, and for long where rounds are (many ports, or naps between them). */
static uint32_t open_share(const struct worker *worker, struct source *source)
{
	if (source->owed && worker->is_idle)
		source->owed = 0;
	return share_open(source);
}

static bool run_source(struct worker *worker, struct source *source)
{
	struct forward *f = &worker->forward;
	const uint32_t budget = open_share(worker, source);
	uint64_t walked = *worker->walked, waste = 0;
	uint16_t came, taken;

	if (!budget)
		return source->busy;
	came = fetch(worker, source);
	walked = *worker->walked - walked;
	if (walked > came * SHARE_DESCS)
		waste = share_waste(worker->hand, came, walked);
	else if (!came)
		return false;
	worker->idle_rounds = 0;
	f->budget = budget;
	f->may_keep = worker->nr_spare;
	f->spent = 0;
	taken = came ? forward_burst(f, source->port, worker->hand, came) : 0;
	share_close(source, budget, f->spent + waste, came, taken);
	for (uint16_t i = 0; i < taken; i++) {
		if (worker->hand[i]->user[PACKET_REFERENCES])
			worker->hand[i] = worker->spare[--worker->nr_spare];
	}
	return came != 0;
}

/* With more sources than the cache holds: of one that comes later in the round. Few stay in it. */
static void ask_ahead(const struct view *view, unsigned i)
{
	const struct source *source;

	if (view->nr_sources <= FEW_SOURCES || i + SOURCES_AHEAD >= view->nr_sources)
		return;
	source = &view->sources[i + SOURCES_AHEAD];
	if (source->port->ops->prefetch)
		source->port->ops->prefetch(source->port, source->queue);
}

static bool run_round(struct worker *worker)
{
	const struct view *view = &worker->forward.table->views[worker->forward.worker];
	bool busy = view->arrivals->nr && attend(&worker->forward, view->arrivals);

	worker->forward.now = seconds_now();
	worker->is_idle = worker->idle_rounds++ >= IDLE_ROUNDS;
	if (worker->forward.nr_workers > 1) {
		take_back(worker);
		if (!worker->forward.table->resting)
			busy |= run_inboxes(worker);
		if (busy)
			worker->idle_rounds = 0;
	}
	for (unsigned i = 0; i < view->nr_sources; i++) {
		ask_ahead(view, i);
		busy |= run_source(worker, &view->sources[i]);
	}
	return busy;
}

/* News of the kind that idle_wake() is called for. */
static bool has_news(void *context)
{
	struct worker *worker = context;

	return atomic_load_explicit(&worker->stop, memory_order_relaxed) ||
	       quiesce_due(worker->quiesce, &worker->reader) || deliver_inbox_due(&worker->forward);
}

static void loop(struct worker *worker)
{
	const unsigned patience = worker->mode == WORKER_ADAPTIVE ? ADAPTIVE_ROUNDS : 1;
	struct forward *f = &worker->forward;
	unsigned empty = 0, alarms = 0;

	/* Relaxed: the thread is joined before anything it used is freed. */
	while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
		f->table = quiesce_pass(worker->quiesce, &worker->reader);
		if (run_round(worker)) {
			empty = alarms = 0;
			continue;
		}
		if (worker->mode == WORKER_POLL || ++empty < patience) {
			cpu_relax();
			continue;
		}
		empty = 0;
		if (idle_sleep(&worker->idle, &f->table->views[f->worker], alarms > FALSE_ALARMS,
			       has_news, worker)) {
			worker->idle_rounds = IDLE_ROUNDS;
			count(&f->stats->sleeps, 1);
		} else
			alarms++;
	}
}

static int pin(const struct worker *worker)
{
	cpu_set_t set;
	int error;

	if (worker->core < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET((unsigned)worker->core, &set);
	error = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	if (error)
		say("worker %u: core %d: %s; choose from those that nproc and taskset -p show",
		    worker->forward.worker, worker->core, strerror(error));
	return -error;
}

/* In the thread, after pinning: the pool lies on the node of whoever creates it. */
static int get_packets(struct worker *worker)
{
	unsigned spares = worker->forward.nr_workers > 1 ? LEFT_SLOTS : 0;

	worker->pool = hf_packet_pool_create(NULL, BURST + spares, PACKET_ROOM);
	worker->hop = hf_hop_create();
	if (!worker->pool || !worker->hop)
		return errno ? -errno : -ENOMEM;
	worker->walked = hf_hop_walked(worker->hop);
	for (unsigned i = 0; i < BURST + spares; i++) {
		struct hf_packet *packet = hf_packet_pool_get(worker->pool, i);

		packet->user[PACKET_REFERENCES] = 0;
		if (i < BURST)
			worker->hand[i] = packet;
		else
			worker->spare[worker->nr_spare++] = packet;
	}
	return 0;
}

static void *run(void *argument)
{
	struct worker *worker = argument;
	char name[16];

	(void)snprintf(name, sizeof(name), "hf-worker-%u", worker->forward.worker & 0xffu);
	(void)pthread_setname_np(pthread_self(), name);
	worker->error = pin(worker);
	if (!worker->error) {
		worker->error = get_packets(worker);
		if (worker->error)
			say("worker %u: no memory for its packets: %s; use fewer workers",
			    worker->forward.worker, strerror(-worker->error));
	}
	(void)sem_post(&worker->ready);
	if (!worker->error)
		loop(worker);
	return NULL;
}

void worker_free_packets(struct worker *worker)
{
	if (worker->pool)
		hf_packet_pool_destroy(worker->pool);
	worker->pool = NULL;
	hf_hop_destroy(worker->hop);
	worker->hop = NULL;
}

int worker_start(struct worker *worker)
{
	int error;

	atomic_init(&worker->stop, false);
	(void)sem_init(&worker->ready, 0, 0);
	error = pthread_create(&worker->thread, NULL, run, worker);
	if (error) {
		say("worker %u: no thread: %s; raise the limit of tasks or use fewer workers",
		    worker->forward.worker, strerror(error));
		return -error;
	}
	while (sem_wait(&worker->ready) < 0)
		;
	if (worker->error)
		(void)pthread_join(worker->thread, NULL);
	return worker->error;
}

void worker_stop(struct worker *worker)
{
	/* The wake's fence makes it visible before it looks whether the worker sleeps. */
	atomic_store_explicit(&worker->stop, true, memory_order_relaxed);
	idle_wake(&worker->idle);
	(void)pthread_join(worker->thread, NULL);
}
