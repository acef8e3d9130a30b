/* SPDX-License-Identifier: Apache-2.0 */
/* A device's requests, whose turn it is. */
#ifndef PRIMARY_CUSE_QUEUE_H
#define PRIMARY_CUSE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct cuse;
struct loop_source;
struct loop_timer;

/* A message of the kernel, whole. */
void cuse_take(struct cuse *cuse, const uint8_t *bytes, size_t len);
void cuse_on_device(struct loop_source *source, uint32_t events);
void cuse_on_again(struct loop_timer *timer);

#endif
