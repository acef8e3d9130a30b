/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings driven wrongly: the catalogue's cases of indices, used entries, states, and of packets that
 * find too little room. What a chain may be is in test_case_chains.c and test_case_memory.c.
 */
#include <errno.h>
#include <holdfast/burst.h>
#include <string.h>

#include "alive.h"
#include "check.h"

#define EVENT_IDX HF_FEATURE(HF_F_EVENT_IDX)
#define MOST	  70000u
#define BURST	  32u

static uint8_t bytes[BURST][MOST];
static struct hf_packet packets[BURST], *pointers[BURST];

static void make_packets(uint32_t len)
{
	for (uint32_t i = 0; i < BURST; i++) {
		for (uint32_t k = 0; k < len; k++)
			bytes[i][k] = (uint8_t)(i * 37 + k * 11 + (k >> 8)) & (k ? 0xff : 0xfe);
		packets[i] = (struct hf_packet){
			.data = bytes[i], .room = MOST, .len = len, .total = len};
		pointers[i] = &packets[i];
	}
}

/* ---- the available index */

static void open_at(struct alive *a, enum way way, uint16_t base)
{
	struct rig_shape shape = {.features = V1, .size = 16, .base = base, .memory = ALIVE_MEMORY};

	alive_open(a, way, &shape);
}

static void an_available_index_that_jumps_costs_the_ring(void)
{
	static const uint16_t jumps[] = {16 + 1, 0x7fff, 65535 /* -1 */, 65534, 256, 0x8000};
	static const uint16_t bases[] = {0, 1, 65530, 65535};
	static struct alive a;

	for (enum way way = 0; way < NR_WAYS; way++)
		for (size_t b = 0; b < ARRAY_SIZE(bases); b++)
			for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
				open_at(&a, way, bases[b]);
				alive_good(&a);
				a.d->avail_idx = (uint16_t)(bases[b] + jumps[i]);
				alive_broken(&a, HF_COUNTER_BREAK_AVAIL_IDX);
				alive_close(&a);
			}
}

static void an_available_index_of_a_whole_ring_is_legal(void)
{
	static const uint16_t bases[] = {0, 1, 65530, 65535};
	static struct alive a;

	for (enum way way = 0; way < NR_WAYS; way++)
		for (size_t b = 0; b < ARRAY_SIZE(bases); b++) {
			uint32_t came = 0;

			open_at(&a, way, bases[b]);
			for (int i = 0; i < 16; i++)
				alive_good(&a);
			driver_publish(a.d);
			for (int i = 0; i < 20; i++)
				came += alive_move(&a);
			CHECK_EQ(came, 16);
			CHECK_EQ(driver_consume_all(a.d), 16);
			CHECK_EQ(alive_refusals(&a), 0);
			alive_check(&a);
			alive_close(&a);
		}
}

/* ---- the same head, the same table */

static void check_same_head(struct alive *a)
{
	uint64_t entry = a->d->used + 4;
	uint32_t id[2];

	alive_good(a);
	driver_put_head(a->d, a->head);
	driver_publish(a->d);
	CHECK_EQ(alive_move(a), 1);
	CHECK_EQ(alive_move(a), 1);
	CHECK_EQ(driver_used_idx(a->d), 2);
	for (int i = 0; i < 2; i++)
		memcpy(&id[i], guest_at(&a->rig.guest, entry + 8ull * (uint64_t)i), 4);
	CHECK(id[0] == a->head && id[1] == a->head);
	CHECK_EQ(alive_refusals(a), 0);
	/* The model would count the second one; it is the guest's own doing. */
	a->d->used_seen = a->d->avail_idx;
	a->d->chain_descs[a->head] = 0;
	a->d->descs_free = a->size;
	alive_check(a);
	alive_good(a);
	alive_delivered(a);
}

/* Copying is over before the next chain is looked at, so nothing of the first is held. */
static void the_same_head_twice_comes_back_twice(void)
{
	alive_each(BOTH | SPLIT, 0, 0, check_same_head);
}

/* Ring 1 is set up over the descriptors of ring 0. */
static void a_head_in_two_rings_is_a_chain_of_each(void)
{
	struct piece piece;
	static struct alive a;
	struct hf_vring *v;
	struct hf_vring_setup setup;

	open_at(&a, WAY_ENQUEUE, 0);
	v = a.rig.device->vrings[1];
	setup = (struct hf_vring_setup){.grant = RIG_GRANT,
					.grant_word = &a.rig.grants[1],
					.lane = &a.rig.lanes[1],
					.map = a.rig.device->map,
					.features = a.rig.features,
					.desc_gpa = a.rig.rx.desc,
					.avail_gpa = a.rig.tx.avail,
					.used_gpa = a.rig.tx.used,
					.size = 16};
	REQUIRE(hf_vring_setup(v, &setup) == 0);
	piece = (struct piece){alive_slot(&a, 0), 2048, DRIVER_WRITE};
	alive_put(&a, &piece, 1);
	driver_put_head(&a.rig.tx, a.head);
	driver_publish(&a.rig.tx);
	make_packets(60);
	CHECK_EQ(hf_dequeue_burst(a.rig.device, 1, pointers, 1), 0);
	CHECK_EQ(rig_counter(&a.rig, 1, HF_COUNTER_DROP_BAD_DIRECTION), 1);
	CHECK_EQ(driver_used_idx(&a.rig.tx), 1);
	alive_delivered(&a);
	alive_close(&a);
}

/* ---- what the guest writes where only we do */

static void check_scribbled(struct alive *a)
{
	uint32_t number = 0x1234567;

	for (uint32_t round = 0; round < 50; round++) {
		struct driver_used used = {0};
		uint16_t before = driver_used_idx(a->d);

		alive_good(a);
		driver_publish(a->d);
		for (uint64_t at = a->d->used; at < a->d->used + driver_used_bytes(a->size);
		     at += 2) {
			number = number * 1664525 + 1013904223;
			guest_write16(&a->rig.guest, at, (uint16_t)(number >> 8));
			guest_declare(&a->rig.guest, at, 2, true);
		}
		CHECK_EQ(alive_move(a), 1);
		CHECK_EQ(driver_used_idx(a->d), (uint16_t)(before + 1));
		CHECK(driver_consume(a->d, &used));
	}
	CHECK_EQ(alive_refusals(a), 0);
	alive_check(a);
}

static void a_used_ring_that_the_guest_scribbles_on_is_never_believed(void)
{
	alive_each(BOTH | SPLIT, 0, 0, check_scribbled);
	alive_each(BOTH | SPLIT, EVENT_IDX | MRG, 0, check_scribbled);
}

/* Flags of all values: bit 0 asks for no call, the others nothing. */
static void check_flags(struct alive *a)
{
	alive_good(a);
	driver_publish(a->d);
	CHECK_EQ(alive_move(a), 1);
	(void)rig_calls(&a->rig, a->queue); /* the first one is due whatever they say */
	for (uint32_t flags = 0; flags < 65536; flags += flags < 16 ? 1 : 997) {
		driver_set_avail_flags(a->d, (uint16_t)flags);
		alive_good(a);
		driver_publish(a->d);
		CHECK_EQ(alive_move(a), 1);
		driver_consume_all(a->d);
		CHECK_EQ(rig_calls(&a->rig, a->queue), !(flags & 1));
	}
	alive_check(a);
}

static void junk_in_the_available_flags_asks_for_nothing(void)
{
	alive_each(BOTH | SPLIT, 0, 0, check_flags);
}

/* A call when used->idx goes past used_event, as virtio 1.1, 2.6.7.2 has it, and never else. */
static void check_used_event(struct alive *a)
{
	uint32_t number = 77, due = 0, asked = 0;

	alive_good(a);
	driver_publish(a->d);
	CHECK_EQ(alive_move(a), 1);
	driver_consume_all(a->d);
	(void)rig_calls(&a->rig, a->queue);
	for (int round = 0; round < 2000; round++) {
		uint16_t event, before = driver_used_idx(a->d);
		bool passed;

		number = number * 1664525 + 1013904223;
		event = (uint16_t)(round % 3 ? before + (number >> 30) - 1 : number >> 12);
		passed = event == before;
		driver_set_used_event(a->d, event);
		alive_good(a);
		driver_publish(a->d);
		CHECK_EQ(alive_move(a), 1);
		driver_consume_all(a->d);
		CHECK_EQ(rig_calls(&a->rig, a->queue), passed);
		due += passed;
		asked++;
	}
	CHECK(due > 0 && due < asked);
	alive_check(a);
}

static void a_random_used_event_loses_no_call_and_makes_none(void)
{
	alive_each(BOTH | SPLIT, EVENT_IDX, 0, check_used_event);
}

/* ---- rooms too small */

static void post(struct alive *a, uint32_t i, uint32_t len)
{
	struct piece piece = {a->rig.buffers + (uint64_t)i * 4096, len, DRIVER_WRITE};

	alive_put(a, &piece, 1);
}

/* 95 buffers of 16 bytes hold 1500 + 12. */
static void check_tiny_buffers(struct alive *a)
{
	make_packets(1500);
	for (uint32_t i = 0; i < 256; i++)
		post(a, i, 16);
	driver_publish(a->d);
	CHECK_EQ(hf_enqueue_burst(a->rig.device, 0, pointers, BURST), 256 / 95);
	CHECK_EQ(rig_counter(&a->rig, 0, HF_COUNTER_NO_GUEST_BUFFER), 1);
	CHECK_EQ(driver_consume_all(a->d), 2 * 95);
	CHECK_EQ(hf_enqueue_burst(a->rig.device, 0, pointers, BURST), 0);
	CHECK_EQ(driver_consume_all(a->d), 0);
	alive_check(a);
}

/* No later try will be better: each is dropped, and the ring is as it was. */
static void check_tiny_ring(struct alive *a)
{
	make_packets(1500);
	for (uint32_t i = 0; i < a->size; i++)
		post(a, i, 16);
	driver_publish(a->d);
	CHECK_EQ(hf_enqueue_burst(a->rig.device, 0, pointers, BURST), BURST);
	CHECK_EQ(rig_counter(&a->rig, 0, HF_COUNTER_DROP_TOO_BIG), BURST);
	CHECK_EQ(driver_consume_all(a->d), 0);
	alive_check(a);
}

static void check_tiny_jump(struct alive *a)
{
	post(a, 0, 16);
	a->d->avail_idx = 65535;
	alive_broken(a, HF_COUNTER_BREAK_AVAIL_IDX);
}

static void check_64_kib(struct alive *a)
{
	uint32_t len = 65536, have = 0, wrong = 0;
	struct driver_used used;

	make_packets(len);
	for (uint32_t i = 0; i < 256; i++)
		post(a, i, 300);
	driver_publish(a->d);
	CHECK_EQ(hf_enqueue_burst(a->rig.device, 0, pointers, 1), 1);
	CHECK_EQ(guest_read16(&a->rig.guest, a->rig.buffers + 10), (len + 12 + 299) / 300);
	for (uint32_t i = 0; i < (len + 12 + 299) / 300; i++) {
		const uint8_t *at = guest_at(&a->rig.guest, a->rig.buffers + 4096ull * i);
		uint32_t skip = i ? 0 : 12;

		REQUIRE(driver_consume(a->d, &used));
		CHECK_EQ(used.len, min_u64(300, len + 12 - 300 * i));
		wrong += memcmp(bytes[0] + have, at + skip, used.len - skip) != 0;
		have += used.len - skip;
	}
	CHECK_EQ(have, len);
	CHECK_EQ(wrong, 0);
	CHECK(!driver_consume(a->d, &used));
	alive_check(a);
}

/* Of packets that are larger than what the other ways send. */
static void each_enqueue(uint16_t size, void (*check)(struct alive *a))
{
	static struct alive a;

	for (int packed = 0; packed < 2; packed++) {
		struct rig_shape shape = {.features = V1 | MRG | (packed ? PACKED : 0),
					  .size = size,
					  .memory = ALIVE_MEMORY};

		alive_open(&a, WAY_ENQUEUE, &shape);
		check(&a);
		alive_close(&a);
	}
}

static void packets_in_many_buffers_are_as_many_as_there_is_room_for(void)
{
	each_enqueue(256, check_tiny_buffers);
	each_enqueue(8, check_tiny_ring);
	alive_each(TO | SPLIT, MRG, 8, check_tiny_jump);
	each_enqueue(256, check_64_kib);
}

/* A guest that posts 1-byte buffers for ever, to packets that come for ever. */
static void check_one_byte_buffers(struct alive *a)
{
	for (uint32_t i = 0; i < a->size; i++)
		post(a, i, 1);
	driver_publish(a->d);
	for (uint32_t i = 1; i <= 10000; i++) {
		CHECK_EQ(alive_move(a), 1);
		CHECK_EQ(rig_counter(&a->rig, 0, HF_COUNTER_DROP_GUEST_BUFFER_SMALL), i);
	}
	CHECK_EQ(driver_consume_all(a->d), 0);
	CHECK_EQ(alive_refusals(a), 10000);
	alive_check(a);
}

static void buffers_of_one_byte_drop_each_packet_and_loop_none(void)
{
	alive_each(TO | ANY, 0, 0, check_one_byte_buffers);
}

/* All or nothing: a packet that lacks a buffer leaves the ring as it found it. */
static void check_too_few(struct alive *a)
{
	static const uint32_t lens[] = {20, 20, 20, 12};
	struct driver_used used;

	for (uint32_t i = 0; i < 3; i++)
		post(a, i, 20);
	driver_publish(a->d);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(alive_move(a), 0);
	CHECK_EQ(driver_consume_all(a->d), 0);
	CHECK_EQ(rig_counter(&a->rig, 0, HF_COUNTER_NO_GUEST_BUFFER), 3);
	post(a, 3, 4000);
	driver_publish(a->d);
	CHECK_EQ(alive_move(a), 1);
	CHECK_EQ(guest_read16(&a->rig.guest, a->rig.buffers + 10), 4);
	for (uint32_t i = 0; i < 4; i++) {
		CHECK(driver_consume(a->d, &used));
		CHECK_EQ(used.len, lens[i]);
	}
	CHECK_EQ(alive_refusals(a), 0);
	alive_check(a);
}

/* The header itself in pieces, one of them 5 bytes. */
static void check_less_than_a_header(struct alive *a)
{
	uint32_t have = 0;
	struct driver_used used;

	for (uint32_t i = 0; i < a->size; i++)
		post(a, i, i % 2 ? 7 : 5);
	driver_publish(a->d);
	CHECK_EQ(alive_move(a), 1);
	while (driver_consume(a->d, &used))
		have += used.len;
	CHECK_EQ(have, 12 + ALIVE_FRAME);
	/* 5 and then 7: num_buffers are the last two of the second. */
	CHECK_EQ(guest_read16(&a->rig.guest, a->rig.buffers + 4096 + 5), 12);
	CHECK_EQ(alive_refusals(a), 0);
	alive_check(a);
}

static void a_packet_is_whole_or_not_there(void)
{
	alive_each(TO | ANY, MRG, 0, check_too_few);
	alive_each(TO | ANY, MRG, 0, check_less_than_a_header);
}

static void check_small_kept(struct alive *a)
{
	static const uint32_t lens[] = {1, 5, 11, 12, 13, 12 + ALIVE_FRAME - 1};
	struct driver_used used;

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		alive_one(a, alive_slot(a, 0), lens[i], DRIVER_WRITE);
		guest_declare(&a->rig.guest, alive_slot(a, 0), lens[i], true);
		driver_publish(a->d);
		CHECK_EQ(alive_move(a), 1);
		CHECK(!driver_consume(a->d, &used));
		CHECK_EQ(rig_counter(&a->rig, 0, HF_COUNTER_DROP_GUEST_BUFFER_SMALL), i + 1);
		/* It stays in front until the guest makes it larger. */
		guest_declare(&a->rig.guest, alive_slot(a, 0), 12 + ALIVE_FRAME, true);
		alive_spoil(a, 0, alive_slot(a, 0), 12 + ALIVE_FRAME, DRIVER_WRITE, 0);
		CHECK_EQ(alive_move(a), 1);
		CHECK(driver_consume(a->d, &used));
		CHECK_EQ(used.len, 12 + ALIVE_FRAME);
	}
	alive_check(a);
}

static void a_buffer_smaller_than_a_header_keeps_its_place(void)
{
	alive_each(TO | SPLIT, 0, 0, check_small_kept);
}

/* ---- head of line, states */

static void check_head_of_line(struct alive *a)
{
	struct piece piece = {alive_slot(a, 0), 12 + 65562, 0};

	alive_put(a, &piece, 1);
	alive_dropped(a, HF_COUNTER_DROP_TOO_BIG, 1);
}

static void a_packet_that_fits_nowhere_holds_up_nobody(void)
{
	alive_each(FROM | ANY, 0, 0, check_head_of_line);
}

static void check_untouched(struct alive *a)
{
	struct hf_packet before[BURST];

	alive_good(a);
	driver_publish(a->d);
	make_packets(60);
	memset(packets[3].user, 0x5a, sizeof(packets[3].user));
	memcpy(before, packets, sizeof(before));
	a->rig.grants[0] = a->rig.grants[1] = 0;
	CHECK_EQ(hf_dequeue_burst(a->rig.device, 1, pointers, BURST), 0);
	CHECK_EQ(hf_enqueue_burst(a->rig.device, 0, pointers, BURST), 0);
	if (a->hop)
		CHECK_EQ(hf_hop_peek(a->hop, a->rig.device, 1, pointers, BURST, 64), 0);
	CHECK(!memcmp(before, packets, sizeof(before)));
	for (uint32_t i = 0; i < BURST; i++)
		CHECK(pointers[i] == &packets[i]);
	CHECK_EQ(driver_consume_all(a->d), 0);
	alive_check(a);
}

static void a_ring_that_is_not_ready_returns_nothing_and_touches_nothing(void)
{
	alive_each(BOTH | ANY, 0, 0, check_untouched);
}

/* Taken back, and set up anew from 0: no chain of the former driver appears. */
static void check_reset(struct alive *a)
{
	struct hf_vring *v = a->rig.device->vrings[a->queue];
	struct hf_vring_setup setup = {.grant_word = &a->rig.grants[a->queue],
				       .lane = &a->rig.lanes[a->queue],
				       .map = a->rig.device->map,
				       .features = a->rig.features,
				       .desc_gpa = a->d->desc,
				       .avail_gpa = a->d->avail,
				       .used_gpa = a->d->used,
				       .grant = RIG_GRANT + 2,
				       .size = a->size};
	uint64_t gpa = a->d->desc;

	for (int i = 0; i < 5; i++)
		alive_good(a);
	driver_publish(a->d);
	CHECK_EQ(alive_move(a), 1);
	a->rig.grants[a->queue] = 0;
	CHECK_EQ(alive_move(a), 0);
	/* Old chains of a packed ring would be new ones: its driver takes them out. */
	if (a->d->packed) {
		driver_destroy(a->d);
		REQUIRE(driver_create_packed(a->d, &a->rig.guest, gpa, a->size, false, 0));
	} else {
		REQUIRE(driver_begin_again(a->d));
	}
	setup.next = a->d->used_seen;
	v->my_grant = 0;
	a->rig.lanes[a->queue] = (struct hf_lane_vring){0};
	setup.size = 0;
	CHECK_EQ(hf_vring_setup(v, &setup), -EINVAL);
	setup.size = a->size;
	REQUIRE(hf_vring_setup(v, &setup) == 0);
	a->rig.grants[a->queue] = (RIG_GRANT + 2) | HF_GRANT_ENABLED;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(alive_move(a), 0);
	CHECK_EQ(driver_consume_all(a->d), 0);
	alive_good(a);
	alive_delivered(a);
}

static void chains_of_a_driver_that_was_reset_do_not_come_again(void)
{
	alive_each(BOTH | ANY, 0, 0, check_reset);
}

/* Nobody frees a buffer for a long time, then somebody does. */
static void check_starved(struct alive *a)
{
	for (uint32_t i = 0; i < a->size; i++)
		alive_good(a);
	driver_publish(a->d);
	for (uint32_t i = 0; i < 20000; i++)
		CHECK_EQ(alive_move(a), i < a->size);
	CHECK_EQ(rig_counter(&a->rig, 0, HF_COUNTER_NO_GUEST_BUFFER), 20000 - a->size);
	CHECK_EQ(driver_consume_all(a->d), a->size);
	CHECK_EQ(alive_move(a), 0);
	CHECK_EQ(hf_enable_guest_notification(a->rig.device, 0, true), 0);
	alive_good(a);
	driver_publish(a->d);
	CHECK_EQ(hf_enable_guest_notification(a->rig.device, 0, true), 1);
	CHECK_EQ(alive_move(a), 1);
	CHECK_EQ(alive_refusals(a), 0);
	CHECK_EQ(driver_consume_all(a->d), 1);
	alive_check(a);
}

static void a_ring_that_was_full_for_long_goes_on_with_its_first_buffer(void)
{
	alive_each(TO | ANY, 0, 0, check_starved);
}

static const struct sentence sentences[] = {
	CATALOGUE(an_available_index_that_jumps_costs_the_ring, "[33] [R-1]"),
	CATALOGUE(an_available_index_of_a_whole_ring_is_legal, "[33]"),
	CATALOGUE(the_same_head_twice_comes_back_twice, "[38] [R-8]"),
	CATALOGUE(a_head_in_two_rings_is_a_chain_of_each, "[R-8]"),
	CATALOGUE(a_used_ring_that_the_guest_scribbles_on_is_never_believed, "[R-8]"),
	CATALOGUE(junk_in_the_available_flags_asks_for_nothing, "[R-8]"),
	CATALOGUE(a_random_used_event_loses_no_call_and_makes_none, "[R-8]"),
	CATALOGUE(packets_in_many_buffers_are_as_many_as_there_is_room_for, "[32] [R-10]"),
	CATALOGUE(buffers_of_one_byte_drop_each_packet_and_loop_none, "[35]"),
	CATALOGUE(a_packet_is_whole_or_not_there, "[R-10]"),
	CATALOGUE(a_buffer_smaller_than_a_header_keeps_its_place, "[R-10]"),
	CATALOGUE(a_packet_that_fits_nowhere_holds_up_nobody, "[42] [R-6]"),
	CATALOGUE(a_ring_that_is_not_ready_returns_nothing_and_touches_nothing, "[42]"),
	CATALOGUE(chains_of_a_driver_that_was_reset_do_not_come_again, "[43]"),
	CATALOGUE(a_ring_that_was_full_for_long_goes_on_with_its_first_buffer, "[44]"),
};
SUITE("hostile rings", sentences)
