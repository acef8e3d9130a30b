/* SPDX-License-Identifier: Apache-2.0 */
#include "session_life.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "device.h"
#include "door.h"
#include "event.h"
#include "fd.h"
#include "headroom.h"
#include "journal.h"
#include "port.h"
#include "primary.h"
#include "publish.h"
#include "session.h"
#include "session_draft.h"
#include "session_end.h"
#include "session_message.h"
#include "session_wait.h"
#include "stream.h"

static void on_deadline(struct loop_timer *timer)
{
	struct session *session = container_of(timer, struct session, deadline);

	if (session->state == SESSION_REPLYING)
		session_end_refused(session, REFUSED_REPLY_TIMEOUT, "reply");
	else
		session_end_refused(session, REFUSED_MESSAGE_TIMEOUT, "message");
}

struct session *session_new(struct port *port, int socket)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->source.fd = -1;
	session->deadline.fire = on_deadline;
	session->primary = port->primary;
	session->port = port;
	session->device = &port->device;
	session->socket = socket;
	if (socket >= 0)
		stream_take_urgent_inline(socket);
	return session;
}

static enum vu_outcome took_over(struct session *session, struct vu_msg *msg)
{
	(void)msg;
	headroom_note(session->device);
	session_settle_but_ahead(session);
	journal_clean(session);
	if (session->reply.len)
		(void)session_send_reply(session); /* may be its end */
	return VU_WAITING;			   /* no message is to be finished */
}

void session_take_over(struct session *session, bool revoke)
{
	struct primary *primary = session->primary;
	int error = session->port->door->begin(session);

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
	error = session->port->door->begin(session);
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
