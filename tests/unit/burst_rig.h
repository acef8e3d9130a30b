/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rig (rig.h) with rings of one kind, and packets that say which they are. Compiled for each kind
 * of ring. REQUIREs on the way: for use inside test functions.
 */
#ifndef TESTS_BURST_RIG_H
#define TESTS_BURST_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "rig.h"

#ifdef RING_PACKED
#define RING HF_FEATURE(HF_F_RING_PACKED)
#else
#define RING 0ull
#endif
#define EVENT_IDX  HF_FEATURE(HF_F_EVENT_IDX)
#define ANY_LAYOUT HF_FEATURE(27)

#define BURST	   32u
#define PACKET_MAX 70000u
#define SLOT	   4096u

extern struct rig rig;
extern uint8_t data[BURST][PACKET_MAX];
extern struct hf_packet packets[BURST], *pointers[BURST];
extern uint64_t posted[256]; /* by head, or id: the buffer there */

void open_rig(uint64_t features, uint16_t size, uint16_t base);
void close_rig(void);
uint32_t header_bytes(void);
uint64_t slot(uint32_t i);
/* The index of a ring that has moved `n`. */
uint16_t at(uint32_t n);
/* The guest writes a header of zeros and `len` bytes of packet `seed` at gpa. */
void write_packet(uint64_t gpa, uint32_t len, uint32_t seed);
void make_room(uint32_t room);
uint16_t dequeue(uint16_t count);
/* Packets for the guest: number i has seed + i. */
void make_packets(uint32_t count, uint32_t len, uint32_t seed);
bool is_packet(const uint8_t *bytes, uint32_t len, uint32_t seed);
void came(uint32_t index, uint32_t len, uint32_t seed);
/* Split header + len bytes of packet `seed` into chunks, each in a slot of its own. */
uint32_t scatter(struct piece *pieces, uint32_t len, uint32_t seed, const uint32_t *chunks,
		 uint32_t nr_chunks);
void post_buffer(uint32_t i, uint32_t len);

#endif
