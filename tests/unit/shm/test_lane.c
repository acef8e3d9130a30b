/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/lane.h: a lane's layout, and the grant protocol under real threads.
 *
 * The relation that the thread test checks: once a revocation has seen the lane quiescent, nobody
 * touches what the grant covered, until the next grant.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "faults.h"
#include "lane.h"
#include "suite.h"

#define LANE_BYTES (64u * 1024u)

#define ENTRY sizeof(struct hf_lane_vring)

static void *new_lane(void)
{
	void *lane = aligned_alloc(4096, LANE_BYTES);

	REQUIRE(lane != NULL);
	hf_lane_format(lane, LANE_BYTES, 42);
	return lane;
}

static void a_formatted_lane_verifies(void)
{
	struct hf_lane_header *header = new_lane();

	CHECK_EQ(hf_lane_verify(header, LANE_BYTES), 0);
	CHECK_EQ(header->secondary_id, 42);
	CHECK_EQ(header->entries, LANE_BYTES / ENTRY);
	CHECK((char *)hf_lane_entry(header, header->entries - 1) + ENTRY ==
	      (char *)header + header->entries * ENTRY);
	CHECK(ENTRY / HF_SHM_LINE % 2 == 1); /* first lines spread over all sets of a cache */
	CHECK_EQ(hf_lane_entry(header, 1)->busy, 0);
	free(header);
}

static void a_lane_that_is_damaged_is_refused(void)
{
	struct hf_lane_header *header = new_lane();

	CHECK_EQ(hf_lane_verify(header, LANE_BYTES - ENTRY), -EINVAL);
	CHECK_EQ(hf_lane_verify(header, 511), -EINVAL);
	header->entries++;
	CHECK_EQ(hf_lane_verify(header, LANE_BYTES), -EINVAL);
	header->entries = UINT32_MAX;
	CHECK_EQ(hf_lane_verify(header, LANE_BYTES), -EINVAL);
	header->entries = 2;
	header->entry_bytes = 0;
	CHECK_EQ(hf_lane_verify(header, LANE_BYTES), -EINVAL);
	header->entry_bytes = ENTRY;
	header->magic ^= 1;
	CHECK_EQ(hf_lane_verify(header, LANE_BYTES), -EINVAL);
	free(header);
}

static void a_lane_of_another_major_version_is_refused(void)
{
	struct hf_lane_header *header = new_lane();

	header->abi_major++;
	CHECK_EQ(hf_lane_verify(header, LANE_BYTES), -EPROTO);
	free(header);
}

static void check_enter(bool fence)
{
	struct hf_lane_vring lane = {0};
	uint64_t grant = 6 | HF_GRANT_ENABLED;
	bool enabled = false;

	CHECK(hf_burst_enter(&lane, &grant, 6, fence, &enabled));
	CHECK(enabled);
	CHECK_EQ(lane.busy, 1);
	CHECK(!hf_lane_quiescent(&lane));
	hf_burst_leave(&lane);
	CHECK(hf_lane_quiescent(&lane));
	grant = 6;
	CHECK(hf_burst_enter(&lane, &grant, 6, fence, &enabled));
	CHECK(!enabled);
	hf_burst_leave(&lane);
}

static void a_burst_enters_with_its_grant_enabled_or_not(void)
{
	check_enter(false);
	check_enter(true);
}

static void a_burst_without_its_grant_stays_out_and_quiet(void)
{
	static const uint64_t others[] = {0, 8, 9, 4, 5, UINT64_MAX, 6 | 1ull << 63};
	struct hf_lane_vring lane = {0};
	bool enabled = false;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		CHECK(!hf_burst_enter(&lane, &others[i], 6, false, &enabled));
		CHECK(hf_lane_quiescent(&lane));
	}
	CHECK(!enabled);
}

#define ROUNDS	 3000u
#define OURS	 0xB0B0u
#define NOT_OURS 0x5151u

struct contest {
	struct hf_lane_vring lane;
	uint64_t grant;
	uint64_t guest; /* plain memory: what the grant covers */
	bool fence;
	atomic_bool over;
	uint64_t entered;
	atomic_uint_fast64_t mine; /* control thread to data thread */
};

static void *burst_until_over(void *argument)
{
	struct contest *contest = argument;
	bool enabled;

	while (!atomic_load_explicit(&contest->over, memory_order_acquire)) {
		uint64_t mine = atomic_load_explicit(&contest->mine, memory_order_acquire);

		if (!hf_burst_enter(&contest->lane, &contest->grant, mine, contest->fence,
				    &enabled))
			continue;
		contest->guest = OURS;
		hf_write_once(&contest->entered, contest->entered + 1);
		hf_burst_leave(&contest->lane);
	}
	return NULL;
}

/* One life of a grant. How many times the guest's memory was touched after the revocation? */
static unsigned int grant_and_revoke(struct contest *contest, uint64_t generation)
{
	unsigned int touched = 0;

	atomic_store_explicit(&contest->mine, generation << 1, memory_order_release);
	hf_store_release(&contest->grant, generation << 1 | HF_GRANT_ENABLED);
	for (volatile unsigned int i = 0; i < generation % 512; i++)
		;
	hf_store_release(&contest->grant, 0);
	if (contest->fence)
		hf_fence_full();
	else
		hf_lane_fence_all();
	while (!hf_lane_quiescent(&contest->lane))
		;
	contest->guest = NOT_OURS;
	for (volatile unsigned int i = 0; i < 64; i++)
		touched += *(volatile uint64_t *)&contest->guest != NOT_OURS;
	return touched;
}

static void contest_with(bool fence)
{
	struct contest *contest = aligned_alloc(64, align_up(sizeof(*contest), 64));
	unsigned int touched = 0;
	uint64_t generation = 0;
	pthread_t thread;

	REQUIRE(contest != NULL);
	*contest = (struct contest){.fence = fence};
	atomic_store(&contest->mine, 2);
	REQUIRE(pthread_create(&thread, NULL, burst_until_over, contest) == 0);
	/* Without bursts in between there is no contest. */
	while (++generation < ROUNDS || hf_read_once(&contest->entered) < ROUNDS)
		touched += grant_and_revoke(contest, generation);
	atomic_store_explicit(&contest->over, true, memory_order_release);
	pthread_join(thread, NULL);
	CHECK_EQ(touched, 0);
	CHECK(contest->entered >= ROUNDS);
	free(contest);
}

/* The kernel's memory is short: there is a way without. */
static void a_barrier_that_fails_is_made_the_slow_way(void)
{
	uint32_t hit;

	REQUIRE(hf_lane_register_membarrier() && hf_lane_can_fence());
	faults_open();
	faults_arm(0, FAULT_MAP, FAULT_ERROR, 1, 1);
	hf_lane_fence_all(); /* or it aborts */
	CHECK_EQ(faults_disarm(&hit), 2);
	CHECK_EQ(hit, 1);
	faults_close();
}

static void a_revoked_burst_never_touches_guest_memory_by_membarrier(void)
{
	REQUIRE(hf_lane_register_membarrier());
	contest_with(false);
}

static void a_revoked_burst_never_touches_guest_memory_by_its_own_fence(void)
{
	contest_with(true);
}

static const struct sentence sentences[] = {
	SENTENCE(a_formatted_lane_verifies),
	SENTENCE(a_lane_that_is_damaged_is_refused),
	SENTENCE(a_lane_of_another_major_version_is_refused),
	SENTENCE(a_burst_enters_with_its_grant_enabled_or_not),
	SENTENCE(a_burst_without_its_grant_stays_out_and_quiet),
	SENTENCE(a_barrier_that_fails_is_made_the_slow_way),
	SENTENCE(a_revoked_burst_never_touches_guest_memory_by_membarrier),
	SENTENCE(a_revoked_burst_never_touches_guest_memory_by_its_own_fence),
};
SUITE("lane", sentences)
