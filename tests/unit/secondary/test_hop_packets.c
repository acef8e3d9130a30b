/* SPDX-License-Identifier: Apache-2.0 */
/* Peeked packets that the caller changed, and those that a hop has no places for. */
#include <string.h>

#include "hop_guests.h"
#include "suite.h"

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

/* The one packet that was posted, its front shortened by us: nothing is seen of the 0xee that lie
 * beside its buffers. */
static void check_shortened_to(uint32_t len)
{
	CHECK_EQ(peek(1), 1);
	CHECK_EQ(packets[0].len, FRONT);
	packets[0].len = len;
	check_refused(1, 1);
	hf_hop_copy(hop, pointers, 1);
	CHECK(!memchr(packets[0].data, 0xee, FRONT + 40));
	hf_hop_complete(hop, 1);
	CHECK_EQ(driver_consume_all(&guests[0].tx), 1);
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
	check_shortened_to(6);
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
	check_shortened_to(FRONT - 4);
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
	SENTENCE(peeked_packets_that_the_caller_shortened_are_refused_and_not_sent_whole),
	SENTENCE(copied_packets_may_be_shortened),
	SENTENCE(what_is_all_here_is_never_looked_for_in_an_earlier_peeks_place),
	SENTENCE(a_front_that_the_caller_shortened_shows_nothing_before_the_guests_buffer),
	SENTENCE(a_front_in_several_buffers_is_not_taken_for_one),
	SENTENCE(more_pieces_than_there_are_places_for_are_copied_out),
};
SUITE("packets of a hop", sentences)
