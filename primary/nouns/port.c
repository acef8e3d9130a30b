/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is offered to a front-end. CTRL_VQ, CTRL_RX and GUEST_ANNOUNCE concern the control queue,
 * which the front-end keeps to itself; it looks for our bits all the same. Bits that QEMU and
 * virtio-user answer for alone (MAC, STATUS) are not ours to offer.
 */
#include "port.h"

#include <string.h>

#include "check.h"
#include "primary.h"
#include "vu_wire.h"

uint64_t port_supported_features(void)
{
	static const uint8_t bits[] = {
		VIRTIO_NET_F_CSUM,	 VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_MTU,
		VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_ECN,
		VIRTIO_NET_F_GUEST_UFO,	 VIRTIO_NET_F_HOST_TSO4,  VIRTIO_NET_F_HOST_TSO6,
		VIRTIO_NET_F_HOST_ECN,	 VIRTIO_NET_F_HOST_UFO,	  VIRTIO_NET_F_MRG_RXBUF,
		VIRTIO_NET_F_CTRL_VQ,	 VIRTIO_NET_F_CTRL_RX,	  VIRTIO_NET_F_GUEST_ANNOUNCE,
		VIRTIO_NET_F_MQ,	 VIRTIO_F_ANY_LAYOUT,	  VIRTIO_F_INDIRECT_DESC,
		VIRTIO_F_EVENT_IDX,	 VU_F_PROTOCOL_FEATURES,  VIRTIO_F_VERSION_1,
		VIRTIO_F_IN_ORDER,	 VIRTIO_F_RING_PACKED,
	};
	uint64_t features = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		features |= VIRTIO_BIT(bits[i]);
	return features;
}

uint64_t port_offered_features(const struct port *port)
{
	uint64_t features = port_supported_features() & port->primary->features_enabled &
			    ~port->features_disabled;

	if (port->queue_pairs < 2)
		features &= ~VIRTIO_BIT(VIRTIO_NET_F_MQ);
	/* Not a virtio feature, and nothing works well without it. */
	return features | VIRTIO_BIT(VU_F_PROTOCOL_FEATURES);
}

struct port *port_find(const struct primary *primary, const char *name)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct port *port = primary->ports[i];

		if (port && !port->removing && strcmp(port->name, name) == 0)
			return port;
	}
	return NULL;
}
