/* SPDX-License-Identifier: Apache-2.0 */
/* How far a hop walks chains: counted, told, and bounded. */
#include <holdfast/burst.h>

#include "hop.h"
#include "hop_guests.h"
#include "suite.h"

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

static const struct sentence sentences[] = {
	SENTENCE(what_a_peek_walks_is_counted_whatever_becomes_of_it),
	SENTENCE(what_a_receiver_has_us_walk_is_told_once),
	SENTENCE(a_peek_of_long_chains_ends_with_its_budget),
#ifndef RING_PACKED
	CATALOGUE(a_peek_of_endless_chains_ends_with_its_budget, "[26]"),
#endif
};
SUITE("walks of a hop", sentences)
