/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes, and the two halves of the grant protocol.
 *
 * Theory of operation. A burst says `busy`, then looks at the grant; the primary changes the
 * grant, then looks at `busy`. That is store-load on both sides, which needs a full fence on
 * both sides; but the burst runs a million times a second and the primary almost never, so the
 * primary pays for both with membarrier(GLOBAL_EXPEDITED): when it returns, every thread of every
 * registered process has passed a full fence. Either that fence came after the burst's `busy`
 * store, then the primary sees it and waits; or before it, then the burst's load of the grant
 * comes after the primary's store, and the burst sees that it was revoked.
 *
 * Where the kernel has no membarrier the burst pays: hf_burst_enter with HF_ENTER_FENCE.
 */
#ifndef SHM_LANE_H
#define SHM_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "layout.h"
#include "order.h"

#define HF_GRANT_ENABLED 1ull

/* What is to be minded on the way into a burst; mostly nothing. */
enum {
	HF_ENTER_FENCE = 1u << 0, /* no membarrier: the burst fences itself */
	HF_ENTER_HELD = 1u << 1,  /* this thread is in a burst that it left open: none in it */
};

/*
 * Burst side: may this thread run the ring now? `mine` is the grant it was given, enabled bit
 * clear. True: busy is set, and hf_burst_leave must follow; *ret_enabled tells the ring's state.
 * Partner: hf_lane_quiescent in the primary. Without the order a revoked burst could go on while
 * the primary reads busy == 0 and tells the front-end that its memory is free.
 */
static inline bool hf_burst_enter(struct hf_lane_vring *lane, const uint64_t *grant, uint64_t mine,
				  uint32_t mind, bool *ret_enabled)
{
	uint64_t now;

	hf_write_once(&lane->busy, 1u);
	hf_compiler_barrier();
	if (unlikely(mind)) {
		if (mind & HF_ENTER_HELD)
			return false; /* and busy stays */
		hf_fence_full();
	}
	now = hf_load_acquire(grant);
	if (unlikely((now ^ mine) > HF_GRANT_ENABLED)) {
		hf_store_release(&lane->busy, 0u);
		return false;
	}
	*ret_enabled = now & HF_GRANT_ENABLED;
	return true;
}

/* Partner: the acquire in hf_lane_quiescent. All that the burst did to the guest is done. */
static inline void hf_burst_leave(struct hf_lane_vring *lane)
{
	hf_store_release(&lane->busy, 0u);
}

/* Primary side, after hf_lane_fence_all(). Is the ring surely not touched any more? */
static inline bool hf_lane_quiescent(const struct hf_lane_vring *lane)
{
	return hf_load_acquire(&lane->busy) == 0;
}

/* Secondary: let the primary fence our threads. False: bursts must use a full fence. */
bool hf_lane_register_membarrier(void);
/* Primary: may it? False: Welcome tells secondaries that their bursts must use a full fence. */
bool hf_lane_can_fence(void);
/* Primary: a full fence in every thread of every registered process. After the grant's store,
 * before the first hf_lane_quiescent. */
void hf_lane_fence_all(void);

/* Primary: lay out a fresh lane of `bytes` bytes. */
void hf_lane_format(void *lane, uint64_t bytes, uint64_t secondary_id);
/* Secondary: is this mapping of `bytes` bytes a lane this code understands? 0, -EPROTO, -EINVAL. */
int hf_lane_verify(const void *lane, uint64_t bytes);

/* Entry `index` (1 …) of a lane. */
static inline struct hf_lane_vring *hf_lane_entry(void *lane, uint32_t index)
{
	return (struct hf_lane_vring *)lane + index;
}

#endif
