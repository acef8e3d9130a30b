/* SPDX-License-Identifier: Apache-2.0 */
/* vswitch/fdb.h: stations are found, move, grow old, and are never mixed up by many threads. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "fdb.h"
#include "suite.h"

#define AGEING 300

static const uint8_t alice[6] = {0x52, 0x54, 0, 0, 0, 1};
static const uint8_t bob[6] = {0x52, 0x54, 0, 0, 0, 2};

static struct fdb *fresh(uint32_t buckets)
{
	struct fdb *fdb = fdb_create(buckets, AGEING);

	REQUIRE(fdb != NULL);
	return fdb;
}

static void a_station_is_found_on_the_port_it_was_heard_on(void)
{
	struct fdb *fdb = fresh(64);

	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, alice), 0), FDB_UNKNOWN);
	CHECK_EQ(fdb_learn(fdb, fdb_key(0, alice), 7, 0), FDB_LEARNED);
	CHECK_EQ(fdb_learn(fdb, fdb_key(0, alice), 7, 0), FDB_KNOWN);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, alice), 0), 7);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, bob), 0), FDB_UNKNOWN);
	CHECK_EQ(fdb_count(fdb), 1);
	fdb_destroy(fdb);
}

static void port_0_and_the_all_zero_key_are_nothing_special(void)
{
	struct fdb *fdb = fresh(2);

	CHECK_EQ(fdb_lookup(fdb, 0, 0), FDB_UNKNOWN);
	CHECK_EQ(fdb_learn(fdb, 0, 0, 0), FDB_LEARNED);
	CHECK_EQ(fdb_lookup(fdb, 0, 0), 0);
	CHECK_EQ(fdb_learn(fdb, 0, FDB_MAX_PORT, 0), FDB_MOVED);
	CHECK_EQ(fdb_lookup(fdb, 0, 0), FDB_MAX_PORT);
	fdb_destroy(fdb);
}

static void one_mac_in_two_vlans_is_two_stations(void)
{
	struct fdb *fdb = fresh(64);

	CHECK_EQ(fdb_learn(fdb, fdb_key(10, alice), 1, 0), FDB_LEARNED);
	CHECK_EQ(fdb_learn(fdb, fdb_key(20, alice), 2, 0), FDB_LEARNED);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(10, alice), 0), 1);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(20, alice), 0), 2);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, alice), 0), FDB_UNKNOWN);
	fdb_destroy(fdb);
}

static void a_station_that_moves_is_found_on_its_new_port(void)
{
	struct fdb *fdb = fresh(64);

	CHECK_EQ(fdb_learn(fdb, fdb_key(0, alice), 1, 0), FDB_LEARNED);
	CHECK_EQ(fdb_learn(fdb, fdb_key(0, alice), 2, 0), FDB_MOVED);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, alice), 0), 2);
	CHECK_EQ(fdb_count(fdb), 1);
	fdb_destroy(fdb);
}

static void a_station_is_unknown_after_the_ageing_time_and_not_before(void)
{
	struct fdb *fdb = fresh(64);

	CHECK_EQ(fdb_learn(fdb, fdb_key(0, alice), 1, 1000), FDB_LEARNED);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, alice), 1000 + AGEING), 1);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, alice), 1001 + AGEING), FDB_UNKNOWN);
	/* Being heard starts the time again. */
	CHECK_EQ(fdb_learn(fdb, fdb_key(0, alice), 1, 1200), FDB_KNOWN);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, alice), 1200 + AGEING), 1);
	CHECK_EQ(fdb_learn(fdb, fdb_key(0, alice), 1, 1201 + AGEING), FDB_LEARNED);
	fdb_destroy(fdb);
}

static void a_clock_that_is_behind_or_wraps_does_not_age_a_station(void)
{
	struct fdb *fdb = fresh(64);

	CHECK_EQ(fdb_learn(fdb, fdb_key(0, alice), 1, 5), FDB_LEARNED);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, alice), 4), 1);
	CHECK_EQ(fdb_learn(fdb, fdb_key(0, alice), 1, 4), FDB_KNOWN);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, alice), 5 + AGEING), 1);
	CHECK_EQ(fdb_learn(fdb, fdb_key(0, bob), 1, UINT32_MAX), FDB_LEARNED);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, bob), 10), 1);
	CHECK_EQ(fdb_lookup(fdb, fdb_key(0, bob), AGEING), FDB_UNKNOWN);
	fdb_destroy(fdb);
}

static void the_stations_of_a_port_are_forgotten_and_no_others(void)
{
	struct fdb *fdb = fresh(64);

	for (uint16_t vlan = 0; vlan < 20; vlan++)
		CHECK_EQ(fdb_learn(fdb, fdb_key(vlan, alice), vlan % 2, 0), FDB_LEARNED);
	CHECK_EQ(fdb_flush_port(fdb, 1), 10);
	CHECK_EQ(fdb_flush_port(fdb, 1), 0);
	for (uint16_t vlan = 0; vlan < 20; vlan++)
		CHECK_EQ(fdb_lookup(fdb, fdb_key(vlan, alice), 0), vlan % 2 ? FDB_UNKNOWN : 0);
	CHECK_EQ(fdb_count(fdb), 10);
	fdb_destroy(fdb);
}

static void a_full_table_says_so_and_keeps_what_it_has(void)
{
	struct fdb *fdb = fresh(2);

	for (uint64_t key = 0; key < 8; key++)
		CHECK_EQ(fdb_learn(fdb, key, (uint16_t)key, 0), FDB_LEARNED);
	CHECK_EQ(fdb_learn(fdb, 8, 8, 0), FDB_FULL);
	CHECK_EQ(fdb_lookup(fdb, 8, 0), FDB_UNKNOWN);
	for (uint64_t key = 0; key < 8; key++)
		CHECK_EQ(fdb_lookup(fdb, key, 0), key);
	fdb_destroy(fdb);
}

static void the_room_of_old_stations_is_used_again(void)
{
	struct fdb *fdb = fresh(2);

	for (uint64_t key = 0; key < 8; key++)
		CHECK_EQ(fdb_learn(fdb, key, 1, key < 4 ? 0 : 100), FDB_LEARNED);
	/* Even before anybody has swept. */
	CHECK_EQ(fdb_learn(fdb, 8, 2, AGEING + 1), FDB_LEARNED);
	CHECK_EQ(fdb_lookup(fdb, 8, AGEING + 1), 2);
	CHECK_EQ(fdb_count(fdb), 8);
	CHECK_EQ(fdb_expire(fdb, AGEING + 1), 3);
	CHECK_EQ(fdb_count(fdb), 5);
	for (uint64_t key = 0; key < 4; key++)
		CHECK_EQ(fdb_lookup(fdb, key, 0), FDB_UNKNOWN);
	for (uint64_t key = 4; key < 9; key++)
		CHECK_EQ(fdb_lookup(fdb, key, AGEING + 1), key == 8 ? 2 : 1);
	fdb_destroy(fdb);
}

static void a_slot_may_change_hands_more_often_than_its_version_counts(void)
{
	struct fdb *fdb = fresh(2);
	unsigned wrong = 0;

	for (uint64_t key = 0; key < 200000; key++) {
		wrong += fdb_learn(fdb, key, (uint16_t)(key % 1000), 0) != FDB_LEARNED;
		wrong += fdb_lookup(fdb, key, 0) != (int)(key % 1000);
		wrong += fdb_flush_port(fdb, (uint16_t)(key % 1000)) != 1;
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(fdb_count(fdb), 0);
	fdb_destroy(fdb);
}

static void a_table_half_full_has_room_for_nearly_every_station(void)
{
	struct fdb *fdb = fresh(1024);
	unsigned learned = 0;

	for (uint64_t key = 0; key < 2048; key++)
		learned += fdb_learn(fdb, key * 0x10001, 1, 0) == FDB_LEARNED;
	CHECK(learned >= 2000);
	CHECK_EQ(fdb_count(fdb), learned);
	fdb_destroy(fdb);
}

static void a_port_has_no_more_stations_than_it_may(void)
{
	struct fdb *fdb = fresh(1024);
	unsigned refused = 0;

	fdb_limit_port(fdb, 1, 100);
	for (uint64_t key = 0; key < 10000; key++)
		refused += fdb_learn(fdb, key * 0x10001, 1, 0) == FDB_REFUSED;
	CHECK_EQ(refused, 9900);
	CHECK_EQ(fdb_count(fdb), 100);
	/* What it has it keeps, and others learn. */
	CHECK_EQ(fdb_learn(fdb, 0, 1, 1), FDB_KNOWN);
	CHECK_EQ(fdb_learn(fdb, 77, 2, 1), FDB_LEARNED);
	/* It can take none from others either, before it has lost one. */
	CHECK_EQ(fdb_learn(fdb, 77, 1, 2), FDB_REFUSED);
	CHECK_EQ(fdb_lookup(fdb, 77, 2), 2);
	CHECK_EQ(fdb_learn(fdb, 0, 2, 3), FDB_MOVED);
	CHECK_EQ(fdb_learn(fdb, 77, 1, 3), FDB_MOVED);
	CHECK_EQ(fdb_learn(fdb, 78, 1, 3), FDB_REFUSED);
	/* Stations that grow old make room, swept or replaced. */
	CHECK_EQ(fdb_expire(fdb, AGEING + 1), 99);
	CHECK_EQ(fdb_learn(fdb, 78, 1, AGEING + 1), FDB_LEARNED);
	CHECK_EQ(fdb_flush_port(fdb, 1), 2);
	refused = 0;
	for (uint64_t key = 0; key < 200; key++)
		refused += fdb_learn(fdb, key * 0x10001 + 5, 1, AGEING + 1) == FDB_REFUSED;
	CHECK_EQ(refused, 100);
	fdb_destroy(fdb);
}

static void a_place_taken_from_an_old_station_is_given_back(void)
{
	struct fdb *fdb = fresh(2);

	fdb_limit_port(fdb, 1, 8);
	for (uint64_t key = 0; key < 8; key++)
		CHECK_EQ(fdb_learn(fdb, key, 1, 0), FDB_LEARNED);
	for (uint64_t key = 8; key < 16; key++) /* no room, and then in the places of the old */
		CHECK_EQ(fdb_learn(fdb, key, 2, 0), FDB_FULL);
	for (uint64_t key = 8; key < 16; key++)
		CHECK_EQ(fdb_learn(fdb, key, 2, AGEING + 1), FDB_LEARNED);
	CHECK_EQ(fdb_flush_port(fdb, 2), 8);
	for (uint64_t key = 0; key < 8; key++)
		CHECK_EQ(fdb_learn(fdb, key, 1, AGEING + 1), FDB_LEARNED);
	fdb_destroy(fdb);
}

static void sizes_that_make_no_table_are_refused(void)
{
	CHECK(fdb_create(0, AGEING) == NULL);
	CHECK(fdb_create(1, AGEING) == NULL);
	CHECK(fdb_create(3, AGEING) == NULL);
	CHECK(fdb_create(64, 0) == NULL);
	CHECK(fdb_create(64, UINT32_MAX) == NULL);
	fdb_destroy(NULL);
}

/*
 * Many threads on a table that is too small for all keys, so that slots change hands all the time.
 * The relation: key k is only ever heard on ports k % 7 and k % 7 + 100. A reader that mixes two
 * stations, or a writer that writes into a slot it has lost, breaks it.
 */
#define THREADS 3
#define KEYS	96
#define ROUNDS	60000

static struct fdb *shared;
static atomic_uint broken;
static atomic_uint running;

static uint32_t step(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void *learn_and_look(void *argument)
{
	uint32_t state = (uint32_t)(uintptr_t)argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t key = step(&state) % KEYS;
		uint16_t port = (uint16_t)(key % 7 + (step(&state) % 2 ? 100 : 0));
		uint32_t now = i / 64;
		int found;

		(void)fdb_learn(shared, key, port, now);
		key = step(&state) % KEYS;
		found = fdb_lookup(shared, key, now);
		if (found != FDB_UNKNOWN && found % 100 != (int)(key % 7))
			atomic_fetch_add(&broken, 1);
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void threads_never_take_one_station_for_another(void)
{
	pthread_t threads[THREADS];
	uint32_t state = 99;
	unsigned known = 0;

	shared = fdb_create(16, 20); /* 64 places */
	REQUIRE(shared != NULL);
	atomic_store(&broken, 0);
	atomic_store(&running, THREADS);
	for (unsigned i = 0; i < THREADS; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, learn_and_look,
					(void *)(uintptr_t)(i + 1)));
	while (atomic_load(&running)) {
		(void)fdb_flush_port(shared, (uint16_t)(step(&state) % 7));
		(void)fdb_expire(shared, step(&state) % (ROUNDS / 64));
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(atomic_load(&broken), 0);
	/* And no station is there twice. */
	for (uint64_t key = 0; key < KEYS; key++)
		known += fdb_lookup(shared, key, 0) != FDB_UNKNOWN;
	CHECK_EQ(fdb_count(shared), known);
	/* What every port may have is what it had given back: exactly all, and not one more. */
	for (uint16_t port = 0; port < 107; port++) {
		(void)fdb_flush_port(shared, port);
		fdb_limit_port(shared, port, 1);
	}
	CHECK_EQ(fdb_count(shared), 0);
	for (uint16_t port = 0; port < 107; port++) {
		CHECK_EQ(fdb_learn(shared, 1000, port, 0), port ? FDB_MOVED : FDB_LEARNED);
		CHECK_EQ(fdb_learn(shared, 1001, port, 0), FDB_REFUSED);
	}
	fdb_destroy(shared);
}

/*
 * Two threads insert the same new station at the same moment: afterwards it is there once. They
 * meet by spinning, because the moment is a matter of nanoseconds.
 */
#define MEETINGS 20000u

static atomic_uint arrived;

static void meet(unsigned meeting)
{
	atomic_fetch_add(&arrived, 1);
	for (unsigned looks = 0; atomic_load(&arrived) < 2 * meeting; looks++)
		if (looks > 1000)
			sched_yield();
}

static void *insert_together(void *argument)
{
	uint16_t port = (uint16_t)(uintptr_t)argument;

	for (unsigned i = 0; i < MEETINGS; i++) {
		meet(2 * i + 1);
		(void)fdb_learn(shared, i, port, 0);
		meet(2 * i + 2);
		if (port)
			continue;
		if (fdb_count(shared) != 1)
			atomic_fetch_add(&broken, 1);
		(void)fdb_flush_port(shared, 0);
		(void)fdb_flush_port(shared, 1);
	}
	return NULL;
}

static void a_station_inserted_by_two_threads_at_once_is_there_once(void)
{
	pthread_t other;

	shared = fdb_create(2, AGEING);
	REQUIRE(shared != NULL);
	atomic_store(&broken, 0);
	atomic_store(&arrived, 0);
	REQUIRE(!pthread_create(&other, NULL, insert_together, (void *)(uintptr_t)1));
	(void)insert_together(NULL);
	pthread_join(other, NULL);
	CHECK_EQ(atomic_load(&broken), 0);
	fdb_destroy(shared);
}

static const struct sentence sentences[] = {
	SENTENCE(a_station_is_found_on_the_port_it_was_heard_on),
	SENTENCE(port_0_and_the_all_zero_key_are_nothing_special),
	SENTENCE(one_mac_in_two_vlans_is_two_stations),
	SENTENCE(a_station_that_moves_is_found_on_its_new_port),
	SENTENCE(a_station_is_unknown_after_the_ageing_time_and_not_before),
	SENTENCE(a_clock_that_is_behind_or_wraps_does_not_age_a_station),
	SENTENCE(the_stations_of_a_port_are_forgotten_and_no_others),
	SENTENCE(a_full_table_says_so_and_keeps_what_it_has),
	SENTENCE(the_room_of_old_stations_is_used_again),
	SENTENCE(a_slot_may_change_hands_more_often_than_its_version_counts),
	SENTENCE(a_table_half_full_has_room_for_nearly_every_station),
	SENTENCE(a_port_has_no_more_stations_than_it_may),
	SENTENCE(a_place_taken_from_an_old_station_is_given_back),
	SENTENCE(sizes_that_make_no_table_are_refused),
	SENTENCE(threads_never_take_one_station_for_another),
	SENTENCE(a_station_inserted_by_two_threads_at_once_is_there_once),
};

SUITE("vswitch: forwarding database", sentences)
