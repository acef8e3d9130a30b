/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarding.h"

#include <stdlib.h>
#include <string.h>

#include "suite.h"

struct fake fakes[PORTS];
struct port *ports[MAX_PORTS];
struct table *table;
struct fdb *fdb;
struct worker_stats *stats;
struct left_ring *rings;
struct forward workers[2];
static struct idle idles[2];
struct fake_frame frames[256];
struct hf_packet *burst[256];

void rebuild(unsigned nr_workers)
{
	table_free(table);
	table = table_build(ports, nr_workers);
	REQUIRE(table != NULL);
	for (unsigned w = 0; w < nr_workers; w++)
		workers[w].table = table;
}

void stop(void)
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

void start(unsigned nr_workers, unsigned nr_ports, unsigned pairs)
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

void frame(unsigned i, unsigned to, unsigned from)
{
	burst[i] = fake_frame(&frames[i], (uint8_t)to, (uint8_t)from);
}

void forward(unsigned worker, unsigned ingress, unsigned nr)
{
	forward_burst(&workers[worker], &fakes[ingress].port, burst, (uint16_t)nr);
}

uint64_t count_of(const counter *c)
{
	return atomic_load(c);
}

void learn_all(unsigned nr)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 0};

	for (unsigned i = 0; i < nr; i++) {
		uint8_t station[6];

		memcpy(station, mac, 6);
		station[5] = (uint8_t)i;
		(void)fdb_learn(fdb, fdb_key(0, station), (uint16_t)i, 0);
	}
}
