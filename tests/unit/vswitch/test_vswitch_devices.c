/* SPDX-License-Identifier: Apache-2.0 */
/* vswitch/devices.h: the library's callbacks become ports and queues; the library is a fake. */
#include <errno.h>
#include <holdfast/burst.h>
#include <holdfast/device.h>
#include <holdfast/hop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices.h"
#include "suite.h"
#include "switch.h"

#define QUEUES 8u

struct hf_device {
	void *user;
	bool running;
	int kick;
	bool counts;	       /* counters can be read */
	uint64_t counters[3];  /* in the order of `names` */
	uint16_t takes, drops; /* in the next burst: so many, and so many of those */
	bool starts_anew;      /* … under a new grant, whose counters begin at 0 */
	uint16_t sends;	       /* in each peek */
	uint16_t asked_for;    /* the queue of the last prefetch */
	uint8_t lacks;	       /* segmentation of that type */
};

struct hf_packet_pool {
	struct hf_packet packets[BURST + LEFT_SLOTS];
	uint8_t bytes[64];
};

static const char *const names[] = {"good_packets", "good_bytes", "drop_too_big"};

bool hf_enqueue_cuts(const struct hf_device *device, const struct hf_offload *offload)
{
	return offload->gso_type == device->lacks;
}

size_t hf_counter_count(void)
{
	return 3;
}

const char *hf_counter_name(size_t index)
{
	return index < 3 ? names[index] : NULL;
}

int hf_device_counters(const struct hf_device *device, uint16_t queue, uint64_t *values, size_t nr)
{
	(void)queue;
	if (!device->counts)
		return -ENOTCONN;
	memcpy(values, device->counters, (nr < 3 ? nr : 3) * sizeof(*values));
	return 0;
}

uint16_t hf_enqueue_burst(struct hf_device *device, uint16_t queue,
			  struct hf_packet *const *packets, uint16_t nr)
{
	uint16_t taken = device->takes < nr ? device->takes : nr;

	(void)queue;
	if (device->starts_anew)
		memset(device->counters, 0, sizeof(device->counters));
	for (uint16_t i = device->drops; i < taken; i++) {
		device->counters[0]++;
		device->counters[1] += packets[i]->total;
	}
	device->counters[2] += device->drops;
	return taken;
}

uint32_t hf_enqueue_walked(struct hf_device *device, uint16_t queue, uint32_t *ret_cut)
{
	*ret_cut = queue;
	return device->takes;
}

struct hf_hop {
	struct hf_device *peeked; /* NULL: it is not open */
	unsigned forwarded;	  /* calls */
};

const uint64_t *hf_hop_walked(const struct hf_hop *h)
{
	static const uint64_t none;

	(void)h;
	return &none;
}

struct hf_hop *hf_hop_create(void)
{
	return calloc(1, sizeof(struct hf_hop));
}

void hf_hop_destroy(struct hf_hop *hop)
{
	free(hop);
}

uint16_t hf_hop_peek(struct hf_hop *hop, struct hf_device *device, uint16_t queue,
		     struct hf_packet *const *packets, uint16_t nr, uint32_t front)
{
	(void)queue, (void)packets, (void)nr, (void)front;
	if (!device->sends)
		return 0;
	hop->peeked = device;
	return device->sends;
}

uint16_t hf_hop_forward(struct hf_hop *hop, struct hf_device *device, uint16_t queue,
			struct hf_packet *const *packets, uint16_t nr)
{
	hop->forwarded++;
	return hf_enqueue_burst(device, queue, packets, nr);
}

void hf_hop_copy(struct hf_hop *hop, struct hf_packet *const *packets, uint16_t nr)
{
	(void)hop, (void)packets, (void)nr;
}

void hf_hop_complete(struct hf_hop *hop, uint16_t nr)
{
	(void)nr;
	hop->peeked = NULL;
}

void hf_prefetch(const struct hf_device *asked, uint16_t queue)
{
	((struct hf_device *)(uintptr_t)asked)->asked_for = queue;
}

int hf_enable_guest_notification(struct hf_device *device, uint16_t queue, bool enable)
{
	(void)device, (void)queue, (void)enable;
	return 0;
}

int hf_guest_kick_fd(const struct hf_device *device, uint16_t queue)
{
	(void)queue;
	return device->kick;
}

const char *hf_device_name(const struct hf_device *device)
{
	(void)device;
	return "vm0";
}

void hf_device_set_user(struct hf_device *device, void *user)
{
	device->user = user;
}

void *hf_device_user(const struct hf_device *device)
{
	return device->user;
}

void hf_device_set_running(struct hf_device *device, bool running)
{
	device->running = running;
}

struct hf_packet_pool *hf_packet_pool_create(const struct hf_device *device, size_t count,
					     size_t room)
{
	(void)device, (void)count, (void)room;
	return calloc(1, sizeof(struct hf_packet_pool));
}

void hf_packet_pool_destroy(struct hf_packet_pool *pool)
{
	free(pool);
}

struct hf_packet *hf_packet_pool_get(struct hf_packet_pool *pool, size_t index)
{
	return &pool->packets[index];
}

static struct hf_device device;
static struct vswitch *sw;
static struct port *port;

static void begin(void)
{
	const struct vswitch_config config = {
		.nr_workers = 1, .mode = WORKER_INTERRUPT, .ageing = 300};

	devices_init();
	device = (struct hf_device){.kick = eventfd(0, EFD_NONBLOCK), .counts = true};
	REQUIRE(!vswitch_start(&config, &sw));
	REQUIRE(!devices_callbacks.new_device(&device, sw));
	port = device.user;
	REQUIRE(port != NULL);
	CHECK(device.running);
}

static void end(void)
{
	devices_callbacks.destroy_device(&device, sw);
	CHECK(!device.running && !device.user);
	vswitch_stop(sw);
	close(device.kick);
}

static void say_state(uint16_t queue, bool on)
{
	devices_callbacks.vring_state_changed(&device, queue, on, sw);
	vswitch_commit(sw);
}

static const struct view *view(void)
{
	return &atomic_load(&sw->quiesce.table)->views[0];
}

static void a_dequeue_queue_runs_from_true_to_false(void)
{
	int kick;

	begin();
	kick = device.kick;
	CHECK_EQ(view()->nr_sources, 0);
	say_state(1, true);
	say_state(3, true);
	CHECK_EQ(view()->nr_sources, 2);
	CHECK(!view()->must_poll);
	/* False means stopped or revoked, whatever the kick descriptor is by then. */
	say_state(3, false);
	CHECK_EQ(view()->nr_sources, 1);
	CHECK_EQ(view()->sources[0].queue, 1);
	device.kick = eventfd(0, EFD_NONBLOCK);
	say_state(1, false);
	CHECK_EQ(view()->nr_sources, 0);
	close(kick);
	end();
}

static void a_front_end_that_polls_is_polled(void)
{
	int kick;

	begin();
	kick = device.kick;
	device.kick = -1;
	say_state(1, true);
	CHECK_EQ(view()->nr_sources, 1);
	CHECK(view()->must_poll);
	device.kick = kick;
	end();
}

static void flows_are_spread_over_the_enqueue_queues_that_are_on(void)
{
	const struct route *route;

	begin();
	for (uint16_t queue = 0; queue < QUEUES; queue += 2)
		say_state(queue, true);
	CHECK_EQ(view()->routes[port->id].nr_queues, QUEUES / 2);
	say_state(0, false);
	say_state(4, false);
	route = &view()->routes[port->id];
	CHECK_EQ(route->nr_queues, 2);
	CHECK(route->queues[0] == 2 && route->queues[1] == 6);
	say_state(2, false);
	say_state(6, false);
	CHECK(!view()->routes[port->id].port);
	end();
}

static struct port_stats *transmit(uint16_t nr)
{
	static struct hf_packet packet = {.len = 100, .total = 100};
	struct hf_packet *packets[BURST];

	for (unsigned i = 0; i < BURST; i++)
		packets[i] = &packet;
	CHECK_EQ(port->ops->transmit(port, 0, packets, nr, &sw->stats[0].ports[port->id]),
		 device.takes < nr ? device.takes : nr);
	return &sw->stats[0].ports[port->id];
}

static void what_the_library_drops_is_not_counted_as_sent(void)
{
	struct port_stats *stats;

	begin();
	device.takes = 10;
	stats = transmit(12);
	CHECK_EQ(stats->tx_packets, 10);
	CHECK_EQ(stats->tx_bytes, 1000);
	CHECK_EQ(stats->tx_refused, 0);
	device.drops = 3;
	(void)transmit(12);
	CHECK_EQ(stats->tx_packets, 17);
	CHECK_EQ(stats->tx_bytes, 1700);
	CHECK_EQ(stats->tx_refused, 3);
	device.takes = 0, device.drops = 0;
	(void)transmit(12);
	CHECK_EQ(stats->tx_packets, 17);
	CHECK_EQ(stats->tx_refused, 3);
	end();
}

static void a_guests_packets_are_peeked_at_and_forwarded_by_the_hop(void)
{
	static struct hf_packet packet = {.len = 100, .total = 1000};
	struct hf_packet *packets[BURST] = {&packet, &packet};
	struct hf_hop hop = {0};
	struct port_stats *stats;

	begin();
	CHECK(!port->ops->receive);
	CHECK_EQ(port->ops->peek(port, 1, &hop, packets, BURST), 0);
	device.sends = 2;
	CHECK_EQ(port->ops->peek(port, 1, &hop, packets, BURST), 2);
	CHECK(hop.peeked == &device);
	device.sends = 0;
	device.takes = 2;
	stats = &sw->stats[0].ports[port->id];
	CHECK_EQ(port->ops->forward(port, 0, &hop, packets, 2, stats), 2);
	CHECK_EQ(hop.forwarded, 1);
	/* The whole packets, not their fronts. */
	CHECK_EQ(stats->tx_packets, 2);
	CHECK_EQ(stats->tx_bytes, 2000);
	end();
}

static void a_queue_is_asked_for_ahead_of_its_peek(void)
{
	begin();
	port->ops->prefetch(port, 3);
	CHECK_EQ(device.asked_for, 3);
	end();
}

static void the_library_says_what_is_cut_for_a_guest(void)
{
	const struct hf_offload offload = {.gso_type = HF_GSO_TCPV4, .gso_size = 88};

	begin();
	CHECK(!port->ops->cuts(port, &offload));
	device.lacks = HF_GSO_TCPV4;
	CHECK(port->ops->cuts(port, &offload));
	end();
}

static void counters_of_a_new_grant_begin_anew(void)
{
	struct port_stats *stats;

	begin();
	device.takes = 10;
	stats = transmit(10);
	device.takes = 4, device.drops = 1, device.starts_anew = true;
	(void)transmit(4);
	CHECK_EQ(stats->tx_packets, 13);
	CHECK_EQ(stats->tx_refused, 1);
	/* Revoked before they could be read. */
	device.counts = false;
	(void)transmit(4);
	CHECK_EQ(stats->tx_packets, 17);
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(a_dequeue_queue_runs_from_true_to_false),
	SENTENCE(a_front_end_that_polls_is_polled),
	SENTENCE(flows_are_spread_over_the_enqueue_queues_that_are_on),
	SENTENCE(what_the_library_drops_is_not_counted_as_sent),
	SENTENCE(a_guests_packets_are_peeked_at_and_forwarded_by_the_hop),
	SENTENCE(a_queue_is_asked_for_ahead_of_its_peek),
	SENTENCE(the_library_says_what_is_cut_for_a_guest),
	SENTENCE(counters_of_a_new_grant_begin_anew),
};

SUITE("vswitch: devices", sentences)
