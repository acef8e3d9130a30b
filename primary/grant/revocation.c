/* SPDX-License-Identifier: Apache-2.0 */
#include "revocation.h"

#include "device.h"
#include "primary.h"
#include "secondary.h"

bool revocation_covers(const struct revocation *r, const struct vring *vring)
{
	if (r->secondary)
		return vring->owner == r->secondary;
	if (r->vring == GRANT_DEQUEUE_VRINGS)
		return vring->index & 1;
	return r->vring == GRANT_ALL_VRINGS || r->vring == vring->index;
}

bool revoke_covers(const struct vring *vring)
{
	const struct revocation *r = vring->device->primary->revocations;

	for (; r; r = r->next) {
		if (r->device == vring->device && revocation_covers(r, vring))
			return true;
		if (r->secondary && vring->device->lost.id == r->secondary->id)
			return true;
	}
	return false;
}
