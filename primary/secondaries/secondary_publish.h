/* SPDX-License-Identifier: Apache-2.0 */
/* What the directory says of a secondary. */
#ifndef PRIMARY_SECONDARY_PUBLISH_H
#define PRIMARY_SECONDARY_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

struct secondary;

/* `state` is an enum hf_shm_secondary_state. */
void secondary_publish(const struct secondary *secondary, uint32_t state);
/* Grant it nothing more, or something again. What it runs stays; see handover.h. */
void secondary_set_draining(struct secondary *secondary, bool draining);

#endif
