/* SPDX-License-Identifier: Apache-2.0 */
/* Which vrings a revocation is about. Pure. */
#ifndef PRIMARY_REVOCATION_H
#define PRIMARY_REVOCATION_H

#include <stdbool.h>

#include "waiting.h"

struct vring;

/* Is it about this vring? */
bool revocation_covers(const struct revocation *revocation, const struct vring *vring);
/* Is an active revocation of a device waiting for this vring? Until its `done` nobody gets it. */
bool revoke_covers(const struct vring *vring);

#endif
