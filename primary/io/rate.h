/* SPDX-License-Identifier: Apache-2.0 */
/* A right to so many at once, and to one more in every so long. Zero-initialise. */
#ifndef PRIMARY_RATE_H
#define PRIMARY_RATE_H

#include <stdint.h>

#include "check.h"
#include "clock.h"

struct rate {
	uint64_t until_ns; /* to when everything spent so far lasts at the slow pace */
};

/* How long until one may be spent; 0: now. */
static inline uint64_t rate_wait_ns(const struct rate *rate, uint64_t at_once, uint64_t each_ns)
{
	uint64_t limit = hf_now_ns() + at_once * each_ns;

	return rate->until_ns > limit ? rate->until_ns - limit : 0;
}

static inline void rate_spend(struct rate *rate, uint64_t each_ns)
{
	rate->until_ns = max_u64(rate->until_ns, hf_now_ns()) + each_ns;
}

#endif
