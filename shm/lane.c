/* SPDX-License-Identifier: Apache-2.0 */
#include "lane.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int membarrier(int command)
{
	return (int)syscall(SYS_membarrier, command, 0u, 0);
}

bool hf_lane_register_membarrier(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0;
}

void hf_lane_fence_all(void)
{
	/* A kernel that has neither gave no secondary a registration: they fence themselves. */
	if (membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) < 0)
		(void)membarrier(MEMBARRIER_CMD_GLOBAL);
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
