/* SPDX-License-Identifier: Apache-2.0 */
/* A process of an earlier life, by its number and when it started. */
#ifndef PRIMARY_PROCESS_H
#define PRIMARY_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* When it started, in clock ticks since boot (proc(5), stat); 0: there is no such process. A number
 * is given out again, but not with the same start. */
uint64_t process_start(pid_t pid);

/* Processor time that its threads, dead ones too, have used so far; 0: there is no such process. */
uint64_t process_ran_ns(pid_t pid);

/* As proc(5) has it, stat: 'R', 'S', 'D', 'T', 't', 'Z'; 0: there is no such process. */
char process_state(pid_t pid);

/*
 * Kill it and, if asked, wait until it is dead, for seconds at most: not from the loop. 0: it does
 * not live any more, or at least none of its own instructions runs. -EBUSY: it was killed and does
 * not die, or it cannot be told whether that is the one; -EPERM: not ours to kill.
 */
int process_end(pid_t pid, uint64_t start, bool wait);

#endif
