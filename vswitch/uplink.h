/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uplinks: a kernel interface as a port, with its offloads kept.
 *
 * The kernel puts struct virtio_net_hdr before every frame, in our byte order; struct hf_offload
 * has its layout, so the header is read straight into a packet and written straight from it.
 * A packet of an uplink has one segment.
 */
#ifndef VSWITCH_UPLINK_H
#define VSWITCH_UPLINK_H

#include <holdfast/packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "port.h"
#include "stage.h"

enum uplink_kind { UPLINK_TAP, UPLINK_PACKET };

struct uplink {
	int fd;
	enum uplink_kind kind;
	char ifname[IFNAMSIZ];
	atomic_bool complained; /* of a lasting error; once is enough */
	/* Of the worker that receives. */
	bool more; /* the last burst gave nothing, and there may be something all the same */
	struct stage *stage; /* NULL until a frame has to be cut */
};

/* Looks in a burst that find only frames to be dropped, or errors, before others have their turn */
#define UPLINK_LOOKS 4u

_Static_assert(sizeof(struct hf_offload) == sizeof(struct virtio_net_hdr) &&
		       offsetof(struct hf_offload, gso_type) ==
			       offsetof(struct virtio_net_hdr, gso_type) &&
		       offsetof(struct hf_offload, csum_offset) ==
			       offsetof(struct virtio_net_hdr, csum_offset),
	       "offload metadata is the kernel's header");

extern const struct port_ops uplink_tap_ops;
extern const struct port_ops uplink_packet_ops;

/* Open the interface; a TAP is created if absent, and brought up. 0, or -errno with a line said. */
int uplink_open(enum uplink_kind kind, const char *ifname, struct uplink **ret_uplink);
const struct port_ops *uplink_ops(const struct uplink *uplink);
void uplink_free(struct uplink *uplink);

/* For the two kinds. */
void uplink_close(struct port *port);
int uplink_tap_open(struct uplink *uplink);
int uplink_packet_open(struct uplink *uplink);
/* A frame of `bytes` came with its header: is it one that may travel on? Fills its lengths. */
bool uplink_accept(struct hf_packet *packet, size_t bytes);
/* What a read that failed with `error` means. True: there may be more behind it; it is counted. */
bool uplink_read_on(struct uplink *uplink, int error, struct port_stats *stats);
/* The `arm` of both: 1 if the last burst left something. */
int uplink_arm(struct port *port, uint16_t queue, bool wanted);
/* Count a frame that the kernel did not take with `error`. False: it had no room just now. */
bool uplink_refused(struct uplink *uplink, int error, struct port_stats *stats);

#endif
