/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forwarding database: which port a station was last heard on.
 *
 * A station is a (VLAN, MAC) pair as one 64-bit key. Any number of threads may learn and look up
 * at the same time; none ever waits for another.
 */
#ifndef VSWITCH_FDB_H
#define VSWITCH_FDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FDB_KEY_GROUP (UINT64_C(1) << 40) /* the group bit of a MAC inside a key */
#define FDB_KEY_MAC   UINT64_C(0xffffffffffff)
#define FDB_MAX_PORT  0xfff0u
#define FDB_UNKNOWN   (-1)

/* Stations in so many buckets, and the bytes they take. */
#define FDB_STATIONS(buckets) ((buckets)*4u)
#define FDB_BYTES(buckets)    ((size_t)(buckets)*64u)

struct fdb;

/* One station of a table, as somebody else wrote it. */
struct fdb_station {
	uint64_t key;
	uint32_t port;
	uint32_t heard; /* as `now` in fdb_learn */
};

enum fdb_result {
	FDB_KNOWN,   /* nothing new */
	FDB_LEARNED, /* a new station */
	FDB_MOVED,   /* a known station, heard on another port than before */
	FDB_FULL,    /* no room: its packets will be flooded */
	FDB_REFUSED, /* the port has as many as it may: nothing changed */
};

/* `buckets` of four stations each, a power of two, at least 2. `ageing` in seconds: a station
 * that is not heard for longer is unknown. NULL with errno set. */
struct fdb *fdb_create(uint32_t buckets, uint32_t ageing);
/* The same in zeroed memory of FDB_BYTES(buckets), on a line of its own, which stays the caller's.
 */
struct fdb *fdb_create_in(void *memory, uint32_t buckets, uint32_t ageing);
void fdb_destroy(struct fdb *fdb);

/* A port may have so many stations; 0, as at first: as many as there is room. Any number of threads
 * may be learning; what the port has already, it keeps. */
void fdb_limit_port(struct fdb *fdb, uint16_t port, uint32_t stations);

/* Heard `key` on `port` at `now` (seconds of a monotonic clock; threads may differ a little).
 * The caller keeps group addresses out. */
enum fdb_result fdb_learn(struct fdb *fdb, uint64_t key, uint16_t port, uint32_t now);

/* Slot `index` of the table in `memory`, which another process may be writing to, or may have died
 * writing to: a consistent copy, not yet believed. False: nothing is there. */
bool fdb_read(const void *memory, uint32_t index, struct fdb_station *ret_station);
/* Somebody else heard `key` at `heard`. Learned unless it is no station's key, too old, of the
 * future, or we have heard it later ourselves. */
bool fdb_adopt(struct fdb *fdb, uint64_t key, uint16_t port, uint32_t heard, uint32_t now);

/* The port of a station, or FDB_UNKNOWN. */
int fdb_lookup(const struct fdb *fdb, uint64_t key, uint32_t now);

/* Forget every station of a port; returns how many. The caller has made sure that nobody learns
 * on that port any more. */
unsigned fdb_flush_port(struct fdb *fdb, uint16_t port);
/* Free the room of stations that are unknown by age; returns how many. */
unsigned fdb_expire(struct fdb *fdb, uint32_t now);
/* Stations in the table, counted by looking at all of it. */
unsigned fdb_count(const struct fdb *fdb);

static inline uint64_t fdb_key(uint16_t vlan, const uint8_t mac[6])
{
	return (uint64_t)(vlan & 0xfffu) << 48 | (uint64_t)mac[0] << 40 | (uint64_t)mac[1] << 32 |
	       (uint64_t)mac[2] << 24 | (uint64_t)mac[3] << 16 | (uint64_t)mac[4] << 8 | mac[5];
}

#endif
