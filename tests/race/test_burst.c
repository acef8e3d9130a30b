/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's bursts in one thread, grants and revocations in another, as the primary and the
 * control thread do them. Relations: when a revocation is done, not a byte of the guest's memory
 * changes, and lane, used ring and the count of packets agree; over all lives of the grant every
 * packet came exactly once and in order.
 */
#include <holdfast/burst.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "rarp.h"
#include "rig.h"
#include "suite.h"

#ifdef RING_PACKED /* built once for each kind of ring */
#define RING HF_FEATURE(HF_F_RING_PACKED)
#else
#define RING 0ull
#endif
#define ROUNDS 400u
#define LIVES  60u
#define BURST  32u
#define SLOT   256u
#define FRAME  60u

static struct rig rig;
static struct contest {
	atomic_bool over;
	atomic_uint dequeued; /* packets, in order */
	atomic_uint wrong;
	atomic_uint enqueued;
} contest;

static void look_at(const struct hf_packet *packet, uint32_t number)
{
	uint32_t got;

	memcpy(&got, packet->data, sizeof(got));
	if (got != number || packet->total != FRAME)
		atomic_fetch_add(&contest.wrong, 1);
}

static void *run_bursts(void *unused)
{
	static uint8_t data[BURST][2048];
	struct hf_packet packets[BURST], *pointers[BURST];
	uint32_t number = 0;

	(void)unused;
	for (uint32_t i = 0; i < BURST; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .room = sizeof(data[i])};
		pointers[i] = &packets[i];
	}
	while (!atomic_load(&contest.over)) {
		uint16_t n = hf_dequeue_burst(rig.device, 1, pointers, BURST);

		for (uint16_t i = 0; i < n; i++)
			look_at(&packets[i], number++);
		atomic_store(&contest.dequeued, number);
		if (n)
			atomic_fetch_add(&contest.enqueued,
					 hf_enqueue_burst(rig.device, 0, pointers, n));
	}
	return NULL;
}

static uint64_t slot(uint32_t ring, uint32_t i)
{
	return rig.buffers + (ring * 256ull + i) * SLOT;
}

/* The guest: gives back, and sends `count` more from number *sent on. */
static void drive(uint32_t *sent, uint32_t count)
{
	uint8_t bytes[12 + FRAME] = {0};

	driver_consume_all(&rig.rx);
	driver_consume_all(&rig.tx);
	while (rig.rx.descs_free) {
		struct piece piece = {slot(0, rig.rx.next_desc), SLOT, DRIVER_WRITE};

		driver_put(&rig.rx, &piece, 1);
	}
	for (; count && rig.tx.descs_free; count--, (*sent)++) {
		struct piece piece = {slot(1, rig.tx.next_desc), sizeof(bytes), 0};

		memcpy(bytes + 12, sent, sizeof(*sent));
		guest_write(&rig.guest, piece.gpa, bytes, sizeof(bytes));
		driver_put(&rig.tx, &piece, 1);
	}
	driver_publish(&rig.rx);
	driver_publish(&rig.tx);
}

static void revoke(void)
{
	for (int i = 0; i < 2; i++)
		hf_store_release(&rig.grants[i], 0ull);
	hf_lane_fence_all();
	for (int i = 0; i < 2; i++)
		while (!hf_lane_quiescent(&rig.lanes[i]))
			;
}

/* A new grant at the position where the old one ended, as grants.c does on VringGrant. */
static void grant_again(uint16_t queue, const struct driver *driver, uint64_t grant)
{
	struct hf_vring *v = rig.device->vrings[queue];
	struct hf_vring_setup setup = {.grant = grant,
				       .grant_word = &rig.grants[queue],
				       .lane = &rig.lanes[queue],
				       .map = rig.device->map,
				       .features = rig.features,
				       .desc_gpa = driver->desc,
				       .avail_gpa = driver->avail,
				       .used_gpa = driver->used,
				       .size = driver->size,
				       .next = driver_used_idx(driver)};

	hf_store_release(&v->my_grant, 0ull);
	CHECK_EQ(hf_vring_setup(v, &setup), 0);
	hf_store_release(&rig.grants[queue], grant | HF_GRANT_ENABLED);
}

/* Nobody may be in the rings: does anything move, does anything disagree? */
static void check_silence(void)
{
	uint16_t used[2] = {driver_used_idx(&rig.rx), driver_used_idx(&rig.tx)};

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(rig.lanes[i].used, used[i]);
		CHECK_EQ(rig.lanes[i].avail, used[i]);
		CHECK_EQ(rig.lanes[i].intent, HF_INTENT_NONE);
	}
	guest_declare(&rig.guest, rig.guest.base, rig.guest.size, false);
	for (volatile int spin = 0; spin < 2000; spin++)
		;
	CHECK_EQ(guest_strays(&rig.guest), 0);
	CHECK_EQ(driver_used_idx(&rig.rx), used[0]);
	CHECK_EQ(driver_used_idx(&rig.tx), used[1]);
	guest_declare(&rig.guest, rig.buffers, 256ull * SLOT, true);
	driver_declare(&rig.rx);
	driver_declare(&rig.tx);
}

static void revocations_and_bursts_never_overlap(void)
{
	struct rig_shape shape = {.features = HF_FEATURE(HF_F_VERSION_1) | RING,
				  .memory = 256u << 10};
	uint32_t sent = 0;
	pthread_t thread;

	REQUIRE(hf_lane_register_membarrier());
	REQUIRE(rig_create(&rig, &shape));
	REQUIRE(pthread_create(&thread, NULL, run_bursts, NULL) == 0);
	for (uint64_t round = 0; round < ROUNDS || atomic_load(&contest.dequeued) < ROUNDS;
	     round++) {
		drive(&sent, 1 + (uint32_t)(round % 100));
		for (volatile uint64_t spin = 0; spin < round * 37 % 5000; spin++)
			;
		revoke();
		check_silence();
		grant_again(0, &rig.rx, (round + 10) << 1);
		grant_again(1, &rig.tx, (round + 10) << 1);
	}
	while (driver_used_idx(&rig.tx) != rig.tx.avail_idx)
		;
	revoke();
	atomic_store(&contest.over, true);
	pthread_join(thread, NULL);
	CHECK_EQ(atomic_load(&contest.wrong), 0);
	CHECK_EQ(atomic_load(&contest.dequeued), sent);
	CHECK_EQ(driver_index(&rig.rx, atomic_load(&contest.enqueued)), driver_used_idx(&rig.rx));
	driver_consume_all(&rig.tx);
	CHECK_EQ(driver_check(&rig.tx), 0);
	rig_destroy(&rig);
}

/* ---- the control thread forgets a grant (destroy() in devices.c), and nobody has revoked it */

static void *poll_empty(void *unused)
{
	static uint8_t data[2048];
	struct hf_packet packet = {.data = data, .room = sizeof(data)};
	struct hf_packet *pointer = &packet;

	(void)unused;
	while (!atomic_load(&contest.over)) {
		(void)hf_dequeue_burst(rig.device, 1, &pointer, 1);
		atomic_fetch_add(&contest.dequeued, 1);
	}
	return NULL;
}

static void break_it(void)
{
	hf_or(&rig.device->vrings[1]->asked, (uint32_t)HF_ASKED_BREAK);
}

static void disable_it(void)
{
	hf_rarp_ask(rig.device, HF_RARP_PENDING | 2);
	hf_write_once(&rig.grants[1], RIG_GRANT);
}

static void stop_it(void)
{
	hf_device_set_running(rig.device, false);
}

/* Rings of which each burst goes the long way. How often was one left busy? */
static uint32_t count_left_busy(void (*change)(void))
{
	struct rig_shape shape = {
		.features = HF_FEATURE(HF_F_VERSION_1) | RING, .size = 16, .memory = 256u << 10};
	uint32_t busy = 0;
	pthread_t thread;

	for (uint32_t i = 0; i < LIVES; i++) {
		REQUIRE(rig_create(&rig, &shape));
		change();
		atomic_store(&contest.over, false);
		atomic_store(&contest.dequeued, 0);
		REQUIRE(pthread_create(&thread, NULL, poll_empty, NULL) == 0);
		while (atomic_load(&contest.dequeued) < 1000 + i * 7)
			sched_yield();
		hf_store_release(&rig.device->vrings[1]->my_grant, 0ull);
		atomic_store(&contest.dequeued, 0);
		while (atomic_load(&contest.dequeued) < 2)
			sched_yield();
		atomic_store(&contest.over, true);
		pthread_join(thread, NULL);
		busy += !hf_lane_quiescent(&rig.lanes[1]);
		rig_destroy(&rig);
	}
	return busy;
}

static void a_grant_that_goes_under_a_poll_leaves_no_ring_busy(void)
{
	CHECK_EQ(count_left_busy(break_it), 0);
	CHECK_EQ(count_left_busy(disable_it), 0);
	CHECK_EQ(count_left_busy(stop_it), 0);
}

static const struct sentence sentences[] = {
	SENTENCE(revocations_and_bursts_never_overlap),
	SENTENCE(a_grant_that_goes_under_a_poll_leaves_no_ring_busy),
};
SUITE("burst race", sentences)
