/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that were received and wait: one of them is to be cut into several packets (udp_cut.h),
 * and those behind it came after it. A copy each; the order stays. One thread at a time.
 */
#ifndef VSWITCH_STAGE_H
#define VSWITCH_STAGE_H

#include <holdfast/packet.h>
#include <stdbool.h>
#include <stdint.h>

#include "sizes.h"
#include "stats.h"
#include "udp_cut.h"

struct staged {
	struct hf_offload offload;
	uint32_t len;
};

struct stage {
	uint8_t *memory; /* BURST times PACKET_ROOM; pages come with their first use */
	struct staged frames[BURST];
	uint16_t count;
	uint16_t next;	    /* the first that still waits */
	bool cutting;	    /* that one is begun */
	struct udp_cut cut; /* … and this far */
};

/* NULL when memory lacks. */
struct stage *stage_create(void);
void stage_free(struct stage *stage);

/* Add a copy of a frame, at most BURST until it is empty again. False: no room. */
bool stage_put(struct stage *stage, const struct hf_packet *packet);
/* Take up to `nr` packets; what cannot be cut is dropped and counted. */
uint16_t stage_take(struct stage *stage, struct hf_packet **packets, uint16_t nr,
		    struct port_stats *stats);

static inline bool stage_waits(const struct stage *stage)
{
	return stage && stage->next < stage->count;
}

#endif
