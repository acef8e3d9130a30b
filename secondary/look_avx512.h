/* SPDX-License-Identifier: Apache-2.0 */
/* Eight descriptors at once, by AVX-512: see look_wide.h. */
#ifndef SECONDARY_LOOK_AVX512_H
#define SECONDARY_LOOK_AVX512_H

#define WIDE 8u

typedef uint64_t lanes __attribute__((vector_size(64)));

CORE lanes all_lanes(uint64_t v)
{
	return (lanes)_mm512_set1_epi64((long long)v);
}

CORE lanes lanes_of_row(const uint32_t *row)
{
	return (lanes)_mm512_cvtepu32_epi64(_mm256_loadu_si256((const void *)row));
}

CORE void row_of_lanes(uint32_t *row, lanes v)
{
	_mm256_storeu_si256((void *)row, _mm512_cvtepi64_epi32((__m512i)v));
}

CORE bool is_any_negative(lanes v)
{
	return _mm512_cmplt_epi64_mask((__m512i)v, _mm512_setzero_si512());
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

/* False: not all heads are in range. */
CORE bool read_split_wide(const struct chains *c, size_t i, lanes *ret_addr, lanes *ret_word,
			  lanes *ret_heads)
{
	__m128i heads = read_16(&c->heads[i]);
	__m512i even, odd;
	uint32_t at[WIDE];

	if (unlikely(_mm_cmpge_epu16_mask(heads, _mm_set1_epi16((short)c->size))))
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
	*ret_addr = (lanes)_mm512_unpacklo_epi64(even, odd);
	*ret_word = (lanes)_mm512_unpackhi_epi64(even, odd);
	*ret_heads = (lanes)_mm512_cvtepu16_epi64(heads);
	return true;
}

/* False: not all of them have these flags. */
CORE bool read_packed_wide(const struct hf_packed_slot *slots, uint16_t flags, lanes *ret_addr,
			   lanes *ret_word)
{
	const __mmask32 places = 0x80808080; /* of flags, in words of two bytes */
	const __m512i wanted = _mm512_set1_epi16((short)flags);
	__m512i low = read_64(slots), high = read_64(slots + 4);

	if (_mm512_mask_cmpneq_epi16_mask(places, low, wanted) |
	    _mm512_mask_cmpneq_epi16_mask(places, high, wanted))
		return false;
	tell_sanitizer(slots, WIDE);
	hf_fence_acquire();
	low = read_64(slots);
	high = read_64(slots + 4);
	/* What is used has them, too: the length of an INDIRECT is not a frame's. */
	if (unlikely(_mm512_mask_cmpneq_epi16_mask(places, low, wanted) |
		     _mm512_mask_cmpneq_epi16_mask(places, high, wanted)))
		return false;
	*ret_addr = (lanes)_mm512_permutex2var_epi64(
		low, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), high);
	*ret_word = (lanes)_mm512_permutex2var_epi64(
		low, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), high);
	return true;
}

#endif
