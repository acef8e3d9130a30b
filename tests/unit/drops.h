/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring that is driven wrongly, one chain at a time: the ring of a case, a good chain behind the
 * bad one, and what must have become of both. For the suites of both kinds of rings; each says
 * before it includes this how large its rings are (SIZE) and of which kind (RING, feature bits).
 */
#ifndef TESTS_DROPS_H
#define TESTS_DROPS_H

#include <holdfast/burst.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rig.h"
#include "suite.h"

#define FRAME 60u
#define ROOM  9000u
#define HOLE  (2ull << 20) /* guest memory ends here */

static struct rig rig;
static struct driver *d;  /* the ring of the case */
static uint16_t writable; /* DRIVER_WRITE in the ring to the guest */
static uint64_t met[HF_NR_COUNTERS];

static uint64_t slot(uint32_t i)
{
	return rig.buffers + 4096ull * i;
}

struct drop {
	const char *what;
	void (*post)(void);
	enum hf_counter reason;
	uint64_t features; /* beside VERSION_1 and the ring's kind */
	bool dequeue, enqueue;
};

#define BOTH true, true
#define FROM true, false
#define TO   false, true
#define CASE(post, reason, features, where)                                                        \
	{                                                                                          \
#post, post, HF_COUNTER_DROP_##reason, features, where                             \
	}

static void open_ring(uint16_t queue, uint64_t features)
{
	struct rig_shape shape = {.features = HF_FEATURE(HF_F_VERSION_1) | RING | features,
				  .size = SIZE,
				  .memory = HOLE};

	REQUIRE(rig_create(&rig, &shape));
	d = queue ? &rig.tx : &rig.rx;
	writable = queue ? 0 : DRIVER_WRITE;
}

static void close_ring(uint16_t queue)
{
	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++)
		met[i] += rig_counter(&rig, queue, (enum hf_counter)i);
	CHECK_EQ(driver_check(d), 0);
	rig_destroy(&rig);
}

static void put_good(uint16_t queue)
{
	uint8_t bytes[12 + FRAME] = {0};
	struct piece piece = {slot(50), queue ? sizeof(bytes) : 2048, writable};

	if (queue) {
		memset(bytes + 12, 0x77, FRAME);
		guest_write(&rig.guest, piece.gpa, bytes, sizeof(bytes));
	}
	REQUIRE(driver_put(d, &piece, 1) >= 0);
}

/* One packet in the direction of the ring; did the good one arrive? */
static uint16_t move_one(uint16_t queue)
{
	static uint8_t bytes[ROOM];
	struct hf_packet packet = {.data = bytes, .room = ROOM}, *pointer = &packet;
	uint16_t n;

	memset(bytes, queue ? 0 : 0x77, FRAME);
	if (!queue)
		packet.len = packet.total = FRAME;
	n = queue ? hf_dequeue_burst(rig.device, 1, &pointer, 1)
		  : hf_enqueue_burst(rig.device, 0, &pointer, 1);
	if (n)
		CHECK_EQ(packet.total, FRAME);
	if (n && queue)
		CHECK(bytes[0] == 0x77 && bytes[FRAME - 1] == 0x77);
	return n;
}

/* All of them together. */
static uint64_t refusals(uint16_t queue)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < HF_NR_COUNTERS; i++)
		if (strncmp(hf_shm_counter_name(i), "drop_", 5) == 0)
			sum += rig_counter(&rig, queue, (enum hf_counter)i);
	return sum;
}

static void check_drop(const struct drop *c, uint16_t queue)
{
	unsigned int before = CU_get_number_of_failure_records();
	struct driver_used used = {0};
	uint16_t moved = 0;

	open_ring(queue, c->features);
	c->post();
	put_good(queue);
	driver_publish(d);
	for (int i = 0; i < 2 && !moved; i++)
		moved = move_one(queue);
	CHECK_EQ(moved, 1);
	CHECK_EQ(rig_counter(&rig, queue, c->reason), 1);
	CHECK_EQ(refusals(queue), 1);
	CHECK(driver_consume(d, &used));
	CHECK_EQ(used.len, 0);
	CHECK(driver_consume(d, &used));
	CHECK_EQ(used.len, queue ? 0 : 12 + FRAME);
	CHECK(!driver_consume(d, &used));
	CHECK_EQ(d->descs_free, SIZE);
	close_ring(queue);
	if (CU_get_number_of_failure_records() != before)
		printf("    in case %s, vring %u\n", c->what, queue);
}

/* Something happens to the grant, and only then the guest sends, between a burst's look at the
 * grant and its look at the ring, which faults. */
static void *trapped;
static uint64_t changes_to; /* the grant's word */

static void change_and_send(int number)
{
	(void)number;
	if (mprotect(trapped, (size_t)getpagesize(), PROT_READ | PROT_WRITE) < 0)
		_exit(1);
	rig.grants[1] = changes_to;
	driver_publish(d);
}

static void is_not_dropped_behind(uint64_t grant)
{
	const struct hf_vring *v;
	uint64_t before;

	open_ring(1, 0);
	v = hf_device_vring(rig.device, 1);
	before = rig.grants[1];
	rig.grants[1] &= ~HF_GRANT_ENABLED;
	changes_to = grant;
	for (int i = 0; i < 5; i++)
		put_good(1);
	trapped = (void *)align_down((uintptr_t)(v->packed ? (void *)v->slots : (void *)v->avail),
				     (uintptr_t)getpagesize());
	signal(SIGSEGV, change_and_send);
	CHECK_EQ(mprotect(trapped, (size_t)getpagesize(), PROT_NONE), 0);
	CHECK_EQ(move_one(1), 0);
	signal(SIGSEGV, SIG_DFL);
	CHECK_EQ(rig_counter(&rig, 1, HF_COUNTER_DROP_DISABLED), 0);
	rig.grants[1] = before;
	for (int i = 0; i < 5; i++)
		CHECK_EQ(move_one(1), 1);
	CHECK_EQ(driver_consume_all(d), 5);
	close_ring(1);
}

static void what_is_sent_behind_the_enabling_is_not_dropped(void)
{
	is_not_dropped_behind(RIG_GRANT | HF_GRANT_ENABLED);
}

/* The front-end is told that the ring is enabled, and the word says so at the next grant only. */
static void what_is_sent_while_the_ring_is_taken_back_is_not_dropped(void)
{
	is_not_dropped_behind(0);
}

#endif
