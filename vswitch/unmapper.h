/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the unmapping of guest memory out of this process's death. */
#ifndef VSWITCH_UNMAPPER_H
#define VSWITCH_UNMAPPER_H

/* Main thread, first of all: before other threads, and before there are descriptors that must not
 * outlive us. It becomes the user of `rights`, which stays: who has our memory must not have root's
 * rights. On failure, which is said, a death only takes longer. */
struct rights;
void unmapper_start(const struct rights *rights);

#endif
