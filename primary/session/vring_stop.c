/* SPDX-License-Identifier: Apache-2.0 */
#include "vring_stop.h"

#include "device.h"
#include "fd.h"
#include "loop.h"
#include "primary.h"
#include "session.h"

void vring_stop(struct session *session, struct vring *vring)
{
	loop_remove(session->primary->loop, &vring->kick_source);
	vring->started = false;
	vring->suspended = false;
}

void vring_rest(struct vring *vring)
{
	if (!vring->device->is_vhost_net) {
		hf_fd_close(&vring->kick);
		vring->stored.kick = 0;
		vring->has_kick = false;
	}
	vring->has_backend = false;
	vring->broken = false;
	vring->lacked = vring->busy = 0;
	vring->put_off_ns = 0;
	vring->setup++;
}
