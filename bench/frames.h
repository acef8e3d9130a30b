/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames that are sent: addresses, a sequence number behind them, a fixed pattern, and at the
 * very end a number made from the sequence number. Whoever finds both knows which packet it is and
 * that it came whole; whoever has more time compares every byte.
 */
#ifndef BENCH_FRAMES_H
#define BENCH_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FRAME_MIN   30u /* 14 of Ethernet and the number twice */
#define FRAME_MAX   1518u
#define FRAME_JUMBO 9018u
#define FRAME_HEAD  14u

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

/* No byte of it stays the same from frame to frame: what was not copied shows. */
static inline uint64_t frame_tail(uint64_t sequence)
{
	return (sequence + 1) * 0x9e3779b97f4a7c15ull;
}

static inline void frame_stamp(uint8_t *frame, uint32_t size, uint64_t sequence)
{
	uint64_t tail = frame_tail(sequence);

	memcpy(frame + FRAME_HEAD, &sequence, sizeof(sequence));
	memcpy(frame + size - sizeof(tail), &tail, sizeof(tail));
}

static inline bool frame_is(const uint8_t *frame, uint32_t size, uint64_t sequence)
{
	uint64_t tail = frame_tail(sequence);

	return !memcmp(frame + FRAME_HEAD, &sequence, sizeof(sequence)) &&
	       !memcmp(frame + size - sizeof(tail), &tail, sizeof(tail));
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
