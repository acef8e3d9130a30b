/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WIDE chains at once: part of look.h, whose rules these are. The level's header (look_avx512.h,
 * look_avx2.h) reads the descriptors and says what `lanes` are.
 *
 * Theory of operation. What is wrong with a chain makes a number negative: all rules are sums of
 * its own lane, or-ed, and one look at the signs tells whether all chains are good. So it is the
 * same C at each level. No sum wraps that is believed: lengths have 32 bits, a region that is
 * mapped is shorter than 2^63, and where `left` is negative nobody asks what is less than it.
 *
 * Every word of the guest is read by one instruction into a register, which the compiler cannot
 * repeat: hence the assembler. Lanes of eight bytes that are aligned are never torn, whatever
 * happens to the vector as a whole.
 *
 * But a vector is no single access: of one load, a descriptor's flags may be newer than its
 * address. So of a packed ring the flags of all are seen first, and only then, by loads of their
 * own, what they tell of. Partner of the order in between, as in hf_packed_look: the driver's
 * barrier before it stores the flags. A split ring's were ordered by avail->idx, see
 * hf_vring_available.
 */
#ifndef SECONDARY_LOOK_WIDE_H
#define SECONDARY_LOOK_WIDE_H

#include <immintrin.h>

CORE __m128i read_16(const void *at)
{
	__m128i v;

	__asm__ __volatile__("vmovdqu %1, %0" : "=x"(v) : "m"(*(const hf_bytes16 *)at));
	return v;
}

/* The thread sanitizer sees no order but that of loads it knows. */
CORE void tell_sanitizer(const struct hf_packed_slot *slots, uint32_t n)
{
#if defined(__SANITIZE_THREAD__)
	for (uint32_t i = 0; i < n; i++)
		(void)hf_load_acquire(&slots[i].state);
#else
	(void)slots;
	(void)n;
#endif
}

#ifdef __AVX512BW__
#include "look_avx512.h"
#else
#include "look_avx2.h"
#endif

/* Negative where [addr, addr + len) does not lie in the window; window_find's comparisons. */
CORE lanes outside(const struct window *w, lanes addr, lanes len, lanes *ret_address)
{
	lanes offset = addr - all_lanes(w->gpa);
	lanes left = all_lanes(w->size) - offset;

	*ret_address = offset + all_lanes((uintptr_t)w->address);
	return offset | left | (left - len);
}

/* Chains i … i + WIDE - 1 are simple and noted, or false, and nothing is. */
CORE bool look_at_wide(const struct window *w, const struct chains *c, struct hf_run *r, size_t i)
{
	lanes addr, word, used, len, least, wrong, address;

	if (!(c->packed ? read_packed_wide(&c->slots[i], c->flags, &addr, &word)
			: read_split_wide(c, i, &addr, &word, &used)))
		return false;
	len = word & all_lanes(UINT32_MAX);
	least = c->fills ? lanes_of_row(&r->len[i]) : all_lanes(c->least);
	wrong = len - least;
	if (c->fills)
		len = least;
	if (c->packed)
		used = (word & all_lanes(PACKED_ID)) | all_lanes(c->used_flags);
	else
		wrong |= all_lanes(0) - ((word ^ all_lanes((uint64_t)c->flags << 32)) &
					 all_lanes(0xffffull << 32));
	wrong |= outside(w, addr, len, &address);
	if (unlikely(is_any_negative(wrong)))
		return false;
	if (c->fills) {
		used |= c->packed ? len : len << 32;
	} else {
		row_of_lanes(&r->len[i], len);
		r->longer |= is_any_negative(all_lanes(HF_COPY_SHORT) - len);
	}
	memcpy(&r->address[i], &address, sizeof(address));
	memcpy(&r->used[i], &used, sizeof(used));
	for (uint32_t k = 0; i < AHEAD && k < WIDE; k++)
		prefetch_frame(r->address[i + k], c->fills);
	return true;
}

#endif
