/* SPDX-License-Identifier: Apache-2.0 */
#include "alive.h"

#include <holdfast/burst.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE	    4096u
#define ROOM_BYTES  (3 * PAGE)
#define CANARY	    0xc5
#define GOOD_SLOT   50u
#define GOOD_BUFFER 2048u
#define OTHER_BYTES (256u << 10)

uint64_t alive_met[HF_NR_COUNTERS];

/* ---- setting up */

uint64_t alive_slot(const struct alive *a, uint32_t i)
{
	return a->rig.buffers + (uint64_t)PAGE * i;
}

uint32_t alive_header(const struct alive *a)
{
	return a->rig.features & (V1 | MRG) ? 12 : 10;
}

uint8_t alive_byte(uint32_t at)
{
	return (uint8_t)(0x70 + at % 30);
}

const char *alive_name(const struct alive *a)
{
	static const char *const names[] = {"dequeue", "peek", "enqueue", "forward"};
	static char name[64];

	snprintf(name, sizeof(name), "%s, %s ring", names[a->way],
		 a->d->packed ? "packed" : "split");
	return name;
}

/* The caller's room ends where a guard page begins. */
static void make_packet(struct alive *a)
{
	a->pages = mmap(NULL, ROOM_BYTES + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(a->pages != MAP_FAILED);
	REQUIRE(mprotect(a->pages + PAGE, ROOM_BYTES, PROT_READ | PROT_WRITE) == 0);
	memset(a->pages + PAGE, CANARY, ROOM_BYTES);
	a->packet = (struct hf_packet){.data = a->pages + PAGE + ROOM_BYTES - ALIVE_ROOM,
				       .room = ALIVE_ROOM};
}

void alive_open(struct alive *a, enum way way, const struct rig_shape *shape)
{
	struct rig_shape other = {.features = V1, .size = 16, .memory = OTHER_BYTES};

	*a = (struct alive){.way = way, .to = way >= WAY_ENQUEUE};
	REQUIRE(rig_create(&a->rig, shape));
	a->queue = a->to ? 0 : 1;
	a->writable = a->to ? DRIVER_WRITE : 0;
	a->d = a->to ? &a->rig.rx : &a->rig.tx;
	a->size = a->d->size;
	if (way == WAY_FORWARD)
		REQUIRE(rig_create(&a->other, &other));
	if (way == WAY_PEEK || way == WAY_FORWARD) {
		a->hop = hf_hop_create();
		REQUIRE(a->hop != NULL);
	}
	make_packet(a);
	a->fds = fds_open();
	a->maps = maps_shared();
}

void alive_close(struct alive *a)
{
	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++)
		alive_met[i] += rig_counter(&a->rig, a->queue, (enum hf_counter)i);
	hf_hop_destroy(a->hop);
	rig_destroy(&a->rig);
	if (a->way == WAY_FORWARD)
		rig_destroy(&a->other);
	munmap(a->pages, ROOM_BYTES + 2 * PAGE);
}

/* ---- what the guest posts */

static void write_frame(struct rig *rig, uint64_t gpa, uint32_t header)
{
	uint8_t bytes[12 + ALIVE_FRAME] = {0};

	for (uint32_t i = 0; i < ALIVE_FRAME; i++)
		bytes[header + i] = alive_byte(i);
	guest_write(&rig->guest, gpa, bytes, header + ALIVE_FRAME);
}

void alive_write(struct alive *a, uint64_t gpa)
{
	if (!a->to)
		write_frame(&a->rig, gpa, alive_header(a));
}

uint32_t alive_cut(struct alive *a, struct piece *pieces, uint32_t n, uint32_t step)
{
	uint32_t left = alive_header(a) + ALIVE_FRAME, i = 0;
	uint8_t bytes[12 + ALIVE_FRAME] = {0}, *from = bytes;

	for (uint32_t k = 0; k < ALIVE_FRAME; k++)
		bytes[alive_header(a) + k] = alive_byte(k);
	for (; i < n; i++) {
		uint32_t take = (uint32_t)min_u64(i + 1 == n ? left : step, left);

		pieces[i] = (struct piece){alive_slot(a, i) + i % 7, take, a->writable};
		if (!a->to)
			guest_write(&a->rig.guest, pieces[i].gpa, from, take);
		from += take;
		left -= take;
	}
	return i;
}

static void remember(struct alive *a, int head, const struct piece *pieces, uint32_t n)
{
	REQUIRE(head >= 0);
	REQUIRE(n <= ARRAY_SIZE(a->pieces));
	a->head = (uint16_t)head;
	a->head_nr = a->d->nr_heads - 1;
	memcpy(a->pieces, pieces, n * sizeof(*pieces));
	a->nr_pieces = n;
}

void alive_put(struct alive *a, const struct piece *pieces, uint32_t n)
{
	remember(a, driver_put(a->d, pieces, n), pieces, n);
}

void alive_table(struct alive *a, uint64_t table, const struct piece *pieces, uint32_t n)
{
	remember(a, driver_put_indirect(a->d, table, pieces, n), pieces, n);
}

void alive_spoil(struct alive *a, uint32_t i, uint64_t addr, uint32_t len, uint16_t flags,
		 uint16_t next)
{
	struct driver *d = a->d;
	uint16_t at;
	uint64_t gpa;

	if (!d->packed) {
		driver_write_desc(d, d->desc, (a->head + i) % d->size, addr, len, flags, next);
		return;
	}
	/* Its id stays; the first one's flags are shown when all is published. */
	at = driver_after(d, d->head_of[a->head], i);
	gpa = d->desc + 16ull * (at & 0x7fff);
	guest_write(d->guest, gpa, &addr, 8);
	guest_write(d->guest, gpa + 8, &len, 4);
	flags |= driver_available(at);
	if (i)
		guest_write16(d->guest, gpa + 14, flags);
	else
		d->heads[a->head_nr].flags = flags;
}

void alive_entry(struct alive *a, uint64_t table, uint32_t i, uint64_t addr, uint32_t len,
		 uint16_t flags, uint16_t next)
{
	if (a->d->packed)
		driver_write_desc(a->d, table, i, addr, len, next, flags);
	else
		driver_write_desc(a->d, table, i, addr, len, flags, next);
}

void alive_one(struct alive *a, uint64_t addr, uint32_t len, uint16_t flags)
{
	struct piece piece = {alive_slot(a, 0), 1, a->writable};

	alive_put(a, &piece, 1);
	alive_spoil(a, 0, addr, len, flags, a->head);
}

void alive_fill(const struct alive *a, struct piece *pieces, uint32_t n, uint32_t len)
{
	for (uint32_t i = 0; i < n; i++)
		pieces[i] = (struct piece){alive_slot(a, i), len, a->writable};
}

void alive_chain_of(struct alive *a, uint32_t n, uint32_t len)
{
	struct piece pieces[512];

	alive_fill(a, pieces, n, len);
	alive_put(a, pieces, n);
}

void alive_table_of(struct alive *a, uint32_t n, uint32_t last)
{
	struct piece pieces[512];

	alive_fill(a, pieces, n, 0);
	pieces[n - 1].len = last;
	alive_table(a, alive_slot(a, ALIVE_TABLE), pieces, n);
}

void alive_good(struct alive *a)
{
	struct piece piece = {alive_slot(a, GOOD_SLOT),
			      a->to ? GOOD_BUFFER : alive_header(a) + ALIVE_FRAME, a->writable};

	alive_write(a, piece.gpa);
	alive_put(a, &piece, 1);
}

/* ---- bursts */

static bool is_frame(const uint8_t *bytes)
{
	uint32_t i = 0;

	while (i < ALIVE_FRAME && bytes[i] == alive_byte(i))
		i++;
	return i == ALIVE_FRAME;
}

static uint16_t take(struct alive *a)
{
	struct hf_packet *p = &a->packet;
	uint16_t n;

	if (a->way == WAY_DEQUEUE)
		return hf_dequeue_burst(a->rig.device, 1, &p, 1);
	n = hf_hop_peek(a->hop, a->rig.device, 1, &p, 1, 20);
	hf_hop_copy(a->hop, &p, n);
	hf_hop_complete(a->hop, n);
	return n;
}

static uint16_t give_by_hop(struct alive *a)
{
	struct hf_packet *p = &a->packet;
	struct piece piece = {a->other.buffers, 12 + ALIVE_FRAME, 0};
	uint16_t n;

	write_frame(&a->other, piece.gpa, 12);
	REQUIRE(driver_post(&a->other.tx, &piece, 1) >= 0);
	REQUIRE(hf_hop_peek(a->hop, a->other.device, 1, &p, 1, 20) == 1);
	n = hf_hop_forward(a->hop, a->rig.device, 0, &p, 1);
	hf_hop_complete(a->hop, 1);
	CHECK_EQ(driver_consume_all(&a->other.tx), 1);
	return n;
}

static uint16_t give(struct alive *a)
{
	struct hf_packet *p = &a->packet;

	if (a->way == WAY_FORWARD)
		return give_by_hop(a);
	for (uint32_t i = 0; i < ALIVE_FRAME; i++)
		p->data[i] = alive_byte(i);
	p->len = p->total = ALIVE_FRAME;
	return hf_enqueue_burst(a->rig.device, 0, &p, 1);
}

uint16_t alive_move(struct alive *a)
{
	return a->to ? give(a) : take(a);
}

uint64_t alive_refusals(const struct alive *a)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++) {
		const char *name = hf_shm_counter_name(i);

		if (!strncmp(name, "drop_", 5) || !strncmp(name, "break_", 6))
			sum += rig_counter(&a->rig, a->queue, (enum hf_counter)i);
	}
	return sum;
}

/* ---- verdicts */

void alive_check(struct alive *a)
{
	uint32_t spoiled = 0;

	CHECK_EQ(driver_check(a->d), 0);
	if (a->way == WAY_FORWARD)
		CHECK_EQ(driver_check(&a->other.tx), 0);
	for (uint8_t *p = a->pages + PAGE; p < a->packet.data; p++)
		spoiled += *p != CANARY;
	CHECK_EQ(spoiled, 0);
	CHECK_EQ(a->rig.lanes[a->queue].busy, 0);
	CHECK_EQ(fds_open(), a->fds);
	CHECK_EQ(maps_shared(), a->maps);
}

/* The packet that was moved last is the good one, where it had to go. */
static void check_arrived(struct alive *a, uint32_t len)
{
	uint8_t bytes[12 + ALIVE_FRAME];
	uint32_t have = 0, header = alive_header(a);

	if (!a->to) {
		CHECK_EQ(len, 0);
		CHECK_EQ(a->packet.total, ALIVE_FRAME);
		CHECK_EQ(a->packet.len, ALIVE_FRAME);
		CHECK(is_frame(a->packet.data));
		return;
	}
	CHECK_EQ(len, header + ALIVE_FRAME);
	for (uint32_t i = 0; i < a->nr_pieces && have < header + ALIVE_FRAME; i++)
		for (uint32_t k = 0; k < a->pieces[i].len && have < header + ALIVE_FRAME; k++)
			bytes[have++] = *guest_at(&a->rig.guest, a->pieces[i].gpa + k);
	CHECK_EQ(have, header + ALIVE_FRAME);
	for (uint32_t i = 0; i < header; i++)
		CHECK_EQ(bytes[i], i == 10); /* num_buffers */
	CHECK(is_frame(bytes + header));
}

static void consume(struct alive *a, uint32_t len)
{
	struct driver_used used = {0};

	CHECK(driver_consume(a->d, &used));
	CHECK_EQ(used.len, len);
}

static uint32_t used_len(const struct alive *a)
{
	return a->to ? alive_header(a) + ALIVE_FRAME : 0;
}

static void move_good(struct alive *a, uint32_t bursts)
{
	uint16_t moved = 0;

	while (bursts-- && !moved)
		moved = alive_move(a);
	CHECK_EQ(moved, 1);
}

void alive_delivered(struct alive *a)
{
	for (int i = 0; i < 2; i++) { /* it, and the next one */
		if (i)
			alive_good(a);
		driver_publish(a->d);
		move_good(a, 1);
		check_arrived(a, used_len(a));
		consume(a, used_len(a));
	}
	CHECK_EQ(alive_refusals(a), 0);
	CHECK_EQ(rig_errors(&a->rig, a->queue), 0);
	CHECK_EQ(a->d->descs_free, a->size);
	alive_check(a);
}

void alive_dropped(struct alive *a, enum hf_counter reason, uint32_t times)
{
	bool apart = !a->d->descs_free; /* the good one has no place beside them */

	if (apart) {
		driver_publish(a->d);
		for (uint32_t i = 0; i < times; i++) {
			CHECK_EQ(alive_move(a), 0);
			consume(a, 0);
		}
	}
	alive_good(a);
	driver_publish(a->d);
	move_good(a, times + 1);
	check_arrived(a, used_len(a));
	for (uint32_t i = 0; !apart && i < times; i++)
		consume(a, 0);
	consume(a, used_len(a));
	CHECK_EQ(driver_consume_all(a->d), 0);
	CHECK_EQ(rig_counter(&a->rig, a->queue, reason), times);
	CHECK_EQ(alive_refusals(a), times);
	CHECK_EQ(rig_errors(&a->rig, a->queue), 0);
	CHECK_EQ(a->d->descs_free, a->size);
	alive_check(a);
}

/* The library's maps of the guest: what touches them now dies of it. */
static void take_memory_away(struct alive *a, int prot)
{
	struct hf_guestmap *map = a->rig.device->map;

	for (uint32_t i = 0; i < map->count; i++)
		REQUIRE(mprotect(map->regions[i].base, map->regions[i].mapped, prot) == 0);
}

void alive_broken(struct alive *a, enum hf_counter reason)
{
	uint16_t used, lane;

	driver_publish(a->d);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(alive_move(a), 0);
	CHECK_EQ(rig_counter(&a->rig, a->queue, reason), 1);
	CHECK_EQ(alive_refusals(a), 1);
	CHECK_EQ(rig_errors(&a->rig, a->queue), 1);
	CHECK_EQ(a->rig.lanes[a->queue].broken, reason + 1);
	used = driver_used_idx(a->d);
	lane = a->rig.lanes[a->queue].used;
	take_memory_away(a, PROT_NONE);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(alive_move(a), 0);
	CHECK_EQ(hf_available_entries(a->rig.device, a->queue), 0);
	CHECK_EQ(hf_enable_guest_notification(a->rig.device, a->queue, true), 0);
	take_memory_away(a, PROT_READ | PROT_WRITE);
	CHECK_EQ(driver_used_idx(a->d), used);
	CHECK_EQ(a->rig.lanes[a->queue].used, lane);
	CHECK_EQ(rig_errors(&a->rig, a->queue), 0);
	CHECK_EQ(alive_refusals(a), 1);
	alive_check(a);
}

void alive_anything(struct alive *a)
{
	driver_publish(a->d);
	for (int i = 0; i < 4; i++)
		(void)alive_move(a);
	CHECK(alive_refusals(a) <= 4);
	CHECK(rig_errors(&a->rig, a->queue) <= 1);
	/* What the guest made of its own used ring is its own. */
	CHECK_EQ(guest_strays(&a->rig.guest), 0);
	a->d->breaches = 0;
	alive_check(a);
}

/* ---- tables */

static uint32_t where_of(enum way way, bool packed)
{
	return (way >= WAY_ENQUEUE ? TO : FROM) | (packed ? PACK : SPLIT);
}

static struct rig_shape shape_of(bool packed, uint64_t features, uint16_t size)
{
	return (struct rig_shape){.features = V1 | features | (packed ? PACKED : 0),
				  .size = size	   ? size
					  : packed ? 15
						   : 16,
				  .memory = ALIVE_MEMORY};
}

static void run_one(const struct hostile *c, enum way way, bool packed)
{
	unsigned int before = CU_get_number_of_failure_records();
	struct rig_shape shape = shape_of(packed, c->features, c->size);
	static struct alive a;

	alive_open(&a, way, &shape);
	c->post(&a, c->in);
	if (c->outcome == ALIVE_DELIVERED)
		alive_delivered(&a);
	else if (c->outcome == ALIVE_ANYTHING)
		alive_anything(&a);
	else if (c->outcome >= HF_COUNTER_BREAK_AVAIL_IDX)
		alive_broken(&a, c->outcome);
	else
		alive_dropped(&a, c->outcome, c->times ? c->times : 1);
	if (CU_get_number_of_failure_records() != before)
		printf("    in case %s (%#llx, %#llx), %s\n", c->what, (unsigned long long)c->in[0],
		       (unsigned long long)c->in[1], alive_name(&a));
	alive_close(&a);
}

static bool is_for(uint32_t where, enum way way, bool packed)
{
	return (where & where_of(way, packed)) == where_of(way, packed);
}

void alive_run(const struct hostile *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (enum way way = 0; way < NR_WAYS; way++)
			for (int packed = 0; packed < 2; packed++)
				if (is_for(cases[i].where, way, packed))
					run_one(&cases[i], way, packed);
}

void alive_each(uint32_t where, uint64_t features, uint16_t size, void (*test)(struct alive *a))
{
	static struct alive a;

	for (enum way way = 0; way < NR_WAYS; way++)
		for (int packed = 0; packed < 2; packed++) {
			unsigned int before = CU_get_number_of_failure_records();
			struct rig_shape shape = shape_of(packed, features, size);

			if (!is_for(where, way, packed))
				continue;
			alive_open(&a, way, &shape);
			test(&a);
			if (CU_get_number_of_failure_records() != before)
				printf("    %s\n", alive_name(&a));
			alive_close(&a);
		}
}
