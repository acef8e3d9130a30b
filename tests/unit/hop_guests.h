/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hop between guests, of which number 0 sends frames that say which they are. Compiled for each
 * kind of ring. REQUIREs on the way: for use inside test functions.
 */
#ifndef TESTS_HOP_GUESTS_H
#define TESTS_HOP_GUESTS_H

#include <holdfast/hop.h>
#include <stdbool.h>
#include <stdint.h>

#include "rig.h"

#ifdef RING_PACKED /* built once for each kind of ring */
#define RING HF_FEATURE(HF_F_RING_PACKED)
#else
#define RING 0ull
#endif
#define GUESTS	4u /* number 0 sends */
#define SIZE	64u
#define SLOT	512u
#define FRAME	200u
#define FRONT	64u
#define ROOM	2048u
#define PACKETS HF_MAX_BURST

extern struct rig guests[GUESTS];
extern uint8_t data[PACKETS][ROOM];
extern struct hf_packet packets[PACKETS], *pointers[PACKETS];
extern struct hf_hop *hop;
extern uint32_t sent;	     /* frames */
extern uint32_t due[GUESTS]; /* number of the next frame there */
/* Places of buffers, in the order in which they were posted, and how many came back. */
extern uint64_t places[GUESTS][8192];
extern uint32_t back[GUESTS];

/* Guest address of buffer number i. */
uint64_t slot(const struct rig *rig, uint32_t i);
void open_guest(struct rig *rig, uint16_t size, uint16_t base);
void post_buffers(struct rig *rig, uint32_t n);
void open_guests(uint16_t base);
void close_guests(void);
/* Frame number i: its number, then bytes that follow from it. */
void build(uint8_t *frame, uint32_t number);
void put_frames(uint32_t n);
/* A chain that breaks a rule: no byte behind the header. */
void put_bad(void);
bool is_frame(const uint8_t *bytes, uint32_t number);
/* How many frames came to guest `to`, whole and in order; it gives no new buffers. */
uint32_t received(uint32_t to);
uint16_t peek(uint16_t n);
uint16_t forward(uint32_t to, uint32_t first, uint32_t n);
/* Has the library used exactly `n` chains of one descriptor since the ring was made at 0? */
bool has_used(const struct driver *d, uint32_t n);
uint64_t counted(uint32_t guest, uint16_t queue, enum hf_counter counter);

#endif
