/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes through /dev/cuse: FUSE messages (linux/fuse.h), and in those of ioctls the structures
 * of vhost (linux/vhost.h). Both are stable interfaces of the kernel; here are only the bounds.
 */
#ifndef PRIMARY_CUSE_WIRE_H
#define PRIMARY_CUSE_WIRE_H

#include <assert.h>
#include <linux/fuse.h>

#include "cuse_vhost.h"
#include "journal_layout.h"
#include "vu_msg.h"

/* Older than any kernel that has pidfd_getfd(2); iovecs of a retry are of fixed size since 16. */
#define CUSE_MIN_MINOR 19u
/* What we tell the kernel to send at most with a write, which is refused in any case. */
#define CUSE_MAX_WRITE 4096u
/* The least that the kernel wants a read to have room for (FUSE_MIN_READ_BUFFER). */
#define CUSE_READ_BYTES 8192u

/* Unanswered at once: QEMU has one. */
#define CUSE_REQUESTS	   JOURNAL_REQUESTS
#define CUSE_REQUEST_BYTES JOURNAL_REQUEST

#define CUSE_MAX_REGIONS     VU_RAW_REGIONS
#define CUSE_MEMORY_BYTES(n) (sizeof(struct vh_memory) + (n) * sizeof(struct vh_region))

static_assert(sizeof(struct fuse_in_header) + sizeof(struct fuse_ioctl_in) +
			      CUSE_MEMORY_BYTES(CUSE_MAX_REGIONS) <=
		      CUSE_REQUEST_BYTES,
	      "the largest request that is asked for");
static_assert(sizeof(struct vh_region) == sizeof(struct vu_region), "alike but the last");
static_assert(sizeof(struct vh_vring_addr) == sizeof(struct vu_vring_addr), "the same");
static_assert(sizeof(struct vh_vring_state) == sizeof(struct vu_vring_state), "the same");

#endif
