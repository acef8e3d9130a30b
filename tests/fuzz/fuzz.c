/* SPDX-License-Identifier: Apache-2.0 */
/* Records, and the mutator that knows them. */
#include "fuzz.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

bool fuzz_next(struct fuzz_input *input, struct record *ret)
{
	if (input->left < sizeof(*ret))
		return false;
	memcpy(ret, input->at, sizeof(*ret));
	input->at += sizeof(*ret);
	input->left -= sizeof(*ret);
	return true;
}

size_t fuzz_bytes(struct fuzz_input *input, size_t n, const uint8_t **ret_bytes)
{
	size_t len = min_u64(n * sizeof(struct record), input->left);

	*ret_bytes = input->at;
	input->at += len;
	input->left -= len;
	return len;
}

uint64_t fuzz_number(uint32_t c)
{
	uint32_t shift = (c >> 8) % 64;

	switch (c >> 29) {
	case 0:
		return c & 0xff;
	case 1:
		return (1ull << shift) + (uint64_t)(int64_t)(int8_t)c;
	case 2:
		return UINT64_MAX - (c & 0xff);
	case 3:
		return (uint64_t)(c & 0xffff) << shift % 32;
	case 4:
		return c & 0xffff;
	case 5:
		return UINT32_MAX - (c & 0xf);
	case 6:
		return (uint64_t)c * 0x9e3779b97f4a7c15ull;
	default:
		return (c & 0xffff) * 4096ull;
	}
}

uint32_t fuzz_any(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(*seed >> 8) * below >> 24);
}

_Noreturn void fuzz_broken(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

/* The rigs of unit tests assert with CUnit's; here nobody runs a suite. */
CU_BOOL CU_assertImplementation(CU_BOOL value, unsigned int line, const char *condition,
				const char *file, const char *function, CU_BOOL fatal)
{
	(void)function;
	(void)fatal;
	if (!value)
		fuzz_broken(condition, file, (int)line);
	return CU_TRUE;
}

#ifdef FUZZ
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t max, unsigned int seed);

static struct record any_record(uint32_t *seed)
{
	return (struct record){.op = (uint8_t)fuzz_any(seed, fuzz_nr_ops),
			       .a = (uint8_t)fuzz_any(seed, fuzz_any(seed, 2) ? 256 : 8),
			       .b = (uint16_t)fuzz_any(seed, fuzz_any(seed, 2) ? 65536 : 16),
			       .c = fuzz_any(seed, 1u << 16) << 16 | fuzz_any(seed, 1u << 16)};
}

static void tweak(struct record *record, uint32_t *seed)
{
	struct record other = any_record(seed);

	switch (fuzz_any(seed, 6)) {
	case 0:
		record->op = other.op;
		break;
	case 1:
		record->a = other.a;
		break;
	case 2:
		record->b = other.b;
		break;
	case 3:
		record->c = other.c;
		break;
	case 4:
		record->b += (uint16_t)(fuzz_any(seed, 2) ? 1 : -1);
		break;
	default:
		record->c ^= 1u << fuzz_any(seed, 32);
	}
}

/* One change of a list of `n` records, which may have `most`. How many it has then. */
static size_t change(struct record *list, size_t n, size_t most, uint32_t *seed)
{
	size_t i = n ? fuzz_any(seed, (uint32_t)n) : 0, j = n ? fuzz_any(seed, (uint32_t)n) : 0;
	struct record moved = n ? list[j] : any_record(seed);

	switch (fuzz_any(seed, 8)) {
	case 0: /* a new one, or one doubled */
	case 1:
		if (n == most)
			return n;
		memmove(&list[i + 1], &list[i], (n - i) * sizeof(*list));
		list[i] = fuzz_any(seed, 2) ? any_record(seed) : moved;
		return n + 1;
	case 2: /* one less */
		if (n < 2)
			return n;
		memmove(&list[i], &list[i + 1], (n - i - 1) * sizeof(*list));
		return n - 1;
	case 3: /* exchange */
		if (n) {
			list[j] = list[i];
			list[i] = moved;
		}
		return n;
	default:
		if (n)
			tweak(&list[i], seed);
		return n;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t max, unsigned int seed)
{
	static struct record list[4096];
	uint32_t state = seed;
	size_t most = min_u64(max / sizeof(*list), ARRAY_SIZE(list));
	size_t n = min_u64(size / sizeof(*list), most);

	fuzz_any(&state, 2);
	/* Words of a dictionary, comparisons seen: libFuzzer's own ways. */
	if (!most || fuzz_any(&state, 8) == 0)
		return LLVMFuzzerMutate(bytes, size, max);
	memcpy(list, bytes, n * sizeof(*list));
	for (uint32_t times = 1 + fuzz_any(&state, 3); times > 0; times--)
		n = change(list, n, most, &state);
	memcpy(bytes, list, n * sizeof(*list));
	return n * sizeof(*list);
}
#endif
