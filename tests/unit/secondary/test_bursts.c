/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bursts on rings of both kinds (RING_PACKED: built once for each), in and out of a model guest:
 * what arrives, what is called, where indices wrap. What hostile guests do is in
 * test_hostile_ring.c; test_reference.c compares the bursts with a reference on random images.
 */
#include <fcntl.h>
#include <holdfast/burst.h>
#include <holdfast/device.h>
#include <holdfast/hop.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "rarp.h"
#include "rig.h"
#include "suite.h"

#ifdef RING_PACKED
#define RING HF_FEATURE(HF_F_RING_PACKED)
#else
#define RING 0ull
#endif
#define EVENT_IDX  HF_FEATURE(HF_F_EVENT_IDX)
#define ANY_LAYOUT HF_FEATURE(27)

#define BURST	   32u
#define PACKET_MAX 70000u
#define SLOT	   4096u

static struct rig rig;
static uint8_t data[BURST][PACKET_MAX];
static struct hf_packet packets[BURST], *pointers[BURST];

static void open_rig(uint64_t features, uint16_t size, uint16_t base)
{
	struct rig_shape shape = {
		.features = features | RING, .size = size, .base = base, .memory = 8u << 20};

	REQUIRE(rig_create(&rig, &shape));
}

static void close_rig(void)
{
	CHECK_EQ(driver_check(&rig.tx), 0);
	CHECK_EQ(driver_check(&rig.rx), 0);
	rig_destroy(&rig);
}

static uint32_t header_bytes(void)
{
	return rig.features & (V1 | MRG) ? 12 : 10;
}

static uint64_t slot(uint32_t i)
{
	return rig.buffers + (uint64_t)i * SLOT;
}

/* The index of a ring that has moved `n`. */
static uint16_t at(uint32_t n)
{
	return driver_index(&rig.tx, n);
}

static uint8_t byte_of(uint32_t seed, uint32_t i)
{
	return (uint8_t)(seed * 37 + i * 11 + (i >> 8));
}

/* The guest writes a header of zeros and `len` bytes of packet `seed` at gpa. */
static void write_packet(uint64_t gpa, uint32_t len, uint32_t seed)
{
	static uint8_t bytes[PACKET_MAX + 12];
	uint32_t header = header_bytes();

	memset(bytes, 0, header);
	for (uint32_t i = 0; i < len; i++)
		bytes[header + i] = byte_of(seed, i);
	guest_write(&rig.guest, gpa, bytes, header + len);
}

static void make_room(uint32_t room)
{
	for (uint32_t i = 0; i < BURST; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .room = room};
		pointers[i] = &packets[i];
	}
}

static uint16_t dequeue(uint16_t count)
{
	make_room(PACKET_MAX);
	return hf_dequeue_burst(rig.device, 1, pointers, count);
}

/* Packets for the guest: number i has seed + i. */
static void make_packets(uint32_t count, uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < len; k++)
			data[i][k] = byte_of(seed + i, k);
		packets[i] = (struct hf_packet){.data = data[i], .len = len, .total = len};
		pointers[i] = &packets[i];
	}
}

static bool is_packet(const uint8_t *bytes, uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		if (bytes[i] != byte_of(seed, i))
			return false;
	return true;
}

static void came(uint32_t index, uint32_t len, uint32_t seed)
{
	CHECK_EQ(packets[index].total, len);
	CHECK(is_packet(packets[index].data, len, seed));
	CHECK_EQ(packets[index].offload.flags, 0);
	CHECK_EQ(packets[index].offload.gso_type, 0);
}

/* Split header + len bytes of packet `seed` into chunks, each in a slot of its own. */
static uint32_t scatter(struct piece *pieces, uint32_t len, uint32_t seed, const uint32_t *chunks,
			uint32_t nr_chunks)
{
	uint32_t total = header_bytes() + len, at = 0, n = 0;
	uint64_t flat = slot(200);

	write_packet(flat, len, seed);
	for (; at < total; n++) {
		uint32_t take = n < nr_chunks ? chunks[n] : total - at;

		take = (uint32_t)min_u64(take, total - at);
		pieces[n] = (struct piece){slot(n) + n, take, 0};
		guest_write(&rig.guest, pieces[n].gpa, guest_at(&rig.guest, flat + at), take);
		at += take;
	}
	return n;
}

/* ---- dequeue */

static void headers_of_both_sizes_may_lie_anywhere(void)
{
	static const uint64_t features[] = {0, V1, MRG, V1 | MRG | ANY_LAYOUT};
	static const uint32_t layouts[][12] = {
		{10}, {12}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {4, 0, 7}, {72}, {11, 3}, {13}};

	for (size_t f = 0; f < ARRAY_SIZE(features); f++)
		for (size_t l = 0; l < ARRAY_SIZE(layouts); l++) {
			struct piece pieces[16];
			uint32_t n;

			open_rig(features[f], 64, 0);
			n = scatter(pieces, 60, (uint32_t)l, layouts[l],
				    layouts[l][1] ? (l == 2 ? 12 : 3) : 1);
			REQUIRE(driver_post(&rig.tx, pieces, n) >= 0);
			CHECK_EQ(dequeue(BURST), 1);
			came(0, 60, (uint32_t)l);
			CHECK_EQ(driver_consume_all(&rig.tx), 1);
			close_rig();
		}
}

static void a_chain_of_exactly_the_ring_size_is_delivered(void)
{
	static uint32_t ones[256];
	struct piece pieces[256];
	uint32_t n;

	for (uint32_t i = 0; i < 63; i++)
		ones[i] = 1;
	open_rig(V1, 64, 0);
	n = scatter(pieces, 100, 9, ones, 63);
	CHECK_EQ(n, 64);
	REQUIRE(driver_post(&rig.tx, pieces, n) >= 0);
	CHECK_EQ(dequeue(BURST), 1);
	came(0, 100, 9);
	close_rig();
}

static void an_indirect_table_of_exactly_the_ring_size_is_delivered(void)
{
	static uint32_t ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct piece pieces[16];

	open_rig(V1 | INDIRECT, 16, 0);
	CHECK_EQ(scatter(pieces, 80, 3, ones, 15), 16);
	/* The table may be unaligned. */
	REQUIRE(driver_put_indirect(&rig.tx, slot(100) + 3, pieces, 16) >= 0);
	driver_publish(&rig.tx);
	CHECK_EQ(dequeue(BURST), 1);
	came(0, 80, 3);
	CHECK_EQ(driver_consume_all(&rig.tx), 1);
	close_rig();
}

/* Two regions that touch in guest memory and lie apart in ours. */
static void open_two_regions(uint64_t features)
{
	static const struct guest_span spans[] = {{0, 4u << 20}, {4u << 20, 4u << 20}};
	struct rig_shape shape = {.features = features | RING,
				  .size = 64,
				  .memory = 8u << 20,
				  .spans = spans,
				  .nr_spans = 2};

	REQUIRE(rig_create(&rig, &shape));
}

static void buffers_and_tables_may_straddle_regions(void)
{
	const uint64_t edge = 4u << 20;

	for (uint32_t before = 1; before < 40; before += 3) {
		struct piece pieces[2] = {{edge - before, 12 + 60, 0}};

		open_two_regions(V1 | INDIRECT);
		write_packet(edge - before, 60, before);
		REQUIRE(driver_post(&rig.tx, pieces, 1) >= 0);
		CHECK_EQ(dequeue(BURST), 1);
		came(0, 60, before);
		close_rig();

		open_two_regions(V1 | INDIRECT);
		write_packet(slot(0), 60, before);
		pieces[0] = (struct piece){slot(0), 12, 0};
		pieces[1] = (struct piece){slot(0) + 12, 60, 0};
		REQUIRE(driver_put_indirect(&rig.tx, edge - before, pieces, 2) >= 0);
		driver_publish(&rig.tx);
		CHECK_EQ(dequeue(BURST), 1);
		came(0, 60, before);
		close_rig();
	}
}

static void zero_length_descriptors_are_skipped_wherever_they_stand(void)
{
	static const uint32_t layouts[][5] = {
		{0, 12}, {12, 0}, {5, 0, 0, 7}, {12, 30, 0}, {0, 0, 40}};

	for (size_t l = 0; l < ARRAY_SIZE(layouts); l++) {
		struct piece pieces[8];
		uint32_t n;

		open_rig(V1, 64, 0);
		n = scatter(pieces, 60, 4, layouts[l], 4);
		/* … even with an address that is nowhere. */
		pieces[n++] = (struct piece){1ull << 50, 0, 0};
		REQUIRE(driver_post(&rig.tx, pieces, n) >= 0);
		CHECK_EQ(dequeue(BURST), 1);
		came(0, 60, 4);
		close_rig();
	}
}

static void the_shortest_and_the_largest_packet_are_delivered(void)
{
	static const uint32_t lengths[] = {1, 2, 13, 14, 60, 1514, 9000, 65535, 65562};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct piece piece;

		open_rig(V1, 4, 0);
		write_packet(slot(0), lengths[i], 7);
		piece = (struct piece){slot(0), 12 + lengths[i], 0};
		REQUIRE(driver_post(&rig.tx, &piece, 1) >= 0);
		CHECK_EQ(dequeue(BURST), 1);
		came(0, lengths[i], 7);
		CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_GOOD_BYTES), lengths[i]);
		close_rig();
	}
}

static void room_is_enough_to_the_byte(void)
{
	for (uint32_t room = 98; room <= 101; room++)
		for (uint32_t part = 0; part <= 2; part++) {
			uint32_t first = room * part / 2;
			struct hf_packet second = {.data = data[1], .room = room - first};
			struct piece piece = {0};

			open_rig(V1, 4, 0);
			write_packet(slot(0), 100, 1);
			piece = (struct piece){slot(0), 112, 0};
			REQUIRE(driver_post(&rig.tx, &piece, 1) >= 0);
			make_room(first);
			packets[0].next = &second;
			CHECK_EQ(hf_dequeue_burst(rig.device, 1, pointers, 1), room >= 100);
			CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_DROP_TOO_BIG), room < 100);
			if (room >= 100) {
				CHECK_EQ(packets[0].len + second.len, 100);
				CHECK(is_packet(data[0], packets[0].len, 1));
			}
			CHECK_EQ(driver_consume_all(&rig.tx), 1);
			close_rig();
		}
}

static void the_indirect_descriptors_own_write_flag_is_ignored(void)
{
	struct piece piece;
	int head;

	open_rig(V1 | INDIRECT, 16, 0);
	write_packet(slot(0), 60, 2);
	piece = (struct piece){slot(0), 72, 0};
	head = driver_put_indirect(&rig.tx, slot(9), &piece, 1);
	if (RING)
		rig.tx.heads[0].flags |= DRIVER_WRITE;
	else
		driver_write_desc(&rig.tx, rig.tx.desc, (uint32_t)head, slot(9), 16,
				  DRIVER_INDIRECT | DRIVER_WRITE, 0);
	driver_publish(&rig.tx);
	CHECK_EQ(dequeue(BURST), 1);
	came(0, 60, 2);
	close_rig();
}

/* Send and take `total` packets through a ring of `size`, `at_once` at a time. */
static void run_laps(uint16_t size, uint16_t base, uint32_t total, uint32_t at_once)
{
	uint32_t sent = 0, got = 0, wrong = 0;

	open_rig(V1, size, base);
	while (got < total) {
		uint32_t n = 0;
		uint16_t taken;

		for (; n < at_once && sent < total; n++, sent++) {
			struct piece piece = {slot(sent % 512), 72, 0};

			write_packet(piece.gpa, 60, sent);
			if (driver_put(&rig.tx, &piece, 1) < 0)
				break;
		}
		driver_publish(&rig.tx);
		taken = dequeue(BURST);
		for (uint16_t i = 0; i < taken; i++)
			wrong += packets[i].total != 60 || !is_packet(data[i], 60, got + i);
		got += taken;
		REQUIRE(taken > 0);
		driver_consume_all(&rig.tx);
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(driver_used_idx(&rig.tx), at((uint32_t)base + total));
	close_rig();
}

static void indices_wrap_at_65535_in_rings_of_every_size(void)
{
	static const uint16_t odd[] = {1, 2, 3, 5, 31, 33, 100, 255, 1000};

	if (RING) {
		run_laps(32767, 32760, 100, 17);
		run_laps(32767, 0, 10 * 32767, BURST); /* more than 16 bits count */
	}
	for (uint32_t size = 1; size <= 32768; size *= 2)
		run_laps((uint16_t)size, 65530, 100, (uint32_t)min_u64(size, 17));
	run_laps(2, 0, 70000 / 8, 2);
	/* Only a split ring's size is a power of two. */
	for (size_t i = 0; RING && i < ARRAY_SIZE(odd); i++) {
		run_laps(odd[i], 0, 10 * odd[i], (uint32_t)min_u64(odd[i], 17));
		run_laps(odd[i], odd[i] - 1u, 100, (uint32_t)min_u64(odd[i], 17));
	}
}

/* ---- enqueue */

static uint64_t posted[256]; /* by head, or id: the buffer there */

static void post_buffer(uint32_t i, uint32_t len)
{
	struct piece piece = {slot(i), len, DRIVER_WRITE};
	int head = driver_post(&rig.rx, &piece, 1);

	REQUIRE(head >= 0);
	posted[head % 256] = piece.gpa;
}

static void a_packet_arrives_behind_a_header_of_the_negotiated_size(void)
{
	static const uint64_t features[] = {0, V1, MRG, V1 | MRG};

	for (size_t f = 0; f < ARRAY_SIZE(features); f++) {
		const uint8_t *buffer;
		struct driver_used used;

		open_rig(features[f], 64, 0);
		post_buffer(0, SLOT);
		make_packets(1, 60, 3);
		CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 1);
		buffer = guest_at(&rig.guest, slot(0));
		REQUIRE(driver_consume(&rig.rx, &used));
		CHECK_EQ(used.len, header_bytes() + 60);
		for (uint32_t i = 0; i < 10; i++)
			CHECK_EQ(buffer[i], 0);
		if (header_bytes() == 12)
			CHECK_EQ(buffer[10] + buffer[11] * 256, 1);
		CHECK(is_packet(buffer + header_bytes(), 60, 3));
		close_rig();
	}
}

/* Gather a packet from used buffers of one piece each. */
static uint32_t gather(uint8_t *to, uint16_t *ret_buffers)
{
	struct driver_used used;
	uint32_t len = 0, left = 1;
	uint64_t addr;

	for (uint32_t i = 0; i < left; i++) {
		uint32_t skip = i ? 0 : 12;

		if (!driver_consume(&rig.rx, &used))
			return 0;
		addr = posted[used.id % 256];
		if (!i)
			left = guest_read16(&rig.guest, addr + 10);
		memcpy(to + len, guest_at(&rig.guest, addr + skip), used.len - skip);
		len += used.len - skip;
	}
	*ret_buffers = (uint16_t)left;
	return len;
}

static void a_large_packet_is_spread_over_mergeable_buffers(void)
{
	static const uint32_t lengths[] = {60, 1514, 2036, 2037, 9000, 65562};
	static uint8_t bytes[PACKET_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint16_t buffers = 0;

		open_rig(V1 | MRG, 256, 65500);
		for (uint32_t b = 0; b < 256; b++)
			post_buffer(b, 2048);
		make_packets(1, lengths[i], 8);
		CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 1);
		CHECK_EQ(gather(bytes, &buffers), lengths[i]);
		CHECK_EQ(buffers, (lengths[i] + 12 + 2047) / 2048);
		CHECK(is_packet(bytes, lengths[i], 8));
		close_rig();
	}
}

static void num_buffers_may_lie_in_two_descriptors(void)
{
	struct piece pieces[] = {{0, 11, DRIVER_WRITE}, {0, 100, DRIVER_WRITE}};

	open_rig(V1 | MRG, 16, 0);
	for (int i = 0; i < 2; i++) {
		pieces[0].gpa = slot(2 * (uint32_t)i);
		pieces[1].gpa = slot(2 * (uint32_t)i + 1);
		REQUIRE(driver_post(&rig.rx, pieces, 2) >= 0);
	}
	make_packets(1, 150, 1);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 1);
	CHECK_EQ(*guest_at(&rig.guest, slot(0) + 10), 2);
	CHECK_EQ(*guest_at(&rig.guest, slot(1)), 0);
	CHECK(is_packet(guest_at(&rig.guest, slot(1) + 1), 99, 1));
	CHECK_EQ(driver_consume_all(&rig.rx), 2);
	close_rig();
}

static void exactly_as_many_packets_are_taken_as_there_is_room_for(void)
{
	uint32_t chains = 0;

	open_rig(V1 | MRG, 256, 0);
	while (chains < 200) /* 95 buffers of 16 bytes each hold 1500 + 12 */
		post_buffer(chains++, 16);
	make_packets(BURST, 1500, 0);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, BURST), 200 / 95);
	CHECK_EQ(driver_used_idx(&rig.rx), at(190));
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_NO_GUEST_BUFFER), 1);
	CHECK_EQ(driver_consume_all(&rig.rx), 190);
	close_rig();
}

static void a_burst_stops_where_the_buffers_end_and_goes_on_there(void)
{
	open_rig(V1, 16, 65534);
	for (uint32_t i = 0; i < 5; i++)
		post_buffer(i, 2048);
	make_packets(8, 60, 0);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 8), 5);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers + 5, 3), 0);
	for (uint32_t i = 5; i < 8; i++)
		post_buffer(i, 2048);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers + 5, 3), 3);
	for (uint32_t i = 0; i < 8; i++)
		CHECK(is_packet(guest_at(&rig.guest, slot(i) + 12), 60, i));
	CHECK_EQ(driver_consume_all(&rig.rx), 8);
	close_rig();
}

static void a_packet_of_segments_is_gathered(void)
{
	open_rig(V1, 16, 0);
	post_buffer(0, 2048);
	make_packets(1, 300, 6);
	packets[1] = (struct hf_packet){.data = data[0] + 100, .len = 0, .next = &packets[2]};
	packets[2] = (struct hf_packet){.data = data[0] + 100, .len = 200};
	packets[0].len = 100;
	packets[0].next = &packets[1];
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 1);
	CHECK(is_packet(guest_at(&rig.guest, slot(0) + 12), 300, 6));
	packets[0].total = 299; /* not the sum of its segments */
	post_buffer(1, 2048);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 1);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_BAD_METADATA), 1);
	CHECK_EQ(driver_consume_all(&rig.rx), 1);
	close_rig();
}

/* ---- calls, kicks, states */

static void a_call_is_made_when_the_guest_asks_by_flag(void)
{
	open_rig(V1, 16, 0);
	for (uint32_t i = 0; i < 6; i++)
		post_buffer(i, 2048);
	make_packets(6, 60, 0);
	hf_enqueue_burst(rig.device, 0, pointers, 1);
	CHECK(rig_calls(&rig, 0) > 0); /* first burst: whatever the flag says */
	hf_enqueue_burst(rig.device, 0, pointers, 2);
	CHECK_EQ(rig_calls(&rig, 0), 1); /* one for a burst */
	driver_set_avail_flags(&rig.rx, 1);
	hf_enqueue_burst(rig.device, 0, pointers, 2);
	CHECK_EQ(rig_calls(&rig, 0), 0);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_GUEST_NOTIFICATIONS_SUPPRESSED), 1);
	close_rig();
}

static void calls_are_counted_and_so_are_those_that_fail(void)
{
	struct hf_vring *v;

	open_rig(V1, 16, 0);
	v = rig.device->vrings[0];
	for (uint32_t i = 0; i < 4; i++)
		post_buffer(i, 2048);
	make_packets(4, 60, 0);
	for (int i = 0; i < 2; i++)
		hf_enqueue_burst(rig.device, 0, pointers, 1);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_GUEST_NOTIFICATIONS), 2);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_GUEST_NOTIFICATIONS_ERROR), 0);
	close(v->call_fd);
	v->call_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 2; i++) /* it is the next burst that counts it */
		hf_enqueue_burst(rig.device, 0, pointers, 1);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_GUEST_NOTIFICATIONS), 4);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_GUEST_NOTIFICATIONS_ERROR), 1);
	close_rig();
}

static void the_first_burst_calls_even_when_it_moves_nothing(void)
{
	open_rig(V1, 16, 0);
	make_packets(1, 60, 0);
	driver_set_avail_flags(&rig.rx, 1);
	driver_set_avail_flags(&rig.tx, 1);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 0);
	CHECK_EQ(rig_calls(&rig, 0), 1);
	CHECK_EQ(dequeue(BURST), 0);
	CHECK_EQ(rig_calls(&rig, 1), 1);
	CHECK_EQ(dequeue(BURST), 0);
	CHECK_EQ(rig_calls(&rig, 1), 0);
	close_rig();
}

/* With event index: a call exactly when used->idx passes used_event, at every wrap. */
static void a_call_is_made_when_used_passes_used_event(void)
{
	for (uint32_t distance = 0; distance < 6; distance++)
		for (uint16_t moved = 1; moved < 6; moved++) {
			uint16_t base = 65533;

			open_rig(V1 | EVENT_IDX, 16, base);
			make_packets(BURST, 60, 0);
			hf_enqueue_burst(rig.device, 0, pointers, 1); /* the unconditional call */
			(void)rig_calls(&rig, 0);
			for (uint32_t i = 0; i < 6; i++)
				post_buffer(i, 2048);
			driver_set_used_event(&rig.rx, at((uint32_t)base + distance));
			CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, moved), moved);
			CHECK_EQ(rig_calls(&rig, 0), distance < moved);
			close_rig();
		}
}

static void kicks_are_off_until_asked_for(void)
{
	struct piece piece = {0, 72, 0};

	open_rig(V1, 16, 0);
	CHECK_EQ(dequeue(BURST), 0);
	CHECK_EQ(driver_used_flags(&rig.tx), 1);
	CHECK_EQ(hf_enable_guest_notification(rig.device, 1, true), 0);
	CHECK_EQ(driver_used_flags(&rig.tx), 0);
	piece.gpa = slot(0);
	write_packet(slot(0), 60, 0);
	driver_post(&rig.tx, &piece, 1);
	CHECK_EQ(hf_enable_guest_notification(rig.device, 1, true), 1);
	CHECK_EQ(hf_enable_guest_notification(rig.device, 1, false) >= 0, 1);
	CHECK_EQ(driver_used_flags(&rig.tx), 1);
	close_rig();
}

static void with_event_index_a_kick_is_asked_for_at_the_next_chain(void)
{
	struct piece piece = {0, 72, 0};

	open_rig(V1 | EVENT_IDX, 16, 65535);
	CHECK_EQ(dequeue(BURST), 0);
	CHECK(driver_avail_event(&rig.tx) != at(65535));
	CHECK_EQ(hf_enable_guest_notification(rig.device, 1, true), 0);
	CHECK_EQ(driver_avail_event(&rig.tx), at(65535));
	piece.gpa = slot(0);
	write_packet(slot(0), 60, 0);
	driver_post(&rig.tx, &piece, 1);
	CHECK_EQ(dequeue(BURST), 1);
	CHECK_EQ(hf_enable_guest_notification(rig.device, 1, true), 0);
	CHECK_EQ(driver_avail_event(&rig.tx), at(65536));
	close_rig();
}

static void entries_are_counted_as_available_and_free(void)
{
	open_rig(V1, 16, 65535);
	for (uint32_t i = 0; i < 5; i++)
		post_buffer(i, 2048);
	CHECK_EQ(hf_available_entries(rig.device, 0), 5);
	CHECK_EQ(hf_free_entries(rig.device, 0), 11);
	make_packets(2, 60, 0);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 2), 2);
	CHECK_EQ(hf_available_entries(rig.device, 0), 3);
	rig.grants[0] = 0;
	CHECK_EQ(hf_available_entries(rig.device, 0), 0);
	CHECK_EQ(hf_free_entries(rig.device, 0), 0);
	close_rig();
}

static void without_grant_or_running_nothing_is_touched(void)
{
	struct piece piece = {0, 72, 0};

	open_rig(V1, 16, 0);
	piece.gpa = slot(0);
	write_packet(slot(0), 60, 0);
	driver_post(&rig.tx, &piece, 1);
	post_buffer(1, 2048);
	hf_device_set_running(rig.device, false);
	CHECK_EQ(dequeue(BURST), 0);
	CHECK_EQ(hf_available_entries(rig.device, 0), 0);
	/* Or who polls would look as if it never left its burst. */
	for (uint16_t q = 0; q < 2; q++)
		CHECK_EQ(rig_counter(&rig, q, HF_COUNTER_EMPTY_BURSTS), 1);
	hf_device_set_running(rig.device, true);
	rig.grants[0] = rig.grants[1] = 0;
	CHECK_EQ(dequeue(BURST), 0);
	make_packets(1, 60, 0);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 0);
	CHECK_EQ(hf_dequeue_burst(rig.device, 7, pointers, 1), 0);
	CHECK_EQ(hf_dequeue_burst(rig.device, UINT16_MAX, pointers, 1), 0);
	CHECK_EQ(driver_used_idx(&rig.tx) + driver_used_idx(&rig.rx), 2 * at(0));
	CHECK_EQ(rig.lanes[0].busy + rig.lanes[1].busy, 0);
	rig.grants[1] = RIG_GRANT | HF_GRANT_ENABLED;
	CHECK_EQ(dequeue(BURST), 1);
	close_rig();
}

/* Each vring is told by itself. */
static void a_vring_that_comes_while_the_device_does_not_run_does_not_run_either(void)
{
	open_rig(V1, 16, 0);
	hf_device_set_running(rig.device, false);
	CHECK(hf_device_get_vring(rig.device, 3)->asked & HF_ASKED_STAY);
	CHECK(rig.device->vrings[1]->asked & HF_ASKED_STAY);
	hf_device_set_running(rig.device, true);
	CHECK(!(hf_device_get_vring(rig.device, 3)->asked & HF_ASKED_STAY));
	CHECK(!(hf_device_get_vring(rig.device, 5)->asked & HF_ASKED_STAY));
	hf_vring_grant(rig.device->vrings[1], RIG_GRANT, at(0), 0);
	CHECK(!(rig.device->vrings[1]->asked & HF_ASKED_STAY));
	hf_device_set_running(rig.device, false);
	hf_vring_grant(rig.device->vrings[1], RIG_GRANT, at(0), 0);
	CHECK_EQ(dequeue(BURST), 0);
	CHECK(rig.device->vrings[1]->fresh);
	close_rig();
}

static void an_announcement_waits_for_a_burst_that_has_room_for_it(void)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
	uint64_t rarp = HF_RARP_PENDING;

	open_rig(V1, 16, 0);
	CHECK_EQ(dequeue(BURST), 0);
	memcpy(&rarp, mac, sizeof(mac));
	hf_rarp_ask(rig.device, rarp);
	CHECK_EQ(dequeue(0), 0);
	rig.grants[1] = RIG_GRANT; /* disabled */
	CHECK_EQ(dequeue(BURST), 0);
	rig.grants[1] = RIG_GRANT | HF_GRANT_ENABLED;
	CHECK_EQ(dequeue(BURST), 1);
	CHECK(!memcmp(packets[0].data + 6, mac, sizeof(mac)));
	CHECK_EQ(dequeue(BURST), 0);
	CHECK(!rig.device->rarp && !hf_rarp_asked(rig.device->vrings[1]));
	/* Another vring's burst was first: nothing is left, and that is found out once. */
	hf_rarp_ask(rig.device, rarp);
	rig.device->rarp = 0;
	CHECK_EQ(dequeue(BURST), 0);
	CHECK(!hf_rarp_asked(rig.device->vrings[1]));
	/* A vring that comes later looks for what there is then. */
	CHECK(!hf_rarp_asked(hf_device_get_vring(rig.device, 3)));
	hf_rarp_ask(rig.device, rarp);
	CHECK(hf_rarp_asked(hf_device_get_vring(rig.device, 5)));
	CHECK(!hf_rarp_asked(hf_device_get_vring(rig.device, 4)));
	close_rig();
}

static void nothing_is_asked_of_a_disabled_ring_that_there_is_nothing_for(void)
{
	open_rig(V1, 16, 0);
	rig.grants[1] = RIG_GRANT;
	CHECK_EQ(dequeue(BURST), 0);
	CHECK_EQ(dequeue(BURST), 0);
	CHECK_EQ(rig.device->vrings[1]->attention, 0);
	close_rig();
}

static void a_disabled_ring_discards_and_supplies_nothing(void)
{
	struct piece piece = {0, 72, 0};

	open_rig(V1, 16, 0);
	rig.grants[0] = rig.grants[1] = RIG_GRANT;
	piece.gpa = slot(0);
	write_packet(slot(0), 60, 0);
	driver_post(&rig.tx, &piece, 1);
	post_buffer(1, 2048);
	make_packets(1, 60, 0);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 1), 0);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_EMPTY_BURSTS), 1);
	CHECK_EQ(driver_used_idx(&rig.rx), at(0));
	CHECK_EQ(dequeue(BURST), 0);
	CHECK_EQ(driver_used_idx(&rig.tx), at(1));
	CHECK_EQ(driver_consume_all(&rig.tx), 1);
	close_rig();
}

/* ---- who looks on sees that bursts end */

static uint64_t ended(uint16_t queue)
{
	return rig_counter(&rig, queue, HF_COUNTER_BURSTS) +
	       rig_counter(&rig, queue, HF_COUNTER_EMPTY_BURSTS);
}

static void supply(uint16_t queue)
{
	make_packets(1, 60, 0);
	(void)hf_enqueue_burst(rig.device, queue, pointers, 1);
}

static void take(uint16_t queue)
{
	make_room(PACKET_MAX);
	(void)hf_dequeue_burst(rig.device, queue, pointers, BURST);
}

static void hop_from(uint16_t queue)
{
	struct hf_hop *hop = hf_hop_create();

	make_room(PACKET_MAX);
	(void)hf_hop_peek(hop, rig.device, queue, pointers, BURST, 64);
	hf_hop_destroy(hop);
}

/* From the ring beside it, which is enabled and has a packet. */
static void hop_to(uint16_t queue)
{
	struct hf_hop *hop = hf_hop_create();
	struct piece piece = {slot(9), 72, 0};

	rig.grants[1] = RIG_GRANT | HF_GRANT_ENABLED;
	write_packet(piece.gpa, 60, 0);
	driver_post(&rig.tx, &piece, 1);
	make_room(PACKET_MAX);
	CHECK(hf_hop_peek(hop, rig.device, 1, pointers, BURST, 64) > 0);
	(void)hf_hop_forward(hop, rig.device, queue, pointers, 1);
	hf_hop_complete(hop, BURST);
	hf_hop_destroy(hop);
}

static void look_available(uint16_t queue)
{
	(void)hf_available_entries(rig.device, queue);
}

static void look_free(uint16_t queue)
{
	(void)hf_free_entries(rig.device, queue);
}

static void want_kicks(uint16_t queue)
{
	CHECK(hf_enable_guest_notification(rig.device, queue, true) >= 0);
}

static void want_no_kicks(uint16_t queue)
{
	CHECK(hf_enable_guest_notification(rig.device, queue, false) >= 0);
}

static void post_to_both(void)
{
	struct piece piece = {slot(0), 72, 0};

	write_packet(slot(0), 60, 0);
	driver_post(&rig.tx, &piece, 1);
	post_buffer(1, 2048);
}

static void every_call_on_a_ring_counts_that_it_ended(void)
{
	static const struct {
		void (*call)(uint16_t queue);
		uint16_t queue;
	} calls[] = {
		{supply, 0},	     {take, 1},	     {hop_from, 1},   {hop_to, 0},
		{look_available, 0}, {look_free, 0}, {want_kicks, 0}, {want_no_kicks, 0},
		{look_available, 1}, {look_free, 1}, {want_kicks, 1}, {want_no_kicks, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		for (int how = 0; how < 8; how++) {
			uint16_t q = calls[i].queue;
			uint64_t before;

			open_rig(V1, 16, 0);
			rig.grants[q] = RIG_GRANT | (how & 1 ? HF_GRANT_ENABLED : 0);
			supply(0);
			take(1);
			if (how & 2)
				post_to_both();
			rig.device->vrings[q]->broken = how & 4;
			before = ended(q);
			CHECK(before > 0);
			calls[i].call(q);
			CHECK_EQ(ended(q), before + 1);
			CHECK_EQ(rig.lanes[q].busy, 0);
			close_rig();
		}
}

/* Nobody has run them yet. */
static void a_look_at_the_first_chains_is_no_burst_that_ended(void)
{
	open_rig(V1, 16, 0);
	post_to_both();
	for (uint16_t q = 0; q < 2; q++) {
		look_available(q);
		look_free(q);
		want_kicks(q);
		CHECK_EQ(ended(q), 0);
		/* But whoever looks on sees that the thread goes on. */
		CHECK_EQ(rig.lanes[q].looks, 3);
	}
	take(1);
	look_available(1);
	CHECK_EQ(ended(1), 2);
	close_rig();
	open_rig(V1, 16, 0);
	look_available(1);
	CHECK_EQ(ended(1), 1);
	close_rig();
}

static void the_lane_says_where_the_ring_is(void)
{
	struct piece piece = {0, 72, 0};

	open_rig(V1, 16, 65535);
	for (uint32_t i = 0; i < 3; i++) {
		piece.gpa = slot(i);
		write_packet(slot(i), 60, i);
		driver_post(&rig.tx, &piece, 1);
	}
	CHECK_EQ(dequeue(BURST), 3);
	CHECK_EQ(rig.lanes[1].avail, at(65538));
	CHECK_EQ(rig.lanes[1].used, at(65538));
	CHECK_EQ(rig.lanes[1].intent, HF_INTENT_NONE);
	CHECK_EQ(rig.lanes[1].busy, 0);
	close_rig();
}

static const struct sentence sentences[] = {
	CATALOGUE(headers_of_both_sizes_may_lie_anywhere, "[29] [39]"),
	CATALOGUE(a_chain_of_exactly_the_ring_size_is_delivered, "[26]"),
	CATALOGUE(an_indirect_table_of_exactly_the_ring_size_is_delivered, "[26] [R-2]"),
	CATALOGUE(buffers_and_tables_may_straddle_regions, "[1]"),
	CATALOGUE(zero_length_descriptors_are_skipped_wherever_they_stand, "[R-4]"),
	CATALOGUE(the_shortest_and_the_largest_packet_are_delivered, "[29] [R-6]"),
	SENTENCE(room_is_enough_to_the_byte),
	CATALOGUE(the_indirect_descriptors_own_write_flag_is_ignored, "[R-2]"),
	CATALOGUE(indices_wrap_at_65535_in_rings_of_every_size, "[39] [P-7]"),
	SENTENCE(a_packet_arrives_behind_a_header_of_the_negotiated_size),
	CATALOGUE(a_large_packet_is_spread_over_mergeable_buffers, "[32] [R-10]"),
	CATALOGUE(num_buffers_may_lie_in_two_descriptors, "[29]"),
	CATALOGUE(exactly_as_many_packets_are_taken_as_there_is_room_for, "[32]"),
	SENTENCE(a_burst_stops_where_the_buffers_end_and_goes_on_there),
	SENTENCE(a_packet_of_segments_is_gathered),
	SENTENCE(a_call_is_made_when_the_guest_asks_by_flag),
	SENTENCE(calls_are_counted_and_so_are_those_that_fail),
	CATALOGUE(the_first_burst_calls_even_when_it_moves_nothing, "[50]"),
	CATALOGUE(a_call_is_made_when_used_passes_used_event, "[R-8]"),
	SENTENCE(kicks_are_off_until_asked_for),
	SENTENCE(with_event_index_a_kick_is_asked_for_at_the_next_chain),
	SENTENCE(entries_are_counted_as_available_and_free),
	CATALOGUE(without_grant_or_running_nothing_is_touched, "[42]"),
	SENTENCE(a_vring_that_comes_while_the_device_does_not_run_does_not_run_either),
	SENTENCE(an_announcement_waits_for_a_burst_that_has_room_for_it),
	SENTENCE(nothing_is_asked_of_a_disabled_ring_that_there_is_nothing_for),
	SENTENCE(a_disabled_ring_discards_and_supplies_nothing),
	SENTENCE(every_call_on_a_ring_counts_that_it_ended),
	SENTENCE(a_look_at_the_first_chains_is_no_burst_that_ended),
	SENTENCE(the_lane_says_where_the_ring_is),
};
SUITE(RING ? "bursts, packed rings" : "bursts, split rings", sentences)
