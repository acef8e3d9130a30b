/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include "bench.h"

/* What devices take while nothing moves: each shape in a process of its own, since what a first one
 * leaves behind a second one would use. 0 or -errno. */
int idle_run(struct bench *bench);

#endif
