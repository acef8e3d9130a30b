/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion is strictly in ring order, and a burst completes all it took: a split ring's position
 * is one number, and used->idx in the guest's memory tells it. But the guest can scribble there,
 * and the lane can be scribbled by its secondary, so each is held against the other:
 *
 *   - A lane at rest says `used`; a lane in mid-burst says that between 0 and intent_count entries
 *     are published after it. The store of used->idx is the instant of publishing, so when the
 *     guest's index lies in [used, used + intent_count] it is the truth: what is published stays
 *     published, what is not is done again.
 *   - Outside of that window nobody who keeps the rules has put it there: the guest wrote it, and
 *     the last burst boundary of the lane holds. The guest hurts its own ring only.
 *   - A lane whose words cannot all be true (more in flight than the ring has, an unknown intent)
 *     says nothing: then the guest's index holds; without that, where the owner started.
 *
 * Indices run freely modulo 2^16 and are compared by unsigned difference only.
 */
#include "recover.h"

#include "order.h"

struct recover_lane recover_read_lane(const struct hf_lane_vring *lane)
{
	/* Relaxed: the caller has seen busy == 0 by load-acquire, or the death of the owner, after
	 * which no store of its is still under way. */
	return (struct recover_lane){
		.avail = hf_read_once(&lane->avail),
		.used = hf_read_once(&lane->used),
		.intent = hf_read_once(&lane->intent),
		.intent_count = hf_read_once(&lane->intent_count),
	};
}

static bool believable(const struct recover_lane *lane, uint16_t size)
{
	if ((uint16_t)(lane->avail - lane->used) > size)
		return false;
	switch (lane->intent) {
	case HF_INTENT_NONE:
		return true;
	case HF_INTENT_DEQUEUE:
	case HF_INTENT_ENQUEUE:
		return lane->intent_count <= size;
	default:
		return false;
	}
}

struct recovered recover_split(const struct recover_lane *lane, uint16_t size, uint16_t last_known,
			       const uint16_t *guest_used)
{
	uint16_t window = lane->intent == HF_INTENT_NONE ? 0 : lane->intent_count;

	if (!believable(lane, size))
		return (struct recovered){.position = guest_used ? *guest_used : last_known,
					  .lied = true};
	if (guest_used && (uint16_t)(*guest_used - lane->used) <= window)
		return (struct recovered){.position = *guest_used};
	return (struct recovered){.position = lane->used};
}
