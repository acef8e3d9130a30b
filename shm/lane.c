/* SPDX-License-Identifier: Apache-2.0 */
#include "lane.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* calls: membarrier */
static int membarrier(int command)
{
	return (int)syscall(SYS_membarrier, command, 0u, 0);
}

bool hf_lane_register_membarrier(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0;
}

bool hf_lane_can_fence(void)
{
	static int answer = -1; /* the primary's one thread asks */

	/* Asking is not enough: a filter may allow the query and deny the command. */
	if (answer < 0)
		answer = membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0;
	return answer;
}

/* The quick one needs memory in the kernel (a mask of processors); the slow one does not. */
static bool fence_everybody(void)
{
	return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0 ||
	       membarrier(MEMBARRIER_CMD_GLOBAL) == 0;
}

void hf_lane_fence_all(void)
{
	/* Worked before and fails now: secondaries rely on it, going on would let a burst touch
	 * memory that a front-end was told is its own. */
	if (hf_lane_can_fence() && !fence_everybody())
		abort();
	/* Where there is none the secondaries were told to fence themselves; this is our half. */
	hf_fence_full();
}

void hf_lane_format(void *lane, uint64_t bytes, uint64_t secondary_id)
{
	struct hf_lane_header *header = lane;

	memset(lane, 0, bytes);
	header->abi_major = HF_ABI_MAJOR;
	header->abi_minor = HF_ABI_MINOR;
	header->entry_bytes = sizeof(struct hf_lane_vring);
	header->entries = (uint32_t)(bytes / sizeof(struct hf_lane_vring));
	header->secondary_id = secondary_id;
	hf_store_release(&header->magic, HF_LANE_MAGIC);
}

int hf_lane_verify(const void *lane, uint64_t bytes)
{
	const struct hf_lane_header *header = lane;

	if (bytes < sizeof(struct hf_lane_vring) || header->magic != HF_LANE_MAGIC)
		return -EINVAL;
	if (header->abi_major != HF_ABI_MAJOR)
		return -EPROTO;
	if (header->entry_bytes != sizeof(struct hf_lane_vring) ||
	    header->entries > bytes / sizeof(struct hf_lane_vring))
		return -EINVAL;
	return 0;
}
