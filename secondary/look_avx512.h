/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight chains at once, by AVX-512: part of look.h, whose rules these are.
 *
 * Every word of the guest is read by one instruction into a register, which the compiler cannot
 * repeat: hence the assembler. Lanes of eight bytes that are aligned are never torn, whatever
 * happens to the vector as a whole.
 *
 * A vector is no single access: of one load, a descriptor's flags may be newer than its address.
 * So of a packed ring the flags of all eight are seen first, and only then, by loads of their own,
 * what they tell of. Partner of the order in between, as in hf_packed_look: the driver's barrier
 * before it stores the flags. A split ring's were ordered by avail->idx, see hf_vring_available.
 */
#ifndef SECONDARY_LOOK_AVX512_H
#define SECONDARY_LOOK_AVX512_H

#include <immintrin.h>

#define WIDE 8u

#define ALL_LANES 0xffu

CORE __m128i read_16(const void *at)
{
	__m128i v;

	__asm__ __volatile__("vmovdqu %1, %0" : "=x"(v) : "m"(*(const hf_bytes16 *)at));
	return v;
}

CORE __m512i read_64(const void *at)
{
	__m512i v;

	__asm__ __volatile__("vmovdqu64 %1, %0" : "=v"(v) : "m"(*(const hf_bytes64 *)at));
	return v;
}

/* Into quarter `n` of what is there. */
#define READ_QUARTER(v, n, at)                                                                     \
	__asm__ __volatile__("vinserti32x4 $" #n ", %1, %0, %0"                                    \
			     : "+v"(v)                                                             \
			     : "m"(*(const hf_bytes16 *)(const void *)(at)))

/* Addresses, and second words, of eight descriptors. */
struct wide {
	__m512i addr;
	__m512i word;
	__m512i used; /* as of struct found */
};

/* First words of even and odd descriptors, and their second ones, in order. */
CORE void take_apart(__m512i even, __m512i odd, struct wide *ret)
{
	ret->addr = _mm512_unpacklo_epi64(even, odd);
	ret->word = _mm512_unpackhi_epi64(even, odd);
}

/* Lanes of `word` of which the `mask` part is `value`. */
CORE __mmask8 lanes_with(__m512i word, uint64_t mask, uint64_t value)
{
	__m512i differs = _mm512_xor_si512(word, _mm512_set1_epi64((long long)value));

	return _mm512_testn_epi64_mask(differs, _mm512_set1_epi64((long long)mask));
}

/* False: not all heads are in range, or not all flags right. */
CORE bool wide_split(const struct chains *c, size_t i, struct wide *ret)
{
	__m128i heads = read_16(&c->heads[i]);
	__m512i even, odd;
	uint32_t at[WIDE];

	if (unlikely(_mm_cmplt_epu16_mask(heads, _mm_set1_epi16((short)c->size)) != ALL_LANES))
		return false;
	_mm256_storeu_si256((void *)at, _mm256_cvtepu16_epi32(heads));
	even = _mm512_castsi128_si512(read_16(&c->table[at[0]]));
	odd = _mm512_castsi128_si512(read_16(&c->table[at[1]]));
	READ_QUARTER(even, 1, &c->table[at[2]]);
	READ_QUARTER(odd, 1, &c->table[at[3]]);
	READ_QUARTER(even, 2, &c->table[at[4]]);
	READ_QUARTER(odd, 2, &c->table[at[5]]);
	READ_QUARTER(even, 3, &c->table[at[6]]);
	READ_QUARTER(odd, 3, &c->table[at[7]]);
	take_apart(even, odd, ret);
	ret->used = _mm512_cvtepu16_epi64(heads);
	return lanes_with(ret->word, 0xffffull << 32, (uint64_t)c->flags << 32) == ALL_LANES;
}

/* The thread sanitizer sees no order but that of loads it knows. */
CORE void tell_sanitizer(const struct hf_packed_slot *slots)
{
#if defined(__SANITIZE_THREAD__)
	for (uint32_t i = 0; i < WIDE; i++)
		(void)hf_load_acquire(&slots[i].state);
#else
	(void)slots;
#endif
}

/* False: not all of them are there and have the right flags. */
CORE bool wide_packed(const struct chains *c, size_t i, struct wide *ret)
{
	const __mmask32 flags = 0x80808080; /* of words of two bytes */
	const __m512i wanted = _mm512_set1_epi16((short)c->flags);
	const struct hf_packed_slot *slots = &c->slots[i];
	__m512i low = read_64(slots), high = read_64(slots + 4);

	if ((_mm512_mask_cmpeq_epi16_mask(flags, low, wanted) &
	     _mm512_mask_cmpeq_epi16_mask(flags, high, wanted)) != flags)
		return false;
	tell_sanitizer(slots);
	hf_fence_acquire();
	low = read_64(slots);
	high = read_64(slots + 4);
	ret->addr =
		_mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), high);
	ret->word =
		_mm512_permutex2var_epi64(low, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), high);
	ret->used = _mm512_or_si512(
		_mm512_and_si512(ret->word, _mm512_set1_epi64((long long)PACKED_ID)),
		_mm512_set1_epi64((long long)c->used_flags));
	return true;
}

/* Lanes of which [addr, addr + len) lies in the window; window_find's comparisons. */
CORE __mmask8 wide_find(const struct window *w, __m512i addr, __m512i len, __m512i *ret_address)
{
	const __m512i size = _mm512_set1_epi64((long long)w->size);
	__m512i offset = _mm512_sub_epi64(addr, _mm512_set1_epi64((long long)w->gpa));
	__mmask8 starts = _mm512_cmplt_epu64_mask(offset, size);

	*ret_address =
		_mm512_add_epi64(offset, _mm512_set1_epi64((long long)(uintptr_t)w->address));
	return _mm512_mask_cmple_epu64_mask(starts, _mm512_add_epi64(offset, len), size);
}

/* Chains i … i + WIDE - 1 are simple and noted, or false, and nothing is. */
CORE bool look_at_wide(const struct window *w, const struct chains *c, struct hf_run *r, size_t i)
{
	__m512i len, least, address;
	struct wide d;
	__mmask8 good;

	if (!(c->packed ? wide_packed(c, i, &d) : wide_split(c, i, &d)))
		return false;
	len = _mm512_and_si512(d.word, _mm512_set1_epi64(UINT32_MAX));
	least = c->fills ? _mm512_cvtepu32_epi64(_mm256_loadu_si256((const void *)&r->len[i]))
			 : _mm512_set1_epi64(c->least);
	good = _mm512_cmpge_epu64_mask(len, least);
	if (c->fills)
		len = least;
	good &= wide_find(w, d.addr, len, &address);
	if (unlikely(good != ALL_LANES))
		return false;
	if (c->fills) {
		d.used = _mm512_or_si512(d.used, c->packed ? len : _mm512_slli_epi64(len, 32));
	} else {
		_mm256_storeu_si256((void *)&r->len[i], _mm512_cvtepi64_epi32(len));
		r->longer |= _mm512_cmpgt_epu64_mask(len, _mm512_set1_epi64(HF_COPY_SHORT));
	}
	_mm512_storeu_si512(&r->address[i], address);
	_mm512_storeu_si512(&r->used[i], d.used);
	for (uint32_t k = 0; i < AHEAD && k < WIDE; k++)
		prefetch_frame(r->address[i + k], c->fills);
	return true;
}

#endif
