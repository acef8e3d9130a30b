/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Two things are looked at (life_signs.c), eight times within the limit:
 *
 *   silence  a secondary's heartbeat stands still, and so do the burst counters of all its vrings.
 *            Data threads that go on are a sign of life: whoever dispatches too rarely, or waits in
 *            a callback, loses nothing while packets move. Silent ones are relieved: what they run
 *            is taken back and given to who else serves the port (handover_relieve), if that one
 *            is seen to live. Without anybody they are left alone: it may be a debugger.
 *   a burst  that is the same at all looks: `busy`, and no counter of bursts or looks moves. A
 *            burst is bounded, so the vring is asked back as a front-end would, and offered again
 *            at once. Who only had no processor leaves it then, and has lost nothing; who does not
 *            by the fence's deadline is killed. That needs nobody who waits, but somebody who runs:
 *            it beats, or it uses processor time. Who does neither is stopped, not stuck.
 */
#include "watch.h"

#include <errno.h>
#include <stdlib.h>

#include "attach.pb-c.h"
#include "check.h"
#include "clock.h"
#include "event.h"
#include "grant.h"
#include "handover.h"
#include "life_signs.h"
#include "loop.h"
#include "port.h"
#include "primary.h"
#include "process.h"
#include "revoke.h"
#include "secondary.h"

/* Nothing is done about it: said so often at most. */
#define SAY_AGAIN_NS (60 * NS_PER_S)

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

	life_signs_forget_burst(vring);
	asked->done = on_answered;
	revoke_start(asked, vring->device, vring->index);
}

/* May it be asked for the ring that it does not leave? */
static bool may_ask(const struct watch *w, struct secondary *secondary)
{
	const struct secondary_watch *s = &secondary->watch;
	const struct vring *vring = s->longest;

	if (!life_signs_stuck(w, s)) {
		secondary->watch.ran_at_ns = 0;
		return false;
	}
	if (!w->primary->conf->fence || s->asked.active || vring->revoking || vring->device->moving)
		return false;
	return !life_signs_silent(w, s) || is_running(w, secondary);
}

/* Without a fence, a burst that does not end would leave its device with nobody. */
static bool may_relieve(const struct watch *w, const struct secondary *secondary)
{
	return life_signs_silent(w, &secondary->watch) &&
	       (w->primary->conf->fence || !secondary->watch.busy) &&
	       handover_can_relieve(secondary);
}

static void say_hung(const struct watch *w, struct secondary *secondary, bool acting)
{
	struct secondary_watch *s = &secondary->watch;
	const struct vring *vring = life_signs_stuck(w, s) ? s->longest : NULL;
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

	if (!life_signs_silent(w, s) && !life_signs_stuck(w, s)) {
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

	life_signs_look(w, now);
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
	(void)loop_timer_set(w->primary->loop, timer, w->limit_ns / LIFE_SIGNS_LOOKS);
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
	struct revocation *asked = &secondary->watch.asked;
	bool unanswered = asked->active;

	revoke_cancel(asked);
	/* It left its burst just before it left: the ring came back by its leaving, and could not
	 * be offered with the others while it was asked for. */
	if (unanswered)
		grant_offer(asked->device);
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
	if (loop_timer_set(primary->loop, &w->timer, w->limit_ns / LIFE_SIGNS_LOOKS) == 0)
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
