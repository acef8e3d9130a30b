/* SPDX-License-Identifier: Apache-2.0 */
/* A message of a front-end: raw, as it comes (vu_recv.c), and checked (vu_check.c). */
#ifndef PRIMARY_VU_MSG_H
#define PRIMARY_VU_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vu_wire.h"

struct vu_rule;

/* More than vhost-user has in one message: a vhost table comes whole (cuse_ioctl.c). */
#define VU_RAW_REGIONS 64u
#define VU_RAW_PAYLOAD                                                                             \
	(offsetof(struct vu_mem_table, regions) + VU_RAW_REGIONS * sizeof(struct vu_region))

/* A message as far as it came. Start with VU_RAW_EMPTY; when vu_recv says VU_RECV_MESSAGE it is
 * complete: header, header.size bytes of payload, nr_fds descriptors. */
struct vu_raw {
	struct vu_header header;
	uint8_t payload[VU_RAW_PAYLOAD];
	size_t have;		 /* bytes of header and payload, seen and not consumed */
	int fds[VU_RAW_REGIONS]; /* owned until taken; -1 when taken */
	uint32_t nr_fds;
	/* That came with a message that takes none, or will come with the next. The same. */
	int strays[VU_MAX_FDS + 1];
	uint32_t nr_strays;
	bool surplus; /* some were seen that were not installed */
};

enum vu_payload {
	VU_PAYLOAD_NONE,
	VU_PAYLOAD_U64,
	VU_PAYLOAD_STATE,
	VU_PAYLOAD_ADDR,
	VU_PAYLOAD_MEMORY,
	VU_PAYLOAD_REGION,
	VU_PAYLOAD_VRING_FD,
	VU_PAYLOAD_OPAQUE, /* of requests that are not served */
};

struct vu_msg {
	const struct vu_rule *rule; /* NULL: unknown request */
	uint32_t request;
	bool need_reply;
	uint32_t index; /* vring; of STATE, ADDR, VRING_FD */
	union {
		uint64_t u64;
		uint32_t num; /* of STATE */
		struct vu_vring_addr addr;
		struct {
			uint32_t count;
			struct vu_region regions[VU_RAW_REGIONS];
		} memory; /* of MEMORY; REGION: one */
	};
	int fds[VU_RAW_REGIONS]; /* owned until taken; -1 when taken */
	uint32_t nr_fds;
};

#endif
