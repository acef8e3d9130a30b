/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the unmapping of guest memory out of this process's death. */
#ifndef VSWITCH_KEEPER_H
#define VSWITCH_KEEPER_H

/* Main thread, first of all: before other threads, and before there are descriptors that must not
 * outlive us. On failure, which is said, a death only takes longer. */
void keeper_start(void);

#endif
