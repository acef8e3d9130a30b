/* SPDX-License-Identifier: Apache-2.0 */
/* The files behind the caller's memory. */
#ifndef PRIMARY_CUSE_MEMORY_H
#define PRIMARY_CUSE_MEMORY_H

#include <stdint.h>

#include "cuse_caller.h"
#include "refusal.h"
#include "vu_wire.h"

#define CUSE_MAPS_BYTES	     (8u << 20)
#define CUSE_MAX_DESCRIPTORS 4096u

struct cuse_memory_fault {
	enum refusal reason;
	char what[80];
};

/* Fill in file_offset and a descriptor for each of the regions, which are not empty and do not
 * wrap. May hang, and leaves open what may hang whoever closes it: for a process that does nothing
 * else (cuse_look.h). 0; -EPROTO: *ret_fault. */
int cuse_memory_find(const struct cuse_caller *caller, struct vu_region *regions, int *fds,
		     uint32_t count, struct cuse_memory_fault *ret_fault);

#endif
