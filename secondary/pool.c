/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet memory: one mapping, buffers first, then the packets that describe them.
 *
 * Buffers of a power-of-two size would put equal offsets of all packets, and packets are mostly
 * headers, into the same few cache sets. So the distance between buffers is an odd number of
 * cache lines.
 */
#include <errno.h>
#include <holdfast/packet.h>
#include <stdlib.h>

#include "device.h"
#include "memory.h"

struct hf_packet_pool {
	struct hf_memory memory;
	struct hf_packet *packets;
	size_t count;
};

static size_t odd_lines(size_t room)
{
	size_t lines = (room + HF_SHM_LINE - 1) / HF_SHM_LINE;

	return (lines | 1) * HF_SHM_LINE;
}

struct hf_packet_pool *hf_packet_pool_create(const struct hf_device *device, size_t count,
					     size_t room)
{
	struct hf_packet_pool *pool;
	size_t distance, bytes;
	int node = device ? hf_device_node(device) : hf_node_here();
	int error;

	if (!count || !room || room > UINT32_MAX - HF_SHM_LINE) {
		errno = EINVAL;
		return NULL;
	}
	distance = odd_lines(room);
	if (__builtin_mul_overflow(count, distance + sizeof(struct hf_packet), &bytes)) {
		errno = EOVERFLOW;
		return NULL;
	}
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	error = hf_memory_create(&pool->memory, "holdfast-packets", bytes, node, true);
	if (error) {
		free(pool);
		errno = -error;
		return NULL;
	}
	pool->count = count;
	pool->packets = (void *)((uint8_t *)pool->memory.base + count * distance);
	for (size_t i = 0; i < count; i++)
		pool->packets[i] =
			(struct hf_packet){.data = (uint8_t *)pool->memory.base + i * distance,
					   .room = (uint32_t)room};
	return pool;
}

void hf_packet_pool_destroy(struct hf_packet_pool *pool)
{
	if (!pool)
		return;
	hf_memory_destroy(&pool->memory);
	free(pool);
}

struct hf_packet *hf_packet_pool_get(struct hf_packet_pool *pool, size_t index)
{
	return index < pool->count ? &pool->packets[index] : NULL;
}

int hf_packet_pool_node(const struct hf_packet_pool *pool)
{
	return pool->memory.node;
}
