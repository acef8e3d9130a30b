/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking vrings back without ever blocking the loop.
 *
 * A revocation covers a set of vrings: one, all of a device's, or all of a secondary's. It
 * withdraws those that are granted, fences once, and looks at `busy` again and again, by a timer
 * that starts at 20 us and doubles to 1 ms. Each vring that is quiet is taken back, and when none
 * of the set is left `done` runs. What one revocation takes back counts for every other that
 * covers it: each looks at the state of the vrings, not at what it withdrew itself.
 *
 * Until its `done` has run, a device's revocation keeps the vrings it covers from being granted
 * again by anybody (revoke_covers): else the hand-over of a leaving secondary's vrings would start
 * a ring that a front-end is just being told has stopped. And the devices of a secondary that
 * leaves go to the next together, when the last of its bursts is over: a switch that is killed
 * closes its socket a moment before it is dead, and one guest's rings may be quiet while it died in
 * a burst of another's. Who is given only the one takes packets from it that it can give to nobody.
 *
 * At the deadline the owner is fenced: SIGKILL, and from then on its lane says nothing: only the
 * pidfd does. A secondary that was stopped inside a burst would, when continued, store into
 * memory that the front-end was told is its own again.
 */
#include "revoke.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "check.h"
#include "clock.h"
#include "device.h"
#include "event.h"
#include "grant.h"
#include "grant_vring.h"
#include "history.h"
#include "lane.h"
#include "lost.h"
#include "port.h"
#include "primary.h"
#include "publish.h"
#include "revocation.h"
#include "secondary.h"

#define WAIT_FIRST_NS	(20 * NS_PER_US)
#define WAIT_LONGEST_NS NS_PER_MS

/* Vrings that a revocation still waits for. */
struct waiting {
	uint32_t running; /* owner alive: look again */
	uint32_t fenced;  /* owner killed: its pidfd will tell */
};

/* Call `visit` for the devices it may cover; visit may free nothing. */
static void each_device(struct revocation *r,
			void (*visit)(struct revocation *r, struct device *device, void *context),
			void *context)
{
	if (r->device) {
		visit(r, r->device, context);
		return;
	}
	for (uint32_t i = 0; i < r->primary->conf->max_devices; i++) {
		struct port *port = r->primary->ports[i];

		if (port && port->device.owner == r->secondary)
			visit(r, &port->device, context);
	}
}

static void withdraw(struct revocation *r, struct device *device, void *context)
{
	bool *withdrawn = context;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		struct vring *vring = &device->vrings[i];

		if (!vring->owner || vring->revoking || !revocation_covers(r, vring))
			continue;
		grant_vring_withdraw(vring);
		*withdrawn = true;
	}
}

static void take_back_quiet(struct revocation *r, struct device *device, void *context)
{
	struct waiting *waiting = context;
	uint32_t taken = 0, left = 0;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		struct vring *vring = &device->vrings[i];

		if (!vring->revoking || !revocation_covers(r, vring))
			continue;
		if (vring->owner->killed) {
			waiting->fenced++;
			left++;
		} else if (grant_vring_quiet(vring)) {
			grant_vring_take_back(vring);
			taken++;
		} else {
			waiting->running++;
			left++;
		}
	}
	r->taken_back += taken;
	if (taken)
		publish_device(device);
	if (r->secondary && !left)
		grant_let_go(device, r->secondary->said_bye ? LOST_LEFT : LOST_DIED,
			     r->secondary->left_ns);
}

static struct waiting poll_vrings(struct revocation *r)
{
	struct waiting waiting = {0};

	each_device(r, take_back_quiet, &waiting);
	return waiting;
}

static void unlink_revocation(struct revocation *r)
{
	struct revocation **at = &r->primary->revocations;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	loop_timer_clear(r->primary->loop, &r->timer);
	r->active = false;
}

void revoke_cancel(struct revocation *r)
{
	if (r->active)
		unlink_revocation(r);
}

static void finish(struct revocation *r)
{
	struct device *device = r->device;

	unlink_revocation(r);
	if (r->secondary) /* first of all: guests wait for it */
		grant_offer_all(r->primary);
	if (r->taken_back)
		event_emit(r->primary, HOLDFAST__CONTROL__EVENT_KIND__VRING_REVOKED,
			   device ? device->port->name : NULL,
			   r->secondary ? r->secondary->name : NULL,
			   r->vring < 0 ? GRANT_ALL_VRINGS : r->vring, hf_now_ns() - r->started_ns,
			   "%u vring%s", r->taken_back, r->taken_back == 1 ? "" : "s");
	if (r->disabling)
		grant_offer(device);
	r->done(r); /* may free it, and the device */
}

/* calls: poll ppoll */
static bool is_dead(const struct secondary *secondary)
{
	struct pollfd died = {.fd = secondary->pidfd, .events = POLLIN};

	return poll(&died, 1, 0) == 1;
}

/* calls: pidfd_send_signal */
bool revoke_fence(struct secondary *secondary, uint64_t waited_ns, const char *why)
{
	/* Dead already: its pidfd is about to say so, and it was not us (blame.h). */
	if (secondary->killed || is_dead(secondary))
		return true;
	if (pidfd_send_signal(secondary->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH) {
		log_error(secondary->tag, "cannot kill process %d, which %s: %m", secondary->pid,
			  why);
		return false;
	}
	secondary->killed = true;
	if (!secondary->left_ns)
		secondary->left_ns = hf_now_ns() - waited_ns;
	secondary->primary->continuity.fencings++;
	history_note(secondary->primary);
	event_emit(secondary->primary, HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_FENCED, NULL,
		   secondary->name, -1, waited_ns, "process %d %s", secondary->pid, why);
	return true;
}

static void fence_owners(struct revocation *r, struct device *device, void *context)
{
	const uint64_t *waited_ns = context;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		struct vring *vring = &device->vrings[i];

		if (vring->revoking && revocation_covers(r, vring))
			(void)revoke_fence(vring->owner, *waited_ns, "did not leave its burst");
	}
}

static void name_stuck(struct revocation *r, struct device *device, void *context)
{
	(void)context;
	(void)r;
	log_warning(device->tag,
		    "secondary %s does not leave its burst; not fenced, so the front-end waits",
		    device->owner ? device->owner->name : "-");
}

static void deadline_missed(struct revocation *r, uint64_t waited_ns)
{
	r->overdue = true;
	each_device(r, r->primary->conf->fence ? fence_owners : name_stuck, &waited_ns);
}

/* Look once; finish, or arm the timer for the next look. */
static void look(struct revocation *r)
{
	struct waiting waiting = poll_vrings(r);
	uint64_t waited_ns = hf_now_ns() - r->started_ns;
	uint64_t next_ns = waited_ns < WAIT_FIRST_NS ? WAIT_FIRST_NS : waited_ns;

	if (waiting.running && !r->overdue && r->started_ns + waited_ns >= r->deadline_ns) {
		deadline_missed(r, waited_ns);
		/* Killed by now, or out of its burst just in time. */
		waiting = poll_vrings(r);
	}
	if (!waiting.running && !waiting.fenced) {
		finish(r);
		return;
	}
	if (waiting.running &&
	    loop_timer_set(r->primary->loop, &r->timer, min_u64(next_ns, WAIT_LONGEST_NS)) < 0 &&
	    !r->overdue)
		/* No memory to wait with; waiting for a death needs none, and for the rest there is
		 * revoke_look_again. */
		deadline_missed(r, waited_ns);
}

void revoke_look_again(struct primary *primary)
{
	uint64_t now = hf_now_ns();
	struct revocation *r = primary->revocations;

	while (r) {
		bool looked = r->timer.at_ns || r->looked_ns == now;

		if (!looked) {
			r->looked_ns = now;
			look(r);
		}
		/* Any of them may be gone after a look. */
		r = looked ? r->next : primary->revocations;
	}
}

static void on_timer(struct loop_timer *timer)
{
	look(container_of(timer, struct revocation, timer));
}

static void start(struct revocation *r)
{
	bool withdrawn = false;

	assert(!r->active);
	r->timer = (struct loop_timer){.fire = on_timer};
	r->started_ns = hf_now_ns();
	r->deadline_ns = r->started_ns + r->primary->conf->fence_deadline_ns;
	r->taken_back = 0;
	r->overdue = false;
	r->active = true;
	r->next = r->primary->revocations;
	r->primary->revocations = r;
	each_device(r, withdraw, &withdrawn);
	/* Partner: hf_burst_enter. Once for the whole set. */
	if (withdrawn)
		hf_lane_fence_all();
	look(r);
}

void revoke_start(struct revocation *r, struct device *device, int vring)
{
	r->primary = device->primary;
	r->device = device;
	r->vring = vring;
	r->secondary = NULL;
	r->disabling = false;
	start(r);
}

void revoke_secondary(struct revocation *r, struct primary *primary, struct secondary *secondary)
{
	r->primary = primary;
	r->device = NULL;
	r->vring = GRANT_ALL_VRINGS;
	r->secondary = secondary;
	r->disabling = false;
	start(r);
}

void grant_set_enabled(struct revocation *r, struct vring *vring, bool enabled)
{
	if (enabled) {
		/* While it is being taken back the word stays 0; the next grant says enabled. */
		if (vring->owner && !vring->revoking)
			grant_vring_enable(vring);
		return;
	}
	/* A new grant, disabled, and not the old one with the bit cleared: a thread that polls
	 * without a pause is nearly always inside a burst, and we might never find it outside;
	 * without a grant it is not let in at all. */
	r->primary = vring->device->primary;
	r->device = vring->device;
	r->vring = vring->index;
	r->secondary = NULL;
	r->disabling = true;
	start(r);
}

static struct revocation *first_without_vrings(struct primary *primary)
{
	struct revocation *r = primary->revocations;

	for (; r; r = r->next) {
		struct waiting waiting = poll_vrings(r);

		if (!waiting.running && !waiting.fenced)
			break;
	}
	return r;
}

void revoke_finish_idle(struct primary *primary)
{
	struct revocation *r;

	while ((r = first_without_vrings(primary)))
		finish(r);
}
