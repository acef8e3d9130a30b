/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the primary: drivers and feature switches.
 *
 * A request blocks until its reply comes. Other packets that come before it are kept and handled by
 * the next dispatch: a callback that registers a driver must not find itself inside another
 * callback.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "log.h"
#include "service.h"

int hf_driver_callback_register(struct hf_service *service, const struct hf_device_ops *ops,
				void *context)
{
	if (!ops || !ops->new_device || !ops->destroy_device)
		return -EINVAL;
	service->ops = ops;
	service->context = context;
	return 0;
}

/* Keep the packet in service->request_frame, descriptors and all, for the next dispatch. */
static int defer(struct hf_service *service)
{
	struct hf_frame *frame = &service->request_frame;
	struct hf_deferred *d = malloc(sizeof(*d) + frame->len);

	/* Without it we would not know what we were granted: the next dispatch finds the end, and
	 * attaching again brings everything. */
	if (!d) {
		hf_frame_close_fds(frame);
		(void)shutdown(service->socket, SHUT_RD);
		return -ENOMEM;
	}
	d->next = NULL;
	d->frame = *frame;
	d->frame.bytes = d->bytes;
	memcpy(d->bytes, frame->bytes, frame->len);
	frame->nr_fds = 0;
	*service->deferred_tail = d;
	service->deferred_tail = &d->next;
	(void)eventfd_write(service->wake, 1);
	return 0;
}

/* Is the packet in request_frame the reply? 1 with *ret_error and *ret_value; 0: no, kept. */
static int is_reply(struct hf_service *service, uint64_t request, int *ret_error,
		    uint64_t *ret_value)
{
	ProtobufCMessage *message =
		hf_frame_unpack(&holdfast__attach__to_secondary__descriptor,
				service->request_frame.bytes, service->request_frame.len);
	const Holdfast__Attach__ToSecondary *m = (const void *)message;
	int result;

	if (!m || m->body_case != HOLDFAST__ATTACH__TO_SECONDARY__BODY_REPLY ||
	    m->reply->request != request) {
		result = defer(service);
	} else {
		*ret_error = m->reply->error;
		*ret_value = m->reply->value;
		if (m->reply->error)
			log_error(service->tag, "the primary refused: %s", m->reply->reason);
		result = 1;
	}
	hf_frame_free_unpacked(message);
	return result;
}

int hf_request(struct hf_service *service, Holdfast__Attach__ToPrimary *message, int fd,
	       uint64_t wait_ns, uint64_t *ret_value)
{
	uint64_t deadline = hf_now_ns() + wait_ns, value = 0;
	struct pollfd p = {.fd = service->socket, .events = POLLIN};
	int error, result = 0;

	/* No socket: in a callback that is told of its loss. */
	if (!service->welcomed || service->socket < 0)
		return -ENOTCONN;
	message->request = ++service->requests;
	error = hf_frame_send(service->socket, &message->base, &fd, fd >= 0);
	if (error == -EPIPE || error == -ECONNRESET)
		return -ENOTCONN; /* its end is for the next dispatch to find, as below */
	while (!error && !result) {
		uint64_t now = hf_now_ns();
		ssize_t n;

		if (now >= deadline)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)((deadline - now) / NS_PER_MS) + 1) < 0 && errno != EINTR)
			return -errno;
		n = hf_frame_receive(service->socket, &service->request_frame);
		if (n == -EAGAIN)
			continue;
		/* The connection's end is for the next dispatch to find; if a packet was lost, it
		 * ends by that. */
		if (n <= 0) {
			hf_frame_close_fds(&service->request_frame);
			(void)shutdown(service->socket, SHUT_RD);
			return -ENOTCONN;
		}
		result = is_reply(service, message->request, &error, &value);
		if (result < 0)
			return result;
	}
	if (ret_value)
		*ret_value = value;
	return error;
}

static int call(struct hf_service *service, Holdfast__Attach__ToPrimary *message,
		uint64_t *ret_value)
{
	return hf_request(service, message, -1, HF_REPLY_WAIT_NS, ret_value);
}

int hf_driver_register(struct hf_service *service, const char *name, const char *path,
		       uint64_t flags)
{
	Holdfast__Attach__PortAdd add = HOLDFAST__ATTACH__PORT_ADD__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	if (!name || (flags & ~(uint64_t)(HF_DRIVER_CLIENT | HF_DRIVER_CUSE)))
		return -EINVAL;
	add.name = (char *)(uintptr_t)name;
	if (path)
		add.path = (char *)(uintptr_t)path;
	add.client = flags & HF_DRIVER_CLIENT;
	add.kind = flags & HF_DRIVER_CUSE ? HOLDFAST__ATTACH__PORT_KIND__VHOST_CUSE
					  : HOLDFAST__ATTACH__PORT_KIND__VHOST_USER;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_PORT_ADD;
	message.port_add = &add;
	return call(service, &message, NULL);
}

int hf_driver_unregister(struct hf_service *service, const char *name)
{
	Holdfast__Attach__PortDel del = HOLDFAST__ATTACH__PORT_DEL__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	if (!name)
		return -EINVAL;
	del.name = (char *)(uintptr_t)name;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_PORT_DEL;
	message.port_del = &del;
	return call(service, &message, NULL);
}

static int change_features(struct hf_service *service, const char *port, uint64_t mask, bool enable)
{
	Holdfast__Attach__FeatureChange change = HOLDFAST__ATTACH__FEATURE_CHANGE__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	if (port)
		change.port = (char *)(uintptr_t)port;
	change.mask = mask;
	change.enable = enable;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_FEATURE_CHANGE;
	message.feature_change = &change;
	return call(service, &message, NULL);
}

int hf_feature_enable(struct hf_service *service, const char *port, uint64_t mask)
{
	return change_features(service, port, mask, true);
}

int hf_feature_disable(struct hf_service *service, const char *port, uint64_t mask)
{
	return change_features(service, port, mask, false);
}

int hf_feature_get(struct hf_service *service, const char *port, uint64_t *ret_features)
{
	Holdfast__Attach__FeatureGet get = HOLDFAST__ATTACH__FEATURE_GET__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	if (port)
		get.port = (char *)(uintptr_t)port;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_FEATURE_GET;
	message.feature_get = &get;
	return call(service, &message, ret_features);
}
