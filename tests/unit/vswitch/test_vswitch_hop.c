/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vswitch/forward.h with packets that are still in their guest: which way each goes, and when the
 * guest gets them back. The library is a fake: it notes what is asked of it, in order.
 */
#include <stdlib.h>
#include <string.h>

#include "deliver.h"
#include "fake.h"
#include "forward.h"
#include "share.h"
#include "suite.h"

#define PORTS 8u

enum what { FORWARDED, TRANSMITTED, COPIED, COMPLETED };

static struct {
	enum what what;
	uint16_t port;
	uint16_t nr;
} events[64];
static unsigned nr_events;

static void note(enum what what, uint16_t port, uint16_t nr)
{
	REQUIRE(nr_events < 64);
	events[nr_events].what = what;
	events[nr_events].port = port;
	events[nr_events++].nr = nr;
}

static bool was(unsigned i, enum what what, uint16_t port, uint16_t nr)
{
	return i < nr_events && events[i].what == what && events[i].port == port &&
	       events[i].nr == nr;
}

/* ---- the library */

struct hf_hop {
	bool open;
};

static struct hf_hop hop;

void hf_hop_copy(struct hf_hop *h, struct hf_packet *const *packets, uint16_t nr)
{
	CHECK(h->open);
	for (uint16_t i = 0; i < nr; i++)
		packets[i]->len = packets[i]->total;
	note(COPIED, 0, nr);
}

void hf_hop_complete(struct hf_hop *h, uint16_t nr)
{
	CHECK(h->open);
	h->open = false;
	note(COMPLETED, 0, nr);
}

/* ---- ports: guests that can be forwarded to, and one that cannot */

static struct fake fakes[PORTS];

static uint16_t guest_forward(struct port *port, uint16_t queue, struct hf_hop *h,
			      struct hf_packet *const *packets, uint16_t nr,
			      struct port_stats *stats)
{
	(void)queue, (void)packets, (void)stats;
	CHECK(h == &hop && h->open);
	note(FORWARDED, port->id, nr);
	return nr;
}

static uint16_t any_transmit(struct port *port, uint16_t queue, struct hf_packet *const *packets,
			     uint16_t nr, struct port_stats *stats)
{
	(void)queue, (void)stats;
	for (uint16_t i = 0; i < nr; i++)
		CHECK_EQ(packets[i]->len, packets[i]->total);
	note(TRANSMITTED, port->id, nr);
	return nr;
}

static const struct port_ops guest_ops = {
	.kind = "guest", .forward = guest_forward, .transmit = any_transmit};
static const struct port_ops uplink_ops_ = {.kind = "uplink", .transmit = any_transmit};

static struct port *ports[MAX_PORTS];
static struct table *table;
static struct fdb *fdb;
static struct worker_stats *stats;
static struct left_ring *rings;
static struct idle idles[2];
static struct forward f;
static struct fake_frame frames[BURST];
static struct hf_packet *burst[BURST];

/* The last of `nr` ports is an uplink. */
static void start(unsigned nr, unsigned workers)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 0};

	memset(ports, 0, sizeof(ports));
	fdb = fdb_create(64, 300);
	for (uint16_t i = 0; i < nr; i++) {
		uint8_t station[6];

		fake_init(&fakes[i], i, 1);
		fakes[i].port.ops = i + 1u < nr ? &guest_ops : &uplink_ops_;
		ports[i] = &fakes[i].port;
		memcpy(station, mac, 6);
		station[5] = (uint8_t)i;
		(void)fdb_learn(fdb, fdb_key(0, station), i, 0);
	}
	table = table_build(ports, workers);
	stats = stats_create(workers);
	rings = aligned_alloc(CACHE_LINE, 4 * sizeof(*rings));
	REQUIRE(fdb && table && stats && rings);
	memset(rings, 0, 4 * sizeof(*rings));
	f = (struct forward){.fdb = fdb,
			     .stats = stats,
			     .nr_workers = workers,
			     .may_keep = LEFT_SLOTS,
			     .budget = SHARE_ROUND,
			     .table = table};
	for (unsigned w = 0; w < workers; w++) {
		REQUIRE(!idle_open(&idles[w]));
		f.out[w] = &rings[w];
		f.in[w] = &rings[2 + w];
		f.idle[w] = &idles[w];
	}
	nr_events = 0;
}

static void stop(unsigned workers)
{
	for (unsigned w = 0; w < workers; w++)
		idle_close(&idles[w]);
	table_free(table);
	fdb_destroy(fdb);
	free(stats);
	free(rings);
}

/* Frame i, of which only 40 bytes are here, goes from station 0 to `to`. */
static void peeked(unsigned i, uint8_t to)
{
	burst[i] = fake_frame(&frames[i], to, 0);
	burst[i]->len = 40;
}

static void forward(unsigned nr)
{
	hop.open = true;
	f.hop = &hop;
	forward_burst(&f, ports[0], burst, (uint16_t)nr);
	CHECK(!hop.open && !f.hop);
}

static void guests_are_forwarded_to_and_uplinks_get_copies(void)
{
	start(4, 1);
	peeked(0, 1);
	peeked(1, 3);
	peeked(2, 1);
	peeked(3, 2);
	forward(4);
	CHECK_EQ(nr_events, 5);
	CHECK(was(0, FORWARDED, 1, 2));
	CHECK(was(1, COPIED, 0, 1));
	CHECK(was(2, TRANSMITTED, 3, 1));
	CHECK(was(3, FORWARDED, 2, 1));
	CHECK(was(4, COMPLETED, 0, 4));
	stop(1);
}

static void what_goes_nowhere_is_given_back_unread(void)
{
	start(4, 1);
	peeked(0, 0);
	peeked(1, 0);
	forward(2);
	CHECK_EQ(nr_events, 1);
	CHECK(was(0, COMPLETED, 0, 2));
	stop(1);
}

static void a_flood_to_few_is_forwarded_while_the_ring_is_held(void)
{
	start(4, 1);
	peeked(0, 99);
	forward(1);
	CHECK_EQ(nr_events, 5);
	CHECK(was(0, FORWARDED, 1, 1));
	CHECK(was(1, FORWARDED, 2, 1));
	CHECK(was(2, COPIED, 0, 1));
	CHECK(was(3, TRANSMITTED, 3, 1));
	CHECK(was(4, COMPLETED, 0, 1));
	stop(1);
}

/* A long burst of large packets to hundreds of guests must not hold up a revocation. */
static void before_a_flood_to_many_the_ring_is_given_back(void)
{
	start(8, 1);
	peeked(0, 99);
	peeked(1, 2);
	forward(2);
	CHECK(was(0, COPIED, 0, 2));
	CHECK(was(1, COMPLETED, 0, 2));
	for (uint16_t i = 1; i < 8; i++)
		CHECK(was(1 + i, TRANSMITTED, i, 1));
	CHECK(was(9, TRANSMITTED, 2, 1));
	CHECK_EQ(nr_events, 10);
	stop(1);
}

static void what_is_left_for_another_worker_is_copied_out(void)
{
	start(4, 2);
	REQUIRE(port_take_turn(ports[1], 0));
	peeked(0, 1);
	peeked(1, 2);
	forward(2);
	CHECK(was(0, COPIED, 0, 1));
	CHECK_EQ(burst[0]->len, burst[0]->total);
	CHECK_EQ(burst[0]->user[PACKET_REFERENCES], 1);
	CHECK(was(1, FORWARDED, 2, 1));
	CHECK(was(2, COMPLETED, 0, 2));
	CHECK_EQ(nr_events, 3);
	port_end_turn(ports[1], 0);
	stop(2);
}

/* The last that is begun may go beyond it; the one behind it is not even looked at. */
static void what_the_budget_does_not_reach_to_stays_with_its_guest(void)
{
	start(8, 1);
	for (unsigned i = 0; i < 4; i++) {
		peeked(i, i < 2 ? 1 : 99);
		burst[i]->total = 1000;
	}
	/* Two to a guest, one to all. */
	f.budget = 2001;
	forward(4);
	CHECK(was(0, COPIED, 0, 3));
	CHECK(was(1, COMPLETED, 0, 3));
	for (uint16_t i = 1; i < 8; i++)
		CHECK(was(1 + i, TRANSMITTED, i, 1));
	CHECK(was(9, TRANSMITTED, 1, 2));
	CHECK_EQ(nr_events, 10);
	CHECK_EQ(f.spent, 3 * 1000 + 7 * (1000 + SHARE_COPY));
	CHECK_EQ(stats->ports[0].rx_packets, 3);
	CHECK_EQ(stats->ports[0].rx_bytes, 3000);
	CHECK_EQ(stats->ports[0].rx_flooded, 1);
	stop(1);
}

/* Frame i, of 4 KiB, in segments of one byte. */
static void minced(unsigned i, uint8_t to)
{
	peeked(i, to);
	burst[i]->total = 4096;
	burst[i]->offload = (struct hf_offload){.gso_type = HF_GSO_TCPV4, .gso_size = 1};
}

/* Whoever does the cutting, and later: its sender has paid. */
static void what_another_worker_is_to_cut_is_charged_before_it_is_left_for_it(void)
{
	start(4, 2);
	REQUIRE(port_take_turn(ports[1], 0));
	for (unsigned i = 0; i < BURST; i++)
		minced(i, 1);
	forward(BURST);
	CHECK(was(0, COPIED, 0, 1));
	CHECK(was(1, COMPLETED, 0, 1));
	CHECK_EQ(nr_events, 2);
	CHECK_EQ(stats->left, 1);
	CHECK_EQ(f.spent, 4096 * SHARE_CUT);
	CHECK_EQ(stats->ports[0].rx_bytes, 4096);
	port_end_turn(ports[1], 0);
	stop(2);
}

static void what_is_to_be_cut_costs_as_often_as_it_is_flooded(void)
{
	start(8, 1);
	minced(0, 99);
	minced(1, 99);
	forward(2);
	CHECK_EQ(f.spent, 4096 + 7 * (4096 * SHARE_CUT + SHARE_COPY));
	CHECK_EQ(stats->ports[0].rx_bytes, 4096);
	stop(1);
}

/* It is nobody's but ours already. */
static void what_was_received_is_forwarded_whatever_the_budget(void)
{
	start(4, 1);
	for (unsigned i = 0; i < 3; i++)
		burst[i] = fake_frame(&frames[i], 1, 0);
	f.budget = 1;
	f.hop = NULL;
	CHECK_EQ(forward_burst(&f, ports[0], burst, 3), 3);
	CHECK(was(0, TRANSMITTED, 1, 3));
	CHECK_EQ(f.spent, 3 * 64);
	stop(1);
}

static const struct sentence sentences[] = {
	SENTENCE(guests_are_forwarded_to_and_uplinks_get_copies),
	SENTENCE(what_goes_nowhere_is_given_back_unread),
	SENTENCE(a_flood_to_few_is_forwarded_while_the_ring_is_held),
	SENTENCE(before_a_flood_to_many_the_ring_is_given_back),
	SENTENCE(what_is_left_for_another_worker_is_copied_out),
	SENTENCE(what_the_budget_does_not_reach_to_stays_with_its_guest),
	SENTENCE(what_another_worker_is_to_cut_is_charged_before_it_is_left_for_it),
	SENTENCE(what_is_to_be_cut_costs_as_often_as_it_is_flooded),
	SENTENCE(what_was_received_is_forwarded_whatever_the_budget),
};
SUITE("vswitch: hop", sentences)
