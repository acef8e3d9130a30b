/* SPDX-License-Identifier: Apache-2.0 */
#include "blame.h"

#include "event.h"
#include "lane.h"
#include "lane_entries.h"
#include "port.h"
#include "primary.h"
#include "publish.h"
#include "refusal.h"
#include "secondary.h"

#define DEATHS_TO_BREAK 3u

/* Since it was granted; the counters of a lane begin with the grant. */
static bool has_ended_a_burst(const struct hf_lane_vring *lane)
{
	return hf_read_once(&lane->counters[HF_COUNTER_BURSTS]) ||
	       hf_read_once(&lane->counters[HF_COUNTER_EMPTY_BURSTS]);
}

void blame_survived(struct vring *vring)
{
	if (has_ended_a_burst(grant_lane(vring)))
		vring->deaths = 0;
}

static void note(struct vring *vring)
{
	const struct hf_lane_vring *lane = grant_lane(vring);

	blame_survived(vring);
	if (!hf_lane_quiescent(lane) && vring->deaths < DEATHS_TO_BREAK)
		vring->deaths++;
}

static bool is_source(const struct vring *vring)
{
	return vring->index & 1;
}

struct vring *blame_death(struct device *device, const struct secondary *secondary,
			  struct vring *suspect)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		struct vring *vring = &device->vrings[i];

		if (vring->owner != secondary)
			continue;
		note(vring);
		if (vring->deaths >= DEATHS_TO_BREAK &&
		    (!suspect || (is_source(vring) && !is_source(suspect))))
			suspect = vring;
	}
	return suspect;
}

void blame_break(struct vring *vring, const struct secondary *owner)
{
	struct device *device = vring->device;

	refusal_count(device->primary, REFUSED_ENDS_OWNERS);
	log_warning(device->tag, "vring %u is not run any more: %s", vring->index,
		    refusal_remedy(REFUSED_ENDS_OWNERS));
	vring->broken = true;
	publish_device(device);
	event_emit(device->primary, HOLDFAST__CONTROL__EVENT_KIND__VRING_BROKEN, device->port->name,
		   owner->name, vring->index, 0,
		   "whoever ran it died in a burst of it, %u times in a row", DEATHS_TO_BREAK);
}
