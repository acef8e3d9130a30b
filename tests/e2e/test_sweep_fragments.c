/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One whole session, from greeting to stopped rings, in every legal cut of its stream: each message
 * in two writes, cut behind any of its bytes, the second one written when the first has been looked
 * at; and any two messages in one write, where descriptors allow it. Each time every answer is the
 * one that messages in one piece get, in order, and packets come back. What else must hold is in
 * alive.h.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "alive.h"
#include "check.h"
#include "faults.h"
#include "suite.h"

#define WAIT_MS	   20000
#define MOST_BYTES 64u /* of one message */
#define MOST	   26u /* cuts, or pairs, without HF_TEST_LONG */
#define PACKETS	   20u

struct message {
	uint8_t bytes[MOST_BYTES];
	size_t size;
	uint32_t request;
	int fd; /* -1: none */
	bool is_answered;
};

static struct alive a;
/* `bad` has memory and rings, `line` the connection of this time. */
static struct front_end bad, line;
static uint32_t number;
static struct message messages[32];
static size_t nr_messages, setup_messages;

static bool is_get(uint32_t request)
{
	return request == FE_GET_FEATURES || request == FE_GET_PROTOCOL_FEATURES ||
	       request == FE_GET_VRING_BASE;
}

static void add(uint32_t request, const void *payload, uint32_t size, int fd)
{
	/* From SET_PROTOCOL_FEATURES on everything can be asked to be answered. */
	bool asks = nr_messages > 3 && !is_get(request);
	const uint32_t header[3] = {request, FE_VERSION | (asks ? FE_NEED_REPLY : 0), size};
	struct message *m = &messages[nr_messages++];

	REQUIRE(nr_messages <= ARRAY_SIZE(messages) && sizeof(header) + size <= MOST_BYTES);
	*m = (struct message){.size = sizeof(header) + size,
			      .request = request,
			      .fd = fd,
			      .is_answered = asks || is_get(request)};
	memcpy(m->bytes, header, sizeof(header));
	if (size)
		memcpy(m->bytes + sizeof(header), payload, size);
}

static void add_u64(uint32_t request, uint64_t value, int fd)
{
	add(request, &value, sizeof(value), fd);
}

static void add_state(uint32_t request, uint32_t ring, uint32_t value)
{
	const uint32_t state[2] = {ring, value};

	add(request, state, sizeof(state), -1);
}

static void add_ring(uint32_t ring)
{
	const struct driver *d = &bad.rings[ring];
	uint64_t to_user = bad.guest.user - bad.guest.base;
	const uint64_t addr[5] = {ring, d->desc + to_user, d->used + to_user, d->avail + to_user};

	add_state(FE_SET_VRING_NUM, ring, d->size);
	add_state(FE_SET_VRING_BASE, ring, driver_used_idx(d));
	add(FE_SET_VRING_ADDR, addr, sizeof(addr), -1);
	add_u64(FE_SET_VRING_ERR, ring, bad.errs[ring]);
	add_u64(FE_SET_VRING_CALL, ring, bad.calls[ring]);
	add_u64(FE_SET_VRING_KICK, ring, bad.kicks[ring]);
	add_state(FE_SET_VRING_ENABLE, ring, 1);
}

/* Of a session on the guest as it is now. */
static void compose(void)
{
	const struct hf_shm_region *r = &bad.guest.regions[0];
	const uint64_t table[5] = {1, r->gpa, r->size, r->user_addr, r->file_offset};

	nr_messages = 0;
	add(FE_GET_FEATURES, NULL, 0, -1);
	add(FE_SET_OWNER, NULL, 0, -1);
	add(FE_GET_PROTOCOL_FEATURES, NULL, 0, -1);
	add_u64(FE_SET_PROTOCOL_FEATURES, bad.protocol_features, -1);
	add_u64(FE_SET_FEATURES, bad.features, -1);
	add(FE_SET_MEM_TABLE, table, sizeof(table), bad.guest.fd);
	add_ring(0);
	add_ring(1);
	setup_messages = nr_messages;
	for (uint32_t ring = 0; ring < 2; ring++)
		add_state(FE_GET_VRING_BASE, ring, 0);
}

/* ---- how it is sent */

static void write_bytes(const uint8_t *bytes, size_t len, int fd)
{
	CHECK_EQ(front_end_send_bytes(&line, bytes, len, &fd, fd >= 0, 0), 0);
}

/* It leaves half a message in the socket, where nobody sees how far it has looked. But it does one
 * thing after the other: what it is asked later is answered later. */
static void wait_until_looked_at(void)
{
	CHECK(world_ask_pid(&a.world, NULL) > 0);
}

static void send_cut(const struct message *m, size_t cut)
{
	size_t first = cut && cut < m->size ? cut : m->size;

	write_bytes(m->bytes, first, m->fd);
	if (first == m->size)
		return;
	wait_until_looked_at();
	write_bytes(m->bytes + first, m->size - first, -1);
}

/* Descriptors belong to the message whose bytes they come with. */
static bool may_follow(const struct message *m)
{
	return m->fd < 0;
}

static void send_both(const struct message *m)
{
	uint8_t bytes[2 * MOST_BYTES];

	memcpy(bytes, m[0].bytes, m[0].size);
	memcpy(bytes + m[0].size, m[1].bytes, m[1].size);
	write_bytes(bytes, m[0].size + m[1].size, m->fd);
}

/* Messages [from, to): cut behind `cut` bytes (0: not), and that with number `pair` together with
 * the next. */
static void send_messages(size_t from, size_t to, size_t cut, size_t pair)
{
	for (size_t i = from; i < to; i++) {
		if (i != pair) {
			send_cut(&messages[i], cut);
			continue;
		}
		send_both(&messages[i]);
		i++;
	}
}

static void check_answers(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		const struct message *m = &messages[i];
		uint64_t answer = ~0ull;

		if (!m->is_answered)
			continue;
		CHECK_EQ(front_end_reply(&line, m->request, &answer, sizeof(answer)), 8);
		if (m->request == FE_GET_FEATURES)
			CHECK_EQ(answer & bad.features, bad.features);
		else if (m->request == FE_GET_PROTOCOL_FEATURES)
			CHECK_EQ(answer & bad.protocol_features, bad.protocol_features);
		else if (m->request == FE_GET_VRING_BASE)
			CHECK_EQ(answer >> 32, driver_used_idx(&bad.rings[(uint32_t)answer & 1]));
		else
			CHECK_EQ(answer, 0);
	}
}

/* False: something was not as it should be. The two stops are a pair, too: packets come between
 * set-up and stops. */
static bool run_session(size_t cut, size_t pair)
{
	unsigned int before = CU_get_number_of_failures();

	compose();
	alive_connect(&a, &line);
	send_messages(0, setup_messages, cut, pair);
	check_answers(0, setup_messages);
	(void)eventfd_write(bad.kicks[0], 1);
	CHECK_EQ(front_end_echo(&bad, 0, &number, PACKETS), 0);
	send_messages(setup_messages, nr_messages, cut, pair);
	check_answers(setup_messages, nr_messages);
	close(line.socket);
	alive_check_ledger(&a);
	if (CU_get_number_of_failures() == before)
		return true;
	printf("    cut behind %zu bytes, together from %zd\n", cut, (ssize_t)pair);
	return false;
}

/* A guest that lives on from session to session, and the longest message. */
static size_t open_scene(void)
{
	static const char *const unbounded[] = {"--message-rate", "0", NULL};
	size_t longest = 0;

	alive_open(&a, unbounded);
	alive_set_up(&a, &bad);
	number = 50;
	close(bad.socket);
	bad.socket = -1;
	compose();
	for (size_t i = 0; i < nr_messages; i++)
		longest = messages[i].size > longest ? messages[i].size : longest;
	return longest;
}

static void close_scene(void)
{
	CHECK_EQ(driver_check(&bad.rings[0]), 0);
	CHECK_EQ(driver_check(&bad.rings[1]), 0);
	front_end_close(&bad);
	alive_check(&a);
	alive_close(&a);
}

static void a_session_cut_behind_any_byte_of_its_messages_works(void)
{
	struct sweep sweep = sweep_over((uint32_t)open_scene() - 1, MOST);

	while (sweep_next(&sweep) && run_session(sweep.at, SIZE_MAX))
		;
	close_scene();
}

static void any_two_messages_of_a_session_in_one_write_are_both_answered(void)
{
	size_t pairs[ARRAY_SIZE(messages)], n = 0;
	struct sweep sweep;

	(void)open_scene();
	for (size_t i = 0; i + 1 < nr_messages; i++)
		if (i + 1 != setup_messages && may_follow(&messages[i + 1]))
			pairs[n++] = i;
	sweep = sweep_over((uint32_t)n, MOST);
	while (sweep_next(&sweep) && run_session(0, pairs[sweep.at - 1]))
		;
	close_scene();
}

static const struct sentence sentences[] = {
	CATALOGUE(a_session_cut_behind_any_byte_of_its_messages_works, "[M-17]"),
	CATALOGUE(any_two_messages_of_a_session_in_one_write_are_both_answered, "[M-17]"),
};
SUITE("sweep of fragments", sentences)
