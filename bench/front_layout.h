/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the front-end's memory and features that only front_*.c need. */
#ifndef BENCH_FRONT_LAYOUT_H
#define BENCH_FRONT_LAYOUT_H

#include "frames.h"
#include "front.h"

#define FRONT_BUFFER_BYTES    1600u /* of a posted buffer: header and the largest frame */
#define FRONT_BUFFER_DISTANCE (25u * 64u)
#define FRONT_PAGE	      4096u
_Static_assert(FRONT_BUFFER_BYTES <= FRONT_BUFFER_DISTANCE, "buffers do not overlap");
_Static_assert(FRONT_HEADER + FRAME_MAX <= FRONT_BUFFER_BYTES, "every frame fits one buffer");

#define VIRTIO_F_VERSION_1_BIT	32
#define VHOST_USER_PROTOCOL_BIT 30

#endif
