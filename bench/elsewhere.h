/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front-end on a core of its own: what it does to rings and buffers is done there, so that the
 * back-end finds their lines in another core's cache, as with a real guest.
 *
 * The two take turns and are never at work at once: what is measured is that lines have to come
 * over, not that two cores fight for one.
 */
#ifndef BENCH_ELSEWHERE_H
#define BENCH_ELSEWHERE_H

#include <stdbool.h>
#include <stdint.h>

/* Start the other core's thread. 0 or -errno after a line. */
int elsewhere_start(uint32_t cpu);
void elsewhere_stop(void);

/* Run work(arg) and wait for it: on the other core if `elsewhere`, else here. */
void elsewhere_do(bool elsewhere, void (*work)(void *arg), void *arg);

#endif
