/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * Requests of a device, from the kernel to the session and back.
 *
 *   request    is answered                                     waits while
 *   OPEN       when the port has a session for it;             the last session is taken apart
 *              -EBUSY when there is one
 *   IOCTL      when its message is done; a memory table's      another one's message is in hand,
 *              comes behind a look for the caller's memory     or a look is under way
 *   RELEASE    when its session is over, all is taken back     -
 *   INTERRUPT  never: the request it names is, with -EINTR     -
 *
 * Who asks stands in a system call, which even SIGKILL does not end before the answer. So every
 * request is answered, also over our death: it is noted in the journal before anything is begun
 * (once.h), and the note goes when the answer is out. Answered twice does no harm: numbers are not
 * used again, and the kernel answers nobody.
 *
 * Interrupted (by a signal, by SIGKILL): the caller goes on at once; what it asked for is finished
 * all the same, and is there when it asks again. A look has a moment left (cuse_look.h), and what
 * can be done with what it found without a wait is answered as if nothing had been.
 *
 * There is no wait in here but the caller's. Nothing a caller says is used before it was bounded:
 * lengths by the kernel's framing, compared once more; the rest in cuse_ioctl.c and vu_check.c.
 */
/* clang-format on */
#include "cuse_queue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "clock.h"
#include "cuse_channel.h"
#include "cuse_look.h"
#include "cuse_request.h"
#include "cuse_session.h"
#include "cuse_vhost.h"
#include "fd.h"
#include "journal.h"
#include "once.h"
#include "port.h"
#include "port_listen.h"
#include "primary.h"
#include "session.h"
#include "session_end.h"
#include "session_pause.h"

#define REQUESTS_PER_ROUND 64u
#define HOLDING_NS	   (5 * NS_PER_MS)

/* --- whose turn it is --- */

static bool is_release(const struct request *r)
{
	return request_header(r).opcode == FUSE_RELEASE;
}

/* The oldest, but closing goes first: it waits for nobody, while an open waits for the end of a
 * session. The kernel closes a file when nothing else is asked of it any more. */
static bool goes_before(const struct request *a, const struct request *b)
{
	return is_release(a) != is_release(b) ? is_release(a) : a->unique < b->unique;
}

static struct request *first_waiting(struct cuse *cuse)
{
	struct request *first = NULL;

	for (uint32_t i = 0; i < CUSE_REQUESTS; i++) {
		struct request *r = &cuse->requests[i];

		if (r->state == REQUEST_WAITING && (!first || goes_before(r, first)))
			first = r;
	}
	return first;
}

static bool is_look(const struct request *r)
{
	struct fuse_ioctl_in in;

	memcpy(&in, r->bytes + sizeof(struct fuse_in_header), sizeof(in));
	return in.cmd == VH_SET_MEM_TABLE;
}

/* Can it be begun now? If not, cuse_wake comes when it can. */
static bool may_begin(struct cuse *cuse, const struct request *r)
{
	struct port *port = cuse->port;
	struct session *session = port->session;
	uint64_t ns;

	if (port->primary->holding)
		return loop_timer_set(port->primary->loop, &cuse->again, HOLDING_NS) < 0;
	switch (request_header(r).opcode) {
	case FUSE_OPEN:
		return !session || !session_is_ending(session);
	case FUSE_IOCTL:
		if (!cuse_is_of_session(cuse, r) || session_is_ending(session))
			return true; /* to be refused */
		if (!session_at_rest(session) || cuse->look.state != CUSE_LOOK_NONE)
			return false;
		ns = session_pause_ns(session);
		if (is_look(r))
			ns = max_u64(ns, cuse_look_wait_ns(port->primary));
		return !ns || loop_timer_set(port->primary->loop, &cuse->again, ns) < 0;
	default:
		return true;
	}
}

/* May be the end of session and port. */
static void begin(struct cuse *cuse, struct request *r)
{
	switch (request_header(r).opcode) {
	case FUSE_OPEN:
		cuse_on_open(cuse, r);
		break;
	case FUSE_IOCTL:
		if (cuse_is_of_session(cuse, r) && !session_is_ending(cuse->port->session))
			cuse_on_ioctl(cuse, r);
		else
			request_refuse(cuse, r, -EIO);
		break;
	case FUSE_RELEASE:
		cuse_on_release(cuse, r);
		break;
	default:
		request_refuse(cuse, r, -ENOSYS);
	}
}

/* One, if any can be begun. Others by the timer: a round of the loop lies in between, and what it
 * ends may be everything here. */
static void begin_next(struct cuse *cuse)
{
	struct request *r = first_waiting(cuse);

	if (!r || !may_begin(cuse, r))
		return;
	(void)cuse_wake(cuse->port);
	begin(cuse, r);
}

void cuse_on_again(struct loop_timer *timer)
{
	begin_next(container_of(timer, struct cuse, again));
}

/* --- from the kernel --- */

static void interrupt(struct cuse *cuse, uint64_t unique)
{
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++) {
		struct request *r = &cuse->requests[i];

		if (r->state == REQUEST_NONE || r->unique != unique)
			continue;
		if (r->state == REQUEST_WAITING && request_header(r).opcode != FUSE_RELEASE)
			request_refuse(cuse, r, -EINTR);
		else if (r->state == REQUEST_IN_HAND)
			cuse_say_error(cuse->port->listener, unique, -EINTR);
		else if (r->state == REQUEST_LOOKING) {
			r->interrupted = true;
			journal_interrupted(cuse->port, request_number(cuse, r));
			cuse_look_hurry(&cuse->look);
		}
		return;
	}
}

static struct request *free_request(struct cuse *cuse)
{
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++)
		if (cuse->requests[i].state == REQUEST_NONE)
			return &cuse->requests[i];
	return NULL;
}

static size_t least_bytes(uint32_t opcode)
{
	const size_t head = sizeof(struct fuse_in_header);

	switch (opcode) {
	case FUSE_OPEN:
		return head + sizeof(struct fuse_open_in);
	case FUSE_IOCTL:
		return head + sizeof(struct fuse_ioctl_in);
	case FUSE_RELEASE:
		return head + sizeof(struct fuse_release_in);
	default:
		return head;
	}
}

/* No room: too many threads ask at once. Only a release cannot be told so. */
static void turn_away(struct cuse *cuse, const struct fuse_in_header *header, uint64_t handle)
{
	bool closes = header->opcode == FUSE_RELEASE;

	cuse_say_error(cuse->port->listener, header->unique, closes ? 0 : -EBUSY);
	if (closes && cuse_is_session(cuse, handle))
		session_end(cuse->port->session, "front-end closed");
}

static void keep(struct cuse *cuse, const struct fuse_in_header *header, const uint8_t *bytes,
		 size_t len)
{
	struct request *r = free_request(cuse);

	if (len > CUSE_REQUEST_BYTES || len < least_bytes(header->opcode)) {
		cuse_say_error(cuse->port->listener, header->unique, -EINVAL);
		return;
	}
	if (!r) {
		turn_away(cuse, header, cuse_handle(bytes));
		return;
	}
	r->state = REQUEST_WAITING;
	r->interrupted = false;
	r->unique = header->unique;
	r->len = (uint32_t)len;
	memcpy(r->bytes, bytes, len);
	journal_request(cuse->port, request_number(cuse, r), r->unique, bytes, r->len);
	(void)cuse_wake(cuse->port);
}

void cuse_take(struct cuse *cuse, const uint8_t *bytes, size_t len)
{
	struct fuse_in_header header;
	struct fuse_interrupt_in in;

	if (len < sizeof(header))
		return;
	memcpy(&header, bytes, sizeof(header));
	if (header.len != len) {
		cuse_say_error(cuse->port->listener, header.unique, -EINVAL);
		return;
	}
	switch (header.opcode) {
	case FUSE_OPEN:
	case FUSE_IOCTL:
	case FUSE_RELEASE:
		keep(cuse, &header, bytes, len);
		break;
	case FUSE_INTERRUPT:
		if (len < sizeof(header) + sizeof(in))
			break;
		memcpy(&in, bytes + sizeof(header), sizeof(in));
		interrupt(cuse, in.unique);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_DESTROY:
		break; /* these have no answer */
	default:
		cuse_say_error(cuse->port->listener, header.unique, -ENOSYS);
	}
}

/* Nobody waits for its answer: the next device's requests may have the same number. */
static void forget_device(struct cuse *cuse, struct request *r)
{
	if (r->state == REQUEST_WAITING) {
		request_forget(cuse, r);
	} else if (r->state != REQUEST_NONE) {
		journal_request(cuse->port, request_number(cuse, r), 0, NULL, 0);
		r->unique = CUSE_NOBODY;
	}
}

/* Cut off by the kernel (somebody wrote to its `abort`): as a port that cannot listen. */
static void lost(struct cuse *cuse, int error)
{
	struct port *port = cuse->port;

	log_error(port->device.tag, "%s was cut off: %s; holdfast port del and add make it anew",
		  port->path, strerrordesc_np(-error));
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++)
		forget_device(cuse, &cuse->requests[i]);
	snprintf(port->last_error, sizeof(port->last_error), "%s was cut off: %s", port->path,
		 strerrordesc_np(-error));
	loop_remove(port->primary->loop, &port->listener_source);
	port->listener_stored = 0;
	hf_fd_close(&port->listener);
	journal_port(port);
	port_arm_retry(port, PORT_BACKOFF_LAST_NS);
	if (port->session)
		session_end(port->session, "the device was cut off");
}

/* A request at a time: what it begins may be the end of the port. */
void cuse_on_device(struct loop_source *source, uint32_t events)
{
	struct port *port = container_of(source, struct port, listener_source);
	struct primary *primary = port->primary;
	struct once *once = journal_once(primary);
	uint8_t bytes[CUSE_READ_BYTES];
	ssize_t n;

	(void)events;
	if (primary->holding && loop_timer_set(primary->loop, &port->cuse->hold, HOLDING_NS) == 0) {
		loop_remove(primary->loop, source);
		return;
	}
	for (uint32_t i = 0; i < REQUESTS_PER_ROUND; i++) {
		n = once_take(once, port->device.slot, port->listener, bytes, sizeof(bytes));
		/* ENOENT: it was interrupted before it was read. */
		if (n == -EAGAIN || n == -EINTR || n == -ENOENT)
			return;
		if (n <= 0) {
			lost(port->cuse, n ? (int)n : -ENODEV);
			return;
		}
		cuse_take(port->cuse, bytes, (size_t)n);
		once_taken(once);
	}
}
