/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device of the library over a model guest, without primary and without sockets: vring 0 to the
 * guest, vring 1 from it, as a grant would set them up.
 */
#ifndef MODEL_RIG_H
#define MODEL_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "driver.h"
#include "guest.h"
#include "guestmap.h"
#include "reference.h"
#include "vring.h"

#define RIG_GRANT 6ull

/* Features, as most tests of rings put them together. */
#define V1	 HF_FEATURE(HF_F_VERSION_1)
#define PACKED	 HF_FEATURE(HF_F_RING_PACKED)
#define MRG	 HF_FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define INDIRECT HF_FEATURE(HF_F_INDIRECT_DESC)

struct rig_shape {
	uint64_t features;
	uint16_t size;			/* of both rings; 0: 256 */
	uint16_t base;			/* how far the rings have moved before */
	size_t memory;			/* 0: 4 MiB */
	const struct guest_span *spans; /* NULL: one region */
	uint32_t nr_spans;
	uint64_t gpa; /* base of guest memory */
	bool huge;    /* on 2 MiB pages */
};

struct rig {
	struct guest guest;
	struct driver rx; /* vring 0: enqueue */
	struct driver tx; /* vring 1: dequeue */
	uint64_t buffers; /* free guest memory from here on */
	uint64_t features;
	struct hf_device *device;
	struct hf_lane_vring *lanes; /* [2] */
	uint64_t grants[2];
	int calls[2]; /* call eventfds */
	int errs[2];
};

bool rig_create(struct rig *rig, const struct rig_shape *shape);
void rig_destroy(struct rig *rig);

uint64_t rig_counter(const struct rig *rig, uint16_t queue, enum hf_counter counter);
/* How often the guest was called, or told of a broken ring, since the last look. */
uint64_t rig_calls(struct rig *rig, uint16_t queue);
uint64_t rig_errors(struct rig *rig, uint16_t queue);

/* The judge of the ring that `driver`, one of the rig's, drives: on `image`, a copy of the guest's
 * bytes, and as if nobody had run a burst on it. */
struct reference rig_reference(const struct rig *rig, const struct driver *driver, uint8_t *image);

#endif
