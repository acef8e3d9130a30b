/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Two things are looked at, eight times within the limit:
 *
 *   silence  a secondary's heartbeat stands still, and so do the burst counters of all its vrings.
 *            Data threads that go on are a sign of life: whoever dispatches too rarely, or waits in
 *            a callback, loses nothing while packets move. Silent ones are relieved: what they run
 *            is taken back and given to who else serves the port (handover_relieve), if that one
 *            is seen to live. Without anybody they are left alone: it may be a debugger.
 *   a burst  that is the same at all looks: `busy`, and no counter of bursts moves. A burst is
 *            bounded, so the vring is asked back as a front-end would, and offered again at once.
 *            Who only had no processor leaves it then, and has lost nothing; who does not by the
 *            fence's deadline is killed. That needs nobody who waits, but somebody who runs: it
 *            beats, or it uses processor time. Who does neither is stopped, not stuck.
 *
 * Heartbeats are looked at for change and never as a time: a secondary in a time namespace has
 * another clock, and one that lies about it deceives itself only.
 *
 * Our own pauses look like everybody's. When we come late by more than a period, all begins anew.
 */
#include "watch.h"

#include <errno.h>
#include <stdlib.h>

#include "attach.pb-c.h"
#include "check.h"
#include "clock.h"
#include "directory.h"
#include "event.h"
#include "grant.h"
#include "handover.h"
#include "lane.h"
#include "loop.h"
#include "port.h"
#include "primary.h"
#include "process.h"
#include "secondary.h"

#define LOOKS 8u /* within the limit */
/* More than a heartbeat's period. */
#define LATER_NS (750 * NS_PER_MS)
/* Nothing is done about it: said so often at most. */
#define SAY_AGAIN_NS (60 * NS_PER_S)

struct watch {
	struct primary *primary;
	struct loop_timer timer;
	uint64_t limit_ns;
	uint64_t looked_ns; /* 0: never */
};

static void forget_burst(struct vring *vring)
{
	vring->seen.since_ns = 0;
}

/* Hostile words: whatever they say, it is only compared. */
static void look_at_vring(struct vring *vring, uint64_t now)
{
	const struct hf_lane_vring *lane = grant_lane(vring);
	uint64_t bursts = hf_read_once(&lane->counters[HF_COUNTER_BURSTS]) +
			  hf_read_once(&lane->counters[HF_COUNTER_EMPTY_BURSTS]);
	struct secondary_watch *s = &vring->owner->watch;
	bool same = vring->seen.grant == vring->grant && vring->seen.bursts == bursts;

	if (vring->seen.grant == vring->grant && !same)
		s->alive_ns = now;
	vring->seen.grant = vring->grant;
	vring->seen.bursts = bursts;
	if (vring->broken || hf_lane_quiescent(lane)) {
		forget_burst(vring);
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

	if (beat != s->beat || !s->alive_ns)
		s->alive_ns = now;
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
			forget_burst(vring);
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
bool watch_outlives(const struct secondary *next, const struct secondary *hung)
{
	const struct watch *w = next->primary->watch;
	uint64_t alive_ns = next->watch.alive_ns;

	if (!w || next->watch.hung || !alive_ns)
		return false;
	return alive_ns >= hung->watch.alive_ns + max_u64(w->limit_ns / 2, LATER_NS) &&
	       w->looked_ns - alive_ns < w->limit_ns;
}

/* --- what is done about it --- */

/* It has shown no life. Does it use the processor all the same? Known after half a limit. */
static bool is_running(const struct watch *w, struct secondary *secondary)
{
	struct secondary_watch *s = &secondary->watch;
	uint64_t since = w->looked_ns - s->ran_at_ns, ran_ns, before_ns = s->ran_ns;

	if (s->ran_at_ns && since < w->limit_ns / 2)
		return false;
	ran_ns = process_ran_ns(secondary->pid);
	s->ran_ns = ran_ns;
	/* The loop of one thread takes a whole processor, where it is not one of many. */
	if (s->ran_at_ns && ran_ns > before_ns && ran_ns - before_ns > since / 16)
		return true;
	s->ran_at_ns = w->looked_ns;
	return false;
}

static void on_answered(struct revocation *revocation)
{
	const struct secondary *owner = container_of(revocation, struct secondary, watch.asked);

	/* After a death all devices are offered together. */
	if (!owner->dead)
		grant_offer(revocation->device);
}

/* The ring back, to be given again: whoever can leave its burst notices no more than that. */
static void ask_back(struct vring *vring)
{
	struct revocation *asked = &vring->owner->watch.asked;

	forget_burst(vring);
	asked->done = on_answered;
	revoke_start(asked, vring->device, vring->index);
}

static bool is_stuck(const struct watch *w, const struct secondary_watch *s)
{
	return s->longest && w->looked_ns - s->longest->seen.since_ns >= w->limit_ns;
}

static bool is_silent(const struct watch *w, const struct secondary_watch *s)
{
	return w->looked_ns - s->alive_ns >= w->limit_ns;
}

/* May it be asked for the ring that it does not leave? */
static bool may_ask(const struct watch *w, struct secondary *secondary)
{
	const struct secondary_watch *s = &secondary->watch;
	const struct vring *vring = s->longest;

	if (!is_stuck(w, s)) {
		secondary->watch.ran_at_ns = 0;
		return false;
	}
	if (!w->primary->conf->fence || s->asked.active || vring->revoking || vring->device->moving)
		return false;
	return !is_silent(w, s) || is_running(w, secondary);
}

/* Without a fence, a burst that does not end would leave its device with nobody. */
static bool may_relieve(const struct watch *w, const struct secondary *secondary)
{
	return is_silent(w, &secondary->watch) &&
	       (w->primary->conf->fence || !secondary->watch.busy) &&
	       handover_can_relieve(secondary);
}

static void say_hung(const struct watch *w, struct secondary *secondary, bool acting)
{
	struct secondary_watch *s = &secondary->watch;
	const struct vring *vring = is_stuck(w, s) ? s->longest : NULL;
	uint64_t now = w->looked_ns;

	if (s->said || !secondary->nr_vrings ||
	    (!acting && s->said_ns && now - s->said_ns < SAY_AGAIN_NS))
		return;
	s->said = true;
	s->said_ns = now;
	event_emit(secondary->primary, HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_HUNG,
		   vring ? vring->device->port->name : NULL, secondary->name,
		   vring ? vring->index : -1, now - (vring ? vring->seen.since_ns : s->alive_ns),
		   "process %d %s%s", secondary->pid,
		   vring ? "has not left one burst" : "shows no sign of life",
		   acting ? "" : "; left alone");
}

static void say_recovered(struct secondary *secondary)
{
	if (!secondary->watch.said)
		return;
	secondary->watch.said = false;
	event_emit(secondary->primary, HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_RECOVERED, NULL,
		   secondary->name, -1, 0, "process %d goes on", secondary->pid);
}

static void judge(const struct watch *w, struct secondary *secondary)
{
	struct secondary_watch *s = &secondary->watch;
	bool relieve, ask;

	if (!is_silent(w, s) && !is_stuck(w, s)) {
		s->ran_at_ns = 0;
		/* Asked for its ring, it is not out of the burst because we count anew. */
		s->hung = s->asked.active;
		if (!s->hung)
			say_recovered(secondary);
		return;
	}
	s->hung = true;
	relieve = may_relieve(w, secondary);
	ask = !relieve && may_ask(w, secondary);
	say_hung(w, secondary, relieve || ask);
	if (relieve)
		handover_relieve(secondary);
	else if (ask)
		ask_back(s->longest);
}

void watch_look(struct primary *primary, uint64_t now)
{
	struct watch *w = primary->watch;

	if (w->looked_ns && now - w->looked_ns > 2 * (w->limit_ns / LOOKS))
		begin_anew(primary);
	w->looked_ns = now;
	look_at_all(primary, now);
	for (uint32_t i = 0; i < primary->conf->max_secondaries && !primary->holding; i++) {
		struct secondary *s = primary->secondaries[i];

		if (s && secondary_usable(s) && s->role != HOLDFAST__ATTACH__ROLE__OBSERVER)
			judge(w, s);
	}
}

static void on_timer(struct loop_timer *timer)
{
	struct watch *w = container_of(timer, struct watch, timer);

	watch_look(w->primary, hf_now_ns());
	(void)loop_timer_set(w->primary->loop, timer, w->limit_ns / LOOKS);
}

void watch_device_gone(const struct device *device)
{
	const struct primary *primary = device->primary;

	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		struct secondary *s = primary->secondaries[i];

		if (s && s->watch.asked.device == device)
			revoke_cancel(&s->watch.asked);
	}
}

void watch_secondary_gone(struct secondary *secondary)
{
	revoke_cancel(&secondary->watch.asked);
}

int watch_open(struct primary *primary)
{
	struct watch *w;

	if (!primary->conf->hang_limit_ns)
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->primary = primary;
	w->limit_ns = primary->conf->hang_limit_ns;
	w->timer = (struct loop_timer){.fire = on_timer};
	primary->watch = w;
	if (loop_timer_set(primary->loop, &w->timer, w->limit_ns / LOOKS) == 0)
		return 0;
	watch_close(primary);
	return -ENOMEM;
}

void watch_close(struct primary *primary)
{
	struct watch *w = primary->watch;

	if (!w)
		return;
	loop_timer_clear(primary->loop, &w->timer);
	free(w);
	primary->watch = NULL;
}
