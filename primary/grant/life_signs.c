/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heartbeats are looked at for change and never as a time: a secondary in a time namespace has
 * another clock, and one that lies about it deceives itself only.
 *
 * Our own pauses look like everybody's. When we come late by more than a period, all begins anew:
 * everybody is assumed to live, which is enough to be left alone, and not to be given what another
 * one runs.
 */
#include "life_signs.h"

#include "check.h"
#include "clock.h"
#include "device.h"
#include "directory.h"
#include "lane.h"
#include "lane_entries.h"
#include "port.h"
#include "primary.h"
#include "secondary.h"

/* More than a heartbeat's period. */
#define LATER_NS (750 * NS_PER_MS)

void life_signs_forget_burst(struct vring *vring)
{
	vring->seen.since_ns = 0;
}

/* In the first look of all, nobody can say how long ago it was. */
static void shows_life(struct secondary_watch *s, uint64_t now)
{
	s->assumed = s->assumed && s->alive_ns == now;
	s->alive_ns = now;
}

/* Hostile words: whatever they say, it is only compared. */
static void look_at_vring(struct vring *vring, uint64_t now)
{
	const struct hf_lane_vring *lane = grant_lane(vring);
	uint64_t bursts = hf_read_once(&lane->counters[HF_COUNTER_BURSTS]) +
			  hf_read_once(&lane->counters[HF_COUNTER_EMPTY_BURSTS]) +
			  hf_read_once(&lane->looks);
	struct secondary_watch *s = &vring->owner->watch;
	bool same = vring->seen.grant == vring->grant && vring->seen.bursts == bursts;

	if (vring->seen.grant == vring->grant && !same)
		shows_life(s, now);
	vring->seen.grant = vring->grant;
	vring->seen.bursts = bursts;
	if (vring->broken || hf_lane_quiescent(lane)) {
		life_signs_forget_burst(vring);
		return;
	}
	s->busy = true;
	if (!same || !vring->seen.since_ns)
		vring->seen.since_ns = now;
	if (!s->longest || vring->seen.since_ns < s->longest->seen.since_ns)
		s->longest = vring;
}

static void look_at_device(struct device *device, uint64_t now)
{
	const struct hf_shm_device *slot =
		hf_directory_device(&device->primary->directory, device->slot);
	uint64_t nr_vrings = min_u64(slot->nr_vrings, HF_SHM_MAX_VRINGS);

	for (uint64_t i = 0; i < nr_vrings; i++)
		if (device->vrings[i].owner)
			look_at_vring(&device->vrings[i], now);
}

static void look_at_heart(struct secondary *secondary, uint64_t now)
{
	const struct hf_lane_header *header = secondary->lane.base;
	uint64_t beat = hf_read_once(&header->heartbeat_ns);
	struct secondary_watch *s = &secondary->watch;

	if (!s->alive_ns) {
		s->alive_ns = now;
		s->assumed = true;
	} else if (beat != s->beat) {
		shows_life(s, now);
	}
	s->beat = beat;
	s->busy = false;
	s->longest = NULL;
}

static void look_at_all(const struct primary *primary, uint64_t now)
{
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++)
		if (primary->secondaries[i])
			look_at_heart(primary->secondaries[i], now);
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i] && primary->ports[i]->device.owner)
			look_at_device(&primary->ports[i]->device, now);
}

static void begin_anew_with(struct device *device)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		struct vring *vring = &device->vrings[i];

		if (vring->owner && !vring->owner->watch.hung)
			life_signs_forget_burst(vring);
	}
}

/* Who was seen to hang before does so until it shows life. */
static void begin_anew(const struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++)
		if (primary->secondaries[i] && !primary->secondaries[i]->watch.hung)
			primary->secondaries[i]->watch.alive_ns = 0;
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i])
			begin_anew_with(&primary->ports[i]->device);
}

/* Two that stopped at once had their last beats up to one apart, and whoever came later is no
 * better; so where nobody has a processor, nobody is relieved. */
bool life_signs_outlives(const struct secondary *next, const struct secondary *hung)
{
	const struct watch *w = next->primary->watch;
	uint64_t alive_ns = next->watch.alive_ns;

	if (!w || next->watch.hung || next->watch.assumed || !alive_ns)
		return false;
	return alive_ns >= hung->watch.alive_ns + max_u64(w->limit_ns / 2, LATER_NS) &&
	       w->looked_ns - alive_ns < w->limit_ns;
}

void life_signs_look(struct watch *w, uint64_t now)
{
	if (w->looked_ns && now - w->looked_ns > 2 * (w->limit_ns / LIFE_SIGNS_LOOKS))
		begin_anew(w->primary);
	w->looked_ns = now;
	look_at_all(w->primary, now);
}

bool life_signs_stuck(const struct watch *w, const struct secondary_watch *s)
{
	return s->longest && w->looked_ns - s->longest->seen.since_ns >= w->limit_ns;
}

bool life_signs_silent(const struct watch *w, const struct secondary_watch *s)
{
	return w->looked_ns - s->alive_ns >= w->limit_ns;
}
