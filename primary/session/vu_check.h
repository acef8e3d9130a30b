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
#include "vu_msg.h"

struct device;
struct vu_rule;

/* What the rules look at beside the message. */
struct vu_state {
	const struct device *device;
	uint32_t nr_vrings;   /* the port's limit */
	uint32_t max_regions; /* in one message, at most VU_RAW_REGIONS */
	bool greeted;
};

/*
 * Check and convert; `rule` NULL: there is none for the request. The descriptors move from `raw` to
 * `msg` in any case. False: *ret_reason; request, rule, need_reply and descriptors of `msg` are
 * valid even then.
 */
bool vu_check(struct vu_raw *raw, const struct vu_rule *rule, const struct vu_state *state,
	      struct vu_msg *msg, enum refusal *ret_reason);

/* Close the descriptors that nobody took. */
void vu_msg_release(struct vu_msg *msg);

#endif
