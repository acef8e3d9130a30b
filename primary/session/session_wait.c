/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meanwhile the socket is out of the loop altogether, because epoll would report a hang-up again
 * and again. It is put back afterwards, and says everything that was missed.
 */
#include "session_wait.h"

#include <string.h>

#include "clock.h"
#include "device.h"
#include "door.h"
#include "journal.h"
#include "port.h"
#include "rate.h"
#include "revoke.h"
#include "session_end.h"
#include "session_message.h"
#include "session_pause.h"
#include "vu_check.h"

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
	error = session->port->door->listen(session);
	if (error) {
		session_end(session, strerror(-error));
		return;
	}
	(void)session_finish_message(session, session->resume(session, &session->msg));
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
	rate_spend(&session->port->revocations, SESSION_REVOCATION_NS);
	return prepare(session);
}

enum vu_outcome session_await(struct session *session, vu_resume *resume)
{
	if (session->revoked)
		return resume(session, &session->msg);
	session->resume = resume;
	session->state = SESSION_WAITING;
	session->port->door->rest(session);
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
