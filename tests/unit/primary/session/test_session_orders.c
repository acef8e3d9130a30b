/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primary/nouns/session.h: any message behind any other, twice, half, byte by byte, or with an
 * answer that nobody reads: no descriptor is left, and the next session works.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "device.h"
#include "fake_grants.h"
#include "fd.h"
#include "fd_ledger.h"
#include "front.h"
#include "port.h"
#include "refused.h"
#include "revocation.h"
#include "session.h"
#include "suite.h"

/* Until it does not wait any more for those who close elsewhere. */
static void wait_for_the_door(void)
{
	for (int ms = 0; ms < 20000 && front_port()->listener_source.fd < 0; ms++) {
		usleep(1000);
		front_turn();
	}
}

/* Any message with any descriptors and any size, as the first of a session. */
static void no_message_leaks_a_descriptor(void)
{
	static const unsigned int counts[] = {0, 1, 2, 8, 9, 64, 253};
	static const uint32_t sizes[] = {0, 8, 9, 40, 264, 268, 269};
	static int fds[253];
	uint8_t payload[272] = {0};
	int open;

	front_begin();
	for (int i = 0; i < 253; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC);
	open = fds_open();
	for (uint32_t request = 0; request < 48; request++) {
		for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
			for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
				wait_for_the_door();
				front_connect(&front);
				front_send(&front, request, VU_NEED_REPLY, payload, sizes[s], fds,
					   counts[c]);
				front_turn();
				front_close(&front);
				CHECK_EQ(fds_become(open), open);
			}
		}
	}
	for (int i = 0; i < 253; i++)
		close(fds[i]);
	front_end();
}

/* And behind a good set-up, when what comes is taken, and what was there before is given up: the
 * words are those of a good table of one region, and of ring 1. */
static void nor_does_one_behind_a_set_up(void)
{
	static const uint32_t sizes[] = {0, 8, 40};
	const struct vu_mem_table table = {.count = 1,
					   .regions = {{0, FRONT_MEMORY, FRONT_USER, 0}}};
	int fds[2][9], taken = 0, open;

	front_begin();
	for (size_t i = 0; i < 9; i++) {
		fds[0][i] = eventfd(0, EFD_CLOEXEC);
		fds[1][i] = memfd_create("table", MFD_CLOEXEC);
		REQUIRE(ftruncate(fds[1][i], FRONT_MEMORY) == 0);
	}
	open = fds_open();
	for (uint32_t request = 0; request < 48; request++)
		for (unsigned int count = 0; count < 3; count++)
			for (size_t s = 0; s < ARRAY_SIZE(sizes) * 2; s++) {
				wait_for_the_door();
				front_port()->firsts = (struct rate){0};
				front_connect(&front);
				front_setup(&front);
				front_send(&front, request, 0, &table, sizes[s / 2], fds[s % 2],
					   count);
				front_turn();
				taken += count && front_port()->session;
				front_close(&front);
				CHECK_EQ(fds_become(open), open);
			}
	CHECK(taken >= 4); /* a table, and a kick, call and error descriptor at least */
	hf_fd_close_all(fds[0], 9);
	hf_fd_close_all(fds[1], 9);
	front_end();
}

/* A good message of kind `kind`; some of them make sense in no order. */
#define NR_KINDS 18
static void send_kind(unsigned int kind)
{
	struct vu_vring_addr addr = front_addr(kind & 1);
	struct vu_mem_reg region = {.region = {0, FRONT_MEMORY, FRONT_USER, 0}};

	switch (kind / 2) {
	case 0:
		front_state(&front, VU_SET_VRING_NUM, kind & 1, FRONT_SIZE);
		break;
	case 1:
		front_state(&front, VU_SET_VRING_BASE, kind & 1, 7);
		break;
	case 2:
		front_send(&front, VU_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
		break;
	case 3:
		front_vring_fd(&front, VU_SET_VRING_KICK, kind & 1, front.kick[kind & 1]);
		break;
	case 4:
		front_vring_fd(&front, VU_SET_VRING_CALL, kind & 1, front.call[kind & 1]);
		break;
	case 5:
		front_state(&front, VU_SET_VRING_ENABLE, kind & 1, 1);
		break;
	case 6:
		front_state(&front, VU_GET_VRING_BASE, kind & 1, 0);
		break;
	case 7:
		if (kind & 1)
			front_memory(&front);
		else
			front_u64(&front, VU_SET_FEATURES, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
		break;
	default:
		if (kind & 1)
			front_send(&front, VU_ADD_MEM_REG, 0, &region, sizeof(region),
				   &front.memory, 1);
		else
			front_send(&front, VU_REM_MEM_REG, 0, &region, sizeof(region), NULL, 0);
	}
}

/* HF_TEST_LONG=1: of a hundred thousand seeds. */
static void any_order_of_messages_is_survived(void)
{
	int seeds = suite_is_long() ? 100000 : 400;

	front_begin();
	srand(1);
	for (int seed = 0; seed < seeds; seed++) {
		/* It is not to be read slower for what it did before. */
		front_port()->firsts = front_port()->revocations = (struct rate){0};
		front_connect(&front);
		front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
		fake.hold = seed & 1;
		for (int i = 0; i < 30; i++) {
			send_kind((unsigned int)rand() % NR_KINDS);
			if (rand() % 4 == 0)
				front_turn();
			if (rand() % 8 == 0)
				front_kick(&front, 0);
			if (rand() % 3 == 0)
				(void)fake_release();
			for (uint32_t v = 0; front_port()->session && v < 2; v++) {
				const struct vring *vring = &front_port()->device.vrings[v];

				CHECK(!vring->started || vring_configured(vring) ||
				      revoke_covers(vring));
			}
		}
		front_close(&front);
		/* A round is over when its time is, which who is preempted has not had. */
		for (int i = 0; i < 10000 && (fake_release() || front_port()->session); i++)
			front_turn();
		CHECK(front_port()->session == NULL);
	}
	front_end();
}

/* The whole of a good set-up, message by message. */
#define NR_STEPS 18u
static void send_step(uint32_t step)
{
	const uint64_t features = VIRTIO_BIT(VU_F_PROTOCOL_FEATURES) |
				  VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX);
	uint32_t ring = (step - 6) / 6;
	struct vu_vring_addr addr = front_addr(ring);

	switch (step < 6 ? step : 6 + step % 6) {
	case 0:
		front_send(&front, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
		CHECK_EQ(front_reply_u64(&front, VU_GET_FEATURES), port_supported_features());
		break;
	case 1:
		front_send(&front, VU_SET_OWNER, 0, NULL, 0, NULL, 0);
		break;
	case 2:
		front_send(&front, VU_GET_PROTOCOL_FEATURES, 0, NULL, 0, NULL, 0);
		(void)front_reply_u64(&front, VU_GET_PROTOCOL_FEATURES);
		break;
	case 3:
		front_u64(&front, VU_SET_PROTOCOL_FEATURES, VIRTIO_BIT(VU_PROTOCOL_REPLY_ACK));
		break;
	case 4:
		front_u64(&front, VU_SET_FEATURES, features);
		break;
	case 5:
		front_memory(&front);
		break;
	case 6:
		front_state(&front, VU_SET_VRING_NUM, ring, FRONT_SIZE);
		break;
	case 7:
		front_state(&front, VU_SET_VRING_BASE, ring, 0);
		break;
	case 8:
		front_send(&front, VU_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
		break;
	case 9:
		front_vring_fd(&front, VU_SET_VRING_KICK, ring, front.kick[ring]);
		break;
	case 10:
		front_vring_fd(&front, VU_SET_VRING_CALL, ring, front.call[ring]);
		break;
	default:
		front_state(&front, VU_SET_VRING_ENABLE, ring, 1);
	}
}

static void any_beginning_of_a_session_may_be_all_there_is(void)
{
	front_begin();
	for (uint32_t steps = 0; steps <= NR_STEPS; steps++) {
		front_connect(&front);
		for (uint32_t step = 0; step < steps; step++)
			send_step(step);
		front_turn();
		CHECK(!front_is_closed(&front));
		front_close(&front);
		CHECK(front_port()->session == NULL);
		CHECK_EQ(front_port()->device.memory.count, 0);
		CHECK(!fake_granted(&front_port()->device.vrings[0]));
	}
	CHECK_EQ(refusals(), 0);
	front_end();
}

static void each_message_may_come_twice(void)
{
	front_begin();
	for (uint32_t twice = 0; twice < NR_STEPS; twice++) {
		front_connect(&front);
		for (uint32_t step = 0; step < NR_STEPS; step++) {
			send_step(step);
			if (step == twice)
				send_step(step);
		}
		front_kick(&front, 0);
		front_kick(&front, 1);
		CHECK(fake_granted(&front_port()->device.vrings[0]));
		CHECK(fake_granted(&front_port()->device.vrings[1]));
		front_close(&front);
	}
	CHECK_EQ(refusals(), 0);
	front_end();
}

static void half_a_message_and_an_unread_reply_have_a_deadline(void)
{
	const struct vu_header ask = {VU_GET_FEATURES, VU_VERSION, 0};

	begin_session();
	front_send_bytes(&front, &ask, 5, NULL, 0);
	front_turn();
	CHECK(front_port()->session->deadline.at_ns != 0);
	front_wait(5200);
	CHECK(front_is_closed(&front));
	CHECK_EQ(primary.refusals[REFUSED_MESSAGE_TIMEOUT], 1);
	front_close(&front);
	/* This one asks and asks, and never reads an answer. */
	front_connect(&front);
	for (int i = 0; i < 100000 && front_port()->session->state != SESSION_REPLYING; i++) {
		front_send_bytes(&front, &ask, sizeof(ask), NULL, 0);
		if (i % 64 == 0)
			front_turn();
	}
	CHECK_EQ(front_port()->session->state, SESSION_REPLYING);
	front_wait(5200);
	CHECK(front_port()->session == NULL);
	CHECK_EQ(primary.refusals[REFUSED_REPLY_TIMEOUT], 1);
	end_session();
}

static void bytes_one_by_one_make_the_deadline_of_a_message_no_later(void)
{
	struct vu_header header = {VU_SET_VRING_ENABLE, VU_VERSION, 8};
	struct vu_vring_state enabled = {0, 1};
	uint8_t bytes[sizeof(header) + sizeof(enabled)];
	uint64_t at;

	begin_session();
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), &enabled, sizeof(enabled));
	front_send_bytes(&front, bytes, 1, NULL, 0);
	front_turn();
	at = front_port()->session->deadline.at_ns;
	CHECK(at != 0);
	for (size_t i = 1; i + 1 < sizeof(bytes); i++) {
		usleep(1000);
		front_send_bytes(&front, bytes + i, 1, NULL, 0);
		front_turn();
		CHECK_EQ(front_port()->session->raw.have, i + 1);
		CHECK_EQ(front_port()->session->deadline.at_ns, at);
	}
	/* Whole at last; the next one has a time of its own. */
	front_send_bytes(&front, bytes + sizeof(bytes) - 1, 1, NULL, 0);
	front_turn();
	CHECK_EQ(front_port()->session->deadline.at_ns, 0);
	front_send_bytes(&front, bytes, 1, NULL, 0);
	front_turn();
	CHECK(front_port()->session->deadline.at_ns > at);
	end_session();
}

/* Until a reply has to wait. How often. */
static int ask_and_never_read(void)
{
	const struct vu_header ask = {VU_GET_FEATURES, VU_VERSION, 0};
	int asked = 0;

	while (front_port()->session->state != SESSION_REPLYING && asked < 100000) {
		front_send_bytes(&front, &ask, sizeof(ask), NULL, 0);
		if (++asked % 64 == 0)
			front_turn();
	}
	CHECK_EQ(front_port()->session->state, SESSION_REPLYING);
	return asked;
}

static void who_goes_while_its_reply_waits_is_gone(void)
{
	begin_session();
	(void)ask_and_never_read();
	shutdown(front.socket, SHUT_RDWR);
	front_turn();
	CHECK(!front_port()->session);
	end_session();
}

static void a_reply_that_had_to_wait_arrives_whole(void)
{
	int asked, answered = 0;

	begin_session();
	asked = ask_and_never_read();
	while (front_reply_u64(&front, VU_GET_FEATURES) == port_supported_features())
		answered++;
	CHECK_EQ(answered, asked);
	CHECK_EQ(front_port()->session->state, SESSION_READING);
	end_session();
}

static const struct sentence sentences[] = {
	CATALOGUE(no_message_leaks_a_descriptor, "[10] [16]"),
	CATALOGUE(nor_does_one_behind_a_set_up, "[10] [16]"),
	CATALOGUE(any_order_of_messages_is_survived, "[M-3]"),
	CATALOGUE(any_beginning_of_a_session_may_be_all_there_is, "[M-3]"),
	CATALOGUE(each_message_may_come_twice, "[M-3]"),
	CATALOGUE(half_a_message_and_an_unread_reply_have_a_deadline, "[M-15] [M-16]"),
	CATALOGUE(bytes_one_by_one_make_the_deadline_of_a_message_no_later, "[M-16]"),
	SENTENCE(who_goes_while_its_reply_waits_is_gone),
	CATALOGUE(a_reply_that_had_to_wait_arrives_whole, "[M-15]"),
};
SUITE("session_orders", sentences)
