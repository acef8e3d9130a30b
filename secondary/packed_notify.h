/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls and kicks of a packed ring: two event suppression structures instead of flags and event
 * indices (virtio 1.1, 2.7.10). The same shape and the same trap as in notify.h: each side stores,
 * and then looks at what the other stored, with a full fence in between.
 *
 * Each structure is one aligned 32-bit word, flags << 16 | position, read and written as a whole.
 */
#ifndef SECONDARY_PACKED_NOTIFY_H
#define SECONDARY_PACKED_NOTIFY_H

#include "packed.h"

enum {
	HF_PACKED_EVENTS_ON = 0,
	HF_PACKED_EVENTS_OFF = 1,
	HF_PACKED_EVENTS_AT = 2, /* at the position; with VIRTIO_F_EVENT_IDX only */
};

/* Did the ring go past the driver's event position on its way from `old` to v->next? Any number may
 * stand there: what lies outside of the ring is simply not passed. */
static inline bool hf_packed_passed(const struct hf_vring *v, uint16_t old, uint16_t event)
{
	return hf_packed_distance(v, old, event) < v->moved;
}

/* After publishing: the ring went v->moved descriptors on from `old`. Flags that are not defined
 * ask for a call: one too many harms nobody. */
static inline void hf_packed_notify_guest(struct hf_vring *v, uint16_t old)
{
	uint32_t event;
	uint16_t flags;
	bool wanted;

	hf_fence_full();
	event = hf_read_once(v->driver_event);
	flags = (uint16_t)(event >> 16) & 3;
	if (flags == HF_PACKED_EVENTS_AT && v->event_idx)
		wanted = hf_packed_passed(v, old, (uint16_t)event);
	else
		wanted = flags != HF_PACKED_EVENTS_OFF;
	if (wanted)
		v->call_due = true;
	else
		hf_count(v, HF_COUNTER_GUEST_NOTIFICATIONS_SUPPRESSED, 1);
}

/* Ask the guest not to kick. Data thread, inside a burst. */
static inline void hf_packed_kicks_off(struct hf_vring *v)
{
	v->kicks_on = false;
	hf_write_once(v->device_event, (uint32_t)HF_PACKED_EVENTS_OFF << 16);
}

/* As hf_notify_kicks_on. */
static inline bool hf_packed_kicks_on(struct hf_vring *v)
{
	uint32_t event = (uint32_t)HF_PACKED_EVENTS_ON << 16;

	v->kicks_on = true;
	if (v->event_idx)
		event = (uint32_t)HF_PACKED_EVENTS_AT << 16 | v->next;
	hf_write_once(v->device_event, event);
	hf_fence_full();
	return hf_packed_is_available(hf_packed_look(v, v->next), v->next);
}

#endif
