/* SPDX-License-Identifier: Apache-2.0 */
#include "session_end.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "allowance.h"
#include "device.h"
#include "door.h"
#include "event.h"
#include "foreign.h"
#include "journal.h"
#include "loop.h"
#include "memory_draft.h"
#include "port.h"
#include "primary.h"
#include "publish.h"
#include "retire.h"
#include "revoke.h"
#include "session.h"
#include "session_answer.h"
#include "vring_stop.h"
#include "vu_check.h"
#include "vu_recv.h"

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
	port->door->session_ended(port);
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

void session_end_refused(struct session *session, enum refusal reason, const char *what)
{
	(void)session_refuse(session, reason, "%s", "");
	session_report_refusal(session, what);
	session_end(session, refusal_name(reason));
}
