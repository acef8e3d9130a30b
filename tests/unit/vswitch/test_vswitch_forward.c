/* SPDX-License-Identifier: Apache-2.0 */
/* vswitch/forward.h, deliver.h, table.h and left.h: where packets go, in which order, and by
 * which way. */
#include <stdlib.h>

#include "deliver.h"
#include "fake.h"
#include "forward.h"
#include "share.h"
#include "suite.h"

#define PORTS  5u
#define NOBODY 99u

static struct fake fakes[PORTS];
static struct port *ports[MAX_PORTS];
static struct table *table;
static struct fdb *fdb;
static struct worker_stats *stats;
static struct left_ring *rings;
static struct forward workers[2];
static struct idle idles[2];
static struct fake_frame frames[256];
static struct hf_packet *burst[256];

static void rebuild(unsigned nr_workers)
{
	table_free(table);
	table = table_build(ports, nr_workers);
	REQUIRE(table != NULL);
	for (unsigned w = 0; w < nr_workers; w++)
		workers[w].table = table;
}

static void stop(void)
{
	table_free(table);
	table = NULL;
	fdb_destroy(fdb);
	fdb = NULL;
	free(stats);
	free(rings);
	for (unsigned i = 0; i < 2; i++)
		idle_close(&idles[i]);
}

/* `nr_ports` ports with `pairs` transmit queues each. */
static void start(unsigned nr_workers, unsigned nr_ports, unsigned pairs)
{
	memset(ports, 0, sizeof(ports));
	for (uint16_t i = 0; i < nr_ports; i++) {
		fake_init(&fakes[i], i, pairs);
		ports[i] = &fakes[i].port;
	}
	fdb = fdb_create(64, 300);
	stats = stats_create(nr_workers);
	rings = aligned_alloc(CACHE_LINE, 4 * sizeof(*rings));
	REQUIRE(fdb && stats && rings);
	memset(rings, 0, 4 * sizeof(*rings));
	for (unsigned w = 0; w < 2; w++) {
		workers[w] = (struct forward){.fdb = fdb,
					      .stats = &stats[w % nr_workers],
					      .worker = w,
					      .nr_workers = nr_workers,
					      .may_keep = LEFT_SLOTS};
		REQUIRE(!idle_open(&idles[w]));
		for (unsigned peer = 0; peer < nr_workers; peer++) {
			workers[w].out[peer] = &rings[2 * w + peer];
			workers[w].in[peer] = &rings[2 * peer + w];
			workers[w].idle[peer] = &idles[peer];
		}
	}
	rebuild(nr_workers);
}

/* Frame number i goes from station `from` to station `to`. */
static void frame(unsigned i, unsigned to, unsigned from)
{
	burst[i] = fake_frame(&frames[i], (uint8_t)to, (uint8_t)from);
}

static void forward(unsigned worker, unsigned ingress, unsigned nr)
{
	forward_burst(&workers[worker], &fakes[ingress].port, burst, (uint16_t)nr);
}

static uint64_t stat(const counter *c)
{
	return atomic_load(c);
}

/* Station i is on port i. */
static void learn_all(unsigned nr)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 0};

	for (unsigned i = 0; i < nr; i++) {
		uint8_t station[6];

		memcpy(station, mac, 6);
		station[5] = (uint8_t)i;
		(void)fdb_learn(fdb, fdb_key(0, station), (uint16_t)i, 0);
	}
}

static void an_unknown_station_is_sought_on_every_other_port(void)
{
	start(1, 4, 1);
	frame(0, NOBODY, 1);
	forward(0, 1, 1);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(fakes[i].nr_sent, i == 1 ? 0 : 1);
	CHECK_EQ(stat(&stats->ports[1].rx_flooded), 1);
	CHECK_EQ(stat(&stats->ports[1].rx_packets), 1);
	CHECK_EQ(stat(&stats->ports[1].rx_bytes), 64);
	CHECK_EQ(stat(&stats->ports[0].tx_packets), 1);
	CHECK_EQ(stat(&stats->ports[0].tx_bytes), 64);
	CHECK_EQ(stat(&stats->learned), 1);
	stop();
}

static void a_station_that_spoke_gets_its_packets_alone(void)
{
	start(1, 4, 1);
	frame(0, NOBODY, 2);
	forward(0, 2, 1);
	for (unsigned i = 0; i < 4; i++)
		fake_clear(&fakes[i]);
	frame(0, 2, 0);
	forward(0, 0, 1);
	CHECK_EQ(fakes[2].nr_sent, 1);
	CHECK(fakes[2].sent[0] == burst[0]);
	CHECK_EQ(fakes[1].nr_sent + fakes[3].nr_sent + fakes[0].nr_sent, 0);
	stop();
}

static void broadcast_and_multicast_go_to_all_and_teach_nothing_as_source(void)
{
	start(1, 3, 1);
	frame(0, 0, 1);
	memset(frames[0].bytes, 0xff, 6);
	frame(1, 0, 1);
	frames[1].bytes[0] = 0x33;
	frame(2, NOBODY, 1);
	frames[2].bytes[6] = 0x53; /* a group as source */
	frame(3, NOBODY, 1);
	memset(frames[3].bytes + 6, 0, 6); /* nobody as source */
	forward(0, 1, 4);
	CHECK_EQ(fakes[0].nr_sent, 4);
	CHECK_EQ(fakes[2].nr_sent, 4);
	CHECK_EQ(fakes[1].nr_sent, 0);
	CHECK_EQ(fdb_count(fdb), 1);
	stop();
}

static void nothing_goes_back_where_it_came_from(void)
{
	start(1, 3, 1);
	learn_all(3);
	frame(0, 1, NOBODY);
	forward(0, 1, 1);
	CHECK_EQ(fakes[0].nr_sent + fakes[1].nr_sent + fakes[2].nr_sent, 0);
	CHECK_EQ(stat(&stats->ports[1].rx_filtered), 1);
	stop();
}

static void link_local_frames_stay_here(void)
{
	start(1, 3, 1);
	frame(0, 0, 1);
	memcpy(frames[0].bytes, "\x01\x80\xc2\0\0\x0e", 6);
	forward(0, 1, 1);
	CHECK_EQ(fakes[0].nr_sent + fakes[2].nr_sent, 0);
	CHECK_EQ(stat(&stats->ports[1].rx_filtered), 1);
	stop();
}

static void a_runt_is_dropped_and_counted(void)
{
	start(1, 2, 1);
	frame(0, 1, 0);
	burst[0]->len = burst[0]->total = 13;
	frame(1, 1, 0);
	forward(0, 0, 2);
	CHECK_EQ(fakes[1].nr_sent, 1);
	CHECK_EQ(stat(&stats->ports[0].rx_runt), 1);
	CHECK_EQ(stat(&stats->ports[0].rx_packets), 2);
	stop();
}

static void vlans_are_learned_apart(void)
{
	static const uint8_t tag[4] = {0x81, 0, 0, 7};

	start(1, 3, 1);
	learn_all(3); /* VLAN 0 */
	frame(0, 2, 0);
	memcpy(frames[0].bytes + 12, tag, 4);
	forward(0, 0, 1);
	CHECK_EQ(fakes[1].nr_sent, 1); /* flooded: not known in VLAN 7 */
	CHECK_EQ(fakes[2].nr_sent, 1);
	frame(0, 0, 2);
	memcpy(frames[0].bytes + 12, tag, 4);
	forward(0, 2, 1);
	CHECK_EQ(fakes[0].nr_sent, 1);
	CHECK_EQ(fakes[1].nr_sent, 1);
	stop();
}

static void a_burst_is_one_call_per_destination_in_order(void)
{
	start(1, 4, 1);
	learn_all(4);
	for (unsigned i = 0; i < BURST; i++)
		frame(i, 1 + i % 3, 0);
	forward(0, 0, BURST);
	for (unsigned p = 1; p < 4; p++) {
		CHECK_EQ(fakes[p].calls, 1);
		for (unsigned i = 0; i < fakes[p].nr_sent; i++)
			CHECK(fakes[p].sent[i] == burst[3 * i + p - 1]);
	}
	CHECK_EQ(fakes[1].nr_sent + fakes[2].nr_sent + fakes[3].nr_sent, BURST);
	stop();
}

static void what_a_port_does_not_take_is_dropped_and_harms_no_other(void)
{
	start(1, 3, 1);
	learn_all(3);
	fakes[1].room = 5;
	fakes[2].at_once = 3; /* takes all, in small bites */
	for (unsigned i = 0; i < 40; i++)
		frame(i, 1 + i % 2, 0);
	forward(0, 0, 40);
	CHECK_EQ(fakes[1].nr_sent, 5);
	CHECK_EQ(stat(&stats->ports[1].tx_packets), 5);
	CHECK_EQ(stat(&stats->ports[1].tx_no_buffer), 15);
	CHECK(fakes[1].calls < 16);
	CHECK_EQ(fakes[2].nr_sent, 20);
	CHECK_EQ(stat(&stats->ports[2].tx_no_buffer), 0);
	stop();
}

static void a_port_without_a_queue_is_no_destination(void)
{
	start(1, 3, 1);
	learn_all(3);
	fakes[1].port.transmit_on[0] = false;
	rebuild(1);
	frame(0, 1, 0);
	frame(1, NOBODY, 0);
	forward(0, 0, 2);
	CHECK_EQ(fakes[1].calls, 0);
	CHECK_EQ(stat(&stats->ports[1].tx_no_queue), 1);
	CHECK_EQ(fakes[2].nr_sent, 1);
	stop();
}

static void a_flow_stays_on_one_queue_and_flows_spread(void)
{
	unsigned used = 0;
	uint16_t queue[8] = {0};

	start(1, 2, 4);
	learn_all(2);
	for (unsigned i = 0; i < BURST; i++) {
		frame(i, 1, 0);
		fake_flow(&frames[i], (uint16_t)(i % 8 * 77));
	}
	forward(0, 0, BURST);
	CHECK_EQ(fakes[1].nr_sent, BURST);
	for (unsigned i = 0; i < BURST; i++) {
		struct fake_frame *f = (struct fake_frame *)(void *)fakes[1].sent[i];
		unsigned flow = (unsigned)(f - frames) % 8;

		CHECK(!(fakes[1].queues[i] & 1) && fakes[1].queues[i] < 8);
		if (!queue[flow])
			queue[flow] = (uint16_t)(1 + fakes[1].queues[i]);
		CHECK_EQ(fakes[1].queues[i], queue[flow] - 1);
		used |= 1u << fakes[1].queues[i] / 2;
	}
	CHECK(used & (used - 1)); /* more than one */
	CHECK(fakes[1].calls <= 4);
	/* And the same when flooded. */
	for (unsigned i = 0; i < 8; i++) {
		frame(i, NOBODY, 0);
		fake_flow(&frames[i], (uint16_t)(i * 77));
	}
	fake_clear(&fakes[1]);
	forward(0, 0, 8);
	for (unsigned i = 0; i < fakes[1].nr_sent; i++) {
		struct fake_frame *f = (struct fake_frame *)(void *)fakes[1].sent[i];

		CHECK_EQ(fakes[1].queues[i], queue[(unsigned)(f - frames) % 8] - 1);
	}
	stop();
}

/* Another worker is in queue 0 of the port, until it ends its turn. */
static void occupy(unsigned port)
{
	REQUIRE(port_take_turn(&fakes[port].port, 0));
}

static void release(unsigned port)
{
	port_end_turn(&fakes[port].port, 0);
}

/* With two workers, port i with one pair belongs to worker i % 2. */
static void any_worker_delivers_to_a_queue_that_nobody_runs_just_now(void)
{
	start(2, 4, 1);
	learn_all(4);
	frame(0, 1, 0);
	frame(1, 2, 0);
	forward(0, 0, 2);
	CHECK_EQ(fakes[1].nr_sent, 1);
	CHECK_EQ(fakes[2].nr_sent, 1);
	CHECK_EQ(stat(&stats[0].left), 0);
	CHECK(port_take_turn(&fakes[1].port, 0)); /* the turn was given back */
	CHECK(!port_take_turn(&fakes[1].port, 0));
	stop();
}

static void packets_for_a_queue_that_is_being_run_are_left_for_its_owner(void)
{
	struct hf_packet *back;

	start(2, 4, 1);
	learn_all(4);
	frame(0, 1, 0);
	frame(1, 2, 0);
	frame(2, 1, 0);
	occupy(1);
	forward(0, 0, 3);
	CHECK_EQ(fakes[2].nr_sent, 1);
	CHECK_EQ(fakes[1].nr_sent, 0);
	CHECK_EQ(burst[0]->user[PACKET_REFERENCES], 1);
	CHECK_EQ(burst[1]->user[PACKET_REFERENCES], 0);
	CHECK_EQ(workers[0].may_keep, LEFT_SLOTS - 2);
	CHECK(deliver_take_back(&workers[0], 1) == NULL);

	/* The owner finds the turn taken too: it has not slept on it, and tries again. */
	CHECK(deliver_inbox_due(&workers[1]));
	CHECK(!deliver_inbox_due(&workers[0]));
	CHECK(deliver_inbox(&workers[1], 0));
	CHECK_EQ(fakes[1].nr_sent, 0);
	CHECK(deliver_take_back(&workers[0], 1) == NULL);
	release(1);
	CHECK(deliver_inbox(&workers[1], 0));
	CHECK(!deliver_inbox(&workers[1], 0));
	CHECK_EQ(fakes[1].nr_sent, 2);
	CHECK_EQ(fakes[1].calls, 1);
	CHECK(fakes[1].sent[0] == burst[0] && fakes[1].sent[1] == burst[2]);
	CHECK_EQ(stat(&stats[1].ports[1].tx_packets), 2);
	CHECK_EQ(stat(&stats[0].left), 2);

	back = deliver_take_back(&workers[0], 1);
	CHECK(back == burst[0] && !back->user[PACKET_REFERENCES]);
	CHECK(deliver_take_back(&workers[0], 1) == burst[2]);
	CHECK(deliver_take_back(&workers[0], 1) == NULL);
	stop();
}

static void an_owner_leaves_packets_for_itself_as_well(void)
{
	start(2, 2, 1);
	learn_all(2);
	frame(0, 0, 1);
	occupy(0);
	forward(0, 1, 1);
	release(0);
	CHECK(deliver_inbox_due(&workers[0]));
	CHECK(deliver_inbox(&workers[0], 0));
	CHECK_EQ(fakes[0].nr_sent, 1);
	CHECK(deliver_take_back(&workers[0], 0) == burst[0]);
	stop();
}

static void packets_do_not_overtake_those_that_were_left(void)
{
	start(2, 2, 1);
	learn_all(2);
	frame(0, 1, 0);
	occupy(1);
	forward(0, 0, 1);
	release(1);
	burst[0] = fake_frame(&frames[1], 1, 0);
	forward(0, 0, 1); /* the turn is free, but the ring is not empty */
	CHECK_EQ(fakes[1].nr_sent, 0);
	CHECK(deliver_inbox(&workers[1], 0));
	CHECK(fakes[1].sent[0] == &frames[0].packet && fakes[1].sent[1] == &frames[1].packet);
	burst[0] = fake_frame(&frames[2], 1, 0);
	forward(0, 0, 1); /* now it is */
	CHECK(fakes[1].sent[2] == &frames[2].packet);
	CHECK(!deliver_inbox(&workers[1], 0));
	stop();
}

static void a_flooded_packet_waits_only_where_the_turn_is_taken(void)
{
	start(2, 5, 1);
	frame(0, NOBODY, 1);
	occupy(0);
	occupy(3);
	forward(1, 1, 1);
	CHECK_EQ(fakes[2].nr_sent + fakes[4].nr_sent, 2);
	CHECK_EQ(fakes[0].nr_sent + fakes[3].nr_sent, 0);
	CHECK_EQ(burst[0]->user[PACKET_REFERENCES], 2);
	CHECK_EQ(workers[1].may_keep, LEFT_SLOTS - 1);
	release(0);
	release(3);
	CHECK(deliver_inbox(&workers[0], 1));
	CHECK(deliver_take_back(&workers[1], 0) == NULL); /* one reference is left */
	CHECK(deliver_inbox(&workers[1], 1));
	CHECK(deliver_take_back(&workers[1], 1) == burst[0]);
	for (unsigned i = 0; i < 5; i++)
		CHECK_EQ(fakes[i].nr_sent, i == 1 ? 0 : 1);
	stop();
}

static void a_worker_uses_its_own_queues_of_a_device_that_has_some(void)
{
	start(2, 2, 2);
	learn_all(2);
	for (unsigned i = 0; i < 32; i++) {
		frame(i, 1, 0);
		fake_flow(&frames[i], (uint16_t)i);
	}
	forward(0, 0, 32);
	CHECK_EQ(fakes[1].nr_sent, 32);
	for (unsigned i = 0; i < 32; i++)
		CHECK_EQ(port_queue_owner(&fakes[1].port, fakes[1].queues[i], 2), 0);
	stop();
}

static void one_stuck_queue_holds_up_no_other(void)
{
	start(2, 5, 1);
	learn_all(5);
	occupy(1);
	occupy(3);
	for (unsigned i = 0; i < 12; i++)
		frame(i, i % 2 ? 1 : 3, 0);
	forward(0, 0, 12);
	release(3);
	CHECK(deliver_inbox(&workers[1], 0));
	CHECK_EQ(fakes[3].nr_sent, 6);
	CHECK_EQ(fakes[3].calls, 1);
	CHECK_EQ(fakes[1].nr_sent, 0);
	/* The packets for port 3 went, but were ahead of others in the ring or behind them: those
	 * behind come back later. */
	release(1);
	CHECK(deliver_inbox(&workers[1], 0));
	CHECK(!deliver_inbox(&workers[1], 0));
	CHECK_EQ(fakes[1].nr_sent, 6);
	CHECK_EQ(fakes[3].nr_sent, 6);
	for (unsigned i = 0; i < 6; i++) {
		CHECK(fakes[3].sent[i] == burst[2 * i]);
		CHECK(fakes[1].sent[i] == burst[2 * i + 1]);
	}
	for (unsigned i = 0; i < 12; i++)
		CHECK(deliver_take_back(&workers[0], 1) != NULL);
	CHECK(deliver_take_back(&workers[0], 1) == NULL);
	stop();
}

static void release_1(void)
{
	release(1);
}

static void a_turn_that_ends_in_mid_pass_lets_nobody_overtake(void)
{
	start(2, 5, 1);
	learn_all(5);
	occupy(1);
	occupy(3);
	frame(0, 1, 0);
	forward(0, 0, 1);
	burst[0] = fake_frame(&frames[1], 3, 0);
	forward(0, 0, 1);
	burst[0] = fake_frame(&frames[2], 1, 0);
	forward(0, 0, 1);
	release(3);
	fakes[3].while_sending = release_1;
	CHECK(deliver_inbox(&workers[1], 0));
	CHECK_EQ(fakes[3].nr_sent, 1);
	CHECK(deliver_inbox(&workers[1], 0));
	CHECK_EQ(fakes[1].nr_sent, 2);
	CHECK(fakes[1].sent[0] == &frames[0].packet && fakes[1].sent[1] == &frames[2].packet);
	stop();
}

static void a_full_ring_drops_and_counts_and_recovers(void)
{
	unsigned away = 0;

	start(2, 2, 1);
	learn_all(2);
	occupy(1);
	workers[0].may_keep = 1000; /* the ring is the limit here */
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < BURST; i++)
			burst[i] = fake_frame(&frames[round * BURST + i], 1, 0);
		forward(0, 0, BURST);
	}
	CHECK_EQ(stat(&stats[0].ports[1].tx_left_full), 3 * BURST - LEFT_SLOTS);
	CHECK_EQ(burst[BURST - 1]->user[PACKET_REFERENCES], 0);
	release(1);
	CHECK(deliver_inbox(&workers[1], 0));
	CHECK_EQ(fakes[1].nr_sent, LEFT_SLOTS);
	while (deliver_take_back(&workers[0], 1))
		away++;
	CHECK_EQ(away, LEFT_SLOTS);
	forward(0, 0, 1);
	CHECK_EQ(fakes[1].nr_sent, LEFT_SLOTS + 1);
	stop();
}

static void no_more_packets_are_kept_than_may_be(void)
{
	start(2, 2, 1);
	learn_all(2);
	occupy(1);
	workers[0].may_keep = 10;
	for (unsigned i = 0; i < BURST; i++)
		frame(i, 1, 0);
	forward(0, 0, BURST);
	CHECK_EQ(workers[0].may_keep, 0);
	CHECK_EQ(stat(&stats[0].ports[1].tx_left_full), BURST - 10);
	for (unsigned i = 0; i < BURST; i++)
		CHECK_EQ(burst[i]->user[PACKET_REFERENCES], i < 10);
	stop();
}

static void the_ring_goes_on_when_its_indices_wrap(void)
{
	start(2, 2, 1);
	learn_all(2);
	rings[1].filled = rings[1].reclaimed = UINT32_MAX - 10;
	atomic_store(&rings[1].head, UINT32_MAX - 10);
	atomic_store(&rings[1].tail, UINT32_MAX - 10);
	for (unsigned i = 0; i < BURST; i++)
		frame(i, 1, 0);
	for (unsigned round = 1; round <= 4; round++) {
		workers[0].may_keep = BURST;
		occupy(1);
		forward(0, 0, BURST);
		release(1);
		CHECK(deliver_inbox(&workers[1], 0));
		CHECK_EQ(fakes[1].nr_sent, round * BURST);
		for (unsigned i = 0; i < BURST; i++)
			CHECK(deliver_take_back(&workers[0], 1) == burst[i]);
	}
	stop();
}

static void packets_left_for_a_port_that_goes_are_not_given_to_its_successor(void)
{
	start(2, 2, 1);
	learn_all(2);
	frame(0, 1, 0);
	occupy(1);
	forward(0, 0, 1);
	fake_init(&fakes[1], 1, 1);
	fakes[1].port.serial = 5000;
	rebuild(2);
	CHECK(deliver_inbox(&workers[1], 0));
	CHECK_EQ(fakes[1].calls, 0);
	CHECK_EQ(stat(&stats[1].left_stale), 1);
	CHECK(deliver_take_back(&workers[0], 1) == burst[0]);
	stop();
}

static void packets_left_for_a_queue_that_is_turned_off_are_dropped(void)
{
	start(2, 2, 3); /* pairs 0 and 2 of port 1 are worker 1's */
	learn_all(2);
	frame(0, 1, 0);
	occupy(1);
	fakes[1].port.transmit_on[1] = fakes[1].port.transmit_on[2] = false;
	rebuild(2);
	forward(0, 0, 1);
	release(1);
	fakes[1].port.transmit_on[0] = false;
	fakes[1].port.transmit_on[2] = true;
	rebuild(2);
	CHECK(deliver_inbox(&workers[1], 0));
	CHECK_EQ(fakes[1].calls, 0);
	CHECK_EQ(stat(&stats[1].left_stale), 1);
	stop();
}

static void every_worker_may_run_an_uplink_at_any_time(void)
{
	static const struct port_ops shared = {.transmit = fake_transmit, .shared_transmit = true};

	start(2, 2, 1);
	learn_all(2);
	fakes[1].port.ops = &shared;
	occupy(1);
	frame(0, 1, 0);
	forward(0, 0, 1);
	CHECK_EQ(fakes[1].nr_sent, 1);
	CHECK_EQ(stat(&stats[0].left), 0);
	stop();
}

/* ---- packets that have to be cut */

static bool always_cuts(const struct port *port, const struct hf_offload *offload)
{
	(void)port;
	return offload->gso_type != HF_GSO_NONE;
}

/* Frame i as an uplink has it: 64 KiB in segments of 88 bytes. */
static void minced(unsigned i, unsigned to)
{
	frame(i, to, 0);
	burst[i]->total = 65535;
	burst[i]->offload = (struct hf_offload){.gso_type = HF_GSO_TCPV4, .gso_size = 88};
}

static void what_is_cut_small_of_an_uplinks_packets_is_the_receivers(void)
{
	static const struct port_ops poor = {.transmit = fake_transmit, .cuts = always_cuts};
	unsigned may = 0, bursts = 4;

	start(1, 3, 1);
	learn_all(3);
	fakes[1].port.ops = &poor;
	for (unsigned b = 0; b < bursts; b++) {
		for (unsigned i = 0; i < BURST; i++)
			minced(i, i % 2 ? 1 : 2);
		frame(1, 1, 0); /* ordinary */
		forward(0, 0, BURST);
		/* The uplink pays for bytes. */
		CHECK_EQ(workers[0].spent, (BURST - 1) * 65535 + 64);
	}
	may = (unsigned)(SHARE_CUTS / (share_mincing(burst[0]) / SHARE_CUT)) + 1;
	REQUIRE(may < bursts * (BURST / 2 - 1));
	/* What is ordinary arrived, and so did all for the other, which lacks nothing. */
	CHECK_EQ(fakes[1].nr_sent, may + bursts);
	CHECK_EQ(stat(&stats->ports[1].tx_no_buffer), bursts * (BURST / 2 - 1) - may);
	CHECK_EQ(fakes[2].nr_sent, bursts * BURST / 2);
	/* In the next second it may again; and from the flood of one as well. */
	workers[0].now++;
	minced(0, NOBODY);
	forward(0, 0, 1);
	CHECK_EQ(fakes[1].nr_sent, may + bursts + 1);
	stop();
}

static uint16_t no_peek(struct port *port, uint16_t queue, struct hf_hop *hop,
			struct hf_packet **packets, uint16_t nr)
{
	(void)port, (void)queue, (void)hop, (void)packets, (void)nr;
	return 0;
}

/* A guest has paid for what it sends. */
static void of_what_guests_send_the_receiver_has_all_cut(void)
{
	static const struct port_ops poor = {.transmit = fake_transmit, .cuts = always_cuts};
	static const struct port_ops guest = {.transmit = fake_transmit, .peek = no_peek};

	start(1, 2, 1);
	learn_all(2);
	fakes[0].port.ops = &guest;
	fakes[1].port.ops = &poor;
	for (unsigned b = 0; b < 4; b++) {
		for (unsigned i = 0; i < BURST; i++)
			minced(i, 1);
		forward(0, 0, BURST);
	}
	CHECK_EQ(fakes[1].nr_sent, 4 * BURST);
	stop();
}

static uint32_t cut_by_poor;

/* What would be cut finds no room for its frames; all else goes in. */
static uint16_t narrow_transmit(struct port *port, uint16_t queue, struct hf_packet *const *packets,
				uint16_t nr, struct port_stats *ps)
{
	uint16_t taken = 0;

	while (taken < nr && !packets[taken]->offload.gso_type)
		taken++;
	cut_by_poor = taken < nr ? 45 : 0;
	((struct fake *)port->backend)->calls += !taken;
	return taken ? fake_transmit(port, queue, packets, taken, ps) : 0;
}

static uint32_t narrow_walked(struct port *port, uint16_t queue, uint32_t *ret_cut)
{
	(void)port, (void)queue;
	*ret_cut = cut_by_poor;
	return 0;
}

static void a_packet_that_needs_more_buffers_than_there_are_is_dropped_alone(void)
{
	static const struct port_ops narrow = {.transmit = narrow_transmit,
					       .walked = narrow_walked};

	start(1, 2, 1);
	learn_all(2);
	fakes[1].port.ops = &narrow;
	for (unsigned i = 0; i < BURST; i++) {
		frame(i, 1, 0);
		if (i == 3 || i == 9)
			burst[i]->offload =
				(struct hf_offload){.gso_type = HF_GSO_TCPV4, .gso_size = 1448};
	}
	forward(0, 0, BURST);
	CHECK_EQ(fakes[1].nr_sent, BURST - 2);
	CHECK(fakes[1].sent[3] == burst[4] && fakes[1].sent[8] == burst[10]);
	CHECK_EQ(stat(&stats->ports[1].tx_no_buffer), 2);
	/* Each was tried once when it was the first. */
	CHECK_EQ(fakes[1].calls, 3 + 2);
	stop();
}

static const struct sentence sentences[] = {
	SENTENCE(an_unknown_station_is_sought_on_every_other_port),
	SENTENCE(a_station_that_spoke_gets_its_packets_alone),
	SENTENCE(broadcast_and_multicast_go_to_all_and_teach_nothing_as_source),
	SENTENCE(nothing_goes_back_where_it_came_from),
	SENTENCE(link_local_frames_stay_here),
	SENTENCE(a_runt_is_dropped_and_counted),
	SENTENCE(vlans_are_learned_apart),
	SENTENCE(a_burst_is_one_call_per_destination_in_order),
	SENTENCE(what_a_port_does_not_take_is_dropped_and_harms_no_other),
	SENTENCE(a_port_without_a_queue_is_no_destination),
	SENTENCE(a_flow_stays_on_one_queue_and_flows_spread),
	SENTENCE(any_worker_delivers_to_a_queue_that_nobody_runs_just_now),
	SENTENCE(packets_for_a_queue_that_is_being_run_are_left_for_its_owner),
	SENTENCE(an_owner_leaves_packets_for_itself_as_well),
	SENTENCE(packets_do_not_overtake_those_that_were_left),
	SENTENCE(a_flooded_packet_waits_only_where_the_turn_is_taken),
	SENTENCE(a_worker_uses_its_own_queues_of_a_device_that_has_some),
	SENTENCE(one_stuck_queue_holds_up_no_other),
	SENTENCE(a_turn_that_ends_in_mid_pass_lets_nobody_overtake),
	SENTENCE(a_full_ring_drops_and_counts_and_recovers),
	SENTENCE(no_more_packets_are_kept_than_may_be),
	SENTENCE(the_ring_goes_on_when_its_indices_wrap),
	SENTENCE(packets_left_for_a_port_that_goes_are_not_given_to_its_successor),
	SENTENCE(packets_left_for_a_queue_that_is_turned_off_are_dropped),
	SENTENCE(every_worker_may_run_an_uplink_at_any_time),
	SENTENCE(what_is_cut_small_of_an_uplinks_packets_is_the_receivers),
	SENTENCE(of_what_guests_send_the_receiver_has_all_cut),
	SENTENCE(a_packet_that_needs_more_buffers_than_there_are_is_dropped_alone),
};

SUITE("vswitch: forwarding", sentences)
