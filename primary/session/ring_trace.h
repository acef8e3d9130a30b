/* SPDX-License-Identifier: Apache-2.0 */
/* What can be seen in a guest's ring of those who ran it before. */
#ifndef PRIMARY_RING_TRACE_H
#define PRIMARY_RING_TRACE_H

#include <stdbool.h>
#include <stdint.h>

struct vring;

/* Was the ring, as far as can be seen, never used since the driver laid it out? */
bool ring_trace_is_fresh(const struct vring *vring);
/* used->idx of a split ring. False: it cannot be read. */
bool ring_trace_used(const struct vring *vring, uint16_t *ret_used);

#endif
