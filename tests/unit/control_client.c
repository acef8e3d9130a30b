/* SPDX-License-Identifier: Apache-2.0 */
#include "control_client.h"

#include <sys/socket.h>

#include "control.h"
#include "fd.h"
#include "primary_scene.h"
#include "suite.h"

void control_serve(void)
{
	REQUIRE(control_open(scene.primary) == 0);
}

int dial(void)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/control.sock", scene.rig.dir);
	fd = hf_seqpacket_connect(path);
	REQUIRE(fd >= 0);
	return fd;
}

bool is_readable(void *context)
{
	char byte;

	return recv(*(int *)context, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

Response *response_on(int fd, unsigned int ms)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};

	if (!rig_until(&scene.rig, is_readable, &fd, ms) || hf_frame_receive(fd, &frame) <= 0)
		return NULL;
	hf_frame_close_fds(&frame);
	return (Response *)hf_frame_unpack(&holdfast__control__response__descriptor, bytes,
					   frame.len);
}

void free_response(Response *response)
{
	hf_frame_free_unpacked((ProtobufCMessage *)response);
}

void ask(int fd, Request *request)
{
	request->protocol = HF_CONTROL_PROTOCOL;
	REQUIRE(hf_frame_send(fd, &request->base, NULL, 0) == 0);
}

void collect(int fd, struct answer *ret)
{
	bool more = true;

	ret->nr_parts = 0;
	while (more) {
		Response *response = response_on(fd, 20000);

		REQUIRE(response && ret->nr_parts < MAX_PARTS);
		ret->parts[ret->nr_parts++] = response;
		more = response->more;
	}
}

void free_answer(struct answer *answer)
{
	for (size_t i = 0; i < answer->nr_parts; i++)
		free_response(answer->parts[i]);
}

struct answer *call(Request *request, Holdfast__Control__Response__BodyCase body)
{
	static struct answer answer;
	int fd = dial();

	ask(fd, request);
	collect(fd, &answer);
	for (size_t i = 0; i < answer.nr_parts; i++) {
		CHECK_EQ(answer.parts[i]->error, 0);
		CHECK_EQ(answer.parts[i]->body_case, body);
	}
	hf_fd_close(&fd);
	return &answer;
}

int call_error(Request *request)
{
	struct answer answer;
	int fd = dial(), error;

	ask(fd, request);
	collect(fd, &answer);
	CHECK_EQ(answer.nr_parts, 1);
	error = answer.parts[0]->error;
	CHECK(!error == !*answer.parts[0]->reason);
	free_answer(&answer);
	hf_fd_close(&fd);
	return error;
}

struct answer *stats(const char *port)
{
	Holdfast__Control__StatsRequest body = HOLDFAST__CONTROL__STATS_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.port = TEXT(port);
	request.body_case = ASK(STATS);
	request.stats = &body;
	return call(&request, ANSWER(STATS));
}
