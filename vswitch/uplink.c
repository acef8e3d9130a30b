/* SPDX-License-Identifier: Apache-2.0 */
/* What both kinds of uplink share: opening, and what may pass in either direction. */
#include "uplink.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"

/* Say why, with a remedy for the errors that people meet. */
static void complain(const struct uplink *uplink, int error)
{
	const char *name = uplink->ifname;

	if (error == -EPERM || error == -EACCES)
		say("uplink %s: not permitted; run as root or give the program CAP_NET_ADMIN and "
		    "CAP_NET_RAW",
		    name);
	else if (error == -EBUSY)
		say("uplink %s: another process uses it; stop that process or name another "
		    "interface",
		    name);
	else if (error == -ENODEV)
		say("uplink %s: no such interface; create it first (ip link add …) or use "
		    "tap:IFNAME, which creates one",
		    name);
	else if (error == -ENOENT)
		say("uplink %s: there is no /dev/net/tun; load the module: modprobe tun", name);
	else if (error == -EINVAL && uplink->kind == UPLINK_TAP)
		say("uplink %s: it exists and is not a single-queue TAP; delete it or name another",
		    name);
	else
		say("uplink %s: %s; see ip link show %s", name, strerror(-error), name);
}

int uplink_open(enum uplink_kind kind, const char *ifname, struct uplink **ret_uplink)
{
	struct uplink *uplink = calloc(1, sizeof(*uplink));
	int error;

	if (!uplink)
		return -ENOMEM;
	uplink->fd = -1;
	uplink->kind = kind;
	memcpy(uplink->ifname, ifname, strnlen(ifname, IFNAMSIZ - 1));
	error = kind == UPLINK_TAP ? uplink_tap_open(uplink) : uplink_packet_open(uplink);
	if (error) {
		complain(uplink, error);
		uplink_free(uplink);
		return error;
	}
	*ret_uplink = uplink;
	return 0;
}

const struct port_ops *uplink_ops(const struct uplink *uplink)
{
	return uplink->kind == UPLINK_TAP ? &uplink_tap_ops : &uplink_packet_ops;
}

void uplink_free(struct uplink *uplink)
{
	if (uplink->fd >= 0)
		(void)close(uplink->fd);
	stage_free(uplink->stage);
	free(uplink);
}

void uplink_close(struct port *port)
{
	uplink_free(port->backend);
}

bool uplink_accept(struct hf_packet *packet, size_t bytes)
{
	struct hf_offload *offload = &packet->offload;

	if (bytes < ETH_HLEN || bytes > packet->room)
		return false;
	packet->len = (uint32_t)bytes;
	packet->total = (uint32_t)bytes;
	/* Bits that only newer kernels know say nothing that a guest was promised. */
	offload->flags &= HF_OFFLOAD_NEEDS_CSUM | HF_OFFLOAD_DATA_VALID;
	switch (offload->gso_type & ~HF_GSO_ECN) {
	case HF_GSO_NONE:
	case HF_GSO_TCPV4:
	case HF_GSO_TCPV6:
	case HF_GSO_UDP:
		return true;
	default: /* UDP segmentation has no number in this API: uplink_packet.c cuts it before */
		return false;
	}
}

bool uplink_read_on(struct uplink *uplink, int error, struct port_stats *stats)
{
	switch (error) {
	case EAGAIN:
		return false;
	case EINTR:
		return true;
	case ENODEV: /* of a packet socket and of a TAP whose interface is gone: for good */
	case EBADFD:
		if (!atomic_exchange(&uplink->complained, true))
			say("uplink %s: its interface is gone; create it and start the switch "
			    "again",
			    uplink->ifname);
		return false;
	default:
		/* A frame that the kernel has no header for (EINVAL), or that found no memory, or
		 * the news that the link was down for a while: others wait behind. */
		count(&stats->rx_error, 1);
		return true;
	}
}

int uplink_arm(struct port *port, uint16_t queue, bool wanted)
{
	const struct uplink *uplink = port->backend;

	(void)queue;
	return wanted && uplink->more;
}

bool uplink_refused(struct uplink *uplink, int error, struct port_stats *stats)
{
	if (error == EAGAIN || error == ENOBUFS)
		return false;
	count(&stats->tx_error, 1);
	/* Too large or malformed is the sender's doing, and counted; the rest somebody can mend. */
	if (error != EMSGSIZE && error != EINVAL && !atomic_exchange(&uplink->complained, true))
		say("uplink %s: %s; frames are dropped until it is back: ip link set %s up",
		    uplink->ifname, strerror(error), uplink->ifname);
	return true;
}
