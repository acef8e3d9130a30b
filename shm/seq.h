/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequence count: one writer (the primary), readers in any process.
 *
 * The writer makes the count odd, writes, makes it even. A reader copies between two equal even
 * counts. A writer that died in the middle leaves the count odd: readers give up after a bounded
 * number of tries and say so, they never hang (the next primary publishes the slot anew).
 *
 * The fields in between are copied word by word with relaxed accesses: a torn copy is thrown
 * away by the count, but must not be undefined behaviour.
 */
#ifndef SHM_SEQ_H
#define SHM_SEQ_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "order.h"

#define HF_SEQ_TRIES 1000u

/* Primary only. Pairs with hf_seq_read_begin/_retry: a reader that sees one of our later stores
 * sees the odd count too. */
static inline void hf_seq_write_begin(uint32_t *seq)
{
	hf_write_once(seq, hf_read_once(seq) | 1u);
	hf_fence_release();
}

/* Pairs with the acquire of hf_seq_read_begin: an even count shows all fields written before. */
static inline void hf_seq_write_end(uint32_t *seq)
{
	hf_store_release(seq, (hf_read_once(seq) | 1u) + 1u);
}

static inline uint32_t hf_seq_read_begin(const uint32_t *seq)
{
	return hf_load_acquire(seq);
}

/* Must the reader throw its copy away? The fence keeps the copy's loads before the second look. */
static inline bool hf_seq_read_retry(const uint32_t *seq, uint32_t begun)
{
	hf_fence_acquire();
	return (begun & 1u) || hf_read_once(seq) != begun;
}

/* Copy 8-byte words out of, or into, shared memory. `bytes` is a multiple of 8. */
static inline void hf_words_read(void *to, const void *from, size_t bytes)
{
	uint64_t *d = to;
	const uint64_t *s = from;

	for (size_t i = 0; i < bytes / 8; i++)
		d[i] = hf_read_once(&s[i]);
}

static inline void hf_words_write(void *to, const void *from, size_t bytes)
{
	uint64_t *d = to;
	const uint64_t *s = from;

	for (size_t i = 0; i < bytes / 8; i++)
		hf_write_once(&d[i], s[i]);
}

#endif
