/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vswitch/uplink.h, both kinds, against the kernel and each other: what is written to a TAP comes
 * out of a packet socket on its interface, and the other way round. In a network namespace of its
 * own; exit 77 (skipped) where that is not permitted.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "suite.h"
#include "uplink.h"

#define ROOM 65664u
#define MANY 100u

static struct port tap, raw;
static struct port_stats stats;
static uint8_t memory[BURST][ROOM];
static struct hf_packet storage[BURST];
static struct hf_packet *packets[BURST];
static uint8_t frame_bytes[ROOM];
static struct hf_packet frame;

static void open_both(void)
{
	struct uplink *uplink;

	memset(&stats, 0, sizeof(stats));
	REQUIRE(!uplink_open(UPLINK_TAP, "hftest0", &uplink));
	tap = (struct port){.ops = uplink_ops(uplink), .backend = uplink};
	REQUIRE(!uplink_open(UPLINK_PACKET, "hftest0", &uplink));
	raw = (struct port){.ops = uplink_ops(uplink), .backend = uplink};
	for (unsigned i = 0; i < BURST; i++) {
		storage[i] = (struct hf_packet){.data = memory[i], .room = ROOM};
		packets[i] = &storage[i];
	}
}

static void close_both(void)
{
	raw.ops->close(&raw);
	tap.ops->close(&tap);
}

/* A frame to an address of nobody, of a type that the kernel leaves alone. */
static struct hf_packet *make_frame(uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		frame_bytes[i] = (uint8_t)(i * 7);
	memcpy(frame_bytes, "\x52\x54\0\0\0\x0b\x52\x54\0\0\0\x0a\x88\xb5", 14);
	frame = (struct hf_packet){.data = frame_bytes, .room = ROOM, .len = bytes, .total = bytes};
	return &frame;
}

/* Turn it into TCP over IPv4 of one large segment, checksum to be filled in at `l3` + 20 + 16. */
static void make_gso(uint32_t l3, uint16_t size)
{
	uint8_t *ip = frame_bytes + l3;
	uint16_t bytes = (uint16_t)(frame.len - l3);
	uint32_t sum = 0;

	memset(ip, 0, 40);
	memcpy(ip, "\x45\0\0\0\0\0\x40\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02", 20);
	ip[2] = (uint8_t)(bytes >> 8);
	ip[3] = (uint8_t)bytes;
	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = ~(sum % 0xffff) & 0xffff;
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
	ip[32] = 0x50;
	frame_bytes[l3 - 2] = 0x08;
	frame_bytes[l3 - 1] = 0x00;
	frame.offload = (struct hf_offload){.flags = HF_OFFLOAD_NEEDS_CSUM,
					    .gso_type = HF_GSO_TCPV4,
					    .hdr_len = (uint16_t)(l3 + 40),
					    .gso_size = size,
					    .csum_start = (uint16_t)(l3 + 20),
					    .csum_offset = 16};
}

static uint16_t send_one(struct port *port, struct hf_packet *packet)
{
	return port->ops->transmit(port, 0, &packet, 1, &stats);
}

/* The kernel itself sends on a new interface. */
static bool is_ours(const struct hf_packet *packet)
{
	return memcmp(packet->data + 6, "\x52\x54\0\0\0\x0a", 6) == 0;
}

/* Is there none of ours, now? */
static bool is_empty(struct port *port)
{
	uint16_t came = port->ops->receive(port, 1, packets, BURST, &stats);

	for (; came; came = port->ops->receive(port, 1, packets, BURST, &stats))
		for (uint16_t i = 0; i < came; i++)
			if (is_ours(packets[i]))
				return false;
	return true;
}

/* Frames of ours from `port`. */
static uint16_t receive(struct port *port, uint16_t nr)
{
	struct pollfd p = {.fd = ((struct uplink *)port->backend)->fd, .events = POLLIN};
	uint16_t ours = 0;

	while (poll(&p, 1, 20000) > 0) {
		uint16_t came = port->ops->receive(port, 1, packets, nr, &stats);

		for (uint16_t i = 0; i < came; i++) {
			struct hf_packet *packet = packets[i];

			if (!is_ours(packet))
				continue;
			packets[i] = packets[ours];
			packets[ours++] = packet;
		}
		if (ours)
			break;
	}
	return ours;
}

static void check_same(const struct hf_packet *came, const struct hf_packet *sent)
{
	CHECK_EQ(came->len, sent->len);
	CHECK_EQ(came->total, sent->len);
	CHECK(!memcmp(came->data, sent->data, sent->len));
	CHECK_EQ(came->offload.gso_type, sent->offload.gso_type);
	CHECK_EQ(came->offload.gso_size, sent->offload.gso_size);
	CHECK_EQ(came->offload.flags & HF_OFFLOAD_NEEDS_CSUM,
		 sent->offload.flags & HF_OFFLOAD_NEEDS_CSUM);
	if (sent->offload.flags & HF_OFFLOAD_NEEDS_CSUM) {
		CHECK_EQ(came->offload.csum_start, sent->offload.csum_start);
		CHECK_EQ(came->offload.csum_offset, sent->offload.csum_offset);
	}
}

static void a_frame_passes_through_both_kinds_in_both_directions(void)
{
	static const uint32_t sizes[] = {60, 61, 1514};

	open_both();
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK_EQ(send_one(&tap, make_frame(sizes[i])), 1);
		CHECK_EQ(receive(&raw, 1), 1);
		check_same(packets[0], &frame);
		CHECK_EQ(send_one(&raw, make_frame(sizes[i])), 1);
		CHECK_EQ(receive(&tap, 1), 1);
		check_same(packets[0], &frame);
	}
	CHECK_EQ(stats.tx_packets, 6);
	CHECK_EQ(stats.tx_bytes, 2 * (60 + 61 + 1514));
	CHECK_EQ(stats.tx_error, 0);
	close_both();
}

static void a_large_frame_keeps_its_offloads(void)
{
	open_both();
	make_frame(14 + 40 + 30000);
	make_gso(14, 1448);
	CHECK_EQ(send_one(&tap, &frame), 1);
	CHECK_EQ(receive(&raw, 1), 1);
	check_same(packets[0], &frame);
	CHECK_EQ(send_one(&raw, &frame), 1);
	CHECK_EQ(receive(&tap, 1), 1);
	check_same(packets[0], &frame);
	close_both();
}

/* As a container's QUIC over a veth. Only where this kernel knows such frames (Linux 6.2). */
static void a_train_of_udp_datagrams_comes_in_as_datagrams(void)
{
	unsigned pieces = 0;
	uint16_t came;

	open_both();
	make_frame(14 + 28 + 10 * 1000);
	make_gso(14, 1000);
	memset(frame_bytes + 34, 0, 8);
	frame_bytes[23] = 17;
	frame_bytes[24] = frame_bytes[25] = 0; /* the kernel looks at neither sum */
	frame_bytes[38] = (uint8_t)((8 + 10000) >> 8);
	frame_bytes[39] = (uint8_t)(8 + 10000);
	frame.offload.gso_type = 5;
	frame.offload.hdr_len = 42;
	frame.offload.csum_offset = 6;
	CHECK_EQ(send_one(&tap, &frame), 1);
	if (stats.tx_error) {
		printf("this kernel takes no such frame ");
		close_both();
		return;
	}
	/* The first burst waits for the frame; the next ones are of its rest. */
	for (came = receive(&raw, 4); came; came = raw.ops->receive(&raw, 1, packets, 4, &stats))
		for (uint16_t i = 0; i < came; i++, pieces++) {
			CHECK_EQ(packets[i]->len, 42 + 1000);
			CHECK_EQ(packets[i]->offload.gso_type, HF_GSO_NONE);
			CHECK(!memcmp(packets[i]->data + 42, frame_bytes + 42 + 1000 * pieces,
				      1000));
		}
	CHECK_EQ(pieces, 10);
	close_both();
}

static void a_tag_that_the_kernel_took_out_is_put_back(void)
{
	open_both();
	make_frame(100);
	memcpy(frame_bytes + 12, "\x81\0\x60\x64\x88\xb5", 6);
	CHECK_EQ(send_one(&tap, &frame), 1);
	CHECK_EQ(receive(&raw, 1), 1);
	check_same(packets[0], &frame);
	CHECK_EQ(send_one(&raw, &frame), 1);
	CHECK_EQ(receive(&tap, 1), 1);
	check_same(packets[0], &frame);
	/* And the offsets of offloads move with it. */
	make_frame(18 + 40 + 20000);
	make_gso(18, 1000);
	memcpy(frame_bytes + 12, "\x81\0\x60\x64", 4);
	CHECK_EQ(send_one(&tap, &frame), 1);
	CHECK_EQ(receive(&raw, 1), 1);
	check_same(packets[0], &frame);
	close_both();
}

static void the_socket_does_not_see_what_it_sends(void)
{
	open_both();
	CHECK_EQ(send_one(&raw, make_frame(60)), 1);
	CHECK_EQ(receive(&tap, 1), 1);
	CHECK(is_empty(&raw));
	close_both();
}

static void bursts_come_in_order_and_an_empty_port_gives_none(void)
{
	struct hf_packet burst[MANY], *list[MANY];
	static uint8_t bytes[MANY][60];
	unsigned next = 0;
	uint16_t came;

	open_both();
	for (unsigned i = 0; i < MANY; i++) {
		burst[i] = *make_frame(60);
		memcpy(bytes[i], frame_bytes, 60);
		bytes[i][20] = (uint8_t)i;
		burst[i].data = bytes[i];
		list[i] = &burst[i];
	}
	CHECK_EQ(raw.ops->transmit(&raw, 0, list, BURST, &stats), BURST);
	while (next < BURST && (came = receive(&tap, 7)))
		for (uint16_t i = 0; i < came; i++)
			CHECK_EQ(packets[i]->data[20], next++);
	CHECK(is_empty(&tap));
	CHECK_EQ(tap.ops->transmit(&tap, 0, list, BURST, &stats), BURST);
	next = 0;
	while (next < BURST && (came = receive(&raw, 7)))
		for (uint16_t i = 0; i < came; i++)
			CHECK_EQ(packets[i]->data[20], next++);
	CHECK(is_empty(&raw));
	CHECK_EQ(stats.tx_packets, 2 * BURST);
	close_both();
}

static void what_the_kernel_refuses_is_counted_and_the_rest_goes_on(void)
{
	struct hf_packet bad, good, *list[2] = {&bad, &good};

	open_both();
	bad = good = *make_frame(60);
	bad.offload = (struct hf_offload){.flags = HF_OFFLOAD_NEEDS_CSUM, .csum_start = 5000};
	for (unsigned i = 0; i < 2; i++) {
		struct port *from = i ? &raw : &tap, *to = i ? &tap : &raw;

		CHECK_EQ(from->ops->transmit(from, 0, list, 2, &stats), 2);
		CHECK_EQ(stats.tx_error, i + 1);
		CHECK_EQ(stats.tx_packets, i + 1);
		CHECK_EQ(receive(to, 1), 1);
		check_same(packets[0], &good);
	}
	/* Larger than the interface takes, and not marked to be cut. */
	CHECK_EQ(send_one(&raw, make_frame(4000)), 1);
	CHECK_EQ(stats.tx_error, 3);
	close_both();
}

static void frames_with_offloads_that_have_no_name_are_not_let_in(void)
{
	struct hf_packet packet = {.room = ROOM, .offload = {.flags = 0xff, .gso_type = 5}};

	CHECK(!uplink_accept(&packet, 100));
	packet.offload.gso_type = HF_GSO_TCPV6 | HF_GSO_ECN;
	CHECK(uplink_accept(&packet, 100));
	CHECK_EQ(packet.offload.flags, HF_OFFLOAD_NEEDS_CSUM | HF_OFFLOAD_DATA_VALID);
	CHECK(!uplink_accept(&packet, 13));
	CHECK(!uplink_accept(&packet, ROOM + 1));
}

static void an_interface_that_goes_leaves_an_uplink_that_is_silent(void)
{
	open_both();
	tap.ops->close(&tap); /* the TAP and its interface are gone */
	(void)raw.ops->receive(&raw, 1, packets, BURST, &stats);
	CHECK(is_empty(&raw));
	CHECK_EQ(send_one(&raw, make_frame(60)), 1);
	CHECK_EQ(send_one(&raw, make_frame(60)), 1);
	CHECK_EQ(stats.tx_error, 2);
	raw.ops->close(&raw);
}

static void interfaces_that_cannot_be_opened_are_errors(void)
{
	struct uplink *uplink, *second;

	CHECK_EQ(uplink_open(UPLINK_PACKET, "nowhere0", &uplink), -ENODEV);
	CHECK_EQ(uplink_open(UPLINK_TAP, "lo", &uplink), -EINVAL);
	REQUIRE(!uplink_open(UPLINK_TAP, "hftest1", &uplink));
	CHECK_EQ(uplink_open(UPLINK_TAP, "hftest1", &second), -EBUSY);
	uplink_free(uplink);
}

static const struct sentence sentences[] = {
	SENTENCE(a_frame_passes_through_both_kinds_in_both_directions),
	SENTENCE(a_large_frame_keeps_its_offloads),
	SENTENCE(a_train_of_udp_datagrams_comes_in_as_datagrams),
	SENTENCE(a_tag_that_the_kernel_took_out_is_put_back),
	SENTENCE(the_socket_does_not_see_what_it_sends),
	SENTENCE(bursts_come_in_order_and_an_empty_port_gives_none),
	SENTENCE(what_the_kernel_refuses_is_counted_and_the_rest_goes_on),
	SENTENCE(frames_with_offloads_that_have_no_name_are_not_let_in),
	SENTENCE(an_interface_that_goes_leaves_an_uplink_that_is_silent),
	SENTENCE(interfaces_that_cannot_be_opened_are_errors),
};

int main(void)
{
	if (unshare(CLONE_NEWNET) < 0 || access("/dev/net/tun", R_OK | W_OK) < 0) {
		printf("skipped: no network namespace or no /dev/net/tun\n");
		return 77;
	}
	return suite_run("vswitch: uplinks", sentences, sizeof(sentences) / sizeof(sentences[0]));
}
