/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the front-end's memory and features that only front_*.c need. */
#ifndef BENCH_FRONT_LAYOUT_H
#define BENCH_FRONT_LAYOUT_H

#include "frames.h"
#include "front.h"

#define FRONT_BUFFER_BYTES 1600u /* header and the longest frame but for jumbo ones */
#define FRONT_PAGE	   4096u
_Static_assert(FRONT_HEADER + FRAME_MAX <= FRONT_BUFFER_BYTES, "every frame fits one buffer");

#define VIRTIO_NET_F_MQ_BIT	 22
#define VIRTIO_F_VERSION_1_BIT	 32
#define VIRTIO_F_RING_PACKED_BIT 34
#define VHOST_USER_PROTOCOL_BIT	 30

/* front_split.c: of the buffer that is posted, or comes back, as number `index` (free-running). */
uint64_t front_offset(const struct front_ring *ring, uint32_t index);

/* front_packed.c: `n` descriptors; the next used one, false: there is none. */
void front_post_packed(struct front_ring *ring, uint16_t n, uint32_t len, uint16_t flags);
bool front_next_packed(struct front_ring *ring, struct vring_used_elem *ret);

#endif
