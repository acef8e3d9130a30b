/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that have to be cut: who does it, and who has them counted. */
#include "fake.h"
#include "forward.h"
#include "forwarding.h"
#include "share.h"
#include "suite.h"

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
	CHECK_EQ(count_of(&stats->ports[1].tx_no_buffer), bursts * (BURST / 2 - 1) - may);
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
	CHECK_EQ(count_of(&stats->ports[1].tx_no_buffer), 2);
	/* Each was tried once when it was the first. */
	CHECK_EQ(fakes[1].calls, 3 + 2);
	stop();
}

static const struct sentence sentences[] = {
	SENTENCE(what_is_cut_small_of_an_uplinks_packets_is_the_receivers),
	SENTENCE(of_what_guests_send_the_receiver_has_all_cut),
	SENTENCE(a_packet_that_needs_more_buffers_than_there_are_is_dropped_alone),
};
SUITE("vswitch: cutting", sentences)
