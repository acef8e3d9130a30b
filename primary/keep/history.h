/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of the past: the last events, and the totals of what was survived. It is in memory
 * that the store holds as well, so that the death which everybody asks about afterwards does not
 * take its own record along. Without a store it ends with the primary.
 */
#ifndef PRIMARY_HISTORY_H
#define PRIMARY_HISTORY_H

struct primary;

/* primary->events, and primary->continuity as an earlier life left them. Only the memory that makes
 * them outlive us may be missing: said, and 0. Else -ENOMEM. */
int history_open(struct primary *primary);
void history_close(struct primary *primary);
/* primary->continuity changed. */
void history_note(struct primary *primary);

#endif
