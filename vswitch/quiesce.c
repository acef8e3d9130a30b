/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Control thread: store the table, then the next sequence number (release), then wake sleepers,
 * then wait until every worker has passed that number.
 * Worker, at the top of each round: load the number (acquire), load the table, store the number
 * as passed (release).
 *
 * 1. A worker that loaded number n also sees table n or a later one: table before number, and the
 *    acquire.
 * 2. Everything it did with earlier tables comes before its store of `passed`, which is a release;
 *    the control thread acquires it. So when all have passed n, no access through an earlier
 *    table is still to come, and its effects are visible to the control thread.
 * 3. A worker passes within one round: it never blocks but in epoll_wait(), and idle_wake() ends
 *    that (news of kind 3 in idle.c).
 *
 * The price is one load of a line that hardly ever changes and one store to a private line per
 * round. Waiting without a limit is right here: the library promises the vSwitch that memory stays
 * mapped until the callback returns, and nobody else waits for the control thread.
 */
#include "quiesce.h"

#include <sched.h>
#include <time.h>

#define YIELDS 64 /* then sleep between looks: a worker may be preempted for milliseconds */

void quiesce_join(struct quiesce *quiesce, struct quiesce_reader *reader, struct idle *idle)
{
	uint64_t sequence = atomic_load_explicit(&quiesce->sequence, memory_order_relaxed);

	atomic_init(&reader->passed, sequence);
	reader->idle = idle;
	quiesce->readers[quiesce->nr_readers++] = reader;
}

void quiesce_leave_all(struct quiesce *quiesce)
{
	quiesce->nr_readers = 0;
}

static void wait_for(struct quiesce_reader *reader, uint64_t sequence)
{
	const struct timespec pause = {.tv_nsec = 20000};
	unsigned looks = 0;

	/* Acquire: pairs with the release in quiesce_pass(), fact 2. */
	while (atomic_load_explicit(&reader->passed, memory_order_acquire) < sequence) {
		if (looks++ < YIELDS)
			(void)sched_yield();
		else
			(void)nanosleep(&pause, NULL);
	}
}

struct table *quiesce_publish(struct quiesce *quiesce, struct table *table)
{
	/* Relaxed: we are the only writer of both words. */
	struct table *old = atomic_load_explicit(&quiesce->table, memory_order_relaxed);
	uint64_t next = atomic_load_explicit(&quiesce->sequence, memory_order_relaxed) + 1;

	/* Release for both: the table's content before the pointer, the pointer before the number
	 * (fact 1). */
	atomic_store_explicit(&quiesce->table, table, memory_order_release);
	atomic_store_explicit(&quiesce->sequence, next, memory_order_release);
	for (unsigned i = 0; i < quiesce->nr_readers; i++)
		idle_wake(quiesce->readers[i]->idle);
	for (unsigned i = 0; i < quiesce->nr_readers; i++)
		wait_for(quiesce->readers[i], next);
	return old;
}

const struct table *quiesce_pass(struct quiesce *quiesce, struct quiesce_reader *reader)
{
	uint64_t sequence = atomic_load_explicit(&quiesce->sequence, memory_order_acquire);
	const struct table *table = atomic_load_explicit(&quiesce->table, memory_order_acquire);

	/* Relaxed: we are the only writer. A number that did not change says nothing new. */
	if (atomic_load_explicit(&reader->passed, memory_order_relaxed) != sequence)
		atomic_store_explicit(&reader->passed, sequence, memory_order_release);
	return table;
}

bool quiesce_due(struct quiesce *quiesce, const struct quiesce_reader *reader)
{
	/* Relaxed: the fence of idle_sleep() came before; what it leads to is read again with
	 * acquire in quiesce_pass(). */
	return atomic_load_explicit(&quiesce->sequence, memory_order_relaxed) !=
	       atomic_load_explicit(&reader->passed, memory_order_relaxed);
}
