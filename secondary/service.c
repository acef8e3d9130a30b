/* SPDX-License-Identifier: Apache-2.0 */
/* Making, driving and ending a service; see service.h. */
#include "service.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "clock.h"
#include "fd.h"
#include "lane.h"
#include "log.h"
#include "rescue.h"
#include "sigbus.h"

#define WELCOME_WAIT_MS 5000
#define ATTACH_TRIES	3
#define HEARTBEAT_NS	(500 * NS_PER_MS)
#define REATTACH_NS	(100 * NS_PER_MS)
#define PACKETS_A_ROUND 256

static void set_timer(struct hf_service *service, uint64_t period_ns)
{
	struct timespec period = {.tv_sec = (time_t)(period_ns / NS_PER_S),
				  .tv_nsec = (long)(period_ns % NS_PER_S)};
	struct itimerspec spec = {.it_value = period, .it_interval = period};

	(void)timerfd_settime(service->timer, 0, &spec, NULL);
}

static int watch(struct hf_service *service, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(service->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_fds(struct hf_service *service)
{
	service->epoll = epoll_create1(EPOLL_CLOEXEC);
	service->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	service->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (service->epoll < 0 || service->timer < 0 || service->wake < 0)
		return -errno;
	if (watch(service, service->timer) || watch(service, service->wake))
		return -errno;
	return 0;
}

/* A supervisor that runs the same command more than once says which one this is. */
static int take_name(struct hf_service *service, const char *wanted)
{
	const char *name = wanted ? wanted : program_invocation_short_name;
	const char *instance = getenv("HOLDFAST_INSTANCE");
	unsigned long number = instance ? strtoul(instance, NULL, 10) : 0;
	int n;

	if (number > 1)
		n = snprintf(service->name, sizeof(service->name), "%s-%lu", name, number);
	else
		n = snprintf(service->name, sizeof(service->name), "%s", name);
	return n < 0 || (size_t)n >= sizeof(service->name) ? -EINVAL : 0;
}

/* What is too long for what we keep of it, in words; NULL: nothing. */
static const char *too_long(struct hf_service *service, const struct hf_service_config *config,
			    const char *run_dir)
{
	if (strlen(run_dir) >= sizeof(service->run_dir))
		return "the run directory's path has more than 79 bytes: choose a shorter one";
	if (take_name(service, config->name))
		return "the name has more than 63 bytes, with what $HOLDFAST_INSTANCE adds to it: "
		       "choose a shorter one";
	if (config->nr_ports > HF_GLOBS_MAX)
		return "more than 64 patterns of ports: use wider ones";
	return NULL;
}

static int copy_config(struct hf_service *service, const struct hf_service_config *config)
{
	const char *run_dir = config->run_dir ? config->run_dir : getenv("HOLDFAST_RUN_DIR");
	const char *wrong;

	strcpy(service->tag, "holdfast");
	if (!run_dir || !*run_dir)
		run_dir = HF_RUN_DIR_DEFAULT;
	wrong = too_long(service, config, run_dir);
	if (wrong) {
		log_error(service->tag, "%s", wrong);
		service->said = true;
		return -EINVAL;
	}
	strcpy(service->run_dir, run_dir);
	snprintf(service->tag, sizeof(service->tag), "holdfast %s", service->name);
	service->role = config->role;
	service->priority = config->priority;
	for (size_t i = 0; i < config->nr_ports; i++) {
		service->ports[i] = strdup(config->ports[i]);
		if (!service->ports[i])
			return -ENOMEM;
		service->nr_ports++;
	}
	return 0;
}

static void free_service(struct hf_service *service)
{
	hf_rescue_stop(service);
	(void)pthread_mutex_destroy(&service->rescue_lock);
	hf_fd_close(&service->socket);
	hf_fd_close(&service->epoll);
	hf_fd_close(&service->timer);
	hf_fd_close(&service->wake);
	for (size_t i = 0; i < service->nr_ports; i++)
		free(service->ports[i]);
	hf_state_free(service);
	free(service->snapshot);
	free(service->frame.bytes);
	free(service->request_frame.bytes);
	free(service);
}

static struct hf_service *alloc_service(void)
{
	struct hf_service *service = calloc(1, sizeof(*service));

	if (!service)
		return NULL;
	service->socket = service->epoll = service->timer = service->wake = -1;
	service->state_fd = service->rescue_stop = -1;
	(void)pthread_mutex_init(&service->rescue_lock, NULL);
	service->deferred_tail = &service->deferred;
	service->snapshot = malloc(sizeof(*service->snapshot));
	service->frame.bytes = malloc(HF_FRAME_MAX_BYTES);
	service->request_frame.bytes = malloc(HF_FRAME_MAX_BYTES);
	if (service->snapshot && service->frame.bytes && service->request_frame.bytes)
		return service;
	free_service(service);
	return NULL;
}

/* Everything that has come, but not for ever: the caller's loop has other work. */
static void receive(struct hf_service *service)
{
	for (int i = 0; i < PACKETS_A_ROUND && service->socket >= 0; i++) {
		ssize_t n = hf_frame_receive(service->socket, &service->frame);

		if (n == -EAGAIN)
			return;
		if (n <= 0)
			hf_frame_close_fds(&service->frame);
		/* The packet is gone, and we can no longer know what we were granted. */
		if (n == -EMSGSIZE) {
			log_error(service->tag, "no room for the descriptors the primary sent: "
						"raise the limit, ulimit -n");
			hf_attach_lost(service, "descriptors were lost");
			return;
		}
		if (n <= 0) {
			hf_attach_lost(service, n ? strerror((int)-n) : "it closed");
			return;
		}
		hf_message_handle(service, &service->frame);
		/* A callback's request may have kept packets: they come before the next one. */
		hf_message_handle_deferred(service);
	}
}

/* The first answer to Hello, or why there is none. */
static int wait_for_welcome(struct hf_service *service)
{
	struct pollfd p = {.fd = service->socket, .events = POLLIN};
	ProtobufCMessage *message;
	const Holdfast__Attach__ToSecondary *m;
	int error = -EPROTO;
	ssize_t n;

	do {
		n = poll(&p, 1, WELCOME_WAIT_MS);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -ETIMEDOUT;
	n = hf_frame_receive(service->socket, &service->frame);
	if (n <= 0) {
		hf_frame_close_fds(&service->frame);
		return n ? (int)n : -ECONNRESET;
	}
	message = hf_frame_unpack(&holdfast__attach__to_secondary__descriptor, service->frame.bytes,
				  service->frame.len);
	m = (const void *)message;
	if (m && m->body_case == HOLDFAST__ATTACH__TO_SECONDARY__BODY_WELCOME) {
		error = hf_attach_welcome(service, m->welcome, &service->frame);
	} else if (m && m->body_case == HOLDFAST__ATTACH__TO_SECONDARY__BODY_REFUSED) {
		log_error(service->tag, "the primary refused: %s", m->refused->reason);
		service->said = true;
		error = m->refused->error < 0 ? m->refused->error : -EACCES;
	}
	hf_frame_close_fds(&service->frame);
	hf_frame_free_unpacked(message);
	return error;
}

/* A primary that dies between accepting and keeping us takes the connection along; where another
 * one follows, its socket is there already. */
static int attach_and_wait(struct hf_service *service)
{
	int error = -ECONNRESET;

	for (int i = 0; i < ATTACH_TRIES && error == -ECONNRESET; i++) {
		hf_fd_close(&service->socket);
		error = hf_attach(service);
		if (!error)
			error = wait_for_welcome(service);
	}
	return error;
}

static const char *remedy(int error)
{
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "start holdfastd, or name its run directory";
	case -EACCES:
		return "run as root or as the user of holdfastd, or let this user in "
		       "(--allow-attach of holdfastd)";
	case -EAGAIN:
	case -ETIMEDOUT:
		return "holdfastd does not answer in time: see what stops it, and try again";
	case -EMFILE:
	case -EMSGSIZE:
		return "raise the limit of open files (ulimit -n)";
	case -EPROTO:
		return "use the library that came with holdfastd";
	case -ENOMEM:
		return "free some memory";
	default:
		return "see what holdfastd's log says";
	}
}

/* One line for whatever nobody has said yet. */
static void say_why(const struct hf_service *service, int error)
{
	if (!service->said)
		log_error(service->tag, "cannot attach at %s/attach.sock: %s; %s", service->run_dir,
			  strerror(-error), remedy(error));
}

int hf_service_connect(const struct hf_service_config *config, struct hf_service **ret_service)
{
	struct hf_service *service = alloc_service();
	int error;

	if (!service) {
		log_error("holdfast", "no memory for an attachment: free some");
		return -ENOMEM;
	}
	service->membarrier = hf_lane_register_membarrier();
	error = copy_config(service, config);
	if (!error && !config->no_sigbus_handler)
		error = hf_sigbus_install();
	if (!error)
		error = open_fds(service);
	if (!error)
		error = attach_and_wait(service);
	if (error) {
		say_why(service, error);
		free_service(service);
		return error;
	}
	/* Whom it would free is of this process: an observer has no data threads. */
	error = service->role == HF_ROLE_OBSERVER ? 0 : hf_rescue_start(service);
	if (error) {
		log_error(service->tag, "no thread that looks after calls: %s", strerror(-error));
		hf_service_disconnect(service);
		return error;
	}
	set_timer(service, HEARTBEAT_NS);
	*ret_service = service;
	return 0;
}

void hf_service_disconnect(struct hf_service *service)
{
	/* Devices first: when Bye arrives no burst is under way, and the positions are exact. */
	if (service->devices)
		hf_devices_drop_all(service);
	service->welcomed = false;
	hf_attach_lost(service, "we leave");
	free_service(service);
}

static void beat(struct hf_service *service)
{
	struct hf_lane_header *header = service->lane;

	if (header)
		hf_write_once(&header->heartbeat_ns, hf_now_ns());
}

/* Without a primary: try again; the period is short, and longer after a while. */
static void reattach(struct hf_service *service)
{
	int error;

	if (service->socket >= 0 || (service->attempts > 100 && service->attempts % 10)) {
		service->attempts++;
		return;
	}
	service->attempts++;
	error = hf_attach(service);
	if (error)
		log_debug(service->tag, "no primary yet: %s", strerror(-error));
}

static void drain(int fd)
{
	uint64_t value;

	(void)!read(fd, &value, sizeof(value));
}

int hf_service_fd(const struct hf_service *service)
{
	return service->epoll;
}

int hf_service_dispatch(struct hf_service *service)
{
	struct epoll_event events[4];
	bool attached = service->socket >= 0;
	int n = epoll_wait(service->epoll, events, 4, 0);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == service->timer || events[i].data.fd == service->wake)
			drain(events[i].data.fd);
		if (events[i].data.fd == service->timer)
			beat(service);
	}
	hf_say_unsaid(service);
	hf_message_handle_deferred(service);
	if (service->socket >= 0)
		receive(service);
	else
		reattach(service);
	if (attached != (service->socket >= 0))
		set_timer(service, service->socket >= 0 ? HEARTBEAT_NS : REATTACH_NS);
	return 0;
}

bool hf_service_attached(const struct hf_service *service)
{
	return service->welcomed;
}

int hf_driver_session_start(struct hf_service *service)
{
	struct pollfd p = {.fd = service->epoll, .events = POLLIN};

	while (!hf_load_acquire(&service->stop)) {
		int error;

		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
		error = hf_service_dispatch(service);
		if (error)
			return error;
	}
	hf_store_release(&service->stop, false);
	return 0;
}

void hf_driver_session_stop(struct hf_service *service)
{
	hf_store_release(&service->stop, true);
	(void)eventfd_write(service->wake, 1);
}
