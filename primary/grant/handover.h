/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices change hands while everybody lives: at a burst boundary, with exact positions.
 *
 * All devices of one hand-over move together, so that what is under way between two of them
 * arrives. The loop never waits: who asked is told by a callback. Who asks for no answer any more
 * does not stop what was begun.
 */
#ifndef PRIMARY_HANDOVER_H
#define PRIMARY_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "waiting.h"

struct primary;
struct device;
struct secondary;

/*
 * Give the device of `port` (NULL or "": every device that it serves and has not) to the secondary
 * named `to`. It ends a drain of `to`. Refused before anything is touched, *ret_reason with the
 * remedy: -ENOENT no such port or secondary; -ENOTUNIQ several of that name; -EPERM an observer;
 * -EINVAL it does not serve the port; -ESHUTDOWN it is leaving; -ENOTCONN no front-end on the port.
 */
int handover_start(struct primary *primary, const char *port, const char *to,
		   struct handover_waiter *waiter, const char **ret_reason);
/*
 * Give everything that `from` runs to whoever is next, and grant it nothing more. -EBUSY without
 * `force` when nobody else serves one of its ports.
 */
int handover_drain(struct primary *primary, struct secondary *from, bool force,
		   struct handover_waiter *waiter, const char **ret_reason);
/* `from` hangs: all that it runs and that grant_next_owner would give to another one who lives,
 * goes there, without waiting for it to pass on what it took. Is there any? */
bool handover_can_relieve(const struct secondary *from);
void handover_relieve(struct secondary *from);
/* The secondary of that name, for those two. 0 or as above. */
int handover_find(const struct primary *primary, const char *name, struct secondary **ret_secondary,
		  const char **ret_reason);
/* The secondary has passed on what it took before this Flush (0: all of them, it is dead). */
void handover_flushed(struct secondary *secondary, uint64_t number);
/* Nobody waits for it any more. No-op when nothing is under way. */
void handover_unwatch(struct handover_waiter *waiter);

/* The session of a device is over; it may be freed. */
void handover_device_gone(struct device *device);
/* The end of the primary's life: forget all, nobody is told. */
void handover_cancel_all(struct primary *primary);

#endif
