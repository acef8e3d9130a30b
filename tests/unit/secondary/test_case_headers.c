/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest says about its packets: the catalogue's cases of the virtio-net header. Each is
 * refused, or the metadata that comes of it lies inside the packet.
 */
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <string.h>

#include "alive.h"
#include "check.h"
#include "net.h"
#include "reference.h"

#define CSUM HF_FEATURE(VIRTIO_NET_F_CSUM)
#define SENDS                                                                                      \
	(CSUM | HF_FEATURE(VIRTIO_NET_F_HOST_TSO4) | HF_FEATURE(VIRTIO_NET_F_HOST_TSO6) |          \
	 HF_FEATURE(VIRTIO_NET_F_HOST_UFO) | HF_FEATURE(VIRTIO_NET_F_HOST_ECN))
#define LEN  ALIVE_FRAME
#define BAD  HF_COUNTER_DROP_BAD_HEADER
#define MOST 4000u

struct header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

static_assert(sizeof(struct header) == 12, "as it lies in the guest's memory");

/* in: csum_start, csum_offset, flags (0: NEEDS_CSUM), bytes of the frame (0: all). */
static void with_csum(struct alive *a, const uint64_t *in)
{
	struct header h = {.flags = in[2] ? (uint8_t)in[2] : VIRTIO_NET_HDR_F_NEEDS_CSUM,
			   .csum_start = (uint16_t)in[0],
			   .csum_offset = (uint16_t)in[1]};
	struct piece piece = {alive_slot(a, 0), 12 + (in[3] ? (uint32_t)in[3] : LEN), 0};

	alive_write(a, piece.gpa);
	guest_write(&a->rig.guest, piece.gpa, &h, sizeof(h));
	alive_put(a, &piece, 1);
}

static void a_checksum_outside_of_the_packet_costs_its_chain(void)
{
	static const struct hostile cases[] = {
		{"(0, 0)", with_csum, BAD, FROM | ANY, CSUM, {0, 0}},
		{"(14, 65535)", with_csum, BAD, FROM | ANY, CSUM, {14, 65535}},
		{"(65535, 0)", with_csum, BAD, FROM | ANY, CSUM, {65535, 0}},
		{"(65535, 65535)", with_csum, BAD, FROM | ANY, CSUM, {65535, 65535}},
		{"(len - 1, 0)", with_csum, BAD, FROM | ANY, CSUM, {LEN - 1, 0}},
		{"(len - 2, 1)", with_csum, BAD, FROM | ANY, CSUM, {LEN - 2, 1}},
		{"(len, 0)", with_csum, BAD, FROM | ANY, CSUM, {LEN, 0}},
		{"(len - 2, 0)", with_csum, ALIVE_DELIVERED, FROM | ANY, CSUM, {LEN - 2, 0}},
		{"(34, 16) of 20 bytes", with_csum, BAD, FROM | ANY, CSUM, {34, 16, 0, 20}},
		{"(40000, 30000): 16 bits wrap", with_csum, BAD, FROM | ANY, CSUM, {40000, 30000}},
		{"(65535, 3): 16 bits wrap", with_csum, BAD, FROM | ANY, CSUM, {65535, 3}},
		{"not negotiated", with_csum, BAD, FROM | ANY, 0, {14, 6}},
	};
	ALIVE_RUN(cases);
}

/* Two VLAN tags; in: csum_start. */
static void with_csum_and_tags(struct alive *a, const uint64_t *in)
{
	static const uint8_t tags[] = {0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 0x08, 0};
	const uint64_t csum[4] = {in[0]};

	with_csum(a, csum);
	guest_write(&a->rig.guest, alive_slot(a, 0) + 12 + 12, tags, sizeof(tags));
}

/* A switch decides by addresses and tags, and the checksum is written later: behind them only. */
static void a_checksum_over_what_a_switch_decides_by_costs_its_chain(void)
{
	static const struct hostile cases[] = {
		{"over the addresses", with_csum, BAD, FROM | ANY, CSUM, {0, 0}},
		{"from the addresses on", with_csum, BAD, FROM | ANY, CSUM, {0, 40}},
		{"the type", with_csum, BAD, FROM | ANY, CSUM, {12, 0}},
		{"half of the type", with_csum, BAD, FROM | ANY, CSUM, {13, 0}},
		{"behind the type", with_csum, ALIVE_DELIVERED, FROM | ANY, CSUM, {14, 0}},
		{"the first tag", with_csum_and_tags, BAD, FROM | ANY, CSUM, {14}},
		{"the second tag", with_csum_and_tags, BAD, FROM | ANY, CSUM, {18}},
		{"half of the type", with_csum_and_tags, BAD, FROM | ANY, CSUM, {21}},
	};
	ALIVE_RUN(cases);
}

/* DATA_VALID and RSC_INFO are the device's to set; from a driver they mean nothing, and neither do
 * bits that nobody has defined. */
static void flags_of_the_device_are_ignored_from_a_driver(void)
{
	static const struct hostile cases[] = {
		{"DATA_VALID", with_csum, ALIVE_DELIVERED, FROM | ANY, 0, {65535, 65535, 2}},
		{"RSC_INFO", with_csum, ALIVE_DELIVERED, FROM | ANY, 0, {65535, 65535, 4}},
		{"all others", with_csum, ALIVE_DELIVERED, FROM | ANY, 0, {65535, 65535, 0xfe}},
	};
	ALIVE_RUN(cases);
}

/* ---- every combination, as the reference judges it */

static uint8_t frames[16][MOST];
static uint32_t lengths[16], nr_frames;
static struct hf_offload partial[16]; /* where the checksum is */

static void add_frame(const struct net_shape *shape, uint32_t cut_to)
{
	struct net_shape s = *shape;

	s.partial = true;
	lengths[nr_frames] = net_build(frames[nr_frames], &s, &partial[nr_frames]);
	if (cut_to)
		lengths[nr_frames] = cut_to;
	nr_frames++;
}

static void make_frames(void)
{
	struct net_shape shape = {.ip = 4, .proto = IPPROTO_TCP, .payload = 1000};
	uint32_t arp;

	nr_frames = 0;
	add_frame(&shape, 0);
	add_frame(&shape, 14 + 20 + 19); /* the TCP header is cut */
	add_frame(&shape, 14);
	add_frame(&shape, 1);
	for (shape.vlans = 1; shape.vlans < 5; shape.vlans++)
		add_frame(&shape, 0);
	shape = (struct net_shape){.ip = 4, .proto = IPPROTO_UDP, .payload = 1000};
	add_frame(&shape, 0);
	shape = (struct net_shape){
		.ip = 6, .proto = IPPROTO_TCP, .payload = 900, .extension = true};
	add_frame(&shape, 0);
	shape.proto = IPPROTO_UDP;
	add_frame(&shape, 0);
	/* TCP's data offset 0 and 15. */
	shape = (struct net_shape){.ip = 4, .proto = IPPROTO_TCP, .payload = 20};
	add_frame(&shape, 0);
	frames[nr_frames - 1][14 + 20 + 12] &= 0x0f;
	add_frame(&shape, 0);
	frames[nr_frames - 1][14 + 20 + 12] |= 0xf0;
	/* ARP. */
	arp = nr_frames;
	add_frame(&shape, 60);
	frames[arp][12] = 0x08;
	frames[arp][13] = 0x06;
	/* An extension header that names itself, to the frame's end and beyond. */
	shape = (struct net_shape){
		.ip = 6, .proto = IPPROTO_TCP, .payload = 900, .extension = true};
	add_frame(&shape, 0);
	frames[nr_frames - 1][14 + 40] = 60;
	frames[nr_frames - 1][14 + 41] = 255;
}

/* Inside of the packet, whatever the guest said. */
static bool is_inside(const struct hf_packet *p)
{
	const struct hf_offload *o = &p->offload;

	if (o->hdr_len > p->total)
		return false;
	if ((o->flags & HF_OFFLOAD_NEEDS_CSUM) &&
	    (uint32_t)o->csum_start + o->csum_offset + 2 > p->total)
		return false;
	return o->gso_type == HF_GSO_NONE || o->gso_size;
}

/* Is what becomes of the header what the reference says? */
static bool same(struct alive *a, const struct header *h, uint32_t frame)
{
	struct piece piece = {alive_slot(a, 0), 12 + lengths[frame], 0};
	uint64_t refused = alive_refusals(a);
	struct hf_offload must;
	bool good = reference_header((const uint8_t *)h, a->rig.features, frames[frame],
				     lengths[frame], &must);

	guest_write(&a->rig.guest, piece.gpa, h, sizeof(*h));
	guest_write(&a->rig.guest, piece.gpa + 12, frames[frame], lengths[frame]);
	if (driver_post(a->d, &piece, 1) < 0 || alive_move(a) != good ||
	    driver_consume_all(a->d) != 1 || alive_refusals(a) != refused + !good)
		return false;
	return !good || (a->packet.total == lengths[frame] && is_inside(&a->packet) &&
			 !memcmp(&a->packet.offload, &must, sizeof(must)) &&
			 !memcmp(a->packet.data, frames[frame], lengths[frame]));
}

static void try(struct alive *a, const struct header *h, uint32_t frame, uint32_t *wrong)
{
	if (same(a, h, frame))
		return;
	if (!(*wrong)++)
		printf("    flags %#x, type %#x, hdr_len %u, gso_size %u, csum %u + %u, frame %u\n",
		       h->flags, h->gso_type, h->hdr_len, h->gso_size, h->csum_start,
		       h->csum_offset, frame);
}

static void check_types(struct alive *a)
{
	static const uint16_t sizes[] = {0, 1, 100, 65535};
	uint32_t wrong = 0;

	make_frames();
	for (uint32_t type = 0; type < 256; type++)
		for (uint32_t frame = 0; frame < nr_frames; frame++)
			for (size_t i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
				struct header h = {.flags = i % 2,
						   .gso_type = (uint8_t)type,
						   .gso_size = sizes[i / 2],
						   .csum_start = partial[frame].csum_start,
						   .csum_offset = partial[frame].csum_offset};

				try(a, &h, frame, &wrong);
				if (type > 5 && (type < 0x81 || type > 0x85))
					continue;
				h.csum_start += 2;
				h.csum_offset -= 2;
				try(a, &h, frame, &wrong);
				h.csum_start -= 2;
				try(a, &h, frame, &wrong);
				h.csum_start = 34;
				h.csum_offset = 16;
				try(a, &h, frame, &wrong);
			}
	CHECK_EQ(wrong, 0);
	CHECK(rig_counter(&a->rig, a->queue, BAD) > 0);
	CHECK(rig_counter(&a->rig, a->queue, HF_COUNTER_GOOD_PACKETS) > 0);
	alive_check(a);
	alive_good(a);
	driver_publish(a->d);
	CHECK_EQ(alive_move(a), 1);
}

/* gso_type 0 … 255, gso_size 0, 1, 65535, the checksum in its place, beside it and not asked for,
 * on TCP, UDP, ARP, cut TCP, data offsets 0 and 15, extension headers and VLAN tags; with the
 * features and without. */
static void every_segmentation_of_every_frame_is_refused_or_inside_the_packet(void)
{
	alive_each(FROM | ANY, SENDS, 0, check_types);
	alive_each(FROM | ANY, CSUM, 0, check_types);
	alive_each(FROM | ANY, SENDS & ~HF_FEATURE(VIRTIO_NET_F_HOST_ECN), 0, check_types);
	alive_each(FROM | ANY, 0, 0, check_types);
}

/* Any number in the header against what the descriptors say. */
static void check_lengths(struct alive *a)
{
	uint32_t wrong = 0;

	make_frames();
	for (uint32_t frame = 0; frame < nr_frames; frame++) {
		const uint32_t len = lengths[frame];
		const uint16_t numbers[] = {
			0,     1,    (uint16_t)(len - 1), (uint16_t)len, (uint16_t)(len + 1), 32767,
			65534, 65535};

		for (size_t i = 0; i < 8 * 8 * 8 * 2; i++) {
			struct header h = {.flags = 1,
					   .gso_type = i & 512 ? 1 : 0,
					   .hdr_len = numbers[i % 8],
					   .gso_size = numbers[i / 8 % 8],
					   .csum_start = numbers[i / 64 % 8],
					   .csum_offset = numbers[(i + i / 8) % 8],
					   .num_buffers = numbers[i % 7]};

			try(a, &h, frame, &wrong);
		}
	}
	CHECK_EQ(wrong, 0);
	alive_check(a);
}

static void any_length_in_a_header_is_held_against_the_descriptors(void)
{
	alive_each(FROM | ANY, SENDS, 0, check_lengths);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_checksum_outside_of_the_packet_costs_its_chain, "[30] [R-9]"),
	CATALOGUE(a_checksum_over_what_a_switch_decides_by_costs_its_chain, "[R-9]"),
	CATALOGUE(flags_of_the_device_are_ignored_from_a_driver, "[R-9]"),
	CATALOGUE(every_segmentation_of_every_frame_is_refused_or_inside_the_packet, "[41] [R-9]"),
	CATALOGUE(any_length_in_a_header_is_held_against_the_descriptors, "[45] [R-9]"),
};
SUITE("hostile headers", sentences)
