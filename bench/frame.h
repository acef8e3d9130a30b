/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames that are sent: addresses, a sequence number behind them, a fixed pattern, and the
 * sequence number again at the very end. Whoever finds both numbers knows which packet it is and
 * that it came whole; whoever has more time compares every byte.
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FRAME_MIN  30u /* 14 of Ethernet and the number twice */
#define FRAME_MAX  1518u
#define FRAME_HEAD 14u

static inline uint8_t frame_byte(uint32_t at)
{
	static const uint8_t head[FRAME_HEAD] = {0x52, 0x54, 0, 0, 0, 1,    0x52,
						 0x54, 0,    0, 0, 2, 0x88, 0xb5};

	return at < FRAME_HEAD ? head[at] : (uint8_t)(at * 31 + (at >> 8));
}

static inline void frame_fill(uint8_t *frame, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		frame[i] = frame_byte(i);
}

static inline void frame_stamp(uint8_t *frame, uint32_t size, uint64_t sequence)
{
	memcpy(frame + FRAME_HEAD, &sequence, sizeof(sequence));
	memcpy(frame + size - sizeof(sequence), &sequence, sizeof(sequence));
}

static inline bool frame_is(const uint8_t *frame, uint32_t size, uint64_t sequence)
{
	return !memcmp(frame + FRAME_HEAD, &sequence, sizeof(sequence)) &&
	       !memcmp(frame + size - sizeof(sequence), &sequence, sizeof(sequence));
}

/* Every byte. */
static inline bool frame_is_intact(const uint8_t *frame, uint32_t size, uint64_t sequence)
{
	if (!frame_is(frame, size, sequence))
		return false;
	for (uint32_t i = 0; i < size - sizeof(sequence); i++)
		if (frame[i] != frame_byte(i) &&
		    (i < FRAME_HEAD || i >= FRAME_HEAD + sizeof(sequence)))
			return false;
	return true;
}

#endif
