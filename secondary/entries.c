/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a ring, and asking the guest to kick: short bursts of their own. */
#include <errno.h>
#include <holdfast/burst.h>

#include "burst.h"
#include "notify.h"
#include "packed.h"
#include "packed_notify.h"

static bool has_ended_a_burst(const struct hf_vring *v)
{
	return v->lane->counters[HF_COUNTER_BURSTS] | v->lane->counters[HF_COUNTER_EMPTY_BURSTS];
}

/*
 * It is counted as an empty burst, or a thread that does nothing but look would seem to hang in one
 * burst. But that a ring's first chains were seen does not say that they can be run, and a burst
 * that ended does (blame.c): what finds some is a burst after one only, and before a look.
 */
static void end_look(struct hf_vring *v, bool found)
{
	if (!found || has_ended_a_burst(v))
		hf_count(v, HF_COUNTER_EMPTY_BURSTS, 1);
	else
		hf_write_once(&v->lane->looks, v->lane->looks + 1);
	hf_burst_end(v);
}

uint16_t hf_available_entries(struct hf_device *device, uint16_t queue)
{
	bool enabled;
	struct hf_vring *v = hf_burst_begin(device, queue, &enabled);
	uint16_t n = 0;

	if (!v)
		return 0;
	if (!v->broken)
		n = v->packed ? hf_packed_available(v, v->size, NULL)
			      : hf_vring_available(v, v->size);
	end_look(v, n);
	return n;
}

/* Of a packed ring every descriptor is one. */
static uint16_t taken_entries(struct hf_vring *v)
{
	uint32_t descs;

	if (!v->packed)
		return hf_vring_available(v, v->size);
	(void)hf_packed_available(v, v->size, &descs);
	return (uint16_t)descs;
}

uint16_t hf_free_entries(struct hf_device *device, uint16_t queue)
{
	bool enabled;
	struct hf_vring *v = hf_burst_begin(device, queue, &enabled);
	uint16_t n = 0, taken = 0;

	if (!v)
		return 0;
	if (!v->broken) {
		taken = taken_entries(v);
		n = (uint16_t)(v->size - taken);
	}
	end_look(v, taken);
	return n;
}

int hf_enable_guest_notification(struct hf_device *device, uint16_t queue, bool enable)
{
	bool enabled;
	struct hf_vring *v = hf_burst_begin(device, queue, &enabled);
	int result = 0;

	if (!v)
		return hf_burst_is_held(device, queue) ? -EBUSY : -ENOTCONN;
	if (v->broken)
		result = 0;
	else if (enable)
		result = v->packed ? hf_packed_kicks_on(v) : hf_notify_kicks_on(v);
	else if (v->kicks_on)
		v->packed ? hf_packed_kicks_off(v) : hf_notify_kicks_off(v);
	end_look(v, result);
	return result;
}

int hf_guest_kick_fd(const struct hf_device *device, uint16_t queue)
{
	const struct hf_vring *v =
		queue < HF_MAX_VRINGS ? hf_load_acquire(&device->vrings[queue]) : NULL;

	return v && hf_load_acquire(&v->my_grant) ? hf_read_once(&v->kick_fd) : -1;
}
