/* SPDX-License-Identifier: Apache-2.0 */
/* Events that were, and events as they happen. */
#include <errno.h>

#include "control_client.h"
#include "fd.h"
#include "fd_ledger.h"
#include "primary_scene.h"
#include "refusal.h"
#include "suite.h"

static void happen(unsigned int times)
{
	for (unsigned int i = 0; i < times; i++)
		event_emit(scene.primary, HOLDFAST__CONTROL__EVENT_KIND__PORT_ADDED, "vm0", NULL,
			   -1, 0, "%s", "");
}

static void ask_events(int fd, uint32_t last, bool follow)
{
	Holdfast__Control__EventsRequest body = HOLDFAST__CONTROL__EVENTS_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.last = last;
	body.follow = follow;
	request.body_case = ASK(EVENTS);
	request.events = &body;
	ask(fd, &request);
}

static bool nobody_is_there(void *context)
{
	return fds_open() == *(int *)context;
}

/* Which waits for ever: it is neither read nor taken for an offence, and the answer goes on. */
static void a_request_behind_one_that_waits_waits_as_well(void)
{
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Request request = REQUEST_INIT;
	Response *response;
	int fd, before;

	scene_open();
	control_serve();
	before = fds_open();
	fd = dial();
	ask_events(fd, 0, true);
	request.body_case = ASK(VERSION);
	request.version = &version;
	ask(fd, &request);
	rig_until(&scene.rig, NULL, NULL, 20);
	CHECK_EQ(scene.primary->refusals[REFUSED_CONTROL_MESSAGE], 0);
	happen(1);
	response = response_on(fd, 20000);
	REQUIRE(response != NULL);
	CHECK_EQ(response->body_case, ANSWER(EVENTS));
	free_response(response);
	hf_fd_close(&fd);
	/* Its end is seen, whatever waits. */
	CHECK(rig_until(&scene.rig, nobody_is_there, &before, 20000));
	scene_end();
}

static void the_last_events_are_told(void)
{
	struct answer answer;
	uint64_t number = EVENT_RING + 500 - 200 + 1;
	int fd;

	scene_open();
	control_serve();
	fd = dial();
	ask_events(fd, 10, false); /* there are none yet */
	collect(fd, &answer);
	CHECK_EQ(answer.parts[0]->events->n_events, 0);
	free_answer(&answer);
	happen(EVENT_RING + 500);
	ask_events(fd, 200, false);
	collect(fd, &answer);
	for (size_t p = 0; p < answer.nr_parts; p++)
		for (size_t i = 0; i < answer.parts[p]->events->n_events; i++)
			CHECK_EQ(answer.parts[p]->events->events[i]->number, number++);
	CHECK_EQ(number, EVENT_RING + 500 + 1);
	free_answer(&answer);
	ask_events(fd, UINT32_MAX, false); /* all that are kept */
	collect(fd, &answer);
	CHECK_EQ(answer.parts[0]->events->events[0]->number, 501);
	free_answer(&answer);
	hf_fd_close(&fd);
	scene_end();
}

static uint64_t number_of(Response *response)
{
	uint64_t number = 0;

	if (response && response->events && response->events->n_events)
		number = response->events->events[response->events->n_events - 1]->number;
	free_response(response);
	return number;
}

static void followers_hear_of_events_as_they_happen(void)
{
	Response *response;
	int a, b;

	scene_open();
	control_serve();
	happen(3);
	a = dial();
	b = dial();
	ask_events(a, 1, true);
	ask_events(b, 0, true);
	CHECK_EQ(number_of(response_on(a, 20000)), 3);
	response = response_on(b, 20000); /* the stream stands, though nothing has come */
	CHECK(response && response->more && response->events->n_events == 0);
	free_response(response);
	happen(1);
	CHECK_EQ(number_of(response_on(a, 20000)), 4);
	CHECK_EQ(number_of(response_on(b, 20000)), 4);
	hf_fd_close(&a);
	rig_until(&scene.rig, NULL, NULL, 5);
	happen(1);
	CHECK_EQ(number_of(response_on(b, 20000)), 5);
	hf_fd_close(&b);
	scene_end();
}

static void a_follower_that_does_not_read_is_cut_off(void)
{
	Response *response = NULL;
	uint64_t last = 0, number;
	int fd;

	scene_open();
	control_serve();
	fd = dial();
	ask_events(fd, 0, true);
	rig_until(&scene.rig, NULL, NULL, 5);
	for (int i = 0; i < 200; i++) {
		happen(60);
		rig_until(&scene.rig, NULL, NULL, 1);
	}
	/* What was sent before is there, in order; then the reason; then the end. */
	while ((response = response_on(fd, 20000)) && !response->error) {
		number = number_of(response);
		CHECK(number >= last);
		last = number;
	}
	REQUIRE(response != NULL);
	CHECK_EQ(response->error, -EOVERFLOW);
	free_response(response);
	CHECK_EQ(scene.primary->refusals[REFUSED_CONTROL_SLOW], 1);
	hf_fd_close(&fd);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(a_request_behind_one_that_waits_waits_as_well),
	SENTENCE(the_last_events_are_told),
	SENTENCE(followers_hear_of_events_as_they_happen),
	SENTENCE(a_follower_that_does_not_read_is_cut_off),
};
SUITE("control_events", sentences)
