/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads, checks and handles one message after the other; a bounded number a round, so that one
 * busy front-end does not hold up the others.
 */
#include "session_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "allowance.h"
#include "check.h"
#include "clock.h"
#include "device.h"
#include "foreign.h"
#include "journal.h"
#include "loop.h"
#include "once.h"
#include "port.h"
#include "primary.h"
#include "rate.h"
#include "session.h"
#include "session_answer.h"
#include "session_end.h"
#include "session_message.h"
#include "session_pause.h"
#include "stream.h"
#include "vu_recv.h"
#include "vu_table.h"

#define MESSAGES_PER_ROUND 64u
#define MESSAGE_DEADLINE   (5 * NS_PER_S)

/* A round also ends with a message that changed the memory table, and after so long. */
#define ROUND_NS NS_PER_MS

/* By edges: half a message stays in the socket, and must not wake us again and again. */
#define READ_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

/* Half a message may wait; its deadline runs from its first byte. */
static void half_message(struct session *session)
{
	if (vu_recv_begun(&session->raw) && !session->deadline.at_ns &&
	    loop_timer_set(session->primary->loop, &session->deadline, MESSAGE_DEADLINE) < 0)
		session_end_refused(session, REFUSED_NO_RESOURCES, "message");
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
	uint64_t ns = session_pause_ns(session);

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
			session_end_refused(session, reason, "message");
			return;
		case VU_RECV_MESSAGE:
			if (!session_handle(session, vu_rule(session->raw.header.request),
					    (uint32_t)session->raw.have) ||
			    session->state != SESSION_READING)
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
	if (error) {
		session_end(session, "front-end closed");
		return;
	}
	error = session_consume(session);
	if (!error)
		error = loop_modify(session->primary->loop, &session->source, READ_EVENTS);
	if (error)
		session_end(session, strerror(-error));
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
	    !loop_timer_set(session->primary->loop, timer, SESSION_PAUSE_NS))
		return;
	session_end_refused(session, REFUSED_GREET_DEADLINE, "silence");
}

int session_socket_begin(struct session *session)
{
	struct loop *loop = session->primary->loop;
	uint64_t greet_ns = session->primary->conf->greet_deadline_ns;
	int error = 0;

	session->source.ready = on_socket;
	session->pause.fire = on_pause_over;
	session->greeting.fire = on_no_greeting;
	session->user = allowance_take(session->primary, stream_peer_user(session->socket));
	if (greet_ns && !session->messages)
		error = loop_timer_set(loop, &session->greeting, greet_ns);
	return error ? error : session_socket_listen(session);
}

int session_socket_listen(struct session *session)
{
	return loop_add(session->primary->loop, &session->source, session->socket, READ_EVENTS);
}

void session_socket_rest(struct session *session)
{
	loop_remove(session->primary->loop, &session->source);
}

int session_socket_send(struct session *session)
{
	if (!session->reply.len)
		return 0;
	return once_send(journal_once(session->primary), session->message_id, session->socket,
			 session->reply.bytes, session->reply.len);
}

int session_socket_consume(struct session *session)
{
	return once_consume(journal_once(session->primary), session->message_id, session->socket,
			    session->in_socket);
}
