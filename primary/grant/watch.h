/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secondaries that hang while nobody asks for their rings: stopped, swapped out, looping, stuck in
 * one burst. Noticed within --hang-limit and a quarter; what is done about it is in watch.c.
 */
#ifndef PRIMARY_WATCH_H
#define PRIMARY_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct primary;
struct secondary;
struct device;
struct watch;

/* Look several times within the limit, from now on; nothing when the limit is 0. 0 or -ENOMEM. */
int watch_open(struct primary *primary);
void watch_close(struct primary *primary);

/* One look, as the timer does it. `now_ns` is of hf_now_ns() and never goes back. */
void watch_look(struct primary *primary, uint64_t now_ns);

/* Its session is over, it may be freed. */
void watch_device_gone(const struct device *device);
/* It may be freed. */
void watch_secondary_gone(struct secondary *secondary);

#endif
