/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a connection, and the road of a message through it.
 *
 * Reads, checks and handles one message after the other; a bounded number a round, so that one
 * busy front-end does not hold up the others. A handler either finishes at once or leaves the
 * session WAITING for a revocation; meanwhile the socket is out of the loop altogether, because
 * epoll would report a hang-up again and again. It is put back afterwards, and says everything
 * that was missed.
 *
 * What a message makes the primary send to the secondary costs the secondary's queue, and that is
 * one for all the devices it serves. So who revokes faster than a guest that lives could, or whose
 * secondary is behind with reading, is not read for a moment; never refused for it. Nor is who says
 * more than a front-end that sets devices up would (allowance.h), nor anybody
 * while the primary comes to rest for an upgrade.
 *
 * A refused message leaves the draft as it was. If the front-end asked for an answer it gets one
 * that says no; if it did not, it cannot know that we are not in the state it thinks, and the
 * session ends. Requests that we never offered are the exception: they change no state at all.
 */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "allowance.h"
#include "check.h"
#include "clock.h"
#include "cuse.h"
#include "device.h"
#include "event.h"
#include "fd.h"
#include "feature_words.h"
#include "foreign.h"
#include "grant.h"
#include "handlers.h"
#include "headroom.h"
#include "journal.h"
#include "port.h"
#include "ports.h"
#include "primary.h"
#include "publish.h"
#include "retire.h"
#include "revoke.h"
#include "session_answer.h"
#include "session_draft.h"
#include "session_life.h"
#include "session_message.h"
#include "session_wait.h"
#include "stream.h"
#include "tell.h"
#include "vu_check.h"
#include "vu_recv.h"
#include "vu_table.h"

#define MESSAGES_PER_ROUND 64u
#define MESSAGE_DEADLINE   (5 * NS_PER_S)
#define REPLY_DEADLINE	   (5 * NS_PER_S)

/* A round also ends with a message that changed the memory table, and after so long. */
#define ROUND_NS NS_PER_MS

/* Revocations a front-end may cause: so many at once, then one in so long. */
#define REVOCATIONS_AT_ONCE 64u
#define REVOCATION_NS	    NS_PER_MS
/* Messages with descriptors that have to be closed elsewhere, of a port: each is some processes. */
#define FOREIGNERS_AT_ONCE 32u
/* How long a front-end waits at a time for its secondary to read. */
#define CONGESTION_NS (5 * NS_PER_MS)

/* By edges: half a message stays in the socket, and must not wake us again and again. */
#define READ_EVENTS  (EPOLLIN | EPOLLRDHUP | EPOLLET)
#define WRITE_EVENTS EPOLLOUT

/* --- two doors --- */

/* By the socket; or the port's device is told that a message may come. 0 or -errno. */
static int listen_again(struct session *session)
{
	if (session->port->cuse)
		return cuse_wake(session->port);
	return loop_add(session->primary->loop, &session->source, session->socket, READ_EVENTS);
}

/* A device hands nothing over while the session is not at rest, and an owner's death is always
 * heard. */
static void stop_listening(struct session *session)
{
	if (!session->port->cuse)
		loop_remove(session->primary->loop, &session->source);
}

/* --- the end --- */

static void gone(struct revocation *revocation)
{
	struct session *session = container_of(revocation, struct session, revocation);
	struct port *port = session->port;
	struct device *device = session->device;
	bool ready = session->ready;

	if (session->messages)
		port->backoff_ns = 0;
	grant_retire(device);
	session_destroy(session);
	publish_device(device);
	if (ready)
		event_emit(port->primary, HOLDFAST__CONTROL__EVENT_KIND__DEVICE_GONE, port->name,
			   NULL, -1, 0, "%s", "its session is over");
	port_session_ended(port);
}

void session_end(struct session *session, const char *why)
{
	struct device *device = session->device;

	if (session->state == SESSION_ENDING)
		return;
	/* Before anything is taken apart, and also when a message is in hand and nothing else is
	 * written: else a successor would go on with what was refused, or is half gone. */
	journal_ending(session);
	if (session->state == SESSION_WAITING) {
		session->must_end = why;
		return;
	}
	if (session->state == SESSION_STORING)
		journal_acted(session);
	session->state = SESSION_ENDING;
	session->in_hand = false;
	loop_remove(session->primary->loop, &session->source);
	loop_timer_clear(session->primary->loop, &session->deadline);
	loop_timer_clear(session->primary->loop, &session->pause);
	loop_timer_clear(session->primary->loop, &session->greeting);
	event_emit(session->primary, HOLDFAST__CONTROL__EVENT_KIND__SESSION_CLOSED,
		   session->port->name, NULL, -1, 0, "%s", why);
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		vring_stop(session, &device->vrings[i]);
	/* The socket stays open until nobody touches the guest's memory: its end tells the
	 * front-end just that. */
	session->revocation.done = gone;
	revoke_start(&session->revocation, device, GRANT_ALL_VRINGS);
}

void session_destroy(struct session *session)
{
	struct loop *loop = session->primary->loop;

	revoke_cancel(&session->revocation);
	loop_remove(loop, &session->source);
	loop_timer_clear(loop, &session->deadline);
	loop_timer_clear(loop, &session->pause);
	loop_timer_clear(loop, &session->greeting);
	allowance_give_back(session->user);
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		vring_stop(session, &session->device->vrings[i]);
	vu_raw_reset(&session->raw);
	vu_msg_release(&session->msg);
	memory_draft_free(session->next_memory);
	device_reset(session->device);
	session->port->session = NULL;
	foreign_close_socket(&session->port->foreign, &session->socket);
	foreign_let_go(&session->port->foreign);
	free(session);
}

/* calls: poll ppoll */
bool session_peer_gone(const struct session *session)
{
	struct pollfd poll_fd = {.fd = session->socket, .events = POLLRDHUP};

	return session->state == SESSION_ENDING || session->must_end ||
	       (poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}

/* --- answers --- */

static void end_refused(struct session *session, enum refusal reason, const char *what)
{
	(void)session_refuse(session, reason, "%s", "");
	session_report_refusal(session, what);
	session_end(session, refusal_name(reason));
}

/* Nothing is left to do for the message but to forget it. 0; -errno: it would come once more. */
static int consume(struct session *session)
{
	int error = 0;

	journal_answered(session);
	if (session->port->cuse)
		cuse_forget(session);
	else
		error = once_consume(journal_once(session->primary), session->message_id,
				     session->socket, session->in_socket);
	journal_consumed(session);
	session->in_socket = 0;
	foreign_let_go(&session->port->foreign);
	return error;
}

/* False: the session is over, or waits for room. */
static bool send_reply(struct session *session)
{
	struct loop *loop = session->primary->loop;
	int error = session_flush(session);

	if (!error) {
		error = consume(session);
		if (error)
			session_end(session, strerror(-error));
		return !error;
	}
	if (error == -EAGAIN) {
		session->state = SESSION_REPLYING;
		error = loop_modify(loop, &session->source, WRITE_EVENTS);
	}
	if (!error)
		error = loop_timer_set(loop, &session->deadline, REPLY_DEADLINE);
	if (error)
		session_end(session, "front-end closed");
	return false;
}

/* --- the draft --- */

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
			vring_try_start(session, &device->vrings[i]);
	settled(session);
}

/* Taken over: the message that started a ring, or that it was started in the middle of, comes once
 * more, and may be one that needs it stopped. */
static void settle_but_ahead(struct session *session)
{
	struct device *device = session->device;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		if (!device->vrings[i].ahead)
			vring_try_start(session, &device->vrings[i]);
	settled(session);
}

/* That message is done. */
static void settle_ahead(struct session *session)
{
	struct device *device = session->device;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		if (!device->vrings[i].ahead)
			continue;
		device->vrings[i].ahead = false;
		session_settle(session, (int)i);
	}
}

/* --- waiting --- */

static bool finish_message(struct session *session, enum vu_outcome outcome);

/* The revocation is done: go on with the message, then with the socket. */
static void wake(struct session *session)
{
	const char *why = session->must_end;
	int error;

	session->state = SESSION_READING;
	if (why) {
		vu_msg_release(&session->msg);
		session_end(session, why);
		return;
	}
	error = listen_again(session);
	if (error) {
		session_end(session, strerror(-error));
		return;
	}
	(void)finish_message(session, session->resume(session, &session->msg));
}

static void revoked(struct revocation *revocation)
{
	struct session *session = container_of(revocation, struct session, revocation);

	struct primary *primary = session->primary;

	session->revoked = true;
	if (session->state != SESSION_WAITING)
		return;
	journal_handling(primary, session->number);
	wake(session); /* may be its end */
	journal_handling(primary, 0);
}

static struct revocation *prepare(struct session *session)
{
	session->revoked = false;
	session->revocation.done = revoked;
	return &session->revocation;
}

struct revocation *session_prepare(struct session *session)
{
	rate_spend(&session->revocations, REVOCATION_NS);
	return prepare(session);
}

enum vu_outcome session_await(struct session *session, vu_resume *resume)
{
	if (session->revoked)
		return resume(session, &session->msg);
	session->resume = resume;
	session->state = SESSION_WAITING;
	stop_listening(session);
	return VU_WAITING;
}

enum vu_outcome session_revoke(struct session *session, int vring, vu_resume *resume)
{
	struct device *device = session->device;
	bool owned = false;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		owned |= device->vrings[i].owner && (vring == GRANT_ALL_VRINGS || vring == (int)i);
	/* What nobody runs costs nothing. */
	revoke_start(owned ? session_prepare(session) : prepare(session), device, vring);
	return session_await(session, resume);
}

/* --- messages --- */

static const char *message_name(const struct vu_msg *msg, char *room, size_t size)
{
	if (msg->rule)
		return msg->rule->name;
	snprintf(room, size, "request %u", msg->request);
	return room;
}

/*
 * The message was acted on, an answer to it may be ready. Answered and consumed it is only when a
 * successor would find all it says: descriptors that are still on their way to the store hold it
 * up. False: the session is over, or waits.
 */
static bool settle_message(struct session *session)
{
	vu_msg_release(&session->msg);
	headroom_note(session->device);
	settle_ahead(session);
	if (!journal_store(session)) {
		session->state = SESSION_STORING;
		stop_listening(session);
		return false;
	}
	journal_acted(session);
	return send_reply(session);
}

void session_stored(struct session *session)
{
	int error;

	if (session->state != SESSION_STORING)
		return;
	session->state = SESSION_READING;
	journal_acted(session);
	error = listen_again(session);
	if (error)
		session_end(session, strerror(-error));
	else
		(void)send_reply(session);
}

static bool message_refused(struct session *session)
{
	struct vu_msg *msg = &session->msg;
	bool never_offered = session->refused == REFUSED_UNKNOWN_REQUEST ||
			     session->refused == REFUSED_UNSUPPORTED_REQUEST;
	char room[32];

	session_report_refusal(session, message_name(msg, room, sizeof(room)));
	/* Answered also where REPLY_ACK was not acknowledged: DPDK sets the bit from what it
	 * negotiated with a back-end before us, and waits. */
	if (session->port->cuse)
		(void)session_reply_error(session, cuse_error(session->refused));
	else if (msg->need_reply)
		(void)session_reply_u64(session, 1);
	else if (!never_offered) {
		vu_msg_release(msg);
		journal_ending(session); /* the next message is not answered by anybody */
		(void)consume(session);
		session_end(session, refusal_name(session->refused));
		return false;
	}
	return settle_message(session);
}

/* What is left to do after the handler. False: the session is over, or waits. */
static bool finish_message(struct session *session, enum vu_outcome outcome)
{
	if (outcome == VU_WAITING)
		return false;
	if (outcome == VU_REFUSED)
		return message_refused(session);
	if (outcome == VU_DONE && session->msg.need_reply)
		(void)session_reply_u64(session, 0);
	return settle_message(session);
}

/* How many descriptors of the session its message's are in the place of. */
static uint32_t count_replaced(const struct session *session, const struct vu_msg *msg)
{
	const struct device *device = session->device;
	vu_handler *handle = msg->rule->handle;

	if (handle == vu_set_mem_table)
		return device->memory.count;
	if (handle == vu_set_vring_kick)
		return device->vrings[msg->index].kick >= 0;
	if (handle == vu_set_vring_call)
		return device->vrings[msg->index].call >= 0;
	return handle == vu_set_vring_err && device->vrings[msg->index].err >= 0;
}

/* Not what a successor could not be given: the guest would not survive our death. */
static enum vu_outcome carry_out(struct session *session)
{
	struct vu_msg *msg = &session->msg;

	if (!headroom_for_message(session->device, msg->fds, msg->nr_fds,
				  count_replaced(session, msg)))
		return session_refuse(session, REFUSED_NO_RESOURCES, "%u descriptors more",
				      (unsigned int)msg->nr_fds);
	return msg->rule->handle(session, msg);
}

static bool handle(struct session *session)
{
	struct vu_state state = {.device = session->device,
				 .nr_vrings = 2 * session->port->queue_pairs,
				 .rule = session->rule,
				 .greeted = session->greeted};
	enum vu_outcome outcome = VU_REFUSED;
	enum refusal reason;

	loop_timer_clear(session->primary->loop, &session->deadline);
	loop_timer_clear(session->primary->loop, &session->greeting);
	session->messages++;
	allowance_spend(session->port, session->user);
	if (!session->rule)
		session->in_socket = (uint32_t)session->raw.have;
	journal_begin(session);
	if (vu_check(&session->raw, &state, &session->msg, &reason)) {
		log_debug(session->device->tag, "%s, vring %u", session->msg.rule->name,
			  session->msg.index);
		vu_raw_reset(&session->raw);
		outcome = carry_out(session);
	} else {
		vu_raw_reset(&session->raw);
		(void)session_refuse(session, reason, "%s", "");
	}
	return finish_message(session, outcome);
}

void session_handle(struct session *session, const struct vu_rule *rule, uint32_t request)
{
	struct primary *primary = session->primary;

	session->rule = rule;
	session->in_socket = request;
	journal_handling(primary, session->number);
	(void)handle(session); /* may be its end */
	journal_handling(primary, 0);
}

/* Half a message may wait; its deadline runs from its first byte. */
static void half_message(struct session *session)
{
	if (vu_recv_begun(&session->raw) && !session->deadline.at_ns &&
	    loop_timer_set(session->primary->loop, &session->deadline, MESSAGE_DEADLINE) < 0)
		end_refused(session, REFUSED_NO_RESOURCES, "message");
}

/* Until it is known whether they hang. */
static bool wait_for_foreign(struct session *session)
{
	struct foreign *foreign = &session->port->foreign;

	return foreign_full_since(foreign) && !foreign_hangs(foreign);
}

/* Until its port or its user may send one more. */
static uint64_t wait_for_allowance(struct session *session)
{
	uint64_t ns = allowance_wait_ns(session->port, session->user);

	if (ns && session->throttled != session->messages + 1) {
		refusal_count(session->primary, REFUSED_THROTTLED);
		if (!session->throttled)
			log_warning(session->device->tag, "read slower: too many messages; %s",
				    refusal_remedy(REFUSED_THROTTLED));
		session->throttled = session->messages + 1;
	}
	return ns;
}

/* For how long the next message has to wait; 0: not at all. */
static uint64_t pause_needed(struct session *session)
{
	uint64_t ns;

	if (session->primary->holding)
		return CONGESTION_NS;
	if (vu_recv_begun(&session->raw))
		return 0;
	ns = max_u64(rate_wait_ns(&session->revocations, REVOCATIONS_AT_ONCE, REVOCATION_NS),
		     rate_wait_ns(&session->port->foreigners, FOREIGNERS_AT_ONCE, FOREIGNER_NS));
	ns = max_u64(ns, wait_for_allowance(session));
	if (!ns && (grant_congested(session->device) || wait_for_foreign(session)))
		ns = CONGESTION_NS;
	return ns;
}

uint64_t session_pause_ns(struct session *session)
{
	return pause_needed(session);
}

static void on_pause_over(struct loop_timer *timer)
{
	struct session *session = container_of(timer, struct session, pause);
	int error =
		loop_add(session->primary->loop, &session->source, session->socket, READ_EVENTS);

	if (error)
		session_end(session, strerror(-error));
}

/* True: not read until the timer fires. */
static bool pause_reading(struct session *session)
{
	uint64_t ns = pause_needed(session);

	if (!ns || loop_timer_set(session->primary->loop, &session->pause, ns) < 0)
		return false;
	loop_remove(session->primary->loop, &session->source);
	return true;
}

/* Afterwards no descriptor of the message can hang us: -1 is in the place of one that could. */
static enum vu_recv_result receive(struct session *session, enum refusal *ret_reason)
{
	struct port *port = session->port;
	struct vu_raw *raw = &session->raw;
	enum vu_recv_result result;
	int foreign, strays;

	*ret_reason = REFUSED_FOREIGN_FD;
	if (foreign_hangs(&port->foreign))
		return VU_RECV_REFUSED;
	result = vu_recv(raw, session->socket, ret_reason);
	foreign = foreign_discard(&port->foreign, raw->fds, raw->nr_fds);
	strays = foreign_discard(&port->foreign, raw->strays, raw->nr_strays);
	if (foreign || strays)
		rate_spend(&port->foreigners, FOREIGNER_NS);
	if (foreign >= 0 && strays >= 0)
		return result;
	*ret_reason = REFUSED_FOREIGN_FD;
	return VU_RECV_REFUSED;
}

static void read_messages(struct session *session)
{
	const struct device *device = session->device;
	uint64_t generation = device->mem_generation, until_ns = hf_now_ns() + ROUND_NS;
	bool round_over = false;
	enum refusal reason;

	for (unsigned int i = 0; i < MESSAGES_PER_ROUND && !round_over; i++) {
		if (pause_reading(session))
			return;
		switch (receive(session, &reason)) {
		case VU_RECV_AGAIN:
			half_message(session);
			return;
		case VU_RECV_CLOSED:
			session_end(session, "front-end closed");
			return;
		case VU_RECV_REFUSED:
			end_refused(session, reason, "message");
			return;
		case VU_RECV_MESSAGE:
			if (!handle(session) || session->state != SESSION_READING)
				return;
			round_over =
				device->mem_generation != generation || hf_now_ns() >= until_ns;
		}
	}
	/* There may be more, and no edge will say so. */
	if (loop_modify(session->primary->loop, &session->source, READ_EVENTS) < 0)
		session_end(session, "the loop failed");
}

static void write_reply(struct session *session)
{
	int error = session_flush(session);

	if (error == -EAGAIN)
		return;
	session->state = SESSION_READING;
	loop_timer_clear(session->primary->loop, &session->deadline);
	if (!error)
		error = consume(session);
	if (!error)
		error = loop_modify(session->primary->loop, &session->source, READ_EVENTS);
	if (error)
		session_end(session, "front-end closed");
}

static void on_socket(struct loop_source *source, uint32_t events)
{
	struct session *session = container_of(source, struct session, source);
	struct primary *primary = session->primary;

	(void)events; /* a hang-up is found by reading or writing */
	journal_handling(primary, session->number);
	if (session->state == SESSION_REPLYING)
		write_reply(session); /* may be its end */
	else
		read_messages(session);
	journal_handling(primary, 0);
}

static void on_deadline(struct loop_timer *timer)
{
	struct session *session = container_of(timer, struct session, deadline);

	if (session->state == SESSION_REPLYING)
		end_refused(session, REFUSED_REPLY_TIMEOUT, "reply");
	else
		end_refused(session, REFUSED_MESSAGE_TIMEOUT, "message");
}

/* Came in time, and waits for us: the session is paused, or its turn is yet to come. */
/* calls: poll ppoll */
static bool greeting_waits(const struct session *session)
{
	struct pollfd poll_fd = {.fd = session->socket, .events = POLLIN};

	return !vu_recv_begun(&session->raw) && poll(&poll_fd, 1, 0) == 1;
}

/* Nothing came yet, or half a message. */
static void on_no_greeting(struct loop_timer *timer)
{
	struct session *session = container_of(timer, struct session, greeting);

	if (greeting_waits(session) &&
	    !loop_timer_set(session->primary->loop, timer, CONGESTION_NS))
		return;
	end_refused(session, REFUSED_GREET_DEADLINE, "silence");
}

/* --- the beginning --- */

struct session *session_new(struct port *port, int socket)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->source = (struct loop_source){.ready = on_socket, .fd = -1};
	session->deadline.fire = on_deadline;
	session->pause.fire = on_pause_over;
	session->greeting.fire = on_no_greeting;
	session->primary = port->primary;
	session->port = port;
	session->device = &port->device;
	session->socket = socket;
	if (!port->cuse)
		session->user = allowance_take(port->primary, stream_peer_user(socket));
	return session;
}

int session_watch(struct session *session)
{
	struct loop *loop = session->primary->loop;
	uint64_t greet_ns = session->primary->conf->greet_deadline_ns;
	int error = 0;

	if (session->port->cuse)
		return cuse_watch(session);
	if (greet_ns && !session->messages)
		error = loop_timer_set(loop, &session->greeting, greet_ns);
	return error ? error : loop_add(loop, &session->source, session->socket, READ_EVENTS);
}

static enum vu_outcome took_over(struct session *session, struct vu_msg *msg)
{
	(void)msg;
	headroom_note(session->device);
	settle_but_ahead(session);
	journal_clean(session);
	if (session->reply.len)
		(void)send_reply(session); /* may be its end */
	return VU_WAITING;		   /* no message is to be finished */
}

void session_take_over(struct session *session, bool revoke)
{
	struct primary *primary = session->primary;
	int error = session_watch(session);

	journal_handling(primary, session->number);
	if (error)
		session_end(session, strerror(-error));
	else if (revoke)
		(void)session_revoke(session, GRANT_ALL_VRINGS, took_over);
	else
		(void)took_over(session, &session->msg);
	journal_handling(primary, 0);
}

int session_create(struct port *port, int socket)
{
	struct session *session = session_new(port, socket);
	int error;

	if (!session) {
		hf_fd_close(&socket);
		return -ENOMEM;
	}
	session->number = port->primary->next_session++;
	journal_numbers(port->primary);
	port->session = session;
	port->sessions++;
	port->device.session = session->number;
	headroom_note(&port->device);
	/* Before all that takes time: until it is stored, our death ends the connection. */
	journal_port(port);
	error = session_watch(session);
	if (error) {
		session_destroy(session);
		publish_device(&port->device);
		return error;
	}
	publish_device(&port->device);
	event_emit(port->primary, HOLDFAST__CONTROL__EVENT_KIND__SESSION_OPENED, port->name, NULL,
		   -1, 0, "front-end is process %d", port->peer_pid);
	return 0;
}
