/* SPDX-License-Identifier: Apache-2.0 */
#include "vring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"
#include "offload.h"
#include "packed.h"
#include "run.h"

/* What a guest needs to have negotiated so that no packet is ever changed on the way to it. */
#define ALL_GUEST_OFFLOADS                                                                         \
	(HF_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | HF_FEATURE(VIRTIO_NET_F_GUEST_TSO4) |               \
	 HF_FEATURE(VIRTIO_NET_F_GUEST_TSO6) | HF_FEATURE(VIRTIO_NET_F_GUEST_ECN) |                \
	 HF_FEATURE(VIRTIO_NET_F_GUEST_UFO))

void hf_vring_init(struct hf_vring *v)
{
	*v = (struct hf_vring){.call_fd = -1,
			       .kick_fd = -1,
			       .err_fd = -1,
			       .kept_fd = -1,
			       .budget = HF_BURST_BUDGET};
}

void hf_vring_destroy(struct hf_vring *v)
{
	hf_store_release(&v->my_grant, (uint64_t)0);
	hf_fd_close(&v->call_fd);
	hf_fd_close(&v->kick_fd);
	hf_fd_close(&v->err_fd);
	hf_fd_close(&v->kept_fd);
	free(v->scratch);
	v->scratch = NULL;
	free(v->shadow);
	v->shadow = NULL;
	v->shadow_size = 0;
}

/* The available and the used ring end with an event word, where that was negotiated (virtio 1.1,
 * 2.6.6 and 2.6.8). */
static uint64_t event_bytes(uint64_t features)
{
	return features & HF_FEATURE(HF_F_EVENT_IDX) ? 2 : 0;
}

static uint64_t avail_bytes(uint64_t features, uint64_t size)
{
	return 4 + 2 * size + event_bytes(features);
}

static uint64_t used_bytes(uint64_t features, uint64_t size)
{
	return 4 + 8 * size + event_bytes(features);
}

/* Each part of the ring in one region. */
static int locate_rings(struct hf_vring *v, const struct hf_vring_setup *s)
{
	v->desc = hf_guestmap_whole(s->map, s->desc_gpa, sizeof(*v->desc) * (uint64_t)s->size);
	hf_write_once(&v->avail, (struct vring_avail *)hf_guestmap_whole(
					 s->map, s->avail_gpa, avail_bytes(s->features, s->size)));
	v->used = hf_guestmap_whole(s->map, s->used_gpa, used_bytes(s->features, s->size));
	if (!v->desc || !v->avail || !v->used)
		return -EINVAL;
	if ((uintptr_t)v->desc % 16 || (uintptr_t)v->avail % 2 || (uintptr_t)v->used % 4)
		return -EINVAL;
	return 0;
}

static int setup_split(struct hf_vring *v, const struct hf_vring_setup *s)
{
	if (!is_pow2(s->size) || s->size > HF_VRING_MAX_SIZE || locate_rings(v, s))
		return -EINVAL;
	return 0;
}

int hf_vring_setup(struct hf_vring *v, const struct hf_vring_setup *s)
{
	bool version_1 = s->features & HF_FEATURE(HF_F_VERSION_1);
	bool packed = s->features & HF_FEATURE(HF_F_RING_PACKED);
	int error = packed ? hf_packed_setup(v, s) : setup_split(v, s);

	if (error)
		return error;
	/* A burst that still holds an old grant looks at these on its way to being turned away, and
	 * hf_prefetch at some more: they are the same for every grant of a session, but the look
	 * must not be a data race. */
	hf_write_once(&v->grant_word, s->grant_word);
	hf_write_once(&v->lane, s->lane);
	hf_write_once(&v->mind, s->fence ? (uint8_t)HF_ENTER_FENCE : (uint8_t)0);
	hf_write_once(&v->packed, packed);
	v->run = hf_run_choose();
	v->map = s->map;
	v->features = s->features;
	v->size = s->size;
	v->mask = (uint16_t)(s->size - 1);
	v->mergeable = s->features & HF_FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	v->indirect = s->features & HF_FEATURE(HF_F_INDIRECT_DESC);
	v->event_idx = s->features & HF_FEATURE(HF_F_EVENT_IDX);
	/* virtio 1.1, 5.1.6.1: without either feature num_buffers is not there. */
	v->header_bytes = v->mergeable || version_1 ? 12 : 10;
	v->hot_gpa = v->hot_size = 0;
	v->hot_address = NULL;
	if (!v->scratch && (s->features & ALL_GUEST_OFFLOADS) != ALL_GUEST_OFFLOADS) {
		v->scratch = malloc(HF_SCRATCH_BYTES);
		if (!v->scratch)
			return -ENOMEM;
	}
	if (s->grant)
		hf_vring_grant(v, s->grant, s->next, s->leftovers);
	return 0;
}

void hf_vring_grant(struct hf_vring *v, uint64_t grant, uint16_t next, uint16_t leftovers)
{
	/* The primary has looked already; but no place may lead out of the ring. */
	if (v->packed && hf_packed_place(next) >= v->size)
		next &= HF_PACKED_WRAP;
	v->leftovers = (uint16_t)min_u64(leftovers, v->size);
	v->moved = 0;
	hf_write_once(&v->next, next);
	v->avail_seen = next;
	v->fresh = true;
	v->broken = false;
	v->kicks_on = false;
	v->call_due = v->err_due = false;
	/* Only then look: of a handler that runs now (sigbus.c) either its asking stays, or what it
	 * did before is seen. */
	(void)hf_take_bits(&v->asked, ~(uint32_t)HF_ASKED_LASTING);
	if (hf_read_once(&v->map->gone))
		hf_or(&v->asked, HF_ASKED_BREAK);
	/* Last: a burst that sees our grant sees the whole set-up (hf_load_acquire in burst.h). */
	hf_store_release(&v->my_grant, grant);
}

static void prefault(const void *start, size_t bytes)
{
	uintptr_t page = (uintptr_t)getpagesize();
	uintptr_t first = align_down((uintptr_t)start, page);
	uintptr_t end = align_up((uintptr_t)start + bytes, page);

	/* Before Linux 5.14 there is no such advice, and the first burst pays. */
	(void)madvise((void *)first, end - first, MADV_POPULATE_READ);
}

void hf_vring_prefault(const struct hf_vring *v)
{
	if (v->packed) {
		prefault(v->slots, sizeof(*v->slots) * (size_t)v->size);
		prefault(v->driver_event, sizeof(*v->driver_event));
		prefault(v->device_event, sizeof(*v->device_event));
		return;
	}
	prefault(v->desc, sizeof(*v->desc) * (size_t)v->size);
	prefault(v->avail, avail_bytes(v->features, v->size));
	prefault(v->used, used_bytes(v->features, v->size));
}

uint8_t *hf_vring_translate_slow(struct hf_vring *v, uint64_t gpa, uint64_t *len)
{
	const struct hf_mapped_region *r = hf_guestmap_find(v->map, gpa);

	if (!r)
		return NULL;
	v->hot_gpa = r->gpa;
	v->hot_size = r->size;
	v->hot_address = r->address;
	*len = min_u64(*len, r->size - (gpa - r->gpa));
	return r->address + (gpa - r->gpa);
}

void hf_vring_break(struct hf_vring *v, enum hf_counter reason)
{
	if (v->broken)
		return;
	/* Whatever the zeros looked like. */
	if (hf_read_once(&v->map->gone))
		reason = HF_COUNTER_BREAK_MEMORY_GONE;
	v->broken = true;
	hf_count(v, reason, 1);
	hf_store_release(&v->lane->broken, (uint16_t)(reason + 1));
	v->err_due = true;
}

void hf_vring_do_asked(struct hf_vring *v)
{
	uint32_t asked = hf_take_bits(&v->asked, ~(uint32_t)HF_ASKED_LASTING);

	if (asked & HF_ASKED_CALL)
		v->call_due = true;
	if (asked & HF_ASKED_BREAK)
		hf_vring_break(v, HF_COUNTER_BREAK_MEMORY_GONE);
}
