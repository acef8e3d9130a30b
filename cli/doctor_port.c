/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps from the primary to a vSwitch that runs the rings. Each needs all before it to be
 * whole, so the first broken one is the cause and the rest would only be noise.
 */
#include <inttypes.h>
#include <string.h>

#include "bits.h"
#include "clock.h"
#include "doctor.h"
#include "text.h"

#define OLD_HEARTBEAT_NS (5 * NS_PER_S)
#define NO_HEARTBEAT_YET UINT64_MAX
#define STATUS_DRIVER_OK 4u
#define STATUS_FAILED	 128u

const pb_vring *doctor_vring(const struct port_view *view, uint32_t index)
{
	for (size_t i = 0; i < view->nr_vrings; i++)
		if (view->vrings[i]->index == index)
			return view->vrings[i];
	return NULL;
}

bool doctor_in_use(const pb_vring *vring)
{
	return vring->started && vring->enabled;
}

void doctor_judge_primary(const char *trouble, const pb_version *version, struct finding *ret)
{
	char age[TEXT_NUMBER_MAX];

	if (trouble)
		finding_reason(ret, trouble);
	else if (version)
		finding_ok(ret, "pid %d, version %s, up %s", version->pid, version->version,
			   text_age(version->uptime_ns, age));
	else
		finding_ok(ret, "answers");
}

static void step_primary(const struct doctor_facts *facts, struct finding *ret)
{
	doctor_judge_primary(facts->trouble, facts->primary, ret);
}

static void step_port(const struct doctor_facts *facts, struct finding *ret)
{
	const pb_port *port;

	if (facts->no_port || !facts->first) {
		finding_reason(ret, facts->no_port ? facts->no_port : "no such port");
		finding_remedy(ret, "holdfast port list; holdfast port add %s", facts->port_name);
		return;
	}
	port = facts->first->port;
	if (port->state == HOLDFAST__CONTROL__PORT_STATE__PORT_FAILED) {
		finding_broken(ret, "the port failed: %s",
			       *port->last_error ? port->last_error : "no reason given");
		finding_remedy(ret, "holdfast port del %s, then holdfast port add %s --socket PATH",
			       port->name, port->name);
		return;
	}
	finding_ok(ret, "%s, %s mode", port_state_name(port), port->client ? "client" : "server");
}

static bool has_path(const struct doctor_facts *facts)
{
	return facts->have_path && facts->first;
}

static void socket_missing(const pb_port *port, const struct path_facts *path, struct finding *ret)
{
	finding_broken(ret, "%s: %s", port->path, strerror(path->error));
	if (port->client)
		finding_remedy(ret,
			       "start QEMU with server=on,wait=off: holdfast port qemu-args %s",
			       port->name);
	else
		finding_remedy(ret,
			       "somebody removed it: holdfast port del %s; holdfast port add %s",
			       port->name, port->name);
}

static bool is_open_to_all(const struct path_facts *path)
{
	return !path->dir[0] || path->dir_mode & 0001;
}

/* Of those who are neither its owner nor root: can somebody write to it? */
static bool is_reached(const struct path_facts *path)
{
	bool group = path->dir_group && path->dir_mode & 0010;

	return (path->mode & 0002 && is_open_to_all(path)) ||
	       (path->mode & 0020 && (group || is_open_to_all(path)));
}

static void not_reached(const struct path_facts *path, const char *socket, struct finding *ret)
{
	bool open = is_open_to_all(path);
	const char *name = strrchr(socket, '/');

	finding_note(ret, "%s, mode %04o, %s:%s%s: a QEMU of another user cannot connect", socket,
		     path->mode & 07777, path->owner, path->group,
		     open ? "" : ", in a directory that is shut");
	if (open || !name)
		finding_remedy(ret, "chgrp kvm %s && chmod 0660 %s", socket, socket);
	else
		finding_remedy(ret, "cd %s && chgrp kvm . %s && chmod g+x . && chmod 0660 %s",
			       path->dir, name + 1, name + 1);
}

static void step_socket(const struct doctor_facts *facts, struct finding *ret)
{
	const pb_port *port = facts->first->port;
	const struct path_facts *path = &facts->path;
	bool cuse = port->kind == HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE;
	unsigned mode = path->mode & 07777;

	/* Who is connected needs no file any more. */
	if (path->error && port_is_connected(port)) {
		finding_note(ret, "%s: %s; the front-end is connected, but none can come again",
			     port->path, strerror(path->error));
	} else if (path->error) {
		socket_missing(port, path, ret);
	} else if (cuse ? !S_ISCHR(path->mode) : !S_ISSOCK(path->mode)) {
		finding_broken(ret, "%s is no %s (mode %06o)", port->path,
			       cuse ? "character device" : "socket", (unsigned)path->mode);
		finding_remedy(ret, "move it away: mv %s %s.old", port->path, port->path);
	} else if (!port_is_connected(port) && !port->client && !is_reached(path)) {
		not_reached(path, port->path, ret);
	} else {
		finding_ok(ret, "%s, mode %04o, %s:%s", port->path, mode, path->owner, path->group);
	}
}

static bool has_port(const struct doctor_facts *facts)
{
	return facts->first != NULL;
}

static void step_front_end(const struct doctor_facts *facts, struct finding *ret)
{
	const pb_port *port = facts->first->port;

	if (!port_is_connected(port)) {
		finding_broken(ret, "no front-end; %" PRIu64 " sessions so far%s%s", port->sessions,
			       *port->last_error ? ", last error: " : "", port->last_error);
		finding_remedy(ret, "start the guest with: holdfast port qemu-args %s", port->name);
	} else if (port->peer_pid > 0) {
		finding_ok(ret, "pid %d%s%s%s, session %" PRIu64, port->peer_pid,
			   facts->peer.name[0] ? " (" : "", facts->peer.name,
			   facts->peer.name[0] ? ")" : "", port->sessions);
	} else {
		finding_ok(ret, "connected, session %" PRIu64, port->sessions);
	}
}

static void step_features(const struct doctor_facts *facts, struct finding *ret)
{
	const pb_port *port = facts->first->port;
	char names[200];

	if (!port->features && !port->nr_regions) {
		finding_broken(ret,
			       "features 0x0 of 0x%" PRIx64
			       " offered: no driver has taken the device",
			       port->offered_features);
		finding_remedy(ret, "in the guest: modprobe virtio_net; ip link set dev eth0 up");
		return;
	}
	hf_bits_to_text(&hf_virtio_features, port->features, names, sizeof(names));
	if (port->refused_messages) {
		finding_note(ret, "0x%" PRIx64 "; %" PRIu64 " messages of the front-end refused",
			     port->features, port->refused_messages);
		finding_remedy(ret, "holdfast events --last 100 shows which");
	} else {
		finding_ok(ret, "0x%" PRIx64 ": %s", port->features, names);
	}
}

static uint32_t smallest_page(const struct port_view *view)
{
	uint32_t smallest = 0;

	for (size_t i = 0; i < view->nr_regions; i++)
		if (!smallest || view->regions[i]->page_bytes < smallest)
			smallest = view->regions[i]->page_bytes;
	return smallest;
}

static void step_memory(const struct doctor_facts *facts, struct finding *ret)
{
	const pb_port *port = facts->first->port;
	char size[TEXT_NUMBER_MAX], page[TEXT_NUMBER_MAX];
	int owner_node = facts->owner_process.node;

	if (!port->nr_regions) {
		finding_broken(ret, "0 memory regions");
		finding_remedy(ret, "give QEMU shared memory: holdfast port qemu-args %s",
			       port->name);
		return;
	}
	text_size(port->memory_bytes, size);
	text_size(smallest_page(facts->first), page);
	if (facts->owner && owner_node >= 0 && port->node >= 0 && owner_node != port->node) {
		finding_note(ret, "%u regions, %s in pages of %s on node %d; %s ran on node %d",
			     port->nr_regions, size, page, port->node, port->owner, owner_node);
		finding_remedy(ret, "run it near the memory: numactl -N %d holdfast-vswitch ...",
			       port->node);
		return;
	}
	finding_ok(ret, "%u regions, %s in pages of %s, node %d", port->nr_regions, size, page,
		   port->node);
}

static void step_rings(const struct doctor_facts *facts, struct finding *ret)
{
	const struct port_view *view = facts->first;
	size_t configured = 0, broken = 0, without_kick = 0;
	const pb_vring *bad = NULL;
	uint32_t size = 0;

	for (size_t i = 0; i < view->nr_vrings; i++) {
		const pb_vring *vring = view->vrings[i];

		configured += vring->configured;
		without_kick += vring->configured && vring->kick_fd < 0;
		broken += vring->broken;
		if (vring->broken && !bad)
			bad = vring;
	}
	if (bad) {
		finding_broken(ret,
			       "vring %u is broken (%zu in all): the guest's ring made no sense",
			       bad->index, broken);
		finding_remedy(
			ret,
			"holdfast stats %s shows the break_ reason; then reset the device in the "
			"guest",
			view->port->name);
		return;
	}
	for (uint32_t i = 0; i < 2; i++) {
		const pb_vring *vring = doctor_vring(view, i);

		if (vring && vring->configured && vring->size && vring->desc_gpa) {
			size = vring->size;
			continue;
		}
		finding_broken(ret, "vring %u: size %u, descriptors at 0x%" PRIx64 ", kick fd %d",
			       i, vring ? vring->size : 0, vring ? vring->desc_gpa : 0,
			       vring ? vring->kick_fd : -1);
		finding_remedy(ret, "in the guest: modprobe virtio_net; ip link set dev eth0 up");
		return;
	}
	finding_ok(ret, "%zu of %zu vrings set up, size %u%s", configured, view->nr_vrings, size,
		   without_kick ? ", some without kick: polled" : "");
}

static void step_started(const struct doctor_facts *facts, struct finding *ret)
{
	const struct port_view *view = facts->first;
	char names[80];
	size_t in_use = 0;

	if (view->port->status & STATUS_FAILED) {
		finding_broken(ret, "device status 0x%x: the guest's driver gave up",
			       view->port->status);
		finding_remedy(ret, "in the guest: dmesg | grep virtio");
		return;
	}
	for (uint32_t i = 0; i < 2; i++) {
		const pb_vring *vring = doctor_vring(view, i);

		if (vring && doctor_in_use(vring))
			continue;
		finding_broken(ret, "vring %u: %s, %s", i,
			       vring && vring->started ? "started" : "stopped",
			       vring && vring->enabled ? "enabled" : "disabled");
		finding_remedy(ret,
			       "in the guest: ip link set dev eth0 up (and: QEMU not paused?)");
		return;
	}
	/* Few front-ends send the status; without it the started rings must do. */
	if (view->port->status && !(view->port->status & STATUS_DRIVER_OK)) {
		finding_broken(
			ret, "device status 0x%x (%s): DRIVER_OK is missing", view->port->status,
			hf_bits_to_text(&device_status, view->port->status, names, sizeof(names)));
		finding_remedy(ret, "in the guest: modprobe virtio_net; dmesg | grep virtio");
		return;
	}
	for (size_t i = 0; i < view->nr_vrings; i++)
		in_use += doctor_in_use(view->vrings[i]);
	finding_ok(ret, "%zu vrings started and enabled%s", in_use,
		   view->port->status ? ", DRIVER_OK" : "");
}

static void owner_missing(const struct doctor_facts *facts, struct finding *ret)
{
	const pb_port *port = facts->first->port;

	if (facts->have_secondaries && facts->nr_secondaries)
		finding_broken(ret,
			       "nobody runs it; %zu secondaries attached, none serves this port",
			       facts->nr_secondaries);
	else
		finding_broken(ret, "nobody runs it; %s",
			       facts->have_secondaries ? "0 secondaries attached" : "no owner");
	finding_remedy(ret, "holdfast-vswitch --run-dir DIR (with port globs that match '%s')",
		       port->name);
}

static const pb_vring *not_running(const struct port_view *view)
{
	for (size_t i = 0; i < view->nr_vrings; i++)
		if (doctor_in_use(view->vrings[i]) && !view->vrings[i]->running)
			return view->vrings[i];
	return NULL;
}

static void step_owner(const struct doctor_facts *facts, struct finding *ret)
{
	const pb_port *port = facts->first->port;
	const pb_vring *idle = not_running(facts->first);
	char age[TEXT_NUMBER_MAX] = "unknown";

	if (!*port->owner) {
		owner_missing(facts, ret);
		return;
	}
	if (facts->owner && facts->owner->heartbeat_age_ns != NO_HEARTBEAT_YET)
		text_age(facts->owner->heartbeat_age_ns, age);
	if (facts->owner &&
	    (facts->owner_process.state == 'T' || facts->owner_process.state == 't')) {
		finding_broken(ret, "%s (pid %d) is stopped; heartbeat age: %s", port->owner,
			       facts->owner->pid, age);
		finding_remedy(ret, "kill -CONT %d", facts->owner->pid);
	} else if (idle) {
		finding_broken(ret, "%s has vring %u but has not set RUNNING", port->owner,
			       idle->index);
		finding_remedy(ret, "restart the vSwitch, or look into its log for port %s",
			       port->name);
	} else if (facts->owner && facts->owner->heartbeat_age_ns > OLD_HEARTBEAT_NS) {
		finding_note(ret, "%s (pid %d) RUNNING, but heartbeat age: %s", port->owner,
			     facts->owner->pid, age);
		finding_remedy(ret, "see what its control thread does: holdfast secondary show %s",
			       port->owner);
	} else {
		finding_ok(ret, "%s RUNNING, heartbeat age: %s", port->owner, age);
	}
}

static bool has_two_looks(const struct doctor_facts *facts)
{
	return facts->first && facts->second;
}

static bool has_counters(const struct doctor_facts *facts)
{
	return facts->first && facts->have_counters;
}

const struct step doctor_port_steps[] = {
	{"primary answers", NULL, step_primary, EXIT_NOT_CONNECTED},
	{"port exists", NULL, step_port, EXIT_FAILED},
	{"socket", has_path, step_socket, EXIT_NOT_CONNECTED},
	{"front-end connected", has_port, step_front_end, EXIT_NOT_CONNECTED},
	{"features negotiated", has_port, step_features, EXIT_FAILED},
	{"memory mapped", has_port, step_memory, EXIT_FAILED},
	{"rings configured", has_port, step_rings, EXIT_FAILED},
	{"started and enabled", has_port, step_started, EXIT_FAILED},
	{"owner attached", has_port, step_owner, EXIT_FAILED},
	{"guest posts receive buffers", has_two_looks, doctor_step_receive_buffers, EXIT_FAILED},
	{"guest's packets are taken", has_two_looks, doctor_step_dequeue, EXIT_FAILED},
	{"used index moves", has_two_looks, doctor_step_progress, EXIT_FAILED},
	{"notifications", has_two_looks, doctor_step_notifications, EXIT_FAILED},
	{"drops", has_counters, doctor_step_drops, EXIT_FAILED},
};
const size_t doctor_nr_port_steps = ARRAY_SIZE(doctor_port_steps);

size_t doctor_walk(const struct step *steps, size_t nr_steps, const struct doctor_facts *facts,
		   struct finding *findings, const struct step **ran)
{
	size_t n = 0;

	for (size_t i = 0; i < nr_steps; i++) {
		if (steps[i].applies && !steps[i].applies(facts))
			continue;
		findings[n] = (struct finding){0};
		steps[i].judge(facts, &findings[n]);
		ran[n++] = &steps[i];
		if (findings[n - 1].verdict == VERDICT_BROKEN)
			break;
	}
	return n;
}
