/* SPDX-License-Identifier: Apache-2.0 */
/* The death of a secondary. */
#ifndef PRIMARY_DEATH_H
#define PRIMARY_DEATH_H

struct primary;
struct secondary;

/* A secondary is dead (pidfd): its vrings have positions recovered from ring and lane, waiting
 * revocations complete, and its devices are offered to others. */
void grant_secondary_died(struct primary *primary, struct secondary *secondary);

#endif
