/* SPDX-License-Identifier: Apache-2.0 */
/* What a primary shares: a directory of two devices and a lane, as the library maps them. */
#ifndef TESTS_REGION_H
#define TESTS_REGION_H

#include "memory.h"

struct region {
	struct hf_memory directory, lane;
};

/* REQUIREs: for use inside test functions. */
void region_open(struct region *region);
void region_close(struct region *region);

#endif
