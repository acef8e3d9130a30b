/* SPDX-License-Identifier: Apache-2.0 */
#include "hop_tally.h"

static enum hf_counter size_counter(uint32_t len)
{
	if (len < 64)
		return HF_COUNTER_UNDERSIZE_PACKETS;
	if (len == 64)
		return HF_COUNTER_SIZE_64_PACKETS;
	if (len < 1024)
		return (enum hf_counter)((uint32_t)HF_COUNTER_SIZE_65_127_PACKETS + 32u - 7u -
					 (uint32_t)__builtin_clz(len));
	return len <= 1518 ? HF_COUNTER_SIZE_1024_1518_PACKETS : HF_COUNTER_SIZE_1519_MAX_PACKETS;
}

static void count_sizes(struct hf_vring *v, const uint32_t *total, uint16_t n, uint64_t *ret_bytes)
{
	uint32_t differ = 0;
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++) {
		differ |= total[i] ^ total[0];
		bytes += total[i];
	}
	*ret_bytes = bytes;
	if (likely(!differ)) {
		hf_count(v, size_counter(total[0]), n);
		return;
	}
	for (uint16_t i = 0; i < n; i++)
		hf_count(v, size_counter(total[i]), 1);
}

static void count_groups(struct hf_vring *v, const uint8_t *group, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (group[i])
			hf_count(v,
				 group[i] == HOP_BROADCAST ? HF_COUNTER_BROADCAST_PACKETS
							   : HF_COUNTER_MULTICAST_PACKETS,
				 1);
}

void hop_tally_end(struct hf_vring *v, const struct hop_tally *t, uint16_t n)
{
	uint64_t bytes = 0;

	hf_count(v, HF_COUNTER_BURSTS, 1);
	if (!n)
		return;
	count_sizes(v, t->total, n, &bytes);
	if (unlikely(t->groups))
		count_groups(v, t->group, n);
	hf_count(v, HF_COUNTER_GOOD_PACKETS, n);
	hf_count(v, HF_COUNTER_GOOD_BYTES, bytes);
}
