/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK's librte_vhost as a back-end: the only file that knows DPDK.
 *
 * Theory of operation. A port is a vhost-user server socket of librte_vhost; its own thread runs
 * the session and calls new_device with a number, the `vid` that bursts take. We only wait for
 * that. Mbufs come from a pool with a per-core cache, and are freed in bulk, which is the cheapest
 * way there is. The measuring thread is the EAL's main thread, so that the cache is its own.
 */
#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_vhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend.h"
#include "frames.h"
#include "front.h"
#include "memory_taken.h"
#include "options.h"

#define HEAP_MB	    32u
#define MBUFS	    4095u
#define MBUF_CACHE  256u
#define WAIT_US	    10000u
#define WAIT_ROUNDS 1000u
#define WAIT_SHORT  100u

/*
 * One socket for all devices, since its thread waits on no more than 1024 descriptors: they are
 * plugged one after the other, so who comes is the one that is awaited. Session thread writes,
 * measuring thread reads; -1: no device.
 */
static int vids[BENCH_DEVICES];
static int *coming;
static char path[108];

struct dpdk {
	struct backend base;
	struct rte_mempool *pool;
	struct rte_mbuf *source[BENCH_BURST];
	struct rte_mbuf *kept[BENCH_BURST];
	uint32_t nr_kept;
};

static int new_device(int vid)
{
	int *awaited = __atomic_load_n(&coming, __ATOMIC_ACQUIRE);

	if (!awaited)
		return -1;
	/* The guest does not kick, and is not asked to. */
	rte_vhost_enable_guest_notification(vid, FRONT_DEQUEUE, 0);
	rte_vhost_enable_guest_notification(vid, FRONT_ENQUEUE, 0);
	__atomic_store_n(awaited, vid, __ATOMIC_RELEASE);
	return 0;
}

static void destroy_device(int vid)
{
	for (uint32_t i = 0; i < BENCH_DEVICES; i++)
		if (__atomic_load_n(&vids[i], __ATOMIC_ACQUIRE) == vid)
			__atomic_store_n(&vids[i], -1, __ATOMIC_RELEASE);
}

static bool wait_for_device(const int *vid, bool there)
{
	for (uint32_t i = 0; i < WAIT_ROUNDS; i++) {
		if ((__atomic_load_n(vid, __ATOMIC_ACQUIRE) >= 0) == there)
			return true;
		usleep(i < WAIT_SHORT ? WAIT_US / 100 : WAIT_US);
	}
	fprintf(stderr, "DPDK's device did not %s\n", there ? "come up" : "go away");
	return false;
}

static int plug(struct backend *backend, uint32_t device, struct front *front)
{
	int error;

	(void)backend;
	__atomic_store_n(&coming, &vids[device], __ATOMIC_RELEASE);
	error = front_connect(front, path);
	if (error)
		return error;
	return wait_for_device(&vids[device], true) ? 0 : -ETIMEDOUT;
}

static void unplug(struct backend *backend, uint32_t device, struct front *front)
{
	(void)backend;
	front_disconnect(front);
	(void)wait_for_device(&vids[device], false);
}

static inline uint32_t dequeue_burst(struct backend *backend, uint32_t device)
{
	struct dpdk *dpdk = (void *)backend;
	struct rte_mbuf *mbufs[BENCH_BURST];
	uint16_t n = rte_vhost_dequeue_burst(vids[device], FRONT_DEQUEUE, dpdk->pool, mbufs,
					     BENCH_BURST);

	if (n)
		rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

static inline uint32_t enqueue_burst(struct backend *backend, uint32_t device)
{
	struct dpdk *dpdk = (void *)backend;

	return rte_vhost_enqueue_burst(vids[device], FRONT_ENQUEUE, dpdk->source, BENCH_BURST);
}

/* There is no way to. */
static inline void ask_ahead(struct backend *backend, uint32_t i, uint32_t devices, uint32_t ring)
{
	(void)backend;
	(void)i;
	(void)devices;
	(void)ring;
}

#define BACKEND dpdk
#include "backend_loops.h"

static uint32_t hop(struct backend *backend, uint32_t from, uint32_t to, uint32_t bursts)
{
	struct dpdk *dpdk = (void *)backend;
	struct rte_mbuf *mbufs[BENCH_BURST];
	uint32_t total = 0;
	int in = vids[from], out = vids[to];

	for (uint32_t i = 0; i < bursts; i++) {
		uint16_t n =
			rte_vhost_dequeue_burst(in, FRONT_DEQUEUE, dpdk->pool, mbufs, BENCH_BURST);

		if (!n)
			continue;
		total += rte_vhost_enqueue_burst(out, FRONT_ENQUEUE, mbufs, n);
		rte_pktmbuf_free_bulk(mbufs, n);
	}
	return total;
}

/* Its devices are partly in its own heap. */
static void measure_memory(struct backend *backend, struct bench_memory *ret)
{
	struct rte_malloc_socket_stats heap = {0};

	(void)backend;
	(void)rte_malloc_get_socket_stats((int)rte_socket_id(), &heap);
	*ret = (struct bench_memory){.process = memory_private(getpid()) + heap.heap_allocsz_bytes};
}

static void stamp(struct backend *backend, uint32_t size, uint64_t sequence, bool fill)
{
	struct dpdk *dpdk = (void *)backend;

	for (uint32_t i = 0; i < BENCH_BURST; i++) {
		struct rte_mbuf *m = dpdk->source[i];
		uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

		if (fill)
			frame_fill(frame, size);
		frame_stamp(frame, size, sequence + i);
		m->data_len = (uint16_t)size;
		m->pkt_len = size;
	}
}

static uint32_t take(struct backend *backend, uint32_t device)
{
	struct dpdk *dpdk = (void *)backend;

	dpdk->nr_kept = rte_vhost_dequeue_burst(vids[device], FRONT_DEQUEUE, dpdk->pool, dpdk->kept,
						BENCH_BURST);
	return dpdk->nr_kept;
}

static const uint8_t *look(struct backend *backend, uint32_t index, uint32_t *ret_len)
{
	struct dpdk *dpdk = (void *)backend;

	*ret_len = dpdk->kept[index]->data_len;
	return rte_pktmbuf_mtod(dpdk->kept[index], const uint8_t *);
}

static void drop(struct backend *backend)
{
	struct dpdk *dpdk = (void *)backend;

	if (dpdk->nr_kept)
		rte_pktmbuf_free_bulk(dpdk->kept, dpdk->nr_kept);
	dpdk->nr_kept = 0;
}

static void stop(struct backend *backend)
{
	struct dpdk *dpdk = (void *)backend;

	rte_vhost_driver_unregister(path);
	rte_pktmbuf_free_bulk(dpdk->source, BENCH_BURST);
	rte_mempool_free(dpdk->pool);
	rte_eal_cleanup();
	free(dpdk);
}

static const struct backend_ops dpdk_ops = {
	.name = "DPDK",
	BACKEND_OPS,
	.direct = hop,
};

/* Its own memory, no devices, nothing on disk. Ordinary pages only when there are no others. */
static int start_eal(const struct options *options)
{
	char lcores[32], megabytes[16];
	char *with_huge[] = {"holdfast-bench", lcores,	   "--in-memory",    "-m",
			     megabytes,	       "--no-pci", "--no-telemetry", "--log-level=*:error"};
	char *without[] = {"holdfast-bench", lcores,	 "--no-huge",	   "-m",
			   megabytes,	     "--no-pci", "--no-telemetry", "--log-level=*:error"};
	int error;

	snprintf(lcores, sizeof(lcores), "--lcores=0@%u", options->cpu);
	/* Mbufs, and some 100 KiB for each device, or for each pair of its rings. */
	snprintf(megabytes, sizeof(megabytes), "%u",
		 HEAP_MB + options_most_devices(options) / (options->idle ? 1 : 4) +
			 MBUFS * options_longest(options) / (1u << 20));
	error = options->huge ? rte_eal_init(8, with_huge) : rte_eal_init(8, without);
	if (error < 0)
		fprintf(stderr, "DPDK's EAL: %s\n", rte_strerror(rte_errno));
	return error;
}

static int start_port(const struct options *options, const struct rte_vhost_device_ops *callbacks)
{
	uint64_t flags = RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS;

	if (options->dpdk_stats)
		flags |= RTE_VHOST_USER_NET_STATS_ENABLE;
	for (uint32_t i = 0; i < BENCH_DEVICES; i++)
		vids[i] = -1;
	snprintf(path, sizeof(path), "%s/dpdk.sock", options->dir);
	if (rte_vhost_driver_register(path, flags) ||
	    rte_vhost_driver_callback_register(path, callbacks) || rte_vhost_driver_start(path)) {
		fprintf(stderr, "librte_vhost does not serve %s\n", path);
		return -1;
	}
	return 0;
}

/* One segment takes every frame, as on the other side. */
static uint16_t room_of(const struct options *options)
{
	uint32_t room = options_longest(options) + RTE_PKTMBUF_HEADROOM;

	return (uint16_t)(room > RTE_MBUF_DEFAULT_BUF_SIZE ? room : RTE_MBUF_DEFAULT_BUF_SIZE);
}

struct backend *dpdk_start(const struct options *options)
{
	static const struct rte_vhost_device_ops callbacks = {.new_device = new_device,
							      .destroy_device = destroy_device};
	struct dpdk *dpdk = calloc(1, sizeof(*dpdk));

	if (!dpdk || start_eal(options) < 0)
		return NULL;
	dpdk->base.ops = &dpdk_ops;
	dpdk->pool = rte_pktmbuf_pool_create("bench", MBUFS, MBUF_CACHE, 0, room_of(options),
					     (int)rte_socket_id());
	if (!dpdk->pool || rte_pktmbuf_alloc_bulk(dpdk->pool, dpdk->source, BENCH_BURST)) {
		fprintf(stderr, "DPDK's mbuf pool: %s\n", rte_strerror(rte_errno));
		return NULL;
	}
	return start_port(options, &callbacks) ? NULL : &dpdk->base;
}
