/* SPDX-License-Identifier: Apache-2.0 */
#include "hop_guests.h"

#include <string.h>

#include "suite.h"

struct rig guests[GUESTS];
uint8_t data[PACKETS][ROOM];
struct hf_packet packets[PACKETS], *pointers[PACKETS];
struct hf_hop *hop;
uint32_t sent;
uint32_t due[GUESTS];
uint64_t places[GUESTS][8192];
uint32_t back[GUESTS];
static uint32_t posted[GUESTS];

uint64_t slot(const struct rig *rig, uint32_t i)
{
	return rig->buffers + (uint64_t)i * SLOT;
}

void open_guest(struct rig *rig, uint16_t size, uint16_t base)
{
	struct rig_shape shape = {
		.features = V1 | RING, .size = size, .base = base, .memory = 1u << 20};

	REQUIRE(rig_create(rig, &shape));
}

void post_buffers(struct rig *rig, uint32_t n)
{
	for (; n && rig->rx.descs_free; n--) {
		struct piece piece = {slot(rig, SIZE + rig->rx.next_desc), SLOT, DRIVER_WRITE};

		REQUIRE(driver_put(&rig->rx, &piece, 1) >= 0);
		places[rig - guests][posted[rig - guests]++] = piece.gpa;
	}
	driver_publish(&rig->rx);
}

void open_guests(uint16_t base)
{
	for (uint32_t i = 0; i < GUESTS; i++) {
		open_guest(&guests[i], SIZE, base);
		due[i] = posted[i] = back[i] = 0;
	}
	for (uint32_t i = 0; i < PACKETS; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .room = ROOM};
		pointers[i] = &packets[i];
	}
	hop = hf_hop_create();
	REQUIRE(hop != NULL);
	sent = 0;
}

void close_guests(void)
{
	hf_hop_destroy(hop);
	for (uint32_t i = 0; i < GUESTS; i++) {
		CHECK_EQ(driver_check(&guests[i].rx), 0);
		CHECK_EQ(driver_check(&guests[i].tx), 0);
		CHECK_EQ(hf_load_acquire(&guests[i].lanes[0].busy), 0);
		CHECK_EQ(hf_load_acquire(&guests[i].lanes[1].busy), 0);
		rig_destroy(&guests[i]);
	}
}

void build(uint8_t *frame, uint32_t number)
{
	for (uint32_t i = 0; i < FRAME; i++)
		frame[i] = (uint8_t)(2 * (number + i * 3));
	memcpy(frame + 6, &number, sizeof(number));
}

static void put_bytes(const void *bytes, uint32_t len)
{
	struct rig *from = &guests[0];
	struct piece piece = {slot(from, from->tx.next_desc), len, 0};

	guest_write(&from->guest, piece.gpa, bytes, len);
	REQUIRE(driver_put(&from->tx, &piece, 1) >= 0);
}

void put_frames(uint32_t n)
{
	uint8_t bytes[12 + FRAME] = {0};

	for (; n; n--) {
		build(bytes + 12, sent++);
		put_bytes(bytes, sizeof(bytes));
	}
	driver_publish(&guests[0].tx);
}

void put_bad(void)
{
	uint8_t bytes[12] = {0};

	put_bytes(bytes, sizeof(bytes));
	driver_publish(&guests[0].tx);
}

bool is_frame(const uint8_t *bytes, uint32_t number)
{
	uint8_t frame[FRAME];

	build(frame, number);
	return !memcmp(bytes, frame, FRAME);
}

uint32_t received(uint32_t to)
{
	struct rig *rig = &guests[to];
	struct driver_used used;
	uint32_t n = 0;

	for (; driver_consume(&rig->rx, &used); n++) {
		uint64_t gpa = places[to][back[to]++];

		CHECK_EQ(used.len, 12 + FRAME);
		CHECK(is_frame(guest_at(&rig->guest, gpa + 12), due[to]));
		due[to]++;
	}
	return n;
}

uint16_t peek(uint16_t n)
{
	return hf_hop_peek(hop, guests[0].device, 1, pointers, n, FRONT);
}

uint16_t forward(uint32_t to, uint32_t first, uint32_t n)
{
	return hf_hop_forward(hop, guests[to].device, 0, pointers + first, (uint16_t)n);
}

bool has_used(const struct driver *d, uint32_t n)
{
	return driver_used_idx(d) == driver_index(d, n);
}

uint64_t counted(uint32_t guest, uint16_t queue, enum hf_counter counter)
{
	return rig_counter(&guests[guest], queue, counter);
}
