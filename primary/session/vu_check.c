/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function a payload kind converts and bounds it; then the row's columns are applied in a
 * fixed order: descriptors, greeting, gate, vring state. Values are compared in the width they
 * came in, before any conversion to a narrower type.
 */
#include "vu_check.h"

#include <string.h>

#include "check.h"
#include "device.h"
#include "fd.h"
#include "vu_rule.h"

#define RING_MAX_SIZE  32768u
#define SPLIT_MAX_BASE 0xffffu
#define REGION_ALIGN   4096u
#define MTU_MIN	       68u
#define MTU_MAX	       65535u

#define REFUSE(reason)                                                                             \
	do {                                                                                       \
		*ret_reason = REFUSED_##reason;                                                    \
		return false;                                                                      \
	} while (0)

/* The payload is exactly `size` bytes: copy it out. */
static bool copy_payload(void *to, size_t size, const struct vu_raw *raw, enum refusal *ret_reason)
{
	if (raw->header.size != size)
		REFUSE(PAYLOAD_SIZE);
	memcpy(to, raw->payload, size);
	return true;
}

static bool check_index(struct vu_msg *msg, uint64_t index, const struct vu_state *state,
			enum refusal *ret_reason)
{
	if (index >= state->nr_vrings || index >= HF_SHM_MAX_VRINGS)
		REFUSE(VRING_INDEX);
	msg->index = (uint32_t)index;
	return true;
}

static bool check_u64(struct vu_msg *msg, const struct vu_raw *raw, enum refusal *ret_reason)
{
	if (!copy_payload(&msg->u64, sizeof(msg->u64), raw, ret_reason))
		return false;
	if (msg->request == VU_NET_SET_MTU && (msg->u64 < MTU_MIN || msg->u64 > MTU_MAX))
		REFUSE(PAYLOAD_VALUE);
	if (msg->request == VU_SET_STATUS && msg->u64 > UINT8_MAX)
		REFUSE(PAYLOAD_VALUE);
	return true;
}

/* Only a split ring's is a power of two. */
static bool ring_size_ok(uint32_t size, const struct device *device)
{
	return size && size <= RING_MAX_SIZE && (device_is_packed(device) || is_pow2(size));
}

/*
 * Packed: the next available descriptor's place and, as bit 15, its wrap counter; above them the
 * next used one's, which nobody means: it is to be the same here, some back-ends answer 0, and
 * front-ends give back what they were answered.
 */
static bool base_ok(uint32_t base, uint32_t index, const struct device *device)
{
	uint32_t size = device->vrings[index].size;

	if (!device_is_packed(device))
		return base <= SPLIT_MAX_BASE;
	return (base & 0x7fff) < (size ? size : RING_MAX_SIZE);
}

static bool check_state(struct vu_msg *msg, const struct vu_raw *raw, const struct vu_state *state,
			enum refusal *ret_reason)
{
	struct vu_vring_state payload;

	if (!copy_payload(&payload, sizeof(payload), raw, ret_reason) ||
	    !check_index(msg, payload.index, state, ret_reason))
		return false;
	if (msg->request == VU_SET_VRING_NUM && !ring_size_ok(payload.num, state->device))
		REFUSE(RING_SIZE);
	if (msg->request == VU_SET_VRING_BASE && !base_ok(payload.num, msg->index, state->device))
		REFUSE(PAYLOAD_VALUE);
	if (msg->request == VU_SET_VRING_ENABLE && payload.num > 1)
		REFUSE(PAYLOAD_VALUE);
	msg->num = payload.num;
	return true;
}

static bool check_addr(struct vu_msg *msg, const struct vu_raw *raw, const struct vu_state *state,
		       enum refusal *ret_reason)
{
	if (!copy_payload(&msg->addr, sizeof(msg->addr), raw, ret_reason) ||
	    !check_index(msg, msg->addr.index, state, ret_reason))
		return false;
	if (msg->addr.flags & ~VU_ADDR_LOG)
		REFUSE(PAYLOAD_VALUE);
	return true;
}

/*
 * A zero size or a range that wraps is no region in any table. Regions are made of pages: so a ring
 * that is aligned in the guest is in every map of it.
 */
static bool region_ok(const struct vu_region *region)
{
	uint64_t end;

	if ((region->gpa | region->size | region->user_addr | region->file_offset) % REGION_ALIGN)
		return false;
	return region->size && add_ok(region->gpa, region->size, &end) &&
	       add_ok(region->user_addr, region->size, &end) &&
	       add_ok(region->file_offset, region->size, &end) && end <= INT64_MAX;
}

static bool check_memory(struct vu_msg *msg, const struct vu_raw *raw, const struct vu_state *state,
			 enum refusal *ret_reason)
{
	const size_t head = offsetof(struct vu_mem_table, regions);
	const uint32_t most = state->max_regions;
	struct vu_region *regions = msg->memory.regions;
	uint32_t count;

	if (raw->header.size < head || raw->header.size > head + most * sizeof(regions[0]))
		REFUSE(PAYLOAD_SIZE);
	memcpy(&count, raw->payload, sizeof(count));
	if (!count)
		REFUSE(PAYLOAD_VALUE);
	if (count > most)
		REFUSE(REGION_TABLE_FULL);
	if (raw->header.size != head + count * sizeof(regions[0]))
		REFUSE(PAYLOAD_SIZE);
	memcpy(regions, raw->payload + head, count * sizeof(regions[0]));
	for (uint32_t i = 0; i < count; i++)
		if (!region_ok(&regions[i]))
			REFUSE(REGION_RANGE);
	msg->memory.count = count;
	return true;
}

static bool check_region(struct vu_msg *msg, const struct vu_raw *raw, enum refusal *ret_reason)
{
	struct vu_mem_reg payload;

	if (!copy_payload(&payload, sizeof(payload), raw, ret_reason))
		return false;
	/* Removal ignores the offset: nothing is mapped by it. */
	if (msg->request == VU_REM_MEM_REG)
		payload.region.file_offset = 0;
	if (!region_ok(&payload.region))
		REFUSE(REGION_RANGE);
	msg->memory.count = 1;
	msg->memory.regions[0] = payload.region;
	return true;
}

static bool check_vring_fd(struct vu_msg *msg, const struct vu_raw *raw,
			   const struct vu_state *state, enum refusal *ret_reason)
{
	if (!copy_payload(&msg->u64, sizeof(msg->u64), raw, ret_reason) ||
	    !check_index(msg, msg->u64 & VU_VRING_INDEX_MASK, state, ret_reason))
		return false;
	if (msg->u64 & ~(VU_VRING_INDEX_MASK | VU_VRING_NOFD))
		REFUSE(PAYLOAD_VALUE);
	return true;
}

static bool check_payload(struct vu_msg *msg, const struct vu_raw *raw,
			  const struct vu_state *state, enum refusal *ret_reason)
{
	switch (msg->rule->payload) {
	case VU_PAYLOAD_NONE:
		return copy_payload(&msg->u64, 0, raw, ret_reason);
	case VU_PAYLOAD_U64:
		return check_u64(msg, raw, ret_reason);
	case VU_PAYLOAD_STATE:
		return check_state(msg, raw, state, ret_reason);
	case VU_PAYLOAD_ADDR:
		return check_addr(msg, raw, state, ret_reason);
	case VU_PAYLOAD_MEMORY:
		return check_memory(msg, raw, state, ret_reason);
	case VU_PAYLOAD_REGION:
		return check_region(msg, raw, ret_reason);
	case VU_PAYLOAD_VRING_FD:
		return check_vring_fd(msg, raw, state, ret_reason);
	case VU_PAYLOAD_OPAQUE:
		break;
	}
	REFUSE(UNSUPPORTED_REQUEST);
}

static bool fd_count_ok(const struct vu_msg *msg)
{
	switch (msg->rule->payload) {
	case VU_PAYLOAD_MEMORY:
		return msg->nr_fds == msg->memory.count;
	case VU_PAYLOAD_VRING_FD:
		return msg->nr_fds == (msg->u64 & VU_VRING_NOFD ? 0 : 1);
	default:
		return msg->nr_fds >= msg->rule->min_fds && msg->nr_fds <= msg->rule->max_fds;
	}
}

static bool has_index(const struct vu_rule *rule)
{
	return rule->payload == VU_PAYLOAD_STATE || rule->payload == VU_PAYLOAD_ADDR ||
	       rule->payload == VU_PAYLOAD_VRING_FD;
}

static bool check_rules(const struct vu_msg *msg, const struct vu_state *state,
			enum refusal *ret_reason)
{
	const struct vu_rule *rule = msg->rule;
	const struct device *device = state->device;

	if (!fd_count_ok(msg))
		REFUSE(FD_COUNT);
	if ((rule->flags & VU_RULE_GREETED) && !state->greeted)
		REFUSE(NO_OWNER);
	if (rule->gate != VU_NO_GATE && !(device->protocol_features & VIRTIO_BIT(rule->gate)))
		REFUSE(NOT_NEGOTIATED);
	if ((rule->flags & VU_RULE_BIT_30) && device->features_set &&
	    !(device->features & VIRTIO_BIT(VU_F_PROTOCOL_FEATURES)))
		REFUSE(NOT_NEGOTIATED);
	if (has_index(rule) && (rule->flags & VU_RULE_STOPPED) &&
	    vring_active(&device->vrings[msg->index]))
		REFUSE(VRING_STATE);
	return true;
}

bool vu_check(struct vu_raw *raw, const struct vu_rule *rule, const struct vu_state *state,
	      struct vu_msg *msg, enum refusal *ret_reason)
{
	*msg = (struct vu_msg){.rule = rule,
			       .request = raw->header.request,
			       .need_reply = raw->header.flags & VU_NEED_REPLY,
			       .nr_fds = raw->nr_fds};
	for (uint32_t i = 0; i < raw->nr_fds; i++)
		msg->fds[i] = hf_fd_take(&raw->fds[i]);
	raw->nr_fds = 0;
	if (!msg->rule)
		REFUSE(UNKNOWN_REQUEST);
	if (!msg->rule->handle)
		REFUSE(UNSUPPORTED_REQUEST);
	return check_payload(msg, raw, state, ret_reason) && check_rules(msg, state, ret_reason);
}

void vu_msg_release(struct vu_msg *msg)
{
	hf_fd_close_all(msg->fds, msg->nr_fds);
	msg->nr_fds = 0;
}
