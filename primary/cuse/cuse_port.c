/* SPDX-License-Identifier: Apache-2.0 */
/* The device of a port: made, given to people, found again by the next life, given up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "check.h"
#include "clock.h"
#include "conf.h"
#include "cuse.h"
#include "cuse_device.h"
#include "cuse_error.h"
#include "cuse_owner.h"
#include "cuse_queue.h"
#include "cuse_request.h"
#include "cuse_session.h"
#include "door.h"
#include "fd.h"
#include "journal.h"
#include "log.h"
#include "once.h"
#include "order.h"
#include "port.h"
#include "port_listen.h"
#include "primary.h"
#include "session.h"

#define AGAIN_NS (5 * NS_PER_MS)
/* For the end of all who look and were killed: on a busy machine they have to get their turn to
 * die. */
#define REST_NS (500 * NS_PER_MS)
/* udev may come behind us, and a /dev without devtmpfs may be slow. */
#define PERMIT_AGAIN_NS (200 * NS_PER_MS)
#define PERMIT_TIMES	10u

static void go_on(struct port *port)
{
	struct loop *loop = port->primary->loop;

	if (port->removing || port->listener < 0 || port->listener_source.fd >= 0)
		return;
	if (loop_add(loop, &port->listener_source, port->listener, EPOLLIN) < 0)
		(void)loop_timer_set(loop, &port->cuse->hold, AGAIN_NS);
}

static void on_hold_over(struct loop_timer *timer)
{
	go_on(container_of(timer, struct cuse, hold)->port);
}

/* --- the device --- */

static void say_not_permitted(const char *tag, const char *device, int error)
{
	log_warning(tag,
		    "cannot set mode and owner of %s: %s; make the node (mknod), or let udev do "
		    "it, see docs/cuse.md",
		    device, strerrordesc_np(-error));
}

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
		say_not_permitted(port->device.tag, port->path, error);
}

static const char *explain(int error)
{
	switch (error) {
	case -EINVAL:
		return "a device's name has 1 to 63 letters, digits, _, - and .; choose another";
	case -EEXIST:
		return "there is a device of that name in /dev; choose another name";
	case -ENOSPC:
		return "the kernel has a device of that name elsewhere, or no number for one more; "
		       "choose another name, or make fewer";
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

int cuse_make_early(struct conf *conf, bool again)
{
	for (size_t i = 0; i < conf->nr_ports; i++) {
		struct conf_port *port = &conf->ports[i];
		int fd = port->cuse ? make(name_of(port)) : -1, error;

		if (fd == -EEXIST && again)
			continue;
		if (port->cuse && fd < 0) {
			log_error("holdfastd", "--cuse %s: %s", port->name, explain(fd));
			return fd;
		}
		if (fd < 0)
			continue;
		port->device = fd;
		/* Once: who is no longer root could not do it again. */
		error = cuse_device_permit(name_of(port), conf->port_mode, conf->cuse_owner,
					   conf->cuse_group);
		if (error)
			say_not_permitted("holdfastd", name_of(port), error);
	}
	return 0;
}

void cuse_drop_early(struct primary *primary)
{
	const struct conf *conf = primary->conf;

	for (size_t i = 0; i < conf->nr_ports; i++) {
		struct conf_port *port = (struct conf_port *)(uintptr_t)&conf->ports[i];

		if (port->cuse && !port_find(primary, port->name))
			hf_fd_close(&port->device);
	}
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

static int open_device(struct port *port, const char **ret_reason)
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

/* Nobody would say it again. What was begun of it is undone. */
static void refuse_interrupted(struct cuse *cuse)
{
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++) {
		struct request *r = &cuse->requests[i];

		if (r->state == REQUEST_WAITING && r->interrupted)
			request_refuse(cuse, r, -EINTR);
	}
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
		*r = (struct request){.state = REQUEST_WAITING,
				      .interrupted = journal_was_interrupted(record),
				      .unique = unique,
				      .len = record->len};
		memcpy(r->bytes, record->bytes, record->len);
		known |= n >= (ssize_t)sizeof(left) && unique == left.unique;
	}
	/* The message that it was is acted on already: only the answer is missing. */
	if (port->session && port->session->reply.len && port->session->in_socket < CUSE_REQUESTS &&
	    cuse->requests[port->session->in_socket].state == REQUEST_WAITING)
		cuse->requests[port->session->in_socket].state = REQUEST_IN_HAND;
	refuse_interrupted(cuse);
	if (n > 0 && !known)
		cuse_take(cuse, bytes, (size_t)n);
	if (n > 0)
		once_taken(once);
	(void)cuse_wake(port);
}

static void begin_again(struct cuse *cuse, uint64_t until_ns)
{
	cuse_look_drop(&cuse->look, until_ns);
	for (uint32_t i = 0; i < CUSE_REQUESTS; i++)
		if (cuse->requests[i].state == REQUEST_LOOKING)
			cuse->requests[i].state = REQUEST_WAITING;
	refuse_interrupted(cuse);
	(void)cuse_wake(cuse->port);
}

void cuse_rest(struct primary *primary)
{
	uint64_t until_ns = hf_now_ns() + REST_NS;

	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i] && primary->ports[i]->cuse)
			cuse_look_kill(&primary->ports[i]->cuse->look);
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i] && primary->ports[i]->cuse)
			begin_again(primary->ports[i]->cuse, until_ns);
}

static int make_queue(struct port *port)
{
	struct cuse *cuse = calloc(1, sizeof(*cuse));

	if (!cuse)
		return -ENOMEM;
	cuse->port = port;
	cuse->again.fire = cuse_on_again;
	cuse->hold.fire = on_hold_over;
	cuse->permit.fire = on_permit;
	cuse_look_init(&cuse->look, port, cuse_on_looked);
	port->listener_source.ready = cuse_on_device;
	port->device.is_vhost_net = true;
	port->cuse = cuse;
	return 0;
}

static void close_device(struct port *port)
{
	if (port->listener >= 0)
		cuse_device_abort(port->path + strlen("/dev/"));
}

static void free_queue(struct port *port)
{
	struct loop *loop = port->primary->loop;
	struct cuse *cuse = port->cuse;

	cuse_look_drop(&cuse->look, 0);
	loop_timer_clear(loop, &cuse->again);
	loop_timer_clear(loop, &cuse->hold);
	loop_timer_clear(loop, &cuse->permit);
	free(cuse);
	port->cuse = NULL;
}

static int open_port(struct port *port, const char **ret_reason)
{
	int error = open_device(port, ret_reason);

	if (error)
		return error;
	journal_port(port);
	port_listen_again(port);
	return 0;
}

static void retry(struct port *port)
{
	const char *reason = "";

	if (port->listener < 0)
		(void)open_port(port, &reason); /* says why not */
	else
		port_listen_again(port);
}

const struct door vhost_net_door = {
	.max_regions = VU_RAW_REGIONS,
	.make = make_queue,
	.open = open_port,
	.retry = retry,
	.close = close_device,
	.session_ended = cuse_session_ended,
	.free = free_queue,
	.begin = cuse_owner_watch,
	.disown = cuse_owner_forget,
	.listen = cuse_session_listen,
	.rest = cuse_session_rest,
	.send = cuse_session_send,
	.consume = cuse_session_consume,
	.error = cuse_error,
};
