/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Step 2: raw → checked message. Pure: looks at the message, the table and the draft, changes
 * nothing, needs no socket.
 *
 * Afterwards it is true that: the request is served; the payload has exactly its size; the vring
 * exists; numbers lie in the range that the protocol gives them; there are as many descriptors as
 * the payload says; the feature it needs was acknowledged; the vring is in a state that allows it.
 * What depends on other messages (memory, ring placement) is the handler's.
 */
#ifndef PRIMARY_VU_CHECK_H
#define PRIMARY_VU_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "refusal.h"
#include "vu_recv.h"
#include "vu_wire.h"

struct device;
struct vu_rule;

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

/* What the rules look at beside the message. */
struct vu_state {
	const struct device *device;
	uint32_t nr_vrings; /* the port's limit */
	/* Of a transport with rules of its own, instead of those by vu_rule; NULL: vhost-user. */
	const struct vu_rule *rule;
	bool greeted;
};

/*
 * Check and convert. The descriptors move from `raw` to `msg` in any case. False: *ret_reason;
 * request, rule, need_reply and descriptors of `msg` are valid even then.
 */
bool vu_check(struct vu_raw *raw, const struct vu_state *state, struct vu_msg *msg,
	      enum refusal *ret_reason);

/* Close the descriptors that nobody took. */
void vu_msg_release(struct vu_msg *msg);

#endif
