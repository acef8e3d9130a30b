/* SPDX-License-Identifier: Apache-2.0 */
#include "burst_rig.h"

#include <holdfast/burst.h>
#include <string.h>

#include "check.h"
#include "suite.h"

struct rig rig;
uint8_t data[BURST][PACKET_MAX];
struct hf_packet packets[BURST], *pointers[BURST];
uint64_t posted[256];

void open_rig(uint64_t features, uint16_t size, uint16_t base)
{
	struct rig_shape shape = {
		.features = features | RING, .size = size, .base = base, .memory = 8u << 20};

	REQUIRE(rig_create(&rig, &shape));
}

void close_rig(void)
{
	CHECK_EQ(driver_check(&rig.tx), 0);
	CHECK_EQ(driver_check(&rig.rx), 0);
	rig_destroy(&rig);
}

uint32_t header_bytes(void)
{
	return rig.features & (V1 | MRG) ? 12 : 10;
}

uint64_t slot(uint32_t i)
{
	return rig.buffers + (uint64_t)i * SLOT;
}

uint16_t at(uint32_t n)
{
	return driver_index(&rig.tx, n);
}

static uint8_t byte_of(uint32_t seed, uint32_t i)
{
	return (uint8_t)(seed * 37 + i * 11 + (i >> 8));
}

void write_packet(uint64_t gpa, uint32_t len, uint32_t seed)
{
	static uint8_t bytes[PACKET_MAX + 12];
	uint32_t header = header_bytes();

	memset(bytes, 0, header);
	for (uint32_t i = 0; i < len; i++)
		bytes[header + i] = byte_of(seed, i);
	guest_write(&rig.guest, gpa, bytes, header + len);
}

void make_room(uint32_t room)
{
	for (uint32_t i = 0; i < BURST; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .room = room};
		pointers[i] = &packets[i];
	}
}

uint16_t dequeue(uint16_t count)
{
	make_room(PACKET_MAX);
	return hf_dequeue_burst(rig.device, 1, pointers, count);
}

void make_packets(uint32_t count, uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < len; k++)
			data[i][k] = byte_of(seed + i, k);
		packets[i] = (struct hf_packet){.data = data[i], .len = len, .total = len};
		pointers[i] = &packets[i];
	}
}

bool is_packet(const uint8_t *bytes, uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		if (bytes[i] != byte_of(seed, i))
			return false;
	return true;
}

void came(uint32_t index, uint32_t len, uint32_t seed)
{
	CHECK_EQ(packets[index].total, len);
	CHECK(is_packet(packets[index].data, len, seed));
	CHECK_EQ(packets[index].offload.flags, 0);
	CHECK_EQ(packets[index].offload.gso_type, 0);
}

uint32_t scatter(struct piece *pieces, uint32_t len, uint32_t seed, const uint32_t *chunks,
		 uint32_t nr_chunks)
{
	uint32_t total = header_bytes() + len, at = 0, n = 0;
	uint64_t flat = slot(200);

	write_packet(flat, len, seed);
	for (; at < total; n++) {
		uint32_t take = n < nr_chunks ? chunks[n] : total - at;

		take = (uint32_t)min_u64(take, total - at);
		pieces[n] = (struct piece){slot(n) + n, take, 0};
		guest_write(&rig.guest, pieces[n].gpa, guest_at(&rig.guest, flat + at), take);
		at += take;
	}
	return n;
}

void post_buffer(uint32_t i, uint32_t len)
{
	struct piece piece = {slot(i), len, DRIVER_WRITE};
	int head = driver_post(&rig.rx, &piece, 1);

	REQUIRE(head >= 0);
	posted[head % 256] = piece.gpa;
}
