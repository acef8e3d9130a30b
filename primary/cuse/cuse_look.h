/* SPDX-License-Identifier: Apache-2.0 */
/* The files behind the caller's memory, looked for by a process that may hang. */
#ifndef PRIMARY_CUSE_LOOK_H
#define PRIMARY_CUSE_LOOK_H

#include <stdint.h>

#include "cuse_memory.h"

struct port;
struct primary;

/* As cuse_memory_find. It takes a few seconds at most, and whoever takes long is let wait the next
 * time. */
int cuse_look(struct port *port, const struct cuse_caller *caller, struct vu_region *regions,
	      int *fds, uint32_t count, struct cuse_memory_fault *ret_fault);
/* How long until any port may look: so that looks have not more than a third of the loop's time. */
uint64_t cuse_look_wait_ns(const struct primary *primary);

#endif
