/* SPDX-License-Identifier: Apache-2.0 */
/* Four descriptors at once, by AVX2: see look_wide.h. */
#ifndef SECONDARY_LOOK_AVX2_H
#define SECONDARY_LOOK_AVX2_H

#define WIDE 4u

typedef uint64_t lanes __attribute__((vector_size(32)));

CORE lanes all_lanes(uint64_t v)
{
	return (lanes)_mm256_set1_epi64x((long long)v);
}

CORE lanes lanes_of_row(const uint32_t *row)
{
	return (lanes)_mm256_cvtepu32_epi64(_mm_loadu_si128((const void *)row));
}

CORE void row_of_lanes(uint32_t *row, lanes v)
{
	const __m256i low_halves = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);

	_mm_storeu_si128((void *)row, _mm256_castsi256_si128(
					      _mm256_permutevar8x32_epi32((__m256i)v, low_halves)));
}

CORE bool is_any_negative(lanes v)
{
	return _mm256_movemask_pd((__m256d)v);
}

CORE uint64_t read_8(const void *at)
{
	uint64_t v;

	__asm__ __volatile__("movq %1, %0" : "=r"(v) : "m"(*(const hf_bytes8 *)at));
	return v;
}

CORE __m256i read_32(const void *at)
{
	__m256i v;

	__asm__ __volatile__("vmovdqu %1, %0" : "=x"(v) : "m"(*(const hf_bytes32 *)at));
	return v;
}

/* The one in the low half, the other in the high one. */
CORE __m256i read_two(const void *low, const void *high)
{
	__m256i v = _mm256_castsi128_si256(read_16(low));

	__asm__ __volatile__("vinserti128 $1, %1, %0, %0"
			     : "+x"(v)
			     : "m"(*(const hf_bytes16 *)high));
	return v;
}

/* First and second words of even and odd descriptors, in order. */
CORE void take_apart(__m256i even, __m256i odd, lanes *ret_addr, lanes *ret_word)
{
	*ret_addr = (lanes)_mm256_unpacklo_epi64(even, odd);
	*ret_word = (lanes)_mm256_unpackhi_epi64(even, odd);
}

/* False: not all heads are in range. */
CORE bool read_split_wide(const struct chains *c, size_t i, lanes *ret_addr, lanes *ret_word,
			  lanes *ret_heads)
{
	uint64_t heads = read_8(&c->heads[i]);
	uint32_t a = (uint16_t)heads, b = (uint16_t)(heads >> 16);
	uint32_t d = (uint16_t)(heads >> 32), e = (uint16_t)(heads >> 48);

	if (unlikely(a >= c->size || b >= c->size || d >= c->size || e >= c->size))
		return false;
	take_apart(read_two(&c->table[a], &c->table[d]), read_two(&c->table[b], &c->table[e]),
		   ret_addr, ret_word);
	*ret_heads = (lanes)_mm256_cvtepu16_epi64(_mm_cvtsi64_si128((long long)heads));
	return true;
}

/* False: not all of them have these flags. */
CORE bool read_packed_wide(const struct hf_packed_slot *slots, uint16_t flags, lanes *ret_addr,
			   lanes *ret_word)
{
	const uint32_t places = 0xc000c000;   /* of flags, in bytes */
	const uint32_t of_words = 0xc0c0c0c0; /* the same, without the addresses */
	const __m256i wanted = _mm256_set1_epi16((short)flags);
	__m256i low = _mm256_cmpeq_epi16(read_32(slots), wanted);
	__m256i high = _mm256_cmpeq_epi16(read_32(slots + 2), wanted);

	if (((uint32_t)_mm256_movemask_epi8(_mm256_and_si256(low, high)) & places) != places)
		return false;
	tell_sanitizer(slots, WIDE);
	hf_fence_acquire();
	take_apart(read_two(&slots[0], &slots[2]), read_two(&slots[1], &slots[3]), ret_addr,
		   ret_word);
	/* What is used has them, too: the length of an INDIRECT is not a frame's. */
	low = _mm256_cmpeq_epi16((__m256i)*ret_word, wanted);
	return likely(((uint32_t)_mm256_movemask_epi8(low) & of_words) == of_words);
}

#endif
