/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user on the wire: requests, payloads, bits. Numbers are in the machine's byte order, as
 * the protocol says; nothing here is trusted, it only has names.
 */
#ifndef PRIMARY_VU_WIRE_H
#define PRIMARY_VU_WIRE_H

#include <assert.h>
#include <stdint.h>

#define VU_VERSION_MASK 0x3u
#define VU_VERSION	0x1u
#define VU_REPLY	(1u << 2)
#define VU_NEED_REPLY	(1u << 3)
#define VU_REPLY_ERROR	(1u << 4) /* never on a wire: the answer is an errno (cuse_error.c) */

#define VU_MAX_FDS	     8u
#define VU_MAX_TABLE_REGIONS 8u /* of SET_MEM_TABLE; more come by ADD_MEM_REG */

enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_LOG_BASE = 6,
	VU_SET_LOG_FD = 7,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SEND_RARP = 19,
	VU_NET_SET_MTU = 20,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_IOTLB_MSG = 22,
	VU_SET_VRING_ENDIAN = 23,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_CREATE_CRYPTO_SESSION = 26,
	VU_CLOSE_CRYPTO_SESSION = 27,
	VU_POSTCOPY_ADVISE = 28,
	VU_POSTCOPY_LISTEN = 29,
	VU_POSTCOPY_END = 30,
	VU_GET_INFLIGHT_FD = 31,
	VU_SET_INFLIGHT_FD = 32,
	VU_GPU_SET_SOCKET = 33,
	VU_RESET_DEVICE = 34,
	VU_VRING_KICK = 35,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
	VU_SET_STATUS = 39,
	VU_GET_STATUS = 40,
	VU_GET_SHARED_OBJECT = 41,
	VU_SET_DEVICE_STATE_FD = 42,
	VU_CHECK_DEVICE_STATE = 43,
	VU_GET_SHMEM_CONFIG = 44,
	VU_GET_VRING_BASE_SKIP_DRAIN = 45,
	VU_NR_REQUESTS
};

/* Protocol feature bits that this back-end has. */
enum vu_protocol_bit {
	VU_PROTOCOL_MQ = 0,
	VU_PROTOCOL_RARP = 2,
	VU_PROTOCOL_REPLY_ACK = 3,
	VU_PROTOCOL_MTU = 4,
	VU_PROTOCOL_CONFIGURE_MEM_SLOTS = 15,
	VU_PROTOCOL_STATUS = 16,
};

/* virtio feature bits, of the device and of its rings, that a net back-end may see. */
#define VIRTIO_BIT(bit) (1ull << (bit))
enum virtio_bit {
	VIRTIO_NET_F_CSUM = 0,
	VIRTIO_NET_F_GUEST_CSUM = 1,
	VIRTIO_NET_F_MTU = 3,
	VIRTIO_NET_F_GUEST_TSO4 = 7,
	VIRTIO_NET_F_GUEST_TSO6 = 8,
	VIRTIO_NET_F_GUEST_ECN = 9,
	VIRTIO_NET_F_GUEST_UFO = 10,
	VIRTIO_NET_F_HOST_TSO4 = 11,
	VIRTIO_NET_F_HOST_TSO6 = 12,
	VIRTIO_NET_F_HOST_ECN = 13,
	VIRTIO_NET_F_HOST_UFO = 14,
	VIRTIO_NET_F_MRG_RXBUF = 15,
	VIRTIO_NET_F_CTRL_VQ = 17,
	VIRTIO_NET_F_CTRL_RX = 18,
	VIRTIO_NET_F_GUEST_ANNOUNCE = 21,
	VIRTIO_NET_F_MQ = 22,
	VIRTIO_F_ANY_LAYOUT = 27,
	VIRTIO_F_INDIRECT_DESC = 28,
	VIRTIO_F_EVENT_IDX = 29,
	VU_F_PROTOCOL_FEATURES = 30, /* vhost-user's own */
	VIRTIO_F_VERSION_1 = 32,
	VIRTIO_F_RING_PACKED = 34,
	VIRTIO_F_IN_ORDER = 35,
};

struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
};
static_assert(sizeof(struct vu_header) == 12, "wire");

struct vu_vring_state {
	uint32_t index;
	uint32_t num;
};
static_assert(sizeof(struct vu_vring_state) == 8, "wire");

#define VU_ADDR_LOG 1u /* flags: the used ring's writes are logged */
struct vu_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc_user;
	uint64_t used_user;
	uint64_t avail_user;
	uint64_t log_gpa;
};
static_assert(sizeof(struct vu_vring_addr) == 40, "wire");

struct vu_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user_addr;
	uint64_t file_offset;
};
static_assert(sizeof(struct vu_region) == 32, "wire");

struct vu_mem_table {
	uint32_t count;
	uint32_t padding;
	struct vu_region regions[VU_MAX_TABLE_REGIONS];
};
static_assert(sizeof(struct vu_mem_table) == 264, "wire");

struct vu_mem_reg {
	uint64_t padding;
	struct vu_region region;
};
static_assert(sizeof(struct vu_mem_reg) == 40, "wire");

/* Not served, but the largest payload that a front-end of any net device may send. */
struct vu_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t bytes[256];
};
static_assert(sizeof(struct vu_config) == 268, "wire");
#define VU_MAX_PAYLOAD sizeof(struct vu_config)

/* SET_VRING_KICK, _CALL, _ERR: index in the low byte. */
#define VU_VRING_INDEX_MASK 0xffull
#define VU_VRING_NOFD	    (1ull << 8)

#endif
