/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The direct hop against the way through the caller's memory: for every layout in which a guest
 * may send, every offload, and every kind of guest on the other side, the same bytes have to be
 * in the same places of two receivers: one was hopped to, the other dequeued for and enqueued to.
 * What is the hop's own, who holds what until when, is in test_hop_life.c, and what it walks, calls
 * and keeps in those beside it.
 */
#include <holdfast/burst.h>
#include <holdfast/hop.h>
#include <netinet/in.h>
#include <string.h>

#include "check.h"
#include "net.h"
#include "rig.h"
#include "suite.h"

#ifdef RING_PACKED /* built once for each kind of ring */
#define RING HF_FEATURE(HF_F_RING_PACKED)
#else
#define RING 0ull
#endif
#define SENDS                                                                                      \
	(HF_FEATURE(VIRTIO_NET_F_CSUM) | HF_FEATURE(VIRTIO_NET_F_HOST_TSO4) |                      \
	 HF_FEATURE(VIRTIO_NET_F_HOST_TSO6) | HF_FEATURE(VIRTIO_NET_F_HOST_UFO) |                  \
	 HF_FEATURE(VIRTIO_NET_F_HOST_ECN))
#define TAKES                                                                                      \
	(HF_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | HF_FEATURE(VIRTIO_NET_F_GUEST_TSO4) |               \
	 HF_FEATURE(VIRTIO_NET_F_GUEST_TSO6) | HF_FEATURE(VIRTIO_NET_F_GUEST_UFO) |                \
	 HF_FEATURE(VIRTIO_NET_F_GUEST_ECN))

#define FRAME_MAX 70000u
#define ROOM	  70000u
#define SLOT	  (128u << 10) /* of a chain of the sender */
#define CHAINS	  8u
#define TABLES	  (CHAINS * SLOT) /* from the sender's buffers on */
#define CHAIN_MAX 256u

static struct rig from, hopped, copied;
static uint8_t data[CHAINS][ROOM];
static struct hf_packet packets[CHAINS], *pointers[CHAINS];
static struct hf_hop *hop;

/* ---- what is sent */

struct sent {
	const char *name;
	struct net_shape net;
	uint8_t gso;
	uint16_t gso_size;
	uint32_t bytes; /* no frame of net.c's, just so many bytes */
};

static const struct sent kinds[] = {
	{.name = "a byte", .bytes = 1},
	{.name = "less than the front", .bytes = 60},
	{.name = "as much as the front", .bytes = 64},
	{.name = "a byte more", .bytes = 65},
	{.name = "a full frame", .bytes = 1514},
	{.name = "a jumbo frame", .bytes = 9000},
	{.name = "the largest", .bytes = 65562},
	{.name = "a short checksum", .net = {4, IPPROTO_UDP, .payload = 10, .partial = true}},
	{.name = "a checksum", .net = {6, IPPROTO_TCP, 1, .payload = 1300, .partial = true}},
	{"TSO4", {4, IPPROTO_TCP, .payload = 20000, .partial = true}, HF_GSO_TCPV4, 1448},
	{"TSO4, ECN",
	 {4, IPPROTO_TCP, 2, .options = 12, .payload = 5000, .partial = true},
	 HF_GSO_TCPV4 | HF_GSO_ECN,
	 1000},
	{"TSO6",
	 {6, IPPROTO_TCP, .extension = true, .payload = 30000, .partial = true},
	 HF_GSO_TCPV6,
	 1400},
	{"UFO", {4, IPPROTO_UDP, .payload = 6000, .partial = true}, HF_GSO_UDP, 1480},
};

/* The frame of kind `k`, the header before it (12 bytes, of which 10 may be sent). */
static uint32_t build(const struct sent *k, uint8_t header[12], uint8_t *frame)
{
	struct hf_offload o = {0};
	uint32_t len = k->bytes;

	if (len)
		for (uint32_t i = 0; i < len; i++)
			frame[i] = (uint8_t)(i * 7 + (i >> 8) + len);
	else
		len = net_build(frame, &k->net, &o);
	o.gso_type = k->gso;
	o.gso_size = k->gso_size;
	memset(header, 0, 12);
	memcpy(header, &o, sizeof(o));
	return len;
}

/* How the guest cuts header and frame into descriptors: chunks until the last, which repeats. */
struct layout {
	const char *name;
	uint32_t chunks[4];
	bool indirect;
};

static const struct layout layouts[] = {
	{"one descriptor", {1u << 20}, false},
	{"header and frame", {12, 1u << 20}, false},
	{"header and frame, 10 bytes", {10, 1u << 20}, false},
	{"a cut header", {7, 3, 50, 700}, false},
	{"pages", {12, 4096, 4096, 4096}, true},
	{"page and a bit", {100, 4096, 1000, 3000}, true},
	{"more pieces than are remembered", {20, 300, 7, 300}, true},
};

/* Put one chain, not yet published. */
static void put(const struct sent *kind, const struct layout *layout, uint32_t nr)
{
	static uint8_t bytes[12 + FRAME_MAX];
	static struct piece pieces[CHAIN_MAX];
	uint32_t header = from.features & V1 ? 12 : 10, n = 0, at = 12 - header, end;
	uint64_t gpa = from.buffers + (uint64_t)nr * SLOT, table;
	uint8_t h[12];

	end = 12 + build(kind, h, bytes + 12);
	memcpy(bytes + 12 - header, h, header);
	for (; at < end; n++) {
		uint32_t take = (uint32_t)min_u64(layout->chunks[n < 3 ? n : 3], end - at);

		/* Where the last is 0, or the ring ends, the rest is one. */
		if (!take || n == CHAIN_MAX - 1)
			take = end - at;
		pieces[n] = (struct piece){gpa, take, 0};
		guest_write(&from.guest, gpa, bytes + at, take);
		gpa += take + n % 3; /* mostly apart */
		at += take;
	}
	table = from.buffers + TABLES + (uint64_t)nr * 16 * CHAIN_MAX;
	REQUIRE((layout->indirect ? driver_put_indirect(&from.tx, table, pieces, n)
				  : driver_put(&from.tx, pieces, n)) >= 0);
}

/* ---- who receives */

struct receiver {
	const char *name;
	uint64_t features;
	uint32_t bytes; /* of a buffer */
	bool two;	/* descriptors: header and frame */
	uint16_t base;
};

static const struct receiver receivers[] = {
	{"modern, takes everything", V1 | TAKES, 66000, false, 0},
	{"modern, takes nothing", V1, 66000, false, 0xfff0},
	{"old, takes everything", TAKES, 66000, true, 0},
	{"old, takes nothing", 0, 66000, false, 0},
	{"mergeable, takes everything", V1 | MRG | TAKES, 2000, false, 0xfff0},
	{"mergeable, takes nothing", V1 | MRG, 700, true, 0},
	{"too small", V1 | TAKES, 600, false, 0},
};

/* As many as its ring has, each descriptor with a place of its own. */
static void post_buffers(struct rig *to, const struct receiver *r)
{
	uint32_t header = to->features & (V1 | MRG) ? 12 : 10;

	while (to->rx.descs_free) {
		uint64_t gpa = to->buffers + (uint64_t)to->rx.next_desc * r->bytes;
		struct piece one = {gpa, r->bytes, DRIVER_WRITE};
		struct piece two[] = {{gpa, header, DRIVER_WRITE},
				      {gpa + header, r->bytes - header, DRIVER_WRITE}};

		REQUIRE(driver_put(&to->rx, r->two ? two : &one, r->two ? 2 : 1) >= 0);
	}
	driver_publish(&to->rx);
}

static void open_receiver(struct rig *to, const struct receiver *r)
{
	struct rig_shape shape = {.features = r->features | RING,
				  .size = r->bytes > 3000 ? 32 : 256,
				  .base = r->base,
				  .memory = 2200u << 10};

	REQUIRE(rig_create(to, &shape));
	post_buffers(to, r);
}

static void open_sender(uint64_t features, uint16_t base)
{
	struct rig_shape shape = {
		.features = features | RING, .size = CHAIN_MAX, .base = base, .memory = 2u << 20};

	REQUIRE(rig_create(&from, &shape));
	for (uint32_t i = 0; i < CHAINS; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .room = ROOM};
		pointers[i] = &packets[i];
	}
	hop = hf_hop_create();
	REQUIRE(hop != NULL);
}

static void close_all(void)
{
	hf_hop_destroy(hop);
	CHECK_EQ(driver_check(&from.tx), 0);
	CHECK_EQ(driver_check(&hopped.rx), 0);
	CHECK_EQ(driver_check(&copied.rx), 0);
	rig_destroy(&from);
	rig_destroy(&hopped);
	rig_destroy(&copied);
}

/* Not one byte differs between the two receivers, and no counter. */
static bool same(void)
{
	bool good = !memcmp(hopped.guest.bytes, copied.guest.bytes, hopped.guest.size);

	for (uint32_t i = 0; i < HF_NR_COUNTERS; i++)
		good &= hopped.lanes[0].counters[i] == copied.lanes[0].counters[i];
	return good;
}

static uint16_t hop_over(uint16_t count, uint32_t front)
{
	uint16_t n = hf_hop_peek(hop, from.device, 1, pointers, count, front), taken = 0;

	if (n)
		taken = hf_hop_forward(hop, hopped.device, 0, pointers, n);
	hf_hop_complete(hop, n);
	return taken;
}

static uint16_t copy_over(uint16_t count)
{
	uint16_t n = hf_dequeue_burst(from.device, 1, pointers, count);

	return n ? hf_enqueue_burst(copied.device, 0, pointers, n) : 0;
}

/* One packet between two of another kind: what is special does not overtake what is not. */
static void send_three(const struct sent *kind, const struct layout *layout)
{
	put(&kinds[1], &layouts[0], 0);
	put(kind, layout, 1);
	put(&kinds[4], &layouts[1], 2);
	driver_publish(&from.tx);
}

static void compare(const struct sent *kind, const struct layout *layout, const struct receiver *r,
		    uint32_t front)
{
	uint64_t before[HF_NR_COUNTERS], between[HF_NR_COUNTERS];

	memcpy(before, from.lanes[1].counters, sizeof(before));
	send_three(kind, layout);
	CHECK_EQ(hop_over(CHAINS, front), 3);
	memcpy(between, from.lanes[1].counters, sizeof(between));
	send_three(kind, layout);
	CHECK_EQ(copy_over(CHAINS), 3);
	CHECK_EQ(driver_consume_all(&from.tx), 6);
	/* The sender's counters say the same of both. */
	for (uint32_t i = 0; i < HF_NR_COUNTERS; i++)
		CHECK_EQ(from.lanes[1].counters[i] - between[i], between[i] - before[i]);
	if (!same()) {
		printf("    %s in %s to %s\n", kind->name, layout->name, r->name);
		CHECK(same());
	}
	CHECK_EQ(driver_consume_all(&hopped.rx), driver_consume_all(&copied.rx));
	post_buffers(&hopped, r);
	post_buffers(&copied, r);
}

static void open_all(const struct receiver *r, uint64_t features)
{
	open_sender(features | INDIRECT | SENDS, r->base);
	open_receiver(&hopped, r);
	open_receiver(&copied, r);
	/* The first bursts of a grant call: of all three. */
	send_three(&kinds[0], &layouts[0]);
	CHECK_EQ(hop_over(CHAINS, 64), 3);
	send_three(&kinds[0], &layouts[0]);
	CHECK_EQ(copy_over(CHAINS), 3);
	driver_consume_all(&from.tx);
}

static void every_packet_arrives_as_if_it_had_been_copied(void)
{
	for (size_t r = 0; r < ARRAY_SIZE(receivers); r++) {
		open_all(&receivers[r], r % 2 ? V1 : 0);
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			for (size_t l = 0; l < ARRAY_SIZE(layouts); l++)
				compare(&kinds[k], &layouts[l], &receivers[r], l % 2 ? 64 : 128);
		close_all();
	}
}

static void the_front_may_be_of_any_length(void)
{
	static const uint32_t fronts[] = {0, 1, 14, 63, 65, 256, 1514, 1u << 30};

	for (size_t f = 0; f < ARRAY_SIZE(fronts); f++) {
		const struct receiver *r = &receivers[f % 6];

		open_all(r, V1);
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			for (size_t l = 0; l < ARRAY_SIZE(layouts); l += 2)
				compare(&kinds[k], &layouts[l], r, fronts[f]);
		close_all();
	}
}

/* ---- what a peek shows */

static void a_peek_shows_the_front_and_the_metadata(void)
{
	uint8_t frame[FRAME_MAX], header[12];

	open_sender(V1 | INDIRECT | SENDS, 0);
	for (size_t k = 0; k < CHAINS; k++)
		put(&kinds[k + 4], &layouts[k % 7], (uint32_t)k);
	driver_publish(&from.tx);
	REQUIRE(hf_hop_peek(hop, from.device, 1, pointers, CHAINS, 100) == CHAINS);
	for (size_t k = 0; k < CHAINS; k++) {
		uint32_t len = build(&kinds[k + 4], header, frame);

		CHECK_EQ(packets[k].total, len);
		CHECK(packets[k].len >= min_u64(100, len) && packets[k].len <= len);
		CHECK(!memcmp(packets[k].data, frame, packets[k].len));
		CHECK_EQ(packets[k].offload.flags, header[0]);
		CHECK_EQ(packets[k].offload.gso_type, header[1]);
		/* Whatever the packets behind it, its rest is where it was. */
		hf_hop_copy(hop, &pointers[k], 1);
		CHECK_EQ(packets[k].len, len);
		CHECK(!memcmp(data[k], frame, len));
	}
	CHECK_EQ(driver_used_idx(&from.tx), driver_index(&from.tx, 0));
	hf_hop_complete(hop, CHAINS);
	CHECK_EQ(driver_consume_all(&from.tx), CHAINS);
	/* Whole packets outlive the hop. */
	CHECK_EQ(packets[0].len, packets[0].total);
	hf_hop_destroy(hop);
	CHECK_EQ(driver_check(&from.tx), 0);
	rig_destroy(&from);
}

static void a_copy_goes_on_in_the_segments_behind(void)
{
	static uint8_t frame[FRAME_MAX], more[2][4096];
	struct hf_packet tail[2];
	uint8_t header[12];
	uint32_t len = build(&kinds[5], header, frame);

	for (size_t l = 0; l < ARRAY_SIZE(layouts); l++)
		for (uint32_t room = 256; room < 1000; room += 200) {
			open_sender(V1 | INDIRECT, 0);
			tail[1] = (struct hf_packet){.data = data[1], .room = len - room - 3000};
			tail[0] =
				(struct hf_packet){.data = more[0], .room = 3000, .next = &tail[1]};
			packets[0].room = room;
			packets[0].next = &tail[0];
			put(&kinds[5], &layouts[l], 0);
			driver_publish(&from.tx);
			REQUIRE(hf_hop_peek(hop, from.device, 1, pointers, 1, room - 56) == 1);
			hf_hop_copy(hop, pointers, 1);
			CHECK_EQ(packets[0].len, room);
			CHECK_EQ(tail[0].len, 3000);
			CHECK_EQ(tail[1].len, len - room - 3000);
			CHECK(!memcmp(data[0], frame, room));
			CHECK(!memcmp(more[0], frame + room, 3000));
			CHECK(!memcmp(data[1], frame + room + 3000, len - room - 3000));
			hf_hop_complete(hop, 1);
			/* A byte less, and it goes back as from a dequeue. */
			tail[1].room--;
			put(&kinds[5], &layouts[l], 0);
			driver_publish(&from.tx);
			CHECK_EQ(hf_hop_peek(hop, from.device, 1, pointers, 1, 64), 0);
			CHECK_EQ(rig_counter(&from, 1, HF_COUNTER_DROP_TOO_BIG), 1);
			CHECK_EQ(driver_consume_all(&from.tx), 2);
			hf_hop_destroy(hop);
			rig_destroy(&from);
		}
}

/* Both are the guest's own memory; it may have put one into the other. */
static void a_packet_may_go_back_to_the_guest_it_came_from(void)
{
	uint8_t frame[FRAME_MAX], header[12];
	struct piece room;

	open_sender(V1, 0);
	room = (struct piece){from.buffers + SLOT, SLOT, DRIVER_WRITE};
	put(&kinds[5], &layouts[0], 0);
	put(&kinds[1], &layouts[0], 2);
	driver_publish(&from.tx);
	REQUIRE(driver_put(&from.rx, &room, 1) >= 0);
	room = (struct piece){from.buffers + 3 * SLOT, SLOT, DRIVER_WRITE};
	REQUIRE(driver_post(&from.rx, &room, 1) >= 0);
	REQUIRE(hf_hop_peek(hop, from.device, 1, pointers, 2, 64) == 2);
	CHECK_EQ(hf_hop_forward(hop, from.device, 0, pointers, 2), 2);
	/* But not into the ring that is held. */
	CHECK_EQ(hf_hop_forward(hop, from.device, 1, pointers, 1), 0);
	CHECK_EQ(hf_load_acquire(&from.lanes[1].busy), 1);
	hf_hop_complete(hop, 2);
	CHECK_EQ(hf_load_acquire(&from.lanes[1].busy), 0);
	CHECK(!memcmp(guest_at(&from.guest, from.buffers + SLOT + 12), frame,
		      build(&kinds[5], header, frame)));
	CHECK(!memcmp(guest_at(&from.guest, from.buffers + 3 * SLOT + 12), frame,
		      build(&kinds[1], header, frame)));
	hf_hop_destroy(hop);
	CHECK_EQ(driver_check(&from.tx), 0);
	rig_destroy(&from);
}

static const struct sentence sentences[] = {
	SENTENCE(every_packet_arrives_as_if_it_had_been_copied),
	SENTENCE(the_front_may_be_of_any_length),
	SENTENCE(a_peek_shows_the_front_and_the_metadata),
	SENTENCE(a_copy_goes_on_in_the_segments_behind),
	SENTENCE(a_packet_may_go_back_to_the_guest_it_came_from),
};
SUITE("direct hop", sentences)
