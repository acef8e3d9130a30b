/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_MEDIAN_H
#define BENCH_MEDIAN_H

#include <stdint.h>

/* Of `n` values, at least one, which are sorted by it. */
double median(double *values, uint32_t n);

#endif
