/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps about packets in motion compare two looks at the rings. Split-ring indices are 16 bits
 * wide and run freely: only differences modulo 65536 mean anything. A packed ring has no indices in
 * memory to look at, so only its counters speak.
 *
 * An idle network is no fault. Broken is what cannot be idleness: packets that wait and are not
 * taken, buffers that were used up and not given back.
 */
#include <inttypes.h>

#include "doctor.h"

static uint16_t ahead(uint32_t idx, uint32_t behind)
{
	return (uint16_t)(idx - behind);
}

static bool is_enqueue(const pb_vring *vring)
{
	return vring->index % 2 == 0;
}

/* The same vring in both looks, when both can be compared. */
static const pb_vring *partner(const struct doctor_facts *facts, const pb_vring *vring)
{
	const pb_vring *later = doctor_vring(facts->second, vring->index);

	if (!later || !doctor_in_use(vring) || !doctor_in_use(later))
		return NULL;
	return vring->mapped && later->mapped && !vring->packed && !later->packed ? later : NULL;
}

/* What the owner has not consumed yet: packets of the guest, or its free buffers. */
static uint16_t waiting(const pb_vring *vring)
{
	return ahead(vring->avail_idx, vring->last_avail);
}

void doctor_step_receive_buffers(const struct doctor_facts *facts, struct finding *ret)
{
	uint64_t free_buffers = 0;
	size_t looked_at = 0;

	for (size_t i = 0; i < facts->first->nr_vrings; i++) {
		const pb_vring *vring = facts->first->vrings[i];
		const pb_vring *later = is_enqueue(vring) ? partner(facts, vring) : NULL;

		if (!later)
			continue;
		looked_at++;
		free_buffers += waiting(later);
		if (waiting(vring) || waiting(later) || vring->avail_idx != later->avail_idx)
			continue;
		finding_broken(ret, "vring %u: avail.idx %u, all taken; none posted in %u ms",
			       vring->index, later->avail_idx & 0xffff, DOCTOR_SAMPLE_MS);
		finding_remedy(ret,
			       "in the guest: ip link set dev eth0 up; if it is, the guest hangs");
		return;
	}
	if (looked_at)
		finding_ok(ret, "%" PRIu64 " buffers free in %zu vrings", free_buffers, looked_at);
	else
		finding_note(ret, "packed rings: no index in memory to look at");
}

void doctor_step_dequeue(const struct doctor_facts *facts, struct finding *ret)
{
	uint64_t taken = 0, left = 0;

	for (size_t i = 0; i < facts->first->nr_vrings; i++) {
		const pb_vring *vring = facts->first->vrings[i];
		const pb_vring *later = is_enqueue(vring) ? NULL : partner(facts, vring);
		uint16_t moved;

		if (!later)
			continue;
		moved = ahead(later->last_avail, vring->last_avail);
		taken += moved;
		left += waiting(later);
		if (moved || !waiting(vring) || !waiting(later))
			continue;
		finding_broken(ret,
			       "vring %u: %u packets wait (avail.idx %u, taken up to %u), 0 taken "
			       "in %u ms",
			       vring->index, waiting(later), later->avail_idx & 0xffff,
			       later->last_avail & 0xffff, DOCTOR_SAMPLE_MS);
		finding_remedy(ret, "the vSwitch does not poll: holdfast secondary show %s",
			       facts->first->port->owner);
		return;
	}
	finding_ok(ret, "%" PRIu64 " taken in %u ms, %" PRIu64 " waiting", taken, DOCTOR_SAMPLE_MS,
		   left);
}

void doctor_step_progress(const struct doctor_facts *facts, struct finding *ret)
{
	uint64_t moved[2] = {0, 0};

	for (size_t i = 0; i < facts->first->nr_vrings; i++) {
		const pb_vring *vring = facts->first->vrings[i];
		const pb_vring *later = partner(facts, vring);
		uint16_t gap;

		if (!later)
			continue;
		moved[is_enqueue(vring)] += ahead(later->used_idx, vring->used_idx);
		gap = ahead(later->last_used, later->used_idx);
		/* A burst in progress may be between the two; one that rests may not. */
		if (!gap || later->busy || vring->used_idx != later->used_idx ||
		    vring->last_used != later->last_used)
			continue;
		finding_note(ret, "vring %u: used.idx is %u in memory, %u in the owner's lane",
			     vring->index, later->used_idx & 0xffff, later->last_used & 0xffff);
		finding_remedy(ret, "restart the vSwitch: a new owner goes on from the ring");
		return;
	}
	if (moved[0] || moved[1])
		finding_ok(ret, "%" PRIu64 " from the guest, %" PRIu64 " to it in %u ms", moved[0],
			   moved[1], DOCTOR_SAMPLE_MS);
	else
		finding_note(ret, "idle: 0 packets in %u ms; send some and ask again",
			     DOCTOR_SAMPLE_MS);
}

void doctor_step_notifications(const struct doctor_facts *facts, struct finding *ret)
{
	size_t in_use = 0, no_call = 0, suppressed = 0;

	for (size_t i = 0; i < facts->second->nr_vrings; i++) {
		const pb_vring *vring = facts->second->vrings[i];

		if (!doctor_in_use(vring))
			continue;
		in_use++;
		no_call += vring->call_fd < 0;
		suppressed += vring->mapped && !vring->packed && (vring->avail_flags & 1);
	}
	if (facts->have_later_counters &&
	    facts->later_counters.notification_errors > facts->counters.notification_errors) {
		finding_broken(ret, "%" PRIu64 " calls to the guest failed",
			       facts->later_counters.notification_errors);
		finding_remedy(ret, "holdfast events --last 100; restart the guest");
	} else if (no_call) {
		finding_note(ret, "%zu of %zu vrings have no call eventfd: the guest polls",
			     no_call, in_use);
	} else if (suppressed) {
		finding_ok(ret, "%zu of %zu vrings ask for no interrupt just now", suppressed,
			   in_use);
	} else {
		finding_ok(ret, "%zu vrings want calls and can get them", in_use);
	}
}

void doctor_step_drops(const struct doctor_facts *facts, struct finding *ret)
{
	const struct counter_facts *before = &facts->counters;
	const struct counter_facts *now =
		facts->have_later_counters ? &facts->later_counters : before;
	const char *port = facts->first->port->name;

	if (now->dropped > before->dropped) {
		finding_broken(
			ret, "%" PRIu64 " dropped in %u ms, %" PRIu64 " in all; most: %s %" PRIu64,
			now->dropped - before->dropped, DOCTOR_SAMPLE_MS, now->dropped, now->worst,
			now->worst_value);
		finding_remedy(ret, "holdfast stats %s", port);
	} else if (now->no_buffer > before->no_buffer) {
		finding_note(ret,
			     "the guest is too slow: %" PRIu64 " packets found no buffer in %u ms",
			     now->no_buffer - before->no_buffer, DOCTOR_SAMPLE_MS);
		finding_remedy(
			ret, "more queues or a larger ring: holdfast port qemu-args %s --queues 2",
			port);
	} else if (now->dropped) {
		finding_note(ret, "none now; %" PRIu64 " so far, most: %s %" PRIu64, now->dropped,
			     now->worst, now->worst_value);
		finding_remedy(ret, "holdfast stats %s", port);
	} else {
		finding_ok(ret, "none");
	}
}
