/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_grants.h"

#include <string.h>

#include "event.h"
#include "grant.h"
#include "lost.h"
#include "publish.h"
#include "retire.h"
#include "revocation.h"
#include "revoke.h"
#include "tell.h"
#include "waiting.h"

struct fake fake;

#define MAX_WAITING 16
static struct revocation *waiting[MAX_WAITING];
static unsigned int nr_waiting;

/* Only its address is used. */
static long imaginary;

void fake_reset(void)
{
	fake = (struct fake){0};
	nr_waiting = 0;
}

bool fake_granted(const struct vring *vring)
{
	return vring->owner != NULL;
}

static bool covers(const struct revocation *r, const struct vring *vring)
{
	return r->device == vring->device &&
	       (r->vring == GRANT_ALL_VRINGS || r->vring == vring->index);
}

static unsigned int count_granted(const struct revocation *r)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		n += covers(r, &r->device->vrings[i]) && r->device->vrings[i].owner;
	return n;
}

static void finish(struct revocation *r)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		struct vring *vring = &r->device->vrings[i];

		if (!covers(r, vring) || !vring->owner)
			continue;
		vring->owner = NULL;
		vring->base = vring->base_used = fake.position[i];
	}
	r->active = false;
	if (r->disabling)
		grant_offer(r->device);
	r->done(r);
}

static void start(struct revocation *r)
{
	r->active = true;
	if (count_granted(r)) {
		fake.revocations++;
		if (fake.hold && nr_waiting < MAX_WAITING) {
			waiting[nr_waiting++] = r;
			return;
		}
	}
	finish(r);
}

unsigned int fake_release(void)
{
	struct revocation *now[MAX_WAITING];
	unsigned int n = nr_waiting;

	memcpy(now, waiting, sizeof(now));
	nr_waiting = 0;
	for (unsigned int i = 0; i < n; i++)
		finish(now[i]);
	return n;
}

void revoke_start(struct revocation *r, struct device *device, int vring)
{
	r->device = device;
	r->vring = vring;
	r->disabling = false;
	start(r);
}

void revoke_cancel(struct revocation *r)
{
	for (unsigned int i = 0; i < nr_waiting; i++)
		if (waiting[i] == r)
			waiting[i] = waiting[--nr_waiting];
	r->active = false;
}

bool revoke_covers(const struct vring *vring)
{
	for (unsigned int i = 0; i < nr_waiting; i++)
		if (covers(waiting[i], vring))
			return true;
	return false;
}

void grant_offer(struct device *device)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS && !fake.orphan; i++) {
		struct vring *vring = &device->vrings[i];

		if (!vring->started || vring->broken || vring->owner || revoke_covers(vring))
			continue;
		vring->owner = (struct secondary *)(void *)&imaginary;
		fake.position[i] = vring->base;
	}
}

void grant_set_enabled(struct revocation *r, struct vring *vring, bool enabled)
{
	if (enabled)
		return;
	r->device = vring->device;
	r->vring = vring->index;
	r->disabling = true;
	start(r);
}

void grant_send_call(struct vring *vring)
{
	(void)vring;
	fake.calls_sent++;
}

void grant_send_rarp(struct device *device, const uint8_t mac[6])
{
	(void)device;
	fake.rarps++;
	memcpy(fake.mac, mac, 6);
}

bool grant_congested(const struct device *device)
{
	(void)device;
	return fake.congested;
}

void grant_forget_lost(struct device *device)
{
	(void)device;
}

void grant_retire(struct device *device)
{
	(void)device;
	fake.retired++;
}

void publish_device(struct device *device)
{
	(void)device;
	fake.published++;
}

void publish_free(struct device *device)
{
	(void)device;
	fake.freed++;
}

void event_emit(struct primary *primary, Holdfast__Control__EventKind kind, const char *port,
		const char *secondary, int vring, uint64_t duration_ns, const char *format, ...)
{
	(void)primary;
	(void)port;
	(void)secondary;
	(void)vring;
	(void)duration_ns;
	(void)format;
	fake.refused_events += kind == HOLDFAST__CONTROL__EVENT_KIND__MESSAGE_REFUSED;
}
