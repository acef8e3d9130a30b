/* SPDX-License-Identifier: Apache-2.0 */
#include "control_ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "clock.h"
#include "control.pb-c.h"
#include "fd.h"
#include "frame.h"

#define EVENTS_READ 64u

typedef Holdfast__Control__Request request_t;
typedef Holdfast__Control__Response response_t;

static int ask(const char *run_dir, request_t *request)
{
	const struct timeval limit = {.tv_sec = 2};
	char path[160];
	int fd, error;

	snprintf(path, sizeof(path), "%s/control.sock", run_dir);
	fd = hf_seqpacket_connect(path);
	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	request->protocol = HF_CONTROL_PROTOCOL;
	error = hf_frame_send(fd, &request->base, NULL, 0);
	if (error)
		hf_fd_close(&fd);
	return error ? error : fd;
}

/* NULL: none. Each thread asks for itself. */
static response_t *answer(int fd)
{
	static __thread uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};

	if (hf_frame_receive(fd, &frame) <= 0)
		return NULL;
	hf_frame_close_fds(&frame);
	return (response_t *)hf_frame_unpack(&holdfast__control__response__descriptor, frame.bytes,
					     frame.len);
}

static void done(response_t *response)
{
	if (response)
		hf_frame_free_unpacked(&response->base);
}

pid_t control_pid(const char *run_dir)
{
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	request_t request = HOLDFAST__CONTROL__REQUEST__INIT;
	response_t *response;
	pid_t pid = 0;
	int fd;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_VERSION;
	request.version = &version;
	fd = ask(run_dir, &request);
	if (fd < 0)
		return 0;
	response = answer(fd);
	if (response && response->body_case == HOLDFAST__CONTROL__RESPONSE__BODY_VERSION)
		pid = response->version->pid;
	done(response);
	hf_fd_close(&fd);
	return pid;
}

int control_list(const char *run_dir)
{
	Holdfast__Control__PortListRequest list = HOLDFAST__CONTROL__PORT_LIST_REQUEST__INIT;
	request_t request = HOLDFAST__CONTROL__REQUEST__INIT;
	bool more = true;
	int fd, n = 0;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_PORT_LIST;
	request.port_list = &list;
	fd = ask(run_dir, &request);
	if (fd < 0)
		return fd;
	while (more) {
		response_t *response = answer(fd);

		if (response && response->body_case == HOLDFAST__CONTROL__RESPONSE__BODY_PORT_LIST)
			n += (int)response->port_list->n_ports;
		else
			n = -EPROTO;
		more = n >= 0 && response->more;
		done(response);
	}
	hf_fd_close(&fd);
	return n;
}

int control_hand_over(const char *run_dir, const char *to)
{
	Holdfast__Control__HandoverRequest handover = HOLDFAST__CONTROL__HANDOVER_REQUEST__INIT;
	request_t request = HOLDFAST__CONTROL__REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_HANDOVER;
	request.handover = &handover;
	handover.to = (char *)(uintptr_t)to; /* only read */
	return ask(run_dir, &request);
}

int control_handed_over(int fd, uint32_t *ret_moved)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	response_t *response;
	int result = -EPROTO;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	response = answer(fd);
	if (response && response->error)
		result = response->error;
	else if (response && response->body_case == HOLDFAST__CONTROL__RESPONSE__BODY_HANDOVER) {
		*ret_moved = response->handover->moved;
		result = 1;
	}
	done(response);
	hf_fd_close(&fd);
	return result;
}

static uint64_t monotonic(uint64_t realtime_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return hf_now_ns() - ((uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec) +
	       realtime_ns;
}

static void take_event(const Holdfast__Control__Event *e, struct control_change *change)
{
	if (e->kind == HOLDFAST__CONTROL__EVENT_KIND__SECONDARY_FENCED)
		change->fenced++;
	if (e->kind != HOLDFAST__CONTROL__EVENT_KIND__TAKEN_OVER &&
	    e->kind != HOLDFAST__CONTROL__EVENT_KIND__HANDOVER)
		return;
	/* One for each device, told when its last grant is stored. */
	change->granted_ns = monotonic(e->realtime_ns);
	if (e->duration_ns > change->pause_ns)
		change->pause_ns = e->duration_ns;
}

int control_changes(const char *run_dir, uint64_t *after, struct control_change *ret)
{
	Holdfast__Control__EventsRequest events = HOLDFAST__CONTROL__EVENTS_REQUEST__INIT;
	request_t request = HOLDFAST__CONTROL__REQUEST__INIT;
	bool more = true;
	int fd;

	*ret = (struct control_change){0};
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_EVENTS;
	request.events = &events;
	events.last = EVENTS_READ;
	fd = ask(run_dir, &request);
	if (fd < 0)
		return fd;
	while (more) {
		response_t *response = answer(fd);

		more = response && response->more;
		if (!response || response->body_case != HOLDFAST__CONTROL__RESPONSE__BODY_EVENTS) {
			done(response);
			hf_fd_close(&fd);
			return -EPROTO;
		}
		for (size_t i = 0; i < response->events->n_events; i++) {
			const Holdfast__Control__Event *e = response->events->events[i];

			if (e->number <= *after)
				continue;
			*after = e->number;
			take_event(e, ret);
		}
		done(response);
	}
	hf_fd_close(&fd);
	return 0;
}
