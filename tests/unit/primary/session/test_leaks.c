/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nobody is told a byte more than what is meant for him: replies end where their payload ends, and
 * of what a message brought nothing comes back.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "check.h"
#include "fake_grants.h"
#include "front.h"
#include "suite.h"
#include "vu_table.h"

static struct front front;

/* What is sent is full of this. */
#define JUNK 0xb7

static void begin(void)
{
	front_begin();
	front_connect(&front);
	front_setup(&front);
}

static void end(void)
{
	front_close(&front);
	front_end();
}

/* All that came; the answer to one message and nothing else. */
static size_t hear(uint8_t *bytes, size_t room)
{
	ssize_t n;

	front_turn();
	n = recv(front.socket, bytes, room, MSG_DONTWAIT);
	return n < 0 ? 0 : (size_t)n;
}

/* Header and a number, each byte of it said. */
static void check_number(uint32_t request, const uint8_t *bytes, size_t len, uint64_t most)
{
	struct vu_header header;
	uint64_t value;

	CHECK_EQ(len, sizeof(header) + sizeof(value));
	memcpy(&header, bytes, sizeof(header));
	memcpy(&value, bytes + sizeof(header), sizeof(value));
	CHECK_EQ(header.request, request);
	CHECK_EQ(header.flags, VU_VERSION | VU_REPLY);
	CHECK_EQ(header.size, sizeof(value));
	CHECK(value <= most);
}

static void every_answer_has_its_payload_and_nothing_more(void)
{
	static const struct {
		uint32_t request;
		uint64_t most; /* bits that a number may have are below it */
	} numbers[] = {
		{VU_GET_FEATURES, UINT64_MAX},	     {VU_GET_PROTOCOL_FEATURES, UINT32_MAX},
		{VU_GET_QUEUE_NUM, 128},	     {VU_GET_MAX_MEM_SLOTS, 509},
		{VU_GET_STATUS, 255},
	};
	uint8_t bytes[512];

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		front_send(&front, numbers[i].request, 0, NULL, 0, NULL, 0);
		check_number(numbers[i].request, bytes, hear(bytes, sizeof(bytes)),
			     numbers[i].most);
	}
	end();
}

static void a_rings_base_comes_back_with_its_ring_and_nothing_more(void)
{
	struct vu_vring_state sent = {.index = 1, .num = 0xb7b7b7b7}, state;
	struct vu_header header;
	uint8_t bytes[512];

	begin();
	front_send(&front, VU_GET_VRING_BASE, 0, &sent, sizeof(sent), NULL, 0);
	CHECK_EQ(hear(bytes, sizeof(bytes)), sizeof(header) + sizeof(state));
	memcpy(&header, bytes, sizeof(header));
	memcpy(&state, bytes + sizeof(header), sizeof(state));
	CHECK_EQ(header.size, sizeof(state));
	CHECK_EQ(state.index, 1);
	CHECK_EQ(state.num, 0);
	end();
}

/* Yes or no is a number, whatever was asked, right or wrong, of any size. */
static void yes_and_no_are_a_number_and_nothing_more(void)
{
	static const uint32_t sizes[] = {0, 4, 8, 40, 268};
	uint8_t junk[268], bytes[512];

	memset(junk, JUNK, sizeof(junk));
	begin();
	for (uint32_t request = 0; request < VU_NR_REQUESTS + 4; request++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			const struct vu_rule *rule = vu_rule(request);
			size_t len;

			if (rule && rule->handle && sizes[s] == 0)
				continue; /* it may be right, and then answers what it answers */
			front_send(&front, request, VU_NEED_REPLY, junk, sizes[s], NULL, 0);
			len = hear(bytes, sizeof(bytes));
			check_number(request, bytes, len, 1);
		}
	end();
}

/* The device's configuration is not offered: no byte of it, nor of the question, comes back. */
static void a_configuration_that_is_asked_for_past_its_end_is_refused(void)
{
	uint32_t question[3 + 64] = {0xffffff00, 256, 0};
	uint8_t bytes[512];

	begin();
	front_send(&front, VU_GET_CONFIG, 0, question, sizeof(question), NULL, 0);
	CHECK_EQ(hear(bytes, sizeof(bytes)), 0);
	CHECK(!front_is_closed(&front));
	front_send(&front, VU_GET_CONFIG, VU_NEED_REPLY, question, sizeof(question), NULL, 0);
	check_number(VU_GET_CONFIG, bytes, hear(bytes, sizeof(bytes)), 1);
	end();
}

static const struct sentence sentences[] = {
	CATALOGUE(every_answer_has_its_payload_and_nothing_more, "[22]"),
	CATALOGUE(a_rings_base_comes_back_with_its_ring_and_nothing_more, "[22]"),
	CATALOGUE(yes_and_no_are_a_number_and_nothing_more, "[22]"),
	CATALOGUE(a_configuration_that_is_asked_for_past_its_end_is_refused, "[22]"),
};
SUITE("leaks", sentences)
