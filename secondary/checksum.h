/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum (RFC 1071): sums of 16-bit words in network order, folded at the end. */
#ifndef SECONDARY_CHECKSUM_H
#define SECONDARY_CHECKSUM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Add `len` bytes; a piece that is not the last one has even length. */
static inline uint64_t hf_sum(uint64_t sum, const uint8_t *bytes, uint32_t len)
{
	while (len >= 4) {
		uint32_t word;

		memcpy(&word, bytes, sizeof(word));
		sum += word;
		bytes += 4;
		len -= 4;
	}
	if (len >= 2) {
		uint16_t half;

		memcpy(&half, bytes, sizeof(half));
		sum += half;
		bytes += 2;
		len -= 2;
	}
	if (len) {
		uint8_t last[2] = {*bytes, 0};
		uint16_t half;

		memcpy(&half, last, sizeof(half));
		sum += half;
	}
	return sum;
}

/* The checksum in memory order: memcpy it into the packet. */
static inline uint16_t hf_sum_finish(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

#endif
