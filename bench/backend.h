/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A back-end under measurement. Two of them stand side by side in this process, and each has the
 * same devices; everything between rdtsc and rdtsc is one call of `dequeue`, `enqueue`, `hop`,
 * `direct`, `dequeue_each` or `enqueue_each`.
 *
 * Ownership of packets as each library has it: Holdfast copies into and out of the caller's own
 * packets; DPDK allocates mbufs in dequeue, and whoever has dequeued must free them. So `dequeue`
 * and `hop` free in DPDK, and `enqueue`, which sends packets that are there already, does not:
 * what a packet costs is counted once each way.
 */
#ifndef BENCH_BACKEND_H
#define BENCH_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_BURST   32u
#define BENCH_DEVICES 1000u /* at most */

struct front;
struct backend;

struct bench_memory {
	uint64_t process; /* of the process that runs bursts, its own */
	uint64_t primary; /* of the one that has the sessions; 0: the same */
	uint64_t shared;  /* between them */
};

/* Of the process that has the sessions, with all that there are. */
struct bench_cost {
	uint32_t files;	   /* descriptors that are open */
	double idle_us;	   /* of processor, in a second in which nothing is asked */
	double version_us; /* until it has answered the shortest of requests: median */
	double list_us;	   /* until it has listed all ports */
};

struct backend_ops {
	const char *name;
	void (*stop)(struct backend *backend);

	/* Serve `front` as device number `device`. On return bursts move packets. 0 or -errno. */
	int (*plug)(struct backend *backend, uint32_t device, struct front *front);
	/* The session ends; on return nobody touches the front-end's memory. */
	void (*unplug)(struct backend *backend, uint32_t device, struct front *front);

	/* Timed: this many bursts of BENCH_BURST, also when some come out empty. Packets moved. */
	uint32_t (*dequeue)(struct backend *backend, uint32_t device, uint32_t bursts);
	uint32_t (*enqueue)(struct backend *backend, uint32_t device, uint32_t bursts);
	uint32_t (*hop)(struct backend *backend, uint32_t from, uint32_t to, uint32_t bursts);
	/* In one copy, where the back-end can; else the same as `hop`. */
	uint32_t (*direct)(struct backend *backend, uint32_t from, uint32_t to, uint32_t bursts);

	/* One burst of each of the first `devices` devices, so many times over. */
	uint32_t (*dequeue_each)(struct backend *backend, uint32_t devices, uint32_t times);
	uint32_t (*enqueue_each)(struct backend *backend, uint32_t devices, uint32_t times);
	/* Not timed. Bytes that it takes now, without guests' memory. */
	void (*memory)(struct backend *backend, struct bench_memory *ret);
	/* NULL: there is no such process. 0 or -errno. */
	int (*cost)(struct backend *backend, struct bench_cost *ret);

	/* Not timed. Make the BENCH_BURST packets of `enqueue` frames numbered from `sequence`. */
	void (*stamp)(struct backend *backend, uint32_t size, uint64_t sequence, bool fill);
	/* Dequeue one burst and keep it: how many. look() at each, then drop(). */
	uint32_t (*take)(struct backend *backend, uint32_t device);
	const uint8_t *(*look)(struct backend *backend, uint32_t index, uint32_t *ret_len);
	void (*drop)(struct backend *backend);
};

/* What a back-end starts from; it embeds it first. */
struct backend {
	const struct backend_ops *ops;
};

struct options;

/* NULL after a line on standard error. */
struct backend *holdfast_start(const struct options *options);
struct backend *dpdk_start(const struct options *options);
/* No back-end at all: what the guests' own lines cost a plain loop. */
struct backend *floor_start(const struct options *options);

#endif
