/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that do not read, do not speak the protocol, or are too many. */
#include <errno.h>
#include <sys/socket.h>

#include "check.h"
#include "control_client.h"
#include "fd.h"
#include "primary_scene.h"
#include "refusal.h"
#include "suite.h"

static void a_reader_that_stops_costs_one_packet(void)
{
	Holdfast__Control__StatsRequest body = HOLDFAST__CONTROL__STATS_REQUEST__INIT;
	Request request = REQUEST_INIT;
	struct answer *whole, late;
	size_t parts;
	int fd;

	scene_open();
	control_serve();
	for (size_t i = 0; i < RIG_PORTS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "vm%zu", i);
		(void)rig_port(&scene.rig, name, 60);
	}
	whole = stats("");
	parts = whole->nr_parts;
	free_answer(whole);
	fd = dial();
	request.body_case = ASK(STATS);
	request.stats = &body;
	ask(fd, &request);
	ask(fd, &request); /* waits its turn */
	rig_until(&scene.rig, NULL, NULL, 50);
	collect(fd, &late);
	CHECK_EQ(late.nr_parts, parts);
	free_answer(&late);
	collect(fd, &late);
	CHECK_EQ(late.nr_parts, parts);
	free_answer(&late);
	hf_fd_close(&fd);
	scene_end();
}

static void an_unknown_request_or_protocol_is_answered(void)
{
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Request request = REQUEST_INIT;
	struct answer answer;
	int fd;

	scene_open();
	control_serve();
	CHECK_EQ(call_error(&request), -ENOSYS);
	fd = dial();
	request.body_case = ASK(VERSION);
	request.version = &version;
	request.protocol = 2;
	REQUIRE(hf_frame_send(fd, &request.base, NULL, 0) == 0);
	collect(fd, &answer);
	CHECK_EQ(answer.parts[0]->error, -EPROTO);
	free_answer(&answer);
	ask(fd, &request); /* the connection is still good */
	collect(fd, &answer);
	CHECK_EQ(answer.parts[0]->error, 0);
	free_answer(&answer);
	hf_fd_close(&fd);
	scene_end();
}

static bool hangs_up(int fd)
{
	Response *response = response_on(fd, 20000);

	free_response(response);
	return !response;
}

static void garbage_and_descriptors_end_the_connection(void)
{
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	static const char big[HF_FRAME_MAX_BYTES + 1];
	Request request = REQUEST_INIT;
	int fd;

	scene_open();
	control_serve();
	fd = dial();
	REQUIRE(send(fd, "\xff\xff\xff", 3, 0) == 3);
	CHECK(hangs_up(fd));
	hf_fd_close(&fd);
	fd = dial();
	REQUIRE(send(fd, big, sizeof(big), 0) == (ssize_t)sizeof(big));
	CHECK(hangs_up(fd));
	hf_fd_close(&fd);
	fd = dial();
	request.protocol = HF_CONTROL_PROTOCOL;
	request.body_case = ASK(VERSION);
	request.version = &version;
	REQUIRE(hf_frame_send(fd, &request.base, (int[]){0, 1}, 2) == 0);
	CHECK(hangs_up(fd));
	hf_fd_close(&fd);
	CHECK_EQ(scene.primary->refusals[REFUSED_CONTROL_MESSAGE], 3);
	scene_end();
}

static void more_clients_than_places_are_told(void)
{
	int fds[70], told = 0;

	scene_open();
	control_serve();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial();
	rig_until(&scene.rig, NULL, NULL, 100);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		told += is_readable(&fds[i]);
	CHECK_EQ(told, 70 - 64);
	hf_fd_close_all(fds, ARRAY_SIZE(fds));
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(a_reader_that_stops_costs_one_packet),
	CATALOGUE(an_unknown_request_or_protocol_is_answered, "[C-3]"),
	CATALOGUE(garbage_and_descriptors_end_the_connection, "[C-1]"),
	SENTENCE(more_clients_than_places_are_told),
};
SUITE("control_limits", sentences)
