/* SPDX-License-Identifier: Apache-2.0 */
#include "looker.h"

#include <sys/eventfd.h>

#include "cuse_looker.h"
#include "fuzz.h"

#define MOST_FDS 1024

/* By its socket, which is an eventfd: readable, it has something to say. */
static struct cuse_caller callers[MOST_FDS];
static bool hangs;

void looker_hang(bool hang)
{
	hangs = hang;
}

/* Its pidfd is one that is readable: it has ended. */
int cuse_looker_start(const struct cuse_caller *caller, struct vu_region *regions, uint32_t count,
		      int *ret_pidfd, int *ret_socket)
{
	(void)regions;
	(void)count;
	*ret_pidfd = eventfd(1, EFD_CLOEXEC);
	*ret_socket = eventfd(!hangs, EFD_CLOEXEC);
	FUZZ_HOLDS(*ret_pidfd >= 0 && *ret_socket >= 0 && *ret_socket < MOST_FDS);
	callers[*ret_socket] = *caller;
	return 0;
}

int cuse_looker_hear(int socket, struct vu_region *regions, int *fds, uint32_t count,
		     struct cuse_memory_fault *ret_fault)
{
	return cuse_memory_find(&callers[socket], regions, fds, count, ret_fault);
}
