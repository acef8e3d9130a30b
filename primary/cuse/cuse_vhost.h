/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ioctls of vhost and vhost-net. linux/vhost.h has them too, and with them names of virtio that
 * are ours elsewhere; cuse_vhost.c compares the two. Structures that vhost-user has as well are
 * those of vu_wire.h.
 */
#ifndef PRIMARY_CUSE_VHOST_H
#define PRIMARY_CUSE_VHOST_H

#include <stdint.h>
#include <sys/ioctl.h>

struct vh_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vh_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc_user;
	uint64_t used_user;
	uint64_t avail_user;
	uint64_t log_gpa;
};

struct vh_vring_file {
	uint32_t index;
	int32_t fd; /* -1: none */
};

struct vh_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user_addr;
	uint64_t flags; /* none are defined */
};

struct vh_memory {
	uint32_t count;
	uint32_t padding;
	struct vh_region regions[];
};

#define VH_TYPE 0xAF

#define VH_GET_FEATURES		      _IOR(VH_TYPE, 0x00, uint64_t)
#define VH_SET_FEATURES		      _IOW(VH_TYPE, 0x00, uint64_t)
#define VH_SET_OWNER		      _IO(VH_TYPE, 0x01)
#define VH_RESET_OWNER		      _IO(VH_TYPE, 0x02)
#define VH_SET_MEM_TABLE	      _IOW(VH_TYPE, 0x03, struct vh_memory)
#define VH_SET_LOG_BASE		      _IOW(VH_TYPE, 0x04, uint64_t)
#define VH_SET_LOG_FD		      _IOW(VH_TYPE, 0x07, int)
#define VH_SET_VRING_NUM	      _IOW(VH_TYPE, 0x10, struct vh_vring_state)
#define VH_SET_VRING_ADDR	      _IOW(VH_TYPE, 0x11, struct vh_vring_addr)
#define VH_SET_VRING_BASE	      _IOW(VH_TYPE, 0x12, struct vh_vring_state)
#define VH_GET_VRING_BASE	      _IOWR(VH_TYPE, 0x12, struct vh_vring_state)
#define VH_SET_VRING_ENDIAN	      _IOW(VH_TYPE, 0x13, struct vh_vring_state)
#define VH_GET_VRING_ENDIAN	      _IOW(VH_TYPE, 0x14, struct vh_vring_state)
#define VH_SET_VRING_KICK	      _IOW(VH_TYPE, 0x20, struct vh_vring_file)
#define VH_SET_VRING_CALL	      _IOW(VH_TYPE, 0x21, struct vh_vring_file)
#define VH_SET_VRING_ERR	      _IOW(VH_TYPE, 0x22, struct vh_vring_file)
#define VH_SET_VRING_BUSYLOOP_TIMEOUT _IOW(VH_TYPE, 0x23, struct vh_vring_state)
#define VH_GET_VRING_BUSYLOOP_TIMEOUT _IOW(VH_TYPE, 0x24, struct vh_vring_state)
#define VH_SET_BACKEND_FEATURES	      _IOW(VH_TYPE, 0x25, uint64_t)
#define VH_GET_BACKEND_FEATURES	      _IOR(VH_TYPE, 0x26, uint64_t)
#define VH_NET_SET_BACKEND	      _IOW(VH_TYPE, 0x30, struct vh_vring_file)

#endif
