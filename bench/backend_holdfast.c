/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holdfast as a back-end, the way a vSwitch uses it: a primary of its own in another process, this
 * process attached to it, the public API and nothing else.
 *
 * Theory of operation. The control context is the library's blocking loop in a thread of its own;
 * its callbacks note which device belongs to which port and how many vrings run. The measuring
 * thread waits for that in plug and unplug, and otherwise only calls bursts.
 */
#include <errno.h>
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "frames.h"
#include "front.h"
#include "holdfastd.h"
#include "memory_taken.h"
#include "options.h"
#include "primary_cost.h"

#define ROOM	    2048u /* of a packet; more for jumbo frames */
#define FRONT	    64u	  /* bytes of a frame that a hop looks at */
#define WAIT_US	    10000u
#define WAIT_ROUNDS 1000u
#define WAIT_SHORT  100u
#define FEW_DEVICES 1000u /* what their polls read stays near enough */
#define AHEAD	    4u

/* Control thread writes, measuring thread reads. */
struct port {
	char name[16];
	struct hf_device *device;
	uint32_t vrings;	  /* that are enabled */
	bool runs[HF_MAX_VRINGS]; /* which; the control thread alone */
};

struct holdfast {
	struct backend base;
	struct holdfastd daemon;
	struct hf_service *service;
	pthread_t control;
	struct hf_packet_pool *pool;
	struct hf_hop *hop;
	struct hf_packet *source[BENCH_BURST];
	struct hf_packet *packets[BENCH_BURST];
	uint32_t nr_ports;
	uint32_t rings; /* of a device that is up */
	struct port ports[BENCH_DEVICES];
	struct hf_device *devices[BENCH_DEVICES]; /* of the ports, side by side */
};

static int new_device(struct hf_device *device, void *context)
{
	struct holdfast *h = context;

	uint32_t i;

	if (sscanf(hf_device_name(device), "bench%u", &i) != 1 || i >= h->nr_ports)
		return -ENOENT;
	hf_device_set_user(device, &h->ports[i]);
	hf_device_set_running(device, true);
	__atomic_store_n(&h->ports[i].device, device, __ATOMIC_RELEASE);
	return 0;
}

static void destroy_device(struct hf_device *device, void *context)
{
	struct port *port = hf_device_user(device);

	(void)context;
	__atomic_store_n(&port->vrings, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&port->device, NULL, __ATOMIC_RELEASE);
}

static void vring_state_changed(struct hf_device *device, uint16_t queue, bool enabled,
				void *context)
{
	struct port *port = hf_device_user(device);

	(void)context;
	if (port->runs[queue] == enabled)
		return;
	port->runs[queue] = enabled;
	__atomic_add_fetch(&port->vrings, enabled ? 1u : UINT32_MAX, __ATOMIC_RELEASE);
}

static void *control(void *context)
{
	struct holdfast *h = context;

	(void)hf_driver_session_start(h->service);
	return NULL;
}

/* With so many vrings, or gone. */
static bool is_as_wanted(const struct port *port, uint32_t vrings)
{
	return vrings == __atomic_load_n(&port->vrings, __ATOMIC_ACQUIRE) &&
	       !vrings == !__atomic_load_n(&port->device, __ATOMIC_ACQUIRE);
}

static bool wait_until(const struct port *port, uint32_t vrings)
{
	for (uint32_t i = 0; i < WAIT_ROUNDS; i++) {
		if (is_as_wanted(port, vrings))
			return true;
		usleep(i < WAIT_SHORT ? WAIT_US / 100 : WAIT_US);
	}
	fprintf(stderr, "Holdfast's device %s did not come or go as it should\n", port->name);
	return false;
}

static int plug(struct backend *backend, uint32_t device, struct front *front)
{
	struct holdfast *h = (void *)backend;
	char path[HOLDFASTD_PATH_MAX];
	int error;

	snprintf(path, sizeof(path), "%s/%s.sock", h->daemon.run_dir, h->ports[device].name);
	error = front_connect(front, path);
	if (error)
		return error;
	if (!wait_until(&h->ports[device], front->pairs * FRONT_RINGS))
		return -ETIMEDOUT;
	h->devices[device] = h->ports[device].device;
	return 0;
}

static void unplug(struct backend *backend, uint32_t device, struct front *front)
{
	struct holdfast *h = (void *)backend;

	front_disconnect(front);
	(void)wait_until(&h->ports[device], 0);
	h->devices[device] = NULL;
}

static inline uint32_t dequeue_burst(struct backend *backend, uint32_t device)
{
	struct holdfast *h = (void *)backend;

	return hf_dequeue_burst(h->devices[device], HF_DEQUEUE_QUEUE(0), h->packets, BENCH_BURST);
}

static inline uint32_t enqueue_burst(struct backend *backend, uint32_t device)
{
	struct holdfast *h = (void *)backend;

	return hf_enqueue_burst(h->devices[device], HF_ENQUEUE_QUEUE(0), h->source, BENCH_BURST);
}

/* As a switch with many devices does. */
static inline void ask_ahead(struct backend *backend, uint32_t i, uint32_t devices, uint32_t ring)
{
	struct holdfast *h = (void *)backend;

	if (devices > FEW_DEVICES && i + AHEAD < devices)
		hf_prefetch(h->devices[i + AHEAD], (uint16_t)ring);
}

#define BACKEND holdfast
#include "backend_loops.h"

static uint32_t hop(struct backend *backend, uint32_t from, uint32_t to, uint32_t bursts)
{
	struct holdfast *h = (void *)backend;
	struct hf_device *in = h->ports[from].device, *out = h->ports[to].device;
	uint32_t total = 0;

	for (uint32_t i = 0; i < bursts; i++) {
		uint16_t n = hf_dequeue_burst(in, HF_DEQUEUE_QUEUE(0), h->packets, BENCH_BURST);

		if (n)
			total += hf_enqueue_burst(out, HF_ENQUEUE_QUEUE(0), h->packets, n);
	}
	return total;
}

/* What a switch looks at: the front of each frame; all go the same way here. */
static uint32_t direct(struct backend *backend, uint32_t from, uint32_t to, uint32_t bursts)
{
	struct holdfast *h = (void *)backend;
	struct hf_device *in = h->ports[from].device, *out = h->ports[to].device;
	uint32_t total = 0;

	for (uint32_t i = 0; i < bursts; i++) {
		uint16_t n = hf_hop_peek(h->hop, in, HF_DEQUEUE_QUEUE(0), h->packets, BENCH_BURST,
					 FRONT);

		if (!n)
			continue;
		total += hf_hop_forward(h->hop, out, HF_ENQUEUE_QUEUE(0), h->packets, n);
		hf_hop_complete(h->hop, n);
	}
	return total;
}

static void measure_memory(struct backend *backend, struct bench_memory *ret)
{
	struct holdfast *h = (void *)backend;

	*ret = (struct bench_memory){.process = memory_private(getpid()),
				     .primary = memory_private(h->daemon.pid),
				     .shared = memory_of_files(h->daemon.pid, "memfd:holdfast")};
}

static int measure_cost(struct backend *backend, struct bench_cost *ret)
{
	struct holdfast *h = (void *)backend;

	return primary_cost(h->daemon.pid, h->daemon.run_dir, h->nr_ports, ret);
}

static void stamp(struct backend *backend, uint32_t size, uint64_t sequence, bool fill)
{
	struct holdfast *h = (void *)backend;

	for (uint32_t i = 0; i < BENCH_BURST; i++) {
		struct hf_packet *p = h->source[i];

		if (fill)
			frame_fill(p->data, size);
		frame_stamp(p->data, size, sequence + i);
		p->len = p->total = size;
	}
}

static uint32_t take(struct backend *backend, uint32_t device)
{
	struct holdfast *h = (void *)backend;

	return hf_dequeue_burst(h->ports[device].device, HF_DEQUEUE_QUEUE(0), h->packets,
				BENCH_BURST);
}

static const uint8_t *look(struct backend *backend, uint32_t index, uint32_t *ret_len)
{
	struct holdfast *h = (void *)backend;

	*ret_len = h->packets[index]->total;
	return h->packets[index]->data;
}

/* They are the caller's own: nothing to give back. */
static void drop(struct backend *backend)
{
	(void)backend;
}

static void stop(struct backend *backend)
{
	struct holdfast *h = (void *)backend;

	if (h->service) {
		hf_driver_session_stop(h->service);
		(void)pthread_join(h->control, NULL);
		hf_service_disconnect(h->service);
	}
	hf_hop_destroy(h->hop);
	hf_packet_pool_destroy(h->pool);
	holdfastd_stop(&h->daemon);
	free(h);
}

static const struct backend_ops holdfast_ops = {
	.name = "Holdfast",
	BACKEND_OPS,
	.direct = direct,
	.cost = measure_cost,
};

static int attach(struct holdfast *h)
{
	static const struct hf_device_ops callbacks = {.new_device = new_device,
						       .destroy_device = destroy_device,
						       .vring_state_changed = vring_state_changed};
	struct hf_service_config config = {.run_dir = h->daemon.run_dir, .name = "bench"};
	int error = hf_service_connect(&config, &h->service);

	if (!error)
		error = hf_driver_callback_register(h->service, &callbacks, h);
	for (uint32_t i = 0; !error && i < h->nr_ports; i++) {
		snprintf(h->ports[i].name, sizeof(h->ports[i].name), "bench%u", i);
		error = hf_driver_register(h->service, h->ports[i].name, NULL, 0);
	}
	if (!error)
		error = -pthread_create(&h->control, NULL, control, h);
	return error;
}

static int create_packets(struct holdfast *h, uint32_t longest)
{
	h->pool = hf_packet_pool_create(NULL, 2ull * BENCH_BURST, longest > ROOM ? longest : ROOM);
	h->hop = hf_hop_create();
	if (!h->pool || !h->hop)
		return -errno;
	for (uint32_t i = 0; i < BENCH_BURST; i++) {
		h->packets[i] = hf_packet_pool_get(h->pool, i);
		h->source[i] = hf_packet_pool_get(h->pool, BENCH_BURST + i);
	}
	return 0;
}

struct backend *holdfast_start(const struct options *options)
{
	char devices[16], vrings[16];
	const char *const sizes[] = {"--max-devices", devices, "--lane-vrings", vrings, NULL};
	struct holdfast *h = calloc(1, sizeof(*h));
	int error;

	if (!h)
		return NULL;
	h->base.ops = &holdfast_ops;
	h->nr_ports = options_most_devices(options);
	snprintf(devices, sizeof(devices), "%u", h->nr_ports + 6);
	snprintf(vrings, sizeof(vrings), "%u", h->nr_ports * (options->idle ? 32 : 4) + 127);
	error = holdfastd_start(&h->daemon, options->holdfastd, options->dir, sizes);
	if (!error)
		error = attach(h);
	if (!error)
		error = create_packets(h, options_longest(options));
	if (!error)
		return &h->base;
	fprintf(stderr, "Holdfast does not start: %s\n", strerror(-error));
	holdfastd_stop(&h->daemon);
	return NULL;
}
