/* SPDX-License-Identifier: Apache-2.0 */
/* The levels of instructions that a test can have bursts run at (secondary/run.h). */
#ifndef MODEL_LEVELS_H
#define MODEL_LEVELS_H

#include <stdint.h>

#include "run.h"

#define LEVELS_MOST 4u

/* No chain is simple to it: all go the general way, one at a time. */
extern const struct hf_run_ops level_general;

/* The general way, then those levels that this processor has, from the lowest. How many. */
uint32_t levels_find(const struct hf_run_ops *ret[LEVELS_MOST]);

#endif
