/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vrings as the primary grants and takes them: set up against the device's map, by VringPrepare
 * while another secondary runs them, or by the grant itself. A grant of what is set up already
 * only stores three numbers, and a revoked vring stays set up, so that it may come back as fast.
 */
#include "devices.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "notify.h"
#include "rescue.h"

/* The lane entry the grant names, as long as it is the one this vring always had. */
static struct hf_lane_vring *lane_of(struct hf_service *service, const struct hf_vring *v,
				     uint32_t entry)
{
	struct hf_lane_vring *lane;

	if (entry == 0 || entry >= service->lane_bytes / sizeof(*lane))
		return NULL;
	lane = hf_lane_entry(service->lane, entry);
	return !v->lane || v->lane == lane ? lane : NULL;
}

/* Any thread may ask for the kick descriptor: the word holds a whole answer at any time. */
static void put_kick(struct hf_vring *v, int fd)
{
	int old = v->kick_fd;

	hf_write_once(&v->kick_fd, fd);
	hf_fd_close(&old);
}

/* Which descriptors a message says it brings. */
struct brought {
	bool kick, call, err;
};

/* Take them in their order; those that are not there stay -1. */
static int take_fds(struct hf_vring *v, struct brought has, struct hf_frame *frame)
{
	size_t expected = (size_t)has.kick + has.call + has.err, i = 0;
	int *call = NULL, *err = NULL;
	int error;

	if (frame->nr_fds != expected)
		return -EPROTO;
	put_kick(v, has.kick ? hf_fd_take(&frame->fds[i++]) : -1);
	if (has.call)
		call = &frame->fds[i++];
	if (has.err)
		err = &frame->fds[i++];
	error = hf_notify_put_call(v, call);
	return error ? error : hf_notify_put_err(v, err);
}

/* The primary must not believe that somebody runs the ring. */
static void refuse_grant(struct hf_service *service, const Holdfast__Attach__VringGrant *m,
			 int error)
{
	Holdfast__Attach__VringRefused refused = HOLDFAST__ATTACH__VRING_REFUSED__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;

	refused.device = m->device;
	refused.session = m->session;
	refused.vring = m->vring;
	refused.grant = m->grant;
	refused.error = error;
	refused.life = m->life;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_VRING_REFUSED;
	message.vring_refused = &refused;
	hf_say(service, &message);
}

/* From now on no burst starts; the primary has seen that none is under way. */
static void let_go(struct hf_device *device, uint16_t queue)
{
	struct hf_vring *v = device->vrings[queue];

	hf_store_release(&v->my_grant, (uint64_t)0);
	/* Pairs with hf_burst_leave: what our last burst wrote into the vring is seen here, before
	 * the next grant is set up in it. The primary has waited for this already. */
	(void)hf_lane_quiescent(v->lane);
	hf_devices_tell_state(device, queue, false);
	v->granted = false; /* and stays set up: the next grant may need no more than its number */
}

/* A call that went to the old descriptor just before may not have been looked at. The data thread
 * calls: a write could block, and nobody would rescue this thread. It may have no burst by itself:
 * there is no packet for the guest, or it sleeps until the guest kicks. */
static void change_call(struct hf_device *device, uint16_t queue, int *fd)
{
	struct hf_vring *v = device->vrings[queue];
	int error;

	hf_rescue_lock(device->service);
	error = hf_notify_put_call(v, fd);
	hf_rescue_unlock(device->service);
	if (error)
		log_error(device->service->tag,
			  "vring %u of port %s has no call descriptor any more", queue,
			  device->name);
	if (!v->granted)
		return;
	hf_or(&v->asked, HF_ASKED_CALL);
	hf_devices_ask_for_burst(device, queue);
}

/*
 * A primary that took over repeats each grant, since it cannot know what we heard. True: this one
 * we have, and run on; its call descriptor may be newer than ours. An older one was taken back
 * without our hearing of it.
 */
static bool have_grant(struct hf_device *device, const Holdfast__Attach__VringGrant *m,
		       struct hf_frame *frame)
{
	struct hf_vring *v = device->vrings[m->vring];
	size_t call = m->has_kick;

	if (!v->granted)
		return false;
	if (v->my_grant != (m->grant & ~HF_GRANT_ENABLED)) {
		let_go(device, (uint16_t)m->vring);
		return false;
	}
	if (frame->nr_fds > call || !m->has_call)
		change_call(device, (uint16_t)m->vring, m->has_call ? &frame->fds[call] : NULL);
	hf_devices_tell_state(device, (uint16_t)m->vring,
			      hf_devices_to_be_run(m->vring, m->enabled));
	return true;
}

/* What the front-end may negotiate anew between two starts of a ring. */
static void take_negotiated(struct hf_device *device, uint64_t features, uint32_t mtu)
{
	hf_write_once(&device->features, features);
	hf_write_once(&device->mtu, (uint16_t)mtu);
}

/* Everything but the grant. 0 or -errno: the vring is not set up. */
static int set_up(struct hf_device *device, struct hf_vring *v, struct hf_vring_setup *setup,
		  uint64_t mem_generation, struct brought has, struct hf_frame *frame)
{
	struct hf_service *service = device->service;
	int error;

	v->set_up = false;
	setup->map = device->map;
	setup->features = device->features;
	setup->fence = !service->membarrier || service->fence;
	hf_rescue_lock(service);
	error = setup->lane ? take_fds(v, has, frame) : -EPROTO;
	hf_rescue_unlock(service);
	/* Busy: the primary that wrote has died, or is slow, and nothing lacks here. */
	if (!error && (!device->map || device->mem_generation != mem_generation))
		error = !device->map && device->map_error == -EBUSY ? -EBUSY : -ENXIO;
	if (!error)
		error = hf_vring_setup(v, setup);
	v->set_up = !error;
	return error;
}

/* No map of that memory: a newer table is on its way, or it was said why there is none. */
static void say_not_set_up(const struct hf_device *device, const char *what, uint32_t queue,
			   int error)
{
	hf_log(error == -ENXIO ? HF_LOG_INFO : HF_LOG_ERROR, device->service->tag,
	       "cannot %s vring %u of port %s: %s", what, queue, device->name, strerror(-error));
}

static uint16_t size_of(uint32_t size)
{
	return size <= HF_VRING_MAX_SIZE ? (uint16_t)size : 0;
}

void hf_on_vring_prepare(struct hf_service *service, const Holdfast__Attach__VringPrepare *m,
			 struct hf_frame *frame)
{
	struct hf_device *device = hf_devices_find(service, m->device, m->session);
	hf_shm_grant *word = hf_directory_grant(&service->directory, m->device, m->vring);
	struct hf_vring *v = device ? hf_device_get_vring(device, m->vring) : NULL;
	struct brought has = {m->has_kick, m->has_call, m->has_err};
	struct hf_vring_setup setup;
	int error;

	if (!v || !word || v->granted)
		return;
	take_negotiated(device, m->features, m->mtu);
	setup = (struct hf_vring_setup){
		.grant_word = word,
		.lane = lane_of(service, v, m->lane_entry),
		.desc_gpa = m->desc_gpa,
		.avail_gpa = m->avail_gpa,
		.used_gpa = m->used_gpa,
		.size = size_of(m->size),
	};
	error = set_up(device, v, &setup, m->mem_generation, has, frame);
	/* If it comes to a grant, that one is refused, and comes again with everything. */
	if (error) {
		say_not_set_up(device, "prepare", m->vring, error);
		return;
	}
	hf_vring_prefault(v);
	hf_devices_announce(service, device);
}

/* The set-up that comes with a grant, or that was there. */
static int set_up_for_grant(struct hf_device *device, struct hf_vring *v,
			    const Holdfast__Attach__VringGrant *m, const hf_shm_grant *word,
			    struct hf_frame *frame)
{
	struct brought has = {m->has_kick, m->has_call, m->has_err};
	struct hf_vring_setup setup = {
		.grant_word = word,
		.lane = lane_of(device->service, v, m->lane_entry),
		.desc_gpa = m->desc_gpa,
		.avail_gpa = m->avail_gpa,
		.used_gpa = m->used_gpa,
		.size = size_of(m->size),
	};

	if (!(m->grant & ~HF_GRANT_ENABLED))
		return -EPROTO;
	if (!m->prepared)
		return set_up(device, v, &setup, m->mem_generation, has, frame);
	return v->set_up && setup.lane && setup.lane == v->lane ? 0 : -ENXIO;
}

void hf_on_vring_grant(struct hf_service *service, const Holdfast__Attach__VringGrant *m,
		       struct hf_frame *frame)
{
	struct hf_device *device = hf_devices_find(service, m->device, m->session);
	hf_shm_grant *word = hf_directory_grant(&service->directory, m->device, m->vring);
	struct hf_vring *v = device ? hf_device_get_vring(device, m->vring) : NULL;
	int error;

	if (!device || !word || (v && have_grant(device, m, frame)))
		return;
	take_negotiated(device, m->features, m->mtu);
	error = v ? set_up_for_grant(device, v, m, word, frame) : -ENOMEM;
	if (error) {
		say_not_set_up(device, "run", m->vring, error);
		refuse_grant(service, m, error);
		return;
	}
	/* The primary has cleared the lane's entry. */
	hf_write_once(&v->lane->running, device->running);
	hf_vring_grant(v, m->grant & ~HF_GRANT_ENABLED, (uint16_t)m->used, (uint16_t)m->leftovers);
	v->granted = true;
	v->lane_entry = m->lane_entry;
	hf_devices_announce(service, device);
	hf_devices_tell_state(device, (uint16_t)m->vring,
			      hf_devices_to_be_run(m->vring, m->enabled));
}

static struct hf_vring *granted_vring(struct hf_device *device, uint32_t queue)
{
	struct hf_vring *v = device && queue < HF_MAX_VRINGS ? device->vrings[queue] : NULL;

	return v && v->granted ? v : NULL;
}

void hf_on_vring_notify(struct hf_service *service, const Holdfast__Attach__VringNotify *m,
			struct hf_frame *frame)
{
	struct hf_device *device = hf_devices_find(service, m->device, m->session);
	struct hf_vring *v = device && m->vring < HF_MAX_VRINGS ? device->vrings[m->vring] : NULL;

	if (!v || !(v->granted || v->set_up) || frame->nr_fds != (size_t)m->has_call)
		return;
	change_call(device, (uint16_t)m->vring, m->has_call ? &frame->fds[0] : NULL);
}

void hf_on_vring_state(struct hf_service *service, const Holdfast__Attach__VringState *m)
{
	struct hf_device *device = hf_devices_find(service, m->device, m->session);

	if (granted_vring(device, m->vring))
		hf_devices_tell_state(device, (uint16_t)m->vring,
				      hf_devices_to_be_run(m->vring, m->enabled));
}

void hf_on_vring_revoke(struct hf_service *service, const Holdfast__Attach__VringRevoke *m)
{
	struct hf_device *device = hf_devices_find(service, m->device, m->session);
	struct hf_vring *v = granted_vring(device, m->vring);

	/* Without a grant: whatever it is that we have, but `keep`. */
	if (!v || v->my_grant == (m->grant ? 0 : m->keep & ~HF_GRANT_ENABLED) ||
	    (m->grant && v->my_grant != (m->grant & ~HF_GRANT_ENABLED)))
		return;
	let_go(device, (uint16_t)m->vring);
}
