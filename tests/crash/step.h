/* SPDX-License-Identifier: Apache-2.0 */
/* A child that runs one instruction at a time, and dies at the one it is told to. */
#ifndef CRASH_STEP_H
#define CRASH_STEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STEP_SKIPPED 77 /* exit status of a test that cannot be run here */

/* Can it be done here? Else a line says why not. */
bool step_possible(void);

/* A child that is about to run `run(arg)` and then exits; -1: none. */
pid_t step_start(void (*run)(void *arg), void *arg);
/* One instruction. False: it is gone. */
bool step_resume(pid_t pid);
/* Run until the four bytes at `word` are written. False: it is gone, or cannot be watched. */
bool step_to_store(pid_t pid, const uint32_t *word);
/* The SIGKILL, and the certainty. */
bool step_kill(pid_t pid);

#endif
