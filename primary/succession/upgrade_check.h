/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May this program take over from us? It is run with our own arguments and --abi: so it also says
 * whether it still knows them. In a process group of its own, against a deadline, while the loop
 * runs on. The file is opened once: what is looked at, run and then executed is that one, whatever
 * stands at its path meanwhile.
 */
#ifndef PRIMARY_UPGRADE_CHECK_H
#define PRIMARY_UPGRADE_CHECK_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "loop.h"

struct upgrade_check {
	/* Set by the caller. `error` 0, or -errno with a reason that ends with the remedy; valid
	 * during the call. */
	void (*done)(struct upgrade_check *check, int error, const char *reason);

	/* Its own; zero at first. */
	struct loop *loop;
	char path[4096];
	int program;	  /* open for being executed, from a good start to upgrade_check_forget */
	struct stat file; /* as it was when it was run */
	pid_t pid;	  /* 0: nothing under way */
	bool late;	  /* it was killed; `done` has run, or will not */
	int pidfd;
	int output;
	struct loop_source ended;
	struct loop_timer deadline;
};

/*
 * `path` is absolute, `argv` what we were started with. 0: `done` is called later, never before
 * this returns. Else -errno: -EINVAL, -ENOENT, -EACCES, -ENOEXEC, ... with *ret_reason, static or
 * the check's.
 */
int upgrade_check_start(struct upgrade_check *check, struct loop *loop, const char *path,
			char **argv, const char **ret_reason);
/* End what is under way, as soon as the loop sees it; `done` is not called. */
void upgrade_check_cancel(struct upgrade_check *check);
/* The same when the loop does not run any more. */
void upgrade_check_close(struct upgrade_check *check);
/* The program is not wanted any more. Also without a start, and again. */
void upgrade_check_forget(struct upgrade_check *check);
/* Is it as it was when it was run, and does it still stand at its path? */
bool upgrade_check_unchanged(const struct upgrade_check *check);

/* The judgement alone: does what a program said to --abi fit us? 0; -EBADMSG: it is no holdfastd;
 * -EPROTO: another one's. `said` is changed; `reason` has room for `size`. */
int upgrade_check_judge(char *said, char *reason, size_t size);

#endif
