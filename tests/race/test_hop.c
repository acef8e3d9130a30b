/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that changes its packets while they hop. What was decided on is what arrives: the private
 * front, byte for byte, though the guest's own bytes have become others meanwhile; the rest is what
 * the guest had there at some moment. And it may change lengths and descriptors as it likes.
 *
 * The guest writes through a mapping of its own, as guests do, so the thread sanitizer sees the
 * library's threads only. A run in which nothing changed in time shows nothing, and fails.
 */
#include <holdfast/burst.h>
#include <holdfast/hop.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "rig.h"
#include "suite.h"

#define BURST	32u
#define ROUNDS	3000u
#define SLOT	2048u
#define FRAME	600u
#define FRONT	64u
#define MAC	6u /* where in the frame the byte is that is flipped */
#define PAYLOAD 300u

static struct rig from, to;
static uint8_t data[BURST][SLOT];
static struct hf_packet packets[BURST], *pointers[BURST];
static atomic_bool over;
static atomic_ulong flips;

static uint64_t slot(const struct rig *rig, uint32_t i)
{
	return rig->buffers + (uint64_t)(i % 256) * SLOT;
}

static uint8_t *byte_of(uint32_t chain, uint32_t at)
{
	return guest_at(&from.guest, slot(&from, chain) + 12 + at);
}

/* The addresses, the type and a byte of the payload of every packet, all the time. */
static void *flip_bytes(void *unused)
{
	(void)unused;
	while (!atomic_load(&over)) {
		for (uint32_t i = 0; i < BURST; i++) {
			__atomic_fetch_xor(byte_of(i, 0), 0x02, __ATOMIC_RELAXED);
			__atomic_fetch_xor(byte_of(i, MAC), 0xff, __ATOMIC_RELAXED);
			__atomic_fetch_xor(byte_of(i, 13), 0x06, __ATOMIC_RELAXED);
			__atomic_fetch_xor(byte_of(i, PAYLOAD), 0xff, __ATOMIC_RELAXED);
		}
		atomic_fetch_add(&flips, 1);
	}
	return NULL;
}

/* Lengths, flags and addresses of descriptors, and what the header asks for. */
static void *flip_descriptors(void *unused)
{
	uint32_t n = 0;

	(void)unused;
	while (!atomic_load(&over)) {
		uint32_t i = n++ % BURST;
		uint8_t *desc = guest_at(&from.guest, from.tx.desc + 16ull * i);
		uint8_t *header = guest_at(&from.guest, slot(&from, i));

		__atomic_fetch_xor((uint32_t *)(void *)(desc + 8), 0x00100200u, __ATOMIC_RELAXED);
		if (n % 3 == 0)
			__atomic_fetch_xor(desc + 12, 0x01, __ATOMIC_RELAXED);
		if (n % 7 == 0)
			__atomic_fetch_xor(desc + 4, 0x40, __ATOMIC_RELAXED);
		if (n % 5 == 0)
			__atomic_fetch_xor(header + n % 2, 0x01, __ATOMIC_RELAXED);
		atomic_fetch_add(&flips, 1);
	}
	return NULL;
}

static void open_guests(uint64_t features)
{
	struct rig_shape shape = {.features = features, .memory = 2u << 20};

	REQUIRE(rig_create(&from, &shape) && rig_create(&to, &shape));
	for (uint32_t i = 0; i < BURST; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .room = SLOT};
		pointers[i] = &packets[i];
		memset(guest_at(&from.guest, slot(&from, i)), 0, 12);
	}
	atomic_store(&over, false);
	atomic_store(&flips, 0);
}

static void close_guests(void)
{
	rig_destroy(&from);
	rig_destroy(&to);
}

/* BURST packets, always in the same places: the racer knows where they are. */
static void post(uint16_t table)
{
	static uint16_t published;

	if (!table)
		published = 0;
	for (uint32_t i = 0; i < BURST; i++) {
		uint64_t *desc = (void *)guest_at(&from.guest, from.tx.desc + 16ull * i);
		struct piece room = {slot(&to, to.rx.next_desc), SLOT, DRIVER_WRITE};

		__atomic_store_n(&desc[0], slot(&from, i), __ATOMIC_RELAXED);
		__atomic_store_n(&desc[1], 12 + FRAME, __ATOMIC_RELAXED);
		guest_write16(&from.guest, from.tx.avail + 4 + 2ull * (published % 256),
			      (uint16_t)i);
		published++;
		if (to.rx.descs_free)
			REQUIRE(driver_put(&to.rx, &room, 1) >= 0);
	}
	guest_write16(&from.guest, from.tx.avail + 2, published);
	driver_publish(&to.rx);
}

static uint8_t now_at(uint32_t chain, uint32_t at)
{
	return __atomic_load_n(byte_of(chain, at), __ATOMIC_RELAXED);
}

/* What the caller decides by, noted: the front as it was shown. */
struct decision {
	uint8_t front[BURST][FRONT];
};

static void what_was_decided_on_is_what_arrives(void)
{
	unsigned long changed = 0, wrong = 0, torn = 0;
	struct hf_hop *hop = hf_hop_create();
	struct decision decision;
	pthread_t thread;

	open_guests(V1);
	for (uint32_t i = 0; i < BURST; i++)
		for (uint32_t k = 0; k < FRAME; k++)
			*byte_of(i, k) = (uint8_t)(k * 3 + 2);
	REQUIRE(pthread_create(&thread, NULL, flip_bytes, NULL) == 0);
	for (uint32_t round = 0; round < ROUNDS || (changed == 0 && round < 1000 * ROUNDS);
	     round++) {
		uint16_t first = to.rx.used_seen % to.rx.size;

		post((uint16_t)round);
		REQUIRE(hf_hop_peek(hop, from.device, 1, pointers, BURST, FRONT) == BURST);
		for (uint32_t i = 0; i < BURST; i++)
			memcpy(decision.front[i], packets[i].data, FRONT);
		REQUIRE(hf_hop_forward(hop, to.device, 0, pointers, BURST) == BURST);
		for (uint32_t i = 0; i < BURST; i++) {
			const uint8_t *came = guest_at(&to.guest, slot(&to, first + i) + 12);

			wrong += memcmp(came, decision.front[i], FRONT) != 0;
			/* The guest's own bytes are others by now: it was in time. */
			changed += now_at(i, 0) != decision.front[i][0] ||
				   now_at(i, MAC) != decision.front[i][MAC];
			torn += came[PAYLOAD] != (uint8_t)(PAYLOAD * 3 + 2) &&
				came[PAYLOAD] != (uint8_t) ~(PAYLOAD * 3 + 2);
		}
		hf_hop_complete(hop, BURST);
		REQUIRE(driver_consume_all(&to.rx) == BURST);
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	printf("\n    %lu of the racer's rounds, %lu fronts changed between decision and copy … ",
	       atomic_load(&flips), changed);
	CHECK(atomic_load(&flips) > 0);
	CHECK(changed > 0);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(torn, 0);
	CHECK_EQ(driver_check(&to.rx), 0);
	hf_hop_destroy(hop);
	close_guests();
}

static unsigned long refused(void)
{
	return rig_counter(&from, 1, HF_COUNTER_DROP_BAD_ADDRESS) +
	       rig_counter(&from, 1, HF_COUNTER_DROP_TOO_BIG) +
	       rig_counter(&from, 1, HF_COUNTER_DROP_BAD_HEADER);
}

/* Of `taken` packets, each in a buffer of its own: those that are not as long as was shown, or have
 * another front. */
static unsigned long arrived_wrong(const struct decision *decision, const uint32_t *totals,
				   uint16_t taken)
{
	struct driver_used used = {0};
	unsigned long wrong = 0;

	for (uint16_t i = 0; i < taken; i++) {
		wrong += !driver_consume(&to.rx, &used) || used.len != 12 + totals[i] ||
			 memcmp(guest_at(&to.guest, slot(&to, used.id) + 12), decision->front[i],
				min_u64(FRONT, totals[i])) != 0;
	}
	return wrong + driver_consume(&to.rx, &used);
}

/* It stays in its own memory, and what arrives is what was shown. */
static void descriptors_and_headers_may_change_at_any_time(void)
{
	struct hf_hop *hop = hf_hop_create();
	unsigned long wrong = 0, came = 0;
	struct decision decision;
	uint32_t totals[BURST];
	pthread_t thread;

	open_guests(V1 | HF_FEATURE(VIRTIO_NET_F_CSUM) | HF_FEATURE(VIRTIO_NET_F_GUEST_CSUM));
	REQUIRE(pthread_create(&thread, NULL, flip_descriptors, NULL) == 0);
	/* On a busy machine the racer may not have run yet when the rounds are over. */
	for (uint32_t round = 0; round < ROUNDS || ((!came || !refused()) && round < 1000 * ROUNDS);
	     round++) {
		uint16_t n, taken;

		post((uint16_t)round);
		n = hf_hop_peek(hop, from.device, 1, pointers, BURST, FRONT);
		for (uint16_t i = 0; i < n; i++)
			wrong += packets[i].len > packets[i].total || packets[i].total > SLOT;
		for (uint16_t i = 0; i < n; i++) {
			totals[i] = packets[i].total;
			memcpy(decision.front[i], packets[i].data, FRONT);
		}
		taken = n ? hf_hop_forward(hop, to.device, 0, pointers, n) : 0;
		hf_hop_copy(hop, pointers, n);
		for (uint16_t i = 0; i < n; i++)
			wrong += packets[i].len != packets[i].total;
		hf_hop_complete(hop, n);
		wrong += arrived_wrong(&decision, totals, taken);
		came += n;
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	printf("\n    %lu of the racer's rounds, %lu packets came, %lu were refused … ",
	       atomic_load(&flips), came, refused());
	CHECK(came > 0 && refused() > 0);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(driver_check(&to.rx), 0);
	hf_hop_destroy(hop);
	close_guests();
}

static const struct sentence sentences[] = {
	CATALOGUE(what_was_decided_on_is_what_arrives, "[31]"),
	CATALOGUE(descriptors_and_headers_may_change_at_any_time, "[30] [31]"),
};
SUITE("hop race", sentences)
