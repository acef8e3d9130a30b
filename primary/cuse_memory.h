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

struct foreign;

/* Fill in file_offset and a descriptor for each of the regions, which are not empty and do not
 * wrap. `foreign` is the port's, for what turns out to be another file than was looked at. 0;
 * -EPROTO: *ret_fault, no descriptor is open. */
int cuse_memory_find(const struct cuse_caller *caller, struct vu_region *regions, int *fds,
		     uint32_t count, struct foreign *foreign, struct cuse_memory_fault *ret_fault);

#endif
