/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "run.h"

#define MEMORY_BYTES (4u << 20)
#define FIRST_RING   0x1000u
#define SKIPPED	     77

/* A test of one level of instructions shows nothing at another. */
static void require_level(void)
{
	const char *wanted = getenv("HOLDFAST_SIMD");

	if (!wanted || !strcmp(wanted, hf_run_choose()->name))
		return;
	printf("skipped: this processor does not run HOLDFAST_SIMD=%s\n", wanted);
	exit(SKIPPED);
}

static bool setup_vring(struct rig *rig, uint16_t queue, const struct driver *driver)
{
	struct hf_vring *v = hf_device_get_vring(rig->device, queue);
	struct hf_vring_setup setup = {.grant = RIG_GRANT,
				       .grant_word = &rig->grants[queue],
				       .lane = &rig->lanes[queue],
				       .map = rig->device->map,
				       .features = rig->features,
				       .desc_gpa = driver->desc,
				       .avail_gpa = driver->avail,
				       .used_gpa = driver->used,
				       .size = driver->size,
				       .next = driver->used_seen};

	rig->lanes[queue].avail = rig->lanes[queue].used = driver->used_seen;
	rig->grants[queue] = RIG_GRANT | HF_GRANT_ENABLED;
	rig->calls[queue] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rig->errs[queue] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!v || hf_vring_setup(v, &setup))
		return false;
	/* The vring owns its descriptors. */
	v->call_fd = dup(rig->calls[queue]);
	v->err_fd = dup(rig->errs[queue]);
	v->has_call = v->has_err = true;
	return v->call_fd >= 0 && v->err_fd >= 0;
}

static bool create_rings(struct rig *rig, const struct rig_shape *shape)
{
	uint16_t size = shape->size ? shape->size : 256;
	bool event_idx = shape->features & HF_FEATURE(HF_F_EVENT_IDX);
	uint64_t (*create)(struct driver * driver, struct guest * guest, uint64_t gpa,
			   uint16_t size, bool event_idx, uint16_t base);
	uint64_t end;

	create = shape->features & HF_FEATURE(HF_F_RING_PACKED) ? driver_create_packed
								: driver_create;
	end = create(&rig->rx, &rig->guest, shape->gpa + FIRST_RING, size, event_idx, shape->base);
	if (end)
		end = create(&rig->tx, &rig->guest, end, size, event_idx, shape->base);
	rig->buffers = align_up(end, 4096);
	return end != 0;
}

bool rig_create(struct rig *rig, const struct rig_shape *shape)
{
	int fds[GUEST_MAX_REGIONS];

	require_level();
	*rig = (struct rig){.features = shape->features, .calls = {-1, -1}, .errs = {-1, -1}};
	if (!(shape->huge ? guest_create_huge
			  : guest_create)(&rig->guest, shape->memory ? shape->memory : MEMORY_BYTES,
					  shape->gpa, shape->spans, shape->nr_spans) ||
	    !create_rings(rig, shape))
		return false;
	rig->lanes = aligned_alloc(HF_SHM_LINE, 2 * sizeof(*rig->lanes));
	rig->device = hf_device_create(NULL, 0, 1);
	if (!rig->lanes || !rig->device)
		return false;
	rig->lanes[0] = rig->lanes[1] = (struct hf_lane_vring){0};
	rig->device->features = shape->features;
	for (uint32_t i = 0; i < rig->guest.nr_regions; i++)
		fds[i] = rig->guest.fd;
	if (hf_guestmap_create(&rig->device->map, rig->guest.regions, fds, rig->guest.nr_regions))
		return false;
	if (!setup_vring(rig, 0, &rig->rx) || !setup_vring(rig, 1, &rig->tx))
		return false;
	hf_device_set_running(rig->device, true);
	return true;
}

void rig_destroy(struct rig *rig)
{
	if (rig->device)
		hf_device_free(rig->device);
	driver_destroy(&rig->rx);
	driver_destroy(&rig->tx);
	guest_destroy(&rig->guest);
	free(rig->lanes);
	for (int i = 0; i < 2; i++) {
		close(rig->calls[i]);
		close(rig->errs[i]);
	}
}

uint64_t rig_counter(const struct rig *rig, uint16_t queue, enum hf_counter counter)
{
	return rig->lanes[queue].counters[counter];
}

static uint64_t drain(int fd)
{
	uint64_t value = 0;

	return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

uint64_t rig_calls(struct rig *rig, uint16_t queue)
{
	return drain(rig->calls[queue]);
}

uint64_t rig_errors(struct rig *rig, uint16_t queue)
{
	return drain(rig->errs[queue]);
}

struct reference rig_reference(const struct rig *rig, const struct driver *driver, uint8_t *image)
{
	uint16_t seen = driver->used_seen;

	return (struct reference){.image = image,
				  .guest = &rig->guest,
				  .desc = driver->desc,
				  .avail = driver->avail,
				  .used = driver->used,
				  .features = rig->features,
				  .size = driver->size,
				  .next = driver->packed ? seen & 0x7fff : seen,
				  .packed = driver->packed,
				  .wrap = seen & 0x8000,
				  .disabled =
					  !(rig->grants[driver == &rig->tx] & HF_GRANT_ENABLED)};
}
