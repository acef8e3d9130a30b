/* SPDX-License-Identifier: Apache-2.0 */
/* The process that looks: started, and heard. */
#ifndef PRIMARY_CUSE_LOOKER_H
#define PRIMARY_CUSE_LOOKER_H

#include <stdint.h>

#include "cuse_memory.h"

/* Look for the files of these regions. 0 and its pidfd and socket, both the caller's; -errno. */
int cuse_looker_start(const struct cuse_caller *caller, struct vu_region *regions, uint32_t count,
		      int *ret_pidfd, int *ret_socket);
/* What it says: 0, file_offset and a descriptor for each region, the caller's; -EPROTO: *ret_fault;
 * -EAGAIN: nothing yet. */
int cuse_looker_hear(int socket, struct vu_region *regions, int *fds, uint32_t count,
		     struct cuse_memory_fault *ret_fault);

#endif
