/* SPDX-License-Identifier: Apache-2.0 */
#include "lives.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allowance.h"
#include "device.h"
#include "fd.h"
#include "journal.h"
#include "ports.h"
#include "revoke.h"
#include "secondary_life.h"
#include "session.h"
#include "session_end.h"
#include "session_life.h"
#include "store.h"
#include "suite.h"

#define MOST_STORED 200u

void lives_begin(struct primary *p)
{
	unsetenv("NOTIFY_SOCKET");
	REQUIRE(store_open(p->loop, &p->store) == 0);
	REQUIRE(store_put(p->store, STORE_DIRECTORY, 'd', p->directory_memory.fd) == 0);
	REQUIRE(journal_create(p) == 0);
}

void lives_end(struct primary *p)
{
	journal_close(p);
	store_close(p->store);
	p->store = NULL;
}

static void set_user_addresses(struct device *device, uint32_t nr_vrings)
{
	uint64_t user = device->memory.regions[0].user_addr;

	for (uint32_t i = 0; i < nr_vrings; i++) {
		struct vring *vring = &device->vrings[i];

		vring->desc_user = user + vring->desc_gpa;
		vring->avail_user = user + vring->avail_gpa;
		vring->used_user = user + vring->used_gpa;
	}
}

struct port *lives_session(struct rig *rig, uint32_t nr_vrings, uint32_t queue_pairs,
			   int *ret_front)
{
	struct port *port = rig_port(rig, "p", nr_vrings);
	int sockets[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) == 0);
	port->queue_pairs = queue_pairs;
	set_user_addresses(&port->device, nr_vrings);
	port->session = session_new(port, sockets[0]);
	REQUIRE(port->session != NULL);
	*ret_front = sockets[1];
	port->session->number = port->device.session;
	port->session->greeted = true;
	port->session->messages = 12;
	port->device.features = 1ull << 32 | 1ull << 15;
	port->device.features_set = true;
	journal_port(port);
	return port;
}

void lives_inherit(struct primary *heir, const struct primary *dead, struct conf *conf)
{
	*heir = (struct primary){.conf = conf, .loop = loop_create()};
	heir->events = events_create();
	heir->ports = calloc(RIG_PORTS, sizeof(heir->ports[0]));
	heir->secondaries = calloc(RIG_SECONDARIES, sizeof(heir->secondaries[0]));
	heir->next_grant = 1000;
	REQUIRE(heir->loop && heir->events && heir->ports && heir->secondaries);
	REQUIRE(store_open(heir->loop, &heir->store) == 0);
	for (uint32_t i = 1; i < MOST_STORED; i++) {
		int fd = store_get(dead->store, i);

		if (fd < 0)
			continue;
		REQUIRE(store_put(heir->store, i, 'x', fd) == 0);
		close(fd);
	}
}

void lives_inherit_directory(struct primary *heir)
{
	int fd = store_get(heir->store, STORE_DIRECTORY);

	REQUIRE(hf_memory_adopt(&heir->directory_memory, fd) == 0);
	REQUIRE(hf_directory_adopt(&heir->directory, &heir->directory_memory) == 0);
}

static void forget_ports(struct primary *heir)
{
	for (uint32_t i = 0; i < RIG_PORTS; i++)
		if (heir->ports[i] && heir->ports[i]->session)
			session_destroy(heir->ports[i]->session);
	while (heir->revocations)
		revoke_cancel(heir->revocations);
	for (uint32_t i = 0; i < RIG_PORTS; i++) {
		struct port *port = heir->ports[i];

		if (!port)
			continue;
		hf_fd_close(&port->listener);
		device_reset(&port->device);
		port_abandon(port);
	}
}

void lives_forget(struct primary *heir)
{
	forget_ports(heir);
	for (uint32_t i = 0; i < RIG_SECONDARIES; i++)
		if (heir->secondaries[i])
			secondary_destroy(heir->secondaries[i]);
	if (heir->directory_memory.base)
		hf_memory_destroy(&heir->directory_memory);
	lives_end(heir);
	events_destroy(heir->events);
	loop_destroy(heir->loop);
	allowance_destroy(heir);
	free(heir->ports);
	free(heir->secondaries);
}
