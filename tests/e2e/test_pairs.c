/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any two messages of which each is right by itself, in any order: as the first that a front-end
 * says, and behind a greeting, where they are looked at for what they ask. What must hold after
 * every case is in alive.h.
 */
#include <string.h>

#include "alive.h"
#include "legal.h"
#include "suite.h"

static struct alive a;
static struct front_end bad;

static int send_legal(uint32_t request, uint32_t flags)
{
	uint8_t payload[64];
	uint32_t size = legal_payload(request, payload);
	bool with_file = request == FE_SET_MEM_TABLE || request == FE_ADD_MEM_REG;

	return front_end_send(&bad, request, flags, payload, size, &a.neighbour.guest.fd,
			      with_file);
}

/* The first one alone as well: as a pair with nothing behind it. */
static void any_two_first_messages_are_survived(void)
{
	alive_open(&a, NULL);
	for (uint32_t first = 1; first < LEGAL_REQUESTS; first++) {
		for (uint32_t second = 0; second < LEGAL_REQUESTS; second++) {
			alive_connect(&a, &bad);
			(void)send_legal(first, 0);
			if (second)
				(void)send_legal(second, 0);
			alive_finish(&bad);
		}
		alive_check_ledger(&a);
	}
	alive_check(&a);
	alive_close(&a);
}

/* One reply, or the end. False: the end. */
static bool is_answered(uint32_t request)
{
	uint8_t reply[512];

	if (send_legal(request, FE_NEED_REPLY) < 0)
		return false;
	return front_end_reply(&bad, request, reply, sizeof(reply)) > 0;
}

/* Both, and what comes next is the answer to what is asked next. False: it was closed before. */
static bool try_pair(uint32_t first, uint32_t second)
{
	static const struct session_shape shape;
	uint64_t features = 0;
	bool open;

	alive_connect(&a, &bad);
	REQUIRE(front_end_agree(&bad, &shape) == 0);
	open = is_answered(first) && is_answered(second);
	if (open) {
		CHECK_EQ(front_end_send(&bad, FE_GET_FEATURES, 0, NULL, 0, NULL, 0), 0);
		CHECK_EQ(front_end_reply(&bad, FE_GET_FEATURES, &features, 8), 8);
		CHECK(features & FE_VERSION_1);
	} else {
		CHECK(front_end_is_closed(&bad));
	}
	front_end_close(&bad);
	return open;
}

/* A share of them, if the tests are not to be long: each first and each second one is in it. */
static void any_two_messages_behind_a_greeting_have_one_answer_each(void)
{
	uint32_t step = suite_is_long() ? 1 : 9, tried = 0, open = 0;

	alive_open(&a, NULL);
	for (uint32_t first = 1; first < LEGAL_REQUESTS; first++) {
		for (uint32_t second = 1 + first % step; second < LEGAL_REQUESTS; second += step) {
			open += try_pair(first, second);
			tried++;
		}
		alive_check_ledger(&a);
	}
	printf("\n    %u of %u pairs were answered to their end ", open, tried);
	CHECK(open > tried / 2);
	alive_check(&a);
	alive_close(&a);
}

static const struct sentence sentences[] = {
	CATALOGUE(any_two_first_messages_are_survived, "[19] [M-3]"),
	CATALOGUE(any_two_messages_behind_a_greeting_have_one_answer_each, "[19] [M-3]"),
};
SUITE("pairs", sentences)
