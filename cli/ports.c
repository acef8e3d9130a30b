/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys mode, status, socket, features, mtu, numa, num_of_vrings, n_rxq, n_txq are those that
 * Open vSwitch shows for a vhost-user port: scripts and eyes that know them find them here.
 */
#include "ports.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "text.h"

#define MOST_QUEUE_PAIRS 128u

static const char *const state_names[] = {
	[HOLDFAST__CONTROL__PORT_STATE__LISTENING] = "listening",
	[HOLDFAST__CONTROL__PORT_STATE__CONNECTING] = "connecting",
	[HOLDFAST__CONTROL__PORT_STATE__CONNECTED] = "connected",
	[HOLDFAST__CONTROL__PORT_STATE__READY] = "ready",
	[HOLDFAST__CONTROL__PORT_STATE__PORT_FAILED] = "failed",
};

static const enum tone state_tones[] = {
	[HOLDFAST__CONTROL__PORT_STATE__CONNECTED] = TONE_WARN,
	[HOLDFAST__CONTROL__PORT_STATE__READY] = TONE_GOOD,
	[HOLDFAST__CONTROL__PORT_STATE__PORT_FAILED] = TONE_BAD,
};

static bool known_state(const pb_port *port)
{
	return port->state >= 0 && (size_t)port->state < ARRAY_SIZE(state_names);
}

bool port_is_connected(const pb_port *port)
{
	return port->state == HOLDFAST__CONTROL__PORT_STATE__CONNECTED ||
	       port->state == HOLDFAST__CONTROL__PORT_STATE__READY;
}

const char *port_state_name(const pb_port *port)
{
	return known_state(port) ? state_names[port->state] : "unknown";
}

uint32_t port_guest_queues(const pb_port *port)
{
	return port->queue_pairs && port->queue_pairs < MOST_QUEUE_PAIRS ? port->queue_pairs : 1;
}

static void get_state(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	cell_text(ret, "%s", port_state_name(port));
	if (known_state(port))
		ret->tone = state_tones[port->state];
}

static void get_status(const void *row, struct cell *ret)
{
	cell_text(ret, "%s", port_is_connected(row) ? "connected" : "disconnected");
}

static void get_mode(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	cell_text(ret, "%s", port->client ? "client" : "server");
}

static void get_device(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	if (port_is_connected(port))
		cell_number(ret, port->device);
}

static void get_peer(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	if (port->peer_pid > 0)
		cell_number(ret, (uint32_t)port->peer_pid);
}

static void get_node(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	if (port_is_connected(port) && port->node >= 0)
		cell_number(ret, (uint32_t)port->node);
}

static void get_feature_names(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	bits_to_list(&hf_virtio_features, port->features, ret);
}

static void get_offered_names(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	bits_to_list(&hf_virtio_features, port->offered_features, ret);
}

static void get_protocol_names(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	bits_to_list(&protocol_features, port->protocol_features, ret);
}

static void get_device_status(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	bits_to_list(&device_status, port->status, ret);
}

static void get_mtu(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	if (port->mtu)
		cell_number(ret, port->mtu);
}

/* Vrings come in pairs; the guest receives from the even and sends on the odd ones. */
static void get_queues(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	cell_number(ret, port->nr_vrings / 2);
}

static const struct column port_columns[] = {
	{"name", "NAME", CELL_TEXT},
	{"state", "STATE", CELL_TEXT, get_state},
	{"status", "STATUS", CELL_TEXT, get_status, .record_only = true},
	{"kind", "KIND", CELL_TEXT},
	{"mode", "MODE", CELL_TEXT, get_mode},
	{"owner", "OWNER", CELL_TEXT},
	{"socket", "SOCKET", CELL_TEXT, .field = "path"},
	{"peer_pid", "PEER", CELL_NUMBER, get_peer},
	{"device", "DEVICE", CELL_NUMBER, get_device, .record_only = true},
	{"features", "FEATURES", CELL_NUMBER, .show = SHOW_HEX, .record_only = true},
	{"feature_names", "FEATURES", CELL_LIST, get_feature_names, .record_only = true},
	{"offered_features", "OFFERED", CELL_NUMBER, .show = SHOW_HEX, .record_only = true},
	{"offered_feature_names", NULL, CELL_LIST, get_offered_names},
	{"protocol_features", "PROTOCOL", CELL_NUMBER, .show = SHOW_HEX, .record_only = true},
	{"protocol_feature_names", "PROTOCOL", CELL_LIST, get_protocol_names, .record_only = true},
	{"device_status", NULL, CELL_NUMBER, .field = "status"},
	{"device_status_names", "DEVICE STATUS", CELL_LIST, get_device_status, .record_only = true},
	{"mtu", "MTU", CELL_NUMBER, get_mtu},
	{"numa", "NUMA", CELL_NUMBER, get_node},
	{"queue_pairs", "PAIRS", CELL_NUMBER, .record_only = true},
	{"num_of_vrings", "VRINGS", CELL_NUMBER, .field = "nr_vrings", .record_only = true},
	{"n_rxq", "RXQ", CELL_NUMBER, get_queues, .record_only = true},
	{"n_txq", "TXQ", CELL_NUMBER, get_queues, .record_only = true},
	{"started_vrings", "VRINGS", CELL_NUMBER},
	{"regions", "REGIONS", CELL_NUMBER, .field = "nr_regions", .record_only = true},
	{"memory_bytes", "MEMORY", CELL_NUMBER, .show = SHOW_SIZE},
	{"sessions", "SESSIONS", CELL_NUMBER},
	{"refused_messages", "REFUSED", CELL_NUMBER, .record_only = true},
	{"last_error", "LAST ERROR", CELL_TEXT, .record_only = true},
};
const struct table port_table =
	TABLE("ports", port_columns, "no ports yet; make one: holdfast port add NAME");

enum client_status ports_ask(struct client *client, bool connected_only, struct reply *ret)
{
	Holdfast__Control__PortListRequest list = HOLDFAST__CONTROL__PORT_LIST_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;

	list.connected_only = connected_only;
	request.body_case = REQUEST_BODY(PORT_LIST);
	request.port_list = &list;
	return client_call(client, &request, RESPONSE_BODY(PORT_LIST), ret);
}
