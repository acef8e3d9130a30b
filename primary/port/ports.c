/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports come and go. How front-ends come to one is its door's affair (door.h).
 */
#include "ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allowance.h"
#include "check.h"
#include "device.h"
#include "door.h"
#include "event.h"
#include "foreign.h"
#include "journal.h"
#include "loop.h"
#include "lost.h"
#include "port.h"
#include "port_listen.h"
#include "primary.h"
#include "publish.h"
#include "session.h"
#include "session_end.h"
#include "session_message.h"

const char port_no_such_kind[] =
	"a port is vhost_user or vhost_cuse; use the command or the library "
	"that came with holdfastd";

static void on_retry(struct loop_timer *timer)
{
	struct port *port = container_of(timer, struct port, retry);

	port->door->retry(port);
}

/* What they left does not hang any more; or it is the end. */
static void forget_left(struct primary *primary, bool all)
{
	struct port **at = &primary->ports_left;

	while (*at) {
		struct port *port = *at;

		if (!all && !foreign_is_idle(&port->foreign)) {
			at = &port->next_left;
			continue;
		}
		*at = port->next_left;
		foreign_forget(&port->foreign);
		free(port);
	}
}

/* Its slot waits for what it left to hang: a port that is removed and added again would begin with
 * nothing that does, each time. */
static void free_port(struct port *port)
{
	struct primary *primary = port->primary;

	loop_timer_clear(primary->loop, &port->retry);
	grant_forget_lost(&port->device);
	device_reset(&port->device);
	publish_free(&port->device);
	journal_port_gone(port);
	if (port->door->free)
		port->door->free(port);
	primary->ports[port->device.slot] = NULL;
	port->next_left = primary->ports_left;
	primary->ports_left = port;
	forget_left(primary, false);
}

bool port_session_over(struct port *port)
{
	bool removing = port->removing;

	port->peer_pid = 0;
	if (removing)
		free_port(port);
	return removing;
}

static bool name_ok(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= HF_SHM_NAME_BYTES || name[0] == '.' || name[0] == '-')
		return false;
	/* Their sockets in the run directory are ours. */
	if (!strcmp(name, "attach") || !strcmp(name, "control"))
		return false;
	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("/,*?[]\\", *c))
			return false;
	return true;
}

static bool slot_waits(const struct primary *primary, uint32_t slot)
{
	for (struct port *port = primary->ports_left; port; port = port->next_left)
		if (port->device.slot == slot && !foreign_is_idle(&port->foreign))
			return true;
	return false;
}

/* The first free slot of the directory, or max_devices. */
static uint32_t free_slot(const struct primary *primary)
{
	uint32_t i = 0;

	while (i < primary->conf->max_devices && (primary->ports[i] || slot_waits(primary, i)))
		i++;
	return i;
}

const char port_last_places[] =
	"the last quarter of the device slots is for those who may all; remove ports, or start "
	"holdfastd with more --max-devices";

bool port_may_be_added_by_rule(const struct primary *primary)
{
	uint32_t free = 0;

	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		free += !primary->ports[i] && !slot_waits(primary, i);
	return free > primary->conf->max_devices / 4;
}

int port_check_new(const struct primary *primary, const char *name, const char **ret_reason)
{
	if (!name_ok(name)) {
		*ret_reason =
			"a port name has 1 to 63 printable characters, none of / , * ? [ ] \\ "
			"and no leading . or -, and is not attach or control; choose another";
		return -EINVAL;
	}
	if (port_find(primary, name)) {
		*ret_reason = "a port of that name exists; choose another name";
		return -EEXIST;
	}
	if (free_slot(primary) == primary->conf->max_devices) {
		*ret_reason = "all device slots are taken; start holdfastd with more --max-devices";
		return -ENOSPC;
	}
	return 0;
}

static struct port *new_at(struct primary *primary, uint32_t slot, const char *name,
			   const struct door *door, uint32_t queue_pairs)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->primary = primary;
	port->door = door;
	snprintf(port->name, sizeof(port->name), "%s", name);
	port->queue_pairs = queue_pairs ? queue_pairs : PORT_MAX_QUEUE_PAIRS;
	port->listener = -1;
	foreign_init(&port->foreign, primary->loop);
	port->listener_source.fd = -1;
	port->retry.fire = on_retry;
	device_init(&port->device, primary, port, slot);
	snprintf(port->device.tag, sizeof(port->device.tag), "port %s", name);
	return port;
}

int port_new(struct primary *primary, const char *name, const struct door *door,
	     uint32_t queue_pairs, struct port **ret_port, const char **ret_reason)
{
	struct port *port = new_at(primary, free_slot(primary), name, door, queue_pairs);
	int error = port ? door->make(port) : -ENOMEM;

	if (!error) {
		*ret_port = port;
		return 0;
	}
	*ret_reason = error == -EOPNOTSUPP ? "this build has no vhost-cuse; build it with "
					     "-Dcuse=enabled, or add a vhost-user port"
					   : "out of memory; add memory";
	free(port);
	return error;
}

void port_abandon(struct port *port)
{
	if (port->door->free)
		port->door->free(port);
	free(port);
}

int port_start(struct port *port, const char **ret_reason)
{
	struct primary *primary = port->primary;
	int error;

	primary->ports[port->device.slot] = port;
	publish_device(&port->device);
	error = port->door->open(port, ret_reason);
	if (error) {
		free_port(port);
		return error;
	}
	event_emit(primary, HOLDFAST__CONTROL__EVENT_KIND__PORT_ADDED, port->name, NULL, -1, 0,
		   "%s %s", port->client ? "connects to" : "listens on", port->path);
	return 0;
}

struct port *port_adopt(struct primary *primary, uint32_t slot, const struct journal_port *record,
			const struct door *door)
{
	struct port *port = new_at(primary, slot, record->name, door, record->queue_pairs);

	if (!port)
		return NULL;
	port->client = record->client;
	if (door->make(port) < 0) {
		free(port);
		return NULL;
	}
	memcpy(port->path, record->path, sizeof(port->path));
	port->removing = journal_slot(primary, slot)->removing;
	port->features_disabled = record->features_disabled;
	port->sessions = record->sessions;
	port->refused_messages = record->refused_messages;
	port->last_features = record->last_features;
	port->last_session = record->last_session;
	port->listener_stored = record->listener;
	port->socket_dev = record->socket_dev;
	port->socket_ino = record->socket_ino;
	primary->ports[slot] = port;
	return port;
}

void port_go_on(struct port *port)
{
	const char *reason = "";

	/* One that ended while it was taken over has armed the timer. */
	if (port->client ? !port->session && !port->retry.at_ns : port->listener < 0)
		(void)port->door->open(port, &reason); /* says why not */
	else
		port_listen_again(port);
}

void port_stored_all(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i] && primary->ports[i]->session)
			session_stored(primary->ports[i]->session);
}

/* The session, if any, ends; what is left to do then is port_session_over's. */
void port_stop(struct port *port, const char *why)
{
	port->removing = true;
	port_close_listener(port);
	journal_port(port);
	if (port->session)
		session_end(port->session, why);
	else
		free_port(port);
}

int port_del(struct primary *primary, const char *name)
{
	struct port *port = port_find(primary, name);

	if (!port)
		return -ENOENT;
	event_emit(primary, HOLDFAST__CONTROL__EVENT_KIND__PORT_REMOVED, name, NULL, -1, 0, "%s",
		   port->path);
	journal_removing(port); /* who was told that it is gone must never find it again */
	port_stop(port, "the port is removed");
	return 0;
}

void port_stop_all(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i] && !primary->ports[i]->removing)
			port_stop(primary->ports[i], "the primary ends");
}

bool port_all_idle(const struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i] && primary->ports[i]->session)
			return false;
	return true;
}

bool port_all_at_rest(const struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		const struct port *port = primary->ports[i];

		if (port && port->session && !session_at_rest(port->session))
			return false;
	}
	return true;
}

void port_destroy_all(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct port *port = primary->ports[i];

		if (!port)
			continue;
		port_close_listener(port);
		if (port->session)
			session_destroy(port->session);
		free_port(port);
	}
	forget_left(primary, true);
	allowance_destroy(primary);
}
