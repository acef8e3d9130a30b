/* SPDX-License-Identifier: Apache-2.0 */
/* A primary of the benchmark's own. */
#ifndef BENCH_HOLDFASTD_H
#define BENCH_HOLDFASTD_H

#include <sys/types.h>

#define HOLDFASTD_PATH_MAX 108u

struct holdfastd {
	pid_t pid; /* 0: not running */
	char run_dir[88];
};

/* Start `program` (NULL: the one of this build) with a run directory in `dir` and these further
 * arguments (NULL-terminated; NULL: none), and wait until secondaries can attach. 0, or -errno
 * after a line on standard error. */
int holdfastd_start(struct holdfastd *daemon, const char *program, const char *dir,
		    const char *const *more);
/* End it and remove its run directory. */
void holdfastd_stop(struct holdfastd *daemon);

/* A program that was built with this one, `name` as "/primary/holdfastd"; PATH_MAX bytes of
 * room. 0 or -errno. */
int holdfastd_find(const char *name, char *path);

#endif
