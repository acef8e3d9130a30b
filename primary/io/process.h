/* SPDX-License-Identifier: Apache-2.0 */
/* Other processes: which one a number is, what it does, how it ends. */
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
 * The signal that it died by, once its pidfd says that it is dead. 0: it ended itself, or nobody
 * says: that is for its parent, and for others until it has looked if they may trace it (proc(5),
 * stat), and afterwards since Linux 6.15 (PIDFD_GET_INFO).
 */
int process_end_signal(int pidfd, pid_t pid);

/* How many processes the kernel has killed for want of memory since it began; UINT64_MAX: it does
 * not say (/proc/vmstat). */
uint64_t process_oom_kills(void);

/*
 * Kill it and, if asked, wait until it is dead, for seconds at most: not from the loop. 0: it does
 * not live any more, or at least none of its own instructions runs. -EBUSY: it was killed and does
 * not die, or it cannot be told whether that is the one; -EPERM: not ours to kill.
 */
int process_end(pid_t pid, uint64_t start, bool wait);

#endif
