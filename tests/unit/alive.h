/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring that its guest drives wrongly, the ways bursts go to it, and what must hold whatever the
 * guest did: ALIVE.
 *
 * A case posts something hostile and says what has to become of it: the packet arrives all the
 * same, the chain is dropped, the ring is broken, or (where the guest only hurts itself) anything
 * that leaves the house standing. After each of them
 * - no byte of the guest's memory has changed but declared buffers and the used ring, no byte of
 *   the caller's but the packet's room (there are guard pages around it);
 * - what came back is what was made available, each once, in order, with the length that is due;
 * - the next good chain arrives (not of a broken ring: that one's memory is taken away, and bursts
 *   go on to say 0);
 * - the counter of the reason has gone up by exactly what is due, and no other refusal has;
 * - the err descriptor was written once for a broken ring, and never else;
 * - the process has as many descriptors and shared maps as before.
 */
#ifndef TESTS_ALIVE_H
#define TESTS_ALIVE_H

#include <holdfast/hop.h>

#include "rig.h"
#include "suite.h"

#define ALIVE_FRAME  60u
#define ALIVE_ROOM   9000u
#define ALIVE_TABLE  100u
#define ALIVE_MEMORY (2ull << 20) /* of the guest, from 0; behind it is nothing */

enum way {
	WAY_DEQUEUE, /* from the guest, into the caller's memory */
	WAY_PEEK,    /* from the guest, by a hop */
	WAY_ENQUEUE, /* to the guest, from the caller's memory */
	WAY_FORWARD, /* to the guest, by a hop from another one */
	NR_WAYS,
};

struct alive {
	enum way way;
	bool to;	   /* the guest */
	uint16_t queue;	   /* of the ring */
	uint16_t writable; /* DRIVER_WRITE in the ring to the guest */
	uint16_t size;
	struct rig rig;
	struct driver *d;
	struct rig other; /* WAY_FORWARD: it sends */
	struct hf_hop *hop;
	struct hf_packet packet;
	uint8_t *pages; /* with guard pages around */
	/* The chain that was put last. */
	uint16_t head;
	uint32_t head_nr; /* packed: in d->heads */
	struct piece pieces[512];
	uint32_t nr_pieces;
	int fds, maps; /* at the base line */
};

/* What has to become of a case, beside a counter's number. */
#define ALIVE_DELIVERED HF_COUNTER_GOOD_PACKETS
#define ALIVE_ANYTHING	HF_NR_COUNTERS

enum { FROM = 1, TO = 2, SPLIT = 4, PACK = 8, BOTH = FROM | TO, ANY = SPLIT | PACK };

struct hostile {
	const char *what;
	void (*post)(struct alive *a, const uint64_t *in);
	enum hf_counter outcome;
	uint32_t where;	   /* FROM … PACK */
	uint64_t features; /* beside VERSION_1 and the ring's kind */
	uint64_t in[4];
	uint16_t size;	/* 0: 16, packed 15 */
	uint32_t times; /* so many chains; 0: one */
};

#define ALIVE_RUN(cases) alive_run(cases, sizeof(cases) / sizeof((cases)[0]))

/* Each case over each ring and way that it is for. */
void alive_run(const struct hostile *cases, size_t n);
/* The same for cases that are no table: `test` makes its own sentences true. */
void alive_each(uint32_t where, uint64_t features, uint16_t size, void (*test)(struct alive *a));

void alive_open(struct alive *a, enum way way, const struct rig_shape *shape);
void alive_close(struct alive *a);
const char *alive_name(const struct alive *a);

/* A page of the guest's memory, the `i`th. */
uint64_t alive_slot(const struct alive *a, uint32_t i);
uint32_t alive_header(const struct alive *a);
/* What every good packet has at `at`. Of period 30, no group address. */
uint8_t alive_byte(uint32_t at);
/* FROM: write a header of zeros and the good frame at `gpa`. */
void alive_write(struct alive *a, uint64_t gpa);
/* Header and frame (or room for it) cut into pieces of `step` bytes, `n` at least, each in a slot
 * of its own; the last has the rest. */
uint32_t alive_cut(struct alive *a, struct piece *pieces, uint32_t n, uint32_t step);

/* A chain, as driver_put and driver_put_indirect. */
void alive_put(struct alive *a, const struct piece *pieces, uint32_t n);
void alive_table(struct alive *a, uint64_t table, const struct piece *pieces, uint32_t n);
/* Its descriptor `i` otherwise. `next` counts for split rings only; so does its flag in a table. */
void alive_spoil(struct alive *a, uint32_t i, uint64_t addr, uint32_t len, uint16_t flags,
		 uint16_t next);
/* The same of a table's entry. */
void alive_entry(struct alive *a, uint64_t table, uint32_t i, uint64_t addr, uint32_t len,
		 uint16_t flags, uint16_t next);
/* A chain of one descriptor as it is. */
void alive_one(struct alive *a, uint64_t addr, uint32_t len, uint16_t flags);
/* `n` pieces of `len` bytes, each in a slot of its own; a chain of them. */
void alive_fill(const struct alive *a, struct piece *pieces, uint32_t n, uint32_t len);
void alive_chain_of(struct alive *a, uint32_t n, uint32_t len);
/* A table of `n` entries in slot ALIVE_TABLE, empty but the last, which has `last` bytes. */
void alive_table_of(struct alive *a, uint32_t n, uint32_t last);
/* A chain that nothing is wrong with. */
void alive_good(struct alive *a);

/* One packet's burst; how many came. */
uint16_t alive_move(struct alive *a);
/* All refusals that were counted. */
uint64_t alive_refusals(const struct alive *a);

/* The verdicts, each with ALIVE at its end. */
void alive_delivered(struct alive *a);
void alive_dropped(struct alive *a, enum hf_counter reason, uint32_t times);
void alive_broken(struct alive *a, enum hf_counter reason);
void alive_anything(struct alive *a);
/* What is true of all. */
void alive_check(struct alive *a);

/* By counter: how often it was met since the start. */
extern uint64_t alive_met[HF_NR_COUNTERS];

#endif
