/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port add, del, list and show.
 *
 * A long answer is cut between Responses at ports, at regions, at vrings and inside descriptor
 * tables. The loop runs in between, so a port may be gone or its session another one at the next
 * step: the answer then ends where it is. Or its table is shorter than what was shown of it.
 */
#include <errno.h>

#include "check.h"
#include "control_answer.h"
#include "cuse.h"
#include "device.h"
#include "layout.h"
#include "port.h"
#include "ports.h"
#include "primary.h"
#include "secondary.h"

#define PORTS_PER_PACKET   64u
#define REGIONS_PER_PACKET 256u
#define VRINGS_PER_PACKET  64u

static Holdfast__Control__PortState state_of(const struct port *port)
{
	if (device_state(&port->device) == HF_DEVICE_READY)
		return HOLDFAST__CONTROL__PORT_STATE__READY;
	if (port->session)
		return HOLDFAST__CONTROL__PORT_STATE__CONNECTED;
	if (port->client)
		return HOLDFAST__CONTROL__PORT_STATE__CONNECTING;
	return port->listener >= 0 ? HOLDFAST__CONTROL__PORT_STATE__LISTENING
				   : HOLDFAST__CONTROL__PORT_STATE__PORT_FAILED;
}

static uint32_t count_started(const struct device *device)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		n += device->vrings[i].started;
	return n;
}

static uint64_t memory_bytes(const struct hf_memtab *memory)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < memory->count; i++)
		sum += memory->regions[i].size;
	return sum;
}

static Holdfast__Control__Port *fill_port(struct answer *answer, const struct port *port)
{
	Holdfast__Control__Port *to = answer_alloc(answer, 1, sizeof(*to));
	const struct device *device = &port->device;

	holdfast__control__port__init(to);
	to->name = answer_borrow(port->name);
	to->client = port->client;
	to->kind = port->cuse ? HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE
			      : HOLDFAST__CONTROL__PORT_KIND__VHOST_USER;
	to->path = answer_borrow(port->path);
	to->state = state_of(port);
	to->device = device->slot;
	if (device->owner)
		to->owner = answer_borrow(device->owner->name);
	to->features = device->features;
	to->nr_vrings = device_nr_vrings(device);
	to->nr_regions = device->memory.count;
	to->memory_bytes = memory_bytes(&device->memory);
	to->mtu = device->mtu;
	to->node = device->node;
	to->peer_pid = port->session ? port->peer_pid : 0;
	to->sessions = port->sessions;
	to->last_error = answer_borrow(port->last_error);
	to->protocol_features = device->protocol_features;
	to->offered_features = port_offered_features(port);
	to->status = device->status;
	to->queue_pairs = port->queue_pairs;
	to->started_vrings = count_started(device);
	to->refused_messages = port->refused_messages;
	return to;
}

/* An answer has a body always: an empty message is an empty packet, and that is the end of a
 * connection. After `add` it is the port, after `del` nothing. */
static void answer_ports(struct answer *answer, Holdfast__Control__Response *response,
			 const struct port *port)
{
	Holdfast__Control__PortListReply *reply = answer_alloc(answer, 1, sizeof(*reply));

	holdfast__control__port_list_reply__init(reply);
	reply->ports = answer_alloc(answer, 1, sizeof(reply->ports[0]));
	if (port)
		reply->ports[reply->n_ports++] = fill_port(answer, port);
	response->body_case = HOLDFAST__CONTROL__RESPONSE__BODY_PORT_LIST;
	response->port_list = reply;
}

int control_port_add(struct answer *answer, Holdfast__Control__Response *response)
{
	const Holdfast__Control__PortAddRequest *add = answer->request->port_add;
	uint32_t pairs = add->queue_pairs ? add->queue_pairs : HF_SHM_MAX_VRINGS / 2;
	const char *reason = "the port was not added; see the log of holdfastd";
	int error;

	if (answer->by_rule && !port_may_be_added_by_rule(answer->primary))
		return answer_refuse(response, -ENOSPC, port_last_places);
	if (pairs > HF_SHM_MAX_VRINGS / 2)
		return answer_refuse(response, -EINVAL,
				     "a port has at most 128 queue pairs; give it fewer");
	switch (add->kind) {
	case HOLDFAST__CONTROL__PORT_KIND__VHOST_USER:
		error = port_add(answer->primary, add->name, add->path, add->client, pairs,
				 &reason);
		break;
	case HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE:
		error = port_add_cuse(answer->primary, add->name, add->path, add->queue_pairs,
				      &reason);
		break;
	default:
		reason = port_no_such_kind;
		error = -EOPNOTSUPP;
	}
	if (error)
		return answer_refuse(response, error, reason);
	answer_ports(answer, response, port_find(answer->primary, add->name));
	return 0;
}

int control_port_del(struct answer *answer, Holdfast__Control__Response *response)
{
	int error = port_del(answer->primary, answer->request->port_del->name);

	if (error)
		return answer_refuse(response, error, control_no_port);
	answer_ports(answer, response, NULL);
	return 0;
}

/* The next port at or after answer->port that belongs into the list. */
static const struct port *next_listed(struct answer *answer)
{
	const struct primary *primary = answer->primary;

	for (; answer->port < primary->conf->max_devices; answer->port++) {
		const struct port *port = primary->ports[answer->port];

		if (!port || port->removing)
			continue;
		if (port->session || !answer->request->port_list->connected_only)
			return port;
	}
	return NULL;
}

int control_port_list(struct answer *answer, Holdfast__Control__Response *response)
{
	Holdfast__Control__PortListReply *reply = answer_alloc(answer, 1, sizeof(*reply));
	const struct port *port;

	holdfast__control__port_list_reply__init(reply);
	reply->ports = answer_alloc(answer, PORTS_PER_PACKET, sizeof(reply->ports[0]));
	while (reply->n_ports < PORTS_PER_PACKET && (port = next_listed(answer))) {
		reply->ports[reply->n_ports++] = fill_port(answer, port);
		answer->port++;
	}
	response->body_case = HOLDFAST__CONTROL__RESPONSE__BODY_PORT_LIST;
	response->port_list = reply;
	response->more = next_listed(answer) != NULL;
	return 0;
}

/* ---- port show: the port, then its regions, then its vrings. */

enum phase { SHOW_PORT, SHOW_REGIONS, SHOW_VRINGS, SHOW_END };

static void fill_region(Holdfast__Control__Region *to, const struct device *device, uint32_t i)
{
	const struct hf_shm_region *from = &device->memory.regions[i];

	holdfast__control__region__init(to);
	to->gpa = from->gpa;
	to->size = from->size;
	to->user_addr = from->user_addr;
	to->file_offset = from->file_offset;
	to->fd = device->region_fds[i];
	to->page_bytes = from->page_bytes;
	to->node = from->node;
}

/* Of `count`, behind those that the Responses before had. */
static uint32_t left_of(const struct answer *answer, uint32_t count)
{
	return count > answer->item ? count - answer->item : 0;
}

static void show_regions(struct answer *answer, const struct device *device,
			 Holdfast__Control__PortShowReply *reply)
{
	uint32_t left = left_of(answer, device->memory.count);
	uint32_t n = (uint32_t)min_u64(left, REGIONS_PER_PACKET);
	Holdfast__Control__Region *regions = answer_alloc(answer, n, sizeof(*regions));

	reply->regions = answer_alloc(answer, n, sizeof(reply->regions[0]));
	for (uint32_t i = 0; i < n; i++) {
		fill_region(&regions[i], device, answer->item++);
		reply->regions[reply->n_regions++] = &regions[i];
	}
}

static void show_vrings(struct answer *answer, const struct device *device,
			Holdfast__Control__PortShowReply *reply)
{
	bool descriptors = answer->request->port_show->descriptors;
	uint32_t left = left_of(answer, device_nr_vrings(device));
	uint32_t n = (uint32_t)min_u64(left, descriptors ? 1 : VRINGS_PER_PACKET);
	Holdfast__Control__Vring *vrings = answer_alloc(answer, n, sizeof(*vrings));

	reply->vrings = answer_alloc(answer, n, sizeof(reply->vrings[0]));
	for (uint32_t i = 0; i < n; i++) {
		const struct vring *vring = &device->vrings[answer->item];

		control_fill_vring(&vrings[i], vring);
		reply->vrings[reply->n_vrings++] = &vrings[i];
		if (descriptors)
			answer->part =
				control_fill_descriptors(answer, &vrings[i], vring, answer->part);
		if (!answer->part)
			answer->item++;
	}
}

static bool phase_done(const struct answer *answer, const struct device *device)
{
	switch ((enum phase)answer->phase) {
	case SHOW_REGIONS:
		return answer->item >= device->memory.count;
	case SHOW_VRINGS:
		return answer->item >= device_nr_vrings(device);
	default:
		return answer->phase == SHOW_PORT;
	}
}

static void show_phase(struct answer *answer, const struct port *port,
		       Holdfast__Control__PortShowReply *reply)
{
	if (answer->phase == SHOW_PORT)
		reply->port = fill_port(answer, port);
	else if (answer->phase == SHOW_REGIONS)
		show_regions(answer, &port->device, reply);
	else
		show_vrings(answer, &port->device, reply);
	while (answer->phase != SHOW_END && phase_done(answer, &port->device)) {
		answer->phase++;
		answer->item = 0;
	}
}

int control_port_show(struct answer *answer, Holdfast__Control__Response *response)
{
	const struct port *port = port_find(answer->primary, answer->request->port_show->name);
	Holdfast__Control__PortShowReply *reply = answer_alloc(answer, 1, sizeof(*reply));
	bool first = answer->phase == SHOW_PORT;

	if (!port && first)
		return answer_refuse(response, -ENOENT, control_no_port);
	holdfast__control__port_show_reply__init(reply);
	response->body_case = HOLDFAST__CONTROL__RESPONSE__BODY_PORT_SHOW;
	response->port_show = reply;
	if (first)
		answer->session = port->device.session;
	if (!port || port->device.session != answer->session)
		return 0;
	show_phase(answer, port, reply);
	response->more = answer->phase != SHOW_END;
	return 0;
}
