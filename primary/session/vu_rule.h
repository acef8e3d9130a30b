/* SPDX-License-Identifier: Apache-2.0 */
/* A rule of the protocol: what vu_check.c enforces before a handler runs, so that no handler can
 * forget it. */
#ifndef PRIMARY_VU_RULE_H
#define PRIMARY_VU_RULE_H

#include <stdint.h>

#include "session.h"
#include "vu_check.h"

/* vu_rule.flags */
enum {
	VU_RULE_GREETED = 1u << 0, /* not before SET_OWNER or GET_FEATURES */
	VU_RULE_STOPPED = 1u << 1, /* only while the vring it names is stopped */
	VU_RULE_BIT_30 = 1u << 2,  /* not when the front-end declined protocol features */
};

/* Which descriptors of the device its message's are in the place of. */
enum vu_replaces {
	VU_REPLACES_NOTHING,
	VU_REPLACES_MEMORY,
	VU_REPLACES_KICK,
	VU_REPLACES_CALL,
	VU_REPLACES_ERR,
};

#define VU_NO_GATE (-1)

struct vu_rule {
	const char *name;
	enum vu_payload payload;
	uint8_t min_fds, max_fds; /* of VU_PAYLOAD_MEMORY and _VRING_FD: what the payload says */
	int8_t gate;		  /* protocol feature that must be acknowledged, or VU_NO_GATE */
	uint8_t flags;
	enum vu_replaces replaces;
	/* NULL: known, not served. The message's descriptors are the handler's to take. */
	enum vu_outcome (*handle)(struct session *session, struct vu_msg *msg);
};

#endif
