/* SPDX-License-Identifier: Apache-2.0 */
#include "bursts.h"

#include "check.h"
#include "primary_rig.h"

struct runner runner_for(struct vring *vring)
{
	const struct device *device = vring->device;

	return (struct runner){
		.lane = rig_lane(vring),
		.grant_word =
			hf_directory_grant(&device->primary->directory, device->slot, vring->index),
		.used_idx = rig_used_idx(vring),
		.scratch = rig_guest(device, RIG_MEMORY - 4096, 8),
	};
}

void burst_publish(struct hf_lane_vring *lane, uint16_t *used_idx, uint16_t intent)
{
	uint16_t to = (uint16_t)(hf_read_once(&lane->used) + BATCH);

	hf_write_once(&lane->intent_count, (uint16_t)BATCH);
	hf_store_release(&lane->intent, intent);
	hf_store_release(used_idx, to);
	hf_write_once(&lane->avail, to);
	hf_store_release(&lane->used, to);
	hf_store_release(&lane->intent, (uint16_t)HF_INTENT_NONE);
	hf_write_once(&lane->counters[HF_COUNTER_GOOD_PACKETS],
		      hf_read_once(&lane->counters[HF_COUNTER_GOOD_PACKETS]) + BATCH);
}

static void on_done(struct revocation *revocation)
{
	struct waiting *w = container_of(revocation, struct waiting, revocation);

	w->done++;
	w->owned |= w->vring && (w->vring->owner || rig_grant_word(w->vring));
}

struct waiting waiting_for(struct vring *vring)
{
	return (struct waiting){.revocation = {.done = on_done}, .vring = vring};
}

bool is_done(void *context)
{
	return ((struct waiting *)context)->done != 0;
}
