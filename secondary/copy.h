/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of packet size. Most packets are small: up to 256 bytes go in pairs of overlapping vector
 * moves, without a call and without a loop over bytes; the rest is the C library's.
 */
#ifndef SECONDARY_COPY_H
#define SECONDARY_COPY_H

#include <stdint.h>
#include <string.h>

#include "check.h"

struct hf_bytes16 {
	uint8_t b[16];
};
struct hf_bytes32 {
	uint8_t b[32];
};

#define HF_MOVE_ENDS(type, to, from, len)                                                          \
	do {                                                                                       \
		type head_, tail_;                                                                 \
		__builtin_memcpy(&head_, (from), sizeof(type));                                    \
		__builtin_memcpy(&tail_, (from) + (len) - sizeof(type), sizeof(type));             \
		__builtin_memcpy((to), &head_, sizeof(type));                                      \
		__builtin_memcpy((to) + (len) - sizeof(type), &tail_, sizeof(type));               \
	} while (0)

static inline void hf_copy_tiny(uint8_t *to, const uint8_t *from, size_t len)
{
	if (len >= 8)
		HF_MOVE_ENDS(uint64_t, to, from, len);
	else if (len >= 4)
		HF_MOVE_ENDS(uint32_t, to, from, len);
	else if (len >= 2)
		HF_MOVE_ENDS(uint16_t, to, from, len);
	else if (len)
		*to = *from;
}

/* The ranges do not overlap. */
static inline void hf_copy(uint8_t *to, const uint8_t *from, size_t len)
{
	if (unlikely(len > 256)) {
		memcpy(to, from, len);
		return;
	}
	if (unlikely(len < 16)) {
		hf_copy_tiny(to, from, len);
		return;
	}
	while (len > 64) {
		__builtin_memcpy(to, from, sizeof(struct hf_bytes32));
		__builtin_memcpy(to + 32, from + 32, sizeof(struct hf_bytes32));
		to += 64;
		from += 64;
		len -= 64;
	}
	if (len > 32)
		HF_MOVE_ENDS(struct hf_bytes32, to, from, len);
	else if (len >= 16)
		HF_MOVE_ENDS(struct hf_bytes16, to, from, len);
	else
		hf_copy_tiny(to, from, len);
}

#endif
