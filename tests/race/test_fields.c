/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that changes one field, between a good and a bad value, as fast as it can, while bursts
 * run: dequeue, peek, enqueue and forward.
 *
 * The same chains are run again and again, two groups at least of what a look by vectors takes at
 * once; one of the last group has the field. What comes of the good value, and of the bad one, is
 * found out first, with nobody racing. From then on each burst must end in the one or in the other,
 * with packets, metadata, counters, position and all: a field that was read twice shows as
 * something in between. How often either was seen is counted, and it goes on until both were seen
 * often. Without HF_TEST_LONG once is enough when a race has had its share of the processor, and
 * the few that have had ten are ended, and run again. One that saw one value only is said, and of
 * each sentence most must have seen both.
 *
 * The guest writes through a mapping of its own, as guests do, so the thread sanitizer sees the
 * library's threads only.
 */
#include <holdfast/burst.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "alive.h"
#include "check.h"
#include "clock.h"
#include "net.h"

#define BURST	   16u
#define RACED	   9u  /* the chain */
#define OTHER	   17u /* slot */
#define TABLE	   20u
#define OFTEN	   33u	       /* at each level; HF_TEST_LONG: a thousand times that */
#define MOST	   200000000ul /* bursts, before it is given up */
#define SHARE_NS   (25 * NS_PER_MS)
#define TRIES	   3
#define FRAME	   60u
#define NOWHERE	   (1ull << 50)
#define CSUM	   HF_FEATURE(VIRTIO_NET_F_CSUM)
#define TSO4	   HF_FEATURE(VIRTIO_NET_F_HOST_TSO4)
#define NEXT	   DRIVER_NEXT
#define NEEDS_CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM

static struct alive a;
static uint8_t data[BURST][2048];
static struct hf_packet packets[BURST], *pointers[BURST];
static uint64_t heads[BURST];  /* packed: where each chain's first descriptor is … */
static uint64_t states[BURST]; /* … and its second half, as the guest wrote it */
static uint16_t base;

static struct field {
	uint64_t gpa;
	uint32_t bytes;
	uint64_t good, bad;
} field;

static atomic_bool over;

static void set(uint64_t value)
{
	void *at = guest_at(&a.rig.guest, field.gpa);

	if (field.bytes == 1)
		__atomic_store_n((uint8_t *)at, (uint8_t)value, __ATOMIC_RELAXED);
	else if (field.bytes == 2)
		__atomic_store_n((uint16_t *)at, (uint16_t)value, __ATOMIC_RELAXED);
	else if (field.bytes == 4)
		__atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELAXED);
	else
		__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELAXED);
}

static uint64_t get(void)
{
	const void *at = guest_at(&a.rig.guest, field.gpa);

	if (field.bytes == 1)
		return __atomic_load_n((const uint8_t *)at, __ATOMIC_RELAXED);
	if (field.bytes == 2)
		return __atomic_load_n((const uint16_t *)at, __ATOMIC_RELAXED);
	if (field.bytes == 4)
		return __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED);
	return __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
}

static void *flip(void *unused)
{
	(void)unused;
	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		set(field.bad);
		set(field.good);
	}
	return NULL;
}

/* ---- the chains */

static uint64_t slot(uint32_t i)
{
	return alive_slot(&a, i);
}

static uint32_t room(void)
{
	return a.to ? 200 : 12 + FRAME;
}

/* A header of zeros and a frame that is unlike those of other slots. */
static void write_frame(uint32_t i)
{
	uint8_t bytes[12 + FRAME] = {0};

	memset(bytes + 12, (int)(2 * i + 2), FRAME);
	if (!a.to)
		guest_write(&a.rig.guest, slot(i), bytes, sizeof(bytes));
	else
		guest_declare(&a.rig.guest, slot(i), room(), true);
}

static void post_simple(uint32_t i)
{
	struct piece piece = {slot(i), room(), a.writable};

	write_frame(i);
	alive_put(&a, &piece, 1);
}

/* Where field `offset` of the last chain's descriptor `i` is. */
static uint64_t desc_field(uint32_t i, uint32_t offset)
{
	if (!a.d->packed)
		return a.d->desc + 16ull * ((a.head + i) % a.size) + offset;
	return a.d->desc + offset + 16ull * (driver_after(a.d, a.d->head_of[a.head], i) & 0x7fff);
}

/* Of the last chain's descriptor `i`. */
static void race_addr(uint32_t i, uint64_t good, uint64_t bad)
{
	field = (struct field){desc_field(i, 0), 8, good, bad};
}

static void race_len(uint32_t i, uint32_t good, uint32_t bad)
{
	field = (struct field){desc_field(i, 8), 4, good, bad};
}

static void race_flags(uint32_t i, uint16_t good, uint16_t bad)
{
	uint16_t mine = 0;

	if (a.d->packed)
		mine = driver_available(driver_after(a.d, a.d->head_of[a.head], i));
	field = (struct field){desc_field(i, a.d->packed ? 14 : 12), 2, good | mine, bad | mine};
}

static void addr_hole(void)
{
	post_simple(RACED);
	race_addr(0, slot(RACED), NOWHERE);
}

static void addr_other(void)
{
	write_frame(OTHER);
	post_simple(RACED);
	race_addr(0, slot(RACED), slot(OTHER));
}

static void len_enormous(void)
{
	post_simple(RACED);
	race_len(0, a.to ? 72 : 60, 0xffffffff);
	if (a.to) /* then it is an address beyond the end, or none */
		race_len(0, 200, 0);
}

static void flags_direction(void)
{
	post_simple(RACED);
	race_flags(0, a.writable, a.writable ^ DRIVER_WRITE);
}

static void flags_indirect(void)
{
	post_simple(RACED);
	race_flags(0, a.writable, a.writable | DRIVER_INDIRECT);
}

/* A chain of two, or its first descriptor alone. */
static void post_two(void)
{
	struct piece pieces[] = {{slot(RACED), 40, a.writable}, {slot(OTHER), 200, a.writable}};

	write_frame(RACED);
	write_frame(OTHER);
	alive_put(&a, pieces, 2);
}

static void flags_next(void)
{
	post_two();
	race_flags(0, a.writable | NEXT, a.writable);
}

static void second_addr(void)
{
	post_two();
	race_addr(1, slot(OTHER), NOWHERE);
}

static void second_len(void)
{
	post_two();
	race_len(1, 60, a.to ? 0 : 0xffffffff);
}

static void second_direction(void)
{
	post_two();
	race_flags(1, a.writable, a.writable ^ DRIVER_WRITE);
}

static void next_out_of_range(void)
{
	post_two();
	field = (struct field){desc_field(0, 14), 2, (a.head + 1u) % a.size, a.size};
}

/* Its first descriptor is empty, so how often it is passed does not show. */
static void next_loop(void)
{
	struct piece pieces[] = {{slot(OTHER), 0, a.writable}, {slot(RACED), room(), a.writable}};

	write_frame(RACED);
	alive_put(&a, pieces, 2);
	field = (struct field){desc_field(0, 14), 2, (a.head + 1u) % a.size, a.head};
}

/* Of a packed ring: what is behind may not be there. */
static void second_available(void)
{
	post_two();
	race_flags(1, a.writable, a.writable);
	field.bad = field.good ^ 0x8080; /* as if used */
}

/* As if it was of the next lap. */
static void first_available(void)
{
	post_simple(RACED);
	race_flags(0, a.writable, a.writable);
	field.bad = field.good ^ 0x8080;
}

static void any_id(void)
{
	post_simple(RACED);
	field = (struct field){desc_field(0, 12), 2, a.head, 0xffff};
}

static void post_table(void)
{
	struct piece pieces[] = {{slot(RACED), 40, a.writable},
				 {slot(RACED) + 40, 100, a.writable},
				 {slot(OTHER), 100, a.writable}};

	write_frame(RACED);
	write_frame(OTHER);
	alive_table(&a, slot(TABLE), pieces, 3);
}

static void table_len(void)
{
	post_table();
	race_len(0, 48, 40);
}

/* Shorter: a split table's entry then names one that is none. */
static void table_shorter(void)
{
	post_table();
	race_len(0, 48, 16);
}

static void table_addr(void)
{
	post_table();
	race_addr(0, slot(TABLE), NOWHERE);
}

static void entry_addr(void)
{
	post_table();
	field = (struct field){slot(TABLE) + 16, 8, slot(RACED) + 40, NOWHERE};
}

static void entry_len(void)
{
	post_table();
	field = (struct field){slot(TABLE) + 16 + 8, 4, 100, a.to ? 0 : 0xffffffff};
}

/*
 * All that a packed descriptor says but its address: a frame, or a table at the same place. The
 * table's first entry is empty and all zeros, the header of the frame.
 */
static void simple_or_table(void)
{
	struct piece pieces[] = {{0, 0, 0}, {slot(RACED), room(), 0}, {slot(OTHER), 100, 0}};
	uint64_t mine = driver_available(a.d->put_idx);

	write_frame(RACED);
	write_frame(OTHER);
	alive_table(&a, slot(TABLE), pieces, 3);
	field = (struct field){desc_field(0, 8), 8, mine << 48 | (uint64_t)a.head << 32 | room(),
			       (mine | DRIVER_INDIRECT) << 48 | 0xffffull << 32 | 48};
}

/* ---- heads and indices */

static uint64_t avail_entry(void)
{
	return a.d->avail + 4 + 2ull * ((uint16_t)(base + RACED) % a.size);
}

static void head_other(void)
{
	post_simple(RACED);
	field = (struct field){avail_entry(), 2, a.head, a.head - 1u};
}

static void head_out_of_range(void)
{
	post_simple(RACED);
	field = (struct field){avail_entry(), 2, a.head, a.size};
}

static void index_jumps(void)
{
	post_simple(RACED);
	field = (struct field){a.d->avail + 2, 2, (uint16_t)(base + BURST),
			       (uint16_t)(base + BURST + a.size + 1)};
}

/* Either is legal, and either is all that may be seen: with the halves of both a burst would see
 * 0x0000 or 0x01ff, which break the ring. A burst towards the guest that runs out of buffers looks
 * again, and an index that goes back in between does break it. */
static void index_of_two_bytes(void)
{
	post_simple(RACED);
	field = (struct field){a.d->avail + 2, 2, 0x0100, 0x00ff};
}

/* ---- the header */

static void post_header(uint8_t flags, uint8_t type)
{
	static uint8_t bytes[12 + 2000];
	struct net_shape shape = {.ip = 4, .proto = IPPROTO_TCP, .payload = 500, .partial = true};
	struct hf_offload o;
	struct piece piece = {slot(RACED), 0, 0};

	memset(bytes, 0, sizeof(bytes));
	piece.len = 12 + net_build(bytes + 12, &shape, &o);
	o.flags = flags;
	o.gso_type = type;
	o.gso_size = 100;
	memcpy(bytes, &o, sizeof(o));
	guest_write(&a.rig.guest, piece.gpa, bytes, piece.len);
	alive_put(&a, &piece, 1);
}

static void csum_start(void)
{
	post_header(NEEDS_CSUM, 0);
	field = (struct field){slot(RACED) + 6, 2, 14, 65535};
}

static void csum_offset(void)
{
	post_header(NEEDS_CSUM, 0);
	field = (struct field){slot(RACED) + 8, 2, 16, 65535};
}

static void csum_flag(void)
{
	post_header(NEEDS_CSUM, 0);
	field = (struct field){slot(RACED), 1, NEEDS_CSUM, 0};
}

static void gso_type(void)
{
	post_header(NEEDS_CSUM, 1);
	field = (struct field){slot(RACED) + 1, 1, 1, 0x42};
}

static void gso_size(void)
{
	post_header(NEEDS_CSUM, 1);
	field = (struct field){slot(RACED) + 4, 2, 100, 0};
}

static void hdr_len(void)
{
	post_header(NEEDS_CSUM, 1);
	field = (struct field){slot(RACED) + 2, 2, 54, 65535};
}

/* ---- bursts */

/* What came of a burst, all of it. */
struct outcome {
	uint16_t moved, position, broken;
	uint32_t total[BURST];
	struct hf_offload offload[BURST];
	uint64_t bytes;
	uint64_t refused[HF_NR_COUNTERS];
};

static uint64_t sum_of(uint64_t sum, const uint8_t *bytes, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3ull;
	return sum;
}

/* Is the field in a word that we write over? Then somebody has to restore it. */
static bool is_overwritten(void)
{
	return a.d->packed && field.gpa - (heads[RACED] + 8) < 8;
}

static void restore_ring(uint64_t value)
{
	for (uint32_t i = 0; a.d->packed && i < BURST; i++) {
		uint64_t state = states[i];

		if (i == RACED && is_overwritten())
			memcpy((uint8_t *)&state + (field.gpa - heads[i] - 8), &value, field.bytes);
		__atomic_store_n((uint64_t *)(void *)guest_at(&a.rig.guest, heads[i] + 8), state,
				 __ATOMIC_RELAXED);
	}
	a.rig.lanes[a.queue] = (struct hf_lane_vring){.avail = base, .used = base};
	hf_vring_grant(a.rig.device->vrings[a.queue], RIG_GRANT, base, 0);
}

static const uint8_t places[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, RACED, 10, 11, 12, 13, 14, 15, OTHER};

static uint16_t give(void)
{
	uint16_t got, n;

	for (uint32_t i = 0; i < ARRAY_SIZE(places); i++)
		memset(guest_at(&a.rig.guest, slot(places[i])), 0, 200);
	for (uint32_t i = 0; i < BURST; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .len = FRAME, .total = FRAME};
		memset(data[i], (int)(0x40 + 2 * i), FRAME);
	}
	if (a.way == WAY_ENQUEUE)
		return hf_enqueue_burst(a.rig.device, 0, pointers, BURST);
	for (uint32_t i = 0; i < BURST; i++) {
		struct piece piece = {a.other.buffers + 4096ull * i, 12 + FRAME, 0};

		memset(guest_at(&a.other.guest, piece.gpa), 0, 12);
		memcpy(guest_at(&a.other.guest, piece.gpa + 12), data[i], FRAME);
		packets[i].room = sizeof(data[i]);
		if (driver_put(&a.other.tx, &piece, 1) < 0)
			return UINT16_MAX;
	}
	driver_publish(&a.other.tx);
	got = hf_hop_peek(a.hop, a.other.device, 1, pointers, BURST, 20);
	n = hf_hop_forward(a.hop, a.rig.device, 0, pointers, got);
	hf_hop_complete(a.hop, got);
	return driver_consume_all(&a.other.tx) == BURST ? n : UINT16_MAX;
}

static uint16_t take(void)
{
	uint16_t n;

	for (uint32_t i = 0; i < BURST; i++)
		packets[i] = (struct hf_packet){.data = data[i], .room = sizeof(data[i])};
	if (a.way == WAY_DEQUEUE)
		return hf_dequeue_burst(a.rig.device, 1, pointers, BURST);
	n = hf_hop_peek(a.hop, a.rig.device, 1, pointers, BURST, 20);
	hf_hop_copy(a.hop, pointers, n);
	hf_hop_complete(a.hop, n);
	return n;
}

/* `value`: of the field, where it has to be restored. */
static struct outcome burst(uint64_t value)
{
	struct outcome o;

	memset(&o, 0, sizeof(o));
	restore_ring(value);
	o.moved = a.to ? give() : take();
	o.position = a.rig.lanes[a.queue].used;
	o.broken = a.rig.lanes[a.queue].broken;
	for (uint32_t i = 0; !a.to && i < o.moved; i++) {
		o.total[i] = packets[i].total;
		o.offload[i] = packets[i].offload;
		o.bytes = sum_of(o.bytes, data[i], packets[i].len);
	}
	for (uint32_t i = 0; a.to && i < ARRAY_SIZE(places); i++)
		o.bytes = sum_of(o.bytes, guest_at(&a.rig.guest, slot(places[i])), 200);
	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++)
		if (!strncmp(hf_shm_counter_name(i), "drop_", 5) ||
		    !strncmp(hf_shm_counter_name(i), "break_", 6))
			o.refused[i] = rig_counter(&a.rig, a.queue, (enum hf_counter)i);
	return o;
}

/* Did it come back with an id that is not `value`'s? Unless the guest wrote over it meanwhile. */
static bool is_another_id(uint64_t value)
{
	uint64_t word;

	if (!a.d->packed || field.bytes != 8 || !is_overwritten())
		return false;
	word = __atomic_load_n((uint64_t *)(void *)guest_at(&a.rig.guest, field.gpa),
			       __ATOMIC_RELAXED);
	return word != field.good && word != field.bad && (uint16_t)((word ^ value) >> 32);
}

static bool same(const struct outcome *x, const struct outcome *y)
{
	return !memcmp(x, y, sizeof(*x));
}

/* ---- the races */

struct race {
	const char *what;
	void (*post)(void);
	uint32_t where;
	uint64_t features;
	bool alike; /* no difference is to be seen: an id that only comes back */
	uint16_t size, base;
	uint32_t longer; /* so many times as often; 0: once */
	uint32_t least;	 /* bursts: what goes wrong between two loads is seldom seen */
};

static void post_all(const struct race *r)
{
	for (uint32_t i = 0; i < BURST; i++) {
		if (i == RACED)
			r->post();
		else
			post_simple(i);
		if (a.d->packed)
			heads[i] = desc_field(0, 0);
	}
	driver_publish(a.d);
	guest_declare(&a.rig.guest, field.gpa, field.bytes, true);
	set(field.good);
	for (uint32_t i = 0; a.d->packed && i < BURST; i++)
		memcpy(&states[i], guest_at(&a.rig.guest, heads[i] + 8), 8);
}

static unsigned long flips[2]; /* seen of all races: good, bad */

/* Both threads'. */
static uint64_t processor_ns(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * NS_PER_S + (uint64_t)spent.tv_nsec;
}

/* Until both were seen often. Of a field that we restore ourselves only what differs from that
 * counts: it changed in the burst. Of one that makes no difference, what it is behind the burst.
 * False: no more than one was seen. */
static bool race(const struct race *r, const struct outcome *good, const struct outcome *bad)
{
	unsigned long seen[2] = {0}, between = 0, often = is_overwritten() ? 1 : OFTEN;
	const bool is_long = suite_is_long();
	const uint64_t begin = processor_ns();
	pthread_t thread;

	often *= r->longer ? r->longer : 1;
	if (is_long)
		often *= 1000;
	atomic_store(&over, false);
	REQUIRE(pthread_create(&thread, NULL, flip, NULL) == 0);
	for (unsigned long n = 0; n < MOST && (n < r->least || seen[0] < often || seen[1] < often);
	     n++) {
		struct outcome now = burst(n % 2 ? field.bad : field.good);
		bool is_good = same(&now, good), is_bad = same(&now, bad);

		between += (!is_good && !is_bad) || is_another_id(is_good ? field.good : field.bad);
		is_good = is_good && (!r->alike || get() == field.good);
		is_bad = is_bad && (!r->alike || get() == field.bad);
		seen[0] += is_good && (!is_overwritten() || n % 2);
		seen[1] += is_bad && (!is_overwritten() || n % 2 == 0);
		if (n % 64 != 63)
			continue;
		sched_yield(); /* on one processor, too */
		if (!is_long && n >= r->least && processor_ns() - begin > SHARE_NS)
			often = processor_ns() - begin < 10 * SHARE_NS;
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	CHECK_EQ(between, 0);
	CHECK(seen[0] >= often);
	CHECK(seen[1] >= often);
	flips[0] += seen[0];
	flips[1] += seen[1];
	return seen[0] && seen[1];
}

static bool run_race(const struct race *r, enum way way, bool packed)
{
	unsigned int before = CU_get_number_of_failure_records();
	struct rig_shape shape = {.features = V1 | r->features | (packed ? PACKED : 0),
				  .size = r->size  ? r->size
					  : packed ? 31
						   : 32,
				  .base = r->base,
				  .memory = 256u << 10};
	struct outcome good, bad;
	bool shown;

	alive_open(&a, way, &shape);
	base = a.d->used_seen;
	for (uint32_t i = 0; i < BURST; i++)
		pointers[i] = &packets[i];
	for (uint32_t i = 0; a.to && i < ARRAY_SIZE(places); i++)
		guest_declare(&a.rig.guest, slot(places[i]), 200, true);
	post_all(r);
	good = burst(field.good);
	set(field.bad);
	bad = burst(field.bad);
	CHECK(same(&good, &bad) == r->alike);
	set(field.good);
	shown = race(r, &good, &bad);
	CHECK_EQ(guest_strays(&a.rig.guest), 0);
	a.d->breaches = 0;
	if (CU_get_number_of_failure_records() != before)
		printf("    in race %s, %s\n", r->what, alive_name(&a));
	alive_close(&a);
	return shown;
}

/* One that was none is run again: on a busy machine the racer may have had no processor in time. */
static bool show(const struct race *r, enum way way, bool packed)
{
	for (int tries = 0; tries < TRIES; tries++)
		if (run_race(r, way, packed))
			return true;
	printf("\n    no race: %s, way %d, %s", r->what, way, packed ? "packed" : "split");
	return false;
}

static void run_races(const struct race *races, size_t n)
{
	unsigned int shown = 0, all = 0;

	flips[0] = flips[1] = 0;
	for (size_t i = 0; i < n; i++)
		for (enum way way = 0; way < NR_WAYS; way++)
			for (int packed = 0; packed < 2; packed++)
				if ((races[i].where & (way >= WAY_ENQUEUE ? TO : FROM)) &&
				    (races[i].where & (packed ? PACK : SPLIT))) {
					all++;
					shown += show(&races[i], way, packed);
				}
	CHECK(2 * shown > all);
	printf("\n    %u races, good seen %lu times, bad %lu times ... ", all, flips[0], flips[1]);
}

static void a_descriptor_that_changes_is_seen_as_one_or_the_other(void)
{
	static const struct race races[] = {
		{"addr, hole", addr_hole, BOTH | ANY, MRG},
		{"addr, another buffer", addr_other, BOTH | ANY, MRG},
		{"len", len_enormous, BOTH | ANY, MRG},
		{"flags, direction", flags_direction, BOTH | ANY, MRG},
		{"flags, indirect", flags_indirect, BOTH | ANY, MRG | INDIRECT},
		{"flags, len and id", simple_or_table, FROM | PACK, MRG | INDIRECT, .least = 10000},
		{"flags, next", flags_next, BOTH | SPLIT, MRG},
		{"addr of the second", second_addr, BOTH | ANY, MRG},
		{"len of the second", second_len, FROM | ANY, MRG},
		{"flags of the second", second_direction, BOTH | ANY, MRG},
		{"next, out of range", next_out_of_range, BOTH | SPLIT, MRG},
		{"next, itself", next_loop, BOTH | SPLIT, MRG},
		{"id", any_id, BOTH | PACK, MRG, true},
	};
	run_races(races, ARRAY_SIZE(races));
}

static void a_table_that_changes_is_seen_as_one_or_the_other(void)
{
	static const struct race races[] = {
		{"indirect len", table_len, BOTH | ANY, MRG | INDIRECT},
		{"indirect len, shorter", table_shorter, BOTH | ANY, MRG | INDIRECT},
		{"indirect addr", table_addr, BOTH | ANY, MRG | INDIRECT},
		{"addr of an entry", entry_addr, BOTH | ANY, MRG | INDIRECT},
		{"len of an entry", entry_len, BOTH | ANY, MRG | INDIRECT},
	};
	run_races(races, ARRAY_SIZE(races));
}

static void an_available_ring_that_changes_is_seen_as_one_or_the_other(void)
{
	static const struct race races[] = {
		{"head, another", head_other, BOTH | SPLIT, MRG},
		{"head, out of range", head_out_of_range, BOTH | SPLIT, MRG},
		{"index, too far", index_jumps, BOTH | SPLIT, MRG},
	};
	run_races(races, ARRAY_SIZE(races));
}

static void both_bytes_of_an_index_are_read_at_once(void)
{
	static const struct race races[] = {
		{"0x00ff <-> 0x0100", index_of_two_bytes, FROM | SPLIT, MRG, false, 256, 0xfc, 100},
	};
	run_races(races, ARRAY_SIZE(races));
}

static void bits_of_a_packed_ring_that_change_are_seen_as_one_or_the_other(void)
{
	static const struct race races[] = {
		{"available", first_available, BOTH | PACK, MRG},
		{"available, in a chain", second_available, BOTH | PACK, MRG},
		{"available, in the second lap", first_available, BOTH | PACK, MRG, false, 31, 31},
	};
	run_races(races, ARRAY_SIZE(races));
}

static void a_header_that_changes_is_seen_as_one_or_the_other(void)
{
	static const struct race races[] = {
		{"csum_start", csum_start, FROM | ANY, CSUM | TSO4},
		{"csum_offset", csum_offset, FROM | ANY, CSUM | TSO4},
		{"flags", csum_flag, FROM | ANY, CSUM | TSO4},
		{"gso_type", gso_type, FROM | ANY, CSUM | TSO4},
		{"gso_size", gso_size, FROM | ANY, CSUM | TSO4},
		{"hdr_len", hdr_len, FROM | ANY, CSUM | TSO4},
	};
	run_races(races, ARRAY_SIZE(races));
}

static const struct sentence sentences[] = {
	CATALOGUE(a_descriptor_that_changes_is_seen_as_one_or_the_other, "[31] [R-7]"),
	CATALOGUE(a_table_that_changes_is_seen_as_one_or_the_other, "[31] [R-7]"),
	CATALOGUE(an_available_ring_that_changes_is_seen_as_one_or_the_other, "[31] [R-7]"),
	CATALOGUE(both_bytes_of_an_index_are_read_at_once, "[8]"),
	CATALOGUE(bits_of_a_packed_ring_that_change_are_seen_as_one_or_the_other, "[31] [P-1]"),
	CATALOGUE(a_header_that_changes_is_seen_as_one_or_the_other, "[30] [41]"),
};
SUITE("field race", sentences)
