/* SPDX-License-Identifier: Apache-2.0 */
/* vswitch/forward.h and table.h: where packets go. */
#include <string.h>

#include "fake.h"
#include "forward.h"
#include "forwarding.h"
#include "suite.h"

static void an_unknown_station_is_sought_on_every_other_port(void)
{
	start(1, 4, 1);
	frame(0, NOBODY, 1);
	forward(0, 1, 1);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(fakes[i].nr_sent, i == 1 ? 0 : 1);
	CHECK_EQ(count_of(&stats->ports[1].rx_flooded), 1);
	CHECK_EQ(count_of(&stats->ports[1].rx_packets), 1);
	CHECK_EQ(count_of(&stats->ports[1].rx_bytes), 64);
	CHECK_EQ(count_of(&stats->ports[0].tx_packets), 1);
	CHECK_EQ(count_of(&stats->ports[0].tx_bytes), 64);
	CHECK_EQ(count_of(&stats->learned), 1);
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
	CHECK_EQ(count_of(&stats->ports[1].rx_filtered), 1);
	stop();
}

static void link_local_frames_stay_here(void)
{
	start(1, 3, 1);
	frame(0, 0, 1);
	memcpy(frames[0].bytes, "\x01\x80\xc2\0\0\x0e", 6);
	forward(0, 1, 1);
	CHECK_EQ(fakes[0].nr_sent + fakes[2].nr_sent, 0);
	CHECK_EQ(count_of(&stats->ports[1].rx_filtered), 1);
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
	CHECK_EQ(count_of(&stats->ports[0].rx_runt), 1);
	CHECK_EQ(count_of(&stats->ports[0].rx_packets), 2);
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
	CHECK_EQ(count_of(&stats->ports[1].tx_packets), 5);
	CHECK_EQ(count_of(&stats->ports[1].tx_no_buffer), 15);
	CHECK(fakes[1].calls < 16);
	CHECK_EQ(fakes[2].nr_sent, 20);
	CHECK_EQ(count_of(&stats->ports[2].tx_no_buffer), 0);
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
	CHECK_EQ(count_of(&stats->ports[1].tx_no_queue), 1);
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
};
SUITE("vswitch: forwarding", sentences)
