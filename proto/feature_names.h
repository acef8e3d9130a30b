/* SPDX-License-Identifier: Apache-2.0 */
/* Names of virtio's feature bits: the same in what the primary says and in what `holdfast` takes.
 */
#ifndef PROTO_FEATURE_NAMES_H
#define PROTO_FEATURE_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct hf_bit_name {
	unsigned bit;
	const char *name; /* small letters, without VIRTIO_NET_F_ and the like */
};

struct hf_bit_names {
	const struct hf_bit_name *bits; /* by rising bit */
	size_t nr_bits;
};

extern const struct hf_bit_names hf_virtio_features;

#define HF_BIT_WORD_MAX 16u /* room for "bit_N" */

/* NULL: no name known. */
const char *hf_bit_name(const struct hf_bit_names *names, unsigned bit);
/* The name, or "bit_N", which is written into `room` of HF_BIT_WORD_MAX. */
const char *hf_bit_word(const struct hf_bit_names *names, unsigned bit, char *room);
/* The words in a row, as far as they go into `size`; returns `room`. */
const char *hf_bits_to_text(const struct hf_bit_names *names, uint64_t mask, char *room,
			    size_t size);

#endif
