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

/* A register, not a struct: those the compiler copies through the stack. Unaligned, and of any
 * type's bytes. */
typedef uint64_t hf_bytes16 __attribute__((vector_size(16), aligned(1), may_alias));

/* All loads before all stores: the compiler cannot know that the two do not overlap. */

static inline void hf_copy_16_32(uint8_t *to, const uint8_t *from, size_t len)
{
	hf_bytes16 a = *(const hf_bytes16 *)(const void *)from;
	hf_bytes16 b = *(const hf_bytes16 *)(const void *)(from + len - 16);

	*(hf_bytes16 *)(void *)to = a;
	*(hf_bytes16 *)(void *)(to + len - 16) = b;
}

static inline void hf_copy_33_64(uint8_t *to, const uint8_t *from, size_t len)
{
	hf_bytes16 a = *(const hf_bytes16 *)(const void *)from;
	hf_bytes16 b = *(const hf_bytes16 *)(const void *)(from + 16);
	hf_bytes16 c = *(const hf_bytes16 *)(const void *)(from + len - 32);
	hf_bytes16 d = *(const hf_bytes16 *)(const void *)(from + len - 16);

	*(hf_bytes16 *)(void *)to = a;
	*(hf_bytes16 *)(void *)(to + 16) = b;
	*(hf_bytes16 *)(void *)(to + len - 32) = c;
	*(hf_bytes16 *)(void *)(to + len - 16) = d;
}

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
		hf_copy_33_64(to, from, 64);
		to += 64;
		from += 64;
		len -= 64;
	}
	if (len > 32)
		hf_copy_33_64(to, from, len);
	else if (len >= 16)
		hf_copy_16_32(to, from, len);
	else
		hf_copy_tiny(to, from, len);
}

#endif
