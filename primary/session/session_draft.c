/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a change of the draft makes of it: rings that can start do, the directory and the grants
 * follow.
 *
 * A ring has two states that know nothing of each other. Enabled or disabled is a word of the
 * front-end. Stopped or started is not: the protocol has no "start", a ring starts when the guest
 * first kicks it, which is when its kick descriptor becomes readable. We only poll it, the ring's
 * owner reads it: a kick is never lost between the two.
 *
 * Waiting for a kick alone would hang a ring that was in use before: the back-end before us may
 * have taken the kick, or have told the guest not to kick at all (used->flags, avail_event) and
 * died; nobody would ever kick again. So a ring that shows any trace of use is started at once.
 * Starting early does no harm, since an empty ring moves no packets; starting late is a dead link.
 *
 * vhost-net has a start: NET_SET_BACKEND. A ring of such a device runs from there until the backend
 * is taken away, and keeps its kick beyond.
 */
#include "session_draft.h"

#include <sys/epoll.h>

#include "check.h"
#include "device.h"
#include "event.h"
#include "feature_words.h"
#include "grant.h"
#include "loop.h"
#include "port.h"
#include "primary.h"
#include "publish.h"
#include "ring_trace.h"
#include "session.h"
#include "vu_wire.h"

/*
 * Entries between used->idx and base were taken by a back-end before us and never given back: it
 * died. Rings are completed in order here, so going on from used->idx serves them again, and
 * going on from base would lose them for good. A base further away than the ring is long says
 * nothing of that kind, and is the front-end's word. A packed ring has no index that would tell.
 */
static void settle_base(struct session *session, struct vring *vring)
{
	uint16_t used_idx;

	/* The size may have come behind the base. */
	if (device_is_packed(vring->device) && (vring->base & 0x7fff) >= vring->size)
		vring->base = device_first_base(vring->device);
	vring->base_used = vring->base;
	if (device_is_packed(vring->device) || !ring_trace_used(vring, &used_idx) ||
	    used_idx == vring->base || (uint16_t)(vring->base - used_idx) > vring->size)
		return;
	if (hf_log_allowed(&session->log_limit))
		log_notice(vring->device->tag,
			   "vring %u: %u buffers were in flight in an earlier back-end, serving "
			   "them again",
			   vring->index, (uint16_t)(vring->base - used_idx));
	vring->base = used_idx;
	vring->base_used = used_idx;
}

static void start(struct session *session, struct vring *vring)
{
	loop_remove(session->primary->loop, &vring->kick_source);
	/* Back after its memory was away: the position was read at the revocation. */
	if (!vring->suspended)
		settle_base(session, vring);
	vring->suspended = false;
	vring->started = true;
	if (!(session->device->features & VIRTIO_BIT(VU_F_PROTOCOL_FEATURES)))
		vring->enabled = true;
}

static void on_kick(struct loop_source *source, uint32_t events)
{
	struct vring *vring = container_of(source, struct vring, kick_source);
	struct session *session = vring->device->port->session;

	(void)events;
	/* Also while a message waits: what its revocation covers is not granted before it is done.
	 */
	start(session, vring);
	session_settle(session, vring->index);
}

/* If everything is there and the guest has, or may have, put something into it; else wait for its
 * kick. */
static void try_start(struct session *session, struct vring *vring)
{
	struct loop *loop = session->primary->loop;
	bool watched = vring->kick_source.fd >= 0;

	if (vring->started || !vring_configured(vring))
		return;
	if (vring->suspended || vring->kick < 0 || vring->device->is_vhost_net ||
	    (!watched && !ring_trace_is_fresh(vring))) {
		start(session, vring);
		return;
	}
	if (watched)
		return;
	vring->kick_source.ready = on_kick;
	/* Without the watch we might never hear of the guest; starting now is the lesser evil. */
	if (loop_add(loop, &vring->kick_source, vring->kick, EPOLLIN) < 0)
		start(session, vring);
}

/* A switch may have been set up for what the guest could do before: jumbo frames, segments. */
static void compare_features(struct session *session)
{
	struct port *port = session->port;
	uint64_t before = port->last_features, after = session->device->features;
	char words[160];

	if (before && before != after && port->last_session != session->number)
		event_emit(session->primary, HOLDFAST__CONTROL__EVENT_KIND__FEATURES_CHANGED,
			   port->name, NULL, -1, 0, "%s",
			   feature_change_words(before, after, words, sizeof(words)));
	port->last_features = after;
	port->last_session = session->number;
}

static void tell_ready(struct session *session)
{
	bool ready = device_state(session->device) == HF_DEVICE_READY;

	if (ready == session->ready)
		return;
	session->ready = ready;
	if (ready)
		compare_features(session);
	event_emit(session->primary,
		   ready ? HOLDFAST__CONTROL__EVENT_KIND__DEVICE_READY
			 : HOLDFAST__CONTROL__EVENT_KIND__DEVICE_GONE,
		   session->port->name, NULL, -1, 0, "%s",
		   ready ? "memory and a started vring" : "no vring is started");
}

static void settled(struct session *session)
{
	publish_device(session->device);
	tell_ready(session);
	grant_offer(session->device);
}

void session_settle(struct session *session, int vring)
{
	struct device *device = session->device;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		if (vring == SESSION_ALL_VRINGS || vring == (int)i)
			try_start(session, &device->vrings[i]);
	settled(session);
}

void session_settle_but_ahead(struct session *session)
{
	struct device *device = session->device;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		if (!device->vrings[i].ahead)
			try_start(session, &device->vrings[i]);
	settled(session);
}

void session_settle_ahead(struct session *session)
{
	struct device *device = session->device;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		if (!device->vrings[i].ahead)
			continue;
		device->vrings[i].ahead = false;
		session_settle(session, (int)i);
	}
}
