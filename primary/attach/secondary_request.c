/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an attached secondary may ask: a table of handlers by message. Each fills a Reply, which is
 * sent when the secondary gave the request a number. Hand-overs are replied to when they are done.
 *
 * A string with a NUL in it ends there (protobuf-c copies it so); names are checked after that, by
 * the port table. A kind of port that we do not know is none (proto3 lets any number through).
 */
#include "secondary_request.h"

#include <errno.h>
#include <string.h>

#include "check.h"
#include "cuse.h"
#include "feature.h"
#include "frame.h"
#include "grant.h"
#include "handover.h"
#include "journal.h"
#include "lane_entries.h"
#include "outbox.h"
#include "port.h"
#include "ports.h"
#include "primary.h"
#include "refusal.h"
#include "secondary.h"
#include "state.h"
#include "unusable.h"

typedef Holdfast__Attach__ToPrimary Request;
typedef Holdfast__Attach__Reply Reply;

/* `reply->error` and a static reason, or a value. */
typedef void handler(struct primary *primary, const Request *request, Reply *reply);

static void set_reason(Reply *reply, int error, const char *reason)
{
	reply->error = error;
	if (error)
		reply->reason = (char *)(uintptr_t)reason; /* only read by the packing */
}

static void on_port_add(struct primary *primary, const Request *request, Reply *reply)
{
	const Holdfast__Attach__PortAdd *add = request->port_add;
	const char *reason = "the port was not added; see the log of holdfastd";
	int error;

	switch (add->kind) {
	case HOLDFAST__ATTACH__PORT_KIND__VHOST_USER:
		error = port_add(primary, add->name, add->path, add->client, HF_SHM_MAX_VRINGS / 2,
				 &reason);
		break;
	case HOLDFAST__ATTACH__PORT_KIND__VHOST_CUSE:
		error = port_add_cuse(primary, add->name, add->path, 1, &reason);
		break;
	default:
		reason = port_no_such_kind;
		error = -EOPNOTSUPP;
	}
	set_reason(reply, error, reason);
}

static void on_port_del(struct primary *primary, const Request *request, Reply *reply)
{
	set_reason(reply, port_del(primary, request->port_del->name),
		   "no such port; holdfast port list shows those there are");
}

static void on_feature_change(struct primary *primary, const Request *request, Reply *reply)
{
	const Holdfast__Attach__FeatureChange *change = request->feature_change;
	const char *reason = NULL;
	int error = feature_change(primary, change->port, change->mask, change->enable, &reason);

	set_reason(reply, error, reason);
}

static void on_feature_get(struct primary *primary, const Request *request, Reply *reply)
{
	const char *reason = NULL;
	int error = feature_get(primary, request->feature_get->port, &reply->value, &reason);

	set_reason(reply, error, reason);
}

static const struct {
	handler *run;
	bool changes; /* not for an observer */
} handlers[] = {
	[HOLDFAST__ATTACH__TO_PRIMARY__BODY_PORT_ADD] = {on_port_add, true},
	[HOLDFAST__ATTACH__TO_PRIMARY__BODY_PORT_DEL] = {on_port_del, true},
	[HOLDFAST__ATTACH__TO_PRIMARY__BODY_FEATURE_CHANGE] = {on_feature_change, true},
	[HOLDFAST__ATTACH__TO_PRIMARY__BODY_FEATURE_GET] = {on_feature_get, false},
};

/* ---- What a secondary that a rule let in may ask. */

/* The port that a request is about; "": all of them. NULL: it is about the sender. */
static const char *port_of(const Request *request)
{
	switch (request->body_case) {
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_PORT_ADD:
		return request->port_add->name;
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_PORT_DEL:
		return request->port_del->name;
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_FEATURE_CHANGE:
		return request->feature_change->port;
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_FEATURE_GET:
		return request->feature_get->port;
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_HANDOVER:
		return request->handover->port;
	default:
		return NULL;
	}
}

/* A path is opened, and a character device made, with our rights. */
static bool takes_our_rights(const Holdfast__Attach__PortAdd *add)
{
	return *add->path || add->client || add->kind == HOLDFAST__ATTACH__PORT_KIND__VHOST_CUSE;
}

/* To be handed something is to be drained no longer; whom the administrator drains stays so. */
static bool ends_anothers_drain(const struct secondary *s, const Request *request)
{
	struct secondary *to;
	const char *reason;

	return request->body_case == HOLDFAST__ATTACH__TO_PRIMARY__BODY_HANDOVER &&
	       handover_find(s->primary, request->handover->to, &to, &reason) == 0 && to != s &&
	       to->draining;
}

/* Its rules' ports while nobody else runs them. */
static bool may_ask(const struct secondary *s, const Request *request)
{
	const char *name = port_of(request);
	const struct port *port;

	if (s->allowed == ALLOW_ANY_PORT || !name)
		return true;
	if (!*name || !allow_port(&s->primary->conf->attach_rules, s->allowed, name))
		return false;
	if (request->body_case == HOLDFAST__ATTACH__TO_PRIMARY__BODY_PORT_ADD &&
	    takes_our_rights(request->port_add))
		return false;
	if (ends_anothers_drain(s, request))
		return false;
	port = port_find(s->primary, name);
	return !port || !port->device.owner || port->device.owner == s;
}

static const char not_allowed[] =
	"your rule does not reach so far: its own ports, by name, without a path, only while "
	"nobody "
	"else runs them, and to nobody else who is drained; see --allow-attach of holdfastd";

static bool refuse_beyond_rule(struct secondary *secondary, const Request *request)
{
	if (may_ask(secondary, request))
		return false;
	refusal_count(secondary->primary, REFUSED_ATTACH_RIGHTS);
	return true;
}

/* ---- Answered when it is done. */

static void send_reply(struct secondary *secondary, Reply *reply)
{
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_REPLY;
	message.reply = reply;
	if (reply->request)
		secondary_send(secondary, &message, NULL, 0);
}

static void on_handed_over(struct handover_waiter *waiter, const struct handover_result *result)
{
	struct secondary *secondary = container_of(waiter, struct secondary, waiter);
	Reply reply = HOLDFAST__ATTACH__REPLY__INIT;

	reply.request = secondary->waiting_request;
	reply.value = result->moved;
	if (result->failed)
		set_reason(&reply, -EAGAIN,
			   "somebody died or left meanwhile, so not all went where it should; "
			   "see holdfast events");
	send_reply(secondary, &reply);
}

static int begin_handover(struct secondary *secondary, const Request *request,
			  const char **ret_reason)
{
	struct primary *primary = secondary->primary;

	*ret_reason = "an observer changes nothing; attach as vswitch";
	if (secondary->role == HOLDFAST__ATTACH__ROLE__OBSERVER)
		return -EPERM;
	*ret_reason = not_allowed;
	if (refuse_beyond_rule(secondary, request))
		return -EACCES;
	*ret_reason = "another hand-over of yours is under way; wait for its reply";
	if (secondary->waiter.handover)
		return -EBUSY;
	secondary->waiter = (struct handover_waiter){
		.done = on_handed_over,
		.asker = secondary->allowed == ALLOW_ANY_PORT ? 0 : secondary->id};
	secondary->waiting_request = request->request;
	if (request->body_case == HOLDFAST__ATTACH__TO_PRIMARY__BODY_DRAIN)
		return handover_drain(primary, secondary, request->drain->force, &secondary->waiter,
				      ret_reason);
	return handover_start(primary, request->handover->port, request->handover->to,
			      &secondary->waiter, ret_reason);
}

static void hand_over(struct secondary *secondary, const Request *request)
{
	Reply reply = HOLDFAST__ATTACH__REPLY__INIT;
	const char *reason;
	int error = begin_handover(secondary, request, &reason);

	if (!error)
		return;
	reply.request = request->request;
	set_reason(&reply, error, reason);
	send_reply(secondary, &reply);
}

/* The only message with a descriptor. */
static void set_state(struct secondary *secondary, const Request *request, int fd)
{
	Reply reply = HOLDFAST__ATTACH__REPLY__INIT;
	struct state *state = NULL;
	bool observes = secondary->role == HOLDFAST__ATTACH__ROLE__OBSERVER;
	int error = observes ? -EPERM : fd < 0 ? -EINVAL : state_create(&state, fd);

	if (!error) {
		state_put(secondary->state);
		secondary->state = state;
		journal_secondary_words(secondary);
	}
	reply.request = request->request;
	set_reason(&reply, error,
		   observes ? "an observer has no successor; attach as vswitch"
		   : error == -EINVAL
			   ? "not a memfd of at most 64 MiB, sealed against shrinking and "
			     "growing; use hf_service_set_state"
			   : "no descriptor or memory for it; give holdfastd more");
	send_reply(secondary, &reply);
}

static void answer(struct secondary *secondary, const Request *request)
{
	Reply reply = HOLDFAST__ATTACH__REPLY__INIT;

	reply.request = request->request;
	if (secondary->role == HOLDFAST__ATTACH__ROLE__OBSERVER &&
	    handlers[request->body_case].changes)
		set_reason(&reply, -EPERM, "an observer changes nothing; attach as vswitch");
	else if (refuse_beyond_rule(secondary, request))
		set_reason(&reply, -EACCES, not_allowed);
	else if (request->body_case == HOLDFAST__ATTACH__TO_PRIMARY__BODY_PORT_ADD &&
		 secondary->allowed != ALLOW_ANY_PORT &&
		 !port_may_be_added_by_rule(secondary->primary))
		set_reason(&reply, -ENOSPC, port_last_places);
	else
		handlers[request->body_case].run(secondary->primary, request, &reply);
	send_reply(secondary, &reply);
}

/* It cannot run a vring it was given; -EPROTO: it says so from inside a burst on it. */
static int on_vring_refused(struct secondary *secondary, const Holdfast__Attach__VringRefused *m)
{
	const struct primary *primary = secondary->primary;
	struct port *port =
		m->device < primary->conf->max_devices ? primary->ports[m->device] : NULL;

	if (!port || port->device.session != m->session || m->vring >= HF_SHM_MAX_VRINGS)
		return 0;
	/* To what an earlier life said of the same grant. We have said it again, with everything;
	 * it may well run by now. */
	if (m->life != journal_life(primary))
		return 0;
	return grant_unusable(secondary, &port->device.vrings[m->vring], m->grant, m->error);
}

int secondary_request(struct secondary *secondary, const Holdfast__Attach__ToPrimary *request,
		      struct hf_frame *frame)
{
	const Holdfast__Attach__Retired *retired;
	bool freed;
	bool has_fd = request->body_case == HOLDFAST__ATTACH__TO_PRIMARY__BODY_STATE_SET;

	/* Descriptors that no message brings are not ours to keep. */
	if (frame->nr_fds > has_fd)
		return -EPROTO;
	switch (request->body_case) {
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_BYE:
		return -ESHUTDOWN;
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_RETIRED:
		retired = request->retired;
		freed = secondary_lane_retired(secondary, retired->device, retired->session);
		journal_retired(secondary, retired->device, retired->session);
		/* Of what freed nothing there may be any number. */
		if (freed && secondary->starved) {
			secondary->starved = false;
			grant_offer_all(secondary->primary);
		}
		return 0;
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_VRING_REFUSED:
		return on_vring_refused(secondary, request->vring_refused);
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_FLUSHED:
		if (request->flushed->number)
			handover_flushed(secondary, request->flushed->number);
		return 0;
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_HANDOVER:
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_DRAIN:
		hand_over(secondary, request);
		return 0;
	case HOLDFAST__ATTACH__TO_PRIMARY__BODY_STATE_SET:
		set_state(secondary, request, frame->nr_fds ? frame->fds[0] : -1);
		return 0;
	default:
		if ((size_t)request->body_case >= ARRAY_SIZE(handlers) ||
		    !handlers[request->body_case].run)
			return -EPROTO; /* a second Hello, or nothing we know */
		answer(secondary, request);
		return 0;
	}
}
