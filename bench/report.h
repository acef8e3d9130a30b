/* SPDX-License-Identifier: Apache-2.0 */
/* Results for people and for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdint.h>

#include "measure.h"

/* `level`: of instructions, on the Holdfast side. `first`: what is beside DPDK: "holdfast" or
 * "floor". */
void report_header(double cycles_per_second, const char *level, const char *first);
void report_row(const struct result *result, double cycles_per_second);
/* A list of objects, one a line. 0 or -errno after a line on standard error. */
int report_json(const char *path, const struct result *results, uint32_t n,
		double cycles_per_second, const char *first);

#endif
