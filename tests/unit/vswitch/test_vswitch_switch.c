/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vswitch/switch.h and worker.h: real workers on ports made of memory, while the control thread
 * turns queues on and off and takes ports away. The ports watch the promises that the library
 * needs: one thread at a time per queue, nobody in a queue that is off, no port after its removal.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fdb.h"
#include "suite.h"
#include "switch.h"

/* The pool that worker.c asks the library for. */
struct hf_packet_pool {
	size_t count;
	uint8_t *bytes;
	struct hf_packet *packets;
};

#define ROOM 256u /* frames here are small; PACKET_ROOM would only cost the machine memory */

struct hf_packet_pool *hf_packet_pool_create(const struct hf_device *device, size_t count,
					     size_t room)
{
	struct hf_packet_pool *pool = calloc(1, sizeof(*pool));

	(void)device;
	REQUIRE(room >= 65562);
	REQUIRE(pool != NULL);
	pool->count = count;
	pool->bytes = calloc(count, ROOM);
	pool->packets = calloc(count, sizeof(*pool->packets));
	REQUIRE(pool->bytes && pool->packets);
	for (size_t i = 0; i < count; i++)
		pool->packets[i] = (struct hf_packet){.data = pool->bytes + i * ROOM, .room = ROOM};
	return pool;
}

void hf_packet_pool_destroy(struct hf_packet_pool *pool)
{
	free(pool->bytes);
	free(pool->packets);
	free(pool);
}

struct hf_packet *hf_packet_pool_get(struct hf_packet_pool *pool, size_t index)
{
	return index < pool->count ? &pool->packets[index] : NULL;
}

#define PAIRS 2u
#define PORTS 4u

struct queue {
	atomic_bool inside;  /* a thread is in a call */
	atomic_bool off;     /* the control thread was promised silence */
	atomic_uint waiting; /* receive: frames that wait */
	atomic_uint armed;
	atomic_uint looks; /* calls of receive */
	atomic_bool liar;  /* says that frames wait, and has none */
	atomic_uint attended;
	unsigned moved; /* by whoever is inside */
	int event;
};

struct box {
	struct port *port;
	struct queue queues[2 * PAIRS];
	unsigned number;
	atomic_bool gone;
};

static struct box boxes[PORTS];
static atomic_uint violations;
static atomic_uint torn;
static atomic_uint delivered;

static const uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 0};

static struct queue *enter(struct port *port, uint16_t number)
{
	struct box *box = port->backend;
	struct queue *queue = &box->queues[number];

	if (atomic_exchange(&queue->inside, true) || atomic_load(&queue->off) ||
	    atomic_load(&box->gone))
		atomic_fetch_add(&violations, 1);
	return queue;
}

static void leave(struct queue *queue)
{
	atomic_store(&queue->inside, false);
}

/* A frame whose every word says the same, from a station here to one of the next ports. */
static void make_frame(struct hf_packet *packet, unsigned from, unsigned number)
{
	memcpy(packet->data, mac, 6);
	memcpy(packet->data + 6, mac, 6);
	packet->data[5] = (uint8_t)((from + 1 + number % (PORTS - 1)) % PORTS);
	packet->data[11] = (uint8_t)from;
	packet->data[12] = 0x88;
	packet->data[13] = 0xb5;
	for (unsigned at = 16; at < 128; at += 4)
		memcpy(packet->data + at, &number, 4);
	packet->len = packet->total = 128;
	packet->offload = (struct hf_offload){0};
}

static uint16_t box_receive(struct port *port, uint16_t number, struct hf_packet **packets,
			    uint16_t nr, struct port_stats *counters)
{
	struct queue *queue = enter(port, number);
	struct box *box = port->backend;
	uint16_t came = 0;

	(void)counters;
	atomic_fetch_add(&queue->looks, 1);
	while (came < nr && atomic_load(&queue->waiting)) {
		atomic_fetch_sub(&queue->waiting, 1);
		make_frame(packets[came++], box->number, queue->moved++);
	}
	leave(queue);
	return came;
}

static uint16_t box_transmit(struct port *port, uint16_t number, struct hf_packet *const *packets,
			     uint16_t nr, struct port_stats *counters)
{
	struct queue *queue = enter(port, number);

	for (uint16_t i = 0; i < nr; i++) {
		for (unsigned at = 20; at < 128; at += 4)
			if (memcmp(packets[i]->data + 16, packets[i]->data + at, 4))
				atomic_fetch_add(&torn, 1);
	}
	queue->moved += nr;
	stats_sent(counters, packets, nr);
	atomic_fetch_add(&delivered, nr);
	leave(queue);
	return nr;
}

static void box_attend(struct port *port, uint16_t number)
{
	struct queue *queue = enter(port, number);

	atomic_fetch_add(&queue->attended, 1);
	leave(queue);
}

static int box_arm(struct port *port, uint16_t number, bool wanted)
{
	struct queue *queue = enter(port, number);
	int waiting = 0;

	if (wanted) {
		atomic_store(&queue->armed, 1);
		waiting = atomic_load(&queue->waiting) || atomic_load(&queue->liar);
	} else {
		atomic_store(&queue->armed, 0);
	}
	leave(queue);
	return waiting;
}

static void box_close(struct port *port)
{
	struct box *box = port->backend;

	atomic_store(&box->gone, true);
}

static const struct port_ops box_ops = {
	.kind = "box",
	.receive = box_receive,
	.transmit = box_transmit,
	.attend = box_attend,
	.arm = box_arm,
	.close = box_close,
};

/* The guest's side: frames, and a kick if it was asked for. */
static void send_frames(unsigned number, unsigned pair, unsigned nr)
{
	struct queue *queue = &boxes[number].queues[HF_DEQUEUE_QUEUE(pair)];

	atomic_fetch_add(&queue->waiting, nr);
	if (atomic_load(&queue->armed))
		(void)eventfd_write(queue->event, 1);
}

static void turn(struct vswitch *sw, unsigned number, uint16_t queue, bool on)
{
	struct queue *q = &boxes[number].queues[queue];

	if (on) {
		atomic_store(&q->off, false);
		vswitch_queue_on(sw, boxes[number].port, queue, q->event);
		vswitch_commit(sw);
	} else {
		vswitch_queue_off(sw, boxes[number].port, queue);
		vswitch_commit(sw);
		atomic_store(&q->off, true);
	}
}

static void plug(struct vswitch *sw, unsigned number, unsigned pairs)
{
	struct box *box = &boxes[number];
	char name[] = "box0";

	name[3] = (char)('0' + number);
	atomic_store(&box->gone, false);
	box->number = number;
	box->port = vswitch_add_port(sw, &box_ops, box, name);
	REQUIRE(box->port != NULL);
	for (uint16_t queue = 0; queue < 2 * pairs; queue++)
		turn(sw, number, queue, true);
}

static struct vswitch *begin(unsigned workers, enum worker_mode mode, unsigned pairs)
{
	const struct vswitch_config config = {.nr_workers = workers, .mode = mode, .ageing = 300};
	struct vswitch *sw;

	atomic_store(&violations, 0);
	atomic_store(&torn, 0);
	atomic_store(&delivered, 0);
	memset(boxes, 0, sizeof(boxes));
	for (unsigned i = 0; i < PORTS; i++)
		for (unsigned q = 0; q < 2 * PAIRS; q++)
			boxes[i].queues[q].event = eventfd(0, EFD_NONBLOCK);
	REQUIRE(!vswitch_start(&config, &sw));
	for (unsigned i = 0; i < PORTS; i++)
		plug(sw, i, pairs);
	return sw;
}

static void end(struct vswitch *sw)
{
	vswitch_stop(sw);
	for (unsigned i = 0; i < PORTS; i++) {
		CHECK(atomic_load(&boxes[i].gone));
		for (unsigned q = 0; q < 2 * PAIRS; q++)
			close(boxes[i].queues[q].event);
	}
	CHECK_EQ(atomic_load(&violations), 0);
	CHECK_EQ(atomic_load(&torn), 0);
}

static uint64_t milliseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool wait_until(atomic_uint *what, unsigned value)
{
	uint64_t patience = milliseconds(CLOCK_MONOTONIC) + 20000;

	while (atomic_load(what) < value) {
		if (milliseconds(CLOCK_MONOTONIC) > patience)
			return false;
		sched_yield();
	}
	return true;
}

static bool wait_until_true(atomic_bool *what)
{
	uint64_t patience = milliseconds(CLOCK_MONOTONIC) + 20000;

	while (!atomic_load(what)) {
		if (milliseconds(CLOCK_MONOTONIC) > patience)
			return false;
		sched_yield();
	}
	return true;
}

/* Each station is on its port. */
static void introduce(struct vswitch *sw)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (unsigned i = 0; i < PORTS; i++) {
		uint8_t station[6];

		memcpy(station, mac, 6);
		station[5] = (uint8_t)i;
		(void)fdb_learn(sw->fdb, fdb_key(0, station), boxes[i].port->id,
				(uint32_t)now.tv_sec);
	}
}

/* One frame at a time: each has to wake a sleeper, perhaps two. */
static void ping(enum worker_mode mode, unsigned workers)
{
	struct vswitch *sw = begin(workers, mode, 1);
	unsigned lost = 0;

	introduce(sw);
	for (unsigned i = 0; i < 2000 && !lost; i++) {
		send_frames(i % PORTS, 0, 1);
		lost += !wait_until(&delivered, i + 1);
	}
	CHECK_EQ(lost, 0);
	CHECK_EQ(atomic_load(&delivered), 2000);
	end(sw);
}

static void a_polling_worker_delivers_frame_by_frame(void)
{
	ping(WORKER_POLL, 1);
}

static void a_sleeping_worker_is_woken_by_every_frame(void)
{
	ping(WORKER_INTERRUPT, 1);
}

static void an_adaptive_worker_is_woken_by_every_frame(void)
{
	ping(WORKER_ADAPTIVE, 1);
}

static void sleeping_workers_wake_each_other_for_every_frame(void)
{
	ping(WORKER_INTERRUPT, 2);
	ping(WORKER_INTERRUPT, 3);
}

/* What this box's queue has been attended so far, at the end of a round of everybody that saw it.
 */
static unsigned attended(struct vswitch *sw, unsigned number, unsigned pair)
{
	vswitch_flush(sw);
	return atomic_load(&boxes[number].queues[HF_ENQUEUE_QUEUE(pair)].attended);
}

/* No frame is sent to it: its workers sleep, and are woken for that. */
static void check_attended(unsigned workers)
{
	struct vswitch *sw = begin(workers, WORKER_INTERRUPT, PAIRS);

	for (unsigned i = 0; i < PORTS; i++)
		for (unsigned pair = 0; pair < PAIRS; pair++)
			CHECK_EQ(attended(sw, i, pair), 1);
	for (unsigned times = 2; times < 20; times++) {
		turn(sw, 1, HF_ENQUEUE_QUEUE(1), false);
		turn(sw, 1, HF_ENQUEUE_QUEUE(1), true);
		CHECK_EQ(attended(sw, 1, 1), times);
	}
	/* Other queues' turning on is none of its own, */
	CHECK_EQ(attended(sw, 1, 0), 1);
	/* and without a new table in between it is one. */
	vswitch_queue_off(sw, boxes[1].port, HF_ENQUEUE_QUEUE(0));
	vswitch_queue_on(sw, boxes[1].port, HF_ENQUEUE_QUEUE(0), -1);
	vswitch_commit(sw);
	CHECK_EQ(attended(sw, 1, 0), 2);
	end(sw);
}

static void a_transmit_queue_is_attended_once_each_time_it_is_turned_on(void)
{
	check_attended(1);
	check_attended(2);
	check_attended(3);
}

/* By somebody who was preempted in it. */
static void a_transmit_queue_whose_turn_is_taken_is_attended_later(void)
{
	struct vswitch *sw = begin(2, WORKER_INTERRUPT, 1);
	struct queue *queue = &boxes[0].queues[HF_ENQUEUE_QUEUE(0)];

	CHECK_EQ(attended(sw, 0, 0), 1);
	REQUIRE(port_take_turn(boxes[0].port, HF_ENQUEUE_QUEUE(0)));
	vswitch_queue_on(sw, boxes[0].port, HF_ENQUEUE_QUEUE(0), -1);
	/* Tables come and go meanwhile. */
	for (unsigned tables = 0; tables < 10; tables++)
		CHECK_EQ(attended(sw, 0, 0), 1);
	port_end_turn(boxes[0].port, HF_ENQUEUE_QUEUE(0));
	CHECK(wait_until(&queue->attended, 2));
	CHECK_EQ(attended(sw, 0, 0), 2);
	end(sw);
}

/* The test stands in for a third worker that is in the queue. */
static void packets_left_for_a_sleeping_owner_wake_it(void)
{
	const struct timespec moment = {.tv_nsec = 500000};
	struct vswitch *sw = begin(2, WORKER_INTERRUPT, 1);

	introduce(sw);
	for (unsigned i = 0; i < 100; i++) {
		struct port *port = boxes[1].port; /* where frame 0, 3, 6 … of box 0 go */

		while (!port_take_turn(port, 0))
			sched_yield();
		send_frames(0, 0, 3);
		CHECK(wait_until(&delivered, 3 * i + 2));
		nanosleep(&moment, NULL);
		CHECK_EQ(atomic_load(&delivered), 3 * i + 2);
		port_end_turn(port, 0);
		CHECK(wait_until(&delivered, 3 * i + 3));
	}
	CHECK_EQ(atomic_load(&sw->stats[0].left), 100);
	end(sw);
}

static uint64_t sleeps(const struct vswitch *sw)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < sw->nr_workers; w++)
		n += atomic_load(&sw->stats[w].sleeps);
	return n;
}

static void the_workers_of_an_idle_switch_sleep_and_go_on_sleeping(void)
{
	struct vswitch *sw = begin(2, WORKER_ADAPTIVE, 2);
	const struct timespec while_ = {.tv_nsec = 400000000};
	uint64_t before, used;

	for (unsigned w = 0; w < 2; w++)
		CHECK(wait_until_true(&sw->workers[w].idle.asleep));
	before = sleeps(sw);
	used = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
	nanosleep(&while_, NULL);
	printf("(%u ms of 400) ", (unsigned)(milliseconds(CLOCK_PROCESS_CPUTIME_ID) - used));
	for (unsigned w = 0; w < 2; w++)
		CHECK(wait_until_true(&sw->workers[w].idle.asleep));
	/* A wake-up that crossed the worker's own ends the first sleep at once: one each. */
	CHECK(sleeps(sw) - before <= 2);
	end(sw);
}

static void a_queue_that_only_says_it_has_frames_is_slept_on_between_looks(void)
{
	struct vswitch *sw = begin(1, WORKER_ADAPTIVE, 1);
	struct queue *liar = &boxes[0].queues[1];
	uint64_t naps, looks, until = milliseconds(CLOCK_MONOTONIC) + 20000;

	introduce(sw);
	atomic_store(&liar->liar, true);
	send_frames(0, 0, 1);
	CHECK(wait_until(&delivered, 1));
	/* Once it is not believed any more: a nap after every few looks. */
	naps = sleeps(sw);
	while (sleeps(sw) < naps + 10 && milliseconds(CLOCK_MONOTONIC) < until)
		sched_yield();
	naps = sleeps(sw);
	looks = atomic_load(&liar->looks);
	while (sleeps(sw) < naps + 50 && milliseconds(CLOCK_MONOTONIC) < until)
		sched_yield();
	looks = atomic_load(&liar->looks) - looks;
	naps = sleeps(sw) - naps;
	CHECK(naps >= 50);
	CHECK(looks <= 300 * (naps + 1));
	/* The others are served at once all the same. */
	send_frames(1, 0, 1);
	CHECK(wait_until(&delivered, 2));
	end(sw);
}

/* With known stations and ports that stay: what came in went out or has a reason. */
static void every_frame_is_delivered_or_counted(void)
{
	struct vswitch *sw = begin(3, WORKER_ADAPTIVE, 2);
	uint64_t in = 0, out = 0;
	unsigned sent = 0;

	introduce(sw);
	for (unsigned i = 0; i < 3000; i++) {
		send_frames(i % PORTS, i / PORTS % PAIRS, 1 + i % 50);
		sent += 1 + i % 50;
		if (i % 16 == 0)
			sched_yield();
		if (i % 100 == 0) {
			turn(sw, i / 100 % PORTS, (uint16_t)(i / 100 % 3 ? 0 : 2), false);
			turn(sw, i / 100 % PORTS, (uint16_t)(i / 100 % 3 ? 0 : 2), true);
		}
	}
	/* All are received; then what the workers left for each other. */
	for (uint64_t until = milliseconds(CLOCK_MONOTONIC) + 20000;;) {
		struct timespec tick = {.tv_nsec = 1000000};

		in = out = 0;
		for (unsigned w = 0; w < 3; w++) {
			out += atomic_load(&sw->stats[w].left_stale);
			for (unsigned i = 0; i < PORTS; i++) {
				struct port_stats *s = &sw->stats[w].ports[boxes[i].port->id];

				in += atomic_load(&s->rx_packets);
				out += atomic_load(&s->tx_packets) + atomic_load(&s->tx_no_buffer) +
				       atomic_load(&s->tx_left_full) + atomic_load(&s->tx_no_queue);
			}
		}
		if ((in == sent && out == sent) || milliseconds(CLOCK_MONOTONIC) > until)
			break;
		nanosleep(&tick, NULL);
	}
	CHECK_EQ(in, sent);
	CHECK_EQ(out, sent);
	CHECK(atomic_load(&delivered) > 0);
	end(sw);
}

static void storm(unsigned workers, enum worker_mode mode)
{
	struct vswitch *sw = begin(workers, mode, 2);
	uint64_t until = milliseconds(CLOCK_MONOTONIC) + 1000;
	unsigned state = 1;

	while (milliseconds(CLOCK_MONOTONIC) < until) {
		unsigned number;

		state = state * 1664525u + 1013904223u;
		number = (state >> 8) % PORTS;
		send_frames(number, (state >> 12) % PAIRS, (state >> 16) % 100);
		if ((state >> 24) % 4 == 0) {
			uint16_t queue = (uint16_t)((state >> 20) % (2 * PAIRS));

			turn(sw, number, queue, atomic_load(&boxes[number].queues[queue].off));
		}
		if ((state >> 24) % 32 == 1) {
			vswitch_remove_port(sw, boxes[number].port);
			CHECK(atomic_load(&boxes[number].gone));
			plug(sw, number, 1 + (state >> 30) % PAIRS);
		}
	}
	CHECK(atomic_load(&delivered) > 0);
	end(sw);
}

static void queues_and_ports_come_and_go_while_workers_run(void)
{
	storm(1, WORKER_POLL);
	storm(2, WORKER_ADAPTIVE);
	storm(3, WORKER_INTERRUPT);
}

static void the_stations_of_a_port_are_forgotten_when_it_goes(void)
{
	struct vswitch *sw = begin(1, WORKER_INTERRUPT, 1);
	uint16_t id = boxes[1].port->id;

	introduce(sw);
	CHECK_EQ(fdb_count(sw->fdb), PORTS);
	vswitch_remove_port(sw, boxes[1].port);
	CHECK_EQ(fdb_count(sw->fdb), PORTS - 1);
	plug(sw, 1, 1);
	CHECK_EQ(boxes[1].port->id, id); /* the id is used again, the serial is not */
	end(sw);
}

static void a_switch_takes_as_many_ports_as_it_says(void)
{
	struct vswitch *sw = begin(1, WORKER_INTERRUPT, 1);
	static struct box more[MAX_PORTS];
	unsigned n = 0;

	while (n < MAX_PORTS && vswitch_add_port(sw, &box_ops, &more[n], "more"))
		n++;
	CHECK_EQ(n, MAX_PORTS - PORTS);
	end(sw);
}

/* Tables that the workers had to pass. */
static uint64_t tables(const struct vswitch *sw)
{
	return atomic_load(&sw->quiesce.sequence);
}

static void many_queues_turned_on_or_off_are_one_new_table(void)
{
	struct vswitch *sw = begin(2, WORKER_INTERRUPT, 2);
	uint64_t before = tables(sw);

	for (int on = 0; on < 2; on++) {
		for (unsigned i = 0; i < PORTS; i++)
			for (uint16_t q = 0; q < 2 * PAIRS; q++)
				if (on)
					vswitch_queue_on(sw, boxes[i].port, q,
							 boxes[i].queues[q].event);
				else
					vswitch_queue_off(sw, boxes[i].port, q);
		vswitch_commit(sw);
		vswitch_commit(sw); /* nothing has changed */
	}
	CHECK_EQ(tables(sw) - before, 2);
	introduce(sw);
	send_frames(0, 0, 1);
	CHECK(wait_until(&delivered, 1));
	end(sw);
}

/* What a dead switch knew is read when its rings run, and needs no other table then. */
static void rings_run_before_a_predecessors_knowledge_is_read(void)
{
	struct vswitch *sw = begin(2, WORKER_INTERRUPT, 2);
	uint64_t before;

	vswitch_queue_off(sw, boxes[0].port, HF_DEQUEUE_QUEUE(0));
	vswitch_commit(sw);
	before = tables(sw);
	vswitch_queue_on(sw, boxes[0].port, HF_DEQUEUE_QUEUE(0), boxes[0].queues[1].event);
	vswitch_adopt(sw, "peer", NULL, 0);
	CHECK_EQ(tables(sw) - before, 1);
	introduce(sw);
	send_frames(0, 0, 1);
	CHECK(wait_until(&delivered, 1));
	vswitch_adopt(sw, "peer", NULL, 0);
	vswitch_commit(sw);
	CHECK_EQ(tables(sw) - before, 1);
	end(sw);
}

/* As when the primary is lost. Those that are left rest meanwhile, and lose nothing. */
static void many_ports_that_go_at_once_are_few_new_tables(void)
{
	static struct box more[300];
	struct vswitch *sw = begin(2, WORKER_ADAPTIVE, 1);
	uint64_t before;

	introduce(sw);
	memset(more, 0, sizeof(more));
	for (unsigned i = 0; i < 300; i++) {
		more[i].port = vswitch_add_port(sw, &box_ops, &more[i], "more");
		REQUIRE(more[i].port != NULL);
		vswitch_queue_on(sw, more[i].port, 0, -1);
		vswitch_queue_on(sw, more[i].port, 1, boxes[0].queues[1].event);
	}
	vswitch_commit(sw);
	before = tables(sw);
	for (unsigned i = 0; i < 300; i++) {
		vswitch_remove_port(sw, more[i].port);
		send_frames(i % PORTS, 0, 1);
	}
	CHECK(tables(sw) - before < 12);
	vswitch_commit(sw);
	CHECK(wait_until(&delivered, 300));
	end(sw);
	for (unsigned i = 0; i < 300; i++)
		CHECK(atomic_load(&more[i].gone));
}

static void a_core_that_is_not_there_is_an_error(void)
{
	const int core = 1000;
	const struct vswitch_config config = {.nr_workers = 1, .cores = &core, .ageing = 300};
	struct vswitch *sw;

	CHECK(vswitch_start(&config, &sw) < 0);
}

static const struct sentence sentences[] = {
	SENTENCE(a_polling_worker_delivers_frame_by_frame),
	SENTENCE(a_sleeping_worker_is_woken_by_every_frame),
	SENTENCE(an_adaptive_worker_is_woken_by_every_frame),
	SENTENCE(sleeping_workers_wake_each_other_for_every_frame),
	SENTENCE(a_transmit_queue_is_attended_once_each_time_it_is_turned_on),
	SENTENCE(a_transmit_queue_whose_turn_is_taken_is_attended_later),
	SENTENCE(packets_left_for_a_sleeping_owner_wake_it),
	SENTENCE(the_workers_of_an_idle_switch_sleep_and_go_on_sleeping),
	SENTENCE(a_queue_that_only_says_it_has_frames_is_slept_on_between_looks),
	SENTENCE(every_frame_is_delivered_or_counted),
	SENTENCE(queues_and_ports_come_and_go_while_workers_run),
	SENTENCE(the_stations_of_a_port_are_forgotten_when_it_goes),
	SENTENCE(a_switch_takes_as_many_ports_as_it_says),
	SENTENCE(many_queues_turned_on_or_off_are_one_new_table),
	SENTENCE(rings_run_before_a_predecessors_knowledge_is_read),
	SENTENCE(many_ports_that_go_at_once_are_few_new_tables),
	SENTENCE(a_core_that_is_not_there_is_an_error),
};

SUITE("vswitch: switch and workers", sentences)
