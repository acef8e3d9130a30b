/* SPDX-License-Identifier: Apache-2.0 */
/* Counting packets of a burst: sizes are noted as they come, and counted at its end, at once when
 * they are all alike. */
#ifndef SECONDARY_HOP_TALLY_H
#define SECONDARY_HOP_TALLY_H

#include <holdfast/packet.h>

#include "vring.h"

struct hop_tally {
	uint16_t n;
	uint16_t groups; /* of those: to several stations */
	uint32_t total[HF_MAX_BURST];
	uint8_t group[HF_MAX_BURST]; /* HOP_… */
};

enum { HOP_UNICAST = 0, HOP_MULTICAST = 1, HOP_BROADCAST = 2 };

static inline uint8_t hop_group_of(const uint8_t *frame, uint32_t len)
{
	if (likely(!len || !(frame[0] & 1)))
		return HOP_UNICAST;
	return len >= 6 && (frame[0] & frame[1] & frame[2] & frame[3] & frame[4] & frame[5]) == 0xff
		       ? HOP_BROADCAST
		       : HOP_MULTICAST;
}

static inline void hop_tally_add(struct hop_tally *t, uint32_t total, uint8_t group)
{
	t->total[t->n] = total;
	t->group[t->n++] = group;
	t->groups = (uint16_t)(t->groups + (group != HOP_UNICAST));
}

/* Count the first `n`, and the burst. */
void hop_tally_end(struct hf_vring *vring, const struct hop_tally *tally, uint16_t n);

#endif
