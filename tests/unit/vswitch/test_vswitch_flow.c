/* SPDX-License-Identifier: Apache-2.0 */
/* vswitch/flow.h: ends, VLANs and flow hashes, also of frames that are cut off anywhere. */
#include <stdlib.h>
#include <string.h>

#include "fdb.h"
#include "flow.h"
#include "suite.h"

#define TCP 6
#define UDP 17

static const uint8_t alice[6] = {0x52, 0x54, 0, 0, 0, 1};
static const uint8_t bob[6] = {0x52, 0x54, 0, 0, 0, 2};

static uint8_t frame[128];
static uint32_t len;

static void put16(uint32_t at, uint16_t v)
{
	frame[at] = (uint8_t)(v >> 8);
	frame[at + 1] = (uint8_t)v;
}

/* Everything is read from memory of the frame's own size, so that a sanitizer sees a read behind
 * it. */
static struct hf_packet *packet(void)
{
	static struct hf_packet p;

	free(p.data);
	p = (struct hf_packet){.data = malloc(len ? len : 1), .len = len, .total = len};
	REQUIRE(p.data != NULL);
	memcpy(p.data, frame, len);
	return &p;
}

static uint32_t hash(void)
{
	return flow_hash(packet());
}

static void ethernet(const uint8_t *to, const uint8_t *from, uint16_t type)
{
	memset(frame, 0, sizeof(frame));
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	put16(12, type);
	len = 60;
}

static void ipv4(uint8_t protocol, uint16_t fragment, uint16_t from, uint16_t to)
{
	ethernet(bob, alice, 0x0800);
	frame[14] = 0x45;
	put16(20, fragment);
	frame[23] = protocol;
	memcpy(frame + 26, "\x0a\0\0\x01\x0a\0\0\x02", 8);
	put16(34, from);
	put16(36, to);
}

static void ipv4_back(uint8_t protocol, uint16_t from, uint16_t to)
{
	ipv4(protocol, 0, to, from);
	memcpy(frame, alice, 6);
	memcpy(frame + 6, bob, 6);
	memcpy(frame + 26, "\x0a\0\0\x02\x0a\0\0\x01", 8);
}

static void ipv6(uint8_t next, const char *from, const char *to, uint16_t ports[2])
{
	ethernet(bob, alice, 0x86dd);
	frame[14] = 0x60;
	frame[20] = next;
	memcpy(frame + 22, from, 16);
	memcpy(frame + 38, to, 16);
	put16(54, ports[0]);
	put16(56, ports[1]);
	len = 80;
}

static void insert_tag(uint16_t type, uint16_t tag)
{
	memmove(frame + 16, frame + 12, len - 12);
	put16(12, type);
	put16(14, tag);
	len += 4;
}

static void an_untagged_frame_is_in_vlan_0(void)
{
	struct flow_ends ends;

	ethernet(bob, alice, 0x0800);
	REQUIRE(flow_ends(packet(), &ends));
	CHECK(ends.source == fdb_key(0, alice));
	CHECK(ends.destination == fdb_key(0, bob));
}

static void a_tagged_frame_is_in_the_vlan_of_its_tag(void)
{
	struct flow_ends ends;

	ethernet(bob, alice, 0x0800);
	insert_tag(0x8100, 0xe064); /* priority 7, VLAN 100 */
	REQUIRE(flow_ends(packet(), &ends));
	CHECK(ends.source == fdb_key(100, alice));
	CHECK(ends.destination == fdb_key(100, bob));
}

static void a_priority_tag_is_no_vlan_and_neither_is_a_service_tag(void)
{
	struct flow_ends ends;

	ethernet(bob, alice, 0x0800);
	insert_tag(0x8100, 0xe000);
	REQUIRE(flow_ends(packet(), &ends));
	CHECK(ends.source == fdb_key(0, alice));
	ethernet(bob, alice, 0x0800);
	insert_tag(0x88a8, 100);
	REQUIRE(flow_ends(packet(), &ends));
	CHECK(ends.source == fdb_key(0, alice));
}

static void a_frame_shorter_than_its_header_has_no_ends(void)
{
	struct flow_ends ends;

	ethernet(bob, alice, 0x8100);
	for (len = 0; len < 14; len++)
		CHECK(!flow_ends(packet(), &ends));
	/* A tag that is not all there is none. */
	for (len = 14; len < 18; len++) {
		REQUIRE(flow_ends(packet(), &ends));
		CHECK(ends.source == fdb_key(0, alice));
	}
}

static void group_addresses_are_told_by_their_key(void)
{
	const uint8_t all[6] = {255, 255, 255, 255, 255, 255}, many[6] = {1, 0, 0x5e, 0, 0, 1};

	CHECK((fdb_key(5, all) & FDB_KEY_GROUP) != 0);
	CHECK((fdb_key(5, many) & FDB_KEY_GROUP) != 0);
	CHECK(!(fdb_key(5, alice) & FDB_KEY_GROUP));
}

static void the_sixteen_link_local_addresses_are_link_local_in_every_vlan(void)
{
	uint8_t mac[6] = {0x01, 0x80, 0xc2, 0, 0, 0};

	for (mac[5] = 0; mac[5] < 16; mac[5]++)
		CHECK(flow_is_link_local(fdb_key(mac[5], mac)));
	CHECK(!flow_is_link_local(fdb_key(0, mac)));
	CHECK(!flow_is_link_local(fdb_key(0, alice)));
}

static void both_directions_of_a_flow_have_one_hash(void)
{
	uint32_t there;

	ipv4(TCP, 0, 40000, 80);
	there = hash();
	ipv4_back(TCP, 40000, 80);
	CHECK_EQ(hash(), there);
	ipv6(UDP, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1", "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\2",
	     (uint16_t[]){53, 9999});
	there = hash();
	ipv6(UDP, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\2", "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1",
	     (uint16_t[]){9999, 53});
	CHECK_EQ(hash(), there);
	ethernet(alice, bob, 0x0806);
	there = hash();
	ethernet(bob, alice, 0x0806);
	CHECK_EQ(hash(), there);
}

static void ports_belong_to_their_address(void)
{
	uint32_t one;

	ipv4(TCP, 0, 1000, 2000);
	one = hash();
	ipv4(TCP, 0, 2000, 1000);
	CHECK(hash() != one);
}

static void payload_and_tags_do_not_change_the_hash(void)
{
	uint32_t plain;

	ipv4(UDP, 0, 1, 2);
	plain = hash();
	frame[50] = 77;
	CHECK_EQ(hash(), plain);
	insert_tag(0x8100, 5);
	CHECK_EQ(hash(), plain);
	insert_tag(0x88a8, 6);
	CHECK_EQ(hash(), plain);
}

static void all_fragments_of_a_datagram_have_one_hash(void)
{
	uint32_t first;

	ipv4(UDP, 0x2000, 1, 2); /* more fragments, offset 0: the ports are there */
	first = hash();
	ipv4(UDP, 0x20b9, 0xdead, 0xbeef); /* in the middle: payload */
	CHECK_EQ(hash(), first);
	ipv4(UDP, 0x0172, 0xcafe, 0xbabe); /* the last */
	CHECK_EQ(hash(), first);
}

static void flows_spread_over_the_queues(void)
{
	unsigned count[4] = {0};

	for (uint16_t port = 0; port < 1000; port++) {
		ipv4(TCP, 0, (uint16_t)(32768 + port), 5201);
		count[flow_choose(hash(), 4)]++;
	}
	for (unsigned i = 0; i < 4; i++)
		CHECK(count[i] > 150 && count[i] < 350);
	CHECK_EQ(flow_choose(UINT32_MAX, 128), 127);
	CHECK_EQ(flow_choose(0, 128), 0);
}

static void options_move_the_ports_and_are_followed(void)
{
	uint32_t a, b;

	ipv4(TCP, 0, 0, 0);
	frame[14] = 0x46; /* four bytes of options */
	put16(38, 1);
	a = hash();
	put16(38, 2);
	b = hash();
	CHECK(a != b);
}

/* The sanitizer is the judge: every frame here is cut off behind each of its bytes. */
static void a_frame_cut_off_anywhere_is_hashed_without_reading_behind_it(void)
{
	static const uint8_t lengths[] = {0x45, 0x4f, 0x40, 0x65, 0x00};
	uint32_t sum = 0, full;

	for (unsigned i = 0; i < sizeof(lengths); i++) {
		ipv4(TCP, 0, 1, 2);
		insert_tag(0x8100, 5);
		frame[18] = lengths[i];
		for (full = len, len = 0; len <= full; len++)
			sum += hash();
	}
	ipv6(TCP, "0123456789abcdef", "fedcba9876543210", (uint16_t[]){1, 2});
	insert_tag(0x88a8, 1);
	insert_tag(0x8100, 1);
	insert_tag(0x8100, 1);
	for (full = len, len = 0; len <= full; len++)
		sum += hash();
	CHECK(sum != 0);
}

static const struct sentence sentences[] = {
	SENTENCE(an_untagged_frame_is_in_vlan_0),
	SENTENCE(a_tagged_frame_is_in_the_vlan_of_its_tag),
	SENTENCE(a_priority_tag_is_no_vlan_and_neither_is_a_service_tag),
	SENTENCE(a_frame_shorter_than_its_header_has_no_ends),
	SENTENCE(group_addresses_are_told_by_their_key),
	SENTENCE(the_sixteen_link_local_addresses_are_link_local_in_every_vlan),
	SENTENCE(both_directions_of_a_flow_have_one_hash),
	SENTENCE(ports_belong_to_their_address),
	SENTENCE(payload_and_tags_do_not_change_the_hash),
	SENTENCE(all_fragments_of_a_datagram_have_one_hash),
	SENTENCE(flows_spread_over_the_queues),
	SENTENCE(options_move_the_ports_and_are_followed),
	SENTENCE(a_frame_cut_off_anywhere_is_hashed_without_reading_behind_it),
};

SUITE("vswitch: flows", sentences)
