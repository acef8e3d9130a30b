/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vswitch/share.h: a real worker goes around two guests, one of which asks much of it. The library
 * is a fake that has endless packets and notes what it is asked for; a round is from one look at
 * the other guest to the next.
 */
#include <errno.h>
#include <holdfast/hop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "fake.h"
#include "share.h"
#include "suite.h"
#include "worker.h"

#define PORTS	   66u
#define ROUNDS	   3000u
#define ROOM	   64u
#define LONGEST	   65535u
#define LOOKED_AT  2048u /* descriptors, by one peek */
#define ENQUEUED   8192u /* by one burst to a guest */
#define DEADLINE_S 20

/* ---- the library */

struct hf_hop {
	struct guest *source; /* the guest that a peek is open of */
	uint64_t walked;
};

struct hf_packet_pool {
	struct hf_packet packets[BURST];
	uint8_t bytes[BURST][ROOM];
};

struct hf_packet_pool *hf_packet_pool_create(const struct hf_device *device, size_t count,
					     size_t room)
{
	struct hf_packet_pool *pool = calloc(1, sizeof(*pool));

	(void)device, (void)room;
	REQUIRE(pool && count == BURST);
	for (size_t i = 0; i < count; i++)
		pool->packets[i] = (struct hf_packet){.data = pool->bytes[i], .room = ROOM};
	return pool;
}

void hf_packet_pool_destroy(struct hf_packet_pool *pool)
{
	free(pool);
}

struct hf_packet *hf_packet_pool_get(struct hf_packet_pool *pool, size_t index)
{
	return &pool->packets[index];
}

struct hf_hop *hf_hop_create(void)
{
	return calloc(1, sizeof(struct hf_hop));
}

void hf_hop_destroy(struct hf_hop *hop)
{
	free(hop);
}

const uint64_t *hf_hop_walked(const struct hf_hop *hop)
{
	return &hop->walked;
}

void hf_hop_copy(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t nr)
{
	(void)hop, (void)packets, (void)nr;
}

/* ---- guests: number 0 asks much, number 1 is ordinary, the others only listen */

struct guest {
	struct fake fake;
	/* What it sends. */
	uint8_t to;	      /* a station, or 0xff: to all */
	uint32_t len;	      /* of a packet; 0: all its chains are dropped */
	uint32_t descriptors; /* of a chain, when they are noted */
	uint16_t gso_size;    /* 0: nothing is asked for */
	unsigned left;	      /* packets */
	unsigned every;	      /* that many looks it has one packet; 0: all it has, at each */
	/* What it posts. */
	uint32_t crumbs; /* descriptors that a packet is put into */
	bool bad;	 /* … in vain: it is looked at, and nothing goes in */
	uint32_t cut;	 /* frames that each packet is cut into */
	/* What was asked of it. */
	unsigned looks, taken;
	unsigned least, most; /* packets in a burst */
	unsigned arrived, wrong;
	uint32_t walked, frames; /* by the last transmit */
	uint64_t all_at_it;	 /* descriptors, by all */
};

static struct guest guests[PORTS];
static struct {
	uint64_t work, most_work; /* bytes that guest 0 had copied in this round, and in any */
	uint64_t walked, most_walked;
	uint64_t all_work, all_walked;
	uint64_t cut, most_cut; /* frames that its packets were cut into */
} spent;
static unsigned rounds;
static sem_t over;

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void end_round(void)
{
	spent.most_work = larger(spent.most_work, spent.work);
	spent.most_walked = larger(spent.most_walked, spent.walked);
	spent.all_work += spent.work;
	spent.all_walked += spent.walked;
	spent.most_cut = larger(spent.most_cut, spent.cut);
	spent.work = spent.walked = spent.cut = 0;
	if (++rounds == ROUNDS)
		sem_post(&over);
}

static void fill(struct guest *g, struct hf_packet *packet, unsigned number)
{
	memset(packet->data, 0, ROOM);
	memset(packet->data, g->to == 0xff ? 0xff : 0x52, 6);
	packet->data[5] = g->to;
	packet->data[6] = 0x52;
	packet->data[11] = (uint8_t)g->fake.port.id;
	memcpy(packet->data + 20, &number, sizeof(number));
	packet->len = ROOM;
	packet->total = g->len;
	packet->offload = (struct hf_offload){.gso_type = g->gso_size ? HF_GSO_TCPV4 : HF_GSO_NONE,
					      .gso_size = g->gso_size};
}

static uint16_t guest_peek(struct port *port, uint16_t queue, struct hf_hop *hop,
			   struct hf_packet **packets, uint16_t nr)
{
	struct guest *g = (struct guest *)port->backend;
	uint16_t came = 0, walked = 0;

	(void)queue;
	g->looks++;
	if (port->id == 1)
		end_round();
	if (rounds >= ROUNDS || (g->every && g->looks % g->every))
		return 0;
	nr = g->every ? 1 : nr;
	/* As the library: no chain is begun when so many descriptors were looked at. */
	while (came < nr && came < g->left && walked < LOOKED_AT) {
		walked = (uint16_t)(walked + g->descriptors);
		if (g->len)
			fill(g, packets[came], g->taken + came);
		came++;
	}
	hop->walked += walked;
	if (port->id == 0)
		spent.walked += walked;
	if (!g->len) {
		g->taken += came;
		return 0;
	}
	hop->source = came ? g : NULL;
	return came;
}

void hf_hop_complete(struct hf_hop *hop, uint16_t nr)
{
	struct guest *g = hop->source;

	g->taken += nr;
	g->left -= nr;
	if (!g->looks || nr < g->least)
		g->least = nr;
	if (nr > g->most)
		g->most = nr;
	hop->source = NULL;
}

static uint16_t guest_transmit(struct port *port, uint16_t queue, struct hf_packet *const *packets,
			       uint16_t nr, struct port_stats *stats)
{
	struct guest *g = (struct guest *)port->backend;
	unsigned number;
	uint16_t i;

	(void)queue, (void)stats;
	g->walked = g->frames = 0;
	for (i = 0; i < nr && g->walked < ENQUEUED; i++) {
		g->walked += g->crumbs;
		g->frames += g->cut;
		if (g->bad)
			break;
		if (packets[i]->data[11] != 0)
			continue;
		memcpy(&number, packets[i]->data + 20, sizeof(number));
		g->wrong += number != g->arrived++;
		spent.work += packets[i]->total;
		spent.cut += g->cut;
	}
	g->all_at_it += g->walked;
	return i;
}

static uint32_t guest_walked(struct port *port, uint16_t queue, uint32_t *ret_cut)
{
	struct guest *g = (struct guest *)port->backend;

	(void)queue;
	*ret_cut = g->frames;
	return g->walked;
}

static uint16_t guest_forward(struct port *port, uint16_t queue, struct hf_hop *hop,
			      struct hf_packet *const *packets, uint16_t nr,
			      struct port_stats *stats)
{
	((struct guest *)port->backend)->wrong += !hop->source;
	return guest_transmit(port, queue, packets, nr, stats);
}

static const struct port_ops guest_ops = {.kind = "guest",
					  .stations = 10,
					  .peek = guest_peek,
					  .forward = guest_forward,
					  .transmit = guest_transmit,
					  .walked = guest_walked};

/* ---- the worker */

static struct port *ports[MAX_PORTS];
static struct worker *worker;
static struct quiesce quiesce;
static struct left_ring *ring;
static struct table *table;

static void place(unsigned nr)
{
	memset(ports, 0, sizeof(ports));
	memset(guests, 0, sizeof(guests));
	memset(&spent, 0, sizeof(spent));
	rounds = 0;
	for (uint16_t i = 0; i < nr; i++) {
		struct guest *g = &guests[i];

		fake_init(&g->fake, i, 1);
		g->fake.port.ops = &guest_ops;
		g->fake.port.backend = g;
		g->fake.port.receive_on[0] = i < 2;
		g->least = BURST;
		ports[i] = &g->fake.port;
	}
	/* Ordinary: small packets to guest 2. */
	guests[1].to = 2;
	guests[1].len = 64;
	guests[1].left = UINT32_MAX;
	guests[1].descriptors = 2;
}

static void hear(unsigned station)
{
	const uint8_t mac[6] = {0x52, 0x52, 0x52, 0x52, 0x52, (uint8_t)station};

	(void)fdb_learn(worker->forward.fdb, fdb_key(0, mac), (uint16_t)station, 0);
}

static void begin(enum worker_mode mode)
{
	worker = aligned_alloc(CACHE_LINE, sizeof(*worker));
	ring = aligned_alloc(CACHE_LINE, sizeof(*ring));
	table = table_build(ports, 1);
	REQUIRE(worker && ring && table);
	memset(worker, 0, sizeof(*worker));
	memset(ring, 0, sizeof(*ring));
	memset(&quiesce, 0, sizeof(quiesce));
	worker->forward = (struct forward){.fdb = fdb_create(64, UINT32_MAX / 2),
					   .stats = stats_create(1),
					   .nr_workers = 1,
					   .out = {ring},
					   .in = {ring},
					   .idle = {&worker->idle}};
	REQUIRE(worker->forward.fdb && worker->forward.stats && !idle_open(&worker->idle));
	worker->quiesce = &quiesce;
	worker->mode = mode;
	worker->core = -1;
	hear(2);
	hear(3);
	(void)quiesce_publish(&quiesce, table);
	quiesce_join(&quiesce, &worker->reader, &worker->idle);
	REQUIRE(!sem_init(&over, 0, 0) && !worker_start(worker));
}

static bool wait_over(void)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_S;
	while (sem_timedwait(&over, &until) < 0)
		if (errno != EINTR)
			return false;
	return true;
}

static void end(void)
{
	worker_stop(worker);
	worker_free_packets(worker);
	idle_close(&worker->idle);
	fdb_destroy(worker->forward.fdb);
	free(worker->forward.stats);
	table_free(table);
	free(ring);
	free(worker);
	(void)sem_destroy(&over);
}

/* Both guests send without end, for so many rounds. */
static void run(void)
{
	begin(WORKER_POLL);
	CHECK(wait_over());
	end();
}

static void check_the_other_noticed_nothing(void)
{
	/* The last look is the end. */
	CHECK_EQ(guests[1].taken, (ROUNDS - 1) * BURST);
	CHECK_EQ(guests[1].least, BURST);
}

/* ---- */

static void who_broadcasts_long_frames_spends_its_share_of_a_round_and_no_more(void)
{
	const uint64_t packet = (PORTS - 1) * (uint64_t)LONGEST;

	place(PORTS);
	guests[0].to = 0xff;
	guests[0].len = LONGEST;
	guests[0].left = UINT32_MAX;
	run();
	check_the_other_noticed_nothing();
	CHECK(spent.most_work <= SHARE_ROUND + packet);
	CHECK(spent.all_work <= (uint64_t)ROUNDS * SHARE_ROUND + packet);
	/* And what is its share, it gets. */
	CHECK(spent.all_work >= (uint64_t)ROUNDS * SHARE_ROUND / 10 * 9);
	/* All of it, to everybody, in order. */
	for (unsigned i = 1; i < PORTS; i++) {
		CHECK_EQ(guests[i].arrived, guests[0].taken);
		CHECK_EQ(guests[i].wrong, 0);
	}
}

/* Each fits, and a burst of them does not: the rest stays where it is. */
static void of_long_frames_as_many_are_taken_as_the_share_reaches_to(void)
{
	place(4);
	guests[0].to = 3;
	guests[0].len = LONGEST;
	guests[0].left = UINT32_MAX;
	guests[0].descriptors = 18;
	run();
	check_the_other_noticed_nothing();
	CHECK(spent.most_work <= SHARE_ROUND + LONGEST);
	CHECK(spent.all_work <= (uint64_t)ROUNDS * SHARE_ROUND + LONGEST);
	CHECK(spent.all_work >= (uint64_t)ROUNDS * SHARE_ROUND / 10 * 9);
	CHECK_EQ(guests[3].arrived, guests[0].taken);
	CHECK_EQ(guests[3].wrong, 0);
	/* Nor is it looked at in vain, but to see whether more would go. */
	CHECK(spent.all_walked <= 2u * 18u * guests[0].taken + LOOKED_AT);
}

static void full_frames_come_in_whole_bursts(void)
{
	place(4);
	guests[0].to = 3;
	guests[0].len = 1518;
	guests[0].left = UINT32_MAX;
	guests[0].descriptors = SHARE_DESCS;
	run();
	check_the_other_noticed_nothing();
	CHECK_EQ(guests[0].taken, ROUNDS * BURST);
	CHECK_EQ(guests[0].least, BURST);
}

static void one_of_the_longest_chains_is_paid_for_a_hundred_rounds(void)
{
	static const uint32_t lengths[] = {256, 1024};

	for (unsigned i = 0; i < 2; i++) {
		const uint32_t longest = lengths[i];

		place(4);
		guests[0].to = 3;
		guests[0].len = longest - 12;
		guests[0].left = UINT32_MAX;
		guests[0].descriptors = longest;
		run();
		check_the_other_noticed_nothing();
		/* First a whole look; from then on one, and a pause. */
		CHECK(spent.most_walked <= LOOKED_AT);
		CHECK(spent.all_walked <= LOOKED_AT + ROUNDS * 2 + longest);
		CHECK(guests[0].taken >= 1);
	}
}

static void chains_that_are_dropped_are_paid_for_as_well(void)
{
	place(4);
	guests[0].left = UINT32_MAX;
	guests[0].descriptors = 256;
	run();
	check_the_other_noticed_nothing();
	CHECK(spent.most_walked <= LOOKED_AT);
	CHECK(spent.all_walked <= LOOKED_AT + ROUNDS * 2 + 256);
	CHECK(spent.all_walked > LOOKED_AT);
}

static uint32_t second(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)now.tv_sec;
}

/* Guest 3 has what is sent to it put into single bytes, or posts what nothing can be put into. The
 * senders, and who else is sent to, notice nothing. */
static void a_receiver_that_posts_crumbs_loses_its_own_packets_only(void)
{
	for (unsigned bad = 0; bad < 2; bad++) {
		const uint32_t before = second();
		uint64_t seconds;

		place(4);
		guests[0].to = 0xff;
		guests[0].len = 64;
		guests[0].left = UINT32_MAX;
		guests[0].descriptors = 2;
		guests[3].crumbs = bad ? ENQUEUED : 76;
		guests[3].bad = bad;
		run();
		seconds = second() - before + 1u;
		check_the_other_noticed_nothing();
		CHECK_EQ(guests[0].taken, ROUNDS * BURST);
		CHECK_EQ(guests[0].least, BURST);
		CHECK_EQ(guests[2].arrived, guests[0].taken);
		CHECK_EQ(guests[2].wrong, 0);
		/* Need is 20 of 76: that much more may be. */
		CHECK(guests[3].all_at_it >= SHARE_CRUMBS);
		CHECK(guests[3].all_at_it <= seconds * (SHARE_CRUMBS + ENQUEUED) * 3 / 2);
	}
}

/* Linux without mergeable buffers, on a packed ring: each chain is walked to its end. */
static void the_buffers_of_an_honest_driver_are_no_crumbs(void)
{
	struct hf_packet packet = {.total = 60}, *packets[BURST];
	struct port port = {.id = 0};

	for (uint32_t i = 0; i < BURST; i++)
		packets[i] = &packet;
	for (uint32_t round = 0; round < 1000; round++)
		share_walked(&port, 5, packets, BURST, 0, 19 * BURST);
	CHECK(!share_is_shut(&port, 5));
}

/* Whom it is for lacks the offload: that is no fault of anybody's. */
static void what_is_cut_into_many_frames_is_paid_for_by_its_sender(void)
{
	place(4);
	guests[0].to = 3;
	guests[0].len = LONGEST;
	guests[0].left = UINT32_MAX;
	guests[0].descriptors = 18;
	guests[0].gso_size = 8;
	guests[3].crumbs = guests[3].cut = 8192;
	run();
	check_the_other_noticed_nothing();
	CHECK(guests[0].taken <= 8 + ROUNDS / (8192 * SHARE_CUT / SHARE_ROUND));
	CHECK_EQ(guests[3].arrived, guests[0].taken);
	CHECK_EQ(guests[3].wrong, 0);
}

/* Neither are they short in bytes for it: what they cost is known before. */
static void of_packets_to_be_cut_small_one_is_begun_in_a_round(void)
{
	place(4);
	guests[0].to = 3;
	guests[0].len = 4096;
	guests[0].left = UINT32_MAX;
	guests[0].descriptors = 2;
	guests[0].gso_size = 1;
	guests[3].crumbs = guests[3].cut = 4096;
	run();
	check_the_other_noticed_nothing();
	CHECK(spent.most_cut <= SHARE_ROUND / SHARE_CUT + 4096);
	CHECK(guests[0].taken <= 1 + ROUNDS / (4096 * SHARE_CUT / SHARE_ROUND));
	CHECK(guests[0].taken >= ROUNDS / (4096 * SHARE_CUT / SHARE_ROUND) / 10 * 9);
	CHECK_EQ(guests[3].arrived, guests[0].taken);
	CHECK_EQ(guests[3].wrong, 0);
}

/* Bytes pay for it. */
static void segments_as_a_network_has_them_cost_nothing_more(void)
{
	struct hf_packet packet = {.total = LONGEST,
				   .offload = {.gso_type = HF_GSO_TCPV6, .gso_size = 1220}};

	CHECK(!share_is_minced(&packet));
	packet.offload.gso_size = 536;
	REQUIRE(share_is_minced(&packet));
	CHECK_EQ(share_mincing(&packet), LONGEST * UINT64_C(1024) / 536 - LONGEST);
	/* Fragments of eight bytes; and what is less than any fragment. */
	packet.offload.gso_size = 15;
	CHECK_EQ(share_mincing(&packet), LONGEST * UINT64_C(1024) / 8 - LONGEST);
	packet.offload.gso_size = 1;
	CHECK_EQ(share_mincing(&packet), LONGEST * UINT64_C(1023));
	packet.offload.gso_type = HF_GSO_NONE;
	CHECK(!share_is_minced(&packet));
}

static void crumbs_are_counted_by_the_second(void)
{
	struct hf_packet packet = {.total = 1000}, *packets[] = {&packet, &packet};
	struct port port = {.id = 0};

	CHECK(!share_is_shut(&port, 0));
	/* What two packets need, and 100 frames. */
	share_walked(&port, 5, packets, 2, 0, 2 * SHARE_BUFFER);
	share_walked(&port, 5, packets, 2, 98, 100 * SHARE_BUFFER);
	/* On a packed ring those of the frames are counted first, and then walked again. */
	share_walked(&port, 5, packets, 2, 98, (2 + 2 * 98) * SHARE_BUFFER);
	CHECK_EQ(atomic_load(&port.crumbs), 0);
	share_walked(&port, 5, packets, 2, 0, 2 * SHARE_BUFFER + SHARE_CRUMBS - 1);
	CHECK(!share_is_shut(&port, 5));
	share_walked(&port, 5, packets, 2, 0, 2 * SHARE_BUFFER + 1);
	CHECK(share_is_shut(&port, 5));
	CHECK(!share_is_shut(&port, 6));
	share_walked(&port, 6, packets, 2, 0, 2 * SHARE_BUFFER + SHARE_CRUMBS - 1);
	CHECK(!share_is_shut(&port, 6));
	/* Another worker's round may have begun in the second before. */
	CHECK(!share_is_shut(&port, 5));
	share_walked(&port, 5, packets, 2, 0, 2 * SHARE_BUFFER + 1);
	CHECK(!share_is_shut(&port, 5));
	CHECK(share_is_shut(&port, 6));
}

/* Rounds may be long, or have naps between them: who is alone would wait for nobody. But who is not
 * there in each of them is still there. */
static void while_nothing_comes_from_anybody_else_nothing_is_owed(void)
{
	for (unsigned alone = 0; alone < 2; alone++) {
		place(4);
		guests[0].to = 3;
		guests[0].len = 1000;
		guests[0].left = UINT32_MAX;
		guests[0].descriptors = 1024;
		guests[1].left = alone ? 0 : UINT32_MAX;
		guests[1].every = 32;
		run();
		if (alone) {
			CHECK(guests[0].taken >= ROUNDS / 100);
			continue;
		}
		CHECK(guests[0].taken <= ROUNDS / 300);
		CHECK(guests[1].taken >= ROUNDS / 32 - 1);
	}
}

/* Who has small packets again is asked for whole bursts again. */
static void bursts_grow_again(void)
{
	struct source source = {.want = BURST};
	uint32_t budget = share_open(&source);

	CHECK_EQ(budget, SHARE_ROUND);
	share_close(&source, budget, 16u * SHARE_ROUND, 64, 8);
	CHECK_EQ(source.want, 1);
	for (unsigned i = 0; i < 15; i++)
		CHECK_EQ(share_open(&source), 0);
	CHECK_EQ(share_open(&source), SHARE_ROUND);
	for (uint16_t want = 1; want <= BURST; want = (uint16_t)(want * 2)) {
		CHECK_EQ(source.want, want);
		share_close(&source, SHARE_ROUND, want * 64u, want, want);
	}
	CHECK_EQ(source.want, BURST);
	/* Half of what is owed leaves half of the next share. */
	share_close(&source, SHARE_ROUND, SHARE_ROUND * 3 / 2, 64, 64);
	CHECK_EQ(share_open(&source), SHARE_ROUND / 2);
	CHECK_EQ(share_open(&source), SHARE_ROUND);
}

/* ---- sleep: an uplink tells that a frame came, once; what it has is fetched without being told */

static unsigned storm_left;

static uint16_t storm_receive(struct port *port, uint16_t queue, struct hf_packet **packets,
			      uint16_t nr, struct port_stats *stats)
{
	struct guest *g = (struct guest *)port->backend;
	uint16_t came = 0;

	(void)queue, (void)stats;
	while (came < nr && came < 8 && storm_left) {
		storm_left--;
		fill(g, packets[came++], g->taken++);
	}
	if (!came)
		sem_post(&over);
	return came;
}

static void a_worker_does_not_sleep_while_a_source_sits_out(void)
{
	static const struct port_ops storm_ops = {.kind = "storm",
						  .stations = 10,
						  .receive = storm_receive,
						  .transmit = guest_transmit};

	for (enum worker_mode mode = WORKER_INTERRUPT; mode <= WORKER_ADAPTIVE; mode++) {
		place(PORTS);
		guests[0].fake.port.ops = &storm_ops;
		guests[0].fake.port.wait_fd[0] = 0; /* never polled because of a clock */
		guests[0].to = 0xff;
		guests[0].len = LONGEST;
		guests[1].fake.port.receive_on[0] = false;
		storm_left = 100;
		begin(mode);
		CHECK(wait_over());
		end();
		CHECK_EQ(storm_left, 0);
		CHECK_EQ(guests[2].arrived, 100);
		CHECK_EQ(guests[2].wrong, 0);
	}
}

static const struct sentence sentences[] = {
	SENTENCE(who_broadcasts_long_frames_spends_its_share_of_a_round_and_no_more),
	SENTENCE(of_long_frames_as_many_are_taken_as_the_share_reaches_to),
	SENTENCE(full_frames_come_in_whole_bursts),
	SENTENCE(one_of_the_longest_chains_is_paid_for_a_hundred_rounds),
	SENTENCE(chains_that_are_dropped_are_paid_for_as_well),
	SENTENCE(a_receiver_that_posts_crumbs_loses_its_own_packets_only),
	SENTENCE(what_is_cut_into_many_frames_is_paid_for_by_its_sender),
	SENTENCE(of_packets_to_be_cut_small_one_is_begun_in_a_round),
	SENTENCE(segments_as_a_network_has_them_cost_nothing_more),
	SENTENCE(the_buffers_of_an_honest_driver_are_no_crumbs),
	SENTENCE(crumbs_are_counted_by_the_second),
	SENTENCE(while_nothing_comes_from_anybody_else_nothing_is_owed),
	SENTENCE(bursts_grow_again),
	SENTENCE(a_worker_does_not_sleep_while_a_source_sits_out),
};
SUITE("vswitch: share", sentences)
