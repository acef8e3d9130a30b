/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that hang in our place: for foreign*.c. */
#ifndef PRIMARY_FOREIGN_HELPER_H
#define PRIMARY_FOREIGN_HELPER_H

#include <stddef.h>
#include <sys/types.h>

#include "foreign.h"

/* Descriptors that a child may keep. */
#define FOREIGN_MOST_KEPT 259u

/* As fork(2), with or without (CLONE_FILES) a table of its own. */
pid_t foreign_fork(unsigned long flags);
_Noreturn void foreign_exit(void);
/* Close all descriptors but these. */
void foreign_close_others(const int *kept, size_t n);
int foreign_pidfd(pid_t pid);
void foreign_bury(pid_t pid);
/*
 * Of a process that our child has started and tells us of: its number, or -1. No descriptor is made
 * meanwhile: it would get the number that has to become free.
 */
pid_t foreign_await_word(int told, pid_t child);
/* Its pidfd, taken, is watched. Beyond the last place nobody is: foreign_full_since was not asked.
 */
void foreign_remember(struct foreign *foreign, int pidfd);

#endif
