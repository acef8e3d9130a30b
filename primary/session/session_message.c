/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The road of a message. A handler either finishes at once or leaves the session WAITING for a
 * revocation (session_wait.h).
 *
 * A refused message leaves the draft as it was. If the front-end asked for an answer it gets one
 * that says no; if it did not, it cannot know that we are not in the state it thinks, and the
 * session ends. Requests that we never offered are the exception: they change no state at all.
 */
#include "session_message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "allowance.h"
#include "clock.h"
#include "device.h"
#include "door.h"
#include "foreign.h"
#include "headroom.h"
#include "journal.h"
#include "log.h"
#include "loop.h"
#include "port.h"
#include "primary.h"
#include "session_answer.h"
#include "session_draft.h"
#include "session_end.h"
#include "vu_check.h"
#include "vu_recv.h"
#include "vu_rule.h"

#define REPLY_DEADLINE (5 * NS_PER_S)

int session_consume(struct session *session)
{
	int error;

	journal_answered(session);
	error = session->port->door->consume(session);
	journal_consumed(session);
	session->in_socket = 0;
	foreign_let_go(&session->port->foreign);
	return error;
}

bool session_send_reply(struct session *session)
{
	struct loop *loop = session->primary->loop;
	int error = session_flush(session);

	if (!error) {
		error = session_consume(session);
		if (error)
			session_end(session, strerror(-error));
		return !error;
	}
	if (error == -EAGAIN) {
		session->state = SESSION_REPLYING;
		error = loop_modify(loop, &session->source, EPOLLOUT);
	}
	if (!error)
		error = loop_timer_set(loop, &session->deadline, REPLY_DEADLINE);
	if (error)
		session_end(session, "front-end closed");
	return false;
}

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
	session_settle_ahead(session);
	if (!journal_store(session)) {
		session->state = SESSION_STORING;
		session->port->door->rest(session);
		return false;
	}
	journal_acted(session);
	return session_send_reply(session);
}

void session_stored(struct session *session)
{
	int error;

	if (session->state != SESSION_STORING)
		return;
	session->state = SESSION_READING;
	journal_acted(session);
	error = session->port->door->listen(session);
	if (error)
		session_end(session, strerror(-error));
	else
		(void)session_send_reply(session);
}

static bool message_refused(struct session *session)
{
	const struct door *door = session->port->door;
	struct vu_msg *msg = &session->msg;
	bool never_offered = session->refused == REFUSED_UNKNOWN_REQUEST ||
			     session->refused == REFUSED_UNSUPPORTED_REQUEST;
	char room[32];

	session_report_refusal(session, message_name(msg, room, sizeof(room)));
	/* Answered also where REPLY_ACK was not acknowledged: DPDK sets the bit from what it
	 * negotiated with a back-end before us, and waits. */
	if (door->error)
		(void)session_reply_error(session, door->error(session->refused));
	else if (msg->need_reply)
		(void)session_reply_u64(session, 1);
	else if (!never_offered) {
		vu_msg_release(msg);
		journal_ending(session); /* the next message is not answered by anybody */
		(void)session_consume(session);
		session_end(session, refusal_name(session->refused));
		return false;
	}
	return settle_message(session);
}

bool session_finish_message(struct session *session, enum vu_outcome outcome)
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
static uint32_t count_replaced(const struct device *device, const struct vu_msg *msg)
{
	const struct vring *vring = &device->vrings[msg->index];

	switch (msg->rule->replaces) {
	case VU_REPLACES_MEMORY:
		return device->memory.count;
	case VU_REPLACES_KICK:
		return vring->kick >= 0;
	case VU_REPLACES_CALL:
		return vring->call >= 0;
	case VU_REPLACES_ERR:
		return vring->err >= 0;
	case VU_REPLACES_NOTHING:
		break;
	}
	return 0;
}

/* Not what a successor could not be given: the guest would not survive our death. */
static enum vu_outcome carry_out(struct session *session)
{
	struct vu_msg *msg = &session->msg;

	if (!headroom_for_message(session->device, msg->fds, msg->nr_fds,
				  count_replaced(session->device, msg)))
		return session_refuse(session, REFUSED_NO_RESOURCES, "%u descriptors more",
				      (unsigned int)msg->nr_fds);
	return msg->rule->handle(session, msg);
}

bool session_handle(struct session *session, const struct vu_rule *rule, uint32_t in_socket)
{
	struct vu_state state = {.device = session->device,
				 .nr_vrings = 2 * session->port->queue_pairs,
				 .max_regions = session->port->door->max_regions,
				 .greeted = session->greeted};
	enum vu_outcome outcome = VU_REFUSED;
	enum refusal reason;

	loop_timer_clear(session->primary->loop, &session->deadline);
	loop_timer_clear(session->primary->loop, &session->greeting);
	session->messages++;
	allowance_spend(session->port, session->user);
	session->in_socket = in_socket;
	journal_begin(session);
	if (vu_check(&session->raw, rule, &state, &session->msg, &reason)) {
		log_debug(session->device->tag, "%s, vring %u", session->msg.rule->name,
			  session->msg.index);
		vu_raw_reset(&session->raw);
		outcome = carry_out(session);
	} else {
		vu_raw_reset(&session->raw);
		(void)session_refuse(session, reason, "%s", "");
	}
	return session_finish_message(session, outcome);
}
