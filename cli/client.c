/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One socket, one request at a time. Every wait has an end: a stopped primary (SIGSTOP, a debugger,
 * a swap storm) must not hang a monitoring job. That includes connect(2), which sleeps without
 * limit while the listener's queue is full, hence SO_SNDTIMEO and a socket of our own here.
 *
 * The primary is more trusted than we are, but another program may sit on the path: an answer is
 * parsed under a budget, its kind is checked, descriptors in it are closed, and its length in all
 * is bounded.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "clock.h"
#include "fd.h"
#include "text.h"

#define SOCKET_NAME "control.sock"

void client_init(struct client *client, const char *run_dir, unsigned timeout_ms)
{
	*client = (struct client){.run_dir = run_dir, .timeout_ms = timeout_ms, .fd = -1};
	client->frame.bytes = text_alloc(HF_FRAME_MAX_BYTES, 1);
}

void client_hang_up(struct client *client)
{
	hf_fd_close(&client->fd);
}

void client_close(struct client *client)
{
	client_hang_up(client);
	free(client->frame.bytes);
	client->frame.bytes = NULL;
}

__attribute__((format(printf, 3, 4))) static enum client_status fail(struct client *client,
								     enum client_status status,
								     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(client->reason, sizeof(client->reason), format, args);
	va_end(args);
	client_hang_up(client);
	return status;
}

static enum client_status connect_failed(struct client *client, int error)
{
	const char *dir = client->run_dir;

	if (error == EACCES || error == EPERM)
		return fail(client, CLIENT_UNREACHABLE,
			    "%s/" SOCKET_NAME
			    ": permission denied; run as the user of holdfastd or with sudo (who "
			    "connects too often is kept away for a moment)",
			    dir);
	if (error == EAGAIN)
		return fail(client, CLIENT_UNREACHABLE,
			    "the primary accepts nobody (%u ms); see whether holdfastd is stopped: "
			    "ps -o pid,stat,cmd -C holdfastd",
			    client->timeout_ms);
	if (error == EPROTOTYPE)
		return fail(client, CLIENT_UNREACHABLE,
			    "%s/" SOCKET_NAME " is not holdfastd's; give the right --run-dir", dir);
	return fail(client, CLIENT_UNREACHABLE,
		    "no primary at %s/" SOCKET_NAME " (%s); start holdfastd, or give its --run-dir",
		    dir, strerror(error));
}

static enum client_status connect_primary(struct client *client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = client->timeout_ms / 1000,
				.tv_usec = (suseconds_t)(client->timeout_ms % 1000) * 1000};
	int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SOCKET_NAME,
			      client->run_dir);

	if (length < 0 || (size_t)length >= sizeof(address.sun_path))
		return fail(client, CLIENT_UNREACHABLE,
			    "the run directory's path is too long for a socket; use one under %zu "
			    "bytes",
			    sizeof(address.sun_path) - sizeof(SOCKET_NAME));
	client->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return connect_failed(client, errno);
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return connect_failed(client, errno);
	return CLIENT_OK;
}

static uint64_t deadline_of(const struct client *client)
{
	return client->timeout_ms ? hf_now_ns() + client->timeout_ms * NS_PER_MS : UINT64_MAX;
}

/* 1 readable, 0 the time is up, -errno. */
static int wait_readable(int fd, uint64_t deadline)
{
	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		uint64_t now = hf_now_ns();
		uint64_t left_ms =
			deadline > now ? (deadline - now + NS_PER_MS - 1) / NS_PER_MS : 0;
		int n = poll(&wait, 1,
			     deadline == UINT64_MAX ? -1
			     : left_ms > 60000	    ? 60000
						    : (int)left_ms);

		if (n > 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && hf_now_ns() >= deadline)
			return 0;
	}
}

/*
 * A Response in which every field has its default, a plain yes, is packed into no bytes at all, and
 * a packet of no bytes reads like the end of the connection. Only at the end is the socket hung up.
 */
static bool is_empty_packet(int fd)
{
	struct pollfd look = {.fd = fd, .events = POLLIN | POLLRDHUP};

	return poll(&look, 1, 0) >= 0 && !(look.revents & (POLLHUP | POLLRDHUP | POLLERR));
}

/* Bytes received, or what no_packet says. */
static ssize_t receive_packet(struct client *client)
{
	ssize_t n = hf_frame_receive(client->fd, &client->frame);

	/* Who closes with our request unread leaves an error before the words it sent. */
	return n == -ECONNRESET ? hf_frame_receive(client->fd, &client->frame) : n;
}

static enum client_status no_packet(struct client *client, ssize_t error)
{
	if (error == 0 || error == -ECONNRESET)
		return fail(client, CLIENT_UNREACHABLE,
			    "the primary hung up before it answered; see its log: journalctl -u "
			    "holdfastd");
	if (error == -EMSGSIZE)
		return fail(
			client, CLIENT_GARBAGE,
			"an answer over the size limit; use the holdfast of the same version as "
			"holdfastd");
	return fail(client, CLIENT_UNREACHABLE, "reading the answer: %s; try again",
		    strerror((int)-error));
}

static enum client_status refused(struct client *client, const pb_response *response)
{
	client->error = response->error;
	if (response->reason && *response->reason)
		snprintf(client->reason, sizeof(client->reason), "%s", response->reason);
	else /* any int may stand there; strerror takes any */
		snprintf(client->reason, sizeof(client->reason), "the primary refused: %s",
			 strerror(response->error == INT32_MIN ? 0 : abs(response->error)));
	return CLIENT_REFUSED;
}

/* One Response of kind `body`, or why not. `*ret_response` is the caller's to free when OK. */
static enum client_status receive_one(struct client *client, int body, uint64_t deadline,
				      pb_response **ret_response)
{
	int ready = wait_readable(client->fd, deadline);
	pb_response *response;
	ssize_t n;

	if (ready == 0)
		return fail(
			client, CLIENT_UNREACHABLE,
			"no answer from the primary in %u ms; see whether it is stopped, or give a "
			"longer --timeout",
			client->timeout_ms);
	n = ready < 0 ? ready : receive_packet(client);
	hf_frame_close_fds(&client->frame); /* none belong in an answer */
	if (n < 0 || (n == 0 && !is_empty_packet(client->fd)))
		return no_packet(client, n);
	response = (pb_response *)hf_frame_unpack(&holdfast__control__response__descriptor,
						  client->frame.bytes, client->frame.len);
	if (!response)
		return fail(
			client, CLIENT_GARBAGE,
			"an answer that does not parse; use the holdfast of the same version as "
			"holdfastd");
	if (response->error) {
		enum client_status status = refused(client, response);

		hf_frame_free_unpacked(&response->base);
		return status;
	}
	if (body != RESPONSE_NO_BODY && (int)response->body_case != body) {
		hf_frame_free_unpacked(&response->base);
		return fail(
			client, CLIENT_GARBAGE,
			"an answer to another question; use the holdfast of the same version as "
			"holdfastd");
	}
	*ret_response = response;
	return CLIENT_OK;
}

static enum client_status send_request(struct client *client, pb_request *request)
{
	int error;

	client->error = 0;
	client->reason[0] = '\0';
	if (client->fd < 0) {
		enum client_status status = connect_primary(client);

		if (status != CLIENT_OK)
			return status;
	}
	request->protocol = HF_CONTROL_PROTOCOL;
	error = hf_frame_send(client->fd, &request->base, NULL, 0);
	if (error == -EMSGSIZE)
		return fail(client, CLIENT_REFUSED, "the request is too long; use shorter names");
	/* Hung up already, perhaps with a reason: receiving tells. */
	if (error && error != -EPIPE && error != -ECONNRESET)
		return fail(client, CLIENT_UNREACHABLE,
			    "sending to the primary: %s; see whether holdfastd runs",
			    strerror(-error));
	return CLIENT_OK;
}

enum client_status client_call(struct client *client, pb_request *request, int body,
			       struct reply *ret)
{
	enum client_status status = send_request(client, request);
	uint64_t deadline = deadline_of(client);
	struct reply reply = {0};
	size_t bytes = 0;
	bool more = true;

	while (status == CLIENT_OK && more) {
		pb_response *response = NULL;

		status = receive_one(client, body, deadline, &response);
		if (status != CLIENT_OK)
			break;
		reply.parts = text_grow(reply.parts, reply.nr_parts + 1, sizeof(response));
		reply.parts[reply.nr_parts++] = response;
		bytes += client->frame.len;
		more = response->more;
		if (more && (reply.nr_parts >= CLIENT_MAX_RESPONSES || bytes >= CLIENT_MAX_BYTES))
			status = fail(client, CLIENT_GARBAGE,
				      "an answer without end; ask for one port at a time");
	}
	if (status != CLIENT_OK)
		reply_free(&reply);
	else
		*ret = reply;
	return status;
}

void reply_free(struct reply *reply)
{
	for (size_t i = 0; i < reply->nr_parts; i++)
		hf_frame_free_unpacked(&reply->parts[i]->base);
	free(reply->parts);
	*reply = (struct reply){0};
}

enum client_status client_stream(struct client *client, pb_request *request, int body,
				 bool (*each)(void *context, const pb_response *response),
				 void *context)
{
	enum client_status status = send_request(client, request);
	bool go_on = true;

	while (status == CLIENT_OK && go_on) {
		pb_response *response = NULL;

		/* Nothing may happen for hours: silence is no fault on a stream. */
		status = receive_one(client, body, UINT64_MAX, &response);
		if (status != CLIENT_OK)
			break;
		go_on = each(context, response);
		hf_frame_free_unpacked(&response->base);
	}
	return status;
}
