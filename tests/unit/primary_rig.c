/* SPDX-License-Identifier: Apache-2.0 */
#include "primary_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allowance.h"
#include "attach.h"
#include "check.h"
#include "clock.h"
#include "control.h"
#include "device.h"
#include "fd.h"
#include "guestmap.h"
#include "lane.h"
#include "port.h"
#include "publish.h"
#include "secondary_life.h"
#include "suite.h"

#define LOOK_NS (200 * NS_PER_US)

/* The guests' own view of their memory, by slot. */
static struct hf_guestmap *maps[RIG_PORTS];

void rig_open(struct rig *rig)
{
	struct primary *p = &rig->primary;

	memset(rig, 0, sizeof(*rig));
	hf_log_set_level(HF_LOG_ERROR);
	strcpy(rig->dir, "/tmp/holdfast-test-XXXXXX");
	REQUIRE(mkdtemp(rig->dir) != NULL);
	snprintf(rig->conf.run_dir, sizeof(rig->conf.run_dir), "%s", rig->dir);
	rig->conf.max_devices = RIG_PORTS;
	rig->conf.max_secondaries = RIG_SECONDARIES;
	rig->conf.lane_bytes = 64 * 1024;
	/* Far away: the secondary may be this very process, and its threads may lose their processor
	 * in a burst. A test that is about the deadline sets its own. */
	rig->conf.fence_deadline_ns = 60 * NS_PER_S;
	rig->conf.fence = true;
	rig->conf.attach_mode = rig->conf.control_mode = 0600;
	rig->conf.port_mode = 0600;
	p->conf = &rig->conf;
	p->loop = loop_create();
	p->events = events_create();
	p->ports = calloc(RIG_PORTS, sizeof(p->ports[0]));
	p->secondaries = calloc(RIG_SECONDARIES, sizeof(p->secondaries[0]));
	p->next_grant = 2;
	p->next_session = 1;
	p->next_flush = 1;
	p->next_secondary = 1;
	p->started_ns = hf_now_ns();
	p->features_enabled = port_supported_features();
	REQUIRE(p->loop && p->events && p->ports && p->secondaries);
	REQUIRE(hf_memory_create(&p->directory_memory, "test-directory",
				 hf_directory_size(RIG_PORTS, RIG_SECONDARIES), HF_NODE_ANY,
				 false) == 0);
	REQUIRE(hf_directory_format(&p->directory, &p->directory_memory, RIG_PORTS, RIG_SECONDARIES,
				    77) == 0);
}

void rig_close(struct rig *rig)
{
	struct primary *p = &rig->primary;

	control_close(p);
	attach_close(p);
	for (uint32_t i = 0; i < RIG_SECONDARIES; i++)
		if (p->secondaries[i])
			secondary_destroy(p->secondaries[i]);
	for (uint32_t i = 0; i < RIG_PORTS; i++)
		if (p->ports[i])
			rig_port_free(rig, p->ports[i]);
	CHECK(p->revocations == NULL);
	loop_timer_clear(p->loop, &rig->timer);
	allowance_destroy(p);
	hf_memory_destroy(&p->directory_memory);
	events_destroy(p->events);
	loop_destroy(p->loop);
	free(p->ports);
	free(p->secondaries);
	CHECK_EQ(rmdir(rig->dir), 0);
}

static void on_look(struct loop_timer *timer)
{
	struct rig *rig = container_of(timer, struct rig, timer);

	rig->met = rig->condition && rig->condition(rig->context);
	rig->looks_left -= rig->looks_left != 0;
	if (rig->met || (!rig->looks_left && hf_now_ns() >= rig->give_up_ns))
		loop_stop(rig->primary.loop);
	else
		loop_timer_set(rig->primary.loop, timer, LOOK_NS);
}

bool rig_until(struct rig *rig, bool (*condition)(void *context), void *context, unsigned int ms)
{
	rig->condition = condition;
	rig->context = context;
	rig->give_up_ns = hf_now_ns() + ms * NS_PER_MS;
	rig->looks_left = 4 + ms;
	rig->timer.fire = on_look;
	REQUIRE(loop_timer_set(rig->primary.loop, &rig->timer, 0) == 0);
	REQUIRE(loop_run(rig->primary.loop) == 0);
	return rig->met;
}

struct ended {
	pid_t pid;
	int status;
};

static bool has_ended(void *context)
{
	struct ended *child = context;

	return waitpid(child->pid, &child->status, WNOHANG) == child->pid;
}

int rig_until_ended(struct rig *rig, pid_t pid)
{
	struct ended child = {.pid = pid};

	if (rig_until(rig, has_ended, &child, 20000))
		return child.status;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -1;
}

static int new_memory(size_t bytes)
{
	int fd = memfd_create("test-guest", MFD_CLOEXEC);

	REQUIRE(fd >= 0);
	REQUIRE(ftruncate(fd, (off_t)bytes) == 0);
	return fd;
}

static void set_up_vring(struct vring *vring)
{
	uint64_t at = (uint64_t)vring->index * 16384;

	vring->size = RIG_RING_SIZE;
	vring->desc_gpa = at;
	vring->avail_gpa = at + 4096;
	vring->used_gpa = at + 8192;
	vring->address_given = true;
	vring->has_address = true;
	vring->has_kick = true;
	vring->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vring->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vring->started = true;
	vring->enabled = true;
}

static struct port *new_port(struct rig *rig, const char *name)
{
	struct port *port = calloc(1, sizeof(*port));
	uint32_t slot = 0;

	REQUIRE(port != NULL);
	while (slot < RIG_PORTS && rig->primary.ports[slot])
		slot++;
	REQUIRE(slot < RIG_PORTS);
	port->primary = &rig->primary;
	port->listener = -1;
	snprintf(port->name, sizeof(port->name), "%s", name);
	device_init(&port->device, &rig->primary, port, slot);
	snprintf(port->device.tag, sizeof(port->device.tag), "port %s", name);
	rig->primary.ports[slot] = port;
	return port;
}

struct port *rig_port(struct rig *rig, const char *name, uint32_t nr_vrings)
{
	struct port *port = new_port(rig, name);
	struct device *device = &port->device;

	device->session = rig->primary.next_session++;
	device->memory.count = 1;
	device->memory.regions[0] =
		(struct hf_shm_region){.size = RIG_MEMORY, .user_addr = 1ull << 40, .node = -1};
	device->region_fds[0] = new_memory(RIG_MEMORY);
	device->mem_generation = 1;
	REQUIRE(hf_guestmap_create(&maps[device->slot], device->memory.regions, device->region_fds,
				   1) == 0);
	/* A forked child plays the secondary's part in some tests. */
	for (uint32_t r = 0; r < maps[device->slot]->count; r++)
		REQUIRE(madvise(maps[device->slot]->regions[r].base,
				maps[device->slot]->regions[r].mapped, MADV_DOFORK) == 0);
	for (uint32_t i = 0; i < nr_vrings; i++)
		set_up_vring(&device->vrings[i]);
	publish_device(device);
	return port;
}

void rig_port_free(struct rig *rig, struct port *port)
{
	rig->primary.ports[port->device.slot] = NULL;
	hf_guestmap_destroy(maps[port->device.slot]);
	maps[port->device.slot] = NULL;
	device_reset(&port->device);
	publish_free(&port->device);
	free(port);
}

void *rig_guest(const struct device *device, uint64_t gpa, uint64_t len)
{
	return hf_guestmap_whole(maps[device->slot], gpa, len);
}

uint16_t *rig_used_idx(const struct vring *vring)
{
	uint16_t *used = rig_guest(vring->device, vring->used_gpa, 4);

	REQUIRE(used != NULL);
	return used + 1;
}

struct secondary *rig_secondary(struct rig *rig, const char *name, Holdfast__Attach__Role role,
				const char *glob, int *ret_socket)
{
	char *globs[] = {(char *)(uintptr_t)glob};
	struct secondary_identity identity = {
		.name = name,
		.role = role,
		.globs = globs,
		.nr_globs = glob != NULL,
		.version = "test",
		.membarrier = true,
		.pid = getpid(),
		.uid = getuid(),
		.allowed = ALLOW_ANY_PORT,
	};
	struct timeval limit = {.tv_sec = 20};
	struct secondary *secondary;
	int sockets[2], pidfd;

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
	REQUIRE(fcntl(sockets[0], F_SETFL, O_NONBLOCK) == 0);
	REQUIRE(setsockopt(sockets[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
	pidfd = pidfd_open(getpid(), 0);
	REQUIRE(pidfd >= 0);
	REQUIRE(secondary_create(&rig->primary, &identity, sockets[0], pidfd, &secondary) == 0);
	REQUIRE(secondary_listen(secondary) == 0);
	*ret_socket = sockets[1];
	return secondary;
}

uint64_t rig_grant_word(const struct vring *vring)
{
	const struct device *device = vring->device;

	return hf_load_acquire(
		hf_directory_grant(&device->primary->directory, device->slot, vring->index));
}

struct hf_lane_vring *rig_lane(const struct vring *vring)
{
	REQUIRE(vring->owner != NULL);
	return hf_lane_entry(vring->owner->lane.base, vring->lane_entry);
}

unsigned int rig_events(const struct rig *rig, Holdfast__Control__EventKind kind,
			const struct event **ret_last)
{
	const struct events *events = rig->primary.events;
	unsigned int count = 0;

	for (uint64_t n = 1; n <= events_newest(events); n++) {
		const struct event *event = events_get(events, n);

		if (!event || event->kind != kind)
			continue;
		count++;
		if (ret_last)
			*ret_last = event;
	}
	return count;
}

static Holdfast__Attach__ToSecondary *receive(int socket, int flags, size_t *ret_fds)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	struct hf_frame frame = {.bytes = bytes};

	if (flags & MSG_DONTWAIT) {
		char peek;

		if (recv(socket, &peek, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
			return NULL;
	}
	if (hf_frame_receive(socket, &frame) <= 0)
		return NULL;
	if (ret_fds)
		*ret_fds = frame.nr_fds;
	hf_frame_close_fds(&frame);
	return (Holdfast__Attach__ToSecondary *)hf_frame_unpack(
		&holdfast__attach__to_secondary__descriptor, frame.bytes, frame.len);
}

Holdfast__Attach__ToSecondary *rig_message(int socket, size_t *ret_fds)
{
	return receive(socket, 0, ret_fds);
}

void rig_message_free(Holdfast__Attach__ToSecondary *message)
{
	hf_frame_free_unpacked((ProtobufCMessage *)message);
}

Holdfast__Attach__ToSecondary *rig_expect(int socket, Holdfast__Attach__ToSecondary__BodyCase body,
					  size_t nr_fds)
{
	size_t came = 0;
	Holdfast__Attach__ToSecondary *m = rig_message(socket, &came);

	REQUIRE(m != NULL);
	CHECK_EQ(m->body_case, body);
	CHECK_EQ(came, nr_fds);
	return m;
}

void rig_expect_only(int socket, Holdfast__Attach__ToSecondary__BodyCase body, size_t nr_fds)
{
	rig_message_free(rig_expect(socket, body, nr_fds));
}

size_t rig_skip_to(int socket, Holdfast__Attach__ToSecondary__BodyCase body)
{
	Holdfast__Attach__ToSecondary *m;
	size_t skipped = 0;

	while ((m = rig_message(socket, NULL)) && m->body_case != body) {
		rig_message_free(m);
		skipped++;
	}
	REQUIRE(m != NULL);
	rig_message_free(m);
	return skipped;
}

bool rig_has_message(int socket)
{
	char byte;

	return recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void rig_drain(int socket)
{
	Holdfast__Attach__ToSecondary *message;

	while ((message = receive(socket, MSG_DONTWAIT, NULL)))
		rig_message_free(message);
}
