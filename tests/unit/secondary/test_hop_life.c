/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a peek: what is held, who gets what back and when, and what becomes of it when one
 * of the guests or the primary does not wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <holdfast/burst.h>
#include <holdfast/hop.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "hop.h"
#include "notify.h"
#include "rarp.h"
#include "rig.h"
#include "suite.h"

#ifdef RING_PACKED /* built once for each kind of ring */
#define RING HF_FEATURE(HF_F_RING_PACKED)
#else
#define RING 0ull
#endif
#define GUESTS	4u /* number 0 sends */
#define SIZE	64u
#define SLOT	512u
#define FRAME	200u
#define FRONT	64u
#define ROOM	2048u
#define PACKETS HF_MAX_BURST

static struct rig guests[GUESTS];
static uint8_t data[PACKETS][ROOM];
static struct hf_packet packets[PACKETS], *pointers[PACKETS];
static struct hf_hop *hop;
static uint32_t sent;		  /* frames */
static uint32_t expected[GUESTS]; /* number of the next frame there */
/* Places of buffers, in the order in which they were posted, and that came back. */
static uint64_t places[GUESTS][8192];
static uint32_t posted[GUESTS], back[GUESTS];

static uint64_t slot(const struct rig *rig, uint32_t i)
{
	return rig->buffers + (uint64_t)i * SLOT;
}

static void open_guest(struct rig *rig, uint16_t size, uint16_t base)
{
	struct rig_shape shape = {
		.features = V1 | RING, .size = size, .base = base, .memory = 1u << 20};

	REQUIRE(rig_create(rig, &shape));
}

static void post_buffers(struct rig *rig, uint32_t n)
{
	for (; n && rig->rx.descs_free; n--) {
		struct piece piece = {slot(rig, SIZE + rig->rx.next_desc), SLOT, DRIVER_WRITE};

		REQUIRE(driver_put(&rig->rx, &piece, 1) >= 0);
		places[rig - guests][posted[rig - guests]++] = piece.gpa;
	}
	driver_publish(&rig->rx);
}

static void open_guests(uint16_t base)
{
	for (uint32_t i = 0; i < GUESTS; i++) {
		open_guest(&guests[i], SIZE, base);
		expected[i] = posted[i] = back[i] = 0;
	}
	for (uint32_t i = 0; i < PACKETS; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .room = ROOM};
		pointers[i] = &packets[i];
	}
	hop = hf_hop_create();
	REQUIRE(hop != NULL);
	sent = 0;
}

static void close_guests(void)
{
	hf_hop_destroy(hop);
	for (uint32_t i = 0; i < GUESTS; i++) {
		CHECK_EQ(driver_check(&guests[i].rx), 0);
		CHECK_EQ(driver_check(&guests[i].tx), 0);
		CHECK_EQ(hf_load_acquire(&guests[i].lanes[0].busy), 0);
		CHECK_EQ(hf_load_acquire(&guests[i].lanes[1].busy), 0);
		rig_destroy(&guests[i]);
	}
}

/* Frame number i: its number, then bytes that follow from it. */
static void build(uint8_t *frame, uint32_t number)
{
	for (uint32_t i = 0; i < FRAME; i++)
		frame[i] = (uint8_t)(2 * (number + i * 3));
	memcpy(frame + 6, &number, sizeof(number));
}

static void put_bytes(const void *bytes, uint32_t len)
{
	struct rig *from = &guests[0];
	struct piece piece = {slot(from, from->tx.next_desc), len, 0};

	guest_write(&from->guest, piece.gpa, bytes, len);
	REQUIRE(driver_put(&from->tx, &piece, 1) >= 0);
}

static void put_frames(uint32_t n)
{
	uint8_t bytes[12 + FRAME] = {0};

	for (; n; n--) {
		build(bytes + 12, sent++);
		put_bytes(bytes, sizeof(bytes));
	}
	driver_publish(&guests[0].tx);
}

/* A chain that breaks a rule: no byte behind the header. */
static void put_bad(void)
{
	uint8_t bytes[12] = {0};

	put_bytes(bytes, sizeof(bytes));
	driver_publish(&guests[0].tx);
}

static bool is_frame(const uint8_t *bytes, uint32_t number)
{
	uint8_t frame[FRAME];

	build(frame, number);
	return !memcmp(bytes, frame, FRAME);
}

/* How many frames came to guest `to`, whole and in order; it gives no new buffers. */
static uint32_t received(uint32_t to)
{
	struct rig *rig = &guests[to];
	struct driver_used used;
	uint32_t n = 0;

	for (; driver_consume(&rig->rx, &used); n++) {
		uint64_t gpa = places[to][back[to]++];

		CHECK_EQ(used.len, 12 + FRAME);
		CHECK(is_frame(guest_at(&rig->guest, gpa + 12), expected[to]));
		expected[to]++;
	}
	return n;
}

static uint16_t peek(uint16_t n)
{
	return hf_hop_peek(hop, guests[0].device, 1, pointers, n, FRONT);
}

static uint16_t forward(uint32_t to, uint32_t first, uint32_t n)
{
	return hf_hop_forward(hop, guests[to].device, 0, pointers + first, (uint16_t)n);
}

/* Has the library used exactly `n` chains of one descriptor since the ring was made at 0? */
static bool has_used(const struct driver *d, uint32_t n)
{
	return driver_used_idx(d) == driver_index(d, n);
}

static uint64_t counted(uint32_t guest, uint16_t queue, enum hf_counter counter)
{
	return rig_counter(&guests[guest], queue, counter);
}

/* ---- order, wrap, mix */

static void nothing_is_given_back_before_it_is_complete(void)
{
	open_guests(0);
	post_buffers(&guests[1], SIZE);
	put_frames(20);
	CHECK_EQ(peek(PACKETS), 20);
	CHECK_EQ(hf_load_acquire(&guests[0].lanes[1].busy), 1);
	CHECK_EQ(forward(1, 0, 20), 20);
	/* The receiver has them, the sender has nothing back. */
	CHECK_EQ(received(1), 20);
	CHECK(has_used(&guests[0].tx, 0));
	CHECK_EQ(guests[0].lanes[1].intent, HF_INTENT_NONE);
	hf_hop_complete(hop, 20);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 20);
	CHECK_EQ(hf_load_acquire(&guests[0].lanes[1].busy), 0);
	close_guests();
}

static void rings_and_indices_wrap(void)
{
	for (uint32_t burst = 1; burst < 40; burst += 7) {
		open_guests((uint16_t)(0 - 50));
		for (uint32_t round = 0; round < 30; round++) {
			post_buffers(&guests[1], SIZE);
			put_frames(burst);
			CHECK_EQ(peek(PACKETS), burst);
			CHECK_EQ(forward(1, 0, burst), burst);
			hf_hop_complete(hop, (uint16_t)burst);
			CHECK_EQ(received(1), burst);
			CHECK_EQ(driver_consume_all(&guests[0].tx), burst);
		}
		close_guests();
	}
}

static void a_flood_reaches_everybody(void)
{
	open_guests(0);
	for (uint32_t to = 1; to < GUESTS; to++)
		post_buffers(&guests[to], SIZE);
	put_frames(40);
	CHECK_EQ(peek(32), 32);
	for (uint32_t to = 1; to < GUESTS; to++)
		CHECK_EQ(forward(to, 0, 32), 32);
	hf_hop_complete(hop, 32);
	CHECK_EQ(peek(32), 8);
	for (uint32_t to = 1; to < GUESTS; to++)
		CHECK_EQ(forward(to, 0, 8), 8);
	hf_hop_complete(hop, 8);
	for (uint32_t to = 1; to < GUESTS; to++)
		CHECK_EQ(received(to), 40);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 40);
	close_guests();
}

/* Packet i: i % 4 says which guest; 0 is copied out, or dropped where it is a multiple of 8. */
static void forwarded_copied_and_dropped_may_mix(void)
{
	uint32_t last[GUESTS] = {0};

	open_guests(0);
	for (uint32_t to = 1; to < GUESTS; to++)
		post_buffers(&guests[to], SIZE);
	put_frames(64);
	CHECK_EQ(peek(PACKETS), 64);
	for (uint32_t i = 0; i < 64; i++) {
		if (i % 4)
			CHECK_EQ(forward(i % 4, i, 1), 1);
		else if (i % 8)
			hf_hop_copy(hop, &pointers[i], 1);
	}
	hf_hop_complete(hop, 64);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 64);
	for (uint32_t to = 1; to < GUESTS; to++)
		for (uint32_t i = to; i < 64; i += 4, last[to]++) {
			expected[to] = i;
			uint64_t gpa = places[to][last[to]];

			CHECK(is_frame(guest_at(&guests[to].guest, gpa + 12), i));
		}
	for (uint32_t i = 4; i < 64; i += 8) {
		CHECK_EQ(packets[i].len, FRAME);
		CHECK(is_frame(data[i], i));
	}
	CHECK_EQ(packets[8].len, FRONT);
	for (uint32_t to = 1; to < GUESTS; to++)
		CHECK_EQ(driver_consume_all(&guests[to].rx), 16);
	close_guests();
}

static void packets_that_were_copied_out_are_forwarded_as_well(void)
{
	open_guests(0);
	post_buffers(&guests[1], SIZE);
	post_buffers(&guests[2], SIZE);
	put_frames(10);
	CHECK_EQ(peek(PACKETS), 10);
	hf_hop_copy(hop, pointers, 5);
	hf_hop_copy(hop, pointers, 5);
	CHECK_EQ(forward(1, 0, 10), 10);
	CHECK_EQ(received(1), 10);
	hf_hop_complete(hop, 10);
	/* Now they are ordinary; those that were not copied out are cut, and nobody gets them. */
	CHECK_EQ(forward(2, 0, 10), 10);
	CHECK_EQ(received(2), 5);
	CHECK_EQ(counted(2, 0, HF_COUNTER_DROP_BAD_METADATA), 5);
	close_guests();
}

/* ---- later */

static void what_is_not_completed_comes_again(void)
{
	open_guests(0);
	post_buffers(&guests[1], SIZE);
	put_frames(3);
	put_bad();
	put_frames(3);
	put_bad();
	CHECK_EQ(peek(PACKETS), 6);
	CHECK_EQ(forward(1, 0, 4), 4);
	/* Up to the fourth, and the bad one before it. */
	hf_hop_complete(hop, 4);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 5);
	CHECK_EQ(counted(0, 1, HF_COUNTER_GOOD_PACKETS), 4);
	CHECK_EQ(counted(0, 1, HF_COUNTER_DROP_SHORT_CHAIN), 1);
	CHECK_EQ(peek(PACKETS), 2);
	hf_hop_complete(hop, 0);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 0);
	CHECK_EQ(counted(0, 1, HF_COUNTER_DROP_SHORT_CHAIN), 1);
	CHECK_EQ(peek(1), 1);
	CHECK_EQ(forward(1, 0, 1), 1);
	hf_hop_complete(hop, 1);
	/* … to a dequeue as well. */
	CHECK_EQ(hf_dequeue_burst(guests[0].device, 1, pointers, 4), 1);
	CHECK(is_frame(data[0], 5));
	CHECK_EQ(received(1), 5);
	CHECK_EQ(counted(0, 1, HF_COUNTER_GOOD_PACKETS), 6);
	CHECK_EQ(counted(0, 1, HF_COUNTER_GOOD_BYTES), 6 * FRAME);
	CHECK_EQ(counted(0, 1, HF_COUNTER_SIZE_128_255_PACKETS), 6);
	CHECK_EQ(counted(0, 1, HF_COUNTER_DROP_SHORT_CHAIN), 2);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 3);
	close_guests();
}

static void a_full_guest_says_how_many_it_took(void)
{
	open_guests(0);
	post_buffers(&guests[1], 5);
	post_buffers(&guests[2], SIZE);
	put_frames(20);
	CHECK_EQ(peek(PACKETS), 20);
	CHECK_EQ(forward(1, 0, 20), 5);
	CHECK_EQ(forward(1, 5, 15), 0);
	CHECK_EQ(counted(1, 0, HF_COUNTER_NO_GUEST_BUFFER), 2);
	/* Another one takes them, and when there is room the first does. */
	CHECK_EQ(forward(2, 0, 20), 20);
	post_buffers(&guests[1], 10);
	CHECK_EQ(forward(1, 5, 15), 10);
	hf_hop_complete(hop, 15);
	post_buffers(&guests[1], 10);
	CHECK_EQ(peek(PACKETS), 5);
	CHECK_EQ(forward(1, 0, 5), 5);
	hf_hop_complete(hop, 5);
	CHECK_EQ(received(1), 20);
	CHECK_EQ(received(2), 20);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 20);
	close_guests();
}

static void only_one_peek_is_open_at_a_time(void)
{
	open_guests(0);
	put_frames(4);
	CHECK_EQ(peek(2), 2);
	CHECK_EQ(peek(2), 0);
	/* Ended with the hop. */
	hf_hop_destroy(hop);
	CHECK_EQ(hf_load_acquire(&guests[0].lanes[1].busy), 0);
	CHECK(has_used(&guests[0].tx, 0));
	hop = hf_hop_create();
	CHECK_EQ(peek(9), 4);
	hf_hop_complete(hop, 100);
	hf_hop_complete(hop, 4);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 4);
	CHECK_EQ(peek(9), 0);
	CHECK_EQ(counted(0, 1, HF_COUNTER_EMPTY_BURSTS), 1);
	CHECK_EQ(peek(0), 0);
	close_guests();
}

/* ---- others do not wait */

static void a_guest_that_went_meanwhile_takes_nothing(void)
{
	open_guests(0);
	post_buffers(&guests[1], SIZE);
	put_frames(8);
	CHECK_EQ(peek(PACKETS), 8);
	CHECK_EQ(forward(1, 0, 4), 4);
	hf_store_release(&guests[1].grants[0], 0ull);
	CHECK_EQ(forward(1, 4, 4), 0);
	hf_store_release(&guests[1].grants[0], RIG_GRANT); /* disabled */
	CHECK_EQ(forward(1, 4, 4), 0);
	CHECK_EQ(hf_load_acquire(&guests[1].lanes[0].busy), 0);
	hf_device_set_running(guests[2].device, false);
	CHECK_EQ(forward(2, 4, 4), 0);
	hf_hop_copy(hop, pointers + 4, 2);
	hf_hop_complete(hop, 6);
	CHECK(is_frame(data[5], 5));
	CHECK_EQ(received(1), 4);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 6);
	close_guests();
}

#ifndef RING_PACKED /* test_hostile_packed.c has the rules of those */
static void a_ring_that_breaks_takes_nothing_and_is_told(void)
{
	open_guests(0);
	post_buffers(&guests[1], 4);
	put_frames(8);
	CHECK_EQ(peek(PACKETS), 8);
	guest_write16(&guests[1].guest, guests[1].rx.avail + 2, SIZE + 10);
	CHECK_EQ(forward(1, 0, 8), 0);
	CHECK_EQ(rig_errors(&guests[1], 0), 0); /* not while the source is held */
	CHECK_EQ(forward(1, 0, 8), 0);
	hf_hop_complete(hop, 8);
	CHECK_EQ(rig_errors(&guests[1], 0), 1);
	CHECK_EQ(counted(1, 0, HF_COUNTER_BREAK_AVAIL_IDX), 1);
	close_guests();
}

static void what_came_before_a_bad_head_is_forwarded(void)
{
	open_guests(0);
	post_buffers(&guests[1], SIZE);
	put_frames(5);
	driver_put_head(&guests[0].tx, SIZE);
	driver_publish(&guests[0].tx);
	CHECK_EQ(peek(PACKETS), 5);
	CHECK_EQ(forward(1, 0, 5), 5);
	hf_hop_complete(hop, 5);
	CHECK_EQ(received(1), 5);
	CHECK(has_used(&guests[0].tx, 5));
	CHECK_EQ(counted(0, 1, HF_COUNTER_BREAK_BAD_HEAD), 1);
	CHECK_EQ(rig_errors(&guests[0], 1), 1);
	CHECK_EQ(peek(PACKETS), 0);
	close_guests();
}
#endif

/* The grant's word changed under an open peek: whoever did it waits for `busy`. */
static void a_revoked_sender_is_completed_first(void)
{
	open_guests(0);
	post_buffers(&guests[1], SIZE);
	put_frames(8);
	CHECK_EQ(peek(4), 4);
	hf_store_release(&guests[0].grants[1], 0ull);
	CHECK_EQ(forward(1, 0, 4), 4);
	CHECK(!hf_lane_quiescent(&guests[0].lanes[1]));
	hf_hop_complete(hop, 4);
	CHECK(hf_lane_quiescent(&guests[0].lanes[1]));
	CHECK_EQ(guests[0].lanes[1].used, driver_index(&guests[0].tx, 4));
	CHECK_EQ(driver_consume_all(&guests[0].tx), 4);
	CHECK_EQ(peek(4), 0);
	CHECK_EQ(received(1), 4);
	close_guests();
}

static void a_disabled_ring_is_emptied(void)
{
	open_guests(0);
	put_frames(8);
	hf_store_release(&guests[0].grants[1], RIG_GRANT);
	CHECK_EQ(peek(PACKETS), 0);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 8);
	CHECK_EQ(counted(0, 1, HF_COUNTER_DROP_DISABLED), 8);
	close_guests();
}

static void only_bad_chains_go_back_at_once(void)
{
	open_guests(0);
	for (int i = 0; i < 5; i++)
		put_bad();
	CHECK_EQ(peek(PACKETS), 0);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 5);
	CHECK_EQ(counted(0, 1, HF_COUNTER_DROP_SHORT_CHAIN), 5);
	close_guests();
}

/* A chain of `n` descriptors, 16 bytes in each. */
static void put_long(uint32_t n)
{
	static const uint8_t header[16];
	struct rig *from = &guests[0];
	struct piece pieces[SIZE];

	guest_write(&from->guest, slot(from, 0), header, sizeof(header));
	for (uint32_t i = 0; i < n; i++)
		pieces[i] = (struct piece){slot(from, i), 16, 0};
	REQUIRE(driver_put(&from->tx, pieces, n) >= 0);
	driver_publish(&from->tx);
}

static void what_a_peek_walks_is_counted_whatever_becomes_of_it(void)
{
	const uint64_t *walked;

	open_guests(0);
	walked = hf_hop_walked(hop);
	CHECK_EQ(*walked, 0);
	put_long(20);
	put_long(30);
	CHECK_EQ(peek(PACKETS), 2);
	CHECK_EQ(*walked, 50);
	/* Looked at again, it is counted again. */
	hf_hop_complete(hop, 1);
	CHECK_EQ(peek(PACKETS), 1);
	CHECK_EQ(*walked, 80);
	hf_hop_complete(hop, 1);
	for (int i = 0; i < 5; i++)
		put_bad();
	CHECK_EQ(peek(PACKETS), 0);
	CHECK_EQ(*walked, 85);
	CHECK_EQ(peek(PACKETS), 0);
	CHECK_EQ(*walked, 85);
	close_guests();
}

/* One buffer for a frame, in descriptors of 8 bytes. */
static void post_crumbs(struct rig *rig)
{
	struct piece pieces[SIZE];
	uint32_t n = (12 + FRAME + 7) / 8;

	for (uint32_t i = 0; i < n; i++)
		pieces[i] = (struct piece){slot(rig, SIZE) + 8 * i, 8, DRIVER_WRITE};
	REQUIRE(driver_put(&rig->rx, pieces, n) >= 0);
	driver_publish(&rig->rx);
}

static uint32_t walked_at(uint32_t guest, uint32_t expected_cut)
{
	uint32_t cut, walked = hf_enqueue_walked(guests[guest].device, 0, &cut);

	CHECK_EQ(cut, expected_cut);
	return walked;
}

static void what_a_receiver_has_us_walk_is_told_once(void)
{
	const uint32_t crumbs = (12 + FRAME + 7) / 8;

	open_guests(0);
	CHECK_EQ(walked_at(1, 0), 0);
	put_frames(2);
	REQUIRE(peek(PACKETS) == 2);
	post_crumbs(&guests[1]);
	CHECK_EQ(forward(1, 0, 1), 1);
	CHECK_EQ(walked_at(1, 0), crumbs);
	CHECK_EQ(walked_at(1, 0), 0);
	/* One descriptor for a frame is none or one. */
	post_buffers(&guests[2], 1);
	CHECK_EQ(forward(2, 0, 1), 1);
	CHECK(walked_at(2, 0) <= 1);
	hf_hop_complete(hop, 1);
	/* Copied out and enqueued, the same. */
	REQUIRE(peek(PACKETS) == 1);
	hf_hop_copy(hop, pointers, 1);
	hf_hop_complete(hop, 1);
	CHECK_EQ(driver_consume_all(&guests[1].rx), 1);
	post_crumbs(&guests[1]);
	CHECK_EQ(hf_enqueue_burst(guests[1].device, 0, pointers, 1), 1);
	CHECK_EQ(walked_at(1, 0), crumbs);
	CHECK_EQ(walked_at(3, 0), 0);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 2);
	close_guests();
}

/* No chain is begun when so many were looked at; the others come with the next peek. */
static void a_peek_of_long_chains_ends_with_its_budget(void)
{
	const uint64_t *walked;
	uint16_t n;

	open_guests(0);
	rig_destroy(&guests[0]);
	open_guest(&guests[0], 4096, 0);
	walked = hf_hop_walked(hop);
	for (uint32_t i = 0; i < 4096 / SIZE; i++)
		put_long(SIZE);
	n = peek(PACKETS);
	CHECK_EQ(n, HOP_BUDGET / SIZE);
	CHECK_EQ(*walked, HOP_BUDGET);
	hf_hop_complete(hop, n);
	CHECK_EQ(driver_consume_all(&guests[0].tx), n);
	CHECK_EQ(peek(PACKETS), 4096 / SIZE - n);
	hf_hop_complete(hop, PACKETS);
	close_guests();
}

#ifndef RING_PACKED
/* Chains as long as the ring, and all of them bad: the burst is bounded. */
static void a_peek_of_endless_chains_ends_with_its_budget(void)
{
	struct driver *d = &guests[0].tx;
	uint64_t dropped;

	open_guests(0);
	rig_destroy(&guests[0]);
	open_guest(&guests[0], 4096, 0);
	driver_write_desc(d, d->desc, 0, guests[0].buffers, 0, DRIVER_NEXT, 1);
	driver_write_desc(d, d->desc, 1, guests[0].buffers, 0, DRIVER_NEXT, 0);
	for (uint32_t i = 0; i < 4096; i++)
		driver_put_head(d, 0);
	driver_publish(d);
	CHECK_EQ(peek(PACKETS), 0);
	dropped = counted(0, 1, HF_COUNTER_DROP_LOOP);
	CHECK(dropped >= 1 && dropped <= HOP_BUDGET / 4096 + 1);
	CHECK(has_used(d, dropped));
	close_guests();
}
#endif

/* ---- calls */

static void guests_are_called_once_and_when_the_hop_is_over(void)
{
	open_guests(0);
	for (uint32_t to = 1; to < 3; to++)
		post_buffers(&guests[to], SIZE);
	put_frames(8);
	CHECK_EQ(peek(PACKETS), 8);
	for (uint32_t i = 0; i < 8; i++)
		CHECK_EQ(forward(1 + i % 2, i, 1), 1);
	CHECK_EQ(rig_calls(&guests[1], 0) + rig_calls(&guests[2], 0), 0);
	CHECK_EQ(rig_calls(&guests[0], 1), 0);
	hf_hop_complete(hop, 8);
	CHECK_EQ(rig_calls(&guests[0], 1), 1);
	CHECK_EQ(rig_calls(&guests[1], 0), 1);
	CHECK_EQ(rig_calls(&guests[2], 0), 1);
	CHECK_EQ(driver_consume_all(&guests[1].rx), 4);
	CHECK_EQ(driver_consume_all(&guests[2].rx), 4);
	close_guests();
}

static void *hop_once(void *unused)
{
	uint16_t n = peek(PACKETS);

	(void)unused;
	(void)forward(1, 0, n);
	hf_hop_complete(hop, n);
	return NULL;
}

/* A receiver makes the write of its call wait: the sender's ring is not held for it. */
static void a_call_that_hangs_holds_nobodys_ring(void)
{
	struct hf_vring *v;
	pthread_t thread;

	open_guests(0);
	post_buffers(&guests[1], SIZE);
	put_frames(8);
	v = guests[1].device->vrings[0];
	REQUIRE(fcntl(guests[1].calls[0], F_SETFL, 0) == 0);
	REQUIRE(eventfd_write(guests[1].calls[0], UINT64_MAX - 1) == 0);
	REQUIRE(pthread_create(&thread, NULL, hop_once, NULL) == 0);
	while (hf_read_once(&v->writes) == hf_read_once(&v->writes_done))
		usleep(100);
	CHECK_EQ(hf_load_acquire(&guests[0].lanes[1].busy), 0);
	CHECK_EQ(hf_load_acquire(&guests[1].lanes[0].busy), 0);
	CHECK(hf_notify_rescue(v));
	REQUIRE(pthread_join(thread, NULL) == 0);
	CHECK(!v->has_call);
	CHECK_EQ(received(1), 8);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 8);
	close_guests();
}

static void forwards_that_one_call_is_made_for_are_counted_as_one(void)
{
	open_guests(0);
	post_buffers(&guests[1], SIZE);
	put_frames(8);
	CHECK_EQ(peek(8), 8);
	for (uint32_t i = 0; i < 8; i++)
		CHECK_EQ(forward(1, i, 1), 1);
	hf_hop_complete(hop, 8);
	CHECK_EQ(rig_calls(&guests[1], 0), 1);
	CHECK_EQ(counted(1, 0, HF_COUNTER_GUEST_NOTIFICATIONS), 1);
	CHECK_EQ(received(1), 8);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 8);
	close_guests();
}

/* ---- SEND_RARP */

static void an_announcement_comes_first_and_is_not_lost(void)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
	uint64_t rarp = 0;

	open_guests(0);
	post_buffers(&guests[1], SIZE);
	put_frames(4);
	memcpy(&rarp, mac, 6);
	hf_rarp_ask(guests[0].device, rarp | HF_RARP_PENDING);
	CHECK_EQ(peek(3), 3);
	CHECK_EQ(packets[0].total, 64);
	CHECK(!memcmp(packets[0].data + 6, mac, 6));
	hf_hop_complete(hop, 0);
	CHECK_EQ(guests[0].device->rarp, rarp | HF_RARP_PENDING);
	CHECK_EQ(peek(3), 3);
	CHECK_EQ(forward(1, 0, 3), 3);
	hf_hop_complete(hop, 3);
	CHECK_EQ(guests[0].device->rarp, 0);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 2);
	CHECK_EQ(counted(0, 1, HF_COUNTER_BROADCAST_PACKETS), 1);
	CHECK_EQ(counted(1, 0, HF_COUNTER_BROADCAST_PACKETS), 1);
	CHECK_EQ(peek(3), 2);
	CHECK(is_frame(packets[0].data, 2) || packets[0].len == FRONT);
	hf_hop_complete(hop, 2);
	CHECK_EQ(driver_consume_all(&guests[1].rx), 3);
	close_guests();
}

/* A newer one came while the older was in a packet. */
static void an_announcement_that_is_given_back_does_not_overwrite_a_newer_one(void)
{
	const uint64_t older = 0x010203 | HF_RARP_PENDING, newer = 0x040506 | HF_RARP_PENDING;

	open_guests(0);
	put_frames(1);
	hf_rarp_ask(guests[0].device, older);
	CHECK_EQ(peek(2), 2);
	hf_rarp_ask(guests[0].device, newer);
	hf_hop_complete(hop, 0);
	CHECK_EQ(guests[0].device->rarp, newer);
	CHECK_EQ(peek(1), 1);
	CHECK_EQ(packets[0].data[6], 6);
	hf_hop_complete(hop, 1);
	close_guests();
}

/* ---- what a caller does to peeked packets */

static void check_refused(uint32_t to, uint16_t n)
{
	uint64_t before = counted(to, 0, HF_COUNTER_DROP_BAD_METADATA);

	CHECK_EQ(forward(to, 0, n), n);
	CHECK_EQ(counted(to, 0, HF_COUNTER_DROP_BAD_METADATA), before + n);
	CHECK_EQ(counted(to, 0, HF_COUNTER_GOOD_PACKETS), 0);
}

/* Their rest is in the guest, and what of it is wanted would be a guess. */
static void peeked_packets_that_the_caller_shortened_are_refused_and_not_sent_whole(void)
{
	open_guests(0);
	post_buffers(&guests[1], SIZE);
	put_frames(3);
	CHECK_EQ(peek(3), 3);
	for (int i = 0; i < 3; i++)
		packets[i].total = FRAME - 50;
	check_refused(1, 3);
	/* Nor longer ones. */
	for (int i = 0; i < 3; i++)
		packets[i].total = FRAME + 50;
	check_refused(1, 3);
	hf_hop_complete(hop, 3);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 3);
	close_guests();
}

static void copied_packets_may_be_shortened(void)
{
	struct driver_used used;

	open_guests(0);
	post_buffers(&guests[1], SIZE);
	put_frames(2);
	CHECK_EQ(peek(2), 2);
	hf_hop_copy(hop, pointers, 2);
	for (int i = 0; i < 2; i++)
		packets[i].len = packets[i].total = 100;
	CHECK_EQ(forward(1, 0, 2), 2);
	hf_hop_complete(hop, 2);
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t frame[FRAME];

		REQUIRE(driver_consume(&guests[1].rx, &used));
		CHECK_EQ(used.len, 12 + 100);
		build(frame, i);
		CHECK(!memcmp(guest_at(&guests[1].guest, places[1][i] + 12), frame, 100));
	}
	CHECK_EQ(driver_consume_all(&guests[0].tx), 2);
	close_guests();
}

/* The first peek leaves places in the guest behind, the second one's packet is all here. The caller
 * takes away from its front and says nothing of it. */
static void what_is_all_here_is_never_looked_for_in_an_earlier_peeks_place(void)
{
	uint8_t bytes[12 + 40] = {[12] = 0x52, [12 + 39] = 0x77};
	struct rig *from = &guests[0];
	struct piece pieces[2];
	struct driver_used used;

	open_guests(0);
	post_buffers(&guests[1], SIZE);
	put_frames(1);
	CHECK_EQ(peek(1), 1);
	hf_hop_complete(hop, 1);
	pieces[0] = (struct piece){slot(from, from->tx.next_desc), 12, 0};
	pieces[1] = (struct piece){slot(from, from->tx.next_desc) + 100, 40, 0};
	guest_write(&from->guest, pieces[0].gpa, bytes, 12);
	guest_write(&from->guest, pieces[1].gpa, bytes + 12, 40);
	REQUIRE(driver_post(&from->tx, pieces, 2) >= 0);
	CHECK_EQ(peek(1), 1);
	CHECK_EQ(packets[0].len, 40);
	packets[0].len = 14;
	CHECK_EQ(forward(1, 0, 1), 1);
	hf_hop_complete(hop, 1);
	REQUIRE(driver_consume(&guests[1].rx, &used));
	CHECK_EQ(used.len, 12 + 40);
	CHECK(!memcmp(guest_at(&guests[1].guest, places[1][0] + 12), bytes + 12, 40));
	CHECK_EQ(driver_consume_all(&from->tx), 2);
	close_guests();
}

/* The rest lies in another buffer than the front, and other bytes before it. */
static void a_front_that_the_caller_shortened_shows_nothing_before_the_guests_buffer(void)
{
	static const uint8_t other[80] = {[0 ... 79] = 0xee};
	uint8_t bytes[12 + FRONT + 40] = {[12] = 0x52};
	struct rig *from = &guests[0];
	struct piece pieces[2];

	open_guests(0);
	post_buffers(&guests[1], SIZE);
	pieces[0] = (struct piece){slot(from, from->tx.next_desc), 12 + FRONT, 0};
	pieces[1] = (struct piece){pieces[0].gpa + 300, 40, 0};
	guest_write(&from->guest, pieces[0].gpa, bytes, 12 + FRONT);
	guest_write(&from->guest, pieces[1].gpa - sizeof(other), other, sizeof(other));
	guest_write(&from->guest, pieces[1].gpa, bytes + 12 + FRONT, 40);
	REQUIRE(driver_post(&from->tx, pieces, 2) >= 0);
	CHECK_EQ(peek(1), 1);
	CHECK_EQ(packets[0].len, FRONT);
	packets[0].len = 6;
	check_refused(1, 1);
	hf_hop_copy(hop, pointers, 1);
	CHECK(!memchr(packets[0].data, 0xee, FRONT + 40));
	hf_hop_complete(hop, 1);
	CHECK_EQ(driver_consume_all(&from->tx), 1);
	close_guests();
}

/* The rest lies where the front would end if it were in one buffer, but its last bytes are not. */
static void a_front_in_several_buffers_is_not_taken_for_one(void)
{
	static const uint8_t other[4] = {0xee, 0xee, 0xee, 0xee};
	uint8_t bytes[12 + FRONT + 40] = {[12] = 0x52};
	struct rig *from = &guests[0];
	struct piece pieces[3];

	open_guests(0);
	post_buffers(&guests[1], SIZE);
	pieces[0] = (struct piece){slot(from, from->tx.next_desc), 12 + FRONT - 4, 0};
	pieces[1] = (struct piece){pieces[0].gpa + 300, 4, 0};
	pieces[2] = (struct piece){pieces[0].gpa + 12 + FRONT, 40, 0};
	guest_write(&from->guest, pieces[0].gpa, bytes, 12 + FRONT - 4);
	guest_write(&from->guest, pieces[0].gpa + 12 + FRONT - 4, other, sizeof(other));
	guest_write(&from->guest, pieces[1].gpa, bytes + 12 + FRONT - 4, 4);
	guest_write(&from->guest, pieces[2].gpa, bytes + 12 + FRONT, 40);
	REQUIRE(driver_post(&from->tx, pieces, 3) >= 0);
	CHECK_EQ(peek(1), 1);
	CHECK_EQ(packets[0].len, FRONT);
	packets[0].len = FRONT - 4;
	check_refused(1, 1);
	hf_hop_copy(hop, pointers, 1);
	CHECK(!memchr(packets[0].data, 0xee, FRONT + 40));
	hf_hop_complete(hop, 1);
	CHECK_EQ(driver_consume_all(&from->tx), 1);
	close_guests();
}

static void a_call_on_a_vring_that_a_peek_holds_does_nothing_and_is_counted(void)
{
	struct hf_hop *other = hf_hop_create();
	struct hf_packet spare = {.data = data[PACKETS - 1], .room = ROOM}, *list = &spare;
	struct hf_device *device = guests[0].device;

	REQUIRE(other != NULL);
	open_guests(0);
	device = guests[0].device;
	put_frames(4);
	CHECK_EQ(peek(2), 2);
	CHECK_EQ(hf_dequeue_burst(device, 1, &list, 1), 0);
	CHECK_EQ(hf_hop_peek(other, device, 1, &list, 1, FRONT), 0);
	CHECK_EQ(hf_available_entries(device, 1), 0);
	CHECK_EQ(hf_free_entries(device, 1), 0);
	CHECK_EQ(hf_enable_guest_notification(device, 1, true), -EBUSY);
	/* Nor onto the ring that it comes from. */
	CHECK_EQ(hf_hop_forward(hop, device, 1, pointers, 2), 0);
	CHECK_EQ(counted(0, 1, HF_COUNTER_CALLS_WHILE_HELD), 6);
	/* Held it is, also by what a revocation looks at; and nothing was taken. */
	CHECK_EQ(hf_load_acquire(&guests[0].lanes[1].busy), 1);
	CHECK(has_used(&guests[0].tx, 0));
	hf_hop_complete(hop, 2);
	CHECK_EQ(hf_load_acquire(&guests[0].lanes[1].busy), 0);
	CHECK(has_used(&guests[0].tx, 2));
	CHECK_EQ(hf_dequeue_burst(device, 1, &list, 1), 1);
	CHECK(is_frame(spare.data, 2));
	CHECK(hf_enable_guest_notification(device, 1, true) >= 0);
	CHECK_EQ(counted(0, 1, HF_COUNTER_CALLS_WHILE_HELD), 6);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 3);
	hf_hop_destroy(other);
	close_guests();
}

/* The way in that clears `busy` when it is turned away must not be taken. */
static void a_call_on_a_held_vring_that_was_revoked_does_not_let_it_go(void)
{
	struct hf_packet spare = {.data = data[PACKETS - 1], .room = ROOM}, *list = &spare;

	open_guests(0);
	put_frames(2);
	CHECK_EQ(peek(2), 2);
	hf_store_release(&guests[0].grants[1], (uint64_t)0);
	CHECK_EQ(hf_dequeue_burst(guests[0].device, 1, &list, 1), 0);
	CHECK_EQ(hf_load_acquire(&guests[0].lanes[1].busy), 1);
	hf_hop_complete(hop, 2);
	CHECK_EQ(hf_load_acquire(&guests[0].lanes[1].busy), 0);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 2);
	close_guests();
}

/* ---- what does not fit what a hop remembers */

static void more_pieces_than_there_are_places_for_are_copied_out(void)
{
	struct rig *from = &guests[0];
	struct piece pieces[60];
	uint8_t bytes[12 + FRAME] = {0};

	open_guests(0);
	rig_destroy(from);
	open_guest(from, 4096, 0);
	for (uint32_t to = 1; to < GUESTS; to++) {
		rig_destroy(&guests[to]);
		open_guest(&guests[to], 256, 0);
		post_buffers(&guests[to], 256);
	}
	/* 40 packets of 40 pieces each: the last are whole at once. */
	for (sent = 0; sent < 40; sent++) {
		uint64_t gpa = slot(from, sent);

		build(bytes + 12, sent);
		guest_write(&from->guest, gpa, bytes, sizeof(bytes));
		for (uint32_t i = 0; i < 41; i++)
			pieces[i] = (struct piece){gpa + 76 + (i - 1) * 3ull, 3, 0};
		pieces[0] = (struct piece){gpa, 76, 0};
		pieces[40] = (struct piece){gpa + 76 + 39 * 3, sizeof(bytes) - 76 - 39 * 3, 0};
		REQUIRE(driver_put(&from->tx, pieces, 41) >= 0);
	}
	driver_publish(&from->tx);
	CHECK_EQ(peek(PACKETS), 40);
	CHECK_EQ(packets[0].len, FRONT);
	CHECK_EQ(packets[39].len, FRAME);
	for (uint32_t to = 1; to < GUESTS; to++)
		CHECK_EQ(forward(to, 0, 40), 40);
	hf_hop_complete(hop, 40);
	for (uint32_t to = 1; to < GUESTS; to++)
		CHECK_EQ(received(to), 40);
	close_guests();
}

static const struct sentence sentences[] = {
	SENTENCE(nothing_is_given_back_before_it_is_complete),
	SENTENCE(rings_and_indices_wrap),
	SENTENCE(a_flood_reaches_everybody),
	SENTENCE(forwarded_copied_and_dropped_may_mix),
	SENTENCE(packets_that_were_copied_out_are_forwarded_as_well),
	SENTENCE(what_is_not_completed_comes_again),
	SENTENCE(a_full_guest_says_how_many_it_took),
	SENTENCE(only_one_peek_is_open_at_a_time),
	SENTENCE(a_guest_that_went_meanwhile_takes_nothing),
#ifndef RING_PACKED
	SENTENCE(a_ring_that_breaks_takes_nothing_and_is_told),
	SENTENCE(what_came_before_a_bad_head_is_forwarded),
	CATALOGUE(a_peek_of_endless_chains_ends_with_its_budget, "[26]"),
#endif
	SENTENCE(a_revoked_sender_is_completed_first),
	SENTENCE(a_disabled_ring_is_emptied),
	SENTENCE(only_bad_chains_go_back_at_once),
	SENTENCE(what_a_peek_walks_is_counted_whatever_becomes_of_it),
	SENTENCE(what_a_receiver_has_us_walk_is_told_once),
	SENTENCE(a_peek_of_long_chains_ends_with_its_budget),
	SENTENCE(guests_are_called_once_and_when_the_hop_is_over),
	SENTENCE(a_call_that_hangs_holds_nobodys_ring),
	SENTENCE(forwards_that_one_call_is_made_for_are_counted_as_one),
	SENTENCE(an_announcement_comes_first_and_is_not_lost),
	SENTENCE(an_announcement_that_is_given_back_does_not_overwrite_a_newer_one),
	SENTENCE(peeked_packets_that_the_caller_shortened_are_refused_and_not_sent_whole),
	SENTENCE(copied_packets_may_be_shortened),
	SENTENCE(what_is_all_here_is_never_looked_for_in_an_earlier_peeks_place),
	SENTENCE(a_front_that_the_caller_shortened_shows_nothing_before_the_guests_buffer),
	SENTENCE(a_front_in_several_buffers_is_not_taken_for_one),
	SENTENCE(a_call_on_a_vring_that_a_peek_holds_does_nothing_and_is_counted),
	SENTENCE(a_call_on_a_held_vring_that_was_revoked_does_not_let_it_go),
	SENTENCE(more_pieces_than_there_are_places_for_are_copied_out),
};
SUITE("life of a hop", sentences)
