/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A raw packet socket on an existing interface, with PACKET_VNET_HDR: a header of 10 bytes before
 * every frame, which is struct hf_offload. Bursts are one system call. The socket sees what the
 * interface receives, promiscuously, and not what it sends (our own frames among that).
 *
 * The kernel takes the VLAN tag out of a received frame and tells it beside; it goes back in, and
 * the offsets of the header move with it. It is a socket of protocol 0 until it is bound, so that
 * no frame of another interface gets in.
 *
 * Nothing tells the kernel which large frames we can take, as TUNSETOFFLOAD does for a TAP. Those
 * that are trains of UDP datagrams are cut into them here (udp_cut.h). Such a frame and all behind
 * it in the same burst are copied aside (stage.h), and the next bursts come from there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#include "uplink.h"

#define TAG_BYTES    4u
#define TAG_OFFSET   ((size_t)12) /* behind the addresses */
#define SOCKET_BYTES (4 << 20)

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 /* Linux 4.20 */
#endif

static int set(int fd, int option, const void *value, socklen_t bytes)
{
	return setsockopt(fd, SOL_PACKET, option, value, bytes) < 0 ? -errno : 0;
}

static int set_options(int fd, int ifindex)
{
	const int on = 1, bytes = SOCKET_BYTES;
	const struct packet_mreq promiscuous = {.mr_ifindex = ifindex,
						.mr_type = PACKET_MR_PROMISC};
	int error = set(fd, PACKET_VNET_HDR, &on, sizeof(on));

	if (!error)
		error = set(fd, PACKET_AUXDATA, &on, sizeof(on));
	if (!error)
		error = set(fd, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	if (!error)
		error = set(fd, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous));
	/* Room for a burst of large frames; without it we lose some sooner, that is all. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	return error;
}

int uplink_packet_open(struct uplink *uplink)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int error;

	address.sll_ifindex = (int)if_nametoindex(uplink->ifname);
	if (!address.sll_ifindex)
		return -errno;
	uplink->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (uplink->fd < 0)
		return -errno;
	error = set_options(uplink->fd, address.sll_ifindex);
	if (error)
		return error;
	if (bind(uplink->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return 0;
}

static const struct tpacket_auxdata *find_auxdata(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
			return (const struct tpacket_auxdata *)(const void *)CMSG_DATA(c);
	}
	return NULL;
}

/* Put the tag back after the addresses. */
static bool restore_tag(struct hf_packet *packet, uint16_t protocol, uint16_t tag)
{
	uint8_t *at = packet->data + TAG_OFFSET;
	struct hf_offload *offload = &packet->offload;

	if (packet->len + TAG_BYTES > packet->room)
		return false;
	memmove(at + TAG_BYTES, at, packet->len - TAG_OFFSET);
	at[0] = (uint8_t)(protocol >> 8);
	at[1] = (uint8_t)protocol;
	at[2] = (uint8_t)(tag >> 8);
	at[3] = (uint8_t)tag;
	packet->len += TAG_BYTES;
	packet->total += TAG_BYTES;
	if (offload->flags & HF_OFFLOAD_NEEDS_CSUM)
		offload->csum_start = (uint16_t)(offload->csum_start + TAG_BYTES);
	if (offload->hdr_len)
		offload->hdr_len = (uint16_t)(offload->hdr_len + TAG_BYTES);
	return true;
}

/* Lengths and flags; a frame that is to be cut is accepted as one without offload. */
static bool accept_frame(struct hf_packet *packet, size_t bytes)
{
	bool cut = packet->offload.gso_type == UDP_CUT_GSO;

	if (cut)
		packet->offload.gso_type = HF_GSO_NONE;
	if (!uplink_accept(packet, bytes))
		return false;
	if (cut)
		packet->offload.gso_type = UDP_CUT_GSO;
	return true;
}

/* May this frame travel on? */
static bool finish(struct hf_packet *packet, struct mmsghdr *message)
{
	const struct tpacket_auxdata *aux = find_auxdata(&message->msg_hdr);
	uint16_t protocol = ETH_P_8021Q;

	if (message->msg_len < sizeof(packet->offload) || message->msg_hdr.msg_flags & MSG_TRUNC ||
	    !accept_frame(packet, message->msg_len - sizeof(packet->offload)))
		return false;
	if (!aux || !(aux->tp_status & TP_STATUS_VLAN_VALID))
		return true;
	if (aux->tp_status & TP_STATUS_VLAN_TPID_VALID)
		protocol = aux->tp_vlan_tpid;
	return restore_tag(packet, protocol, aux->tp_vlan_tci);
}

/* recvmmsg(2) and sendmmsg(2) want all this per frame. */
struct message {
	struct iovec parts[2];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

static void describe(struct mmsghdr *header, struct message *message, struct hf_packet *packet,
		     size_t bytes)
{
	message->parts[0] = (struct iovec){&packet->offload, sizeof(packet->offload)};
	message->parts[1] = (struct iovec){packet->data, bytes};
	*header = (struct mmsghdr){.msg_hdr = {.msg_iov = message->parts, .msg_iovlen = 2}};
}

static int receive_messages(int fd, struct mmsghdr *headers, struct message *messages,
			    struct hf_packet *const *packets, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		describe(&headers[i], &messages[i], packets[i], packets[i]->room);
		headers[i].msg_hdr.msg_control = messages[i].control;
		headers[i].msg_hdr.msg_controllen = sizeof(messages[i].control);
	}
	return recvmmsg(fd, headers, nr, MSG_DONTWAIT, NULL);
}

/* Put it aside if it is to be cut, or came behind such a one. False: it may travel on at once. */
static bool set_aside(struct uplink *uplink, const struct hf_packet *packet,
		      struct port_stats *stats)
{
	if (packet->offload.gso_type != UDP_CUT_GSO && !stage_waits(uplink->stage))
		return false;
	if (!uplink->stage)
		uplink->stage = stage_create();
	if (!uplink->stage || !stage_put(uplink->stage, packet))
		count(&stats->rx_error, 1);
	return true;
}

/* Up to `nr` frames in one call, the bad ones left out. False: there was none at all. */
static bool receive_some(struct uplink *uplink, struct hf_packet **packets, uint16_t nr,
			 uint16_t *ret_good, struct port_stats *stats)
{
	struct mmsghdr headers[BURST];
	struct message messages[BURST];
	int came = receive_messages(uplink->fd, headers, messages, packets, nr);

	if (came < 0)
		return uplink_read_on(uplink, errno, stats);
	for (int i = 0; i < came; i++) {
		struct hf_packet *packet = packets[i];

		if (!finish(packet, &headers[i])) {
			count(&stats->rx_error, 1);
			continue;
		}
		if (set_aside(uplink, packet, stats))
			continue;
		packets[i] = packets[*ret_good];
		packets[(*ret_good)++] = packet;
	}
	return came > 0;
}

/* A 0 means that the socket is empty, or `more`: the worker may go to sleep on it (idle.c, 2). */
static uint16_t packet_receive(struct port *port, uint16_t queue, struct hf_packet **packets,
			       uint16_t nr, struct port_stats *stats)
{
	struct uplink *uplink = port->backend;
	uint16_t good = 0;

	(void)queue;
	if (nr > BURST)
		nr = BURST;
	uplink->more = true;
	for (unsigned looks = 0; !good && looks < UPLINK_LOOKS; looks++) {
		if (stage_waits(uplink->stage))
			good = stage_take(uplink->stage, packets, nr, stats);
		else if (!receive_some(uplink, packets, nr, &good, stats))
			uplink->more = false;
		if (!uplink->more)
			break;
	}
	return good;
}

static uint16_t packet_transmit(struct port *port, uint16_t queue, struct hf_packet *const *packets,
				uint16_t nr, struct port_stats *stats)
{
	struct uplink *uplink = port->backend;
	struct mmsghdr headers[BURST];
	struct message messages[BURST];
	uint16_t done = 0;

	(void)queue;
	if (nr > BURST)
		nr = BURST;
	for (uint16_t i = 0; i < nr; i++)
		describe(&headers[i], &messages[i], packets[i], packets[i]->len);
	while (done < nr) {
		int sent = sendmmsg(uplink->fd, headers + done, nr - done, MSG_DONTWAIT);

		if (sent > 0) {
			stats_sent(stats, packets + done, (uint16_t)sent);
			done = (uint16_t)(done + sent);
		} else if (errno != EINTR) {
			/* The error is that of the first frame not sent. */
			if (!uplink_refused(uplink, errno, stats))
				break;
			done++;
		}
	}
	return done;
}

const struct port_ops uplink_packet_ops = {
	.kind = "packet",
	.stations = UPLINK_STATIONS,
	.shared_transmit = true, /* a socket takes sendmmsg() from any thread */
	.receive = packet_receive,
	.transmit = packet_transmit,
	.arm = uplink_arm,
	.close = uplink_close,
};
