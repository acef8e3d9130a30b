/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A TAP with IFF_VNET_HDR and a header of 12 bytes: the 10 of struct hf_offload and a buffer count
 * that the kernel neither fills nor reads. One system call per frame, that is what a TAP has. The
 * kernel may give us large frames and unfinished checksums (TUNSETOFFLOAD), and takes both from us
 * at any time; VLAN tags are in the frame in both directions.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "uplink.h"

#define HEADER_BYTES sizeof(struct virtio_net_hdr_mrg_rxbuf)

static int bring_up(const char *ifname)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0)
		return -errno;
	strcpy(request.ifr_name, ifname);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0) {
		error = -errno;
	} else if (!(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
			error = -errno;
	}
	(void)close(fd);
	return error;
}

int uplink_tap_open(struct uplink *uplink)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	int header = HEADER_BYTES;

	uplink->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (uplink->fd < 0)
		return -errno;
	memcpy(request.ifr_name, uplink->ifname, sizeof(request.ifr_name));
	if (ioctl(uplink->fd, TUNSETIFF, &request) < 0)
		return -errno;
	if (ioctl(uplink->fd, TUNSETVNETHDRSZ, &header) < 0)
		return -errno;
	/* Kernels differ on whether fragmentation of UDP can still be asked for. */
	if (ioctl(uplink->fd, TUNSETOFFLOAD, offloads | TUN_F_UFO) < 0 &&
	    ioctl(uplink->fd, TUNSETOFFLOAD, offloads) < 0)
		return -errno;
	/* A name such as "tap%d" was filled in by the kernel. */
	memcpy(uplink->ifname, request.ifr_name, sizeof(uplink->ifname));
	return bring_up(uplink->ifname);
}

static ssize_t read_frame(int fd, struct hf_packet *packet)
{
	uint16_t buffers;
	struct iovec parts[3] = {{&packet->offload, sizeof(packet->offload)},
				 {&buffers, sizeof(buffers)},
				 {packet->data, packet->room}};

	return readv(fd, parts, 3);
}

/* A 0 means that the TAP is empty, or `more`: the worker may go to sleep on it (idle.c, 2). */
static uint16_t tap_receive(struct port *port, uint16_t queue, struct hf_packet **packets,
			    uint16_t nr, struct port_stats *stats)
{
	struct uplink *uplink = port->backend;
	uint16_t came = 0;

	(void)queue;
	uplink->more = true;
	for (unsigned looks = 0; came < nr && looks < UPLINK_LOOKS * BURST; looks++) {
		ssize_t bytes = read_frame(uplink->fd, packets[came]);

		if (bytes < 0 && uplink_read_on(uplink, errno, stats))
			continue;
		if (bytes < 0) {
			uplink->more = false;
			break;
		}
		if ((size_t)bytes >= HEADER_BYTES &&
		    uplink_accept(packets[came], (size_t)bytes - HEADER_BYTES))
			came++;
		else
			count(&stats->rx_error, 1);
	}
	return came;
}

static uint16_t tap_transmit(struct port *port, uint16_t queue, struct hf_packet *const *packets,
			     uint16_t nr, struct port_stats *stats)
{
	struct uplink *uplink = port->backend;
	uint16_t buffers = 0;

	(void)queue;
	for (uint16_t i = 0; i < nr; i++) {
		struct hf_packet *packet = packets[i];
		struct iovec parts[3] = {{&packet->offload, sizeof(packet->offload)},
					 {&buffers, sizeof(buffers)},
					 {packet->data, packet->len}};
		ssize_t sent;

		do {
			sent = writev(uplink->fd, parts, 3);
		} while (sent < 0 && errno == EINTR);
		if (sent >= 0)
			stats_sent(stats, &packets[i], 1);
		else if (!uplink_refused(uplink, errno, stats))
			return i;
	}
	return nr;
}

const struct port_ops uplink_tap_ops = {
	.kind = "tap",
	.stations = UPLINK_STATIONS,
	.shared_transmit = true, /* the kernel takes one writev() after the other */
	.receive = tap_receive,
	.transmit = tap_transmit,
	.arm = uplink_arm,
	.close = uplink_close,
};
