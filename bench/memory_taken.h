/* SPDX-License-Identifier: Apache-2.0 */
/* What memory a back-end takes, without guests'. */
#ifndef BENCH_MEMORY_TAKEN_H
#define BENCH_MEMORY_TAKEN_H

#include <stdint.h>
#include <sys/types.h>

/* Bytes of a process that are its own: RssAnon. */
uint64_t memory_private(pid_t pid);
/* Bytes that are there of files it has open whose names begin so, when each has one descriptor or
 * those that follow one another. */
uint64_t memory_of_files(pid_t pid, const char *name);

#endif
