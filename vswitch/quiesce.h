/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replace, never edit, what a worker reads: publish a new port table and wait until no worker can
 * still be using the old one. The reasoning is in quiesce.c.
 */
#ifndef VSWITCH_QUIESCE_H
#define VSWITCH_QUIESCE_H

#include <stdatomic.h>
#include <stdint.h>

#include "idle.h"
#include "sizes.h"
#include "table.h"

/* A worker's side. */
struct quiesce_reader {
	_Alignas(CACHE_LINE) _Atomic uint64_t passed;
	struct idle *idle;
};

struct quiesce {
	_Alignas(CACHE_LINE) _Atomic uint64_t sequence;
	_Atomic(struct table *) table;
	/* Control thread only. */
	struct quiesce_reader *readers[MAX_WORKERS];
	unsigned nr_readers;
};

/* Control thread, before the reader's worker runs. */
void quiesce_join(struct quiesce *quiesce, struct quiesce_reader *reader, struct idle *idle);
/* Control thread, after every worker has ended. */
void quiesce_leave_all(struct quiesce *quiesce);

/* Control thread: replace the table. Returns the old one (or NULL) when nobody uses it or
 * anything that only it names. */
struct table *quiesce_publish(struct quiesce *quiesce, struct table *table);

/* Worker, between two rounds, while it holds nothing from the table: the table of this round. */
const struct table *quiesce_pass(struct quiesce *quiesce, struct quiesce_reader *reader);
/* Worker: is there a newer table than that of the last pass? */
bool quiesce_due(struct quiesce *quiesce, const struct quiesce_reader *reader);

#endif
