/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a hop calls, when, and what it announces. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hop_guests.h"
#include "notify.h"
#include "rarp.h"
#include "suite.h"

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

static const struct sentence sentences[] = {
	SENTENCE(guests_are_called_once_and_when_the_hop_is_over),
	SENTENCE(a_call_that_hangs_holds_nobodys_ring),
	SENTENCE(forwards_that_one_call_is_made_for_are_counted_as_one),
	SENTENCE(an_announcement_comes_first_and_is_not_lost),
	SENTENCE(an_announcement_that_is_given_back_does_not_overwrite_a_newer_one),
};
SUITE("calls of a hop", sentences)
