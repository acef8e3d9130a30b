/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port by a vhost-user socket. Connecting never blocks: a local socket is connected at once or
 * not at all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "door.h"
#include "foreign.h"
#include "headroom.h"
#include "journal.h"
#include "log.h"
#include "port.h"
#include "port_listen.h"
#include "ports.h"
#include "primary.h"
#include "refusal.h"
#include "session.h"
#include "session_end.h"
#include "session_life.h"
#include "session_socket.h"
#include "stream.h"
#include "vu_wire.h"

#define BACKOFF_FIRST_NS (100 * NS_PER_MS)
/* Second clients that are accepted to be refused: so many at once, then one in so long. */
#define SECONDS_AT_ONCE 64u
#define SECOND_NS	(20 * NS_PER_MS)
/* Connections that become sessions. Each costs more than a message does. */
#define FIRSTS_AT_ONCE 2048u
#define FIRST_NS       (20 * NS_PER_MS)

/* --- from socket to session --- */

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

	rate_spend(&port->firsts, FIRST_NS);
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
	uint64_t wait_ns = port->session ? rate_wait_ns(&port->seconds, SECONDS_AT_ONCE, SECOND_NS)
					 : rate_wait_ns(&port->firsts, FIRSTS_AT_ONCE, FIRST_NS);
	int fd;

	(void)events;
	/* A front-end that was killed and started again may be seen here before its old
	 * connection's end is: that one first, the new one waits in the backlog. */
	if (port->session && session_peer_gone(port->session)) {
		port_stop_listening(port);
		session_end(port->session, "front-end closed");
		return;
	}
	if (wait_ns) {
		port_listen_later(port, wait_ns);
		return;
	}
	if (!port->session && wait_for_foreign(port)) {
		port_listen_later(port, BACKOFF_FIRST_NS);
		return;
	}
	fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0 && port->session) {
		refuse_second(port, fd);
	} else if (fd >= 0) {
		(void)open_session(port, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		note_error(port, "cannot accept", errno);
		port_listen_later(port, PORT_BACKOFF_LAST_NS);
	}
}

/* Twice as long each time, until a front-end has really talked. */
static void retry_later(struct port *port)
{
	uint64_t doubled = port->backoff_ns * 2;

	port->backoff_ns = doubled ? min_u64(doubled, PORT_BACKOFF_LAST_NS) : BACKOFF_FIRST_NS;
	port_arm_retry(port, port->backoff_ns);
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

/* --- the socket --- */

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

static int open_port(struct port *port, const char **ret_reason)
{
	int error;

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
		port_close_listener(port);
		*ret_reason =
			"the port's socket cannot be given to that group; give --port-group one "
			"that holdfastd's user is in";
		return error;
	}
	journal_port(port);
	port_listen_again(port);
	return 0;
}

static int make(struct port *port)
{
	port->listener_source.ready = on_client;
	return 0;
}

static void retry(struct port *port)
{
	if (!port->client)
		port_listen_again(port);
	else if (!port->session)
		connect_now(port);
}

static void close_port(struct port *port)
{
	if (port->listener >= 0)
		unlink_socket(port);
}

static void session_ended(struct port *port)
{
	if (port_session_over(port))
		return;
	if (port->client)
		retry_later(port);
	else
		port_listen_again(port);
}

const struct door vhost_user_door = {
	.max_regions = VU_MAX_TABLE_REGIONS,
	.make = make,
	.open = open_port,
	.retry = retry,
	.close = close_port,
	.session_ended = session_ended,
	.begin = session_socket_begin,
	.listen = session_socket_listen,
	.rest = session_socket_rest,
	.send = session_socket_send,
	.consume = session_socket_consume,
};

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

int port_add(struct primary *primary, const char *name, const char *path, bool client,
	     uint32_t queue_pairs, const char **ret_reason)
{
	int error = port_check_new(primary, name, ret_reason);
	struct port *port;

	if (!error && queue_pairs > PORT_MAX_QUEUE_PAIRS) {
		*ret_reason = "a port has at most 128 queue pairs; ask for fewer";
		error = -EINVAL;
	}
	if (error)
		return error;
	error = port_new(primary, name, &vhost_user_door, queue_pairs, &port, ret_reason);
	if (error)
		return error;
	port->client = client;
	error = fill_path(port, path);
	if (error) {
		*ret_reason = "the socket's path is longer than 107 bytes; choose a shorter one";
		port_abandon(port);
		return error;
	}
	return port_start(port, ret_reason);
}
