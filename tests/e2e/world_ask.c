/* SPDX-License-Identifier: Apache-2.0 */
/* What a world's primary is asked at its control socket. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "control.pb-c.h"
#include "fd.h"
#include "frame.h"
#include "suite.h"
#include "world.h"
#include "world_inside.h"

static pid_t ask_once(const struct world *world)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Holdfast__Control__Response *response = NULL;
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	static struct hf_frame frame = {.bytes = bytes};
	struct timeval limit = {.tv_sec = 2};
	int fd = hf_seqpacket_connect(socket_path(world, "control"));
	pid_t pid = 0;

	if (fd < 0)
		return 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	request.protocol = HF_CONTROL_PROTOCOL;
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_VERSION;
	request.version = &version;
	if (hf_frame_send(fd, &request.base, NULL, 0) == 0 && hf_frame_receive(fd, &frame) > 0)
		response = (void *)hf_frame_unpack(&holdfast__control__response__descriptor,
						   frame.bytes, frame.len);
	if (response && response->version)
		pid = response->version->pid;
	if (response)
		hf_frame_free_unpacked(&response->base);
	hang_up(&fd);
	return pid;
}

pid_t world_ask_pid(const struct world *world, unsigned int *ret_ms)
{
	uint64_t begun = hf_now_ns();
	pid_t pid;

	while (!(pid = ask_once(world)) && hf_now_ns() - begun < WAIT_MS * NS_PER_MS)
		usleep(1000);
	if (ret_ms)
		*ret_ms = (unsigned int)((hf_now_ns() - begun) / NS_PER_MS);
	return pid;
}

/* A connection with the request on its way. */
static int ask(const struct world *world, Holdfast__Control__Request *request)
{
	int fd = hf_seqpacket_connect(socket_path(world, "control"));

	REQUIRE(fd >= 0);
	request->protocol = HF_CONTROL_PROTOCOL;
	REQUIRE(hf_frame_send(fd, &request->base, NULL, 0) == 0);
	return fd;
}

static Holdfast__Control__Response *answer(int fd)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	static struct hf_frame frame = {.bytes = bytes};
	Holdfast__Control__Response *response;

	REQUIRE(hf_frame_receive(fd, &frame) > 0);
	response = (void *)hf_frame_unpack(&holdfast__control__response__descriptor, frame.bytes,
					   frame.len);
	REQUIRE(response != NULL);
	return response;
}

/* Its error, and no more of it than that. */
static int answered(int fd)
{
	Holdfast__Control__Response *response = answer(fd);
	int error = response->error;

	hf_frame_free_unpacked(&response->base);
	hang_up(&fd);
	return error;
}

void world_add_port(struct world *world, const char *name, bool client, const char *path)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__PortAddRequest add = HOLDFAST__CONTROL__PORT_ADD_REQUEST__INIT;
	char device[64];

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_PORT_ADD;
	request.port_add = &add;
	add.name = (char *)(uintptr_t)name;
	add.path = (char *)(uintptr_t)(path ? path : "");
	add.client = client;
	if (ports_are_devices() && !client && !path) {
		device_name(world, name, device, sizeof(device));
		add.kind = HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE;
		add.path = device;
	}
	CHECK_EQ(answered(ask(world, &request)), 0);
}

int world_del_port(const struct world *world, const char *name)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__PortDelRequest del = HOLDFAST__CONTROL__PORT_DEL_REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_PORT_DEL;
	request.port_del = &del;
	del.name = (char *)(uintptr_t)name;
	return answered(ask(world, &request));
}

bool world_has_port(const struct world *world, const char *name)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__PortShowRequest show = HOLDFAST__CONTROL__PORT_SHOW_REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_PORT_SHOW;
	request.port_show = &show;
	show.name = (char *)(uintptr_t)name;
	return answered(ask(world, &request)) == 0;
}

int world_hand_over(const struct world *world, const char *port, const char *to)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__HandoverRequest handover = HOLDFAST__CONTROL__HANDOVER_REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_HANDOVER;
	request.handover = &handover;
	handover.port = (char *)(uintptr_t)(port ? port : "");
	handover.to = (char *)(uintptr_t)to;
	return ask(world, &request);
}

int world_drain(const struct world *world, const char *name, bool force)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__DrainRequest drain = HOLDFAST__CONTROL__DRAIN_REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_DRAIN;
	request.drain = &drain;
	drain.name = (char *)(uintptr_t)name;
	drain.force = force;
	return ask(world, &request);
}

void world_urge_hand_over(const struct world *world, const char *to)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__HandoverRequest handover = HOLDFAST__CONTROL__HANDOVER_REQUEST__INIT;
	char none[] = "";
	int fd = hf_seqpacket_connect(socket_path(world, "control"));

	request.protocol = HF_CONTROL_PROTOCOL;
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_HANDOVER;
	request.handover = &handover;
	handover.port = none;
	handover.to = (char *)(uintptr_t)to;
	if (fd >= 0)
		(void)hf_frame_send(fd, &request.base, NULL, 0);
	hf_fd_close(&fd);
}

int world_handed_over(int socket, uint64_t *ret_pause_ns)
{
	Holdfast__Control__Response *response = answer(socket);
	int result = response->error;

	if (!result) {
		REQUIRE(response->body_case == HOLDFAST__CONTROL__RESPONSE__BODY_HANDOVER);
		CHECK_EQ(response->handover->failed, 0);
		result = (int)response->handover->moved;
		if (ret_pause_ns)
			*ret_pause_ns = response->handover->longest_pause_ns;
	}
	hf_frame_free_unpacked(&response->base);
	hang_up(&socket);
	return result;
}

/* Ask, and look at each part of the answer. */
static void ask_each(const struct world *world, Holdfast__Control__Request *request,
		     void (*look)(const Holdfast__Control__Response *part, void *context),
		     void *context)
{
	int fd = ask(world, request);
	bool more = true;

	while (more) {
		Holdfast__Control__Response *response = answer(fd);

		look(response, context);
		more = response->more;
		hf_frame_free_unpacked(&response->base);
	}
	hang_up(&fd);
}

struct attached {
	bool answered; /* by a list, and not by an error */
	pid_t *pids;
	size_t room, count; /* count: of all, room or not */
	pid_t running;
};

static void look_at_secondaries(const Holdfast__Control__Response *part, void *context)
{
	struct attached *attached = context;

	attached->answered |= part->secondary_list != NULL;
	for (size_t i = 0; part->secondary_list && i < part->secondary_list->n_secondaries; i++) {
		const Holdfast__Control__Secondary *s = part->secondary_list->secondaries[i];

		if (attached->count < attached->room)
			attached->pids[attached->count] = s->pid;
		attached->count++;
		if (s->vrings)
			attached->running = s->pid;
	}
}

static void list_secondaries(const struct world *world, struct attached *attached)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__SecondaryListRequest list =
		HOLDFAST__CONTROL__SECONDARY_LIST_REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_SECONDARY_LIST;
	request.secondary_list = &list;
	ask_each(world, &request, look_at_secondaries, attached);
}

size_t world_attached(const struct world *world, pid_t *pids, size_t room, pid_t *ret_running)
{
	struct attached attached = {.pids = pids, .room = room};

	list_secondaries(world, &attached);
	REQUIRE(attached.answered);
	*ret_running = attached.running;
	return attached.count < room ? attached.count : room;
}

size_t world_count_secondaries(const struct world *world)
{
	struct attached attached = {0};

	list_secondaries(world, &attached);
	return attached.count;
}

int world_upgrade(const struct world *world, const char *binary)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__UpgradeRequest upgrade = HOLDFAST__CONTROL__UPGRADE_REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_UPGRADE;
	request.upgrade = &upgrade;
	upgrade.binary = (char *)(uintptr_t)binary;
	return ask(world, &request);
}

int world_upgrade_begun(int socket, const char **ret_reason)
{
	static char reason[512];
	Holdfast__Control__Response *response = answer(socket);
	int result = response->error;

	CHECK(result || response->body_case == HOLDFAST__CONTROL__RESPONSE__BODY_UPGRADE);
	snprintf(reason, sizeof(reason), "%s", response->reason);
	if (ret_reason)
		*ret_reason = reason;
	hf_frame_free_unpacked(&response->base);
	hang_up(&socket);
	return result;
}

struct counter {
	const char *name;
	uint64_t value;
};

static void look_at_counters(const Holdfast__Control__Response *part, void *context)
{
	struct counter *counter = context;

	REQUIRE(part->stats != NULL);
	for (size_t i = 0; i < part->stats->n_primary; i++)
		if (!strcmp(part->stats->primary[i]->name, counter->name))
			counter->value = part->stats->primary[i]->value;
}

uint64_t world_counter(const struct world *world, const char *name)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__StatsRequest stats = HOLDFAST__CONTROL__STATS_REQUEST__INIT;
	struct counter counter = {name, UINT64_MAX};

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_STATS;
	request.stats = &stats;
	ask_each(world, &request, look_at_counters, &counter);
	CHECK(counter.value != UINT64_MAX);
	return counter.value;
}

bool world_counter_becomes(const struct world *world, const char *name, uint64_t count)
{
	for (int i = 0; i < WAIT_MS; i++) {
		if (world_counter(world, name) >= count)
			return true;
		usleep(1000);
	}
	return false;
}

struct last_event {
	int kind;
	uint64_t number;
	char *detail;
	size_t size;
};

static void look_at_events(const Holdfast__Control__Response *part, void *context)
{
	struct last_event *last = context;

	for (size_t i = 0; part->events && i < part->events->n_events; i++) {
		const Holdfast__Control__Event *event = part->events->events[i];

		if ((int)event->kind != last->kind || event->number < last->number)
			continue;
		last->number = event->number;
		snprintf(last->detail, last->size, "%s", event->detail);
	}
}

uint64_t world_last_event(const struct world *world, int kind, char *ret_detail, size_t size)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__EventsRequest events = HOLDFAST__CONTROL__EVENTS_REQUEST__INIT;
	struct last_event last = {kind, 0, ret_detail, size};

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_EVENTS;
	request.events = &events;
	events.last = 200;
	snprintf(ret_detail, size, "%s", "");
	ask_each(world, &request, look_at_events, &last);
	return last.number;
}

bool world_secondaries_become(const struct world *world, size_t count)
{
	for (int i = 0; i < WAIT_MS; i++) {
		if (world_count_secondaries(world) == count)
			return true;
		usleep(1000);
	}
	return false;
}
