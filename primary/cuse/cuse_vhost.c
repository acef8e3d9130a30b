/* SPDX-License-Identifier: Apache-2.0 */
/* Ours are the kernel's: nothing but that. */
#include "cuse_vhost.h"

#include <assert.h>
#include <linux/vhost.h>
#include <stddef.h>

#define SAME(name) static_assert(VH_##name == VHOST_##name, "the kernel's")
SAME(GET_FEATURES);
SAME(SET_FEATURES);
SAME(SET_OWNER);
SAME(RESET_OWNER);
SAME(SET_MEM_TABLE);
SAME(SET_LOG_BASE);
SAME(SET_LOG_FD);
SAME(SET_VRING_NUM);
SAME(SET_VRING_ADDR);
SAME(SET_VRING_BASE);
SAME(GET_VRING_BASE);
SAME(SET_VRING_ENDIAN);
SAME(GET_VRING_ENDIAN);
SAME(SET_VRING_KICK);
SAME(SET_VRING_CALL);
SAME(SET_VRING_ERR);
SAME(SET_VRING_BUSYLOOP_TIMEOUT);
SAME(GET_VRING_BUSYLOOP_TIMEOUT);
SAME(SET_BACKEND_FEATURES);
SAME(GET_BACKEND_FEATURES);
SAME(NET_SET_BACKEND);

#define PLACE(ours, field, kernels, name)                                                          \
	static_assert(offsetof(struct ours, field) == offsetof(struct kernels, name), "its place")
PLACE(vh_region, gpa, vhost_memory_region, guest_phys_addr);
PLACE(vh_region, size, vhost_memory_region, memory_size);
PLACE(vh_region, user_addr, vhost_memory_region, userspace_addr);
PLACE(vh_vring_addr, desc_user, vhost_vring_addr, desc_user_addr);
PLACE(vh_vring_addr, used_user, vhost_vring_addr, used_user_addr);
PLACE(vh_vring_addr, avail_user, vhost_vring_addr, avail_user_addr);
PLACE(vh_vring_file, fd, vhost_vring_file, fd);
static_assert(VHOST_FILE_UNBIND == -1, "none");
