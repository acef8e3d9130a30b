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

fill_raw fill_nothing, fill_owner, fill_features, fill_same, fill_event, fill_backend, fill_memory;

#endif
