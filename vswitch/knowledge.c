/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout: header, names of MAX_PORTS ports by id, stations. A station names its port by id, and
 * ids are one switch's own, so a reader goes by the names.
 *
 * Reading another's is reading a stranger's file: the size is checked, every name and station is
 * copied before it is looked at, and what makes no sense is skipped. At worst we believe that a
 * station is behind a port where it is not, until it is heard: that is what any guest can do to a
 * learning switch.
 */
#include "knowledge.h"

#include <string.h>

#include "port.h"
#include "sizes.h"

#define MAGIC UINT64_C(0x3157534f4e4b4648) /* "HFKNOSW1": changes with the layout */

enum kind { KIND_NONE = 0, KIND_DEVICE = 1, KIND_UPLINK = 2 };

struct known_port {
	_Atomic uint32_t kind; /* written last when a port comes, first when it goes */
	char name[HF_NAME_MAX + 1];
	uint32_t reserved;
};
_Static_assert(sizeof(struct known_port) == 72, "read by other builds");

struct knowledge {
	uint64_t magic;
	uint32_t max_ports;
	uint32_t buckets;
	uint64_t reserved[6];
	struct known_port ports[MAX_PORTS];
};
_Static_assert(sizeof(struct knowledge) % CACHE_LINE == 0, "stations begin on a line");

size_t knowledge_bytes(void)
{
	return sizeof(struct knowledge) + FDB_BYTES(STATION_BUCKETS);
}

struct knowledge *knowledge_begin(void *memory)
{
	struct knowledge *knowledge = memory;

	knowledge->max_ports = MAX_PORTS;
	knowledge->buckets = STATION_BUCKETS;
	knowledge->magic = MAGIC;
	return knowledge;
}

void *knowledge_stations(struct knowledge *knowledge)
{
	return knowledge + 1;
}

static enum kind kind_of(const struct port *port)
{
	return port->ops->close ? KIND_UPLINK : KIND_DEVICE;
}

void knowledge_add_port(struct knowledge *knowledge, const struct port *port)
{
	struct known_port *known = knowledge ? &knowledge->ports[port->id] : NULL;

	if (!known)
		return;
	memcpy(known->name, port->name, sizeof(known->name));
	/* Pairs with the acquire in read_port: who sees the kind sees the name. */
	atomic_store_explicit(&known->kind, kind_of(port), memory_order_release);
}

void knowledge_remove_port(struct knowledge *knowledge, const struct port *port)
{
	if (knowledge)
		atomic_store_explicit(&knowledge->ports[port->id].kind, KIND_NONE,
				      memory_order_release);
}

/* A copy of a stranger's entry. Its kind; KIND_NONE: nothing of use. */
static enum kind read_port(const struct known_port *known, char name[HF_NAME_MAX + 1])
{
	uint32_t kind = atomic_load_explicit(&known->kind, memory_order_acquire);

	memcpy(name, known->name, HF_NAME_MAX + 1);
	if (name[HF_NAME_MAX])
		return KIND_NONE;
	return kind == KIND_DEVICE || kind == KIND_UPLINK ? (enum kind)kind : KIND_NONE;
}

static int our_port(struct port *const *ports, enum kind kind, const char *name)
{
	for (unsigned id = 0; id < MAX_PORTS; id++)
		if (ports[id] && kind_of(ports[id]) == kind && !strcmp(ports[id]->name, name))
			return (int)id;
	return FDB_UNKNOWN;
}

/* Our id for each of theirs, or FDB_UNKNOWN. */
static void map_ports(int16_t *map, const struct knowledge *theirs, struct port *const *ports)
{
	char name[HF_NAME_MAX + 1];

	for (unsigned id = 0; id < MAX_PORTS; id++) {
		enum kind kind = read_port(&theirs->ports[id], name);

		map[id] = kind == KIND_NONE ? FDB_UNKNOWN : (int16_t)our_port(ports, kind, name);
	}
}

unsigned knowledge_adopt(struct fdb *fdb, struct port *const *ports, const void *memory,
			 size_t bytes, uint32_t now)
{
	const struct knowledge *theirs = memory;
	struct fdb_station station;
	int16_t map[MAX_PORTS];
	unsigned adopted = 0;

	if (bytes < knowledge_bytes() || theirs->magic != MAGIC || theirs->max_ports != MAX_PORTS ||
	    theirs->buckets != STATION_BUCKETS)
		return 0;
	map_ports(map, theirs, ports);
	for (uint32_t i = 0; i < FDB_STATIONS(STATION_BUCKETS); i++)
		if (fdb_read(theirs + 1, i, &station) && station.port < MAX_PORTS &&
		    map[station.port] != FDB_UNKNOWN)
			adopted += fdb_adopt(fdb, station.key, (uint16_t)map[station.port],
					     station.heard, now);
	return adopted;
}
