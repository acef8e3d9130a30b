/* SPDX-License-Identifier: Apache-2.0 */
/* The time-stamp counter, with everything before it done and nothing after it begun. */
#ifndef BENCH_CYCLES_H
#define BENCH_CYCLES_H

#include <stdint.h>
#include <x86intrin.h>

static inline uint64_t cycles_now(void)
{
	uint64_t now;

	_mm_lfence();
	now = __rdtsc();
	_mm_lfence();
	return now;
}

/* Cycles of a second; takes a while. */
double cycles_per_second(void);

#endif
