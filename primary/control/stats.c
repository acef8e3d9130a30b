/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner writes its lane while we add: each word is whole, the set is not a snapshot. A lane
 * that lies makes wrong statistics of the vrings it was granted, and nothing else.
 */
#include "stats.h"

#include "clock.h"
#include "device.h"
#include "lane_entries.h"
#include "order.h"
#include "secondary.h"

void stats_vring(const struct vring *vring, uint64_t ret_totals[HF_NR_COUNTERS])
{
	const struct hf_lane_vring *lane = grant_lane(vring);

	for (uint32_t i = 0; i < HF_NR_COUNTERS; i++) {
		ret_totals[i] = vring->counters[i];
		if (lane)
			ret_totals[i] += hf_read_once(&lane->counters[i]);
	}
}

uint64_t stats_heartbeat_age(const struct secondary *secondary)
{
	const struct hf_lane_header *header = secondary->lane.base;
	uint64_t beat = hf_read_once(&header->heartbeat_ns), now = hf_now_ns();

	return beat && beat <= now ? now - beat : UINT64_MAX;
}
