/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: every request, answers of any length, and clients that do not play. */
#include "control.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "control.pb-c.h"
#include "device.h"
#include "fd.h"
#include "grant.h"
#include "lane.h"
#include "port.h"
#include "ports.h"
#include "primary_rig.h"
#include "refusal.h"
#include "suite.h"
#include "vu_wire.h"

#define ASK(name)    HOLDFAST__CONTROL__REQUEST__BODY_##name
#define ANSWER(name) HOLDFAST__CONTROL__RESPONSE__BODY_##name
#define VSWITCH	     HOLDFAST__ATTACH__ROLE__VSWITCH
#define REQUEST_INIT HOLDFAST__CONTROL__REQUEST__INIT
#define MAX_PARTS    2000u
#define TEXT(s)	     ((char *)(uintptr_t)(s))

typedef Holdfast__Control__Request Request;
typedef Holdfast__Control__Response Response;

struct answer {
	Response *parts[MAX_PARTS];
	size_t nr_parts;
};

static void open_control(struct rig *rig)
{
	rig_open(rig);
	REQUIRE(control_open(&rig->primary) == 0);
}

static int dial(const struct rig *rig)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/control.sock", rig->dir);
	fd = hf_seqpacket_connect(path);
	REQUIRE(fd >= 0);
	return fd;
}

static bool is_readable(void *context)
{
	char byte;

	return recv(*(int *)context, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* The next Response; NULL: closed, or nothing in time. */
static Response *response_on(struct rig *rig, int fd, unsigned int ms)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};

	if (!rig_until(rig, is_readable, &fd, ms) || hf_frame_receive(fd, &frame) <= 0)
		return NULL;
	hf_frame_close_fds(&frame);
	return (Response *)hf_frame_unpack(&holdfast__control__response__descriptor, bytes,
					   frame.len);
}

static void free_response(Response *response)
{
	hf_frame_free_unpacked((ProtobufCMessage *)response);
}

static void ask(int fd, Request *request)
{
	request->protocol = HF_CONTROL_PROTOCOL;
	REQUIRE(hf_frame_send(fd, &request->base, NULL, 0) == 0);
}

static void collect(struct rig *rig, int fd, struct answer *ret)
{
	bool more = true;

	ret->nr_parts = 0;
	while (more) {
		Response *response = response_on(rig, fd, 3000);

		REQUIRE(response && ret->nr_parts < MAX_PARTS);
		ret->parts[ret->nr_parts++] = response;
		more = response->more;
	}
}

static void free_answer(struct answer *answer)
{
	for (size_t i = 0; i < answer->nr_parts; i++)
		free_response(answer->parts[i]);
}

/* Ask on a connection of its own; the whole answer, of this kind. */
static struct answer *call(struct rig *rig, Request *request,
			   Holdfast__Control__Response__BodyCase body)
{
	static struct answer answer;
	int fd = dial(rig);

	ask(fd, request);
	collect(rig, fd, &answer);
	for (size_t i = 0; i < answer.nr_parts; i++) {
		CHECK_EQ(answer.parts[i]->error, 0);
		CHECK_EQ(answer.parts[i]->body_case, body);
	}
	hf_fd_close(&fd);
	return &answer;
}

/* The error of a request that is refused with a reason. */
static int call_error(struct rig *rig, Request *request)
{
	struct answer answer;
	int fd = dial(rig), error;

	ask(fd, request);
	collect(rig, fd, &answer);
	CHECK_EQ(answer.nr_parts, 1);
	error = answer.parts[0]->error;
	CHECK(!error == !*answer.parts[0]->reason);
	free_answer(&answer);
	hf_fd_close(&fd);
	return error;
}

static void version_says_what_runs_here(void)
{
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Request request = REQUEST_INIT;
	struct answer *answer;
	struct rig rig;

	open_control(&rig);
	request.body_case = ASK(VERSION);
	request.version = &version;
	answer = call(&rig, &request, ANSWER(VERSION));
	CHECK_EQ(answer->parts[0]->version->pid, getpid());
	CHECK_EQ(answer->parts[0]->version->abi_major, HF_ABI_MAJOR);
	CHECK(*answer->parts[0]->version->version != '\0');
	CHECK(answer->parts[0]->version->uptime_ns > 0);
	free_answer(answer);
	rig_close(&rig);
}

static int add(struct rig *rig, const char *name, uint32_t pairs, Holdfast__Control__PortKind kind)
{
	Holdfast__Control__PortAddRequest body = HOLDFAST__CONTROL__PORT_ADD_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.name = TEXT(name);
	body.queue_pairs = pairs;
	body.kind = kind;
	request.body_case = ASK(PORT_ADD);
	request.port_add = &body;
	return call_error(rig, &request);
}

static int del(struct rig *rig, const char *name)
{
	Holdfast__Control__PortDelRequest body = HOLDFAST__CONTROL__PORT_DEL_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.name = TEXT(name);
	request.body_case = ASK(PORT_DEL);
	request.port_del = &body;
	return call_error(rig, &request);
}

static struct answer *list(struct rig *rig, bool connected_only)
{
	Holdfast__Control__PortListRequest body = HOLDFAST__CONTROL__PORT_LIST_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.connected_only = connected_only;
	request.body_case = ASK(PORT_LIST);
	request.port_list = &body;
	return call(rig, &request, ANSWER(PORT_LIST));
}

static void ports_come_and_go(void)
{
	struct answer *answer;
	struct rig rig;

	open_control(&rig);
	CHECK_EQ(add(&rig, "vm0", 0, HOLDFAST__CONTROL__PORT_KIND__VHOST_USER), 0);
	CHECK_EQ(add(&rig, "vm0", 0, HOLDFAST__CONTROL__PORT_KIND__VHOST_USER), -EEXIST);
	CHECK_EQ(add(&rig, "vm1", 2, HOLDFAST__CONTROL__PORT_KIND__VHOST_USER), 0);
	CHECK_EQ(add(&rig, "vm2", 129, HOLDFAST__CONTROL__PORT_KIND__VHOST_USER), -EINVAL);
	CHECK_EQ(add(&rig, "../x", 0, HOLDFAST__CONTROL__PORT_KIND__VHOST_USER), -EINVAL);
	CHECK_EQ(add(&rig, "c0", 2, HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE), -EINVAL);
	answer = list(&rig, false);
	REQUIRE(answer->nr_parts == 1 && answer->parts[0]->port_list->n_ports == 2);
	CHECK(!strcmp(answer->parts[0]->port_list->ports[1]->name, "vm1"));
	CHECK_EQ(answer->parts[0]->port_list->ports[1]->queue_pairs, 2);
	CHECK_EQ(answer->parts[0]->port_list->ports[0]->queue_pairs, 128);
	CHECK_EQ(answer->parts[0]->port_list->ports[0]->state,
		 HOLDFAST__CONTROL__PORT_STATE__LISTENING);
	free_answer(answer);
	answer = list(&rig, true);
	CHECK_EQ(answer->parts[0]->port_list->n_ports, 0);
	free_answer(answer);
	CHECK_EQ(del(&rig, "vm9"), -ENOENT);
	CHECK_EQ(del(&rig, "vm0"), 0);
	CHECK_EQ(del(&rig, "vm1"), 0);
	rig_close(&rig);
}

static void a_long_list_comes_in_parts(void)
{
	struct port *ports[200];
	struct answer *answer;
	struct rig rig;
	size_t seen = 0;

	open_control(&rig);
	free(rig.primary.ports);
	rig.conf.max_devices = ARRAY_SIZE(ports);
	rig.primary.ports = calloc(ARRAY_SIZE(ports), sizeof(ports[0]));
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		struct port *port = calloc(1, sizeof(*port));

		REQUIRE(port != NULL);
		port->primary = &rig.primary;
		port->listener = -1;
		memset(port->name, 'n', sizeof(port->name) - 1);
		memset(port->path, 'p', sizeof(port->path) - 1);
		memset(port->last_error, 'e', sizeof(port->last_error) - 1);
		device_init(&port->device, &rig.primary, port, (uint32_t)i);
		rig.primary.ports[i] = ports[i] = port;
	}
	answer = list(&rig, false);
	CHECK_EQ(answer->nr_parts, 4);
	for (size_t p = 0; p < answer->nr_parts; p++)
		for (size_t i = 0; i < answer->parts[p]->port_list->n_ports; i++)
			CHECK_EQ(answer->parts[p]->port_list->ports[i]->device, seen++);
	CHECK_EQ(seen, 200);
	CHECK_EQ(answer->parts[0]->port_list->ports[0]->state,
		 HOLDFAST__CONTROL__PORT_STATE__PORT_FAILED);
	free_answer(answer);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		free(ports[i]);
	memset(rig.primary.ports, 0, sizeof(ports));
	rig.conf.max_devices = RIG_PORTS;
	rig_close(&rig);
}

static struct answer *show(struct rig *rig, const char *name, bool descriptors)
{
	Holdfast__Control__PortShowRequest body = HOLDFAST__CONTROL__PORT_SHOW_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.name = TEXT(name);
	body.descriptors = descriptors;
	request.body_case = ASK(PORT_SHOW);
	request.port_show = &body;
	return call(rig, &request, ANSWER(PORT_SHOW));
}

static const Holdfast__Control__Vring *find_vring(const struct answer *answer, uint32_t index)
{
	for (size_t p = 0; p < answer->nr_parts; p++)
		for (size_t i = 0; i < answer->parts[p]->port_show->n_vrings; i++)
			if (answer->parts[p]->port_show->vrings[i]->index == index)
				return answer->parts[p]->port_show->vrings[i];
	return NULL;
}

static void a_port_is_shown_with_its_rings(void)
{
	const Holdfast__Control__Vring *v;
	struct answer *answer;
	struct port *port;
	struct rig rig;
	uint16_t *avail;
	int s;

	open_control(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 2);
	grant_offer(&port->device);
	avail = rig_guest(&port->device, port->device.vrings[1].avail_gpa, 4);
	avail[0] = 1;
	avail[1] = 40;
	*rig_used_idx(&port->device.vrings[1]) = 12;
	rig_lane(&port->device.vrings[1])->avail = 13;
	rig_lane(&port->device.vrings[1])->used = 12;
	rig_lane(&port->device.vrings[1])->running = 1;
	answer = show(&rig, "vm0", false);
	REQUIRE(answer->parts[0]->port_show->port != NULL);
	CHECK_EQ(answer->parts[0]->port_show->port->state, HOLDFAST__CONTROL__PORT_STATE__READY);
	CHECK_EQ(answer->parts[0]->port_show->port->started_vrings, 2);
	CHECK(!strcmp(answer->parts[0]->port_show->port->owner, "vsw"));
	CHECK_EQ(answer->parts[0]->port_show->port->memory_bytes, RIG_MEMORY);
	REQUIRE(answer->parts[1]->port_show->n_regions == 1);
	CHECK_EQ(answer->parts[1]->port_show->regions[0]->size, RIG_MEMORY);
	REQUIRE((v = find_vring(answer, 1)) != NULL);
	CHECK(v->mapped && v->started && v->enabled && v->running && !v->busy && !v->broken);
	CHECK_EQ(v->avail_flags, 1);
	CHECK_EQ(v->avail_idx, 40);
	CHECK_EQ(v->used_idx, 12);
	CHECK_EQ(v->last_avail, 13);
	CHECK_EQ(v->last_used, 12);
	CHECK_EQ(v->grant, port->device.vrings[1].grant);
	CHECK_EQ(v->size, RIG_RING_SIZE);
	CHECK_EQ(v->n_descriptors, 0);
	free_answer(answer);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_packed_ring_is_shown_with_its_wrap_counters(void)
{
	const Holdfast__Control__Vring *v;
	struct answer *answer;
	struct port *port;
	struct rig rig;
	uint16_t *events, *descriptor;
	int s;

	open_control(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 2);
	port->device.features |= VIRTIO_BIT(VIRTIO_F_RING_PACKED);
	grant_offer(&port->device);
	events = rig_guest(&port->device, port->device.vrings[1].avail_gpa, 4);
	events[0] = 0x8011;
	events[1] = 2;
	rig_lane(&port->device.vrings[1])->avail = 0x8000 | 13;
	rig_lane(&port->device.vrings[1])->used = 12;
	descriptor = rig_guest(&port->device, port->device.vrings[1].desc_gpa, 16);
	descriptor[6] = 77;
	descriptor[7] = 0x8001;
	answer = show(&rig, "vm0", true);
	REQUIRE((v = find_vring(answer, 1)) != NULL);
	CHECK(v->packed && v->mapped);
	CHECK_EQ(v->avail_flags, 2);
	CHECK_EQ(v->avail_idx, 0x8011);
	CHECK_EQ(v->last_avail, 13);
	CHECK_EQ(v->avail_wrap, true);
	CHECK_EQ(v->last_used, 12);
	CHECK_EQ(v->used_wrap, false);
	REQUIRE(v->n_descriptors > 0);
	CHECK_EQ(v->descriptors[0]->id, 77);
	CHECK_EQ(v->descriptors[0]->flags, 0x8001);
	CHECK_EQ(v->descriptors[0]->next, 0);
	free_answer(answer);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void a_ring_outside_of_memory_is_shown_as_not_mapped(void)
{
	const Holdfast__Control__Vring *v;
	struct answer *answer;
	struct port *port;
	struct rig rig;

	open_control(&rig);
	port = rig_port(&rig, "vm0", 1);
	port->device.vrings[0].avail_gpa = RIG_MEMORY - 2;
	port->device.vrings[0].desc_gpa = RIG_MEMORY - 64;
	answer = show(&rig, "vm0", true);
	REQUIRE((v = find_vring(answer, 0)) != NULL);
	CHECK(!v->mapped);
	CHECK_EQ(v->n_descriptors, 0);
	free_answer(answer);
	rig_close(&rig);
}

static void a_ring_whose_file_was_cut_short_is_shown_as_not_mapped(void)
{
	const Holdfast__Control__Vring *v;
	struct answer *answer;
	struct port *port;
	struct rig rig;

	open_control(&rig);
	port = rig_port(&rig, "vm0", 1);
	REQUIRE(ftruncate(port->device.region_fds[0], 0) == 0);
	answer = show(&rig, "vm0", true);
	REQUIRE((v = find_vring(answer, 0)) != NULL);
	CHECK(!v->mapped);
	CHECK_EQ(v->n_descriptors, 0);
	free_answer(answer);
	rig_close(&rig);
}

static void descriptors_of_the_largest_ring_come_in_parts(void)
{
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} * table;
	struct answer *answer;
	struct vring *vring;
	struct port *port;
	struct rig rig;
	size_t seen = 0, wrong = 0;

	open_control(&rig);
	port = rig_port(&rig, "vm0", 2);
	vring = &port->device.vrings[1];
	vring->size = 32768;
	vring->desc_gpa = RIG_MEMORY / 2;
	table = rig_guest(&port->device, vring->desc_gpa, 32768 * sizeof(*table));
	REQUIRE(table != NULL);
	for (uint32_t i = 0; i < 32768; i++) {
		table[i].addr = UINT64_MAX - i;
		table[i].len = UINT32_MAX - i;
		table[i].flags = 3;
		table[i].next = (uint16_t)(i + 1);
	}
	answer = show(&rig, "vm0", true);
	for (size_t p = 0; p < answer->nr_parts; p++) {
		const Holdfast__Control__PortShowReply *part = answer->parts[p]->port_show;

		CHECK(part->n_vrings <= 1);
		if (!part->n_vrings || part->vrings[0]->index != 1)
			continue;
		for (size_t i = 0; i < part->vrings[0]->n_descriptors; i++, seen++)
			wrong += part->vrings[0]->descriptors[i]->index != seen ||
				 part->vrings[0]->descriptors[i]->addr != UINT64_MAX - seen ||
				 part->vrings[0]->descriptors[i]->len != UINT32_MAX - seen ||
				 part->vrings[0]->descriptors[i]->next != (uint16_t)(seen + 1);
	}
	CHECK_EQ(seen, 32768);
	CHECK_EQ(wrong, 0);
	free_answer(answer);
	rig_close(&rig);
}

static void secondaries_are_listed_by_name_or_all(void)
{
	Holdfast__Control__SecondaryListRequest body =
		HOLDFAST__CONTROL__SECONDARY_LIST_REQUEST__INIT;
	Request request = REQUEST_INIT;
	struct answer *answer;
	struct port *port;
	struct rig rig;
	int s[2];

	open_control(&rig);
	(void)rig_secondary(&rig, "one", VSWITCH, "vm*", &s[0]);
	(void)rig_secondary(&rig, "two", HOLDFAST__ATTACH__ROLE__STANDBY, NULL, &s[1]);
	port = rig_port(&rig, "vm0", 2);
	grant_offer(&port->device);
	request.body_case = ASK(SECONDARY_LIST);
	request.secondary_list = &body;
	answer = call(&rig, &request, ANSWER(SECONDARY_LIST));
	REQUIRE(answer->nr_parts == 2);
	CHECK(!strcmp(answer->parts[0]->secondary_list->secondaries[0]->name, "one"));
	CHECK_EQ(answer->parts[0]->secondary_list->secondaries[0]->vrings, 2);
	CHECK_EQ(answer->parts[0]->secondary_list->secondaries[0]->pid, getpid());
	CHECK_EQ(answer->parts[0]->secondary_list->secondaries[0]->heartbeat_age_ns, UINT64_MAX);
	REQUIRE(answer->parts[0]->secondary_list->secondaries[0]->n_ports == 1);
	CHECK(!strcmp(answer->parts[0]->secondary_list->secondaries[0]->ports[0], "vm0"));
	REQUIRE(answer->parts[0]->secondary_list->secondaries[0]->n_globs == 1);
	CHECK(!strcmp(answer->parts[0]->secondary_list->secondaries[0]->globs[0], "vm*"));
	free_answer(answer);
	body.name = TEXT("two");
	answer = call(&rig, &request, ANSWER(SECONDARY_LIST));
	REQUIRE(answer->nr_parts == 1);
	CHECK(!strcmp(answer->parts[0]->secondary_list->secondaries[0]->name, "two"));
	free_answer(answer);
	body.name = TEXT("three");
	CHECK_EQ(call_error(&rig, &request), -ENOENT);
	hf_fd_close_all(s, 2);
	rig_close(&rig);
}

static uint64_t counter_in(Holdfast__Control__Counter **counters, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(counters[i]->name, name))
			return counters[i]->value;
	return UINT64_MAX;
}

static struct answer *stats(struct rig *rig, const char *port)
{
	Holdfast__Control__StatsRequest body = HOLDFAST__CONTROL__STATS_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.port = TEXT(port);
	request.body_case = ASK(STATS);
	request.stats = &body;
	return call(rig, &request, ANSWER(STATS));
}

static void counters_are_those_of_all_grants(void)
{
	const Holdfast__Control__StatsReply *part;
	struct answer *answer;
	struct port *port;
	struct rig rig;
	int s;

	open_control(&rig);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	port = rig_port(&rig, "vm0", 2);
	port->device.vrings[1].counters[HF_COUNTER_GOOD_PACKETS] = 1000;
	grant_offer(&port->device);
	rig_lane(&port->device.vrings[1])->counters[HF_COUNTER_GOOD_PACKETS] = 11;
	refusal_count(&rig.primary, REFUSED_LANE_LIES);
	answer = stats(&rig, "");
	part = answer->parts[0]->stats;
	REQUIRE(part->n_vrings == 2);
	CHECK_EQ(part->vrings[0]->n_counters, HF_NR_COUNTERS);
	CHECK_EQ(counter_in(part->vrings[1]->counters, HF_NR_COUNTERS, "good_packets"), 1011);
	CHECK_EQ(counter_in(part->vrings[0]->counters, HF_NR_COUNTERS, "good_packets"), 0);
	part = answer->parts[1]->stats;
	CHECK_EQ(counter_in(part->primary, part->n_primary, "port.vm0.refused_messages"), 0);
	part = answer->parts[2]->stats;
	CHECK_EQ(part->n_primary, NR_REFUSALS + 8); /* also those at zero */
	CHECK_EQ(counter_in(part->primary, part->n_primary, "takeovers"), 0);
	CHECK_EQ(counter_in(part->primary, part->n_primary, "longest_handover_ns"), 0);
	CHECK_EQ(counter_in(part->primary, part->n_primary, "refused.lane_out_of_range"), 1);
	free_answer(answer);
	answer = stats(&rig, "vm0");
	CHECK_EQ(answer->nr_parts, 2);
	free_answer(answer);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void counters_of_many_vrings_come_in_parts(void)
{
	struct answer *answer;
	struct port *ports[3];
	struct rig rig;
	size_t seen = 0;

	open_control(&rig);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		char name[8];

		snprintf(name, sizeof(name), "vm%zu", i);
		ports[i] = rig_port(&rig, name, 60);
		for (uint32_t v = 0; v < 60; v++)
			for (uint32_t c = 0; c < HF_NR_COUNTERS; c++)
				ports[i]->device.vrings[v].counters[c] = UINT64_MAX - c;
	}
	answer = stats(&rig, "");
	for (size_t p = 0; p < answer->nr_parts; p++)
		for (size_t i = 0; i < answer->parts[p]->stats->n_vrings; i++)
			CHECK_EQ(answer->parts[p]->stats->vrings[i]->vring, seen++ % 60);
	CHECK_EQ(seen, 180);
	free_answer(answer);
	rig_close(&rig);
}

static void features_are_got_and_changed(void)
{
	Holdfast__Control__FeatureRequest body = HOLDFAST__CONTROL__FEATURE_REQUEST__INIT;
	Request request = REQUEST_INIT;
	struct answer *answer;
	struct rig rig;

	open_control(&rig);
	(void)rig_port(&rig, "vm0", 0);
	request.body_case = ASK(FEATURE);
	request.feature = &body;
	answer = call(&rig, &request, ANSWER(FEATURE));
	CHECK_EQ(answer->parts[0]->feature->supported, port_supported_features());
	CHECK_EQ(answer->parts[0]->feature->features, port_supported_features());
	free_answer(answer);
	body.verb = HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__DISABLE;
	body.port = TEXT("vm0");
	body.mask = 1;
	answer = call(&rig, &request, ANSWER(FEATURE));
	CHECK_EQ(answer->parts[0]->feature->features & 1, 0);
	free_answer(answer);
	body.mask = 1ull << 61;
	CHECK_EQ(call_error(&rig, &request), -EINVAL);
	body.verb = (Holdfast__Control__FeatureRequest__Verb)9;
	CHECK_EQ(call_error(&rig, &request), -EINVAL);
	body.verb = HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__GET;
	body.port = TEXT("vm9");
	CHECK_EQ(call_error(&rig, &request), -ENOENT);
	rig_close(&rig);
}

static void happen(struct rig *rig, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++)
		event_emit(&rig->primary, HOLDFAST__CONTROL__EVENT_KIND__PORT_ADDED, "vm0", NULL,
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

static void the_last_events_are_told(void)
{
	struct answer answer;
	struct rig rig;
	uint64_t number = EVENT_RING + 500 - 200 + 1;
	int fd;

	open_control(&rig);
	fd = dial(&rig);
	ask_events(fd, 10, false); /* there are none yet */
	collect(&rig, fd, &answer);
	CHECK_EQ(answer.parts[0]->events->n_events, 0);
	free_answer(&answer);
	happen(&rig, EVENT_RING + 500);
	ask_events(fd, 200, false);
	collect(&rig, fd, &answer);
	for (size_t p = 0; p < answer.nr_parts; p++)
		for (size_t i = 0; i < answer.parts[p]->events->n_events; i++)
			CHECK_EQ(answer.parts[p]->events->events[i]->number, number++);
	CHECK_EQ(number, EVENT_RING + 500 + 1);
	free_answer(&answer);
	ask_events(fd, UINT32_MAX, false); /* all that are kept */
	collect(&rig, fd, &answer);
	CHECK_EQ(answer.parts[0]->events->events[0]->number, 501);
	free_answer(&answer);
	hf_fd_close(&fd);
	rig_close(&rig);
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
	struct rig rig;
	int a, b;

	open_control(&rig);
	happen(&rig, 3);
	a = dial(&rig);
	b = dial(&rig);
	ask_events(a, 1, true);
	ask_events(b, 0, true);
	CHECK_EQ(number_of(response_on(&rig, a, 1000)), 3);
	response = response_on(&rig, b, 1000); /* the stream stands, though nothing has come */
	CHECK(response && response->more && response->events->n_events == 0);
	free_response(response);
	happen(&rig, 1);
	CHECK_EQ(number_of(response_on(&rig, a, 1000)), 4);
	CHECK_EQ(number_of(response_on(&rig, b, 1000)), 4);
	hf_fd_close(&a);
	rig_until(&rig, NULL, NULL, 5);
	happen(&rig, 1);
	CHECK_EQ(number_of(response_on(&rig, b, 1000)), 5);
	hf_fd_close(&b);
	rig_close(&rig);
}

static void a_follower_that_does_not_read_is_cut_off(void)
{
	Response *response = NULL;
	struct rig rig;
	uint64_t last = 0, number;
	int fd;

	open_control(&rig);
	fd = dial(&rig);
	ask_events(fd, 0, true);
	rig_until(&rig, NULL, NULL, 5);
	for (int i = 0; i < 200; i++) {
		happen(&rig, 60);
		rig_until(&rig, NULL, NULL, 1);
	}
	/* What was sent before is there, in order; then the reason; then the end. */
	while ((response = response_on(&rig, fd, 1000)) && !response->error) {
		number = number_of(response);
		CHECK(number >= last);
		last = number;
	}
	REQUIRE(response != NULL);
	CHECK_EQ(response->error, -EOVERFLOW);
	free_response(response);
	CHECK_EQ(rig.primary.refusals[REFUSED_CONTROL_SLOW], 1);
	hf_fd_close(&fd);
	rig_close(&rig);
}

static void a_reader_that_stops_costs_one_packet(void)
{
	Holdfast__Control__StatsRequest body = HOLDFAST__CONTROL__STATS_REQUEST__INIT;
	Request request = REQUEST_INIT;
	struct answer *whole, late;
	struct rig rig;
	size_t parts;
	int fd;

	open_control(&rig);
	for (size_t i = 0; i < RIG_PORTS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "vm%zu", i);
		(void)rig_port(&rig, name, 60);
	}
	whole = stats(&rig, "");
	parts = whole->nr_parts;
	free_answer(whole);
	fd = dial(&rig);
	request.body_case = ASK(STATS);
	request.stats = &body;
	ask(fd, &request);
	ask(fd, &request); /* waits its turn */
	rig_until(&rig, NULL, NULL, 50);
	collect(&rig, fd, &late);
	CHECK_EQ(late.nr_parts, parts);
	free_answer(&late);
	collect(&rig, fd, &late);
	CHECK_EQ(late.nr_parts, parts);
	free_answer(&late);
	hf_fd_close(&fd);
	rig_close(&rig);
}

static struct answer *health(struct rig *rig, const char *port)
{
	Holdfast__Control__HealthRequest body = HOLDFAST__CONTROL__HEALTH_REQUEST__INIT;
	Request request = REQUEST_INIT;

	body.port = TEXT(port);
	request.body_case = ASK(HEALTH);
	request.health = &body;
	return call(rig, &request, ANSWER(HEALTH));
}

static const Holdfast__Control__HealthReply__Check *check_in(const struct answer *answer,
							     const char *name)
{
	const Holdfast__Control__HealthReply *reply = answer->parts[0]->health;

	for (size_t i = 0; i < reply->n_checks; i++)
		if (!strcmp(reply->checks[i]->name, name))
			return reply->checks[i];
	REQUIRE(!"there is such a check");
	return NULL;
}

static void health_names_what_is_wrong(void)
{
	struct answer *answer;
	struct port *port;
	struct rig rig;
	int s;

	open_control(&rig);
	port = rig_port(&rig, "vm0", 2);
	port->client = true;
	grant_offer(&port->device);
	answer = health(&rig, "");
	CHECK(!answer->parts[0]->health->healthy);
	CHECK(!check_in(answer, "ready_ports_without_owner")->ok);
	CHECK(strstr(check_in(answer, "ready_ports_without_owner")->detail, "vm0") != NULL);
	CHECK(check_in(answer, "ports_with_broken_vrings")->ok);
	free_answer(answer);
	(void)rig_secondary(&rig, "vsw", VSWITCH, NULL, &s);
	grant_offer_all(&rig.primary);
	answer = health(&rig, "vm0");
	CHECK(answer->parts[0]->health->healthy);
	CHECK_EQ(answer->parts[0]->health->ports_ready, 1);
	CHECK_EQ(answer->parts[0]->health->secondaries, 1);
	CHECK(check_in(answer, "ports_whose_switch_lacks_memory_or_descriptors")->ok);
	free_answer(answer);
	port->device.vrings[1].broken = true;
	port->device.vrings[0].lacked = 2;
	answer = health(&rig, "");
	CHECK(!check_in(answer, "ports_with_broken_vrings")->ok);
	CHECK(!check_in(answer, "ports_whose_switch_lacks_memory_or_descriptors")->ok);
	free_answer(answer);
	hf_fd_close(&s);
	rig_close(&rig);
}

static void an_unknown_request_or_protocol_is_answered(void)
{
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Request request = REQUEST_INIT;
	struct answer answer;
	struct rig rig;
	int fd;

	open_control(&rig);
	CHECK_EQ(call_error(&rig, &request), -ENOSYS);
	fd = dial(&rig);
	request.body_case = ASK(VERSION);
	request.version = &version;
	request.protocol = 2;
	REQUIRE(hf_frame_send(fd, &request.base, NULL, 0) == 0);
	collect(&rig, fd, &answer);
	CHECK_EQ(answer.parts[0]->error, -EPROTO);
	free_answer(&answer);
	ask(fd, &request); /* the connection is still good */
	collect(&rig, fd, &answer);
	CHECK_EQ(answer.parts[0]->error, 0);
	free_answer(&answer);
	hf_fd_close(&fd);
	rig_close(&rig);
}

static bool hangs_up(struct rig *rig, int fd)
{
	Response *response = response_on(rig, fd, 1000);

	free_response(response);
	return !response;
}

static void garbage_and_descriptors_end_the_connection(void)
{
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	static const char big[HF_FRAME_MAX_BYTES + 1];
	Request request = REQUEST_INIT;
	struct rig rig;
	int fd;

	open_control(&rig);
	fd = dial(&rig);
	REQUIRE(send(fd, "\xff\xff\xff", 3, 0) == 3);
	CHECK(hangs_up(&rig, fd));
	hf_fd_close(&fd);
	fd = dial(&rig);
	REQUIRE(send(fd, big, sizeof(big), 0) == (ssize_t)sizeof(big));
	CHECK(hangs_up(&rig, fd));
	hf_fd_close(&fd);
	fd = dial(&rig);
	request.protocol = HF_CONTROL_PROTOCOL;
	request.body_case = ASK(VERSION);
	request.version = &version;
	REQUIRE(hf_frame_send(fd, &request.base, (int[]){0, 1}, 2) == 0);
	CHECK(hangs_up(&rig, fd));
	hf_fd_close(&fd);
	CHECK_EQ(rig.primary.refusals[REFUSED_CONTROL_MESSAGE], 3);
	rig_close(&rig);
}

static void more_clients_than_places_are_told(void)
{
	struct rig rig;
	int fds[70], told = 0;

	open_control(&rig);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&rig);
	rig_until(&rig, NULL, NULL, 20);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		told += is_readable(&fds[i]);
	CHECK_EQ(told, 70 - 64);
	hf_fd_close_all(fds, ARRAY_SIZE(fds));
	rig_close(&rig);
}

static void another_user_is_refused_in_words(void)
{
	struct rig rig;
	int status = 0;
	pid_t pid;

	if (getuid()) {
		printf("(needs root) ");
		return;
	}
	rig_open(&rig);
	rig.conf.control_mode = 0666;
	REQUIRE(chmod(rig.dir, 0755) == 0);
	REQUIRE(control_open(&rig.primary) == 0);
	pid = fork();
	if (pid == 0) {
		Holdfast__Control__PortDelRequest body = HOLDFAST__CONTROL__PORT_DEL_REQUEST__INIT;
		static uint8_t bytes[HF_FRAME_MAX_BYTES];
		struct hf_frame frame = {.bytes = bytes};
		Request request = REQUEST_INIT;
		Response *response;
		int fd;

		if (setuid(65534) < 0)
			_exit(1);
		fd = dial(&rig);
		request.body_case = ASK(PORT_DEL);
		request.port_del = &body;
		ask(fd, &request);
		if (hf_frame_receive(fd, &frame) <= 0)
			_exit(2);
		response = (Response *)hf_frame_unpack(&holdfast__control__response__descriptor,
						       bytes, frame.len);
		_exit(response ? -response->error : 3);
	}
	REQUIRE(pid > 0);
	rig_until(&rig, NULL, NULL, 200);
	waitpid(pid, &status, 0);
	CHECK_EQ(WEXITSTATUS(status), EACCES);
	CHECK_EQ(rig.primary.refusals[REFUSED_CONTROL_PEER], 1);
	rig_close(&rig);
}

/* What a process of user 4711 is answered to these requests: 0 or the error, one bit a request. */
static unsigned int answered_to(struct rig *rig, Request *const *requests, size_t count)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		static uint8_t bytes[HF_FRAME_MAX_BYTES];
		unsigned int refused = 0;

		if (setgroups(0, NULL) < 0 || setgid(4711) < 0 || setuid(4711) < 0)
			abort();
		for (size_t i = 0; i < count; i++) {
			struct hf_frame frame = {.bytes = bytes};
			Response *response;
			int fd = dial(rig);

			ask(fd, requests[i]);
			if (hf_frame_receive(fd, &frame) <= 0)
				abort();
			response = (Response *)hf_frame_unpack(
				&holdfast__control__response__descriptor, bytes, frame.len);
			if (!response)
				abort();
			refused |= (unsigned int)(response->error == -EACCES) << i;
			close(fd);
		}
		_exit((int)refused);
	}
	REQUIRE(pid > 0);
	for (int i = 0; i < 200 && waitpid(pid, &status, WNOHANG) != pid; i++)
		rig_until(rig, NULL, NULL, 20);
	return WIFEXITED(status) ? (unsigned int)WEXITSTATUS(status) : UINT_MAX;
}

/* Which of the requests, from reading to executing a program, a rule of this kind is refused. */
static unsigned int refused_by(const char *rule)
{
	Request version = REQUEST_INIT, get = REQUEST_INIT, rings = REQUEST_INIT;
	Request change = REQUEST_INIT, add = REQUEST_INIT, path = REQUEST_INIT;
	Request device = REQUEST_INIT, upgrade = REQUEST_INIT;
	Holdfast__Control__VersionRequest v = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Holdfast__Control__FeatureRequest g = HOLDFAST__CONTROL__FEATURE_REQUEST__INIT, c = g;
	Holdfast__Control__PortShowRequest s = HOLDFAST__CONTROL__PORT_SHOW_REQUEST__INIT;
	Holdfast__Control__PortAddRequest a = HOLDFAST__CONTROL__PORT_ADD_REQUEST__INIT, p = a,
					  d = a;
	Holdfast__Control__UpgradeRequest u = HOLDFAST__CONTROL__UPGRADE_REQUEST__INIT;
	Request *const all[] = {&version, &get, &rings, &change, &add, &path, &upgrade, &device};
	unsigned int refused;
	struct rig rig;

	version.body_case = ASK(VERSION);
	version.version = &v;
	get.body_case = change.body_case = ASK(FEATURE);
	get.feature = &g;
	c.verb = HOLDFAST__CONTROL__FEATURE_REQUEST__VERB__DISABLE;
	c.mask = 1;
	change.feature = &c;
	s.name = a.name = TEXT("vm0");
	s.descriptors = true;
	rings.body_case = ASK(PORT_SHOW);
	rings.port_show = &s;
	add.body_case = path.body_case = ASK(PORT_ADD);
	add.port_add = &a;
	p.name = TEXT("vm1");
	p.path = TEXT("/nowhere/at/all");
	path.port_add = &p;
	d.name = TEXT("vm2");
	d.kind = HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE;
	device.body_case = ASK(PORT_ADD);
	device.port_add = &d;
	upgrade.body_case = ASK(UPGRADE);
	u.binary = TEXT("/bin/true");
	upgrade.upgrade = &u;

	rig_open(&rig);
	rig.conf.control_mode = 0666;
	REQUIRE(chmod(rig.dir, 0755) == 0);
	REQUIRE(allow_add_control(&rig.conf.control_rules, rule) == 0);
	REQUIRE(control_open(&rig.primary) == 0);
	refused = answered_to(&rig, all, ARRAY_SIZE(all));
	CHECK_EQ(rig.primary.refusals[REFUSED_CONTROL_RIGHTS] +
			 rig.primary.refusals[REFUSED_CONTROL_PEER],
		 __builtin_popcount(refused));
	if (port_find(&rig.primary, "vm0"))
		CHECK_EQ(port_del(&rig.primary, "vm0"), 0);
	rig_close(&rig);
	return refused;
}

static void a_rule_lets_look_or_operate_and_never_execute(void)
{
	if (getuid()) {
		printf("(needs root) ");
		return;
	}
	CHECK_EQ(refused_by("user:4712=operate"), 0xff);
	CHECK_EQ(refused_by("user:4711"), 0xfc);
	CHECK_EQ(refused_by("group:4711=operate"), 0xe0);
}

static const struct sentence sentences[] = {
	SENTENCE(version_says_what_runs_here),
	SENTENCE(ports_come_and_go),
	SENTENCE(a_long_list_comes_in_parts),
	SENTENCE(a_port_is_shown_with_its_rings),
	SENTENCE(a_packed_ring_is_shown_with_its_wrap_counters),
	SENTENCE(a_ring_outside_of_memory_is_shown_as_not_mapped),
	SENTENCE(a_ring_whose_file_was_cut_short_is_shown_as_not_mapped),
	SENTENCE(descriptors_of_the_largest_ring_come_in_parts),
	SENTENCE(secondaries_are_listed_by_name_or_all),
	SENTENCE(counters_are_those_of_all_grants),
	SENTENCE(counters_of_many_vrings_come_in_parts),
	SENTENCE(features_are_got_and_changed),
	SENTENCE(the_last_events_are_told),
	SENTENCE(followers_hear_of_events_as_they_happen),
	SENTENCE(a_follower_that_does_not_read_is_cut_off),
	SENTENCE(a_reader_that_stops_costs_one_packet),
	SENTENCE(health_names_what_is_wrong),
	CATALOGUE(an_unknown_request_or_protocol_is_answered, "[C-3]"),
	CATALOGUE(garbage_and_descriptors_end_the_connection, "[C-1]"),
	SENTENCE(more_clients_than_places_are_told),
	CATALOGUE(another_user_is_refused_in_words, "[C-4]"),
	{"a_rule_lets_look_or_operate_and_never_execute [C-4]",
	 a_rule_lets_look_or_operate_and_never_execute},
};
SUITE("control", sentences)
