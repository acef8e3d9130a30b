/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching to the primary, and what happens when it goes.
 *
 * The primary's epoch tells one life of it from the next. When the connection is lost nobody is
 * left to stop our rings when a front-end wants its memory back, so every device is destroyed at
 * once; the next attachment starts from nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "fd.h"
#include "guard.h"
#include "lane.h"
#include "log.h"
#include "rescue.h"
#include "service.h"

#define BYE_WAIT_MS 1000

static Holdfast__Attach__Role role_to_wire(enum hf_role role)
{
	switch (role) {
	case HF_ROLE_STANDBY:
		return HOLDFAST__ATTACH__ROLE__STANDBY;
	case HF_ROLE_OBSERVER:
		return HOLDFAST__ATTACH__ROLE__OBSERVER;
	case HF_ROLE_VSWITCH:
		break;
	}
	return HOLDFAST__ATTACH__ROLE__VSWITCH;
}

static int say_hello(struct hf_service *service)
{
	Holdfast__Attach__Hello hello = HOLDFAST__ATTACH__HELLO__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	hello.abi_major = HF_ABI_MAJOR;
	hello.abi_minor = HF_ABI_MINOR;
	hello.name = service->name;
	hello.role = role_to_wire(service->role);
	hello.n_ports = service->nr_ports;
	hello.ports = service->ports;
	hello.priority = service->priority;
	hello.membarrier = service->membarrier;
	hello.version = (char *)(uintptr_t)hf_version();
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_HELLO;
	message.hello = &hello;
	return hf_service_send(service, &message);
}

int hf_attach(struct hf_service *service)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = 0};
	char path[108];
	int fd, error;

	snprintf(path, sizeof(path), "%s/attach.sock", service->run_dir);
	fd = hf_seqpacket_connect(path);
	if (fd < 0)
		return fd;
	event.data.fd = fd;
	service->socket = fd;
	error = say_hello(service);
	if (!error && (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
		       epoll_ctl(service->epoll, EPOLL_CTL_ADD, fd, &event) < 0))
		error = -errno;
	if (error)
		hf_fd_close(&service->socket);
	return error;
}

static int map_lane(struct hf_service *service, int fd, uint64_t bytes)
{
	int error = hf_map_guarded(fd, 0, bytes, true, &service->lane);

	if (error)
		return error;
	hf_map_not_in_children(service->lane, bytes);
	service->lane_bytes = bytes;
	return hf_lane_verify(service->lane, bytes);
}

static void unmap_all(struct hf_service *service)
{
	hf_rescue_lock(service);
	hf_directory_detach(&service->directory);
	hf_unmap_guarded(service->lane, service->lane_bytes);
	service->lane = NULL;
	free(service->devices);
	service->devices = NULL;
	hf_rescue_unlock(service);
	service->welcomed = false;
}

int hf_attach_welcome(struct hf_service *service, const Holdfast__Attach__Welcome *welcome,
		      struct hf_frame *frame)
{
	int error;

	/* A primary that took over cannot know whether we heard its predecessor. */
	if (service->welcomed && service->id == welcome->id)
		return 0;
	if (service->welcomed || frame->nr_fds != 2)
		return -EPROTO;
	error = hf_directory_attach(&service->directory, frame->fds[0]);
	if (!error)
		error = map_lane(service, frame->fds[1], welcome->lane_bytes);
	if (!error) {
		hf_rescue_lock(service);
		service->devices =
			calloc(service->directory.header.max_devices, sizeof(*service->devices));
		hf_rescue_unlock(service);
		error = service->devices ? 0 : -ENOMEM;
	}
	if (error) {
		log_error(service->tag,
			  "cannot use the primary's shared memory: %s; "
			  "do both come from one release?",
			  strerror(-error));
		service->said = true;
		unmap_all(service);
		return error;
	}
	service->id = welcome->id;
	service->fence = welcome->fence;
	service->welcomed = true;
	service->attempts = 0;
	hf_state_tell(service);
	log_info(service->tag, "attached to primary %s as secondary %u", welcome->version,
		 welcome->secondary);
	return 0;
}

static void drop_unfinished(struct hf_service *service)
{
	while (service->deferred) {
		struct hf_deferred *d = service->deferred;

		service->deferred = d->next;
		hf_frame_close_fds(&d->frame);
		free(d);
	}
	service->deferred_tail = &service->deferred;
	hf_drop_unsaid(service);
}

/* The primary believes who says it, and kills who closes the socket without: one that does not read
 * just now is waited for. Where it has closed its end, it knows why. */
static void say_bye(int socket)
{
	Holdfast__Attach__Bye bye = HOLDFAST__ATTACH__BYE__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	struct pollfd p = {.fd = socket, .events = POLLOUT};

	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_BYE;
	message.bye = &bye;
	if (hf_frame_send(socket, &message.base, NULL, 0) == -EAGAIN &&
	    poll(&p, 1, BYE_WAIT_MS) == 1)
		(void)hf_frame_send(socket, &message.base, NULL, 0);
}

void hf_attach_lost(struct hf_service *service, const char *why)
{
	/* Callbacks are told of the loss, and ask for nothing. */
	int socket = hf_fd_take(&service->socket);

	if (service->welcomed)
		log_warning(service->tag, "lost the primary (%s): trying again until it is back",
			    why);
	drop_unfinished(service);
	if (service->devices)
		hf_devices_drop_all(service);
	unmap_all(service);
	/* Not before nothing is mapped any more. */
	if (socket >= 0)
		say_bye(socket);
	hf_fd_close(&socket);
}
