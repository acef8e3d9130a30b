/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vswitch/uplink.h, receiving: what kernels answer that a test cannot make them answer, and trains
 * of UDP datagrams that are cut. The interface is a pair of datagram sockets, and both reading
 * calls pass through here first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "suite.h"
#include "udp_cut.h"
#include "uplink.h"

#define ROOM PACKET_ROOM

static int errors[300]; /* what the next calls fail with, 0: not at all */
static unsigned nr_errors, calls;
static bool endless; /* frames that are dropped come all the time */

static struct uplink *uplink;
static struct port port;
static int peer;
static struct port_stats stats;
static uint8_t memory[BURST][ROOM];
static struct hf_packet storage[BURST];
static struct hf_packet *packets[BURST];

/* True: the call is to fail. */
static bool fails(void)
{
	int error = calls < nr_errors ? errors[calls] : 0;

	calls++;
	errno = error;
	return error != 0;
}

int recvmmsg(int fd, struct mmsghdr *headers, unsigned nr, int flags, struct timespec *timeout)
{
	if (fails())
		return -1;
	if (endless) {
		headers[0].msg_len = 12;
		return 1;
	}
	return (int)syscall(SYS_recvmmsg, fd, headers, nr, flags, timeout);
}

ssize_t readv(int fd, const struct iovec *parts, int nr)
{
	if (fails())
		return -1;
	return endless ? 14 : (ssize_t)syscall(SYS_readv, fd, parts, nr);
}

static void begin(enum uplink_kind kind)
{
	const int bytes = 4 << 20;
	int pair[2];

	REQUIRE(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
	REQUIRE(!setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)));
	uplink = calloc(1, sizeof(*uplink));
	REQUIRE(uplink != NULL);
	uplink->fd = pair[0];
	uplink->kind = kind;
	strcpy(uplink->ifname, "pair");
	peer = pair[1];
	port = (struct port){.ops = uplink_ops(uplink), .backend = uplink};
	memset(&stats, 0, sizeof(stats));
	for (unsigned i = 0; i < BURST; i++) {
		storage[i] = (struct hf_packet){.data = memory[i], .room = ROOM};
		packets[i] = &storage[i];
	}
	nr_errors = calls = 0;
	endless = false;
}

static void end(void)
{
	port.ops->close(&port);
	close(peer);
}

static uint16_t receive(uint16_t nr)
{
	return port.ops->receive(&port, 1, packets, nr, &stats);
}

static bool may_sleep(void)
{
	return port.ops->arm(&port, 1, true) == 0;
}

static void put(const struct hf_offload *offload, const uint8_t *frame, size_t bytes)
{
	uint16_t buffers = 0;
	struct hf_offload copy = *offload;
	struct iovec parts[3] = {{&copy, sizeof(copy)},
				 {&buffers, uplink->kind == UPLINK_TAP ? sizeof(buffers) : 0},
				 {(void *)(uintptr_t)frame, bytes}};

	REQUIRE(writev(peer, parts, 3) >= 0);
}

/* A frame that nothing is asked for, with a number in it. */
static void put_plain(uint8_t number)
{
	static const struct hf_offload none;
	uint8_t frame[60] = {0x52, 0x54, 0, 0, 0, 1, 0x52, 0x54, 0, 0, 0, 2, 0x88, 0xb5, number};

	put(&none, frame, sizeof(frame));
}

static void check_plain(const struct hf_packet *packet, uint8_t number)
{
	CHECK_EQ(packet->len, 60);
	CHECK_EQ(packet->data[14], number);
}

static void an_error_is_counted_and_what_waits_behind_it_comes(void)
{
	static const int ones[] = {EINVAL, ENOBUFS, ENETDOWN, ENOMEM};

	for (unsigned kind = UPLINK_TAP; kind <= UPLINK_PACKET; kind++) {
		for (unsigned i = 0; i < 4; i++) {
			begin((enum uplink_kind)kind);
			put_plain(7);
			errors[0] = ones[i];
			nr_errors = 1;
			CHECK_EQ(receive(1), 1);
			check_plain(packets[0], 7);
			CHECK_EQ(stats.rx_error, 1);
			end();
		}
	}
}

static void an_interrupted_read_is_no_error(void)
{
	for (unsigned kind = UPLINK_TAP; kind <= UPLINK_PACKET; kind++) {
		begin((enum uplink_kind)kind);
		put_plain(7);
		errors[0] = EINTR;
		nr_errors = 1;
		CHECK_EQ(receive(1), 1);
		CHECK_EQ(stats.rx_error, 0);
		end();
	}
}

static void only_an_empty_uplink_may_be_slept_on(void)
{
	for (unsigned kind = UPLINK_TAP; kind <= UPLINK_PACKET; kind++) {
		begin((enum uplink_kind)kind);
		CHECK_EQ(receive(BURST), 0);
		CHECK(may_sleep());
		/* Errors and no end: an end of this burst, and frames wait behind it. */
		put_plain(9);
		nr_errors = 300;
		for (unsigned i = 0; i < nr_errors; i++)
			errors[i] = ENOBUFS;
		calls = 0;
		CHECK_EQ(receive(BURST), 0);
		CHECK(!may_sleep());
		CHECK(stats.rx_error > 0);
		nr_errors = 0;
		CHECK_EQ(receive(BURST), 1);
		check_plain(packets[0], 9);
		CHECK_EQ(receive(BURST), 0);
		CHECK(may_sleep());
		end();
	}
}

static void frames_to_be_dropped_without_end_leave_the_others_their_turn(void)
{
	for (unsigned kind = UPLINK_TAP; kind <= UPLINK_PACKET; kind++) {
		begin((enum uplink_kind)kind);
		endless = true;
		CHECK_EQ(receive(BURST), 0);
		CHECK(calls <= UPLINK_LOOKS * BURST);
		CHECK_EQ(stats.rx_error, calls);
		CHECK(!may_sleep());
		end();
	}
}

static void an_interface_that_is_gone_may_be_slept_on(void)
{
	for (unsigned kind = UPLINK_TAP; kind <= UPLINK_PACKET; kind++) {
		begin((enum uplink_kind)kind);
		errors[0] = errors[1] = kind == UPLINK_TAP ? EBADFD : ENODEV;
		nr_errors = 2;
		CHECK_EQ(receive(BURST), 0);
		CHECK(may_sleep());
		CHECK_EQ(calls, 1);
		end();
	}
}

/* ---- trains of datagrams */

static uint8_t train[ROOM];
static uint32_t train_len;
static struct hf_offload train_offload;
static uint16_t l3, l4;

static uint32_t sum16(uint32_t sum, const uint8_t *at, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static void make_train(unsigned tags, bool v6, uint32_t payload, uint16_t size)
{
	uint32_t at = 12;

	memset(train, 0, sizeof(train));
	memcpy(train, "\x52\x54\0\0\0\1\x52\x54\0\0\0\2", 12);
	for (unsigned i = 0; i < tags; i++, at += 4)
		memcpy(train + at, "\x81\0\0\x07", 4);
	memcpy(train + at, v6 ? "\x86\xdd" : "\x08\0", 2);
	l3 = (uint16_t)(at + 2);
	l4 = (uint16_t)(l3 + (v6 ? 40 : 20));
	if (v6) {
		memcpy(train + l3, "\x60\0\0\0\0\0\x11\x40\xfe\x80", 10);
		memcpy(train + l3 + 24, "\xfe\x81\0\0\xff\xff\xff\xff", 8);
	} else {
		memcpy(train + l3, "\x45\0\0\0\xff\xff\x40\0\x40\x11\xab\xcd\x0a\0\0\1\x0a\0\0\2",
		       20);
	}
	memcpy(train + l4, "\x12\x34\x01\xbb\0\0\x55\x55", 8);
	for (uint32_t i = 0; i < payload; i++)
		train[l4 + 8u + i] = (uint8_t)(i * 31 >> 3);
	train_len = l4 + 8u + payload;
	train_offload = (struct hf_offload){.flags = HF_OFFLOAD_NEEDS_CSUM,
					    .gso_type = UDP_CUT_GSO,
					    .hdr_len = (uint16_t)(l4 + 8),
					    .gso_size = size,
					    .csum_start = l4,
					    .csum_offset = 6};
}

/* A datagram as a receiver judges it, once the checksum is filled in as the offload asks. */
static void check_piece(const struct hf_packet *packet, unsigned number, uint32_t payload)
{
	const uint8_t *ip = packet->data + l3;
	uint8_t *udp = packet->data + l4;
	bool v6 = ip[0] >> 4 == 6;
	uint32_t sum, from = number * (uint32_t)train_offload.gso_size;

	CHECK_EQ(packet->len, l4 + 8u + payload);
	CHECK_EQ(packet->total, packet->len);
	CHECK(!memcmp(packet->data, train, l3));
	CHECK(!memcmp(udp + 8, train + l4 + 8 + from, payload));
	CHECK_EQ(get16(udp + 4), 8 + payload);
	CHECK_EQ(packet->offload.gso_type, HF_GSO_NONE);
	CHECK_EQ(packet->offload.flags, HF_OFFLOAD_NEEDS_CSUM);
	CHECK_EQ(packet->offload.csum_start, l4);
	CHECK_EQ(packet->offload.csum_offset, 6);
	sum = ~sum16(0, udp, 8 + payload) & 0xffff;
	udp[6] = (uint8_t)(sum >> 8);
	udp[7] = (uint8_t)sum;
	sum = sum16(17 + 8 + payload, v6 ? ip + 8 : ip + 12, v6 ? 32 : 8);
	CHECK_EQ(sum16(sum, udp, 8 + payload), 0xffff);
	if (v6) {
		CHECK_EQ(get16(ip + 4), 8 + payload);
		return;
	}
	CHECK_EQ(get16(ip + 2), 28 + payload);
	CHECK_EQ(get16(ip + 4), (0xffff + number) & 0xffff);
	CHECK_EQ(sum16(0, ip, 20), 0xffff);
}

static void a_train_of_datagrams_is_cut_into_them(void)
{
	for (unsigned tags = 0; tags < 3; tags++) {
		for (unsigned v6 = 0; v6 < 2; v6++) {
			begin(UPLINK_PACKET);
			make_train(tags, v6, 1200 * 5 + 77, 1200);
			put(&train_offload, train, train_len);
			CHECK_EQ(receive(BURST), 6);
			for (unsigned i = 0; i < 6; i++)
				check_piece(packets[i], i, i < 5 ? 1200 : 77);
			CHECK_EQ(receive(BURST), 0);
			CHECK_EQ(stats.rx_error, 0);
			end();
		}
	}
}

static void frames_before_and_behind_a_train_stay_there(void)
{
	unsigned at = 0, came;

	begin(UPLINK_PACKET);
	put_plain(1);
	make_train(0, false, 3000, 1000);
	put(&train_offload, train, train_len);
	put_plain(2);
	put(&train_offload, train, train_len);
	put_plain(3);
	/* Two at a time, so that bursts end inside trains. */
	while ((came = receive(2))) {
		for (unsigned i = 0; i < came; i++, at++) {
			if (at % 4 == 0)
				check_plain(packets[i], (uint8_t)(1 + at / 4));
			else
				check_piece(packets[i], at % 4 - 1, 1000);
		}
		CHECK(!may_sleep());
	}
	CHECK_EQ(at, 9);
	CHECK(may_sleep());
	end();
}

static void a_train_of_more_pieces_than_a_burst_is_cut_to_its_end(void)
{
	unsigned at = 0;
	uint16_t came;

	begin(UPLINK_PACKET);
	make_train(0, true, 128 * 500, 500);
	put(&train_offload, train, train_len);
	while ((came = receive(BURST)))
		for (uint16_t i = 0; i < came; i++)
			check_piece(packets[i], at++, 500);
	CHECK_EQ(at, 128);
	end();
}

/* A frame that has the offload and is something else: counted, and what is behind it comes. */
static void refuse_train(void)
{
	uint64_t before = stats.rx_error;

	put(&train_offload, train, train_len);
	put_plain(5);
	CHECK_EQ(receive(BURST), 1);
	check_plain(packets[0], 5);
	CHECK_EQ(stats.rx_error, before + 1);
}

static void what_only_says_it_is_a_train_is_dropped(void)
{
	begin(UPLINK_PACKET);
	for (unsigned wrong = 0; wrong < 13; wrong++) {
		make_train(0, wrong == 12, 3000, 1000);
		switch (wrong) {
		case 0:
			train_offload.gso_size = 0;
			break;
		case 1:
			train_offload.gso_size = 3000 / 129;
			break;
		case 2:
			train_offload.flags = 0;
			break;
		case 3:
			train_offload.csum_offset = 16;
			break;
		case 4:
			train_offload.csum_start = 0xfffb;
			break;
		case 5:
			train_offload.csum_start = (uint16_t)(l4 + 2);
			break;
		case 6:
			train_len = l4 + 8u;
			break;
		case 7:
			train_len = 20;
			break;
		case 8:
			train[l3 + 9] = 6;
			break;
		case 9:
			train[l3 + 6] = 0x20;
			break;
		case 10:
			train[l3] = 0x65;
			break;
		case 11:
			train[12] = 0x99;
			break;
		case 12:
			train_offload.csum_start = (uint16_t)(l3 + 36);
			break;
		}
		refuse_train();
	}
	make_train(3, false, 3000, 1000); /* one tag too many */
	refuse_train();
	end();
}

static void lengths_that_lie_are_never_believed(void)
{
	unsigned state = 1;

	begin(UPLINK_PACKET);
	for (unsigned i = 0; i < 3000; i++) {
		make_train(i % 3, i % 2, 400, 100);
		for (unsigned n = 0; n < 4; n++) {
			state = state * 1664525u + 1013904223u;
			train[(state >> 8) % 62] = (uint8_t)(state >> 24);
		}
		state = state * 1664525u + 1013904223u;
		train_len = 14 + (state >> 8) % (train_len - 14);
		if (i % 4 == 0)
			train_offload.csum_start = (uint16_t)((state >> 16) % 500);
		put(&train_offload, train, train_len);
		while (receive(3))
			CHECK(packets[0]->len <= train_len);
	}
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(an_error_is_counted_and_what_waits_behind_it_comes),
	SENTENCE(an_interrupted_read_is_no_error),
	SENTENCE(only_an_empty_uplink_may_be_slept_on),
	SENTENCE(frames_to_be_dropped_without_end_leave_the_others_their_turn),
	SENTENCE(an_interface_that_is_gone_may_be_slept_on),
	SENTENCE(a_train_of_datagrams_is_cut_into_them),
	SENTENCE(frames_before_and_behind_a_train_stay_there),
	SENTENCE(a_train_of_more_pieces_than_a_burst_is_cut_to_its_end),
	SENTENCE(what_only_says_it_is_a_train_is_dropped),
	SENTENCE(lengths_that_lie_are_never_believed),
};

SUITE("vswitch: receiving from uplinks", sentences)
