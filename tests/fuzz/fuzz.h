/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One fuzz target is one file here: LLVMFuzzerTestOneInput, and what it stands on.
 *
 * Theory of operation. Raw random rings and messages die in the first check. So an input is a list
 * of records of eight bytes, each an operation with three numbers; the target builds valid state
 * from them and then lets single operations lie. Every list is a legal input, records can be taken
 * out, doubled and exchanged, and the mutator in fuzz.c does just that. State is made once and put
 * back between inputs: nothing of an input may be left to the next one, or finds could not be
 * replayed.
 *
 * The same file is linked with libFuzzer (option `fuzz`, clang) and with replay.c, which runs kept
 * inputs as an ordinary test with any compiler.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record {
	uint8_t op;
	uint8_t a;
	uint16_t b;
	uint32_t c;
};

/* The input, read from its front. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* How many operations a target has: the mutator makes no others. */
extern const uint8_t fuzz_nr_ops;

/* The next record; false: the input is over. */
bool fuzz_next(struct fuzz_input *input, struct record *ret_record);
/* The next `n` records as bytes, fewer at the end. How many bytes. */
size_t fuzz_bytes(struct fuzz_input *input, size_t n, const uint8_t **ret_bytes);
/* A number that is worth trying, made from a random one: small ones, powers of two and their
 * neighbours, the ends of the types. */
uint64_t fuzz_number(uint32_t c);
/* Numbers from a seed: the same ones for the same record. */
uint32_t fuzz_any(uint32_t *seed, uint32_t below);

/* What must hold whatever the input is. */
#define FUZZ_HOLDS(condition) ((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_broken(const char *condition, const char *file, int line);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
