/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold after each deed of a hostile peer, whatever became of it: ALIVE.
 *
 * A world with two ports, "bad" and "good", both served by one secondary, and a neighbour: a
 * session on "good" that sends numbered packets all the time, from a thread of its own. After each
 * deed
 * - the neighbour has lost no packet, and goes on; in all, it has never waited for a batch of them,
 * or for the primary's answer, longer than a bound of seconds (fair_clock.h);
 * - primary and secondary are who they were, with as many descriptors and shared maps as before,
 * and no more memory than a band allows (sanitizers keep what was freed: not with them);
 * - the port "bad" accepts, and a whole session works on it.
 * A sanitizer's report ends its process, and world_close wants an exit status of 0.
 */
#ifndef E2E_ALIVE_H
#define E2E_ALIVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fair_clock.h"
#include "front_end.h"
#include "world.h"

struct alive_ledger {
	pid_t pid;
	size_t fds, maps, anonymous; /* bytes */
};

struct alive {
	struct world world;
	struct front_end neighbour;
	/* The neighbour's thread: it counts, the test function asserts. */
	pthread_t thread;
	pthread_mutex_t quiet; /* held while its packets are under way */
	atomic_bool stop;
	atomic_ulong rounds, missing;
	uint32_t next;
	struct fair_clock clock;
	uint64_t longest_round_ns;     /* a batch, there and back; the thread's */
	uint64_t longest_answer_ns;    /* of the primary; the test function's */
	struct alive_ledger ledger[2]; /* primary, secondary */
};

/* NULL: no further arguments for the primary. */
void alive_open(struct alive *a, const char *const *arguments);
void alive_close(struct alive *a);
/* The neighbour says no more: before what he is not to survive. Then end the world by yourself. */
void alive_hush(struct alive *a);

/* A connection to "bad" that is served: it may still be busy ending the last one. */
void alive_connect(struct alive *a, struct front_end *bad);
/* The same, a whole session, and packets come back. */
void alive_set_up(struct alive *a, struct front_end *bad);
/* Start this program (argv[2] is its name as a secondary) into that place of the world, which is
 * free, and give "bad" to it; returns when it says so. */
void alive_give(struct alive *a, size_t place, const char *const *argv);
/* Say nothing more, wait until all that was sent has been looked at. */
void alive_finish(struct front_end *bad);

/* What is held now is what is to be held after each deed. */
void alive_baseline(struct alive *a);
/* The ledgers only: where a deed is one of thousands. Nobody is connected to "bad". */
void alive_check_ledger(struct alive *a);
/* Of that the memory, while somebody is connected to "bad". */
void alive_check_memory(struct alive *a);
/* All of it. */
void alive_check(struct alive *a);
/* The primary answers and the neighbour goes on, who keeps his memory and says so, while somebody
 * is connected to "bad". */
void alive_check_neighbour(struct alive *a);

#endif
