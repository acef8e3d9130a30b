/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest and back-end wake each other, one packet at a time, and each sleeps as soon as it can: with
 * flags and with event indices, on both kinds of rings. A wake-up that gets lost leaves both
 * asleep, and the test fails; each packet has the next number, so one that was read too early
 * shows.
 */
#include <holdfast/burst.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "rig.h"
#include "suite.h"

#define EVENT_IDX HF_FEATURE(HF_F_EVENT_IDX)
#define ROUNDS	  20000u /* HF_TEST_LONG: twenty times that */
#define FRAME	  60u
/* Asleep for so long: nobody will come any more. Less than the test may take. */
#define LOST_MS (SUITE_SANITIZED ? 50000 : 5000)

static struct rig rig;
static int kick = -1;
static atomic_bool over;
static atomic_uint wrong, lost, slept; /* of the back-end */
static _Atomic uint64_t longest_ns;    /* asleep */

/* False: nobody came. */
static bool sleep_on(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t value, begin = hf_now_ns(), slept_ns;
	bool woken = poll(&p, 1, LOST_MS) == 1 && read(fd, &value, sizeof(value)) == sizeof(value);

	slept_ns = hf_now_ns() - begin;
	if (slept_ns > atomic_load(&longest_ns)) /* of two threads: near enough to print */
		atomic_store(&longest_ns, slept_ns);
	return woken;
}

static void *run_back_end(void *unused)
{
	static uint8_t bytes[2048];
	struct hf_packet packet = {.data = bytes, .room = sizeof(bytes)}, *p = &packet;
	uint32_t next = 0, number;

	(void)unused;
	while (!atomic_load(&over) && !atomic_load(&lost)) {
		if (hf_dequeue_burst(rig.device, 1, &p, 1)) {
			memcpy(&number, bytes, sizeof(number));
			atomic_fetch_add(&wrong, number != next || packet.total != FRAME);
			next++;
			continue;
		}
		if (hf_enable_guest_notification(rig.device, 1, true) == 0) {
			atomic_fetch_add(&slept, 1);
			atomic_fetch_add(&lost, !sleep_on(kick));
		}
		hf_enable_guest_notification(rig.device, 1, false);
	}
	return NULL;
}

/* Does the back-end want to be kicked for what was published from `before` on? As the driver's side
 * of virtio 1.1, 2.6.9 and 2.7.10 has it. */
static bool kick_wanted(uint16_t before)
{
	uint16_t flags = driver_used_flags(&rig.tx), event = driver_avail_event(&rig.tx);

	if (rig.tx.packed)
		return flags == 2 ? event == before : flags == 0;
	return rig.tx.event_idx ? event == before : !(flags & 1);
}

static void send(uint32_t number)
{
	struct piece piece = {rig.buffers + (number % 8) * 256ull, 12 + FRAME, 0};
	uint16_t before = rig.tx.avail_idx;
	uint8_t bytes[12 + FRAME] = {0};

	memcpy(bytes + 12, &number, sizeof(number));
	guest_write(&rig.guest, piece.gpa, bytes, sizeof(bytes));
	REQUIRE(driver_post(&rig.tx, &piece, 1) >= 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (kick_wanted(before))
		REQUIRE(eventfd_write(kick, 1) == 0);
}

/* Asks for a call, looks once more, sleeps. How often it slept; -1: nobody called. */
static int wait_for_used(void)
{
	int times = 0;

	for (;;) {
		if (driver_consume_all(&rig.tx))
			return times;
		if (rig.tx.event_idx)
			driver_set_used_event(&rig.tx, rig.tx.used_seen);
		else
			driver_set_avail_flags(&rig.tx, 0);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!driver_consume_all(&rig.tx)) {
			times++;
			if (!sleep_on(rig.calls[1]))
				return -1;
			if (!rig.tx.event_idx)
				driver_set_avail_flags(&rig.tx, 1);
			continue;
		}
		return times;
	}
}

static void play(uint64_t features)
{
	struct rig_shape shape = {.features = V1 | features, .size = 8, .memory = 64u << 10};
	const uint32_t rounds = suite_is_long() ? 20 * ROUNDS : ROUNDS;
	uint32_t calls = 0;
	pthread_t thread;

	REQUIRE(rig_create(&rig, &shape));
	kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	REQUIRE(kick >= 0);
	atomic_store(&over, false);
	atomic_store(&wrong, 0);
	atomic_store(&slept, 0);
	atomic_store(&lost, 0);
	atomic_store(&longest_ns, 0);
	REQUIRE(pthread_create(&thread, NULL, run_back_end, NULL) == 0);
	for (uint32_t i = 0; i < rounds && !atomic_load(&lost); i++) {
		int times;

		send(i);
		times = wait_for_used();
		atomic_fetch_add(&lost, times < 0);
		calls += times > 0;
	}
	atomic_store(&over, true);
	(void)eventfd_write(kick, 1);
	pthread_join(thread, NULL);
	printf("\n    the guest slept %u times, the back-end %u, the longest %.1f ms ... ", calls,
	       atomic_load(&slept), (double)atomic_load(&longest_ns) / 1e6);
	CHECK_EQ(atomic_load(&lost), 0);
	CHECK_EQ(atomic_load(&wrong), 0);
	CHECK(calls > 0 && atomic_load(&slept) > 0);
	CHECK_EQ(driver_check(&rig.tx), 0);
	close(kick);
	rig_destroy(&rig);
}

static void flags_of_a_split_ring_lose_no_wake_up(void)
{
	play(0);
}

static void event_indices_of_a_split_ring_lose_no_wake_up(void)
{
	play(EVENT_IDX);
}

static void flags_of_a_packed_ring_lose_no_wake_up(void)
{
	play(PACKED);
}

static void event_positions_of_a_packed_ring_lose_no_wake_up(void)
{
	play(PACKED | EVENT_IDX);
}

static const struct sentence sentences[] = {
	CATALOGUE(flags_of_a_split_ring_lose_no_wake_up, "[40]"),
	CATALOGUE(event_indices_of_a_split_ring_lose_no_wake_up, "[40]"),
	CATALOGUE(flags_of_a_packed_ring_lose_no_wake_up, "[40]"),
	CATALOGUE(event_positions_of_a_packed_ring_lose_no_wake_up, "[40]"),
};
SUITE("wake-ups", sentences)
