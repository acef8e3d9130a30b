/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A station can lie in eight places: four slots in each of two buckets, one cache line per bucket.
 * No place free: it is not learned, its packets are flooded, and that is counted. The two buckets
 * depend on a secret seed, so a guest cannot choose addresses that all fall into one.
 *
 * A slot is two words, `key` and `value`. Value packs owner (free, claimed, or a port), version
 * and the second the station was last heard. Value is the master: every change of a slot starts
 * with a compare-and-swap on it, so a slot has one writer at a time, and a loser gives up instead
 * of waiting: the next packet of the station tries again.
 *
 *   insert   value: free or expired, version v  ->  claimed, v+1      (A) compare-and-swap
 *            key:   the new key                                       (B) release
 *            value: port, v+1, now                                    (C) release
 *   read     value (D) acquire, key (E) acquire, value again (F)
 *   refresh  value: port, v, then  ->  port', v, now                  (G) compare-and-swap
 *   free     value: port, v, then  ->  free, v                        (H) compare-and-swap
 *
 * Why a reader never takes one station's port for another's:
 * 1. A reader that sees the new value at D sees the new key at E: B is before C, and D acquires C
 *    (G and H are read-modify-writes, so they continue C's release sequence and may be relaxed).
 * 2. A reader that sees the new key at E sees A or later at F: A is before B, and E acquires B.
 *    The version at F then differs from the one at D, or D was already C: either way no mix.
 * 3. A writer that read its value before the slot changed hands fails at G or H, because the
 *    version is part of the word compared.
 * A version has 16 bits: to be fooled, a thread would have to sleep through exactly 65536
 * re-insertions of one slot.
 *
 * Two threads may insert the same station at once, into different places. After C each makes a
 * full fence and looks at all eight places again: at least one sees the other's entry, and whoever
 * sees two frees the later in probe order. Readers take the first, so in between they agree.
 *
 * Each port has a count of its stations: what gives a slot an owner reserves one first, what takes
 * a slot from an owner (each such swap succeeds once) gives one back. So the count is never below
 * the truth, nor a port above its limit, and one port cannot fill the table for all others.
 *
 * A station that talks writes its slot once a second and not once a packet, so the lines stay
 * shared between the workers' caches.
 */
#include "fdb.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "sizes.h"

#define SLOTS  4u
#define PLACES (2u * SLOTS)

/* Owner field of a value; zeroed memory is an empty table. */
#define OWNER_FREE    0u
#define OWNER_CLAIMED 1u
#define OWNER_PORT    2u /* + port */

struct slot {
	_Atomic uint64_t key;
	_Atomic uint64_t value;
};

struct bucket {
	_Alignas(CACHE_LINE) struct slot slots[SLOTS];
};

_Static_assert(sizeof(struct bucket) == FDB_BYTES(1), "the header says so");
_Static_assert(SLOTS == FDB_STATIONS(1), "the header says so");

struct quota {
	_Atomic uint32_t stations; /* slots that the port owns, or is about to */
	_Atomic uint32_t limit;	   /* 0: none */
};

struct fdb {
	struct bucket *buckets;
	bool own;	      /* the memory of them */
	struct quota *quotas; /* by port */
	uint32_t mask;
	uint32_t ageing;
	uint64_t seed;
};

static uint64_t value_make(uint32_t owner, uint16_t version, uint32_t heard)
{
	return (uint64_t)owner << 48 | (uint64_t)version << 32 | heard;
}

static uint32_t value_owner(uint64_t value)
{
	return (uint32_t)(value >> 48);
}

static uint16_t value_version(uint64_t value)
{
	return (uint16_t)(value >> 32);
}

static bool value_live(uint64_t value)
{
	return value_owner(value) >= OWNER_PORT;
}

/* Signed: the clock of the thread that refreshed it may be ahead of ours. */
static bool value_expired(const struct fdb *fdb, uint64_t value, uint32_t now)
{
	return (int32_t)(now - (uint32_t)value) > (int32_t)fdb->ageing;
}

static uint64_t value_freed(uint64_t value)
{
	return value_make(OWNER_FREE, value_version(value), 0);
}

/* Relaxed throughout: the numbers stand for themselves. */
static bool reserve(struct fdb *fdb, uint16_t port)
{
	struct quota *quota = &fdb->quotas[port];
	uint32_t limit = atomic_load_explicit(&quota->limit, memory_order_relaxed);

	/* A look first: a port at its limit costs the others no line. */
	if (limit && atomic_load_explicit(&quota->stations, memory_order_relaxed) >= limit)
		return false;
	if (atomic_fetch_add_explicit(&quota->stations, 1, memory_order_relaxed) < limit || !limit)
		return true;
	(void)atomic_fetch_sub_explicit(&quota->stations, 1, memory_order_relaxed);
	return false;
}

static void give_back(struct fdb *fdb, uint16_t port)
{
	(void)atomic_fetch_sub_explicit(&fdb->quotas[port].stations, 1, memory_order_relaxed);
}

/* The owner of `value` has lost its slot. */
static void give_back_of(struct fdb *fdb, uint64_t value)
{
	if (value_live(value))
		give_back(fdb, (uint16_t)(value_owner(value) - OWNER_PORT));
}

static uint64_t hash_key(const struct fdb *fdb, uint64_t key)
{
	uint64_t h = key ^ fdb->seed;

	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

/* Place number `i` of eight, in probe order. The second bucket is never the first. */
static struct slot *place(const struct fdb *fdb, uint64_t hash, unsigned i)
{
	uint32_t index = (uint32_t)hash & fdb->mask;

	if (i >= SLOTS)
		index = (index + 1 + (uint32_t)(hash >> 32) % fdb->mask) & fdb->mask;
	return &fdb->buckets[index].slots[i % SLOTS];
}

/* Does the slot hold `key`? The value that goes with it. See facts 1 and 2 above. */
static bool slot_read(const struct slot *slot, uint64_t key, uint64_t *ret_value)
{
	uint64_t before = atomic_load_explicit(&slot->value, memory_order_acquire); /* D */
	uint64_t after;

	if (!value_live(before))
		return false;
	if (atomic_load_explicit(&slot->key, memory_order_acquire) != key) /* E */
		return false;
	after = atomic_load_explicit(&slot->value, memory_order_relaxed); /* F: after E acquired */
	if (!value_live(after) || value_version(after) != value_version(before))
		return false;
	*ret_value = after;
	return true;
}

static struct slot *find(const struct fdb *fdb, uint64_t hash, uint64_t key, uint64_t *ret_value)
{
	for (unsigned i = 0; i < PLACES; i++) {
		struct slot *slot = place(fdb, hash, i);

		if (slot_read(slot, key, ret_value))
			return slot;
	}
	return NULL;
}

static bool swap_value(struct slot *slot, uint64_t from, uint64_t to)
{
	/* Relaxed: G and H publish no other word, see fact 1. */
	return atomic_compare_exchange_strong_explicit(&slot->value, &from, to,
						       memory_order_relaxed, memory_order_relaxed);
}

static bool free_slot(struct fdb *fdb, struct slot *slot, uint64_t value)
{
	if (!swap_value(slot, value, value_freed(value)))
		return false;
	give_back_of(fdb, value);
	return true;
}

static enum fdb_result refresh(struct fdb *fdb, struct slot *slot, uint64_t value, uint16_t port,
			       uint32_t now)
{
	bool expired = value_expired(fdb, value, now);
	bool moved = value_owner(value) != OWNER_PORT + port;

	if (!moved && (int32_t)(now - (uint32_t)value) <= 0)
		return FDB_KNOWN;
	if (moved && !reserve(fdb, port))
		return FDB_REFUSED;
	if (!swap_value(slot, value, value_make(OWNER_PORT + port, value_version(value), now))) {
		if (moved)
			give_back(fdb, port);
		return FDB_KNOWN; /* somebody else changed it at this moment: theirs is as new */
	}
	if (moved)
		give_back_of(fdb, value);
	if (expired)
		return FDB_LEARNED;
	return moved ? FDB_MOVED : FDB_KNOWN;
}

/* Keep the first entry of `key` in probe order, free the others. */
static void drop_duplicates(struct fdb *fdb, uint64_t hash, uint64_t key)
{
	bool seen = false;

	/* Pairs with the fence of the other inserter: both stored C before, both look now, so at
	 * least one finds two entries. */
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < PLACES; i++) {
		struct slot *slot = place(fdb, hash, i);
		uint64_t value;

		if (!slot_read(slot, key, &value))
			continue;
		/* Again if somebody refreshed it at this moment. */
		while (seen && !free_slot(fdb, slot, value) && slot_read(slot, key, &value))
			;
		seen = true;
	}
}

static bool claim(struct slot *slot, uint64_t value)
{
	uint16_t version = (uint16_t)(value_version(value) + 1);

	/* Acquire: our store of the key comes after that of whoever had the slot before (C). */
	return atomic_compare_exchange_strong_explicit(
		&slot->value, &value, value_make(OWNER_CLAIMED, version, 0), memory_order_acquire,
		memory_order_relaxed); /* A */
}

static enum fdb_result insert(struct fdb *fdb, uint64_t hash, uint64_t key, uint16_t port,
			      uint32_t now)
{
	if (!reserve(fdb, port))
		return FDB_REFUSED;
	for (unsigned i = 0; i < PLACES; i++) {
		struct slot *slot = place(fdb, hash, i);
		uint64_t value = atomic_load_explicit(&slot->value, memory_order_relaxed);
		bool free = value_owner(value) == OWNER_FREE;

		if (!free && !(value_live(value) && value_expired(fdb, value, now)))
			continue;
		if (!claim(slot, value))
			continue;
		give_back_of(fdb, value);
		value = value_make(OWNER_PORT + port, (uint16_t)(value_version(value) + 1), now);
		atomic_store_explicit(&slot->key, key, memory_order_release);	  /* B */
		atomic_store_explicit(&slot->value, value, memory_order_release); /* C */
		drop_duplicates(fdb, hash, key);
		return FDB_LEARNED;
	}
	give_back(fdb, port);
	return FDB_FULL;
}

enum fdb_result fdb_learn(struct fdb *fdb, uint64_t key, uint16_t port, uint32_t now)
{
	uint64_t hash = hash_key(fdb, key);
	uint64_t value;
	struct slot *slot = find(fdb, hash, key, &value);

	if (slot)
		return refresh(fdb, slot, value, port, now);
	return insert(fdb, hash, key, port, now);
}

void fdb_limit_port(struct fdb *fdb, uint16_t port, uint32_t stations)
{
	atomic_store_explicit(&fdb->quotas[port].limit, stations, memory_order_relaxed);
}

bool fdb_read(const void *memory, uint32_t index, struct fdb_station *ret_station)
{
	const struct bucket *buckets = memory;
	const struct slot *slot = &buckets[index / SLOTS].slots[index % SLOTS];
	uint64_t before = atomic_load_explicit(&slot->value, memory_order_acquire); /* D */
	uint64_t key = atomic_load_explicit(&slot->key, memory_order_acquire);	    /* E */
	uint64_t after = atomic_load_explicit(&slot->value, memory_order_relaxed);  /* F */

	if (!value_live(before) || !value_live(after) ||
	    value_version(before) != value_version(after))
		return false;
	*ret_station = (struct fdb_station){
		.key = key,
		.port = value_owner(after) - OWNER_PORT,
		.heard = (uint32_t)after,
	};
	return true;
}

bool fdb_adopt(struct fdb *fdb, uint64_t key, uint16_t port, uint32_t heard, uint32_t now)
{
	enum fdb_result result;
	uint64_t value;

	if (key >> 60 || key & FDB_KEY_GROUP || port >= FDB_MAX_PORT)
		return false;
	if ((int32_t)(now - heard) < 0 || value_expired(fdb, heard, now))
		return false;
	if (find(fdb, hash_key(fdb, key), key, &value) && (int32_t)(heard - (uint32_t)value) <= 0)
		return false;
	result = fdb_learn(fdb, key, port, heard);
	return result == FDB_LEARNED || result == FDB_MOVED;
}

int fdb_lookup(const struct fdb *fdb, uint64_t key, uint32_t now)
{
	uint64_t value;

	if (!find(fdb, hash_key(fdb, key), key, &value) || value_expired(fdb, value, now))
		return FDB_UNKNOWN;
	return (int)(value_owner(value) - OWNER_PORT);
}

/* Free every slot that `doomed` says; a slot that changes meanwhile is asked again. */
static unsigned sweep(struct fdb *fdb, bool (*doomed)(const struct fdb *, uint64_t, uint32_t),
		      uint32_t argument)
{
	unsigned freed = 0;

	for (size_t i = 0; i < ((size_t)fdb->mask + 1) * SLOTS; i++) {
		struct slot *slot = &fdb->buckets[i / SLOTS].slots[i % SLOTS];
		uint64_t value = atomic_load_explicit(&slot->value, memory_order_relaxed);

		while (value_live(value) && doomed(fdb, value, argument)) {
			if (free_slot(fdb, slot, value)) {
				freed++;
				break;
			}
			value = atomic_load_explicit(&slot->value, memory_order_relaxed);
		}
	}
	return freed;
}

static bool is_of_port(const struct fdb *fdb, uint64_t value, uint32_t port)
{
	(void)fdb;
	return value_owner(value) == OWNER_PORT + port;
}

unsigned fdb_flush_port(struct fdb *fdb, uint16_t port)
{
	return sweep(fdb, is_of_port, port);
}

unsigned fdb_expire(struct fdb *fdb, uint32_t now)
{
	return sweep(fdb, value_expired, now);
}

unsigned fdb_count(const struct fdb *fdb)
{
	unsigned count = 0;

	for (size_t i = 0; i < ((size_t)fdb->mask + 1) * SLOTS; i++) {
		const struct slot *slot = &fdb->buckets[i / SLOTS].slots[i % SLOTS];

		count += value_live(atomic_load_explicit(&slot->value, memory_order_relaxed));
	}
	return count;
}

struct fdb *fdb_create_in(void *memory, uint32_t buckets, uint32_t ageing)
{
	struct fdb *fdb;

	if (buckets < 2 || buckets & (buckets - 1) || !ageing || ageing > INT32_MAX) {
		errno = EINVAL;
		return NULL;
	}
	fdb = calloc(1, sizeof(*fdb));
	if (!fdb)
		return NULL;
	fdb->buckets = memory;
	fdb->quotas = calloc(FDB_MAX_PORT + 1, sizeof(*fdb->quotas));
	if (!fdb->quotas) {
		fdb_destroy(fdb);
		return NULL;
	}
	fdb->mask = buckets - 1;
	fdb->ageing = ageing;
	if (getrandom(&fdb->seed, sizeof(fdb->seed), 0) != sizeof(fdb->seed))
		fdb->seed = (uintptr_t)fdb; /* still not the same twice */
	return fdb;
}

struct fdb *fdb_create(uint32_t buckets, uint32_t ageing)
{
	size_t bytes = FDB_BYTES(buckets);
	void *memory = bytes ? aligned_alloc(_Alignof(struct bucket), bytes) : NULL;
	struct fdb *fdb = NULL;

	if (!memory && bytes)
		return NULL;
	if (memory)
		memset(memory, 0, bytes);
	fdb = fdb_create_in(memory, buckets, ageing);
	if (fdb)
		fdb->own = true;
	else
		free(memory);
	return fdb;
}

void fdb_destroy(struct fdb *fdb)
{
	if (!fdb)
		return;
	if (fdb->own)
		free(fdb->buckets);
	free(fdb->quotas);
	free(fdb);
}
