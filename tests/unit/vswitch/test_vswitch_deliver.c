/* SPDX-License-Identifier: Apache-2.0 */
/* vswitch/deliver.h and left.h: by which way packets come to their queue, and in which order. */
#include "deliver.h"
#include "fake.h"
#include "forward.h"
#include "forwarding.h"
#include "suite.h"

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
	CHECK_EQ(count_of(&stats[0].left), 0);
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
	CHECK_EQ(count_of(&stats[1].ports[1].tx_packets), 2);
	CHECK_EQ(count_of(&stats[0].left), 2);

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
	CHECK_EQ(count_of(&stats[0].ports[1].tx_left_full), 3 * BURST - LEFT_SLOTS);
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
	CHECK_EQ(count_of(&stats[0].ports[1].tx_left_full), BURST - 10);
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
	CHECK_EQ(count_of(&stats[1].left_stale), 1);
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
	CHECK_EQ(count_of(&stats[1].left_stale), 1);
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
	CHECK_EQ(count_of(&stats[0].left), 0);
	stop();
}

static const struct sentence sentences[] = {
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
};
SUITE("vswitch: delivery", sentences)
