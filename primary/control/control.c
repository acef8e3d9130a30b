/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of the control socket.
 *
 * A client is in one of four states: idle (we read requests), answering (we read nothing, and send
 * the next Response when the last one has gone), waiting for what it asked for to be done, or
 * following events (the same, but the answer never ends and waits for events in between). A request
 * that comes while another is being answered waits in the client's own socket buffer: only its end
 * is looked for meanwhile.
 *
 * Who takes nothing of what we have for it for ten seconds is cut off, a follower too, and so is
 * who asks nothing in its first ten: places are few. A follower also is when the ring of events has
 * turned over what it has not read.
 */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "control_answer.h"
#include "control_price.h"
#include "event.h"
#include "fd.h"
#include "foreign.h"
#include "frame.h"
#include "handover.h"
#include "journal.h"
#include "layout.h"
#include "listener.h"
#include "log.h"
#include "ports.h"
#include "primary.h"
#include "refusal.h"
#include "stream.h"

#define TAG		  "control"
#define MAX_CLIENTS	  64u
#define MAX_STRANGERS	  16u
#define PACKETS_PER_ROUND 8u
#define STALL_NS	  (10 * NS_PER_S)
#define LATER_NS	  (100 * NS_PER_MS)

typedef Holdfast__Control__Request Request;
typedef Holdfast__Control__Response Response;

struct client {
	struct control *control;
	int socket; /* -1: free place */
	enum allow_level level;
	struct loop_source source;
	struct loop_timer stall;
	struct loop_timer later; /* its user has spent what it may; control_price.h */
	struct event_follower follower;
	struct answer answer;
	Request *request; /* being answered; NULL: idle */
	bool following;
	bool cut;	 /* we shut its socket; the loop is about to say so */
	uint8_t *packet; /* packed, not sent yet */
	size_t packet_len;
};

struct control {
	struct primary *primary;
	struct listener listener;
	struct client clients[MAX_CLIENTS];
	struct hf_log_limit log_limit;
	uint8_t bytes[HF_FRAME_MAX_BYTES]; /* one request */
	uint8_t arena[ANSWER_ARENA_BYTES]; /* one Response at a time */
};

/* ---- Requests. */

static int control_version(struct answer *answer, Response *response)
{
	Holdfast__Control__VersionReply *reply = answer_alloc(answer, 1, sizeof(*reply));

	holdfast__control__version_reply__init(reply);
	reply->version = answer_borrow(HOLDFAST_VERSION);
	reply->abi_major = HF_ABI_MAJOR;
	reply->abi_minor = HF_ABI_MINOR;
	reply->pid = getpid();
	reply->uptime_ns = hf_now_ns() - answer->primary->started_ns;
	response->body_case = HOLDFAST__CONTROL__RESPONSE__BODY_VERSION;
	response->version = reply;
	return 0;
}

static const struct {
	control_step *run;
	enum allow_level level; /* that it takes at least; see level_of */
} steps[] = {
	[HOLDFAST__CONTROL__REQUEST__BODY_VERSION] = {control_version, ALLOW_READ},
	[HOLDFAST__CONTROL__REQUEST__BODY_PORT_ADD] = {control_port_add, ALLOW_OPERATE},
	[HOLDFAST__CONTROL__REQUEST__BODY_PORT_DEL] = {control_port_del, ALLOW_OPERATE},
	[HOLDFAST__CONTROL__REQUEST__BODY_PORT_LIST] = {control_port_list, ALLOW_READ},
	[HOLDFAST__CONTROL__REQUEST__BODY_PORT_SHOW] = {control_port_show, ALLOW_READ},
	[HOLDFAST__CONTROL__REQUEST__BODY_SECONDARY_LIST] = {control_secondary_list, ALLOW_READ},
	[HOLDFAST__CONTROL__REQUEST__BODY_FEATURE] = {control_feature, ALLOW_READ},
	[HOLDFAST__CONTROL__REQUEST__BODY_STATS] = {control_stats, ALLOW_READ},
	[HOLDFAST__CONTROL__REQUEST__BODY_EVENTS] = {control_events, ALLOW_READ},
	[HOLDFAST__CONTROL__REQUEST__BODY_HEALTH] = {control_health, ALLOW_READ},
	[HOLDFAST__CONTROL__REQUEST__BODY_HANDOVER] = {control_handover, ALLOW_OPERATE},
	[HOLDFAST__CONTROL__REQUEST__BODY_DRAIN] = {control_handover, ALLOW_OPERATE},
	[HOLDFAST__CONTROL__REQUEST__BODY_UPGRADE] = {control_upgrade, ALLOW_ALL},
	[HOLDFAST__CONTROL__REQUEST__BODY_UPGRADE_STATUS] = {control_upgrade_status, ALLOW_READ},
};

static int run_step(struct answer *answer, Response *response)
{
	const Request *request = answer->request;

	if (request->protocol != HF_CONTROL_PROTOCOL)
		return answer_refuse(response, -EPROTO,
				     "holdfastd speaks version 1 of the control protocol; use the "
				     "holdfast command that came with it");
	if ((size_t)request->body_case >= ARRAY_SIZE(steps) || !steps[request->body_case].run)
		return answer_refuse(response, -ENOSYS,
				     "holdfastd does not know this request; use the holdfast "
				     "command that came with it");
	return steps[request->body_case].run(answer, response);
}

/* ---- Clients. */

static struct loop *loop_of(const struct client *client)
{
	return client->control->primary->loop;
}

static void end_answer(struct client *client)
{
	if (client->following)
		events_unfollow(client->control->primary->events, &client->follower);
	client->following = false;
	handover_unwatch(&client->answer.waiter);
	upgrade_unwatch(&client->answer.upgrade);
	hf_frame_free_unpacked((ProtobufCMessage *)client->request);
	client->request = NULL;
}

static void client_gone(struct client *client)
{
	end_answer(client);
	loop_timer_clear(loop_of(client), &client->stall);
	loop_timer_clear(loop_of(client), &client->later);
	loop_remove(loop_of(client), &client->source);
	free(client->packet);
	client->packet = NULL;
	listener_drop(&client->control->listener, &client->socket);
}

/* The loop reports the end of a socket that we shut; so it is safe at any depth. */
/* calls: shutdown */
static void cut_off(struct client *client, enum refusal reason)
{
	if (reason != NR_REFUSALS)
		refusal_count(client->control->primary, reason);
	end_answer(client);
	free(client->packet);
	client->packet = NULL;
	client->cut = true;
	loop_timer_clear(loop_of(client), &client->later);
	(void)shutdown(client->socket, SHUT_RDWR);
}

/* A path is opened, and a character device made, with our rights. */
static bool takes_all(const Holdfast__Control__PortAddRequest *add)
{
	return *add->path || add->client || add->kind == HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE;
}

/* What the request itself says can take more than its kind does. */
static enum allow_level level_of(const Request *request)
{
	switch (request->body_case) {
	case HOLDFAST__CONTROL__REQUEST__BODY_FEATURE:
		return request->feature->verb == HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__GET
			       ? ALLOW_READ
			       : ALLOW_OPERATE;
	case HOLDFAST__CONTROL__REQUEST__BODY_PORT_SHOW:
		/* They lie in the guest's memory. */
		return request->port_show->descriptors ? ALLOW_OPERATE : ALLOW_READ;
	case HOLDFAST__CONTROL__REQUEST__BODY_PORT_ADD:
		return takes_all(request->port_add) ? ALLOW_ALL : ALLOW_OPERATE;
	default:
		/* What nobody knows is refused as that. */
		return (size_t)request->body_case < ARRAY_SIZE(steps) &&
				       steps[request->body_case].run
			       ? steps[request->body_case].level
			       : ALLOW_READ;
	}
}

/* An answer to its request, not a closed door: a client that is writing does not read. */
static int refuse_user(struct client *client, Response *response)
{
	if (client->level == ALLOW_NOTHING) {
		refusal_count(client->control->primary, REFUSED_CONTROL_PEER);
		return answer_refuse(response, -EACCES,
				     "only root and the user of holdfastd may, and whom "
				     "--allow-control names; run it with sudo");
	}
	refusal_count(client->control->primary, REFUSED_CONTROL_RIGHTS);
	return answer_refuse(response, -EACCES,
			     "your rule does not reach so far (--allow-control of holdfastd); run "
			     "it with sudo");
}

/* The next Response, packed. 0; ANSWER_WAIT: none now; -errno. */
static int build_packet(struct client *client)
{
	Response response = HOLDFAST__CONTROL__RESPONSE__INIT;
	int error;

	client->answer.arena_used = 0;
	error = client->level >= level_of(client->request) ? run_step(&client->answer, &response)
							   : refuse_user(client, &response);
	if (error == ANSWER_WAIT)
		return error;
	if (error) {
		response.error = error;
		response.more = false;
		response.body_case = HOLDFAST__CONTROL__RESPONSE__BODY__NOT_SET;
	}
	if (error == -EOVERFLOW)
		refusal_count(client->control->primary, REFUSED_CONTROL_SLOW);
	error = hf_frame_pack(&response.base, &client->packet, &client->packet_len);
	if (!response.more)
		end_answer(client);
	return error;
}

/* 0: sent; -EAGAIN: the client has no room; -errno. */
static int send_packet(struct client *client)
{
	int error =
		hf_frame_send_packed(client->socket, client->packet, client->packet_len, NULL, 0);

	if (error == -EAGAIN)
		return error;
	free(client->packet);
	client->packet = NULL;
	return error;
}

/* Some packets at a time: other clients and the front-ends wait for the same thread. 0; -EAGAIN: no
 * room; ANSWER_WAIT; -errno. */
static int pump_some(struct client *client)
{
	int error = 0;

	for (unsigned int i = 0; i < PACKETS_PER_ROUND && !error; i++) {
		if (!client->packet) {
			if (!client->request)
				return 0;
			error = build_packet(client);
		}
		if (!error)
			error = send_packet(client);
	}
	return error;
}

/* NULL: one who may do all. */
static struct user *user_of(const struct client *client)
{
	struct peer peer;

	if (client->level == ALLOW_ALL)
		return NULL;
	peer_of(client->socket, &peer);
	return control_user(client->control->primary, &peer);
}

/* Has its user had what it may for now? Then it is asked again in a moment. */
static bool comes_later(struct client *client, const struct user *user)
{
	uint64_t ns = control_price_wait_ns(user);

	if (!ns || loop_timer_set(loop_of(client), &client->later, min_u64(ns, LATER_NS)) < 0)
		return false;
	/* It is not the one who is slow. */
	loop_timer_clear(loop_of(client), &client->stall);
	if (loop_modify(loop_of(client), &client->source, 0) < 0)
		cut_off(client, NR_REFUSALS);
	return true;
}

static void pump(struct client *client)
{
	struct user *user = user_of(client);
	uint64_t began_ns = hf_now_ns();
	bool waits;
	int error;

	if (comes_later(client, user))
		return;
	error = pump_some(client);
	control_price_spend(user, hf_now_ns() - began_ns);
	waits = client->packet || (client->request && error != ANSWER_WAIT);
	if (error < 0 && error != -EAGAIN) {
		cut_off(client, NR_REFUSALS);
		return;
	}
	/* Without room in its buffer, or with more to say: when it is writable. While it waits for
	 * what it asked for, its end; else its next request. */
	if (loop_modify(loop_of(client), &client->source,
			waits		  ? EPOLLOUT
			: client->request ? 0
					  : EPOLLIN) < 0)
		cut_off(client, NR_REFUSALS);
	if (client->packet)
		(void)loop_timer_set(loop_of(client), &client->stall, STALL_NS);
	else
		loop_timer_clear(loop_of(client), &client->stall);
}

static void on_later(struct loop_timer *timer)
{
	pump(container_of(timer, struct client, later));
}

static void on_stall(struct loop_timer *timer)
{
	cut_off(container_of(timer, struct client, stall), REFUSED_CONTROL_SLOW);
}

static void on_event(struct event_follower *follower, const struct event *event)
{
	struct client *client = container_of(follower, struct client, follower);

	(void)event;
	/* It is in the ring, and goes out in the client's turn: whoever emits it may be in the
	 * middle of anything, another client's Response included. */
	if (loop_modify(loop_of(client), &client->source, EPOLLOUT) < 0)
		cut_off(client, NR_REFUSALS);
}

static void wake(struct answer *answer)
{
	struct client *client = container_of(answer, struct client, answer);

	if (loop_modify(loop_of(client), &client->source, EPOLLOUT) < 0)
		cut_off(client, NR_REFUSALS);
}

static void begin_answer(struct client *client, Request *request)
{
	struct primary *primary = client->control->primary;

	client->request = request;
	client->answer = (struct answer){.primary = primary,
					 .request = request,
					 .by_rule = client->level != ALLOW_ALL,
					 .arena = client->control->arena,
					 .wake = wake};
	client->following = request->body_case == HOLDFAST__CONTROL__REQUEST__BODY_EVENTS &&
			    request->events->follow;
	if (client->following)
		events_follow(primary->events, &client->follower);
	pump(client);
}

/* What does not parse is not answered: who sends it would not understand. */
static void on_packet(struct client *client, struct hf_frame *frame)
{
	ProtobufCMessage *message =
		hf_frame_unpack(&holdfast__control__request__descriptor, frame->bytes, frame->len);
	if (message)
		begin_answer(client, (Request *)message);
	else
		cut_off(client, REFUSED_CONTROL_MESSAGE);
}

static void on_client(struct loop_source *source, uint32_t events)
{
	struct client *client = container_of(source, struct client, source);
	struct hf_frame frame = {.bytes = client->control->bytes};
	ssize_t n;

	if (client->cut) {
		client_gone(client);
		return;
	}
	if ((events & EPOLLOUT) && !(events & (EPOLLHUP | EPOLLERR))) {
		pump(client);
		return;
	}
	if (client->request) { /* its end: nobody reads the rest of its answer, nor its next one */
		client_gone(client);
		return;
	}
	/* No request has any: none is ever installed. */
	if (foreign_in_queue(client->socket)) {
		cut_off(client, REFUSED_CONTROL_MESSAGE);
		return;
	}
	n = hf_frame_receive(client->socket, &frame);
	if (n == -EAGAIN)
		return;
	hf_frame_close_fds(&frame); /* the queue had none, so it has none */
	if (n > 0)
		on_packet(client, &frame);
	else if (n == -EMSGSIZE)
		cut_off(client, REFUSED_CONTROL_MESSAGE);
	else
		client_gone(client);
}

/* Who will be refused anyway has only the first few places; who may not do all leaves some for
 * those who may. */
static struct client *free_place(struct control *control, enum allow_level level)
{
	static const size_t most[] = {[ALLOW_NOTHING] = MAX_STRANGERS,
				      [ALLOW_READ] = MAX_CLIENTS / 2,
				      [ALLOW_OPERATE] = MAX_CLIENTS * 3 / 4,
				      [ALLOW_ALL] = MAX_CLIENTS};
	size_t places = most[level];

	for (size_t i = 0; i < places; i++)
		if (control->clients[i].socket < 0)
			return &control->clients[i];
	return NULL;
}

static void turn_away(struct control *control, int socket)
{
	Response response = HOLDFAST__CONTROL__RESPONSE__INIT;

	response.error = -EBUSY;
	response.reason = answer_borrow("too many clients at once; end some of them");
	listener_turn_away(&control->listener, socket, &response.base);
	refusal_count(control->primary, REFUSED_NO_RESOURCES);
	if (hf_log_allowed(&control->log_limit))
		log_warning(TAG, "refused a client: %s", response.reason);
}

static int rule_of(struct listener *listener, const struct peer *peer)
{
	struct control *control = container_of(listener, struct control, listener);

	return allow_rule_of(&control->primary->conf->control_rules, peer);
}

static void on_over(struct listener *listener)
{
	struct control *control = container_of(listener, struct control, listener);

	refusal_count(control->primary, REFUSED_CONNECTION_RATE);
}

static void on_shut(struct listener *listener)
{
	struct control *control = container_of(listener, struct control, listener);

	refusal_count(control->primary, REFUSED_FOREIGN_FD);
}

static void on_accepted(struct listener *listener, int socket, const struct peer *peer)
{
	struct control *control = container_of(listener, struct control, listener);
	enum allow_level level = allow_control(&control->primary->conf->control_rules, peer);
	struct client *client = free_place(control, level);

	if (!client) {
		turn_away(control, socket);
		return;
	}
	client->socket = socket;
	client->level = level;
	client->cut = false;
	client->source = (struct loop_source){.ready = on_client, .fd = -1};
	client->stall = (struct loop_timer){.fire = on_stall};
	client->later = (struct loop_timer){.fire = on_later};
	client->follower = (struct event_follower){.event = on_event};
	if (loop_add(control->primary->loop, &client->source, socket, EPOLLIN) < 0 ||
	    loop_timer_set(control->primary->loop, &client->stall, STALL_NS) < 0)
		client_gone(client);
}

struct user *control_user(const struct primary *primary, const struct peer *peer)
{
	return listener_user(&primary->control->listener, peer);
}

int control_open(struct primary *primary)
{
	struct control *control = calloc(1, sizeof(*control));
	int error, listening;

	if (!control)
		return -ENOMEM;
	control->primary = primary;
	control->listener = (struct listener){.accepted = on_accepted,
					      .rule_of = rule_of,
					      .over = on_over,
					      .shut = on_shut,
					      .rate = primary->conf->connection_rate,
					      .burst = primary->conf->connection_burst,
					      .fd = -1};
	for (size_t i = 0; i < MAX_CLIENTS; i++)
		control->clients[i] = (struct client){.control = control, .socket = -1};
	primary->control = control;
	listening = journal_take_listener(primary, true);
	if (listening >= 0)
		error = listener_adopt(&control->listener, primary->loop, primary->conf->run_dir,
				       "control.sock", listening);
	else
		error = listener_open(&control->listener, primary->loop, primary->conf->run_dir,
				      "control.sock", primary->conf->control_mode);
	if (!error && listening < 0)
		error = stream_give_to(control->listener.path, primary->conf->socket_group);
	if (!error)
		journal_listener(primary, true, control->listener.fd);
	if (error)
		control_close(primary);
	return error;
}

void control_hold(struct primary *primary, bool hold)
{
	listener_hold(&primary->control->listener, hold);
}

bool control_at_rest(const struct primary *primary)
{
	for (size_t i = 0; i < MAX_CLIENTS; i++) {
		const struct client *client = &primary->control->clients[i];

		if (client->socket >= 0 && !client->following &&
		    (client->request || client->packet))
			return false;
	}
	return true;
}

void control_close(struct primary *primary)
{
	struct control *control = primary->control;

	if (!control)
		return;
	for (size_t i = 0; i < MAX_CLIENTS; i++)
		if (control->clients[i].socket >= 0)
			client_gone(&control->clients[i]);
	listener_close(&control->listener);
	free(control);
	primary->control = NULL;
}
