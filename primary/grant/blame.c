/* SPDX-License-Identifier: Apache-2.0 */
#include "blame.h"

#include <signal.h>

#include "check.h"
#include "clock.h"
#include "event.h"
#include "lane.h"
#include "lane_entries.h"
#include "port.h"
#include "primary.h"
#include "process.h"
#include "publish.h"
#include "refusal.h"
#include "secondary.h"

#define DEATHS_TO_BREAK 3u
#define MOST_DEATHS	7u
#define FIRST_WAIT_NS	(60 * NS_PER_S) /* doubled by each further death */

/* Since it was granted; the counters of a lane begin with the grant. */
static bool has_ended_a_burst(const struct hf_lane_vring *lane)
{
	return hf_read_once(&lane->counters[HF_COUNTER_BURSTS]) ||
	       hf_read_once(&lane->counters[HF_COUNTER_EMPTY_BURSTS]);
}

uint8_t blame_kept(uint8_t deaths)
{
	return (uint8_t)min_u64(deaths, MOST_DEATHS);
}

bool blame_ended_burst(const struct vring *vring)
{
	return has_ended_a_burst(grant_lane(vring));
}

void blame_survived(struct vring *vring)
{
	if (blame_ended_burst(vring))
		vring->deaths = 0;
}

/* By a signal of ours, or of the kernel's, which a guest can bring about: its memory is charged to
 * who touches it first. */
static bool may_be_the_rings(const struct secondary *secondary)
{
	return secondary->killed || secondary->oom_kills == UINT64_MAX ||
	       secondary->oom_kills != process_oom_kills();
}

bool blame_is_on_others(const struct secondary *secondary)
{
	/* Whoever ended that one did it for the ring's sake, as we would have. */
	if (secondary->watch.hung)
		return false;
	switch (process_end_signal(secondary->pidfd, secondary->pid)) {
	case SIGHUP:
	case SIGINT:
	case SIGTERM:
		return true;
	case SIGKILL:
		return !may_be_the_rings(secondary);
	default:
		return false;
	}
}

/* Is it to blame for this death? */
static bool note(struct vring *vring, bool by_others)
{
	blame_survived(vring);
	if (by_others || hf_lane_quiescent(grant_lane(vring)))
		return false;
	if (vring->deaths < MOST_DEATHS)
		vring->deaths++;
	return true;
}

static bool is_source(const struct vring *vring)
{
	return vring->index & 1;
}

struct vring *blame_death(struct device *device, const struct secondary *secondary, bool by_others,
			  struct vring *suspect)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		struct vring *vring = &device->vrings[i];

		if (vring->owner != secondary || !note(vring, by_others))
			continue;
		if (vring->deaths >= DEATHS_TO_BREAK &&
		    (!suspect || (is_source(vring) && !is_source(suspect))))
			suspect = vring;
	}
	return suspect;
}

static uint64_t wait_ns(const struct vring *vring)
{
	return FIRST_WAIT_NS << (vring->deaths - DEATHS_TO_BREAK);
}

/* It was a destination's doing: sources that wait were in a hop to it, or are to show that they
 * were not. */
static void release_sources(struct primary *primary, uint64_t now)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct port *port = primary->ports[i];

		for (uint32_t v = 0; port && v < HF_SHM_MAX_VRINGS; v++)
			if (port->device.vrings[v].forgiven_ns &&
			    is_source(&port->device.vrings[v]))
				port->device.vrings[v].forgiven_ns = now;
	}
}

void blame_break(struct vring *vring, const struct secondary *owner)
{
	struct device *device = vring->device;
	uint64_t now = hf_now_ns();

	refusal_count(device->primary, REFUSED_ENDS_OWNERS);
	log_warning(device->tag, "vring %u is not run any more: %s", vring->index,
		    refusal_remedy(REFUSED_ENDS_OWNERS));
	vring->broken = true;
	vring->forgiven_ns = now + wait_ns(vring);
	if (!is_source(vring))
		release_sources(device->primary, now);
	publish_device(device);
	event_emit(device->primary, HOLDFAST__CONTROL__EVENT_KIND__VRING_BROKEN, device->port->name,
		   owner->name, vring->index, 0,
		   "whoever ran it died in a burst of it, %u times in a row; tried again in %u s",
		   vring->deaths, (uint32_t)(wait_ns(vring) / NS_PER_S));
}

/* Its time is over, or it was set up anew meanwhile. True: it is to be offered. */
static bool forgive(struct vring *vring, uint64_t now)
{
	/* If it is broken, then by its guest. */
	if (vring->owner) {
		blame_survived(vring);
		return false;
	}
	if (!vring->broken || vring->deaths < DEATHS_TO_BREAK) {
		vring->forgiven_ns = 0;
		return false;
	}
	if (!vring->forgiven_ns) /* broken in an earlier life of the primary's */
		vring->forgiven_ns = now + wait_ns(vring);
	if (now < vring->forgiven_ns)
		return false;
	log_notice(vring->device->tag, "vring %u is tried once more", vring->index);
	vring->forgiven_ns = 0;
	vring->broken = false;
	return true;
}

bool blame_forgive(struct device *device, uint64_t now)
{
	bool any = false;

	for (uint32_t v = 0; v < HF_SHM_MAX_VRINGS; v++)
		any |= forgive(&device->vrings[v], now);
	return any;
}
