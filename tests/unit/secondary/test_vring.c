/* SPDX-License-Identifier: Apache-2.0 */
/* A vring is set up where its memory is whole, and has a call descriptor or says why not. */
#include <errno.h>
#include <sys/eventfd.h>

#include "faults.h"
#include "guestmap.h"
#include "memory.h"
#include "notify.h"
#include "suite.h"
#include "vring.h"

#define MEMORY 16384u

static struct hf_vring vring;
static struct hf_memory guest_memory;
static struct hf_guestmap *map;

static void map_memory(void)
{
	const struct hf_shm_region region = {.size = MEMORY};

	REQUIRE(hf_memory_create(&guest_memory, "test", MEMORY, HF_NODE_ANY, false) == 0);
	REQUIRE(hf_guestmap_create(&map, &region, &guest_memory.fd, 1) == 0);
}

static void unmap_memory(void)
{
	hf_guestmap_destroy(map);
	hf_memory_destroy(&guest_memory);
}

static int set_up(uint64_t features, uint16_t size, uint64_t desc, uint64_t avail, uint64_t used)
{
	static hf_shm_grant word;
	static struct hf_lane_vring entry;
	const struct hf_vring_setup setup = {.grant_word = &word,
					     .lane = &entry,
					     .map = map,
					     .features = features,
					     .desc_gpa = desc,
					     .avail_gpa = avail,
					     .used_gpa = used,
					     .size = size};

	return hf_vring_setup(&vring, &setup);
}

/* Both kinds: the parts in order, then each out of its place. */
static void check_rings(uint64_t features)
{
	CHECK_EQ(set_up(features, 16, 0, 4096, 8192), 0);
	CHECK_EQ(set_up(features, 0, 0, 4096, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 32769, 0, 4096, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 8, 4096, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, 4097, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, 4096, 8194), -EINVAL);
	CHECK_EQ(set_up(features, 16, 1 << 30, 4096, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, 1 << 30, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, 4096, 1 << 30), -EINVAL);
}

/* Each part as near to the end of memory as it may be, and one step of its alignment nearer. */
static void check_ends(uint64_t features, uint64_t desc, uint64_t avail, uint64_t used)
{
	const uint64_t avail_align = features & HF_FEATURE(HF_F_RING_PACKED) ? 4 : 2;

	CHECK_EQ(set_up(features, 16, MEMORY - desc, 4096, 8192), 0);
	CHECK_EQ(set_up(features, 16, MEMORY - desc + 16, 4096, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, MEMORY - avail, 8192), 0);
	CHECK_EQ(set_up(features, 16, 0, MEMORY - avail + avail_align, 8192), -EINVAL);
	CHECK_EQ(set_up(features, 16, 0, 4096, MEMORY - used), 0);
	CHECK_EQ(set_up(features, 16, 0, 4096, MEMORY - used + 4), -EINVAL);
}

/* The event words are a part of the ring where they are negotiated, and there only: the primary
 * takes a ring without them. */
static void a_ring_may_end_where_memory_does_and_not_behind_it(void)
{
	const uint64_t events = HF_FEATURE(HF_F_EVENT_IDX), packed = HF_FEATURE(HF_F_RING_PACKED);

	map_memory();
	hf_vring_init(&vring);
	check_ends(0, 16 * 16, 4 + 2 * 16, 4 + 8 * 16);
	/* A used ring begins at a multiple of 4: two bytes are left over behind it. */
	check_ends(events, 16 * 16, 6 + 2 * 16, 8 + 8 * 16);
	check_ends(packed, 16 * 16, 4, 4);
	check_ends(packed | events, 16 * 16, 4, 4);
	hf_vring_destroy(&vring);
	unmap_memory();
}

static void a_ring_that_is_not_whole_and_aligned_is_not_set_up(void)
{
	const uint64_t kinds[] = {HF_FEATURE(HF_F_VERSION_1),
				  HF_FEATURE(HF_F_VERSION_1) | HF_FEATURE(HF_F_RING_PACKED)};

	map_memory();
	faults_open();
	for (size_t i = 0; i < 2; i++) {
		hf_vring_init(&vring);
		faults_arm(0, FAULT_HEAP, FAULT_ERROR, 1, 1);
		CHECK_EQ(set_up(kinds[i], 16, 0, 4096, 8192), -ENOMEM);
		faults_disarm(NULL);
		check_rings(kinds[i]);
		hf_vring_destroy(&vring);
	}
	faults_close();
	unmap_memory();
}

static void a_call_that_cannot_be_had_is_said_and_had_the_next_time(void)
{
	int call;

	hf_vring_init(&vring);
	faults_open();
	faults_arm(0, FAULT_DESCRIPTOR, FAULT_ERROR, 1, 1);
	CHECK_EQ(hf_notify_put_call(&vring, NULL), -EMFILE);
	faults_disarm(NULL);
	CHECK(!vring.has_call);
	call = eventfd(0, EFD_CLOEXEC);
	CHECK_EQ(hf_notify_put_call(&vring, &call), 0);
	CHECK(vring.has_call && call < 0);
	/* No such descriptor: the one before stays. */
	call = 1 << 20;
	CHECK_EQ(hf_notify_put_call(&vring, &call), -EBADF);
	CHECK(vring.has_call);
	faults_close();
	hf_vring_destroy(&vring);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_ring_may_end_where_memory_does_and_not_behind_it, "[2]"),
	SENTENCE(a_ring_that_is_not_whole_and_aligned_is_not_set_up),
	SENTENCE(a_call_that_cannot_be_had_is_said_and_had_the_next_time),
};
SUITE("vring", sentences)
