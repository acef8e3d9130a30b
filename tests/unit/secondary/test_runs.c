/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of simple chains among chains of every other kind, at the run's own edges: order, rooms,
 * ends, counts, and every length of copy to the byte. What one chain may be is in
 * test_dequeue.c, test_enqueue.c and test_hostile_ring.c; these run there too, at each level of
 * instructions.
 */
#include <holdfast/burst.h>
#include <pthread.h>
#include <string.h>

#include "rig.h"
#include "run.h"
#include "suite.h"

#define CSUM  HF_FEATURE(VIRTIO_NET_F_CSUM)
#define GCSUM HF_FEATURE(VIRTIO_NET_F_GUEST_CSUM)

#define HEADER 12u
#define MOST   256u /* packets of a burst */
#define ROOM   4096u
#define SLOT   4096u
#define FRAME  60u
#define CANARY 0xc5

/* The thread sanitizer means guest memory too, where a race is what guests may do. */
#if defined(__SANITIZE_THREAD__)
#define RACES_ARE_FAULTS true
#else
#define RACES_ARE_FAULTS false
#endif

static struct rig rig;
static uint8_t data[MOST][ROOM + 64];
static struct hf_packet packets[MOST], *pointers[MOST];
static uint32_t state;

static uint32_t any(uint32_t below)
{
	state = state * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)(state >> 4) * below) >> 28);
}

static void open_rig(uint64_t features, uint16_t size, uint16_t base)
{
	struct rig_shape shape = {
		.features = features, .size = size, .base = base, .memory = 6u << 20};

	REQUIRE(rig_create(&rig, &shape));
}

static void close_rig(void)
{
	CHECK_EQ(driver_check(&rig.tx), 0);
	CHECK_EQ(driver_check(&rig.rx), 0);
	rig_destroy(&rig);
}

static uint64_t slot(uint32_t i)
{
	return rig.buffers + (uint64_t)(i % 1024) * SLOT;
}

static uint8_t byte_of(uint32_t number, uint32_t at)
{
	/* Even at 0: no group address. */
	return (uint8_t)(at ? number * 37 + at * 11 + (at >> 8) : number * 2);
}

static bool is_frame(const uint8_t *bytes, uint32_t len, uint32_t number)
{
	uint32_t i = 0;

	while (i < len && bytes[i] == byte_of(number, i))
		i++;
	return i == len;
}

/* A header of zeros and a frame. */
static void write_frame(uint64_t gpa, uint32_t len, uint32_t number)
{
	uint8_t bytes[HEADER + ROOM] = {0};

	for (uint32_t i = 0; i < len; i++)
		bytes[HEADER + i] = byte_of(number, i);
	guest_write(&rig.guest, gpa, bytes, HEADER + len);
}

static void make_room(uint32_t room)
{
	for (uint32_t i = 0; i < MOST; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .room = room};
		pointers[i] = &packets[i];
	}
}

static void make_packet(uint32_t i, uint32_t len, uint32_t number)
{
	for (uint32_t k = 0; k < len; k++)
		data[i][k] = byte_of(number, k);
	packets[i] = (struct hf_packet){.data = data[i], .len = len, .total = len};
	pointers[i] = &packets[i];
}

/* ---- dequeue: a mixture */

enum kind { SIMPLE, TWO, TABLE, OFFLOAD, BAD_HEADER, BAD_DIRECTION, SHORT, LARGE, KINDS };

static const enum hf_counter drops[KINDS] = {[BAD_HEADER] = HF_COUNTER_DROP_BAD_HEADER,
					     [BAD_DIRECTION] = HF_COUNTER_DROP_BAD_DIRECTION,
					     [SHORT] = HF_COUNTER_DROP_SHORT_CHAIN,
					     [LARGE] = HF_COUNTER_DROP_TOO_BIG};

/* False: the ring is full. */
static bool send(enum kind kind, uint32_t number)
{
	static const uint8_t csum[] = {1, 0, 0, 0, 0, 0, 14, 0, 6, 0};
	uint64_t gpa = slot(2 * number);
	struct piece whole = {gpa, HEADER + FRAME, 0};
	struct piece parts[] = {{gpa, HEADER + 5, 0}, {gpa + HEADER + 5, FRAME - 5, 0}};
	uint8_t flags = kind == BAD_HEADER ? 1 : 0;

	if (rig.tx.descs_free < 2)
		return false;
	write_frame(gpa, kind == LARGE ? 300 : FRAME, number);
	if (kind == OFFLOAD)
		guest_write(&rig.guest, gpa, csum, sizeof(csum));
	if (kind == BAD_HEADER) { /* its checksum would lie behind its end */
		guest_write(&rig.guest, gpa, &flags, 1);
		guest_write16(&rig.guest, gpa + 6, FRAME);
	}
	whole.flags = kind == BAD_DIRECTION ? DRIVER_WRITE : 0;
	whole.len = kind == SHORT ? HEADER : kind == LARGE ? HEADER + 300 : whole.len;
	if (kind == TABLE)
		return driver_put_indirect(&rig.tx, slot(2 * number + 1), parts, 2) >= 0;
	if (kind == TWO)
		return driver_put(&rig.tx, parts, 2) >= 0;
	return driver_put(&rig.tx, &whole, 1) >= 0;
}

/* What was sent and has not come yet, in order. */
static struct {
	uint32_t numbers[1 << 14];
	enum kind kinds[1 << 14];
	uint32_t head, tail;
	uint64_t dropped[KINDS];
} sent;

static void check_arrival(const struct hf_packet *p, uint32_t *wrong)
{
	while (sent.head < sent.tail && drops[sent.kinds[sent.head]])
		sent.dropped[sent.kinds[sent.head++]]++;
	if (sent.head == sent.tail || p->total != FRAME || p->len != FRAME ||
	    !is_frame(p->data, FRAME, sent.numbers[sent.head]) ||
	    p->offload.flags != (sent.kinds[sent.head] == OFFLOAD) || p->offload.gso_type)
		++*wrong;
	sent.head++;
}

static void run_mixture(uint16_t size, uint32_t simple_percent, uint32_t rounds)
{
	uint32_t number = 0, wrong = 0;

	memset(&sent, 0, sizeof(sent));
	open_rig(V1 | INDIRECT | CSUM, size, 65500);
	for (uint32_t round = 0; round < rounds; round++) {
		for (uint32_t n = any(size + 1u); n; n--, number++) {
			enum kind kind = any(100) < simple_percent ? SIMPLE : any(KINDS);

			if (!send(kind, number))
				break;
			sent.kinds[sent.tail] = kind;
			sent.numbers[sent.tail++] = number;
		}
		driver_publish(&rig.tx);
		make_room(100);
		for (uint16_t n = hf_dequeue_burst(rig.device, 1, pointers, (uint16_t)any(100)),
			      i = 0;
		     i < n; i++)
			check_arrival(&packets[i], &wrong);
		driver_consume_all(&rig.tx);
	}
	make_room(100);
	while (driver_used_idx(&rig.tx) != rig.tx.avail_idx)
		for (uint16_t n = hf_dequeue_burst(rig.device, 1, pointers, MOST), i = 0; i < n;
		     i++)
			check_arrival(&packets[i], &wrong);
	while (sent.head < sent.tail)
		sent.dropped[sent.kinds[sent.head++]]++;
	CHECK_EQ(wrong, 0);
	for (int k = 0; k < KINDS; k++)
		CHECK_EQ(sent.dropped[k], drops[k] ? rig_counter(&rig, 1, drops[k]) : 0);
	driver_consume_all(&rig.tx);
	CHECK_EQ(rig.tx.descs_free, size);
	close_rig();
}

static void simple_chains_and_all_others_arrive_in_order(void)
{
	static const uint32_t shares[] = {0, 50, 90, 98, 100};

	state = 1;
	for (uint32_t size = 2; size <= 256; size *= 4)
		for (size_t i = 0; i < ARRAY_SIZE(shares); i++)
			run_mixture((uint16_t)size, shares[i], 60);
}

/* ---- the run's ends */

static void a_burst_of_many_runs_goes_round_the_ring_from_every_place(void)
{
	for (uint16_t base = 0; base < 256; base += 5) {
		uint32_t wrong = 0;

		open_rig(V1, 256, base);
		for (uint32_t i = 0; i < 256; i++) {
			struct piece piece = {slot(i), HEADER + FRAME, 0};

			write_frame(piece.gpa, FRAME, i);
			REQUIRE(driver_put(&rig.tx, &piece, 1) >= 0);
		}
		driver_publish(&rig.tx);
		make_room(ROOM);
		CHECK_EQ(hf_dequeue_burst(rig.device, 1, pointers, 256), 256);
		for (uint32_t i = 0; i < 256; i++)
			wrong += !is_frame(data[i], FRAME, i);
		CHECK_EQ(wrong, 0);
		CHECK_EQ(driver_consume_all(&rig.tx), 256);
		close_rig();
	}
}

static void a_bad_head_ends_a_run_behind_what_came_before_it(void)
{
	for (uint32_t bad = 0; bad < 70; bad++) {
		open_rig(V1, 128, 100);
		for (uint32_t i = 0; i < 100; i++) {
			struct piece piece = {slot(i), HEADER + FRAME, 0};

			write_frame(piece.gpa, FRAME, i);
			REQUIRE(driver_put(&rig.tx, &piece, 1) >= 0);
		}
		guest_write16(&rig.guest, rig.tx.avail + 4 + 2ull * ((100 + bad) % 128), 128);
		driver_publish(&rig.tx);
		make_room(ROOM);
		CHECK_EQ(hf_dequeue_burst(rig.device, 1, pointers, 100), bad);
		CHECK_EQ(driver_used_idx(&rig.tx), 100 + bad);
		CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_BREAK_BAD_HEAD), 1);
		CHECK_EQ(hf_dequeue_burst(rig.device, 1, pointers, 100), 0);
		CHECK_EQ(driver_consume_all(&rig.tx), bad);
		close_rig();
	}
}

/* Behind the table stands the available ring, which the guest writes as well: here it reads like a
 * descriptor that nothing is wrong with. */
static void a_head_just_behind_the_table_is_out_of_range_whatever_is_there(void)
{
	for (uint16_t queue = 0; queue < 2; queue++) {
		const uint16_t lookalike[] = {0, 0, 200, 0, queue ? 0 : DRIVER_WRITE, 0};
		struct driver *d;

		open_rig(V1, 128, 64);
		d = queue ? &rig.tx : &rig.rx;
		REQUIRE(d->avail == d->desc + 128 * 16);
		for (uint32_t i = 0; i < ARRAY_SIZE(lookalike); i++)
			guest_write16(&rig.guest, d->avail + 4 + 2 * i, lookalike[i]);
		for (uint32_t i = 0; i < 3; i++) {
			struct piece piece = {slot(i), HEADER + FRAME, queue ? 0 : DRIVER_WRITE};

			if (queue)
				write_frame(piece.gpa, FRAME, i);
			REQUIRE(driver_put(d, &piece, 1) >= 0);
		}
		driver_put_head(d, 128);
		driver_publish(d);
		make_room(ROOM);
		for (uint32_t i = 0; i < 8 && !queue; i++)
			make_packet(i, FRAME, i);
		CHECK_EQ(queue ? hf_dequeue_burst(rig.device, 1, pointers, 8)
			       : hf_enqueue_burst(rig.device, 0, pointers, 8),
			 3);
		CHECK_EQ(rig_counter(&rig, queue, HF_COUNTER_BREAK_BAD_HEAD), 1);
		CHECK_EQ(driver_consume_all(d), 3);
		close_rig();
	}
}

static void rooms_of_a_run_are_each_packets_own(void)
{
	struct hf_packet rest[MOST];
	uint32_t got = 0, n;

	open_rig(V1, 64, 0);
	for (uint32_t i = 0; i < 60; i++) {
		struct piece piece = {slot(i), HEADER + FRAME, 0};

		write_frame(piece.gpa, FRAME, i);
		REQUIRE(driver_put(&rig.tx, &piece, 1) >= 0);
	}
	driver_publish(&rig.tx);
	make_room(FRAME);
	/* Every third has its room in two segments; every seventh has too little. */
	for (uint32_t i = 0; i < 60; i++) {
		rest[i] = (struct hf_packet){.data = data[i] + 30, .room = FRAME - 30, .len = 77};
		if (i % 3 == 1) {
			packets[i].room = 30;
			packets[i].next = &rest[i];
		} else if (i % 7 == 0) {
			packets[i].room = FRAME - 1;
		} else if (i % 5 == 0) {
			packets[i].next = &rest[i]; /* not needed */
		}
	}
	n = hf_dequeue_burst(rig.device, 1, pointers, 60);
	/* Who finds a small place is dropped, and the next one finds the same place. */
	CHECK_EQ(n, 0);
	CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_DROP_TOO_BIG), 60);
	CHECK_EQ(driver_consume_all(&rig.tx), 60);
	packets[0].room = FRAME;
	for (uint32_t i = 0; i < 60; i++) {
		struct piece piece = {slot(i), HEADER + FRAME, 0};

		REQUIRE(driver_put(&rig.tx, &piece, 1) >= 0);
		if (i % 7 == 0 && i % 3 != 1)
			packets[i].room = i == 42 ? FRAME - 1 : FRAME;
	}
	driver_publish(&rig.tx);
	n = hf_dequeue_burst(rig.device, 1, pointers, 60);
	CHECK_EQ(n, 42);
	CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_DROP_TOO_BIG), 60 + 18);
	for (uint32_t i = 0; i < n; i++) {
		CHECK(is_frame(data[i], FRAME, i));
		CHECK_EQ(packets[i].total, FRAME);
		CHECK_EQ(packets[i].len, i % 3 == 1 ? 30 : FRAME);
		if (packets[i].next)
			CHECK_EQ(rest[i].len, i % 3 == 1 ? FRAME - 30 : 0);
		got++;
	}
	CHECK_EQ(got, 42);
	CHECK_EQ(driver_consume_all(&rig.tx), 60);
	close_rig();
}

/* Every chain names the next region: the run translates each anew. */
static void frames_in_many_regions_take_turns_in_a_run(void)
{
	static const struct guest_span spans[] = {
		{0, 1u << 20}, {2u << 20, 1u << 20}, {3u << 20, 1u << 20}};
	struct rig_shape shape = {
		.features = V1, .size = 128, .memory = 6u << 20, .spans = spans, .nr_spans = 3};
	uint32_t wrong = 0;

	REQUIRE(rig_create(&rig, &shape));
	for (uint32_t i = 0; i < 120; i++) {
		uint64_t gpa = (i % 3 ? (1 + i % 3) << 20 : 1u << 19) + i * 1024;
		struct piece piece = {gpa, HEADER + FRAME, 0},
			     room = {gpa + 512, 100, DRIVER_WRITE};

		if (i == 77) /* ends in the hole */
			piece.gpa = (3u << 20) - 1 + (1u << 20);
		else
			write_frame(gpa, FRAME, i);
		REQUIRE(driver_put(&rig.tx, &piece, 1) >= 0);
		REQUIRE(driver_put(&rig.rx, &room, 1) >= 0);
	}
	driver_publish(&rig.tx);
	driver_publish(&rig.rx);
	make_room(ROOM);
	CHECK_EQ(hf_dequeue_burst(rig.device, 1, pointers, 200), 119);
	CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_DROP_BAD_ADDRESS), 1);
	for (uint32_t i = 0; i < 119; i++)
		wrong += !is_frame(data[i], FRAME, i + (i >= 77));
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 119), 119);
	for (uint32_t i = 0; i < 119; i++) {
		uint64_t gpa = (i % 3 ? (1 + i % 3) << 20 : 1u << 19) + i * 1024 + 512;

		wrong += !is_frame(guest_at(&rig.guest, gpa + HEADER), FRAME, i + (i >= 77));
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(driver_consume_all(&rig.tx), 120);
	CHECK_EQ(driver_consume_all(&rig.rx), 119);
	close_rig();
}

/* ---- copies */

/* Length `len` at offsets of all kinds; not a byte more is written. */
static uint32_t copy_wrong(uint32_t len, uint32_t skew)
{
	struct piece from = {slot(1) + skew, HEADER + len, 0};
	struct piece to = {slot(3) + 64 - skew, HEADER + len, DRIVER_WRITE};
	uint32_t wrong = 0;

	write_frame(from.gpa, len, len);
	REQUIRE(driver_post(&rig.tx, &from, 1) >= 0);
	REQUIRE(driver_post(&rig.rx, &to, 1) >= 0);
	memset(data[0], CANARY, sizeof(data[0]));
	packets[0] = (struct hf_packet){.data = data[0] + skew / 2, .room = len};
	pointers[0] = &packets[0];
	wrong += hf_dequeue_burst(rig.device, 1, pointers, 1) != 1;
	wrong += packets[0].total != len || !is_frame(packets[0].data, len, len);
	for (uint32_t i = 0; i < sizeof(data[0]); i++)
		if (i < skew / 2 || i >= skew / 2 + len)
			wrong += data[0][i] != CANARY;
	wrong += hf_enqueue_burst(rig.device, 0, pointers, 1) != 1;
	wrong += !is_frame(guest_at(&rig.guest, to.gpa + HEADER), len, len);
	wrong += driver_consume_all(&rig.rx) != 1 || driver_consume_all(&rig.tx) != 1;
	/* The guest's canaries are looked at by driver_check, once for many. */
	guest_declare(&rig.guest, to.gpa, to.len, false);
	return wrong;
}

static void every_length_is_copied_to_the_byte_at_every_offset(void)
{
	uint32_t wrong = 0;

	open_rig(V1, 4, 0);
	for (uint32_t len = 1; len < 700; len++)
		for (uint32_t skew = 0; skew < 64; skew += len < 140 ? 1 : 13)
			wrong += copy_wrong(len, skew);
	for (uint32_t len = 1500; len < 2100; len += 7)
		wrong += copy_wrong(len, len % 64);
	for (uint32_t len = 4000; len <= 4020; len++)
		wrong += copy_wrong(len, len % 8);
	CHECK_EQ(wrong, 0);
	close_rig();
}

/* ---- enqueue: a mixture */

static void packets_of_every_kind_keep_their_places_among_simple_ones(void)
{
	uint32_t number = 0, seen = 0, wrong = 0;

	state = 7;
	open_rig(V1 | MRG | INDIRECT | GCSUM, 256, 65500);
	for (uint32_t round = 0; round < 200; round++) {
		struct hf_packet second[MOST];
		uint32_t count = any(100), taken;
		struct driver_used used;

		while (rig.rx.descs_free >= 2) {
			uint64_t gpa = slot(rig.rx.next_desc);
			struct piece pieces[] = {{gpa, 40, DRIVER_WRITE},
						 {gpa + 40, 2000, DRIVER_WRITE}};

			if (any(100) < 80) {
				pieces[0].len = 2040;
				REQUIRE(driver_put(&rig.rx, pieces, 1) >= 0);
			} else {
				REQUIRE(driver_put(&rig.rx, pieces, 2) >= 0);
			}
		}
		driver_publish(&rig.rx);
		for (uint32_t i = 0; i < count; i++) {
			uint32_t len = any(100) < 90 ? FRAME : 3000;

			make_packet(i, len, number + i);
			memcpy(data[i], &(uint32_t){(number + i) * 2}, 4);
			if (any(100) < 10)
				packets[i].offload =
					(struct hf_offload){.flags = 1, .csum_start = 14};
			if (any(100) < 10) {
				second[i] =
					(struct hf_packet){.data = data[i] + 20, .len = len - 20};
				packets[i].len = 20;
				packets[i].next = &second[i];
			}
		}
		taken = hf_enqueue_burst(rig.device, 0, pointers, (uint16_t)count);
		number += taken;
		while (driver_consume(&rig.rx, &used)) {
			const uint8_t *at = guest_at(&rig.guest, slot(used.id));
			uint32_t got, left = at[10] + at[11] * 256u;

			memcpy(&got, at + HEADER, 4);
			wrong += got != 2 * seen++ || left < 1 || left > 2;
			if (left == 2)
				wrong += !driver_consume(&rig.rx, &used);
		}
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(seen, number);
	CHECK(number > 1000);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_GOOD_PACKETS), number);
	close_rig();
}

/* ---- counts */

static const uint32_t lengths[] = {59,	64,  65,   127,	 128,  255, 256,
				   511, 512, 1023, 1024, 1518, 1519};
static const enum hf_counter size_of[] = {
	HF_COUNTER_UNDERSIZE_PACKETS,	   HF_COUNTER_SIZE_64_PACKETS,
	HF_COUNTER_SIZE_65_127_PACKETS,	   HF_COUNTER_SIZE_65_127_PACKETS,
	HF_COUNTER_SIZE_128_255_PACKETS,   HF_COUNTER_SIZE_128_255_PACKETS,
	HF_COUNTER_SIZE_256_511_PACKETS,   HF_COUNTER_SIZE_256_511_PACKETS,
	HF_COUNTER_SIZE_512_1023_PACKETS,  HF_COUNTER_SIZE_512_1023_PACKETS,
	HF_COUNTER_SIZE_1024_1518_PACKETS, HF_COUNTER_SIZE_1024_1518_PACKETS,
	HF_COUNTER_SIZE_1519_MAX_PACKETS};

static void counters_of_a_run_are_those_of_its_packets(void)
{
	uint64_t expected[HF_NR_COUNTERS] = {0};

	open_rig(V1, 256, 0);
	state = 3;
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t k = i < 100 ? i / 20 : any(ARRAY_SIZE(lengths));
		struct piece in = {slot(i), HEADER + lengths[k], 0};
		struct piece out = {slot(i + 256), HEADER + lengths[k], DRIVER_WRITE};

		write_frame(in.gpa, lengths[k], i);
		if (i > 150 && i % 3 == 0)
			guest_write(&rig.guest, in.gpa + HEADER, "\xff\xff\xff\xff\xff\xff", 6);
		else if (i > 150 && i % 3 == 1)
			guest_write(&rig.guest, in.gpa + HEADER, "\x01\x00\x5e", 3);
		expected[size_of[k]]++;
		expected[HF_COUNTER_BROADCAST_PACKETS] += i > 150 && i % 3 == 0;
		expected[HF_COUNTER_MULTICAST_PACKETS] += i > 150 && i % 3 == 1;
		expected[HF_COUNTER_GOOD_PACKETS]++;
		expected[HF_COUNTER_GOOD_BYTES] += lengths[k];
		REQUIRE(driver_put(&rig.tx, &in, 1) >= 0);
		REQUIRE(driver_put(&rig.rx, &out, 1) >= 0);
	}
	driver_publish(&rig.tx);
	driver_publish(&rig.rx);
	make_room(ROOM);
	CHECK_EQ(hf_dequeue_burst(rig.device, 1, pointers, 200), 200);
	CHECK_EQ(hf_enqueue_burst(rig.device, 0, pointers, 200), 200);
	for (uint16_t queue = 0; queue < 2; queue++)
		for (int i = HF_COUNTER_GOOD_PACKETS; i <= HF_COUNTER_SIZE_1519_MAX_PACKETS; i++)
			CHECK_EQ(rig_counter(&rig, queue, (enum hf_counter)i), expected[i]);
	driver_consume_all(&rig.tx);
	driver_consume_all(&rig.rx);
	close_rig();
}

/* ---- a guest that changes its mind */

static struct racer {
	uint8_t *field;
	uint64_t good, bad;
	uint32_t width;
	bool over;
} racer;

static void *flip(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&racer.over, __ATOMIC_RELAXED))
		for (int i = 0; i < 2; i++) {
			uint64_t value = i ? racer.bad : racer.good;

			if (racer.width == 8)
				__atomic_store_n((uint64_t *)(void *)racer.field, value, 0);
			else if (racer.width == 4)
				__atomic_store_n((uint32_t *)(void *)racer.field, (uint32_t)value,
						 0);
			else
				__atomic_store_n((uint16_t *)(void *)racer.field, (uint16_t)value,
						 0);
		}
	return NULL;
}

/* Bursts of 16 whose chain 7 changes; every packet is whole, or was dropped. */
static void race(uint64_t field, uint32_t width, uint64_t good, uint64_t bad)
{
	uint32_t wrong = 0, came = 0;
	pthread_t thread;

	guest_declare(&rig.guest, field, width, true);
	racer = (struct racer){guest_at(&rig.guest, field), good, bad, width, false};
	REQUIRE(pthread_create(&thread, NULL, flip, NULL) == 0);
	for (uint32_t round = 0; round < 3000; round++) {
		uint16_t n;

		make_room(FRAME);
		memset(data[8] + FRAME, CANARY, 64);
		for (uint32_t i = 0; i < 16; i++)
			driver_put_head(&rig.tx, (uint16_t)i);
		driver_publish(&rig.tx);
		n = hf_dequeue_burst(rig.device, 1, pointers, 16);
		for (uint16_t i = 0; i < n; i++) {
			wrong += packets[i].total > FRAME || packets[i].total != packets[i].len;
			wrong += packets[i].total == FRAME && !is_frame(data[i], FRAME, 5);
		}
		wrong += data[8][FRAME] != CANARY;
		came += n;
		if (rig.device->vrings[1]->broken)
			break;
	}
	__atomic_store_n(&racer.over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	CHECK_EQ(wrong, 0);
	CHECK(came > 0);
}

static void a_field_that_flips_is_believed_once_or_not_at_all(void)
{
	if (RACES_ARE_FAULTS)
		return;
	/* addr, len, flags of descriptor 7; the slot of the available ring that names it. */
	for (int field = 0; field < 4; field++) {
		uint64_t desc;

		open_rig(V1, 16, 0);
		desc = rig.tx.desc + 16 * 7;
		for (uint16_t i = 0; i < 16; i++) {
			write_frame(slot(i), FRAME, 5);
			driver_write_desc(&rig.tx, rig.tx.desc, i, slot(i), HEADER + FRAME, 0, 0);
		}
		if (field == 0)
			race(desc, 8, slot(7), UINT64_MAX - 20);
		else if (field == 1)
			race(desc + 8, 4, HEADER + FRAME, UINT32_MAX);
		else if (field == 2)
			race(desc + 12, 2, 0, DRIVER_WRITE);
		else
			race(rig.tx.avail + 4 + 2 * 7, 2, 7, 3);
		CHECK_EQ(guest_strays(&rig.guest), 0);
		rig_destroy(&rig);
	}
}

static const struct sentence sentences[] = {
	SENTENCE(simple_chains_and_all_others_arrive_in_order),
	SENTENCE(a_burst_of_many_runs_goes_round_the_ring_from_every_place),
	SENTENCE(a_bad_head_ends_a_run_behind_what_came_before_it),
	SENTENCE(a_head_just_behind_the_table_is_out_of_range_whatever_is_there),
	SENTENCE(rooms_of_a_run_are_each_packets_own),
	SENTENCE(frames_in_many_regions_take_turns_in_a_run),
	SENTENCE(every_length_is_copied_to_the_byte_at_every_offset),
	SENTENCE(packets_of_every_kind_keep_their_places_among_simple_ones),
	SENTENCE(counters_of_a_run_are_those_of_its_packets),
	SENTENCE(a_field_that_flips_is_believed_once_or_not_at_all),
};
SUITE("runs", sentences)
