/* SPDX-License-Identifier: Apache-2.0 */
/* Making a character device out of /dev/cuse, and letting people at it. */
#ifndef PRIMARY_CUSE_DEVICE_H
#define PRIMARY_CUSE_DEVICE_H

#include <stdbool.h>
#include <sys/types.h>

#define CUSE_DEVICE_BYTES 64

/* What /dev can have, and nothing that the kernel or udev would turn into something else. */
bool cuse_device_name_ok(const char *name);
/* >= 0: its descriptor, non-blocking; -EEXIST: there is one of that name; -ENOSPC: the
 * kernel has no number for it, or a device of that name elsewhere; -ENOENT: it has no CUSE;
 * -EPROTO: one that is too old; -errno. */
int cuse_device_make(const char *name);
/* Give /dev/NAME to who may open it; -1: leave owner or group. 0; -ENOENT: it is not there yet;
 * -EEXIST: something else is; -errno. */
int cuse_device_permit(const char *name, mode_t mode, uid_t owner, gid_t group);
/* Cut off who has it open, also while somebody else holds our descriptor. */
void cuse_device_abort(const char *name);

#endif
