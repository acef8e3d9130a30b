/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request does to the port's session, and the session's answers to it. The file that a
 * front-end has open is known by its session's number.
 */
#include "cuse_session.h"

#include <errno.h>
#include <string.h>

#include "check.h"
#include "conf.h"
#include "cuse_caller.h"
#include "cuse_channel.h"
#include "cuse_error.h"
#include "cuse_fill.h"
#include "cuse_ioctl.h"
#include "cuse_request.h"
#include "fd.h"
#include "headroom.h"
#include "journal.h"
#include "port.h"
#include "port_listen.h"
#include "ports.h"
#include "primary.h"
#include "session.h"
#include "session_end.h"
#include "session_life.h"
#include "session_message.h"

/* --- open and release --- */

static void refuse_second(struct cuse *cuse, struct request *r)
{
	struct port *port = cuse->port;

	refusal_count(port->primary, REFUSED_SECOND_CLIENT);
	if (hf_log_allowed(&port->session->log_limit))
		log_warning(port->device.tag,
			    "thread %u refused: process %d has it open; %s. A device is one queue "
			    "pair: for more, use a vhost-user port",
			    request_header(r).pid, port->peer_pid,
			    refusal_remedy(REFUSED_SECOND_CLIENT));
	request_refuse(cuse, r, cuse_error(REFUSED_SECOND_CLIENT));
}

/* 0 or -errno. Its number is what the file is known by. */
static int open_session(struct port *port, const struct cuse_caller *caller, uint64_t unique)
{
	int error;

	if (!headroom_for_new(port->primary, NEW_FRONT_END, caller->pidfd)) {
		refusal_count(port->primary, REFUSED_NO_RESOURCES);
		return -EMFILE;
	}
	port->peer_pid = caller->pid;
	port->opening = unique;
	error = session_create(port, -1);
	if (error)
		port->peer_pid = 0;
	return error;
}

void cuse_on_open(struct cuse *cuse, struct request *r)
{
	struct port *port = cuse->port;
	struct cuse_caller caller;
	int error;

	/* Opened by who was before us, who died before he could say so. */
	if (port->session && port->opening == r->unique) {
		cuse_say_open(port->listener, r->unique, port->session->number);
		request_forget(cuse, r);
		return;
	}
	if (port->session) {
		refuse_second(cuse, r);
		return;
	}
	error = cuse_caller_open(request_header(r).pid, &caller);
	if (error) {
		refusal_count(port->primary, REFUSED_CALLER);
		if (hf_log_allowed(&port->log_limit))
			log_warning(port->device.tag, "thread %u refused: %s; %s",
				    request_header(r).pid, strerrordesc_np(-error),
				    refusal_remedy(REFUSED_CALLER));
		request_refuse(cuse, r, cuse_error(REFUSED_CALLER));
		return;
	}
	error = open_session(port, &caller, r->unique);
	cuse_caller_close(&caller);
	if (error) {
		request_refuse(cuse, r, error);
		return;
	}
	cuse_say_open(port->listener, r->unique, port->session->number);
	request_forget(cuse, r);
}

uint64_t cuse_handle(const uint8_t *bytes)
{
	uint64_t handle; /* the first word of both */

	memcpy(&handle, bytes + sizeof(struct fuse_in_header), sizeof(handle));
	return handle;
}

bool cuse_is_session(const struct cuse *cuse, uint64_t handle)
{
	return cuse->port->session && cuse->port->session->number == handle;
}

bool cuse_is_of_session(const struct cuse *cuse, const struct request *r)
{
	return cuse_is_session(cuse, cuse_handle(r->bytes));
}

/* May end the session, and the port. */
void cuse_on_release(struct cuse *cuse, struct request *r)
{
	struct port *port = cuse->port;

	if (!cuse_is_of_session(cuse, r)) {
		request_refuse(cuse, r, 0);
		return;
	}
	/* Nothing bounds the wait for a secondary that is not fenced, and a process that is killed
	 * would wait here for ever. */
	if (port->primary->conf->fence)
		r->state = REQUEST_CLOSING;
	else
		request_refuse(cuse, r, 0);
	session_end(port->session, "front-end closed");
}

void cuse_session_ended(struct port *port)
{
	struct cuse *cuse = port->cuse;

	cuse_look_drop(&cuse->look, 0);
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++) {
		struct request *r = &cuse->requests[i];

		if (r->state == REQUEST_CLOSING)
			request_refuse(cuse, r, 0);
		else if (r->state == REQUEST_IN_HAND || r->state == REQUEST_LOOKING)
			request_refuse(cuse, r, -EIO);
	}
	(void)cuse_wake(port);
	if (!port_session_over(port))
		port_listen_again(port);
}

/* --- ioctls --- */

static struct cuse_call call_of(const struct request *r)
{
	const size_t head = sizeof(struct fuse_in_header);
	struct cuse_call call = {.thread = request_header(r).pid,
				 .data = r->bytes + head + sizeof(call.in)};

	memcpy(&call.in, r->bytes + head, sizeof(call.in));
	return call;
}

static void begin_look(struct cuse *cuse, struct request *r, const struct cuse_call *call,
		       struct cuse_next *next)
{
	uint32_t count = cuse_table(call, cuse->look.regions);
	int error = cuse_look_begin(&cuse->look, &next->caller, request_header(r).uid, count);

	cuse_caller_close(&next->caller);
	if (!error) {
		r->state = REQUEST_LOOKING;
		return;
	}
	cuse_ioctl_looked(cuse->port->session, call, &cuse->look, error, NULL, next);
	request_refuse(cuse, r, next->error);
}

/* May be the end of session and port. */
static void go_on(struct cuse *cuse, struct request *r, const struct cuse_call *call,
		  struct cuse_next *next)
{
	struct port *port = cuse->port;
	struct primary *primary = port->primary;

	switch (next->step) {
	case CUSE_STEP_REFUSE:
		request_refuse(cuse, r, next->error);
		break;
	case CUSE_STEP_RETRY:
		cuse_say_retry(port->listener, r->unique, call->in.arg, next->in_bytes,
			       next->out_bytes);
		request_forget(cuse, r);
		break;
	case CUSE_STEP_ANSWER:
		cuse_say_ioctl(port->listener, r->unique, &next->value, call->in.out_size);
		request_forget(cuse, r);
		break;
	case CUSE_STEP_LOOK:
		begin_look(cuse, r, call, next);
		break;
	case CUSE_STEP_HANDLE:
		r->state = REQUEST_IN_HAND;
		journal_handling(primary, port->session->number);
		(void)session_handle(port->session, next->rule, request_number(cuse, r));
		journal_handling(primary, 0);
		break;
	}
}

void cuse_on_ioctl(struct cuse *cuse, struct request *r)
{
	struct port *port = cuse->port;
	struct cuse_call call = call_of(r);
	struct cuse_next next;

	if (r->len != sizeof(struct fuse_in_header) + sizeof(call.in) + call.in.in_size) {
		request_refuse(cuse, r, -EINVAL);
		return;
	}
	journal_handling(port->primary, port->session->number);
	cuse_ioctl_begin(port->session, &call, &next);
	journal_handling(port->primary, 0);
	go_on(cuse, r, &call, &next);
}

static struct request *looking(struct cuse *cuse)
{
	struct request *r = cuse->requests;

	while (r->state != REQUEST_LOOKING)
		r++;
	return r;
}

void cuse_on_looked(struct cuse_look *look, int error, int *fds)
{
	struct cuse *cuse = container_of(look, struct cuse, look);
	struct port *port = cuse->port;
	struct request *r = looking(cuse);
	struct cuse_call call = call_of(r);
	struct cuse_next next;

	(void)cuse_wake(port);
	if (error == -EINTR || session_is_ending(port->session)) {
		if (!error)
			hf_fd_close_all(fds, look->count);
		request_refuse(cuse, r, error == -EINTR ? -EINTR : -EIO);
		return;
	}
	journal_handling(port->primary, port->session->number);
	cuse_ioctl_looked(port->session, &call, look, error, fds, &next);
	journal_handling(port->primary, 0);
	go_on(cuse, r, &call, &next);
}

static struct request *in_hand(const struct session *session)
{
	struct cuse *cuse = session->port->cuse;
	struct request *r =
		session->in_socket < CUSE_REQUESTS ? &cuse->requests[session->in_socket] : NULL;

	return r && r->state == REQUEST_IN_HAND ? r : NULL;
}

int cuse_session_send(struct session *session)
{
	int channel = session->port->listener;
	struct request *r = in_hand(session);
	struct fuse_ioctl_in in;
	uint64_t bytes;
	int n;

	if (!r || !session->reply.len)
		return 0;
	memcpy(&in, r->bytes + sizeof(struct fuse_in_header), sizeof(in));
	n = cuse_ioctl_answer(session, in.cmd, &bytes);
	if (n < 0)
		cuse_say_error(channel, r->unique, n);
	else
		cuse_say_ioctl(channel, r->unique, &bytes, (size_t)n);
	return 0;
}

int cuse_session_consume(struct session *session)
{
	struct request *r = in_hand(session);

	if (r)
		request_forget(session->port->cuse, r);
	return 0;
}

int cuse_session_listen(struct session *session)
{
	return cuse_wake(session->port);
}

/* A device hands nothing over while the session is not at rest, and an owner's death is always
 * heard. But who was interrupted does not wait for a revocation, which may take for ever. */
void cuse_session_rest(struct session *session)
{
	const struct request *r = in_hand(session);

	if (r && r->interrupted)
		cuse_say_error(session->port->listener, r->unique, -EINTR);
}
