/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of a device, from the kernel to the session and back.
 *
 *   request          is answered                                      waits while
 *   OPEN             when the port has a session for it; -EBUSY: one   the last session is taken
 * apart is there IOCTL            when its message is done                         another one's
 * message is in hand RELEASE          when its session is over, all is taken back      - INTERRUPT
 * never: the request it names is, with -EINTR      -
 *
 * Who asks stands in a system call, which even SIGKILL does not end before the answer. So every
 * request is answered, also over our death: it is noted in the journal before anything is begun
 * (once.h), and the note goes when the answer is out. Answered twice does no harm: numbers are not
 * used again, and the kernel answers nobody.
 *
 * Interrupted (by a signal, by SIGKILL): the caller goes on at once; what it asked for is finished
 * all the same, and is there when it asks again.
 *
 * There is no wait in here but the caller's. Nothing a caller says is used before it was bounded:
 * lengths by the kernel's framing, compared once more; the rest in cuse_ioctl.c and vu_check.c.
 */
#include "cuse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "check.h"
#include "clock.h"
#include "conf.h"
#include "cuse_caller.h"
#include "cuse_channel.h"
#include "cuse_device.h"
#include "cuse_ioctl.h"
#include "cuse_wire.h"
#include "fd.h"
#include "headroom.h"
#include "journal.h"
#include "loop.h"
#include "once.h"
#include "order.h"
#include "port.h"
#include "primary.h"
#include "session.h"

#define REQUESTS_PER_ROUND 64u
#define HOLDING_NS	   (5 * NS_PER_MS)
/* udev may come behind us, and a /dev without devtmpfs may be slow. */
#define PERMIT_AGAIN_NS (200 * NS_PER_MS)
#define PERMIT_TIMES	10u

enum request_state { REQUEST_NONE, REQUEST_WAITING, REQUEST_IN_HAND, REQUEST_CLOSING };

struct request {
	enum request_state state;
	uint32_t len;
	uint64_t unique;
	uint8_t bytes[CUSE_REQUEST_BYTES];
};

struct cuse {
	struct port *port;
	struct loop_timer again;  /* look at what waits */
	struct loop_timer hold;	  /* the device is not listened to for a moment */
	struct loop_timer permit; /* the node's mode and owner, once more */
	uint32_t permits;
	struct request requests[CUSE_REQUESTS];
};

static struct fuse_in_header header_of(const struct request *r)
{
	struct fuse_in_header header;

	memcpy(&header, r->bytes, sizeof(header));
	return header;
}

static uint32_t number_of(const struct cuse *cuse, const struct request *r)
{
	return (uint32_t)(r - cuse->requests);
}

static void forget(struct cuse *cuse, struct request *r)
{
	journal_request(cuse->port, number_of(cuse, r), 0, NULL, 0);
	r->state = REQUEST_NONE;
}

static void refuse(struct cuse *cuse, struct request *r, int error)
{
	cuse_say_error(cuse->port->listener, r->unique, error);
	forget(cuse, r);
}

/* --- open and release --- */

static void refuse_second(struct cuse *cuse, struct request *r)
{
	struct port *port = cuse->port;

	refusal_count(port->primary, REFUSED_SECOND_CLIENT);
	if (hf_log_allowed(&port->session->log_limit))
		log_warning(port->device.tag,
			    "thread %u refused: process %d has it open; %s. A device is one queue "
			    "pair: for more, use a vhost-user port",
			    header_of(r).pid, port->peer_pid,
			    refusal_remedy(REFUSED_SECOND_CLIENT));
	refuse(cuse, r, cuse_error(REFUSED_SECOND_CLIENT));
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

static void on_open(struct cuse *cuse, struct request *r)
{
	struct port *port = cuse->port;
	struct cuse_caller caller;
	int error;

	/* Opened by who was before us, who died before he could say so. */
	if (port->session && port->opening == r->unique) {
		cuse_say_open(port->listener, r->unique, port->session->number);
		forget(cuse, r);
		return;
	}
	if (port->session) {
		refuse_second(cuse, r);
		return;
	}
	error = cuse_caller_open(header_of(r).pid, &caller);
	if (error) {
		refusal_count(port->primary, REFUSED_CALLER);
		if (hf_log_allowed(&port->log_limit))
			log_warning(port->device.tag, "thread %u refused: %s; %s", header_of(r).pid,
				    strerrordesc_np(-error), refusal_remedy(REFUSED_CALLER));
		refuse(cuse, r, cuse_error(REFUSED_CALLER));
		return;
	}
	error = open_session(port, &caller, r->unique);
	cuse_caller_close(&caller);
	if (error) {
		refuse(cuse, r, error);
		return;
	}
	cuse_say_open(port->listener, r->unique, port->session->number);
	forget(cuse, r);
}

static uint64_t handle_of(const struct request *r)
{
	uint64_t handle; /* the first word of both */

	memcpy(&handle, r->bytes + sizeof(struct fuse_in_header), sizeof(handle));
	return handle;
}

static bool is_of_session(const struct cuse *cuse, const struct request *r)
{
	return cuse->port->session && cuse->port->session->number == handle_of(r);
}

/* May end the session, and the port. */
static void on_release(struct cuse *cuse, struct request *r)
{
	struct port *port = cuse->port;

	if (!is_of_session(cuse, r)) {
		refuse(cuse, r, 0);
		return;
	}
	/* Nothing bounds the wait for a secondary that is not fenced, and a process that is killed
	 * would wait here for ever. */
	if (port->primary->conf->fence)
		r->state = REQUEST_CLOSING;
	else
		refuse(cuse, r, 0);
	session_end(port->session, "front-end closed");
}

void cuse_session_ended(struct port *port)
{
	struct cuse *cuse = port->cuse;

	for (uint32_t i = 0; i < CUSE_REQUESTS; i++)
		if (cuse->requests[i].state == REQUEST_CLOSING)
			refuse(cuse, &cuse->requests[i], 0);
	(void)cuse_wake(port);
}

/* --- ioctls --- */

static void on_ioctl(struct cuse *cuse, struct request *r)
{
	const size_t head = sizeof(struct fuse_in_header);
	struct port *port = cuse->port;
	struct cuse_call call = {.thread = header_of(r).pid,
				 .data = r->bytes + head + sizeof(call.in)};
	struct cuse_next next;

	memcpy(&call.in, r->bytes + head, sizeof(call.in));
	if (r->len != head + sizeof(call.in) + call.in.in_size) {
		refuse(cuse, r, -EINVAL);
		return;
	}
	cuse_ioctl_begin(port->session, &call, &next);
	switch (next.step) {
	case CUSE_STEP_REFUSE:
		refuse(cuse, r, next.error);
		break;
	case CUSE_STEP_RETRY:
		cuse_say_retry(port->listener, r->unique, call.in.arg, next.in_bytes,
			       next.out_bytes);
		forget(cuse, r);
		break;
	case CUSE_STEP_ANSWER:
		cuse_say_ioctl(port->listener, r->unique, &next.value, call.in.out_size);
		forget(cuse, r);
		break;
	case CUSE_STEP_HANDLE:
		r->state = REQUEST_IN_HAND;
		session_handle(port->session, next.rule, number_of(cuse, r));
		break;
	}
}

static struct request *in_hand(const struct session *session)
{
	struct cuse *cuse = session->port->cuse;
	struct request *r =
		session->in_socket < CUSE_REQUESTS ? &cuse->requests[session->in_socket] : NULL;

	return r && r->state == REQUEST_IN_HAND ? r : NULL;
}

void cuse_answer(struct session *session)
{
	int channel = session->port->listener;
	struct request *r = in_hand(session);
	struct fuse_ioctl_in in;
	uint64_t bytes;
	int n;

	if (!r || !session->reply.len)
		return;
	memcpy(&in, r->bytes + sizeof(struct fuse_in_header), sizeof(in));
	n = cuse_ioctl_answer(session, in.cmd, &bytes);
	if (n < 0)
		cuse_say_error(channel, r->unique, n);
	else
		cuse_say_ioctl(channel, r->unique, &bytes, (size_t)n);
}

void cuse_forget(struct session *session)
{
	struct request *r = in_hand(session);

	if (r)
		forget(session->port->cuse, r);
}

/* --- the owner --- */

static void on_owner_gone(struct loop_source *source, uint32_t events)
{
	struct session *session = container_of(source, struct session, source);

	(void)events;
	loop_remove(session->primary->loop, source);
	session_end(session, "the front-end's process is gone");
}

int cuse_watch(struct session *session)
{
	session->source.ready = on_owner_gone;
	if (session->socket < 0)
		return 0;
	return loop_add(session->primary->loop, &session->source, session->socket, EPOLLIN);
}

void cuse_unwatch(struct session *session)
{
	loop_remove(session->primary->loop, &session->source);
	hf_fd_close(&session->socket);
	session->stored = 0;
}

/* --- whose turn it is --- */

static struct request *oldest_waiting(struct cuse *cuse)
{
	struct request *oldest = NULL;

	for (uint32_t i = 0; i < CUSE_REQUESTS; i++) {
		struct request *r = &cuse->requests[i];

		if (r->state == REQUEST_WAITING && (!oldest || r->unique < oldest->unique))
			oldest = r;
	}
	return oldest;
}

static bool is_ending(const struct session *session)
{
	return session->state == SESSION_ENDING || session->must_end;
}

/* Can it be begun now? If not, cuse_wake comes when it can. */
static bool may_begin(struct cuse *cuse, const struct request *r)
{
	struct port *port = cuse->port;
	const struct session *session = port->session;
	uint64_t ns;

	if (port->primary->holding)
		return loop_timer_set(port->primary->loop, &cuse->again, HOLDING_NS) < 0;
	switch (header_of(r).opcode) {
	case FUSE_OPEN:
		return !session || !is_ending(session);
	case FUSE_IOCTL:
		if (!is_of_session(cuse, r) || is_ending(session))
			return true; /* to be refused */
		if (!session_at_rest(session))
			return false;
		ns = session_pause_ns(session);
		return !ns || loop_timer_set(port->primary->loop, &cuse->again, ns) < 0;
	default:
		return true;
	}
}

/* May be the end of session and port. */
static void begin(struct cuse *cuse, struct request *r)
{
	switch (header_of(r).opcode) {
	case FUSE_OPEN:
		on_open(cuse, r);
		break;
	case FUSE_IOCTL:
		if (is_of_session(cuse, r) && !is_ending(cuse->port->session))
			on_ioctl(cuse, r);
		else
			refuse(cuse, r, -EIO);
		break;
	case FUSE_RELEASE:
		on_release(cuse, r);
		break;
	default:
		refuse(cuse, r, -ENOSYS);
	}
}

/* One, if any can be begun. Others by the timer: a round of the loop lies in between, and what it
 * ends may be everything here. */
static void begin_next(struct cuse *cuse)
{
	struct request *r = oldest_waiting(cuse);

	if (!r || !may_begin(cuse, r))
		return;
	(void)cuse_wake(cuse->port);
	begin(cuse, r);
}

static void on_again(struct loop_timer *timer)
{
	begin_next(container_of(timer, struct cuse, again));
}

int cuse_wake(struct port *port)
{
	return loop_timer_set(port->primary->loop, &port->cuse->again, 0);
}

/* --- from the kernel --- */

static void interrupt(struct cuse *cuse, uint64_t unique)
{
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++) {
		struct request *r = &cuse->requests[i];

		if (r->state == REQUEST_NONE || r->unique != unique)
			continue;
		if (r->state == REQUEST_WAITING && header_of(r).opcode != FUSE_RELEASE)
			refuse(cuse, r, -EINTR);
		else if (r->state == REQUEST_IN_HAND)
			cuse_say_error(cuse->port->listener, unique, -EINTR);
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
static void turn_away(struct cuse *cuse, const struct fuse_in_header *header)
{
	struct session *session = cuse->port->session;

	if (header->opcode != FUSE_RELEASE) {
		cuse_say_error(cuse->port->listener, header->unique, -EBUSY);
		return;
	}
	cuse_say_error(cuse->port->listener, header->unique, 0);
	if (session)
		session_end(session, "front-end closed");
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
		turn_away(cuse, header);
		return;
	}
	r->state = REQUEST_WAITING;
	r->unique = header->unique;
	r->len = (uint32_t)len;
	memcpy(r->bytes, bytes, len);
	journal_request(cuse->port, number_of(cuse, r), r->unique, bytes, r->len);
	(void)cuse_wake(cuse->port);
}

static void take(struct cuse *cuse, const uint8_t *bytes, size_t len)
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

/* Cut off by the kernel (somebody wrote to its `abort`): as a port that cannot listen. */
static void lost(struct cuse *cuse, int error)
{
	struct port *port = cuse->port;

	log_error(port->device.tag, "%s was cut off: %s; holdfast port del and add make it anew",
		  port->path, strerrordesc_np(-error));
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++)
		if (cuse->requests[i].state == REQUEST_WAITING)
			forget(cuse, &cuse->requests[i]);
	port_listener_lost(port, strerrordesc_np(-error));
}

/* A request at a time: what it begins may be the end of the port. */
static void on_device(struct loop_source *source, uint32_t events)
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
		take(port->cuse, bytes, (size_t)n);
		once_taken(once);
	}
}

static void on_hold_over(struct loop_timer *timer)
{
	cuse_go_on(container_of(timer, struct cuse, hold)->port);
}

/* --- the device --- */

static void on_permit(struct loop_timer *timer)
{
	struct cuse *cuse = container_of(timer, struct cuse, permit);
	struct port *port = cuse->port;
	const struct conf *conf = port->primary->conf;
	int error = cuse_device_permit(port->path + strlen("/dev/"), conf->port_mode,
				       conf->cuse_owner, conf->cuse_group);

	if (++cuse->permits < PERMIT_TIMES) {
		(void)loop_timer_set(port->primary->loop, timer, PERMIT_AGAIN_NS);
		return;
	}
	if (error)
		log_warning(port->device.tag,
			    "cannot set mode and owner of %s: %s; make the node (mknod), or let "
			    "udev do it, see docs/cuse.md",
			    port->path, strerrordesc_np(-error));
}

static const char *explain(int error)
{
	switch (error) {
	case -EINVAL:
		return "a device's name has 1 to 63 letters, digits, _, - and .; choose another";
	case -EEXIST:
		return "there is a device of that name in /dev; choose another name";
	case -ENOENT:
		return "this kernel has no CUSE: load it (modprobe cuse), or add a vhost-user port";
	case -EACCES:
	case -EPERM:
		return "no permission for /dev/cuse: run holdfastd as root, or with --user name "
		       "the "
		       "device at start (--cuse)";
	case -EPROTO:
		return "this kernel's CUSE speaks another protocol; add a vhost-user port";
	default:
		return "cannot make the device; the log says why";
	}
}

static int make(const char *name)
{
	return cuse_device_name_ok(name) ? cuse_device_make(name) : -EINVAL;
}

static const char *name_of(const struct conf_port *port)
{
	const char *name = *port->path ? port->path : port->name;

	return strncmp(name, "/dev/", 5) == 0 ? name + 5 : name;
}

int cuse_make_early(struct conf *conf)
{
	for (size_t i = 0; i < conf->nr_ports; i++) {
		struct conf_port *port = &conf->ports[i];
		int fd = port->cuse ? make(name_of(port)) : -1;

		if (port->cuse && fd < 0) {
			log_error("holdfastd", "--cuse %s: %s", port->name, explain(fd));
			return fd;
		}
		if (!port->cuse)
			continue;
		port->device = fd;
		(void)cuse_device_permit(name_of(port), conf->port_mode, conf->cuse_owner,
					 conf->cuse_group);
	}
	return 0;
}

/* >= 0; -1: there is none. */
static int take_early(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->nr_ports; i++) {
		struct conf_port *port = (struct conf_port *)(uintptr_t)&conf->ports[i];

		if (port->cuse && port->device >= 0 && strcmp(name_of(port), name) == 0)
			return hf_fd_take(&port->device);
	}
	return -1;
}

int cuse_open(struct port *port, const char **ret_reason)
{
	const struct conf *conf = port->primary->conf;
	const char *name = port->path + strlen("/dev/");
	int fd = take_early(conf, name);

	if (fd >= 0) {
		port->listener = fd;
		return 0;
	}
	fd = make(name);
	if (fd < 0) {
		*ret_reason = explain(fd);
		log_error(port->device.tag, "%s: %s", port->path, *ret_reason);
		return fd;
	}
	port->listener = fd;
	on_permit(&port->cuse->permit);
	return 0;
}

void cuse_go_on(struct port *port)
{
	struct loop *loop = port->primary->loop;

	if (port->removing || port->listener < 0 || port->listener_source.fd >= 0)
		return;
	if (loop_add(loop, &port->listener_source, port->listener, EPOLLIN) < 0)
		(void)loop_timer_set(loop, &port->cuse->hold, HOLDING_NS);
}

void cuse_restore(struct port *port)
{
	struct journal_slot *slot = journal_slot(port->primary, port->device.slot);
	struct once *once = journal_once(port->primary);
	struct cuse *cuse = port->cuse;
	uint8_t bytes[CUSE_READ_BYTES] = {0};
	struct fuse_in_header left;
	bool known = false;
	ssize_t n;

	n = once_left(once, port->device.slot, bytes, sizeof(bytes));
	memcpy(&left, bytes, sizeof(left));
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++) {
		const struct journal_request *record = &slot->requests[i];
		struct request *r = &cuse->requests[i];
		uint64_t unique = hf_load_acquire(&record->unique);

		if (!unique || record->len > CUSE_REQUEST_BYTES)
			continue;
		*r = (struct request){
			.state = REQUEST_WAITING, .unique = unique, .len = record->len};
		memcpy(r->bytes, record->bytes, record->len);
		known |= n >= (ssize_t)sizeof(left) && unique == left.unique;
	}
	/* The message that it was is acted on already: only the answer is missing. */
	if (port->session && port->session->reply.len && port->session->in_socket < CUSE_REQUESTS &&
	    cuse->requests[port->session->in_socket].state == REQUEST_WAITING)
		cuse->requests[port->session->in_socket].state = REQUEST_IN_HAND;
	if (n > 0 && !known)
		take(cuse, bytes, (size_t)n);
	if (n > 0)
		once_taken(once);
	(void)cuse_wake(port);
}

int cuse_new(struct port *port)
{
	struct cuse *cuse = calloc(1, sizeof(*cuse));

	if (!cuse)
		return -ENOMEM;
	cuse->port = port;
	cuse->again.fire = on_again;
	cuse->hold.fire = on_hold_over;
	cuse->permit.fire = on_permit;
	port->listener_source.ready = on_device;
	port->device.is_vhost_net = true;
	port->cuse = cuse;
	return 0;
}

void cuse_close(struct port *port)
{
	if (port->listener >= 0)
		cuse_device_abort(port->path + strlen("/dev/"));
}

void cuse_free(struct port *port)
{
	struct loop *loop = port->primary->loop;
	struct cuse *cuse = port->cuse;

	loop_timer_clear(loop, &cuse->again);
	loop_timer_clear(loop, &cuse->hold);
	loop_timer_clear(loop, &cuse->permit);
	free(cuse);
	port->cuse = NULL;
}
