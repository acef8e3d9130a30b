/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row a request, in the order of the numbers.
 *
 * Gates: the specification lets GET_QUEUE_NUM, SEND_RARP and NET_SET_MTU be sent as soon as the
 * bit was offered (QEMU asks for the queues before it acknowledges, and sets the MTU before the
 * features), the memory slots and the status only when it was acknowledged.
 *
 * Greeting: what sets a device up needs one. What only takes down does not: DPDK's virtio-user, as
 * the server, resets its old device on a new connection before it asks us anything, and never
 * sends SET_OWNER again.
 */
#include "vu_table.h"

#include "check.h"
#include "handlers.h"
#include "session.h"
#include "vu_msg.h"

#define SERVED(text, kind, fds, gate_bit, rules, handler)                                          \
	{                                                                                          \
		.name = text, .payload = VU_PAYLOAD_##kind, .min_fds = fds, .max_fds = fds,        \
		.gate = gate_bit, .flags = rules, .handle = handler                                \
	}
/* Its descriptors are in the place of earlier ones. */
#define REPLACING(text, kind, what, rules, handler)                                                \
	{                                                                                          \
		.name = text, .payload = VU_PAYLOAD_##kind, .gate = VU_NO_GATE, .flags = rules,    \
		.replaces = VU_REPLACES_##what, .handle = handler                                  \
	}
/* Never offered by us: a front-end that sends it anyway is told no, and may go on. */
#define DECLINED(text)                                                                             \
	{                                                                                          \
		.name = text, .payload = VU_PAYLOAD_OPAQUE, .gate = VU_NO_GATE                     \
	}

#define GREETED VU_RULE_GREETED
#define STOPPED (VU_RULE_GREETED | VU_RULE_STOPPED)
#define SLOTS	VU_PROTOCOL_CONFIGURE_MEM_SLOTS
#define STATUS	VU_PROTOCOL_STATUS
#define ANY	VU_NO_GATE

static const struct vu_rule rules[VU_NR_REQUESTS] = {
	[VU_GET_FEATURES] = SERVED("GET_FEATURES", NONE, 0, ANY, 0, vu_get_features),
	[VU_SET_FEATURES] = SERVED("SET_FEATURES", U64, 0, ANY, GREETED, vu_set_features),
	[VU_SET_OWNER] = SERVED("SET_OWNER", NONE, 0, ANY, 0, vu_set_owner),
	[VU_RESET_OWNER] = SERVED("RESET_OWNER", NONE, 0, ANY, 0, vu_reset_owner),
	[VU_SET_MEM_TABLE] = REPLACING("SET_MEM_TABLE", MEMORY, MEMORY, GREETED, vu_set_mem_table),
	[VU_SET_LOG_BASE] = DECLINED("SET_LOG_BASE"),
	[VU_SET_LOG_FD] = DECLINED("SET_LOG_FD"),
	[VU_SET_VRING_NUM] = SERVED("SET_VRING_NUM", STATE, 0, ANY, STOPPED, vu_set_vring_num),
	[VU_SET_VRING_ADDR] = SERVED("SET_VRING_ADDR", ADDR, 0, ANY, STOPPED, vu_set_vring_addr),
	[VU_SET_VRING_BASE] = SERVED("SET_VRING_BASE", STATE, 0, ANY, STOPPED, vu_set_vring_base),
	[VU_GET_VRING_BASE] = SERVED("GET_VRING_BASE", STATE, 0, ANY, 0, vu_get_vring_base),
	[VU_SET_VRING_KICK] =
		REPLACING("SET_VRING_KICK", VRING_FD, KICK, GREETED, vu_set_vring_kick),
	[VU_SET_VRING_CALL] = REPLACING("SET_VRING_CALL", VRING_FD, CALL, 0, vu_set_vring_call),
	[VU_SET_VRING_ERR] = REPLACING("SET_VRING_ERR", VRING_FD, ERR, 0, vu_set_vring_err),
	[VU_GET_PROTOCOL_FEATURES] =
		SERVED("GET_PROTOCOL_FEATURES", NONE, 0, ANY, 0, vu_get_protocol_features),
	[VU_SET_PROTOCOL_FEATURES] =
		SERVED("SET_PROTOCOL_FEATURES", U64, 0, ANY, 0, vu_set_protocol_features),
	[VU_GET_QUEUE_NUM] = SERVED("GET_QUEUE_NUM", NONE, 0, ANY, 0, vu_get_queue_num),
	[VU_SET_VRING_ENABLE] =
		SERVED("SET_VRING_ENABLE", STATE, 0, ANY, VU_RULE_BIT_30, vu_set_vring_enable),
	[VU_SEND_RARP] = SERVED("SEND_RARP", U64, 0, ANY, GREETED, vu_send_rarp),
	[VU_NET_SET_MTU] = SERVED("NET_SET_MTU", U64, 0, ANY, GREETED, vu_net_set_mtu),
	[VU_SET_BACKEND_REQ_FD] = DECLINED("SET_BACKEND_REQ_FD"),
	[VU_IOTLB_MSG] = DECLINED("IOTLB_MSG"),
	[VU_SET_VRING_ENDIAN] = DECLINED("SET_VRING_ENDIAN"),
	[VU_GET_CONFIG] = DECLINED("GET_CONFIG"),
	[VU_SET_CONFIG] = DECLINED("SET_CONFIG"),
	[VU_CREATE_CRYPTO_SESSION] = DECLINED("CREATE_CRYPTO_SESSION"),
	[VU_CLOSE_CRYPTO_SESSION] = DECLINED("CLOSE_CRYPTO_SESSION"),
	[VU_POSTCOPY_ADVISE] = DECLINED("POSTCOPY_ADVISE"),
	[VU_POSTCOPY_LISTEN] = DECLINED("POSTCOPY_LISTEN"),
	[VU_POSTCOPY_END] = DECLINED("POSTCOPY_END"),
	[VU_GET_INFLIGHT_FD] = DECLINED("GET_INFLIGHT_FD"),
	[VU_SET_INFLIGHT_FD] = DECLINED("SET_INFLIGHT_FD"),
	[VU_GPU_SET_SOCKET] = DECLINED("GPU_SET_SOCKET"),
	[VU_RESET_DEVICE] = DECLINED("RESET_DEVICE"),
	[VU_VRING_KICK] = DECLINED("VRING_KICK"),
	[VU_GET_MAX_MEM_SLOTS] =
		SERVED("GET_MAX_MEM_SLOTS", NONE, 0, SLOTS, 0, vu_get_max_mem_slots),
	[VU_ADD_MEM_REG] = SERVED("ADD_MEM_REG", REGION, 1, SLOTS, GREETED, vu_add_mem_reg),
	/* Some front-ends send the descriptor again; it is closed unused. */
	[VU_REM_MEM_REG] = {.name = "REM_MEM_REG",
			    .payload = VU_PAYLOAD_REGION,
			    .max_fds = 1,
			    .gate = SLOTS,
			    .flags = GREETED,
			    .handle = vu_rem_mem_reg},
	[VU_SET_STATUS] = SERVED("SET_STATUS", U64, 0, STATUS, 0, vu_set_status),
	[VU_GET_STATUS] = SERVED("GET_STATUS", NONE, 0, STATUS, 0, vu_get_status),
	[VU_GET_SHARED_OBJECT] = DECLINED("GET_SHARED_OBJECT"),
	[VU_SET_DEVICE_STATE_FD] = DECLINED("SET_DEVICE_STATE_FD"),
	[VU_CHECK_DEVICE_STATE] = DECLINED("CHECK_DEVICE_STATE"),
	[VU_GET_SHMEM_CONFIG] = DECLINED("GET_SHMEM_CONFIG"),
	[VU_GET_VRING_BASE_SKIP_DRAIN] = DECLINED("GET_VRING_BASE_SKIP_DRAIN"),
};

const struct vu_rule *vu_rule(uint32_t request)
{
	return request < ARRAY_SIZE(rules) && rules[request].name ? &rules[request] : NULL;
}
