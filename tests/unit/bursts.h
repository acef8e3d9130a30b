/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bursts that do what the library's do to grant, lane and used ring, and nothing else; and who
 * waits until a revocation has ended them. For tests of the primary: see primary_rig.h.
 */
#ifndef TESTS_BURSTS_H
#define TESTS_BURSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lane.h"
#include "port.h"
#include "waiting.h"

#define BATCH 3u

/* A data thread's. */
struct runner {
	struct hf_lane_vring *lane;
	const uint64_t *grant_word;
	uint16_t *used_idx;
	uint64_t *scratch; /* in guest memory: only touched inside a burst */
	uint64_t mine;	   /* the control thread's message */
	uint32_t stop;
	uint64_t bursts;
};

struct runner runner_for(struct vring *vring);
/* Publish BATCH entries as the library does. */
void burst_publish(struct hf_lane_vring *lane, uint16_t *used_idx, uint16_t intent);

struct waiting {
	struct revocation revocation;
	struct vring *vring;
	unsigned int done;
	bool owned; /* was it still, when we were told that it is not? */
};

/* NULL: no vring that must have no owner when it is done. */
struct waiting waiting_for(struct vring *vring);
/* For rig_until, of a struct waiting. */
bool is_done(void *context);

#endif
