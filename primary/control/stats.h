/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that are put together from the draft and from what secondaries write. */
#ifndef PRIMARY_STATS_H
#define PRIMARY_STATS_H

#include <stdint.h>

#include "layout.h"

struct secondary;
struct vring;

/* Totals of a vring: those of past grants, and the present owner's so far. */
void stats_vring(const struct vring *vring, uint64_t ret_totals[HF_NR_COUNTERS]);

/* For how long its control thread has not dispatched, by its own word; UINT64_MAX: it never has,
 * or says a time that has not come. */
uint64_t stats_heartbeat_age(const struct secondary *secondary);

#endif
