/* SPDX-License-Identifier: Apache-2.0 */
#include "legal.h"

#include <string.h>

#include "front_end.h"

uint32_t legal_payload(uint32_t request, void *payload)
{
	static const uint64_t addr[5] = {0, 0x1000, 0x3000, 0x4000, 0};
	static const uint64_t region[5] = {0, 0, 4096, 0x1000, 0};
	static const uint64_t table[5] = {1, 0, 4096, 0x1000, 0};
	static const uint32_t state[2] = {0, 256};
	static const uint32_t enable[2] = {0, 1};
	static const uint64_t word = 0x100; /* ring 0, no descriptor */
	const void *from = &word;
	uint32_t size = 8;

	switch (request) {
	case FE_GET_FEATURES:
	case FE_SET_OWNER:
	case FE_RESET_OWNER:
	case FE_GET_PROTOCOL_FEATURES:
	case FE_GET_QUEUE_NUM:
	case FE_GET_MAX_MEM_SLOTS:
	case FE_GET_STATUS:
		return 0;
	case FE_SET_MEM_TABLE:
		from = table;
		size = sizeof(table);
		break;
	case FE_SET_VRING_ADDR:
		from = addr;
		size = sizeof(addr);
		break;
	case FE_ADD_MEM_REG:
	case FE_REM_MEM_REG:
		from = region;
		size = sizeof(region);
		break;
	case FE_SET_VRING_NUM:
	case FE_SET_VRING_BASE:
	case FE_GET_VRING_BASE:
		from = state;
		break;
	case FE_SET_VRING_ENABLE:
		from = enable;
		break;
	default:
		break;
	}
	memcpy(payload, from, size);
	return size;
}
