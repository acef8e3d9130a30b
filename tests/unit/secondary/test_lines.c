/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a burst writes, counted in cache lines: that two workers, each on its own vring, write no
 * line that the other one writes, and that a burst writes no more lines than docs/performance.md
 * says. Built once for each kind of ring.
 */
#include <holdfast/burst.h>
#include <holdfast/hop.h>
#include <string.h>

#include "rig.h"
#include "stores.h"
#include "suite.h"

#ifdef RING_PACKED
#define RING HF_FEATURE(HF_F_RING_PACKED)
#else
#define RING 0ull
#endif
#define BURST 32u
#define SIZE  64u /* of a frame */
#define SLOT  128u
#define TX    1u
#define RX    0u

static struct rig rig;
static uint8_t data[BURST][256];
static struct hf_packet packets[BURST], *pointers[BURST];

/* Any line that is written more than the design says is a failure: this is all that a process
 * writes of a device. The two vrings are in it. */
static void watch_ours(void)
{
	stores_watch(rig.device, sizeof(*rig.device));
	stores_watch(rig.lanes, 2 * sizeof(*rig.lanes));
}

static void watch_guest(void)
{
	const struct hf_mapped_region *r = &rig.device->map->regions[0];

	stores_watch(r->address, r->size);
}

static void post_frames(void)
{
	uint8_t bytes[12 + SIZE] = {0};

	bytes[12] = 2;
	for (uint32_t i = 0; i < BURST; i++) {
		uint64_t at = rig.buffers + i * SLOT;

		guest_write(&rig.guest, at, bytes, sizeof(bytes));
		driver_post(&rig.tx, &(struct piece){.gpa = at, .len = sizeof(bytes)}, 1);
	}
}

static void post_buffers(void)
{
	for (uint32_t i = 0; i < BURST; i++)
		driver_post(&rig.rx,
			    &(struct piece){.gpa = rig.buffers + (BURST + i) * SLOT,
					    .len = SLOT,
					    .flags = DRIVER_WRITE},
			    1);
}

static uint16_t dequeue(void)
{
	for (uint32_t i = 0; i < BURST; i++)
		packets[i] = (struct hf_packet){.data = data[i], .room = sizeof(data[i])};
	return hf_dequeue_burst(rig.device, TX, pointers, BURST);
}

static uint16_t enqueue(void)
{
	for (uint32_t i = 0; i < BURST; i++)
		packets[i] = (struct hf_packet){
			.data = data[i], .room = sizeof(data[i]), .len = SIZE, .total = SIZE};
	return hf_enqueue_burst(rig.device, RX, pointers, BURST);
}

/* Both rings have run a burst, so that none is a grant's first. */
static void open_rig(void)
{
	struct rig_shape shape = {.features = V1 | RING, .memory = 1u << 20};

	REQUIRE(rig_create(&rig, &shape));
	for (uint32_t i = 0; i < BURST; i++)
		pointers[i] = &packets[i];
	REQUIRE(dequeue() == 0 && enqueue() == 0);
	driver_set_avail_flags(&rig.tx, VRING_AVAIL_F_NO_INTERRUPT);
	driver_set_avail_flags(&rig.rx, VRING_AVAIL_F_NO_INTERRUPT);
}

static size_t lines_of(const void *start, size_t bytes)
{
	return stores_lines(start, bytes);
}

#define LINES(thing) lines_of(&(thing), sizeof(thing))

/* Of vring q; with nothing of the other one's or of the device. Grant words are in memory
 * that no secondary can write. */
static void check_ours(uint16_t q, size_t vring_lines, size_t lane_lines)
{
	CHECK_EQ(LINES(*rig.device->vrings[q]), vring_lines);
	CHECK_EQ(LINES(rig.lanes[q]), lane_lines);
	CHECK(!vring_lines || stores_hit(rig.device->vrings[q]));
	CHECK(stores_hit(&rig.lanes[q].busy));
	CHECK_EQ(LINES(*rig.device->vrings[!q]), 0);
	CHECK_EQ(LINES(rig.lanes[!q]), 0);
	CHECK_EQ(LINES(*rig.device), vring_lines);
}

static void an_empty_burst_writes_one_line_of_its_lane_and_no_other(void)
{
	uint16_t got;

	open_rig();
	watch_ours();
	watch_guest();
	stores_begin();
	got = dequeue();
	stores_end();
	CHECK_EQ(got, 0);
	check_ours(TX, 0, 1);
	CHECK_EQ(lines_of(rig.device->map->regions[0].address, rig.device->map->regions[0].size),
		 0);
	rig_destroy(&rig);
}

static void a_dequeue_writes_two_lines_of_each(void)
{
	uint16_t got;

	open_rig();
	post_frames();
	watch_ours();
	stores_begin();
	got = dequeue();
	stores_end();
	CHECK_EQ(got, BURST);
	check_ours(TX, 2, 2);
	rig_destroy(&rig);
}

static void an_enqueue_writes_two_lines_of_each(void)
{
	uint16_t got;

	open_rig();
	post_buffers();
	watch_ours();
	stores_begin();
	got = enqueue();
	stores_end();
	CHECK_EQ(got, BURST);
	check_ours(RX, 2, 2);
	rig_destroy(&rig);
}

/* Used entries of a split ring are 8 bytes, used descriptors of a packed one 16; they need not
 * begin with a line, and a split ring has an index. */
static void a_dequeue_writes_nothing_of_the_guest_but_what_it_used(void)
{
	size_t least = BURST * (RING ? 16 : 8) / 64;
	const struct hf_mapped_region *r;
	size_t n;

	open_rig();
	post_frames();
	r = &rig.device->map->regions[0];
	watch_guest();
	stores_begin();
	CHECK_EQ(dequeue(), BURST);
	stores_end();
	n = lines_of(r->address, r->size);
	CHECK(n >= least && n <= least + (RING ? 1 : 2));
	rig_destroy(&rig);
}

/* Two workers: what the one wrote before is not written by the other. */
static void bursts_of_two_vrings_write_no_line_in_common(void)
{
	static const size_t step = 64;
	const uint8_t *at, *end;
	static bool first[1u << 14];
	size_t n = 0, both = 0;

	open_rig();
	post_frames();
	post_buffers();
	at = rig.device->map->regions[0].address;
	end = at + rig.device->map->regions[0].size;
	REQUIRE((size_t)(end - at) / step <= ARRAY_SIZE(first));
	watch_ours();
	watch_guest();
	stores_begin();
	CHECK_EQ(dequeue(), BURST);
	stores_end();
	check_ours(TX, 2, 2);
	for (size_t i = 0; at + i * step < end; i++)
		n += first[i] = stores_hit(at + i * step);
	CHECK(n > 0);
	watch_ours();
	watch_guest();
	stores_begin();
	CHECK_EQ(enqueue(), BURST);
	stores_end();
	check_ours(RX, 2, 2);
	for (size_t i = 0; at + i * step < end; i++)
		both += first[i] && stores_hit(at + i * step);
	CHECK_EQ(both, 0);
	rig_destroy(&rig);
}

/* The first pair's vrings lie in the device, the others in an arena of their own. */
static void no_two_devices_or_vrings_share_a_line(void)
{
	struct hf_device *device[3];
	struct {
		uintptr_t start, bytes;
	} places[15];
	uint32_t n = 0;

	for (uint32_t i = 0; i < 3; i++) {
		device[i] = hf_device_create(NULL, i, 1);
		REQUIRE(device[i] != NULL);
		places[n].start = (uintptr_t)device[i]->vrings;
		places[n++].bytes = sizeof(*device[i]) - offsetof(struct hf_device, vrings);
		for (uint32_t q = 0; q < 4; q++) {
			places[n].start = (uintptr_t)hf_device_get_vring(device[i], q);
			places[n++].bytes = sizeof(struct hf_vring);
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		CHECK_EQ(places[i].start % HF_SHM_LINE, 0);
		for (uint32_t k = 0; k < n; k++)
			CHECK(i == k || places[k].start - places[i].start >= places[i].bytes);
	}
	for (uint32_t i = 0; i < 3; i++)
		hf_device_free(device[i]);
}

static const struct sentence sentences[] = {
	SENTENCE(an_empty_burst_writes_one_line_of_its_lane_and_no_other),
	SENTENCE(a_dequeue_writes_two_lines_of_each),
	SENTENCE(an_enqueue_writes_two_lines_of_each),
	SENTENCE(a_dequeue_writes_nothing_of_the_guest_but_what_it_used),
	SENTENCE(bursts_of_two_vrings_write_no_line_in_common),
	SENTENCE(no_two_devices_or_vrings_share_a_line),
};
SUITE("lines that bursts write", sentences)
