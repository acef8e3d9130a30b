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
 *
 * A packed ring has no index in the guest's memory. Its lane changes in one store, so position and
 * intent always belong together, and the intent says what to look at:
 *
 *   - SINGLES: buffers of one descriptor each, from the position on, published one after the other.
 *     As many as are no longer what the driver made available are published.
 *   - GROUP: buffers that take so many descriptors, published by the store of the first one. If
 * that is no longer what the driver made available, all are; else none is, but those behind the
 *     first one may have been overwritten: they are the leftovers that the next owner turns back.
 *
 * "No longer available" and not "used": the guest may have seen it meanwhile, and have made it
 * available again, for the next lap. The guest can write those flags, too: within the intent it
 * moves its own position, and no further.
 */
#include "recover.h"

#include "order.h"

struct recover_lane recover_read_lane(const struct hf_lane_vring *lane)
{
	/* Relaxed: the caller has seen busy == 0 by load-acquire, or the death of the owner, after
	 * which no store of its is still under way. */
	struct hf_lane_vring copy = {.position = hf_read_once(&lane->position)};

	return (struct recover_lane){
		.avail = copy.avail,
		.used = copy.used,
		.intent = copy.intent,
		.intent_count = copy.intent_count,
	};
}

#define PACKED_WRAP  0x8000u
#define PACKED_AVAIL 0x0080u
#define PACKED_USED  0x8000u

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

static bool packed_believable(const struct recover_lane *lane, uint16_t size)
{
	if (lane->avail != lane->used || (lane->used & ~PACKED_WRAP) >= size)
		return false;
	switch (lane->intent) {
	case HF_INTENT_NONE:
		return true;
	case HF_INTENT_PACKED_SINGLES:
		return lane->intent_count <= HF_PACKED_RUN && lane->intent_count <= size;
	case HF_INTENT_PACKED_GROUP:
		return lane->intent_count <= size;
	default:
		return false;
	}
}

static uint16_t packed_after(uint16_t position, uint32_t n, uint16_t size)
{
	uint32_t place = (position & ~PACKED_WRAP) + n, wrap = position & PACKED_WRAP;

	if (place >= size) {
		place -= size;
		wrap ^= PACKED_WRAP;
	}
	return (uint16_t)(wrap | place);
}

/* Is the descriptor at `position` what the driver made available in this lap? When it cannot be
 * read, nothing can be said to have been published. */
static bool still_available(const struct recover_ring *ring, uint16_t position)
{
	uint16_t available = position & PACKED_WRAP ? PACKED_AVAIL : PACKED_USED, flags;

	return !ring->flags_at(ring->context, position & (uint16_t)~PACKED_WRAP, &flags) ||
	       (flags & (PACKED_AVAIL | PACKED_USED)) == available;
}

struct recovered recover_packed(const struct recover_lane *lane, uint16_t size, uint16_t last_known,
				const struct recover_ring *ring)
{
	uint16_t n = 0;

	if (!packed_believable(lane, size))
		return (struct recovered){.position = last_known, .lied = true};
	if (lane->intent == HF_INTENT_PACKED_SINGLES)
		while (n < lane->intent_count &&
		       !still_available(ring, packed_after(lane->used, n, size)))
			n++;
	if (lane->intent == HF_INTENT_PACKED_GROUP) {
		if (still_available(ring, lane->used))
			return (struct recovered){.position = lane->used,
						  .leftovers = lane->intent_count};
		n = lane->intent_count;
	}
	return (struct recovered){.position = packed_after(lane->used, n, size)};
}
