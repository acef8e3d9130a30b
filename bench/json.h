/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include <stddef.h>
#include <stdio.h>

/* A list of `n` objects, which `row` writes one by one, a line each, to the file at `path`. 0, or
 * -errno after a line on standard error. */
int json_rows(const char *path, size_t n, void (*row)(FILE *file, const void *context, size_t i),
	      const void *context);

#endif
