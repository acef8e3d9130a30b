/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include <errno.h>
#include <stdlib.h>

#include "arena.h"
#include "fd.h"
#include "sigbus.h"

struct hf_device *hf_device_create(struct hf_service *service, uint32_t slot, uint64_t session)
{
	struct hf_device *device = hf_arena_take(HF_ARENA_DEVICE);

	if (!device)
		return NULL;
	device->service = service;
	device->slot = slot;
	device->session = session;
	device->node = -1;
	for (unsigned int i = 0; i < HF_DEVICE_OWN; i++)
		hf_vring_init(&device->own[i]);
	return device;
}

void hf_device_free(struct hf_device *device)
{
	for (unsigned int i = 0; i < HF_MAX_VRINGS; i++) {
		if (device->vrings[i])
			hf_vring_destroy(device->vrings[i]);
		if (i >= HF_DEVICE_OWN)
			hf_arena_give(HF_ARENA_VRING, device->vrings[i]);
	}
	if (device->pending_fds)
		hf_fd_close_all(device->pending_fds, device->pending_total);
	free(device->pending_fds);
	(void)hf_device_put_map(device, NULL);
	hf_arena_give(HF_ARENA_DEVICE, device);
}

int hf_device_put_map(struct hf_device *device, struct hf_guestmap *map)
{
	int error = map ? hf_sigbus_guard(device, map) : 0;

	hf_sigbus_unguard(device->map);
	hf_guestmap_destroy(device->map);
	if (error) {
		hf_guestmap_destroy(map);
		map = NULL;
	}
	device->map = map;
	return error;
}

static struct hf_vring *make_vring(void)
{
	struct hf_vring *v = hf_arena_take(HF_ARENA_VRING);

	if (v)
		hf_vring_init(v);
	return v;
}

struct hf_vring *hf_device_get_vring(struct hf_device *device, uint32_t queue)
{
	struct hf_vring *v;

	if (queue >= HF_MAX_VRINGS)
		return NULL;
	v = device->vrings[queue];
	if (v)
		return v;
	v = queue < HF_DEVICE_OWN ? &device->own[queue] : make_vring();
	if (!v)
		return NULL;
	/* What a vring that was not there was not told. */
	hf_write_once(&v->asked, device->running ? 0 : (uint32_t)HF_ASKED_STAY);
	if (queue >= device->nr_vrings)
		hf_write_once(&device->nr_vrings, (uint16_t)(queue + 1));
	/* Data threads that find it see it initialised. */
	hf_store_release(&device->vrings[queue], v);
	/* Whoever announces something meanwhile finds the vring, or we what it announces. */
	hf_fence_full();
	if (queue & 1 && hf_read_once(&device->rarp))
		hf_or(&v->asked, (uint32_t)HF_ASKED_RARP);
	return v;
}

const char *hf_device_name(const struct hf_device *device)
{
	return device->name;
}

uint32_t hf_device_id(const struct hf_device *device)
{
	return device->slot;
}

uint64_t hf_device_features(const struct hf_device *device)
{
	return hf_read_once(&device->features);
}

uint16_t hf_device_mtu(const struct hf_device *device)
{
	return hf_read_once(&device->mtu);
}

int hf_device_node(const struct hf_device *device)
{
	return hf_read_once(&device->node);
}

uint16_t hf_device_nr_vrings(const struct hf_device *device)
{
	return hf_read_once(&device->nr_vrings);
}

bool hf_device_vring_enabled(const struct hf_device *device, uint16_t queue)
{
	const struct hf_vring *v =
		queue < HF_MAX_VRINGS ? hf_load_acquire(&device->vrings[queue]) : NULL;
	uint64_t mine = v ? hf_load_acquire(&v->my_grant) : 0;

	return mine && hf_read_once(hf_read_once(&v->grant_word)) == (mine | HF_GRANT_ENABLED);
}

void hf_device_set_running(struct hf_device *device, bool running)
{
	hf_store_release(&device->running, (uint32_t)running);
	for (unsigned int i = 0; i < HF_MAX_VRINGS; i++) {
		struct hf_vring *v = device->vrings[i];

		if (!v)
			continue;
		if (running)
			(void)hf_take_bits(&v->asked, (uint32_t)HF_ASKED_STAY);
		else
			hf_or(&v->asked, HF_ASKED_STAY);
		if (v->lane)
			hf_write_once(&v->lane->running, (uint32_t)running);
	}
}

bool hf_device_running(const struct hf_device *device)
{
	return hf_read_once(&device->running);
}

void hf_device_set_user(struct hf_device *device, void *user)
{
	hf_store_release(&device->user, user);
}

void *hf_device_user(const struct hf_device *device)
{
	return hf_load_acquire(&device->user);
}

size_t hf_counter_count(void)
{
	return HF_NR_COUNTERS;
}

const char *hf_counter_name(size_t index)
{
	return index < HF_NR_COUNTERS ? hf_shm_counter_name((unsigned int)index) : NULL;
}

int hf_device_counters(const struct hf_device *device, uint16_t queue, uint64_t *values,
		       size_t nr_values)
{
	const struct hf_vring *v =
		queue < HF_MAX_VRINGS ? hf_load_acquire(&device->vrings[queue]) : NULL;
	const struct hf_lane_vring *lane;

	if (!v || !hf_load_acquire(&v->my_grant))
		return -ENOTCONN;
	lane = hf_read_once(&v->lane);
	for (size_t i = 0; i < nr_values && i < HF_NR_COUNTERS; i++)
		values[i] = hf_read_once(&lane->counters[i]);
	return 0;
}
