/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user session of the front-end: the shortest conversation that sets up one queue pair.
 *
 * Theory of operation. With REPLY_ACK every step is answered, so a refusal is told by the message
 * it belongs to, and when the last answer is there the back-end has seen everything. A back-end
 * that does not answer for some seconds is an error, not a hang.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "front_layout.h"
#include "front_message.h"

#define MQ	  (1ull << 0)
#define REPLY_ACK (1ull << 3)
#define WAIT_S	  10

/* Protocol features first: from then on the other side answers everything. */
static int negotiate(struct front *front)
{
	struct front_message m = {.request = GET_FEATURES};
	struct front_message set = {.request = SET_PROTOCOL_FEATURES,
				    .flags = FRONT_MESSAGE_VERSION,
				    .size = 8,
				    .body.u64 = REPLY_ACK | (front->pairs > 1 ? MQ : 0)};
	int error = front_ask(front->socket, &m);

	if (error)
		return error;
	if (front->features & ~m.body.u64)
		return front_refuse("the features we need are not offered", GET_FEATURES);
	m = (struct front_message){.request = GET_PROTOCOL_FEATURES};
	error = front_ask(front->socket, &m);
	if (error)
		return error;
	if (set.body.u64 & ~m.body.u64)
		return front_refuse("REPLY_ACK or MQ is not offered", GET_PROTOCOL_FEATURES);
	error = front_send(front->socket, &set, -1);
	if (error)
		return error;
	m = (struct front_message){.request = SET_OWNER};
	error = front_tell(front->socket, &m, 0, -1);
	return error ? error : front_tell_u64(front->socket, SET_FEATURES, front->features, -1);
}

static int send_memory(struct front *front)
{
	struct front_message m = {.request = SET_MEM_TABLE,
				  .body.table = {.count = 1,
						 .gpa = FRONT_GPA,
						 .size = front->bytes,
						 .user = (uintptr_t)front->memory}};

	return front_tell(front->socket, &m, sizeof(m.body.table), front->memfd);
}

static int set_up_ring(struct front *front, uint32_t index)
{
	struct front_ring *r = &front->rings[index % FRONT_RINGS];
	struct front_message addr = {.request = SET_VRING_ADDR,
				     .body.addr = {.index = index,
						   .desc = (uintptr_t)r->desc,
						   .used = (uintptr_t)r->used,
						   .avail = (uintptr_t)r->avail}};
	int idle = -1, kick = front->kicks[index % FRONT_RINGS], error;

	/* A ring of a further pair is kicked once, at its start. */
	if (index >= FRONT_RINGS)
		kick = idle = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	error = front_tell_state(front->socket, SET_VRING_NUM, index, r->size);
	if (!error)
		error = front_tell_state(front->socket, SET_VRING_BASE, index, front_base(r));
	if (!error)
		error = front_tell(front->socket, &addr, sizeof(addr.body.addr), -1);
	if (!error)
		error = front_tell_u64(front->socket, SET_VRING_CALL, index,
				       front->calls[index % FRONT_RINGS]);
	if (!error)
		error = front_tell_u64(front->socket, SET_VRING_KICK, index, kick);
	hf_fd_close(&idle);
	return error;
}

static int open_socket(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct timeval wait = {.tv_sec = WAIT_S};
	int s;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
	    connect(s, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		int error = -errno;

		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		hf_fd_close(&s);
		return error;
	}
	return s;
}

int front_connect(struct front *front, const char *path)
{
	int error;

	front->socket = open_socket(path);
	if (front->socket < 0)
		return front->socket;
	error = negotiate(front);
	if (!error)
		error = send_memory(front);
	for (uint32_t i = 0; !error && i < front->pairs * FRONT_RINGS; i++)
		error = set_up_ring(front, i);
	for (uint32_t i = 0; !error && i < front->pairs * FRONT_RINGS; i++)
		error = front_tell_state(front->socket, SET_VRING_ENABLE, i, 1);
	/* A ring starts at its first kick. */
	for (uint32_t i = 0; !error && i < FRONT_RINGS; i++)
		error = write(front->kicks[i], &(uint64_t){1}, 8) == 8 ? 0 : -errno;
	return error;
}

void front_disconnect(struct front *front)
{
	for (uint32_t i = 0; front->socket >= 0 && i < front->pairs * FRONT_RINGS; i++) {
		struct front_message m = {
			.request = GET_VRING_BASE, .size = 8, .body.state.index = i};

		if (front_ask(front->socket, &m))
			break;
	}
	hf_fd_close(&front->socket);
}
