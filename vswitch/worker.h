/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: the thread that runs its share of the queues. */
#ifndef VSWITCH_WORKER_H
#define VSWITCH_WORKER_H

#include <holdfast/packet.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "forward.h"
#include "idle.h"
#include "quiesce.h"

enum worker_mode {
	WORKER_POLL,	  /* never sleeps */
	WORKER_INTERRUPT, /* sleeps as soon as there is nothing to do */
	WORKER_ADAPTIVE,  /* looks a while longer before it sleeps */
};

struct worker {
	struct forward forward;
	struct idle idle;
	struct quiesce_reader reader;
	atomic_bool stop;

	/* Fixed while the thread runs. */
	struct quiesce *quiesce;
	enum worker_mode mode;
	int core; /* to be pinned to, or -1 */
	pthread_t thread;

	/* The thread's own. */
	struct hf_packet_pool *pool;
	struct hf_hop *hop;
	uint64_t idle_rounds;	       /* in a row, in which nothing came from anybody */
	bool is_idle;		       /* there are many of them */
	const uint64_t *walked;	       /* descriptors that the hop has looked at */
	struct hf_packet *hand[BURST]; /* always full: receive bursts go here */
	struct hf_packet *spare[LEFT_SLOTS];
	unsigned nr_spare;

	/* The thread's answer to worker_start(). */
	sem_t ready;
	int error;
};

/*
 * Start the thread: `forward`, `idle`, `quiesce`, `mode` and `core` are set. Returns when it runs
 * or has failed: 0, or -errno with a line said.
 */
int worker_start(struct worker *worker);
/* Ask the thread to end, and wait. */
void worker_stop(struct worker *worker);
/* Free its packets: once no thread of any worker runs, since they may lie in the rings. */
void worker_free_packets(struct worker *worker);

#endif
