/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: sockets that sessions come from.
 *
 * A listener is out of the loop whenever accepting would be wrong (the old session is still being
 * taken apart) or useless (no descriptors left): the kernel's backlog keeps the client meanwhile.
 * Connecting never blocks: a local socket is connected at once or not at all.
 */
#include "ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "allowance.h"
#include "check.h"
#include "clock.h"
#include "cuse.h"
#include "device.h"
#include "event.h"
#include "fd.h"
#include "grant.h"
#include "headroom.h"
#include "journal.h"
#include "lost.h"
#include "port.h"
#include "primary.h"
#include "publish.h"
#include "refusal.h"
#include "session.h"
#include "session_life.h"
#include "session_message.h"
#include "stream.h"

#define BACKOFF_FIRST_NS (100 * NS_PER_MS)
#define BACKOFF_LAST_NS	 (2 * NS_PER_S)
/* Second clients that are accepted to be refused: so many at once, then one in so long. */
#define SECONDS_AT_ONCE 64u
#define SECOND_NS	(20 * NS_PER_MS)
#define MAX_QUEUE_PAIRS (HF_SHM_MAX_VRINGS / 2)

/* --- from socket to session --- */

static int open_socket(struct port *port, const char **ret_reason);

static void arm_retry(struct port *port, uint64_t after_ns)
{
	if (loop_timer_set(port->primary->loop, &port->retry, after_ns) < 0)
		log_error(port->device.tag, "no memory for a timer; add the port again");
}

static void listen_again(struct port *port)
{
	int error;

	if (port->removing || port->listener < 0 || port->listener_source.fd >= 0)
		return;
	error = loop_add(port->primary->loop, &port->listener_source, port->listener, EPOLLIN);
	if (error)
		arm_retry(port, BACKOFF_LAST_NS);
}

/* Out of the loop until `retry` or the end of the session puts it back. */
static void stop_listening(struct port *port)
{
	loop_remove(port->primary->loop, &port->listener_source);
}

static void note_error(struct port *port, const char *what, int error)
{
	char line[sizeof(port->last_error)];

	snprintf(line, sizeof(line), "%s: %s", what, strerror(error));
	/* Every attempt fails alike: said once. */
	if (strcmp(line, port->last_error) != 0)
		log_notice(port->device.tag, "%s (%s); trying again", line, port->path);
	memcpy(port->last_error, line, sizeof(line));
}

/* What is there already goes on. */
static void refuse_for_lack(struct port *port)
{
	refusal_count(port->primary, REFUSED_NO_RESOURCES);
	snprintf(port->last_error, sizeof(port->last_error), "front-end refused: %s; %s",
		 strerror(EMFILE), refusal_remedy(REFUSED_NO_RESOURCES));
	if (hf_log_allowed(&port->log_limit))
		log_warning(port->device.tag, "%s", port->last_error);
}

/* Nobody is let in while descriptors of those before hang: the port's own users can end that. */
static bool wait_for_foreign(struct port *port)
{
	if (!foreign_full_since(&port->foreign))
		return false;
	if (!foreign_hangs(&port->foreign))
		return true;
	refusal_count(port->primary, REFUSED_FOREIGN_FD);
	snprintf(port->last_error, sizeof(port->last_error), "no front-end is let in: %s",
		 refusal_remedy(REFUSED_FOREIGN_FD));
	if (hf_log_allowed(&port->log_limit))
		log_warning(port->device.tag, "%s", port->last_error);
	return true;
}

static bool open_session(struct port *port, int fd)
{
	int error;

	port->peer_pid = stream_peer_pid(fd);
	if (headroom_for_new(port->primary, NEW_FRONT_END, fd)) {
		error = session_create(port, fd);
	} else {
		foreign_close_socket(&port->foreign, &fd);
		error = -EMFILE;
	}
	if (error == -EMFILE)
		refuse_for_lack(port);
	else if (error)
		note_error(port, "cannot serve the front-end", -error);
	else
		port->last_error[0] = '\0';
	return !error;
}

static void refuse_second(struct port *port, int fd)
{
	rate_spend(&port->seconds, SECOND_NS);
	refusal_count(port->primary, REFUSED_SECOND_CLIENT);
	if (hf_log_allowed(&port->session->log_limit))
		log_warning(port->device.tag, "process %d refused: process %d is connected; %s",
			    stream_peer_pid(fd), port->peer_pid,
			    refusal_remedy(REFUSED_SECOND_CLIENT));
	foreign_close_socket(&port->foreign, &fd);
}

/* calls: accept4 */
static void on_client(struct loop_source *source, uint32_t events)
{
	struct port *port = container_of(source, struct port, listener_source);
	uint64_t wait_ns = rate_wait_ns(&port->seconds, SECONDS_AT_ONCE, SECOND_NS);
	int fd;

	(void)events;
	/* A front-end that was killed and started again may be seen here before its old
	 * connection's end is: that one first, the new one waits in the backlog. */
	if (port->session && session_peer_gone(port->session)) {
		stop_listening(port);
		session_end(port->session, "front-end closed");
		return;
	}
	if (port->session && wait_ns) {
		stop_listening(port);
		arm_retry(port, wait_ns);
		return;
	}
	if (!port->session && wait_for_foreign(port)) {
		stop_listening(port);
		arm_retry(port, BACKOFF_FIRST_NS);
		return;
	}
	fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0 && port->session) {
		refuse_second(port, fd);
	} else if (fd >= 0) {
		(void)open_session(port, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		note_error(port, "cannot accept", errno);
		stop_listening(port);
		arm_retry(port, BACKOFF_LAST_NS);
	}
}

/* Twice as long each time, until a front-end has really talked. */
static void retry_later(struct port *port)
{
	uint64_t doubled = port->backoff_ns * 2;

	port->backoff_ns = doubled ? min_u64(doubled, BACKOFF_LAST_NS) : BACKOFF_FIRST_NS;
	arm_retry(port, port->backoff_ns);
}

static void connect_now(struct port *port)
{
	int fd;

	if (wait_for_foreign(port)) {
		retry_later(port);
		return;
	}
	fd = stream_connect(port->path);
	if (fd < 0)
		note_error(port, "cannot connect", -fd);
	if (fd < 0 || !open_session(port, fd))
		retry_later(port);
}

static void on_retry(struct loop_timer *timer)
{
	struct port *port = container_of(timer, struct port, retry);
	const char *reason = "";

	if (port->cuse && port->listener < 0)
		(void)open_socket(port, &reason); /* says why not */
	else if (!port->client)
		listen_again(port);
	else if (!port->session)
		connect_now(port);
}

/* --- coming and going --- */

static void free_port(struct port *port)
{
	struct primary *primary = port->primary;

	loop_timer_clear(primary->loop, &port->retry);
	grant_forget_lost(&port->device);
	device_reset(&port->device);
	publish_free(&port->device);
	journal_port_gone(port);
	if (port->cuse)
		cuse_free(port);
	foreign_forget(&port->foreign);
	primary->ports[port->device.slot] = NULL;
	free(port);
}

void port_session_ended(struct port *port)
{
	port->peer_pid = 0;
	if (port->cuse)
		cuse_session_ended(port);
	if (port->removing)
		free_port(port);
	else if (port->client)
		retry_later(port);
	else
		listen_again(port);
}

static void remember_socket(struct port *port)
{
	struct stat st;

	if (lstat(port->path, &st) < 0)
		return;
	port->socket_dev = st.st_dev;
	port->socket_ino = st.st_ino;
}

/* Not what somebody else has put there since. */
/* calls: unlink unlinkat */
static void unlink_socket(const struct port *port)
{
	struct stat st;

	if (lstat(port->path, &st) == 0 && st.st_dev == port->socket_dev &&
	    st.st_ino == port->socket_ino)
		unlink(port->path);
}

/* No new sessions. */
static void close_socket(struct port *port)
{
	loop_remove(port->primary->loop, &port->listener_source);
	loop_timer_clear(port->primary->loop, &port->retry);
	if (port->cuse)
		cuse_close(port);
	else if (port->listener >= 0)
		unlink_socket(port);
	port->listener_stored = 0;
	foreign_close_socket(&port->foreign, &port->listener);
}

static bool name_ok(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= HF_SHM_NAME_BYTES || name[0] == '.' || name[0] == '-')
		return false;
	/* Their sockets in the run directory are ours. */
	if (!strcmp(name, "attach") || !strcmp(name, "control"))
		return false;
	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("/,*?[]\\", *c))
			return false;
	return true;
}

static int fill_path(struct port *port, const char *path)
{
	int n;

	if (path && *path)
		n = snprintf(port->path, sizeof(port->path), "%s", path);
	else
		n = snprintf(port->path, sizeof(port->path), "%s/%s.sock",
			     port->primary->conf->run_dir, port->name);
	return n < 0 || (size_t)n >= sizeof(port->path) ? -EINVAL : 0;
}

/* The first free slot of the directory, or max_devices. */
static uint32_t free_slot(const struct primary *primary)
{
	uint32_t i = 0;

	while (i < primary->conf->max_devices && primary->ports[i])
		i++;
	return i;
}

static const char *explain_listen(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "another process listens on the socket; end it or choose another path=";
	case -EEXIST:
		return "a file that is not a socket is in the way; remove it";
	case -ENOENT:
		return "the socket's directory does not exist; create it";
	case -EACCES:
	case -EPERM:
		return "no permission for the socket's directory; run as its owner";
	default:
		return "cannot listen on the socket; the log says why";
	}
}

static int open_device(struct port *port, const char **ret_reason)
{
	int error = cuse_open(port, ret_reason);

	if (error)
		return error;
	journal_port(port);
	listen_again(port);
	return 0;
}

static int open_socket(struct port *port, const char **ret_reason)
{
	int error;

	if (port->cuse)
		return open_device(port, ret_reason);
	if (port->client) {
		connect_now(port);
		return 0;
	}
	port->listener = stream_listen(port->path, port->primary->conf->port_mode);
	if (port->listener < 0) {
		error = port->listener;
		port->listener = -1;
		*ret_reason = explain_listen(error);
		log_error(port->device.tag, "%s: %s", port->path, strerror(-error));
		return error;
	}
	remember_socket(port);
	error = stream_give_to(port->path, port->primary->conf->port_group);
	if (error) {
		close_socket(port);
		*ret_reason =
			"the port's socket cannot be given to that group; give --port-group one "
			"that holdfastd's user is in";
		return error;
	}
	journal_port(port);
	listen_again(port);
	return 0;
}

/* What can be said without a port. 0 or -errno with *ret_reason. */
static int check_new(const struct primary *primary, const char *name, const char **ret_reason)
{
	if (!name_ok(name)) {
		*ret_reason =
			"a port name has 1 to 63 printable characters, none of / , * ? [ ] \\ "
			"and no leading . or -, and is not attach or control; choose another";
		return -EINVAL;
	}
	if (port_find(primary, name)) {
		*ret_reason = "a port of that name exists; choose another name";
		return -EEXIST;
	}
	if (free_slot(primary) == primary->conf->max_devices) {
		*ret_reason = "all device slots are taken; start holdfastd with more --max-devices";
		return -ENOSPC;
	}
	return 0;
}

static struct port *new_port(struct primary *primary, uint32_t slot, const char *name, bool client,
			     uint32_t queue_pairs)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->primary = primary;
	snprintf(port->name, sizeof(port->name), "%s", name);
	port->client = client;
	port->queue_pairs = queue_pairs ? queue_pairs : MAX_QUEUE_PAIRS;
	port->listener = -1;
	foreign_init(&port->foreign, primary->loop);
	port->listener_source = (struct loop_source){.ready = on_client, .fd = -1};
	port->retry.fire = on_retry;
	device_init(&port->device, primary, port, slot);
	snprintf(port->device.tag, sizeof(port->device.tag), "port %s", name);
	return port;
}

/* Its path is there. It is freed on failure. */
static int start(struct port *port, const char **ret_reason)
{
	struct primary *primary = port->primary;
	int error;

	primary->ports[port->device.slot] = port;
	publish_device(&port->device);
	error = open_socket(port, ret_reason);
	if (error) {
		free_port(port);
		return error;
	}
	event_emit(primary, HOLDFAST__CONTROL__EVENT_KIND__PORT_ADDED, port->name, NULL, -1, 0,
		   "%s %s", port->client ? "connects to" : "listens on", port->path);
	return 0;
}

static int out_of_memory(const char **ret_reason)
{
	*ret_reason = "out of memory; add memory";
	return -ENOMEM;
}

int port_add(struct primary *primary, const char *name, const char *path, bool client,
	     uint32_t queue_pairs, const char **ret_reason)
{
	int error = check_new(primary, name, ret_reason);
	struct port *port;

	if (!error && queue_pairs > MAX_QUEUE_PAIRS) {
		*ret_reason = "a port has at most 128 queue pairs; ask for fewer";
		error = -EINVAL;
	}
	if (error)
		return error;
	port = new_port(primary, free_slot(primary), name, client, queue_pairs);
	if (!port)
		return out_of_memory(ret_reason);
	error = fill_path(port, path);
	if (error) {
		*ret_reason = "the socket's path is longer than 107 bytes; choose a shorter one";
		free(port);
		return error;
	}
	return start(port, ret_reason);
}

/* A name, or the path that says the same. */
static const char *device_name(const char *name, const char *device)
{
	if (!device || !*device)
		return name;
	return strncmp(device, "/dev/", 5) == 0 ? device + 5 : device;
}

int port_add_cuse(struct primary *primary, const char *name, const char *device,
		  uint32_t queue_pairs, const char **ret_reason)
{
	int error = check_new(primary, name, ret_reason), n;
	struct port *port;

	if (!error && queue_pairs > 1) {
		*ret_reason =
			"a vhost-net device is one queue pair; add a vhost-user port for more";
		error = -EINVAL;
	}
	if (error)
		return error;
	port = new_port(primary, free_slot(primary), name, false, 1);
	if (!port)
		return out_of_memory(ret_reason);
	n = snprintf(port->path, sizeof(port->path), "/dev/%s", device_name(name, device));
	error = n < 0 || (size_t)n >= sizeof(port->path) ? -EINVAL : cuse_new(port);
	if (error) {
		*ret_reason = error == -EOPNOTSUPP ? "this build has no vhost-cuse; build it with "
						     "-Dcuse=enabled, or add a vhost-user port"
						   : "the device's name is too long, or memory out";
		free(port);
		return error;
	}
	return start(port, ret_reason);
}

void port_listener_lost(struct port *port, const char *why)
{
	snprintf(port->last_error, sizeof(port->last_error), "%s was cut off: %s", port->path, why);
	loop_remove(port->primary->loop, &port->listener_source);
	port->listener_stored = 0;
	hf_fd_close(&port->listener);
	journal_port(port);
	arm_retry(port, BACKOFF_LAST_NS);
	if (port->session)
		session_end(port->session, "the device was cut off");
}

struct port *port_adopt(struct primary *primary, uint32_t slot, const struct journal_port *record)
{
	struct port *port =
		new_port(primary, slot, record->name, record->client, record->queue_pairs);

	if (!port)
		return NULL;
	if (record->cuse && cuse_new(port) < 0) {
		free(port);
		return NULL;
	}
	memcpy(port->path, record->path, sizeof(port->path));
	port->removing = journal_slot(primary, slot)->removing;
	port->features_disabled = record->features_disabled;
	port->sessions = record->sessions;
	port->refused_messages = record->refused_messages;
	port->last_features = record->last_features;
	port->last_session = record->last_session;
	port->listener_stored = record->listener;
	port->socket_dev = record->socket_dev;
	port->socket_ino = record->socket_ino;
	primary->ports[slot] = port;
	return port;
}

void port_go_on(struct port *port)
{
	const char *reason = "";

	/* One that ended while it was taken over has armed the timer. */
	if (port->client && !port->session && !port->retry.at_ns)
		connect_now(port);
	else if (!port->client && port->listener < 0)
		(void)open_socket(port, &reason); /* says why not */
	else
		listen_again(port);
}

void port_stored_all(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i] && primary->ports[i]->session)
			session_stored(primary->ports[i]->session);
}

/* The session, if any, ends; what is left to do then is port_session_ended's. */
void port_stop(struct port *port, const char *why)
{
	port->removing = true;
	close_socket(port);
	journal_port(port);
	if (port->session)
		session_end(port->session, why);
	else
		free_port(port);
}

int port_del(struct primary *primary, const char *name)
{
	struct port *port = port_find(primary, name);

	if (!port)
		return -ENOENT;
	event_emit(primary, HOLDFAST__CONTROL__EVENT_KIND__PORT_REMOVED, name, NULL, -1, 0, "%s",
		   port->path);
	journal_removing(port); /* who was told that it is gone must never find it again */
	port_stop(port, "the port is removed");
	return 0;
}

void port_stop_all(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i] && !primary->ports[i]->removing)
			port_stop(primary->ports[i], "the primary ends");
}

bool port_all_idle(const struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i] && primary->ports[i]->session)
			return false;
	return true;
}

bool port_all_at_rest(const struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		const struct port *port = primary->ports[i];

		if (port && port->session && !session_at_rest(port->session))
			return false;
	}
	return true;
}

void port_destroy_all(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct port *port = primary->ports[i];

		if (!port)
			continue;
		close_socket(port);
		if (port->session)
			session_destroy(port->session);
		free_port(port);
	}
	allowance_destroy(primary);
}
