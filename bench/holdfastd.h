/* SPDX-License-Identifier: Apache-2.0 */
/* A primary of the benchmark's own. */
#ifndef BENCH_HOLDFASTD_H
#define BENCH_HOLDFASTD_H

#include <sys/types.h>

#define HOLDFASTD_PATH_MAX 108u

struct options;

struct holdfastd {
	pid_t pid; /* 0: not running */
	char run_dir[88];
};

/* Start it and wait until secondaries can attach. 0, or -errno after a line on standard error. */
int holdfastd_start(struct holdfastd *daemon, const struct options *options);
/* End it and remove its run directory. */
void holdfastd_stop(struct holdfastd *daemon);

#endif
