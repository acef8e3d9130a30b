/* SPDX-License-Identifier: Apache-2.0 */
/* Bursts and whom they call, when kicks are asked for, what a ring's state keeps them from, and
 * what who looks on sees of them. */
#include <fcntl.h>
#include <holdfast/burst.h>
#include <holdfast/device.h>
#include <holdfast/hop.h>
#include <string.h>
#include <unistd.h>

#include "burst_rig.h"
#include "check.h"
#include "rarp.h"
#include "suite.h"

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
