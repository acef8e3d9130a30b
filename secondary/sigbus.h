/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front-end that takes its memory away.
 *
 * Guest memory is the front-end's file. It can cut it short under our map, or leave a hugepage
 * lacking, and whoever touches what is gone gets a SIGBUS. To look before each touch would be no
 * help (it can be cut between), and to have a way back out of each copy would cost each copy. So
 * the fault is what tells us: the handler puts a file of zeros, ours alone, in the place of the
 * whole region, and asks every vring of the device to break. The touch is done again and the burst
 * goes on, with zeros, to its end; the next one breaks the ring (HF_COUNTER_BREAK_MEMORY_GONE).
 * Pointers that a burst holds stay good, nothing is unwound, and nobody pays who does not fault.
 *
 * The handler runs in whatever thread faulted, and takes no lock. It finds the region in a table of
 * our own, by address: each row has a sequence count (shm/seq.h), since the rows of other maps come
 * and go meanwhile. The row it looks for does not: who touches guest memory is in a burst, and a
 * map is only retired when no burst is in it. That is why it may follow the row's pointers, too.
 *
 * Two threads may fault in one region at once: then it gets zeros twice, and what the first one
 * wrote in between is lost, to nobody.
 *
 * A fault outside of the table is somebody else's: the handler found before ours gets it, or the
 * default. A child of fork has none of our maps, and finds the table empty.
 */
#ifndef SECONDARY_SIGBUS_H
#define SECONDARY_SIGBUS_H

#include "device.h"

/*
 * End the system call that a thread of ours is in, by that signal: there is a handler already, and
 * threads that run bursts do not block it. Nothing happens when there is no handler, or another
 * one. Any thread.
 */
void hf_sigbus_interrupt(pid_t thread);
/* Install the handler, once for the process. 0 or -errno. Control thread. */
int hf_sigbus_install(void);
/* Guard the device's map from now on: 0; -ENOMEM: too many regions, or no memory. Nothing to do
 * when there is no handler. Control thread. */
int hf_sigbus_guard(struct hf_device *device, struct hf_guestmap *map);
/* Before the map is destroyed; no burst can be in it. NULL is fine. Control thread. */
void hf_sigbus_unguard(const struct hf_guestmap *map);

#endif
