/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every small ring: each descriptor of rings of up to four is each of a set of edge cases, in every
 * combination; every two that are odd among eight; and every small memory table, with every range
 * that is worth asking for. The library, by its general path and by the best level of instructions
 * (two among eight: by each level), against the reference: packets, metadata, counters, and the
 * memories byte by byte, used entries among them.
 *
 * HF_TEST_LONG=1 runs them all. Without, large sets are taken in steps, so that seconds are enough;
 * small ones are whole.
 */
#include <holdfast/burst.h>
#include <holdfast/hop.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "check.h"
#include "levels.h"
#include "reference.h"
#include "rig.h"
#include "suite.h"

#define BURST	 8u /* as many as the widest look takes at once */
#define ROOM	 100u
#define GPA	 0x10000ull
#define FROM_GPA (GPA + 0x1000) /* rings, then a page of buffers */
#define BYTES	 0x2000u
#define MEMORY	 (16u << 10)
#define ENOUGH	 40000ul /* rings of one set, without HF_TEST_LONG */
#define WRONG	 10u

static struct rig rig;
static struct hf_hop *hop;
static uint8_t image[MEMORY];
static uint8_t frozen[MEMORY];
static uint8_t ours[BURST][ROOM], theirs[BURST][ROOM];
static struct hf_packet packets[BURST], *pointers[BURST];
static struct reference_packet expected[BURST];
static unsigned long rings, wrong;
static bool met[HF_NR_COUNTERS];

/* ---- one ring, each way */

static struct reference freeze(const struct driver *d)
{
	memcpy(image + 0x1000, frozen + 0x1000, BYTES);
	return rig_reference(&rig, d, image);
}

static void thaw(uint16_t queue, const struct driver *d, const struct hf_run_ops *run)
{
	memcpy(guest_at(&rig.guest, FROM_GPA), frozen + 0x1000, BYTES);
	rig.lanes[queue] = (struct hf_lane_vring){.avail = d->used_seen, .used = d->used_seen};
	if (run)
		rig.device->vrings[queue]->run = run;
	hf_vring_grant(rig.device->vrings[queue], RIG_GRANT, d->used_seen, 0);
}

static bool same_result(const struct reference *r, uint16_t queue, const struct driver *d)
{
	uint64_t kicks[] = {d->used, d->packed ? d->used + 2 : d->used + 4 + 8ull * d->size};

	/* How to suppress kicks is the back-end's own affair. */
	for (size_t i = 0; i < ARRAY_SIZE(kicks); i++)
		memcpy(guest_at(&rig.guest, kicks[i]), image + (kicks[i] - GPA), 2);
	for (unsigned int i = HF_COUNTER_NO_GUEST_BUFFER; i < HF_NR_COUNTERS; i++) {
		met[i] |= r->counters[i] != 0;
		if (r->counters[i] != rig_counter(&rig, queue, (enum hf_counter)i))
			return false;
	}
	return r->counters[HF_COUNTER_GOOD_PACKETS] ==
		       rig_counter(&rig, queue, HF_COUNTER_GOOD_PACKETS) &&
	       !memcmp(image + 0x1000, guest_at(&rig.guest, FROM_GPA), BYTES);
}

static uint16_t take(bool by_hop)
{
	uint16_t n;

	for (uint32_t i = 0; i < BURST; i++) {
		packets[i] = (struct hf_packet){.data = ours[i], .room = ROOM};
		pointers[i] = &packets[i];
	}
	if (!by_hop)
		return hf_dequeue_burst(rig.device, 1, pointers, BURST);
	n = hf_hop_peek(hop, rig.device, 1, pointers, BURST, 14);
	hf_hop_copy(hop, pointers, n);
	hf_hop_complete(hop, n);
	return n;
}

static bool same_taking(const struct hf_run_ops *run)
{
	for (int by_hop = 0; by_hop < 2; by_hop++) {
		struct reference r = freeze(&rig.tx);
		uint16_t must, got;

		for (uint32_t i = 0; i < BURST; i++)
			expected[i] = (struct reference_packet){.bytes = theirs[i], .room = ROOM};
		must = reference_dequeue(&r, expected, BURST);
		thaw(1, &rig.tx, run);
		got = take(by_hop);
		if (got != must || !same_result(&r, 1, &rig.tx))
			return false;
		for (uint32_t i = 0; i < got; i++)
			if (packets[i].total != expected[i].len ||
			    memcmp(ours[i], theirs[i], expected[i].len) != 0)
				return false;
	}
	return true;
}

static bool same_giving(const struct hf_run_ops *run)
{
	struct reference r = freeze(&rig.rx);
	uint16_t must, got;

	for (uint32_t i = 0; i < BURST; i++) {
		memset(ours[i], (int)(0x20 + 2 * i), ROOM);
		packets[i] = (struct hf_packet){.data = ours[i], .len = 8 + 10 * (i % 2)};
		packets[i].total = packets[i].len;
		pointers[i] = &packets[i];
		expected[i] = (struct reference_packet){.bytes = ours[i], .len = packets[i].total};
	}
	must = reference_enqueue(&r, expected, BURST);
	if (r.ambiguous)
		return true;
	thaw(0, &rig.rx, run);
	got = hf_enqueue_burst(rig.device, 0, pointers, BURST);
	return got == must && same_result(&r, 0, &rig.rx);
}

static const struct hf_run_ops *levels[LEVELS_MOST];
static uint32_t nr_levels;

static void choose_levels(bool each)
{
	nr_levels = levels_find(levels);
	if (each)
		return;
	levels[1] = hf_run_choose();
	nr_levels = 2;
}

static void print_ring(const struct driver *d)
{
	for (uint32_t i = 0; i < d->size; i++) {
		struct vring_desc desc;

		memcpy(&desc, frozen + (d->desc + 16ull * i - GPA), sizeof(desc));
		printf("    %u: addr %#llx, len %u, flags %#x, next %#x\n", i,
		       (unsigned long long)desc.addr, desc.len, desc.flags, desc.next);
	}
}

/* Both rings are there, in the guest's memory. */
static void check_ring(void)
{
	rings++;
	memcpy(frozen + 0x1000, guest_at(&rig.guest, FROM_GPA), BYTES);
	for (uint32_t i = 0; i < nr_levels; i++) {
		bool taking = same_taking(levels[i]), giving = same_giving(levels[i]);

		if (taking && giving)
			continue;
		if (wrong++ < 3) {
			printf("    %s differs at level %s, ring of %u, features %#llx:\n",
			       taking ? "giving" : "taking", levels[i]->name, rig.rx.size,
			       (unsigned long long)rig.features);
			print_ring(taking ? &rig.rx : &rig.tx);
		}
	}
	/* The next one starts from what the guest left. */
	memcpy(guest_at(&rig.guest, FROM_GPA), frozen + 0x1000, BYTES);
}

static void open_ring(uint64_t features, uint16_t size, uint16_t moved)
{
	struct rig_shape shape = {
		.features = features, .size = size, .base = moved, .memory = MEMORY, .gpa = GPA};

	REQUIRE(rig_create(&rig, &shape));
	REQUIRE(rig.buffers + 0x1000 <= FROM_GPA + BYTES);
	hop = hf_hop_create();
	REQUIRE(hop != NULL);
	memset(guest_at(&rig.guest, rig.buffers), 0, 0x1000);
}

static void close_ring(void)
{
	hf_hop_destroy(hop);
	rig_destroy(&rig);
}

/* ---- what a descriptor may be */

struct kind {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
	bool hidden; /* packed: not available */
};

static struct kind kinds[256];
static uint32_t nr_kinds;

static void add_kind(uint64_t addr, uint32_t len, uint16_t flags, uint16_t next, bool hidden)
{
	REQUIRE(nr_kinds < ARRAY_SIZE(kinds));
	kinds[nr_kinds++] = (struct kind){addr, len, flags, next, hidden};
}

static uint64_t place(uint32_t i)
{
	return rig.buffers + 256ull * i;
}

static void write_entry(uint64_t table, uint32_t i, uint64_t addr, uint32_t len, uint16_t flags,
			uint16_t next)
{
	if (rig.rx.packed)
		driver_write_desc(&rig.rx, table, i, addr, len, next, flags);
	else
		driver_write_desc(&rig.rx, table, i, addr, len, flags, next);
}

/* Tables: good, looped, nested, writable. */
static void add_tables(bool hidden)
{
	write_entry(place(8), 0, place(0), 12, VRING_DESC_F_NEXT, 1);
	write_entry(place(8), 1, place(1), 20, 0, 0);
	write_entry(place(9), 0, place(0), 0, VRING_DESC_F_NEXT, 0);
	write_entry(place(10), 0, place(8), 32, VRING_DESC_F_INDIRECT, 0);
	write_entry(place(11), 0, place(0), 40, VRING_DESC_F_WRITE, 0);
	for (uint32_t i = 8; i < 12; i++)
		add_kind(place(i), i == 8 ? 32 : 16, VRING_DESC_F_INDIRECT, 0, hidden);
	add_kind(place(8), 8, VRING_DESC_F_INDIRECT, 0, hidden);
	add_kind(place(8), 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1, hidden);
}

/* A part of a header, a header with a frame, nothing, nowhere: in both directions, last or going
 * on to each place of the ring and beyond. */
static void make_split_kinds(uint16_t size)
{
	const struct {
		uint64_t addr;
		uint32_t len;
	} bodies[] = {{place(0), 8}, {place(1), 30}, {place(2), 0}, {1ull << 50, 8}};

	nr_kinds = 0;
	for (size_t b = 0; b < ARRAY_SIZE(bodies); b++)
		for (uint16_t write = 0; write <= VRING_DESC_F_WRITE; write += VRING_DESC_F_WRITE) {
			add_kind(bodies[b].addr, bodies[b].len, write, 0, false);
			for (uint16_t next = 0; next <= size; next++)
				add_kind(bodies[b].addr, bodies[b].len, write | VRING_DESC_F_NEXT,
					 next, false);
		}
	add_tables(false);
}

static void make_packed_kinds(void)
{
	const struct {
		uint64_t addr;
		uint32_t len;
	} bodies[] = {{place(0), 8}, {place(1), 30}, {place(2), 0}, {1ull << 50, 8}};

	nr_kinds = 0;
	for (int hidden = 0; hidden < 2; hidden++) {
		for (size_t b = 0; b < ARRAY_SIZE(bodies); b++)
			for (uint16_t flags = 0; flags < 4; flags++)
				add_kind(bodies[b].addr, bodies[b].len, flags, 0, hidden);
		add_tables(hidden);
	}
}

static void write_kind(struct driver *d, uint32_t i, const struct kind *k)
{
	uint16_t at = driver_after(d, d->used_seen, i);
	uint16_t bits = driver_available(at);

	if (d->packed) /* hidden: as it is in the lap that is over, or of the other one */
		driver_write_packed(d, at, k->addr, k->len, (uint16_t)(0x100 + i),
				    k->flags | (!k->hidden ? bits
						: i % 2	   ? bits ^ 0x8080
							   : 0x8080));
	else
		driver_write_desc(d, d->desc, i, k->addr, k->len, k->flags, k->next);
}

static unsigned long step_of(unsigned long all)
{
	if (getenv("HF_TEST_LONG") || all <= ENOUGH)
		return 1;
	return (all / ENOUGH) | 1;
}

/* All rings whose descriptors are kinds. Of a split ring two chains, at 0 and 1. */
static void run_kinds(uint16_t size)
{
	unsigned long all = 1, step;

	for (uint32_t i = 0; i < size; i++)
		all *= nr_kinds;
	step = step_of(all);
	if (!rig.rx.packed) {
		for (uint32_t i = 0; i < min_u64(size, 2); i++) {
			driver_put_head(&rig.rx, (uint16_t)i);
			driver_put_head(&rig.tx, (uint16_t)i);
		}
		driver_publish(&rig.rx);
		driver_publish(&rig.tx);
	}
	for (unsigned long n = 0; n < all && wrong < WRONG; n += step) {
		unsigned long rest = n;

		for (uint32_t i = 0; i < size; i++, rest /= nr_kinds) {
			write_kind(&rig.rx, i, &kinds[rest % nr_kinds]);
			write_kind(&rig.tx, i, &kinds[rest % nr_kinds]);
		}
		check_ring();
	}
}

static void begin(void)
{
	rings = wrong = 0;
	memset(met, 0, sizeof(met));
	choose_levels(false);
}

static void end(const char *what)
{
	printf("\n    %lu %s ... ", rings, what);
	CHECK_EQ(wrong, 0);
	CHECK(rings > 0);
}

static void every_chain_of_a_small_split_ring_is_walked_as_by_the_reference(void)
{
	static const uint64_t features[] = {V1 | INDIRECT, V1 | INDIRECT | MRG, V1};
	static const uint16_t sizes[] = {1, 2, 4};

	begin();
	for (size_t f = 0; f < ARRAY_SIZE(features); f++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			open_ring(features[f], sizes[s], 0);
			make_split_kinds(sizes[s]);
			run_kinds(sizes[s]);
			close_ring();
		}
	end("rings");
	CHECK(met[HF_COUNTER_DROP_BAD_NEXT] && met[HF_COUNTER_DROP_LOOP] &&
	      met[HF_COUNTER_DROP_BAD_INDIRECT] && met[HF_COUNTER_DROP_BAD_DIRECTION] &&
	      met[HF_COUNTER_DROP_SHORT_CHAIN] && met[HF_COUNTER_DROP_BAD_ADDRESS]);
}

static void every_chain_of_a_small_packed_ring_is_walked_as_by_the_reference(void)
{
	static const uint64_t features[] = {V1 | INDIRECT, V1 | INDIRECT | MRG, V1};

	begin();
	for (size_t f = 0; f < ARRAY_SIZE(features); f++)
		for (uint16_t size = 1; size <= 4; size++)
			for (uint16_t lap = 0; lap < 2; lap++) {
				/* In the second lap it begins at the ring's end. */
				open_ring(features[f] | PACKED, size,
					  lap ? (uint16_t)(2 * size - 1) : 0);
				make_packed_kinds();
				run_kinds(size);
				close_ring();
			}
	end("rings");
	CHECK(met[HF_COUNTER_BREAK_BAD_CHAIN] && met[HF_COUNTER_DROP_LOOP] &&
	      met[HF_COUNTER_DROP_BAD_INDIRECT] && met[HF_COUNTER_DROP_BAD_DIRECTION] &&
	      met[HF_COUNTER_DROP_SHORT_CHAIN] && met[HF_COUNTER_DROP_BAD_ADDRESS]);
}

/* ---- two odd ones among eight */

/* Each is a chain of its own; of them `odd` descriptors are not what a run wants. */
static void make_single_kinds(void)
{
	const struct {
		uint64_t addr;
		uint32_t len;
	} bodies[] = {{place(0), 0},	       {place(0), 8},	       {place(0), 12},
		      {place(0), 13},	       {place(0), 60},	       {place(0), 1u << 31},
		      {1ull << 50, 0},	       {1ull << 50, 30},       {GPA - 1, 30},
		      {GPA + MEMORY - 29, 30}, {GPA + MEMORY, 1},      {UINT64_MAX - 7, 30},
		      {1ull << 63, 30},	       {GPA + INT64_MAX, ~0u}, {place(1), 30}};

	nr_kinds = 0;
	for (int hidden = 0; hidden <= rig.rx.packed; hidden++)
		for (size_t b = 0; b < ARRAY_SIZE(bodies); b++)
			for (uint16_t write = 0; write <= VRING_DESC_F_WRITE;
			     write += VRING_DESC_F_WRITE)
				add_kind(bodies[b].addr, bodies[b].len, write, 0, hidden);
}

static void write_good(struct driver *d, uint32_t i)
{
	const uint16_t flags = d == &rig.rx ? VRING_DESC_F_WRITE : 0;
	const struct kind good = {place(2) + 64ull * i, 12 + 18, flags, 0, false};

	write_kind(d, i, &good);
}

static void write_two(struct driver *d, uint32_t first, uint32_t second, unsigned long n)
{
	for (uint32_t i = 0; i < d->size; i++)
		write_good(d, i);
	write_kind(d, second, &kinds[n / nr_kinds]);
	write_kind(d, first, &kinds[n % nr_kinds]);
}

static void run_two_odd(unsigned long step)
{
	for (uint32_t first = 0; first < BURST; first++)
		for (uint32_t second = first; second < BURST; second++)
			for (unsigned long n = 0; n < (unsigned long)nr_kinds * nr_kinds;
			     n += step) {
				write_two(&rig.rx, first, second, n);
				write_two(&rig.tx, first, second, n);
				check_ring();
			}
}

static void open_eight(uint64_t features, uint16_t moved)
{
	open_ring(features, BURST, moved);
	make_single_kinds();
	for (uint16_t i = 0; i < BURST && !rig.rx.packed; i++) {
		driver_put_head(&rig.rx, i);
		driver_put_head(&rig.tx, i);
	}
	driver_publish(&rig.rx);
	driver_publish(&rig.tx);
}

static void any_two_odd_chains_among_eight_are_met_as_by_the_reference(void)
{
	static const uint64_t features[] = {V1, V1 | MRG, V1 | PACKED, V1 | MRG | PACKED};

	begin();
	choose_levels(true);
	for (size_t f = 0; f < ARRAY_SIZE(features); f++)
		for (uint16_t moved = 0; moved <= BURST; moved += BURST) {
			open_eight(features[f], moved);
			run_two_odd(getenv("HF_TEST_LONG") ? 1 : 7);
			close_ring();
		}
	end("rings");
	CHECK(met[HF_COUNTER_DROP_BAD_DIRECTION] && met[HF_COUNTER_DROP_SHORT_CHAIN] &&
	      met[HF_COUNTER_DROP_BAD_ADDRESS] && met[HF_COUNTER_DROP_TOO_BIG]);
}

/* ---- what is made available, and what comes back */

/* Descriptors that are each a chain of its own, good or too small. */
static void write_chains(struct driver *d, uint32_t small)
{
	uint16_t flags = d == &rig.rx ? VRING_DESC_F_WRITE : 0;

	for (uint32_t i = 0; i < d->size; i++)
		driver_write_desc(d, d->desc, i, place(i), (small >> i) & 1 ? 8 : 30 + i, flags, 0);
}

static void run_available(uint16_t size, uint16_t base)
{
	const uint16_t indices[] = {0, 1, 2, 3, 4, 5, 0x7fff, 0x8000, 0xffff};
	uint32_t heads = size + 2u, all = 1;

	for (uint32_t i = 0; i < size; i++)
		all *= heads;
	for (uint32_t n = 0; n < all * ARRAY_SIZE(indices) && wrong < WRONG; n++) {
		struct driver *both[] = {&rig.rx, &rig.tx};

		for (size_t k = 0; k < 2; k++) {
			uint32_t rest = n / (uint32_t)ARRAY_SIZE(indices);

			write_chains(both[k], rest % 16);
			for (uint32_t i = 0; i < size; i++, rest /= heads)
				guest_write16(&rig.guest, both[k]->avail + 4 + 2ull * i,
					      rest % heads > size ? 0xffff
								  : (uint16_t)(rest % heads));
			guest_write16(&rig.guest, both[k]->avail + 2,
				      (uint16_t)(base + indices[n % ARRAY_SIZE(indices)]));
		}
		check_ring();
	}
}

static void every_available_ring_comes_back_as_by_the_reference(void)
{
	static const uint16_t sizes[] = {1, 2, 4}, bases[] = {0, 1, 3, 65533, 65534, 65535};
	static const uint64_t features[] = {V1, V1 | MRG};

	begin();
	for (size_t f = 0; f < ARRAY_SIZE(features); f++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
			for (size_t b = 0; b < ARRAY_SIZE(bases); b++) {
				open_ring(features[f], sizes[s], bases[b]);
				run_available(sizes[s], bases[b]);
				close_ring();
			}
	end("rings");
	CHECK(met[HF_COUNTER_BREAK_AVAIL_IDX] && met[HF_COUNTER_BREAK_BAD_HEAD]);
}

/* ---- memory tables */

#define UNIT  2048u /* half a page: regions begin and end inside of pages as well */
#define UNITS 8u

struct table {
	struct hf_shm_region regions[3];
	uint32_t count;
};

/* The bytes at gpa that follow in one region, counted one by one in units. */
static uint64_t must_follow(const struct table *t, uint64_t gpa, uint64_t len)
{
	for (uint32_t i = 0; i < t->count; i++) {
		const struct hf_shm_region *r = &t->regions[i];

		for (uint64_t at = 0; at < r->size; at += UNIT)
			if (gpa - (r->gpa + at) < UNIT)
				return min_u64(len, r->size - at - (gpa - (r->gpa + at)));
	}
	return 0;
}

/* Byte `n` of the file says so. */
static uint8_t byte_of(uint64_t n)
{
	return (uint8_t)(n * 7 + (n >> 8));
}

static bool same_range(struct hf_vring *v, const struct table *t, uint64_t base, uint64_t gpa,
		       uint64_t len)
{
	uint64_t follow = must_follow(t, gpa, len), piece = len, cached = len;
	uint8_t *at = hf_guestmap_piece(v->map, gpa, &piece), *hot;
	uint8_t *whole = hf_guestmap_whole(v->map, gpa, len);

	hot = hf_vring_piece(v, gpa, &cached);
	rings++;
	if (!follow)
		return !at && !hot && !whole;
	return at && piece == follow && hot == at && cached == follow &&
	       (follow == len ? whole == at : !whole) && *at == byte_of(gpa - base) &&
	       at[follow - 1] == byte_of(gpa - base + follow - 1);
}

static void check_table(int fd, const struct table *t, uint64_t base)
{
	static const uint64_t lens[] = {1,    2,    UNIT - 1, UNIT,	  UNIT + 1,
					4096, 4097, 16384,    UINT32_MAX, UINT64_MAX};
	int fds[] = {fd, fd, fd};
	struct hf_guestmap *map;
	struct hf_vring v;

	REQUIRE(hf_guestmap_create(&map, t->regions, fds, t->count) == 0);
	hf_vring_init(&v);
	v.map = map;
	for (uint64_t unit = 0; unit <= UNITS; unit++)
		for (uint64_t edge = 0; edge < 3; edge++)
			for (size_t l = 0; l < ARRAY_SIZE(lens); l++) {
				uint64_t gpa = base + unit * UNIT + edge - 1;

				if (same_range(&v, t, base, gpa, lens[l]))
					continue;
				if (wrong++ < 3)
					printf("    gpa base + %lld, len %llu, %u regions\n",
					       (long long)(gpa - base), (unsigned long long)lens[l],
					       t->count);
			}
	hf_guestmap_destroy(map);
}

/* All tables of `count` more regions that begin at unit `from` or behind it. */
static void check_tables(int fd, struct table *t, uint64_t base, uint32_t from, uint32_t count)
{
	check_table(fd, t, base);
	for (uint32_t first = from; count && first < UNITS; first++)
		for (uint32_t end = first + 1; end <= UNITS; end++) {
			t->regions[t->count++] =
				(struct hf_shm_region){.gpa = base + (uint64_t)first * UNIT,
						       .size = (uint64_t)(end - first) * UNIT,
						       .file_offset = (uint64_t)first * UNIT};
			check_tables(fd, t, base, end, count - 1);
			t->count--;
		}
}

static void every_range_of_every_small_memory_table_is_translated_to_its_end(void)
{
	static const uint64_t bases[] = {0, GPA, UINT64_MAX - UNITS * UNIT};
	struct guest guest;
	struct table table = {0};

	begin();
	REQUIRE(guest_create(&guest, UNITS * UNIT, 0, NULL, 0));
	for (uint64_t i = 0; i < UNITS * UNIT; i++)
		guest.bytes[i] = byte_of(i);
	for (size_t b = 0; b < ARRAY_SIZE(bases); b++)
		check_tables(guest.fd, &table, bases[b], 0, 3);
	guest_destroy(&guest);
	end("ranges");
}

static const struct sentence sentences[] = {
	CATALOGUE(every_range_of_every_small_memory_table_is_translated_to_its_end, "[1] [7]"),
	SENTENCE(every_chain_of_a_small_split_ring_is_walked_as_by_the_reference),
	CATALOGUE(every_chain_of_a_small_packed_ring_is_walked_as_by_the_reference, "[P-8]"),
	CATALOGUE(any_two_odd_chains_among_eight_are_met_as_by_the_reference, "[28]"),
	CATALOGUE(every_available_ring_comes_back_as_by_the_reference, "[27] [33]"),
};
SUITE("exhaustive", sentences)
