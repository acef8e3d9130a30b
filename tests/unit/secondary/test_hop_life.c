/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a peek: what is held, who gets what back and when, and what becomes of it when one
 * of the guests or the primary does not wait.
 */
#include <errno.h>
#include <holdfast/burst.h>

#include "hop.h"
#include "hop_guests.h"
#include "suite.h"

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
			due[to] = i;
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

/* ---- held */

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
#endif
	SENTENCE(a_revoked_sender_is_completed_first),
	SENTENCE(a_disabled_ring_is_emptied),
	SENTENCE(only_bad_chains_go_back_at_once),
	SENTENCE(a_call_on_a_vring_that_a_peek_holds_does_nothing_and_is_counted),
	SENTENCE(a_call_on_a_held_vring_that_was_revoked_does_not_let_it_go),
};
SUITE("life of a hop", sentences)
