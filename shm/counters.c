/* SPDX-License-Identifier: Apache-2.0 */
#include "counters.h"

#include <stddef.h>

static const char *const names[HF_NR_COUNTERS] = {
#define X(id, name) [HF_COUNTER_##id] = name,
	HF_COUNTERS(X)
#undef X
};

const char *hf_shm_counter_name(unsigned int counter)
{
	return counter < HF_NR_COUNTERS ? names[counter] : NULL;
}
