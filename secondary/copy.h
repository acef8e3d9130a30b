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

/* Registers, not structs: those the compiler copies through the stack. Unaligned, and of any type's
 * bytes. */
typedef uint64_t hf_bytes8 __attribute__((aligned(1), may_alias));
typedef uint64_t hf_bytes16 __attribute__((vector_size(16), aligned(1), may_alias));
#ifdef __AVX2__
typedef uint64_t hf_bytes32 __attribute__((vector_size(32), aligned(1), may_alias));
#endif
#ifdef __AVX512VL__
typedef uint64_t hf_bytes64 __attribute__((vector_size(64), aligned(1), may_alias));
#endif

/* Two moves that meet or overlap. All loads before all stores: the compiler cannot know that `to`
 * and `from` do not overlap. */
#define HF_MOVE_ENDS(type, to, from, len)                                                          \
	do {                                                                                       \
		type head_, tail_;                                                                 \
		__builtin_memcpy(&head_, (from), sizeof(type));                                    \
		__builtin_memcpy(&tail_, (from) + (len) - sizeof(type), sizeof(type));             \
		__builtin_memcpy((to), &head_, sizeof(type));                                      \
		__builtin_memcpy((to) + (len) - sizeof(type), &tail_, sizeof(type));               \
	} while (0)

static inline void hf_copy_16_32(uint8_t *to, const uint8_t *from, size_t len)
{
	HF_MOVE_ENDS(hf_bytes16, to, from, len);
}

static inline void hf_copy_32_64(uint8_t *to, const uint8_t *from, size_t len)
{
#ifdef __AVX2__
	HF_MOVE_ENDS(hf_bytes32, to, from, len);
#else
	hf_bytes16 a = *(const hf_bytes16 *)(const void *)from;
	hf_bytes16 b = *(const hf_bytes16 *)(const void *)(from + 16);
	hf_bytes16 c = *(const hf_bytes16 *)(const void *)(from + len - 32);
	hf_bytes16 d = *(const hf_bytes16 *)(const void *)(from + len - 16);

	*(hf_bytes16 *)(void *)to = a;
	*(hf_bytes16 *)(void *)(to + 16) = b;
	*(hf_bytes16 *)(void *)(to + len - 32) = c;
	*(hf_bytes16 *)(void *)(to + len - 16) = d;
#endif
}

static inline void hf_copy_64(uint8_t *to, const uint8_t *from)
{
#ifdef __AVX512VL__
	*(hf_bytes64 *)(void *)to = *(const hf_bytes64 *)(const void *)from;
#else
	hf_copy_32_64(to, from, 64);
#endif
}

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

/*
 * Up to here the moves are ours. With wide registers that is every frame of an Ethernet without
 * jumbo frames: moves that are aligned where they store, and no call, took 81 cycles for 1518
 * bytes where memcpy took 94. With 16 bytes at a time memcpy, which may use wider ones, is better.
 */
#ifdef __AVX2__
#define HF_COPY_SHORT 2047u
#else
#define HF_COPY_SHORT 511u
#endif

static inline void hf_prefetch_read(const void *at)
{
	__builtin_prefetch(at, 0);
}

static inline void hf_prefetch_write(const void *at)
{
#if defined(__x86_64__)
	__asm__ __volatile__("prefetchw %0" : : "m"(*(const uint8_t *)at));
#else
	__builtin_prefetch(at, 1);
#endif
}

/*
 * Any length, without a call. The ranges do not overlap. The lines at `next`, where the copy after
 * this one goes (NULL: nowhere), are prefetched meanwhile: a line that is not ours to write, in the
 * guest's cache or in our second one, is waited for otherwise.
 */
static inline __attribute__((always_inline)) void hf_copy_short(uint8_t *to, const uint8_t *from,
								size_t len, const uint8_t *next)
{
	if (len > 64) {
		/* From the first line on that starts at `to` or behind it: stores across lines
		 * cost most. */
		size_t at = 64 - ((uintptr_t)to & 63);

		hf_copy_64(to, from);
		for (; at < len - 64; at += 64) {
			if (next)
				hf_prefetch_write(next + at);
			hf_copy_64(to + at, from + at);
		}
		hf_copy_64(to + len - 64, from + len - 64);
	} else if (likely(len >= 32)) {
		hf_copy_32_64(to, from, len);
	} else if (len >= 16) {
		hf_copy_16_32(to, from, len);
	} else {
		hf_copy_tiny(to, from, len);
	}
}

#define HF_COPY_AHEAD 2048u

/* Ask for the lines at [to, to + len), to write; not more than HF_COPY_AHEAD bytes. */
static inline void hf_prefetch_all(const uint8_t *to, size_t len)
{
	for (size_t at = 0; at < len && at < HF_COPY_AHEAD; at += 64)
		hf_prefetch_write(to + at);
}

/* The ranges do not overlap. */
static inline void hf_copy(uint8_t *to, const uint8_t *from, size_t len)
{
	if (unlikely(len > HF_COPY_SHORT))
		memcpy(to, from, len);
	else
		hf_copy_short(to, from, len, NULL);
}

#endif
