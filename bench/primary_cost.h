/* SPDX-License-Identifier: Apache-2.0 */
/* What its sessions cost a primary. */
#ifndef BENCH_PRIMARY_COST_H
#define BENCH_PRIMARY_COST_H

#include <sys/types.h>

#include "backend.h"

/* Of process `pid`, which serves `run_dir` and has `ports` of them. Takes some seconds. 0; -EPROTO:
 * it lists another number of ports; -errno. */
int primary_cost(pid_t pid, const char *run_dir, uint32_t ports, struct bench_cost *ret);

#endif
