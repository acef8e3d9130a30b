/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed rings driven wrongly, one named case each, as in test_hostile_ring.c: after every DROP the
 * bad chain is back whole with length 0 and the good one behind it arrives; after every BREAK the
 * ring is silent and untouched. No byte outside the buffers and the used descriptors changes, ever.
 *
 * A DROP_ or BREAK_ counter without a case here or there fails one of the two suites.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define CSUM	  HF_FEATURE(VIRTIO_NET_F_CSUM)
#define EVENT_IDX HF_FEATURE(HF_F_EVENT_IDX)

#define SIZE 15u
#define RING PACKED
#include "drops.h"

#define AVAIL 0x0080u
#define USED  0x8000u

/* The position `n` descriptors into what the guest puts. */
static uint16_t at(uint32_t n)
{
	return driver_index(d, n);
}

/* A chain of `n` descriptors of one byte each. */
static void chain(uint32_t n)
{
	struct piece pieces[SIZE];

	for (uint32_t i = 0; i < n; i++)
		pieces[i] = (struct piece){slot(i), 1, writable};
	REQUIRE(driver_put(d, pieces, n) >= 0);
}

/* Its descriptor `i` otherwise. The first one's flags are shown when all is published. */
static void spoil(uint32_t i, uint64_t addr, uint32_t len, uint16_t flags)
{
	uint64_t gpa = d->desc + 16ull * (at(i) & 0x7fff);

	guest_write(d->guest, gpa, &addr, 8);
	guest_write(d->guest, gpa + 8, &len, 4);
	flags |= driver_available(at(i));
	if (i)
		guest_write16(d->guest, gpa + 14, flags);
	else
		d->heads[0].flags = flags;
}

static void one(uint64_t addr, uint32_t len, uint16_t flags)
{
	chain(1);
	spoil(0, addr, len, flags);
}

static void table(uint32_t n, uint32_t len, uint16_t flags)
{
	struct piece pieces[SIZE + 1];

	for (uint32_t i = 0; i < n; i++)
		pieces[i] = (struct piece){slot(i), i + 1 == n ? 200 : 0, writable};
	REQUIRE(driver_put_indirect(d, slot(60), pieces, n) >= 0);
	spoil(0, slot(60), len, DRIVER_INDIRECT | flags);
}

static void table_one_longer_than_the_ring(void)
{
	table(SIZE + 1, 16 * (SIZE + 1), 0);
}

static void table_of_no_bytes(void)
{
	table(2, 0, 0);
}

static void table_of_half_an_entry(void)
{
	table(2, 8, 0);
}

static void table_and_a_bit(void)
{
	table(2, 40, 0);
}

static void table_not_negotiated(void)
{
	table(2, 32, 0);
}

/* INDIRECT with NEXT: the whole list goes back. */
static void table_that_goes_on(void)
{
	chain(3);
	spoil(0, slot(60), 32, DRIVER_INDIRECT | DRIVER_NEXT);
}

/* "each list only contains descriptors of a given type" */
static void table_behind_a_buffer(void)
{
	chain(2);
	spoil(1, slot(60), 32, DRIVER_INDIRECT);
}

static void table_nowhere(void)
{
	table(2, 32, 0);
	spoil(0, HOLE + 16, 32, DRIVER_INDIRECT);
}

static void table_over_the_end(void)
{
	table(2, 32, 0);
	driver_write_desc(d, HOLE - 16, 0, slot(0), 0, 0, writable);
	spoil(0, HOLE - 16, 32, DRIVER_INDIRECT);
}

static void buffer_nowhere(void)
{
	one(HOLE + 4096, 100, writable);
}

static void buffer_over_the_end(void)
{
	guest_declare(&rig.guest, HOLE - 16, 16, writable);
	one(HOLE - 16, 4096, writable);
}

static void buffer_that_wraps(void)
{
	one(UINT64_MAX - 15, 4096, writable);
}

static void third_buffer_nowhere(void)
{
	chain(5);
	spoil(2, 1ull << 50, 100, writable | DRIVER_NEXT);
}

static void last_buffer_nowhere(void)
{
	chain(SIZE - 1);
	spoil(SIZE - 2, 1ull << 50, 100, writable);
}

static void nowhere_and_empty_too(void)
{
	chain(2);
	spoil(0, 1ull << 50, 0, writable | DRIVER_NEXT);
	spoil(1, 1ull << 50, 1, writable);
}

static void wrong_direction(void)
{
	one(slot(0), 100, writable ^ DRIVER_WRITE);
}

static void wrong_direction_second(void)
{
	chain(3);
	spoil(1, slot(1), 100, (writable ^ DRIVER_WRITE) | DRIVER_NEXT);
}

static void chain_of_nothing(void)
{
	one(slot(0), 0, writable);
}

static void chain_of_a_header(void)
{
	one(slot(0), 12, writable);
}

static void chains_of_a_byte(void)
{
	chain(11);
}

static void larger_than_the_room(void)
{
	one(slot(0), ROOM + 12 + 1, writable);
}

static void larger_than_anything(void)
{
	one(slot(0), 0xffffffff, writable);
}

static void checksum_behind_the_frame(void)
{
	uint8_t bytes[12 + FRAME] = {1};
	uint16_t start = FRAME - 1;

	memcpy(bytes + 6, &start, 2);
	guest_write(&rig.guest, slot(0), bytes, sizeof(bytes));
	one(slot(0), sizeof(bytes), 0);
}

static const struct drop drops[] = {
	CASE(table_one_longer_than_the_ring, LOOP, INDIRECT, BOTH),
	CASE(table_of_no_bytes, BAD_INDIRECT, INDIRECT, BOTH),
	CASE(table_of_half_an_entry, BAD_INDIRECT, INDIRECT, BOTH),
	CASE(table_and_a_bit, BAD_INDIRECT, INDIRECT, BOTH),
	CASE(table_not_negotiated, BAD_INDIRECT, 0, BOTH),
	CASE(table_that_goes_on, BAD_INDIRECT, INDIRECT, BOTH),
	CASE(table_behind_a_buffer, BAD_INDIRECT, INDIRECT, BOTH),
	CASE(table_nowhere, BAD_ADDRESS, INDIRECT, BOTH),
	CASE(table_over_the_end, BAD_ADDRESS, INDIRECT, BOTH),
	CASE(buffer_nowhere, BAD_ADDRESS, 0, BOTH),
	CASE(buffer_over_the_end, BAD_ADDRESS, 0, BOTH),
	CASE(buffer_that_wraps, BAD_ADDRESS, 0, BOTH),
	CASE(third_buffer_nowhere, BAD_ADDRESS, 0, BOTH),
	CASE(last_buffer_nowhere, BAD_ADDRESS, 0, BOTH),
	CASE(nowhere_and_empty_too, BAD_ADDRESS, 0, BOTH),
	CASE(wrong_direction, BAD_DIRECTION, 0, BOTH),
	CASE(wrong_direction_second, BAD_DIRECTION, 0, BOTH),
	CASE(chain_of_nothing, SHORT_CHAIN, 0, FROM),
	CASE(chain_of_a_header, SHORT_CHAIN, 0, FROM),
	CASE(chains_of_a_byte, SHORT_CHAIN, 0, FROM),
	CASE(chain_of_nothing, SHORT_CHAIN, MRG, TO),
	CASE(larger_than_the_room, TOO_BIG, 0, FROM),
	CASE(larger_than_anything, TOO_BIG, 0, FROM),
	CASE(checksum_behind_the_frame, BAD_HEADER, CSUM, FROM),
};

static void a_bad_chain_from_the_guest_costs_itself_only(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(drops); i++)
		if (drops[i].dequeue)
			check_drop(&drops[i], 1);
}

static void a_bad_chain_for_the_guest_costs_itself_only(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(drops); i++)
		if (drops[i].enqueue)
			check_drop(&drops[i], 0);
}

/* As DPDK's virtio driver sends: its own header's entry in a table says "writable". */
static void a_table_from_the_guest_may_say_writable(void)
{
	uint8_t bytes[12 + FRAME] = {0};
	struct piece pieces[2] = {{0, 12, DRIVER_WRITE}};
	struct driver_used used;

	open_ring(1, INDIRECT);
	memset(bytes + 12, 0x77, FRAME);
	pieces[0].gpa = slot(50);
	pieces[1] = (struct piece){slot(50) + 12, FRAME, 0};
	guest_write(&rig.guest, slot(50), bytes, sizeof(bytes));
	REQUIRE(driver_put_indirect(d, slot(60), pieces, 2) >= 0);
	guest_declare(&rig.guest, slot(50), 12, false); /* nobody writes there all the same */
	driver_publish(d);
	CHECK_EQ(move_one(1), 1);
	CHECK(driver_consume(d, &used));
	close_ring(1);
}

/* ---- what costs the ring */

static void check_broken(uint16_t queue, uint32_t used)
{
	for (int i = 0; i < 5; i++)
		CHECK_EQ(move_one(queue), 0);
	CHECK_EQ(rig_counter(&rig, queue, HF_COUNTER_BREAK_BAD_CHAIN), 1);
	CHECK_EQ(rig_errors(&rig, queue), 1);
	CHECK_EQ(rig.lanes[queue].broken, HF_COUNTER_BREAK_BAD_CHAIN + 1);
	CHECK_EQ(rig.lanes[queue].used, at(used));
	/* Whatever the guest does now: nothing. */
	guest_declare(&rig.guest, rig.guest.base, rig.guest.size, false);
	CHECK_EQ(move_one(queue), 0);
	CHECK_EQ(rig_errors(&rig, queue), 0);
}

/* A chain of `n`, of which descriptor `bad` has these bits of the two. */
static void check_hidden(uint16_t queue, uint32_t n, uint32_t bad, uint16_t bits)
{
	open_ring(queue, 0);
	chain(n);
	guest_write16(d->guest, d->desc + 16ull * bad + 14,
		      writable | (bad + 1 < n ? DRIVER_NEXT : 0) | bits);
	driver_publish(d);
	check_broken(queue, 0);
	close_ring(queue);
}

static void a_chain_with_a_part_that_is_not_available_breaks_the_ring(void)
{
	static const uint16_t bits[] = {0, USED, AVAIL | USED};

	for (uint16_t queue = 0; queue < 2; queue++)
		for (uint32_t bad = 1; bad < 4; bad++)
			for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
				check_hidden(queue, 4, bad, bits[i]);
}

/* NEXT all the way round: the first one again would be of another lap. */
static void a_chain_longer_than_the_ring_breaks_the_ring(void)
{
	for (uint16_t queue = 0; queue < 2; queue++) {
		open_ring(queue, 0);
		chain(SIZE);
		spoil(SIZE - 1, slot(0), 1, DRIVER_NEXT | writable);
		driver_publish(d);
		check_broken(queue, 0);
		close_ring(queue);
	}
}

static void what_came_before_a_broken_chain_is_still_delivered(void)
{
	open_ring(1, 0);
	put_good(1);
	chain(2);
	guest_write16(d->guest, d->desc + 16ull * 2 + 14, 0);
	driver_publish(d);
	CHECK_EQ(move_one(1), 1);
	check_broken(1, 1);
	close_ring(1);
}

/* Each pair of bits in each lap means one thing only. */
static void only_the_bits_of_this_lap_make_available(void)
{
	for (uint16_t queue = 0; queue < 2; queue++)
		for (uint32_t lap = 0; lap < 2; lap++)
			for (unsigned int bits = 0; bits < 4; bits++) {
				uint16_t flags =
					(uint16_t)((bits & 1 ? AVAIL : 0) | (bits & 2 ? USED : 0));
				struct rig_shape shape = {.features = V1 | PACKED,
							  .size = SIZE,
							  .memory = HOLE,
							  .base = (uint16_t)(lap * SIZE)};
				bool available;

				REQUIRE(rig_create(&rig, &shape));
				d = queue ? &rig.tx : &rig.rx;
				writable = queue ? 0 : DRIVER_WRITE;
				put_good(queue);
				available = flags == (lap ? USED : AVAIL);
				d->heads[0].flags = flags | writable;
				driver_publish(d);
				CHECK_EQ(move_one(queue), available);
				CHECK_EQ(rig.lanes[queue].used,
					 driver_index(d, lap * SIZE + available));
				driver_consume_all(d);
				close_ring(queue);
			}
}

/* ---- ids and event structures are the guest's own affair */

static void any_id_comes_back_as_it_was(void)
{
	static const uint16_t ids[] = {0, SIZE, 0x7fff, 0xffff};

	for (uint16_t queue = 0; queue < 2; queue++) {
		open_ring(queue, MRG);
		for (uint32_t i = 0; i < 2 * ARRAY_SIZE(ids); i++) {
			uint16_t id = ids[i / 2]; /* each twice */

			put_good(queue);
			guest_write16(d->guest, d->desc + 16ull * i + 12, id);
		}
		driver_publish(d);
		for (uint32_t i = 0; i < 2 * ARRAY_SIZE(ids); i++)
			CHECK_EQ(move_one(queue), 1);
		for (uint32_t i = 0; i < 2 * ARRAY_SIZE(ids); i++)
			CHECK_EQ(guest_read16(d->guest, d->desc + 16ull * i + 12), ids[i / 2]);
		close_ring(queue);
	}
}

/* No number there stops the ring, and calls are due or not, but never many. */
static void event_structures_of_nonsense_harm_nobody(void)
{
	static const uint16_t positions[] = {0,	     1,	     SIZE - 1,	    SIZE,  0x7fff,
					     0x8000, 0x8001, 0x8000 | SIZE, 0xffff};

	for (size_t i = 0; i < ARRAY_SIZE(positions); i++)
		for (uint16_t flags = 0; flags < 8; flags++) {
			open_ring(1, i % 2 ? EVENT_IDX : 0);
			driver_set_used_event(d, positions[i]);
			driver_set_avail_flags(d, flags % 4 ? flags : (uint16_t)(flags << 12));
			for (uint32_t n = 0; n < 3 * SIZE; n++) {
				put_good(1);
				driver_publish(d);
				CHECK_EQ(move_one(1), 1);
				CHECK_EQ(driver_consume_all(d), 1);
				CHECK(rig_calls(&rig, 1) <= 1);
			}
			close_ring(1);
		}
}

static void reserved_flags_still_call(void)
{
	open_ring(1, EVENT_IDX);
	put_good(1);
	driver_publish(d);
	CHECK_EQ(move_one(1), 1);
	(void)rig_calls(&rig, 1); /* the first one, whatever the flags say */
	driver_set_avail_flags(d, 3);
	put_good(1);
	driver_publish(d);
	CHECK_EQ(move_one(1), 1);
	CHECK_EQ(rig_calls(&rig, 1), 1);
	driver_set_avail_flags(d, 1);
	put_good(1);
	driver_publish(d);
	CHECK_EQ(move_one(1), 1);
	CHECK_EQ(rig_calls(&rig, 1), 0);
	close_ring(1);
}

/* ---- packets, states */

static void a_buffer_too_small_for_the_packet_drops_the_packet(void)
{
	open_ring(0, 0);
	one(slot(0), 12 + FRAME - 1, writable);
	guest_declare(&rig.guest, slot(0), 12 + FRAME, true);
	driver_publish(d);
	for (int i = 1; i < 4; i++) {
		CHECK_EQ(move_one(0), 1);
		CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_GUEST_BUFFER_SMALL), i);
	}
	CHECK_EQ(driver_used_idx(d), at(0));
	close_ring(0);
}

static void a_packet_larger_than_the_whole_ring_is_dropped(void)
{
	open_ring(0, MRG);
	for (uint32_t i = 0; i < SIZE; i++)
		chain(1);
	driver_publish(d);
	CHECK_EQ(move_one(0), 1);
	CHECK_EQ(rig_counter(&rig, 0, HF_COUNTER_DROP_TOO_BIG), 1);
	CHECK_EQ(driver_used_idx(d), at(0));
	close_ring(0);
}

static void a_disabled_ring_drops_what_the_guest_sends(void)
{
	open_ring(1, 0);
	rig.grants[1] &= ~HF_GRANT_ENABLED;
	put_good(1);
	chain(4);
	put_good(1);
	driver_publish(d);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(move_one(1), 0);
	CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_DROP_DISABLED), 3);
	CHECK_EQ(driver_consume_all(d), 3);
	close_ring(1);
}

static void bad_chains_forever_leave_nothing_behind(void)
{
	open_ring(1, 0);
	for (int i = 0; i < 100000; i++) {
		struct piece pieces[] = {{slot(0), 1, DRIVER_WRITE}, {slot(1), 1, 0}};

		CU_ASSERT_FATAL(driver_post(d, pieces, 2) >= 0);
		CU_ASSERT_FATAL(move_one(1) == 0);
		CU_ASSERT_FATAL(driver_consume_all(d) == 1);
	}
	CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_DROP_BAD_DIRECTION), 100000);
	close_ring(1);
}

/* ---- a guest that changes its mind all the time. What a sanitizer or the processor notices; that
 * a burst sees the one value or the other is shown by test_fields.c of the races. */

static struct racer {
	atomic_bool over;
	uint64_t gpa;
	uint16_t good, bad;
	atomic_ulong flips;
} racer;

static void *flip(void *unused)
{
	uint16_t *word = (uint16_t *)(void *)guest_at(&rig.guest, racer.gpa);

	(void)unused;
	while (!atomic_load_explicit(&racer.over, memory_order_relaxed)) {
		__atomic_store_n(word, racer.bad, __ATOMIC_RELAXED);
		__atomic_store_n(word, racer.good, __ATOMIC_RELAXED);
		atomic_fetch_add_explicit(&racer.flips, 1, memory_order_relaxed);
	}
	return NULL;
}

/* Bytes `offset` of descriptor 1 of a chain of three flip while bursts run. */
static void race(uint16_t queue, uint32_t offset, uint16_t good, uint16_t bad)
{
	pthread_t thread;

	open_ring(queue, MRG | INDIRECT);
	guest_declare(&rig.guest, rig.guest.base, rig.guest.size, true);
	chain(3);
	for (uint32_t i = 0; i < SIZE - 3; i++)
		put_good(queue);
	driver_publish(d);
	racer.gpa = d->desc + 16 + offset;
	racer.good = good;
	racer.bad = bad;
	atomic_store(&racer.over, false);
	atomic_store(&racer.flips, 0);
	REQUIRE(pthread_create(&thread, NULL, flip, NULL) == 0);
	while (atomic_load(&racer.flips) < 1000)
		;
	/* The same descriptors again and again: as if nothing had been used. */
	for (int i = 0; i < 3000 && !rig.device->vrings[queue]->broken; i++) {
		uint16_t flags = writable | DRIVER_NEXT | AVAIL;

		move_one(queue);
		rig.device->vrings[queue]->next = at(0);
		guest_write16(&rig.guest, d->desc + 14, flags);
	}
	atomic_store(&racer.over, true);
	pthread_join(thread, NULL);
	rig_destroy(&rig);
}

static void fields_that_flip_while_a_burst_runs_end_no_process(void)
{
	for (uint16_t queue = 0; queue < 2; queue++) {
		uint16_t w = queue ? 0 : DRIVER_WRITE;

		race(queue, 14, w | DRIVER_NEXT | AVAIL, w | AVAIL);
		race(queue, 14, w | DRIVER_NEXT | AVAIL, w | DRIVER_NEXT | AVAIL | USED);
		race(queue, 14, w | DRIVER_NEXT | AVAIL, DRIVER_INDIRECT | AVAIL);
		race(queue, 8, 1, 0xffff);
		race(queue, 10, 0, 0xffff);
		race(queue, 6, 0, 0xffff);
	}
}

/* Last: the others have counted. What only a split ring can have is not asked for. */
static void every_refusal_has_a_case(void)
{
	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++) {
		const char *name = hf_shm_counter_name(i);

		if (strncmp(name, "drop_", 5) != 0 && strncmp(name, "break_", 6) != 0)
			continue;
		if (i == HF_COUNTER_DROP_BAD_NEXT || i == HF_COUNTER_DROP_BAD_METADATA ||
		    i == HF_COUNTER_BREAK_AVAIL_IDX || i == HF_COUNTER_BREAK_BAD_HEAD ||
		    i == HF_COUNTER_BREAK_MEMORY_GONE) /* in test_sigbus.c */
			continue;
		if (!met[i])
			printf("    no case for %s\n", name);
		CHECK(met[i] > 0);
	}
}

static const struct sentence sentences[] = {
	CATALOGUE(a_bad_chain_from_the_guest_costs_itself_only, "[P-4] [P-5]"),
	CATALOGUE(a_bad_chain_for_the_guest_costs_itself_only, "[P-4] [P-5]"),
	SENTENCE(a_table_from_the_guest_may_say_writable),
	CATALOGUE(a_chain_with_a_part_that_is_not_available_breaks_the_ring, "[P-1] [P-2]"),
	CATALOGUE(a_chain_longer_than_the_ring_breaks_the_ring, "[P-2]"),
	SENTENCE(what_came_before_a_broken_chain_is_still_delivered),
	CATALOGUE(only_the_bits_of_this_lap_make_available, "[P-1]"),
	CATALOGUE(any_id_comes_back_as_it_was, "[38] [P-3]"),
	CATALOGUE(event_structures_of_nonsense_harm_nobody, "[P-6]"),
	CATALOGUE(reserved_flags_still_call, "[P-6]"),
	CATALOGUE(a_buffer_too_small_for_the_packet_drops_the_packet, "[R-10]"),
	CATALOGUE(a_packet_larger_than_the_whole_ring_is_dropped, "[R-10]"),
	SENTENCE(a_disabled_ring_drops_what_the_guest_sends),
	SENTENCE(what_is_sent_behind_the_enabling_is_not_dropped),
	SENTENCE(what_is_sent_while_the_ring_is_taken_back_is_not_dropped),
	CATALOGUE(bad_chains_forever_leave_nothing_behind, "[7] [37]"),
	SENTENCE(fields_that_flip_while_a_burst_runs_end_no_process),
	SENTENCE(every_refusal_has_a_case),
};
SUITE("hostile packed ring", sentences)
