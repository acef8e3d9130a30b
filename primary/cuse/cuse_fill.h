/* SPDX-License-Identifier: Apache-2.0 */
/* The data of an ioctl → session->raw. False: refused, session_refuse was called. */
#ifndef PRIMARY_CUSE_FILL_H
#define PRIMARY_CUSE_FILL_H

#include <stdbool.h>

#include "check.h"
#include "cuse_caller.h"
#include "cuse_ioctl.h"
#include "vu_wire.h"

/* Bits of vhost and of vhost-user that are not virtio's, and those that only QEMU answers for. Bit
 * 27 is VHOST_NET_F_VIRTIO_NET_HDR here: a back-end that makes the header itself. */
#define CUSE_NOT_OFFERED                                                                           \
	(VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT) | VIRTIO_BIT(VU_F_PROTOCOL_FEATURES) |                    \
	 VIRTIO_BIT(VIRTIO_NET_F_MTU) | VIRTIO_BIT(VIRTIO_NET_F_MQ) |                              \
	 VIRTIO_BIT(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_BIT(VIRTIO_NET_F_CTRL_RX) |                     \
	 VIRTIO_BIT(VIRTIO_NET_F_GUEST_ANNOUNCE))

typedef bool fill_raw(struct session *session, const struct cuse_call *call,
		      struct cuse_caller *caller);

fill_raw fill_nothing, fill_owner, fill_features, fill_same, fill_event, fill_backend;
/* A table whose regions nobody looks for: vu_check says what is wrong with them. */
fill_raw fill_memory;
/* One whose regions were found, with `fds`, taken. */
void fill_memory_found(struct session *session, const struct cuse_call *call,
		       const struct vu_region *regions, const int *fds, uint32_t count);

/* The regions of a table, which is whole. How many: room for CUSE_MAX_REGIONS. */
uint32_t cuse_table(const struct cuse_call *call, struct vu_region *ret_regions);
/* Is none of them empty, and does none wrap? */
bool cuse_table_wants_look(const struct cuse_call *call);

#endif
