/* SPDX-License-Identifier: Apache-2.0 */
/* vswitch/knowledge.h: what a switch knew is known to the next, and no file can hurt that one. */
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "knowledge.h"
#include "suite.h"

#define NOW    1000u
#define AGEING 300u

/* A dead switch, and a fresh one that has the same device under another id. */
struct scene {
	void *memory;
	struct fdb *theirs, *ours;
	struct fake their_device, their_other, their_uplink, device, uplink;
	struct port *ports[MAX_PORTS];
};

static void no_close(struct port *port)
{
	(void)port;
}

static const struct port_ops uplink_ops = {.kind = "fake uplink", .close = no_close};

static void init_port(struct fake *fake, uint16_t id, const char *name, bool is_uplink)
{
	fake_init(fake, id, 1);
	strcpy(fake->port.name, name);
	if (is_uplink)
		fake->port.ops = &uplink_ops;
}

static void begin(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->memory = aligned_alloc(CACHE_LINE, knowledge_bytes());
	REQUIRE(s->memory != NULL);
	memset(s->memory, 0, knowledge_bytes());
	s->theirs = fdb_create_in(knowledge_stations(knowledge_begin(s->memory)), STATION_BUCKETS,
				  AGEING);
	s->ours = fdb_create(STATION_BUCKETS, AGEING);
	REQUIRE(s->theirs && s->ours);
	init_port(&s->their_device, 7, "vm0", false);
	init_port(&s->their_other, 8, "vm1", false);
	init_port(&s->their_uplink, 0, "eth0", true);
	knowledge_add_port(s->memory, &s->their_device.port);
	knowledge_add_port(s->memory, &s->their_other.port);
	knowledge_add_port(s->memory, &s->their_uplink.port);
	init_port(&s->device, 3, "vm0", false);
	init_port(&s->uplink, 1, "eth0", true);
	s->ports[3] = &s->device.port;
	s->ports[1] = &s->uplink.port;
}

static void end(struct scene *s)
{
	fdb_destroy(s->theirs);
	fdb_destroy(s->ours);
	free(s->memory);
}

static unsigned adopt(struct scene *s, uint32_t now)
{
	return knowledge_adopt(s->ours, s->ports, s->memory, knowledge_bytes(), now);
}

static void stations_are_found_under_the_new_ids(void)
{
	struct scene s;

	begin(&s);
	fdb_learn(s.theirs, 1, 7, NOW);
	fdb_learn(s.theirs, 2, 8, NOW); /* behind a port that is not ours */
	fdb_learn(s.theirs, 3, 0, NOW);
	CHECK_EQ(adopt(&s, NOW + 5), 2);
	CHECK_EQ(fdb_lookup(s.ours, 1, NOW + 5), 3);
	CHECK_EQ(fdb_lookup(s.ours, 2, NOW + 5), FDB_UNKNOWN);
	CHECK_EQ(fdb_lookup(s.ours, 3, NOW + 5), 1);
	/* They grow old from when they were heard, not from now. */
	CHECK_EQ(fdb_lookup(s.ours, 1, NOW + AGEING + 1), FDB_UNKNOWN);
	CHECK_EQ(adopt(&s, NOW + 5), 0); /* once more: nothing new */
	end(&s);
}

static void a_device_and_an_uplink_of_one_name_are_two(void)
{
	struct scene s;

	begin(&s);
	strcpy(s.their_other.port.name, "eth0");
	knowledge_add_port(s.memory, &s.their_other.port);
	fdb_learn(s.theirs, 2, 8, NOW);
	CHECK_EQ(adopt(&s, NOW), 0);
	knowledge_remove_port(s.memory, &s.their_device.port);
	fdb_learn(s.theirs, 1, 7, NOW);
	CHECK_EQ(adopt(&s, NOW), 0);
	end(&s);
}

static void who_heard_a_station_last_is_right(void)
{
	struct scene s;

	begin(&s);
	fdb_learn(s.theirs, 1, 7, NOW);
	fdb_learn(s.theirs, 3, 7, NOW);
	fdb_learn(s.ours, 1, 1, NOW + 1);
	fdb_learn(s.ours, 3, 1, NOW - 1);
	CHECK_EQ(adopt(&s, NOW + 2), 1);
	CHECK_EQ(fdb_lookup(s.ours, 1, NOW + 2), 1);
	CHECK_EQ(fdb_lookup(s.ours, 3, NOW + 2), 3);
	end(&s);
}

static void what_makes_no_sense_is_skipped(void)
{
	struct scene s;

	begin(&s);
	fdb_learn(s.theirs, 1, 7, NOW + 50);		    /* of the future */
	fdb_learn(s.theirs, 2, 7, NOW - AGEING - 1);	    /* forgotten */
	fdb_learn(s.theirs, FDB_KEY_GROUP | 5, 7, NOW);	    /* no station */
	fdb_learn(s.theirs, UINT64_C(1) << 60 | 6, 7, NOW); /* no VLAN */
	fdb_learn(s.theirs, 9, MAX_PORTS, NOW);		    /* no port */
	fdb_learn(s.theirs, 10, FDB_MAX_PORT - 1, NOW);
	CHECK_EQ(adopt(&s, NOW), 0);
	CHECK_EQ(fdb_count(s.ours), 0);
	CHECK_EQ(knowledge_adopt(s.ours, s.ports, s.memory, knowledge_bytes() - 1, NOW), 0);
	fdb_learn(s.theirs, 11, 7, NOW);
	*(uint64_t *)s.memory ^= 1; /* another layout */
	CHECK_EQ(adopt(&s, NOW), 0);
	end(&s);
}

/* Any bytes behind a good header: nothing but stations of ours may come of it. */
static void any_bytes_are_survived(void)
{
	struct scene s;
	unsigned int seed = 4711;

	for (int round = 0; round < 8; round++) {
		uint8_t *bytes;

		begin(&s);
		bytes = s.memory;
		for (size_t i = 64; i < knowledge_bytes(); i++)
			bytes[i] = round % 2 && i < 64 + 72 * MAX_PORTS
					   ? bytes[i]
					   : (uint8_t)(rand_r(&seed) >> 8);
		adopt(&s, NOW);
		for (uint32_t id = 0; id < MAX_PORTS; id++)
			if (id != 1 && id != 3)
				CHECK_EQ(fdb_flush_port(s.ours, (uint16_t)id), 0);
		end(&s);
	}
}

static const struct sentence sentences[] = {
	SENTENCE(stations_are_found_under_the_new_ids),
	SENTENCE(a_device_and_an_uplink_of_one_name_are_two),
	SENTENCE(who_heard_a_station_last_is_right),
	SENTENCE(what_makes_no_sense_is_skipped),
	SENTENCE(any_bytes_are_survived),
};
SUITE("vswitch_knowledge", sentences)
