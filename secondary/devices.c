/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices and their memory, as the primary sends and takes them.
 *
 * Theory of operation. Memory comes first (DeviceMemory…, DeviceReady): a snapshot of the
 * directory's slot says where each region lies, the descriptors say in which file; both together
 * become an immutable map, and vrings are set up against it (grants.c). When the memory table
 * changes the primary has revoked every vring before it sends the new memory, and has seen our
 * bursts end, so the old map can go as soon as the new one is there.
 *
 * The primary is trusted to say what we may run; what it says is checked all the same, because a
 * mistake in it must end as a log line here and not as a wild store into a guest.
 */
#include "devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "log.h"
#include "rarp.h"
#include "rescue.h"

struct hf_device **hf_devices_slot(struct hf_service *service, uint32_t slot)
{
	return slot < service->directory.header.max_devices ? &service->devices[slot] : NULL;
}

/* The device, when it is of this session. */
struct hf_device *hf_devices_find(struct hf_service *service, uint32_t slot, uint64_t session)
{
	struct hf_device **place = hf_devices_slot(service, slot);

	return place && *place && (*place)->session == session ? *place : NULL;
}

/*
 * What the switch hears is "run it". A ring that is granted but disabled supplies nothing, so an
 * enqueue queue is not to be run then; a dequeue queue is, since what the guest sends has to be
 * discarded (vhost-user, "Ring states").
 */
bool hf_devices_to_be_run(uint32_t queue, bool enabled)
{
	return enabled || queue % 2 == 1;
}

static void say_state(struct hf_device *device, uint16_t queue, bool enabled)
{
	struct hf_service *service = device->service;

	if (device->announced && !device->declined && service->ops->vring_state_changed)
		service->ops->vring_state_changed(device, queue, enabled, service->context);
}

void hf_devices_tell_state(struct hf_device *device, uint16_t queue, bool enabled)
{
	struct hf_vring *v = device->vrings[queue];

	if (v->enabled == enabled)
		return;
	v->enabled = enabled;
	say_state(device, queue, enabled);
}

void hf_devices_ask_for_burst(struct hf_device *device, uint16_t queue)
{
	if (device->vrings[queue]->enabled)
		say_state(device, queue, true);
}

static void put_device(struct hf_service *service, struct hf_device **place,
		       struct hf_device *device)
{
	hf_rescue_lock(service);
	*place = device;
	hf_rescue_unlock(service);
}

static void destroy(struct hf_service *service, struct hf_device **place)
{
	struct hf_device *device = *place;

	for (uint16_t q = 0; q < HF_MAX_VRINGS; q++) {
		if (!device->vrings[q])
			continue;
		hf_store_release(&device->vrings[q]->my_grant, (uint64_t)0);
		hf_devices_tell_state(device, q, false);
	}
	hf_store_release(&device->running, 0u);
	if (device->announced && !device->declined && service->ops->destroy_device)
		service->ops->destroy_device(device, service->context);
	put_device(service, place, NULL);
	hf_device_free(device);
}

void hf_devices_drop_all(struct hf_service *service)
{
	for (uint32_t i = 0; i < service->directory.header.max_devices; i++)
		if (service->devices[i])
			destroy(service, &service->devices[i]);
}

/* Room for the descriptors of a table of `total` regions of a new generation. */
static int pending_begin(struct hf_device *device, uint64_t generation, uint32_t total)
{
	if (device->pending_fds)
		hf_fd_close_all(device->pending_fds, device->pending_total);
	free(device->pending_fds);
	device->pending_have = 0;
	device->pending_total = total;
	device->pending_generation = generation;
	device->pending_fds = malloc((total ? total : 1) * sizeof(int));
	if (!device->pending_fds)
		return -ENOMEM;
	for (uint32_t i = 0; i < total; i++)
		device->pending_fds[i] = -1;
	return 0;
}

static void pending_end(struct hf_device *device)
{
	if (device->pending_fds)
		hf_fd_close_all(device->pending_fds, device->pending_total);
	free(device->pending_fds);
	device->pending_fds = NULL;
	device->pending_total = device->pending_have = 0;
}

void hf_on_device_memory(struct hf_service *service, const Holdfast__Attach__DeviceMemory *m,
			 struct hf_frame *frame)
{
	struct hf_device **place = hf_devices_slot(service, m->device);
	struct hf_device *device;

	if (!place || m->total > HF_SHM_MAX_REGIONS || m->first > m->total ||
	    frame->nr_fds > m->total - m->first) {
		log_error(service->tag, "memory of device %u makes no sense: ignored", m->device);
		return;
	}
	if (*place && (*place)->session != m->session)
		destroy(service, place);
	if (!*place)
		put_device(service, place, hf_device_create(service, m->device, m->session));
	device = *place;
	if (!device || (m->first == 0 && pending_begin(device, m->mem_generation, m->total))) {
		/* Attaching again brings everything. */
		hf_attach_lost(service, "no memory for a device");
		return;
	}
	if (!device->pending_fds || device->pending_generation != m->mem_generation ||
	    device->pending_total != m->total || device->pending_have != m->first)
		return;
	for (size_t i = 0; i < frame->nr_fds; i++)
		device->pending_fds[device->pending_have++] = hf_fd_take(&frame->fds[i]);
}

/* A consistent copy of the slot that belongs to the memory we were sent. */
static int take_snapshot(struct hf_service *service, struct hf_device *device)
{
	struct hf_shm_device *s = service->snapshot;
	int error = hf_directory_snapshot(&service->directory, device->slot, s);

	if (error)
		return error;
	/* A newer publication: its own messages are on their way. */
	if (s->session != device->session || s->mem_generation != device->pending_generation ||
	    s->nr_regions != device->pending_total)
		return -ESTALE;
	hf_write_once(&device->features, s->features);
	hf_write_once(&device->node, s->node);
	hf_write_once(&device->mtu, s->mtu);
	/* It does not change, and data threads may be reading it. */
	if (!device->announced)
		memcpy(device->name, s->name, sizeof(device->name));
	return 0;
}

/* Bursts may be using the map. */
static bool any_granted(const struct hf_device *device)
{
	for (uint32_t q = 0; q < HF_MAX_VRINGS; q++)
		if (device->vrings[q] && device->vrings[q]->granted)
			return true;
	return false;
}

void hf_on_device_ready(struct hf_service *service, const Holdfast__Attach__DeviceReady *m)
{
	struct hf_device *device = hf_devices_find(service, m->device, m->session);
	struct hf_guestmap *map = NULL;
	int error;

	if (!device || !device->pending_fds || device->pending_have != device->pending_total ||
	    device->pending_generation != m->mem_generation)
		return;
	/* A primary that took over sends what we may have already; rings run on this map. */
	if (device->map && device->mem_generation == m->mem_generation) {
		pending_end(device);
		return;
	}
	if (any_granted(device)) {
		log_error(service->tag, "new memory of port %s while its vrings run: ignored",
			  device->name);
		pending_end(device);
		return;
	}
	error = take_snapshot(service, device);
	if (!error)
		error = hf_guestmap_create(&map, service->snapshot->regions, device->pending_fds,
					   device->pending_total);
	pending_end(device);
	/* The old map goes in any case: the primary took back every vring that used it. */
	for (uint32_t q = 0; q < HF_MAX_VRINGS; q++)
		if (device->vrings[q])
			device->vrings[q]->set_up = false;
	if (!error)
		error = hf_device_put_map(device, map);
	else
		(void)hf_device_put_map(device, NULL);
	device->map_error = error;
	device->mem_generation = device->map ? m->mem_generation : 0;
	if (error && error != -ESTALE)
		log_error(service->tag,
			  "cannot map the memory of port %s: %s; its guest gets no "
			  "packets from here",
			  device->name, strerror(-error));
}

void hf_devices_announce(struct hf_service *service, struct hf_device *device)
{
	if (device->announced)
		return;
	device->announced = true;
	if (!service->ops || !service->ops->new_device)
		device->declined = true;
	else
		device->declined = service->ops->new_device(device, service->context) != 0;
}

static void say_retired(struct hf_service *service, uint32_t device, uint64_t session)
{
	Holdfast__Attach__Retired retired = HOLDFAST__ATTACH__RETIRED__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	retired.device = device;
	retired.session = session;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_RETIRED;
	message.retired = &retired;
	hf_say(service, &message);
}

void hf_on_device_retire(struct hf_service *service, const Holdfast__Attach__DeviceRetire *m)
{
	struct hf_device **place = hf_devices_slot(service, m->device);

	/* An older one as well: its own retirement may have died with a primary. */
	if (place && *place && (*place)->session <= m->session)
		destroy(service, place);
	say_retired(service, m->device, m->session);
}

/* The revocations that came before it were told to the vSwitch. */
void hf_on_flush(struct hf_service *service, const Holdfast__Attach__Flush *m)
{
	Holdfast__Attach__Flushed flushed = HOLDFAST__ATTACH__FLUSHED__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	if (service->flush)
		service->flush(service->flush_context);
	flushed.number = m->number;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_FLUSHED;
	message.flushed = &flushed;
	hf_say(service, &message);
}

void hf_on_device_rarp(struct hf_service *service, const Holdfast__Attach__DeviceRarp *m)
{
	struct hf_device *device = hf_devices_find(service, m->device, m->session);
	uint64_t rarp = 0;

	if (!device || m->mac.len != 6)
		return;
	memcpy(&rarp, m->mac.data, 6);
	hf_rarp_ask(device, rarp | HF_RARP_PENDING);
}
