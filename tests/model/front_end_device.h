/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front-end model's second way in: a character device with the kernel's vhost-net ioctls
 * (linux/vhost.h). The session is told in vhost-user's requests, and each has its ioctl here; the
 * rings get the fd of /dev/net/tun as their backend, as QEMU gives them.
 */
#ifndef MODEL_FRONT_END_DEVICE_H
#define MODEL_FRONT_END_DEVICE_H

#include "front_end.h"

/* Waits until it is there. 0 or -errno. */
int front_end_open_device(struct front_end *fe, const char *path, int wait_ms);
/* Is nobody there who answers, within that time? */
bool front_end_device_is_gone(struct front_end *fe, int wait_ms);
/* A request with its payload, as vhost-user has it; for the GETs the answer is written over it. 0
 * or -errno. */
int front_end_ioctl(struct front_end *fe, uint32_t request, const void *payload, const int *fds,
		    size_t nr_fds);
/* The backend features, none of which is wanted. */
int front_end_device_features(struct front_end *fe);

#endif
