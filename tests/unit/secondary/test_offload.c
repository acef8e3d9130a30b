/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest did not negotiate is done for it: checksums, TCP segmentation, UDP fragmentation.
 * Everything that arrives is judged by model/net.c, which takes frames apart byte by byte.
 */
#include <holdfast/burst.h>
#include <netinet/in.h>
#include <string.h>

#include "net.h"
#include "rig.h"
#include "suite.h"

#define MERGEABLE (HF_FEATURE(HF_F_VERSION_1) | HF_FEATURE(VIRTIO_NET_F_MRG_RXBUF))
#ifdef RING_PACKED /* built once for each kind of ring */
#define RING HF_FEATURE(HF_F_RING_PACKED)
#else
#define RING 0ull
#endif
#define BUFFER_BYTES 2048u
#define FRAME_MAX    70000u
#define SEED	     5u

static struct rig rig;
static uint8_t frame[FRAME_MAX], untouched[FRAME_MAX], arrived[FRAME_MAX];
static uint32_t arrived_len;
static uint8_t arrived_header[12];

static uint64_t offered[1024]; /* by head, or id: the buffer there */

static void offer(struct piece piece)
{
	int head = driver_put(&rig.rx, &piece, 1);

	REQUIRE(head >= 0);
	offered[head] = piece.gpa;
}

static void open_guest(uint64_t features, uint32_t buffers, uint32_t bytes)
{
	struct rig_shape shape = {.features = features | RING, .size = 1024, .memory = 8u << 20};

	REQUIRE(rig_create(&rig, &shape));
	for (uint32_t i = 0; i < buffers; i++) {
		struct piece piece = {rig.buffers + (uint64_t)i * bytes, bytes, DRIVER_WRITE};

		offer(piece);
	}
	driver_publish(&rig.rx);
}

static void close_guest(void)
{
	CHECK_EQ(driver_check(&rig.rx), 0);
	rig_destroy(&rig);
}

/* Enqueue `len` bytes of frame[], in `segments` pieces. */
static uint16_t deliver(uint32_t len, const struct hf_offload *offload, uint32_t segments)
{
	struct hf_packet packets[4] = {{0}}, *first = packets;
	uint32_t at = 0;

	for (uint32_t i = 0; i < segments; i++) {
		uint32_t take =
			i + 1 == segments ? len - at : (uint32_t)min_u64(61 * i + 7, len - at);

		packets[i] = (struct hf_packet){.data = frame + at,
						.len = take,
						.next = i + 1 < segments ? &packets[i + 1] : NULL};
		at += take;
	}
	packets[0].total = len;
	packets[0].offload = *offload;
	memcpy(untouched, frame, len);
	return hf_enqueue_burst(rig.device, 0, &first, 1);
}

/* Gather the next packet that the guest received, over as many buffers as it says. */
static bool receive(void)
{
	struct driver_used used;
	uint32_t header = 12, left = 1;
	uint64_t addr;

	arrived_len = 0;
	for (uint32_t i = 0; i < left; i++) {
		uint32_t skip = i ? 0 : header;

		if (!driver_consume(&rig.rx, &used))
			return false;
		addr = offered[used.id % ARRAY_SIZE(offered)];
		if (!i) {
			memcpy(arrived_header, guest_at(&rig.guest, addr), header);
			left = arrived_header[10] + arrived_header[11] * 256u;
		}
		memcpy(arrived + arrived_len, guest_at(&rig.guest, addr + skip), used.len - skip);
		arrived_len += used.len - skip;
	}
	return true;
}

static void header_asks_for_nothing(void)
{
	for (int i = 0; i < 10; i++)
		CHECK_EQ(arrived_header[i], 0);
}

/* ---- checksums */

static void check_checksum(const struct net_shape *shape, uint32_t segments)
{
	struct hf_offload offload;
	struct net_seen seen;
	uint32_t len = net_build(frame, shape, &offload);

	open_guest(MERGEABLE, 4, BUFFER_BYTES);
	CHECK_EQ(deliver(len, &offload, segments), 1);
	CHECK(memcmp(frame, untouched, len) == 0);
	REQUIRE(receive());
	CHECK_EQ(arrived_len, len);
	header_asks_for_nothing();
	REQUIRE(net_parse(arrived, arrived_len, &seen));
	CHECK(seen.l4_checksum_ok);
	CHECK(seen.ip_checksum_ok);
	CHECK(memcmp(arrived + seen.payload, frame + seen.payload, seen.payload_len) == 0);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_SOFTWARE_CSUM), 1);
	close_guest();
}

static void a_checksum_is_completed_for_every_kind_of_frame(void)
{
	for (uint8_t ip = 4; ip <= 6; ip += 2)
		for (uint8_t vlans = 0; vlans <= 2; vlans++)
			for (uint32_t payload = 0; payload < 140; payload += 23) {
				struct net_shape shape = {.ip = ip,
							  .proto = IPPROTO_TCP,
							  .vlans = vlans,
							  .payload = payload,
							  .seed = payload,
							  .partial = true};

				check_checksum(&shape, 1);
				shape.proto = IPPROTO_UDP;
				check_checksum(&shape, 1);
			}
}

static void a_checksum_is_completed_over_segments(void)
{
	struct net_shape shape = {.ip = 4, .proto = IPPROTO_TCP, .payload = 1001, .partial = true};

	check_checksum(&shape, 2);
	check_checksum(&shape, 4);
}

static void a_udp_checksum_that_is_zero_is_sent_as_ffff(void)
{
	struct net_shape shape = {.ip = 4, .proto = IPPROTO_UDP, .payload = 2, .partial = true};
	struct hf_offload offload;
	uint32_t len = net_build(frame, &shape, &offload);
	uint16_t rest;

	/* Make the sum of everything 0xffff, so that its complement is zero. */
	frame[len - 2] = frame[len - 1] = 0;
	rest = (uint16_t)~net_sum(frame + offload.csum_start, len - offload.csum_start, 0);
	frame[len - 2] = (uint8_t)(rest >> 8);
	frame[len - 1] = (uint8_t)rest;
	open_guest(MERGEABLE, 1, BUFFER_BYTES);
	CHECK_EQ(deliver(len, &offload, 1), 1);
	REQUIRE(receive());
	CHECK_EQ(arrived[offload.csum_start + 6], 0xff);
	CHECK_EQ(arrived[offload.csum_start + 7], 0xff);
	close_guest();
}

static void what_was_negotiated_is_passed_on_untouched(void)
{
	struct net_shape shape = {
		.ip = 4, .proto = IPPROTO_TCP, .payload = 3000, .seed = 3, .partial = true};
	struct hf_offload offload;
	uint32_t len = net_build(frame, &shape, &offload);

	offload.gso_type = HF_GSO_TCPV4;
	offload.gso_size = 1000;
	open_guest(MERGEABLE | HF_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
			   HF_FEATURE(VIRTIO_NET_F_GUEST_TSO4),
		   8, BUFFER_BYTES);
	CHECK_EQ(deliver(len, &offload, 1), 1);
	REQUIRE(receive());
	CHECK_EQ(arrived_len, len);
	CHECK(memcmp(arrived, frame, len) == 0);
	CHECK_EQ(arrived_header[0], HF_OFFLOAD_NEEDS_CSUM);
	CHECK_EQ(arrived_header[1], HF_GSO_TCPV4);
	CHECK_EQ(arrived_header[4] + arrived_header[5] * 256, 1000);
	CHECK_EQ(arrived_header[6] + arrived_header[7] * 256, offload.csum_start);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_SOFTWARE_GSO), 0);
	close_guest();
}

static void data_valid_is_passed_only_to_a_guest_that_knows_it(void)
{
	struct net_shape shape = {.ip = 4, .proto = IPPROTO_TCP, .payload = 100};
	struct hf_offload offload = {.flags = HF_OFFLOAD_DATA_VALID};
	uint32_t len = net_build(frame, &shape, NULL);

	open_guest(MERGEABLE, 2, BUFFER_BYTES);
	CHECK_EQ(deliver(len, &offload, 1), 1);
	REQUIRE(receive());
	header_asks_for_nothing();
	close_guest();
	open_guest(MERGEABLE | HF_FEATURE(VIRTIO_NET_F_GUEST_CSUM), 2, BUFFER_BYTES);
	CHECK_EQ(deliver(len, &offload, 1), 1);
	REQUIRE(receive());
	CHECK_EQ(arrived_header[0], HF_OFFLOAD_DATA_VALID);
	close_guest();
}

/* ---- TCP segmentation */

static void check_segment(const struct net_seen *s, const struct net_shape *shape, uint32_t at,
			  uint32_t size, uint32_t number)
{
	uint32_t wrong = 0, want = (uint32_t)min_u64(size, shape->payload - at);
	bool last = at + want == shape->payload;
	uint8_t flags = shape->tcp_flags;

	if (!last)
		flags &= (uint8_t) ~(NET_FIN | NET_PSH);
	if (at)
		flags &= (uint8_t)~NET_CWR;
	CHECK(s->ip_checksum_ok);
	CHECK(s->l4_checksum_ok);
	CHECK(s->lengths_ok);
	CHECK_EQ(s->payload_len, want);
	CHECK_EQ(s->seq, (uint32_t)(shape->seq + at));
	CHECK_EQ(s->tcp_flags, flags);
	CHECK_EQ(s->vlans, shape->vlans);
	if (shape->ip == 4)
		CHECK_EQ(s->ip_id, (uint16_t)(shape->ip_id + number));
	for (uint32_t i = 0; i < s->payload_len; i++)
		wrong += arrived[s->payload + i] != net_payload_byte(shape->seed, at + i);
	CHECK_EQ(wrong, 0);
	header_asks_for_nothing();
}

static void check_segmentation(const struct net_shape *shape, uint32_t size, uint32_t pieces)
{
	struct hf_offload offload;
	struct net_seen seen;
	uint32_t len = net_build(frame, shape, &offload), at = 0, number = 0;

	offload.gso_type = (shape->ip == 4 ? HF_GSO_TCPV4 : HF_GSO_TCPV6) |
			   (shape->tcp_flags & NET_CWR ? HF_GSO_ECN : 0);
	offload.gso_size = (uint16_t)size;
	open_guest(MERGEABLE, 1024, BUFFER_BYTES);
	CHECK_EQ(deliver(len, &offload, pieces), 1);
	CHECK(memcmp(frame, untouched, len) == 0);
	while (receive()) {
		REQUIRE(net_parse(arrived, arrived_len, &seen));
		check_segment(&seen, shape, at, size, number++);
		at += seen.payload_len;
	}
	CHECK_EQ(at, shape->payload);
	CHECK_EQ(number, (shape->payload + size - 1) / size);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_SOFTWARE_GSO), 1);
	close_guest();
}

static void tcp_is_cut_into_valid_segments(void)
{
	static const uint32_t sizes[][2] = {{3000, 1000}, {3001, 1000}, {1448, 1448}, {100, 1448},
					    {9000, 536},  {1000, 7},	{1, 1}};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (uint8_t ip = 4; ip <= 6; ip += 2)
			for (uint8_t vlans = 0; vlans <= 2; vlans++) {
				struct net_shape shape = {.ip = ip,
							  .proto = IPPROTO_TCP,
							  .vlans = vlans,
							  .options = vlans ? 12 : 0,
							  .payload = sizes[i][0],
							  .seed = SEED,
							  .seq = UINT32_MAX - 1500,
							  .ip_id = 65534,
							  .tcp_flags = NET_ACK | NET_PSH | NET_FIN,
							  .partial = true};

				check_segmentation(&shape, sizes[i][1], 1 + vlans);
			}
}

static void only_the_first_segment_says_cwr(void)
{
	struct net_shape shape = {.ip = 4,
				  .proto = IPPROTO_TCP,
				  .payload = 5000,
				  .seed = SEED,
				  .tcp_flags = NET_ACK | NET_CWR | NET_PSH,
				  .partial = true};

	check_segmentation(&shape, 1400, 1);
	shape.ip = 6;
	shape.extension = true;
	check_segmentation(&shape, 1400, 2);
}

static void the_largest_tcp_frame_there_is_is_cut(void)
{
	struct net_shape shape = {.ip = 4,
				  .proto = IPPROTO_TCP,
				  .payload = 65535 - 40,
				  .seed = SEED,
				  .tcp_flags = NET_ACK,
				  .partial = true};

	check_segmentation(&shape, 1460, 1);
	check_segmentation(&shape, 1460, 3);
	shape.vlans = 2;
	check_segmentation(&shape, 1460, 1);
}

static void segments_are_all_delivered_or_none(void)
{
	struct net_shape shape = {
		.ip = 4, .proto = IPPROTO_TCP, .payload = 10000, .seed = SEED, .partial = true};
	struct hf_offload offload;
	uint32_t len = net_build(frame, &shape, &offload), cut;

	offload.gso_type = HF_GSO_TCPV4;
	offload.gso_size = 1000;
	open_guest(MERGEABLE, 9, BUFFER_BYTES);
	CHECK_EQ(deliver(len, &offload, 1), 0);
	/* Who asks what the guest has it do is told of frames, too: those there are buffers for. */
	(void)hf_enqueue_walked(rig.device, 0, &cut);
	CHECK_EQ(cut, 9);
	CHECK_EQ(driver_used_idx(&rig.rx), driver_index(&rig.rx, 0));
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_NO_GUEST_BUFFER), 1);
	for (uint32_t i = 9; i < 10; i++) {
		struct piece piece = {rig.buffers + i * BUFFER_BYTES, BUFFER_BYTES, DRIVER_WRITE};

		offer(piece);
		driver_publish(&rig.rx);
	}
	CHECK_EQ(deliver(len, &offload, 1), 1);
	CHECK(hf_enqueue_walked(rig.device, 0, &cut) >= 10);
	CHECK_EQ(cut, 10);
	(void)hf_enqueue_walked(rig.device, 0, &cut);
	CHECK_EQ(cut, 0);
	CHECK_EQ(driver_consume_all(&rig.rx), 10);
	close_guest();
}

/* ---- UDP fragmentation */

/* Put the fragments together again; the datagram's checksum must then be right. */
static void check_fragmentation(const struct net_shape *shape, uint32_t size)
{
	static uint8_t whole[FRAME_MAX];
	struct hf_offload offload;
	struct net_seen seen = {0}, original;
	uint32_t len = net_build(frame, shape, &offload), at = 0, id = 0;
	uint16_t pseudo;

	REQUIRE(net_parse(frame, len, &original));
	offload.gso_type = HF_GSO_UDP;
	offload.gso_size = (uint16_t)size;
	open_guest(MERGEABLE, 200, BUFFER_BYTES);
	CHECK_EQ(deliver(len, &offload, 1), 1);
	while (receive()) {
		REQUIRE(net_parse(arrived, arrived_len, &seen));
		CHECK(seen.fragment);
		CHECK(seen.ip_checksum_ok);
		CHECK(seen.lengths_ok);
		CHECK_EQ(seen.fragment_offset, at);
		CHECK(seen.payload_len <= size);
		id = at ? id : seen.fragment_id;
		CHECK_EQ(seen.fragment_id, id);
		CHECK_EQ(seen.more_fragments, at + seen.payload_len < 8 + shape->payload);
		header_asks_for_nothing();
		memcpy(whole + at, arrived + seen.payload, seen.payload_len);
		at += seen.payload_len;
	}
	CHECK_EQ(at, 8 + shape->payload);
	CHECK(memcmp(whole + 8, frame + original.payload, shape->payload) == 0);
	/* The pseudo-header's sum is what a partial checksum starts with. */
	pseudo = (uint16_t)(frame[original.l4 + 6] << 8 | frame[original.l4 + 7]);
	CHECK_EQ(net_sum(whole, at, pseudo), 0xffff);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_SOFTWARE_GSO), 1);
	close_guest();
}

static void udp_is_cut_into_valid_fragments(void)
{
	static const uint32_t sizes[][2] = {
		{4000, 1480}, {3001, 1000}, {8952, 1448}, {65507, 1480}};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (uint8_t ip = 4; ip <= 6; ip += 2)
			for (uint8_t vlans = 0; vlans <= 2; vlans++) {
				struct net_shape shape = {.ip = ip,
							  .proto = IPPROTO_UDP,
							  .vlans = vlans,
							  .payload = sizes[i][0],
							  .seed = SEED,
							  .ip_id = 99,
							  .partial = true};

				check_fragmentation(&shape, sizes[i][1]);
			}
}

/* With the fragment's own header the length of a fragment as large as was asked for has 17 bits. */
static void the_largest_datagram_of_ipv6_is_cut_into_two(void)
{
	struct net_shape shape = {
		.ip = 6, .proto = IPPROTO_UDP, .payload = 65535 - 8, .seed = SEED, .partial = true};

	check_fragmentation(&shape, 65535);
	shape.extension = true;
	shape.payload -= 8;
	check_fragmentation(&shape, 65535);
}

static uint32_t id_of_a_fragment(const struct net_shape *shape)
{
	struct hf_offload offload;
	struct net_seen seen;
	uint32_t len = net_build(frame, shape, &offload);

	offload.gso_type = HF_GSO_UDP;
	offload.gso_size = 1000;
	CHECK_EQ(deliver(len, &offload, 1), 1);
	REQUIRE(receive());
	REQUIRE(net_parse(arrived, arrived_len, &seen));
	while (receive())
		;
	return seen.fragment_id;
}

/* Two of a guest's vrings have datagrams of the same two hosts; and each owner counts from 0. */
static void datagrams_of_other_grants_have_other_numbers(void)
{
	static const struct net_shape shape = {
		.ip = 6, .proto = IPPROTO_UDP, .payload = 1500, .partial = true};
	uint32_t ids[8];

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		struct hf_vring *v;

		open_guest(MERGEABLE, 8, BUFFER_BYTES);
		v = rig.device->vrings[0];
		v->my_grant += 2ull * (i / 2);
		rig.grants[0] += 2ull * (i / 2);
		if (i % 2)
			(void)id_of_a_fragment(&shape);
		ids[i] = id_of_a_fragment(&shape);
		for (unsigned j = 0; j < i; j++)
			CHECK(ids[j] != ids[i]);
		close_guest();
	}
}

/* Whoever is to pay for it is told beforehand: of each kind of packet, by each set of features. */
static void what_would_be_cut_is_what_is_cut(void)
{
	static const struct {
		struct net_shape shape;
		uint8_t type;
	} kinds[] = {
		{{4, IPPROTO_TCP, .payload = 3000, .partial = true}, HF_GSO_TCPV4},
		{{4, IPPROTO_TCP, .payload = 3000, .partial = true}, HF_GSO_TCPV4 | HF_GSO_ECN},
		{{6, IPPROTO_TCP, .payload = 3000, .partial = true}, HF_GSO_TCPV6},
		{{4, IPPROTO_UDP, .payload = 3000, .partial = true}, HF_GSO_UDP},
		{{4, IPPROTO_TCP, .payload = 300, .partial = true}, HF_GSO_NONE}};
	static const uint8_t bits[] = {VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4,
				       VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_UFO,
				       VIRTIO_NET_F_GUEST_ECN};
	unsigned cut = 0;

	for (unsigned set = 0; set < 1u << ARRAY_SIZE(bits); set++) {
		uint64_t features = MERGEABLE;

		for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
			if (set & 1u << i)
				features |= HF_FEATURE(bits[i]);
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			struct hf_offload offload;
			uint32_t len = net_build(frame, &kinds[k].shape, &offload);
			bool cuts;

			offload.gso_type = kinds[k].type;
			offload.gso_size = kinds[k].type ? 1000 : 0;
			open_guest(features, 8, BUFFER_BYTES);
			cuts = hf_enqueue_cuts(rig.device, &offload);
			CHECK_EQ(deliver(len, &offload, 1), 1);
			CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_SOFTWARE_GSO), cuts);
			cut += cuts;
			(void)driver_consume_all(&rig.rx);
			close_guest();
		}
	}
	/* All need CSUM, and one of the others, which ECN does twice. */
	CHECK_EQ(cut, 3 * 24 + 28);
}

/* Two segments find room, the chain of the third is bad, and then there is none: the first two
 * chains go back with it, empty, and none of the three is walked again. */
static void chains_that_a_segmentation_gave_back_stay_with_the_guest(void)
{
	struct net_shape shape = {.ip = 4, .proto = IPPROTO_TCP, .payload = 3000, .partial = true};
	struct hf_offload offload;
	struct driver_used used;
	struct piece good, bad = {UINT64_MAX - 4096, BUFFER_BYTES, DRIVER_WRITE};
	uint32_t len = net_build(frame, &shape, &offload);

	offload.gso_type = HF_GSO_TCPV4;
	offload.gso_size = 1000;
	open_guest(MERGEABLE, 2, BUFFER_BYTES);
	offer(bad);
	driver_publish(&rig.rx);
	CHECK_EQ(deliver(len, &offload, 1), 0);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_BAD_ADDRESS), 1);
	for (int i = 0; i < 3; i++) {
		REQUIRE(driver_consume(&rig.rx, &used));
		CHECK_EQ(used.len, 0);
	}
	CHECK(!driver_consume(&rig.rx, &used));
	CHECK_EQ(deliver(len, &offload, 1), 0);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_BAD_ADDRESS), 1);
	for (uint32_t i = 0; i < 3; i++) {
		good = (struct piece){rig.buffers + (8 + i) * BUFFER_BYTES, BUFFER_BYTES,
				      DRIVER_WRITE};
		offer(good);
	}
	driver_publish(&rig.rx);
	CHECK_EQ(deliver(len, &offload, 1), 1);
	for (int i = 0; i < 3; i++)
		REQUIRE(receive());
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_SOFTWARE_GSO), 1);
	close_guest();
}

/* ---- what does not fit its packet */

static void metadata_that_lies_is_dropped_and_counted(void)
{
	struct net_shape shape = {.ip = 4, .proto = IPPROTO_TCP, .payload = 500, .partial = true};
	struct hf_offload good;
	uint32_t len = net_build(frame, &shape, &good);
	struct hf_offload bad[] = {
		{.flags = 1, .csum_start = 0, .csum_offset = 40},
		{.flags = 1, .csum_start = 13},
		{.flags = 1, .csum_start = (uint16_t)len},
		{.flags = 1, .csum_start = (uint16_t)(len - 1)},
		{.flags = 1, .csum_start = 14, .csum_offset = 65535},
		{.flags = 1, .csum_start = 65535, .csum_offset = 65535},
		{.flags = 1, .gso_type = HF_GSO_TCPV4, .csum_start = 34, .csum_offset = 16},
		{.flags = 0, .gso_type = HF_GSO_TCPV4, .gso_size = 100},
		{.flags = 1, .gso_type = HF_GSO_TCPV6, .gso_size = 100, .csum_start = 34},
		{.flags = 1, .gso_type = HF_GSO_UDP, .gso_size = 100, .csum_start = 34},
		{.flags = 1, .gso_type = 2, .gso_size = 100, .csum_start = 34},
		{.flags = 1, .gso_type = HF_GSO_ECN, .gso_size = 100, .csum_start = 34},
		/* Of the right kind, and another checksum than that of its TCP header. */
		{1, HF_GSO_TCPV4, .gso_size = 100, .csum_start = 36, .csum_offset = 14},
		{1, HF_GSO_TCPV4, .gso_size = 100, .csum_start = 34, .csum_offset = 6},
		{1, HF_GSO_TCPV4, .gso_size = 100, .csum_start = 14, .csum_offset = 16},
	};
	static const struct hf_offload bad_udp[] = {
		{0, HF_GSO_UDP, .gso_size = 104},
		{0, HF_GSO_UDP, .gso_size = 104, .csum_start = 34, .csum_offset = 6},
		{1, HF_GSO_UDP, .gso_size = 104, .csum_start = 34, .csum_offset = 16},
		{1, HF_GSO_UDP, .gso_size = 104, .csum_start = 40, .csum_offset = 0},
	};
	uint64_t before;

	open_guest(MERGEABLE, 4, BUFFER_BYTES);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(deliver(len, &bad[i], 1), 1);
		CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_BAD_METADATA), i + 1);
	}
	before = rig_counter(&rig, 0, HF_COUNTER_DROP_BAD_METADATA);
	shape.proto = IPPROTO_UDP;
	len = net_build(frame, &shape, &good);
	for (size_t i = 0; i < ARRAY_SIZE(bad_udp); i++) {
		CHECK_EQ(deliver(len, &bad_udp[i], 1), 1);
		CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_BAD_METADATA), before + i + 1);
	}
	CHECK_EQ(driver_used_idx(&rig.rx), driver_index(&rig.rx, 0));
	CHECK_EQ(deliver(len, &good, 1), 1);
	CHECK(receive());
	close_guest();
}

static void a_fragment_is_not_segmented(void)
{
	static const uint8_t fields[][2] = {{0x20, 0}, {0, 1}, {0x20, 185}, {0x1f, 0xff}};
	struct net_shape shape = {.ip = 4, .proto = IPPROTO_TCP, .payload = 500, .partial = true};
	struct hf_offload offload;
	uint32_t len = net_build(frame, &shape, &offload);

	offload.gso_type = HF_GSO_TCPV4;
	offload.gso_size = 100;
	open_guest(MERGEABLE, 8, BUFFER_BYTES);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		memcpy(frame + 14 + 6, fields[i], 2); /* more fragments, or an offset */
		CHECK_EQ(deliver(len, &offload, 1), 1);
		CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_BAD_METADATA), i + 1);
	}
	CHECK_EQ(driver_used_idx(&rig.rx), driver_index(&rig.rx, 0));
	close_guest();
}

static const struct sentence sentences[] = {
	SENTENCE(a_checksum_is_completed_for_every_kind_of_frame),
	SENTENCE(a_checksum_is_completed_over_segments),
	SENTENCE(a_udp_checksum_that_is_zero_is_sent_as_ffff),
	SENTENCE(what_was_negotiated_is_passed_on_untouched),
	SENTENCE(data_valid_is_passed_only_to_a_guest_that_knows_it),
	SENTENCE(tcp_is_cut_into_valid_segments),
	SENTENCE(only_the_first_segment_says_cwr),
	SENTENCE(the_largest_tcp_frame_there_is_is_cut),
	SENTENCE(segments_are_all_delivered_or_none),
	SENTENCE(udp_is_cut_into_valid_fragments),
	SENTENCE(what_would_be_cut_is_what_is_cut),
	SENTENCE(the_largest_datagram_of_ipv6_is_cut_into_two),
	SENTENCE(datagrams_of_other_grants_have_other_numbers),
	SENTENCE(chains_that_a_segmentation_gave_back_stay_with_the_guest),
	SENTENCE(metadata_that_lies_is_dropped_and_counted),
	SENTENCE(a_fragment_is_not_segmented),
};
SUITE("offload", sentences)
