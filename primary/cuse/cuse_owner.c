/* SPDX-License-Identifier: Apache-2.0 */
#include "cuse_owner.h"

#include <sys/epoll.h>

#include "check.h"
#include "fd.h"
#include "loop.h"
#include "primary.h"
#include "session.h"
#include "session_end.h"

static void on_owner_gone(struct loop_source *source, uint32_t events)
{
	struct session *session = container_of(source, struct session, source);

	(void)events;
	loop_remove(session->primary->loop, source);
	session_end(session, "the front-end's process is gone");
}

int cuse_owner_watch(struct session *session)
{
	session->source.ready = on_owner_gone;
	if (session->socket < 0)
		return 0;
	return loop_add(session->primary->loop, &session->source, session->socket, EPOLLIN);
}

void cuse_owner_forget(struct session *session)
{
	loop_remove(session->primary->loop, &session->source);
	hf_fd_close(&session->socket);
	session->stored = 0;
}
