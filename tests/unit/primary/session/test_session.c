/* SPDX-License-Identifier: Apache-2.0 */
/* primary/nouns/session.h over a real socket: the states of rings, and what waits for a revocation.
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "fake_grants.h"
#include "front.h"
#include "port.h"
#include "ports.h"
#include "refusal.h"
#include "session.h"
#include "suite.h"

static struct front front;

static struct device *device(void)
{
	return &front_port()->device;
}

static struct vring *ring(uint32_t index)
{
	return &device()->vrings[index];
}

static void begin(void)
{
	front_begin();
	front_connect(&front);
}

static void end(void)
{
	front_close(&front);
	front_end();
}

/* Both rings kicked and granted. */
static void begin_running(void)
{
	begin();
	front_setup(&front);
	front_kick(&front, 0);
	front_kick(&front, 1);
	REQUIRE(fake_granted(ring(0)) && fake_granted(ring(1)));
	fake.revocations = 0;
}

/* --- start and stop --- */

static void a_fresh_ring_starts_with_its_first_kick_which_stays_unread(void)
{
	struct pollfd kick;

	begin();
	front_setup(&front);
	CHECK(!ring(0)->started);
	CHECK_EQ(device_state(device()), HF_DEVICE_SESSION);
	front_kick(&front, 0);
	CHECK(ring(0)->started);
	CHECK(!ring(1)->started);
	CHECK(fake_granted(ring(0)));
	CHECK_EQ(device_state(device()), HF_DEVICE_READY);
	kick = (struct pollfd){.fd = front.kick[0], .events = POLLIN};
	CHECK_EQ(poll(&kick, 1, 0), 1);
	end();
}

static void a_kick_that_came_before_its_descriptor_counts(void)
{
	begin();
	front_kick(&front, 0);
	front_setup(&front);
	CHECK(ring(0)->started);
	end();
}

static void a_ring_without_kick_descriptor_is_polled_and_starts_at_once(void)
{
	begin();
	front_setup(&front);
	front_vring_fd(&front, VU_SET_VRING_KICK, 0, -1);
	front_turn();
	CHECK(ring(0)->started);
	CHECK_EQ(ring(0)->kick, -1);
	end();
}

static void a_ring_that_was_in_use_before_starts_without_a_kick(void)
{
	for (int trace = 0; trace < 5; trace++) {
		begin();
		if (trace == 0)
			*front_avail_idx(&front, 0) = 1;
		else if (trace == 1)
			front_used(&front, 0)[0] = 1;
		else if (trace == 2)
			front_used(&front, 0)[1] = 1;
		else if (trace == 3)
			*front_avail_event(&front, 0) = 1;
		front_greet(&front,
			    VIRTIO_BIT(VU_F_PROTOCOL_FEATURES) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX));
		front_memory(&front);
		front_ring(&front, 0);
		front_turn();
		CHECK_EQ(ring(0)->started, trace < 4);
		CHECK(!ring(1)->started);
		end();
	}
}

static void buffers_in_flight_in_a_dead_back_end_are_served_again(void)
{
	begin();
	front_setup(&front);
	front_used(&front, 0)[1] = 5;
	front_state(&front, VU_SET_VRING_BASE, 0, 8);
	front_turn();
	CHECK(ring(0)->started);
	CHECK_EQ(ring(0)->base, 5);
	CHECK_EQ(ring(0)->base_used, 5);
	/* Further away than the ring is long: the front-end's word stands. */
	front_used(&front, 1)[1] = 5;
	front_state(&front, VU_SET_VRING_BASE, 1, 1000);
	front_turn();
	CHECK(ring(1)->started);
	CHECK_EQ(ring(1)->base, 1000);
	end();
}

static void without_bit_30_rings_are_enabled_when_they_start(void)
{
	struct vu_vring_state off = {0, 0};

	begin();
	front_greet(&front, VIRTIO_BIT(VIRTIO_F_VERSION_1));
	front_memory(&front);
	front_ring(&front, 0);
	front_kick(&front, 0);
	CHECK(ring(0)->started);
	CHECK(ring(0)->enabled);
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ENABLE, &off, sizeof(off), NULL, 0), 1);
	CHECK(ring(0)->enabled);
	end();
}

static void with_bit_30_rings_start_disabled_and_enabling_may_come_early(void)
{
	begin();
	front_send(&front, VU_SET_OWNER, 0, NULL, 0, NULL, 0);
	front_state(&front, VU_SET_VRING_ENABLE, 1, 1);
	front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	front_memory(&front);
	front_ring(&front, 0);
	front_ring(&front, 1);
	front_kick(&front, 0);
	front_kick(&front, 1);
	CHECK(ring(0)->started && !ring(0)->enabled);
	CHECK(ring(1)->started && ring(1)->enabled);
	/* A disabled ring is granted all the same: what it sends is discarded. */
	CHECK(fake_granted(ring(0)));
	end();
}

static void get_vring_base_answers_when_the_owner_has_let_go(void)
{
	struct vu_vring_state answer;

	begin_running();
	fake.hold = true;
	fake.position[1] = 77;
	front_state(&front, VU_GET_VRING_BASE, 1, 0);
	/* A message behind it is not read meanwhile. */
	front_send(&front, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	CHECK_EQ(front_reply(&front, VU_GET_VRING_BASE, &answer, sizeof(answer)), -1);
	CHECK_EQ(front_port()->session->state, SESSION_WAITING);
	CHECK_EQ(fake_release(), 1);
	CHECK_EQ(front_reply(&front, VU_GET_VRING_BASE, &answer, sizeof(answer)), sizeof(answer));
	CHECK_EQ(answer.index, 1);
	CHECK_EQ(answer.num, 77);
	CHECK(front_reply_u64(&front, VU_GET_FEATURES) != UINT64_MAX - 1);
	CHECK(!ring(1)->started);
	CHECK_EQ(ring(1)->kick, -1);
	CHECK(fake_granted(ring(0)));
	end();
}

static void a_kick_after_the_stop_does_not_start_the_ring(void)
{
	struct vu_vring_state answer;

	begin_running();
	front_state(&front, VU_GET_VRING_BASE, 0, 0);
	CHECK_EQ(front_reply(&front, VU_GET_VRING_BASE, &answer, sizeof(answer)), sizeof(answer));
	front_kick(&front, 0);
	CHECK(!ring(0)->started);
	front_vring_fd(&front, VU_SET_VRING_KICK, 0, front.kick[0]);
	front_turn();
	CHECK(ring(0)->started);
	end();
}

static void get_vring_base_of_a_ring_that_was_never_set_up_is_answered(void)
{
	struct vu_vring_state answer;

	begin();
	front_state(&front, VU_GET_VRING_BASE, 3, 0);
	CHECK_EQ(front_reply(&front, VU_GET_VRING_BASE, &answer, sizeof(answer)), sizeof(answer));
	CHECK_EQ(answer.num, 0);
	end();
}

static void a_kick_of_another_ring_is_not_lost_while_a_message_waits(void)
{
	struct vu_vring_state answer;

	begin();
	front_setup(&front);
	front_kick(&front, 0);
	fake.hold = true;
	front_state(&front, VU_GET_VRING_BASE, 0, 0);
	CHECK_EQ(front_reply(&front, VU_GET_VRING_BASE, &answer, sizeof(answer)), -1);
	front_kick(&front, 1);
	(void)fake_release();
	front_turn();
	CHECK(ring(1)->started);
	CHECK(fake_granted(ring(1)));
	end();
}

static void disabling_is_answered_when_the_burst_has_seen_it(void)
{
	struct vu_vring_state off = {0, 0};

	begin_running();
	fake.hold = true;
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ENABLE, &off, sizeof(off), NULL, 0), -1);
	CHECK_EQ(fake_release(), 1);
	CHECK_EQ(front_reply_u64(&front, VU_SET_VRING_ENABLE), 0);
	CHECK(!ring(0)->enabled);
	CHECK(ring(0)->started && fake_granted(ring(0)));
	off.num = 1;
	CHECK_EQ(front_ask(&front, VU_SET_VRING_ENABLE, &off, sizeof(off), NULL, 0), 0);
	CHECK(ring(0)->enabled);
	end();
}

static void a_new_kick_takes_the_ring_back_and_a_new_call_does_not(void)
{
	unsigned int calls;

	begin_running();
	calls = fake.calls_sent;
	front_vring_fd(&front, VU_SET_VRING_CALL, 0, front.call[1]);
	front_turn();
	CHECK_EQ(fake.revocations, 0);
	CHECK_EQ(fake.calls_sent, calls + 1);
	fake.hold = true;
	front_vring_fd(&front, VU_SET_VRING_KICK, 0, front.kick[2]);
	front_turn();
	CHECK(fake_granted(ring(0)));
	CHECK_EQ(fake_release(), 1);
	front_turn();
	CHECK_EQ(fake.revocations, 1);
	CHECK(ring(0)->started && fake_granted(ring(0)));
	end();
}

static void reset_owner_stops_and_disables_all_rings_and_keeps_the_rest(void)
{
	begin_running();
	fake.hold = true;
	CHECK_EQ(front_ask(&front, VU_RESET_OWNER, NULL, 0, NULL, 0), -1);
	CHECK_EQ(fake_release(), 1);
	CHECK_EQ(front_reply_u64(&front, VU_RESET_OWNER), 0);
	CHECK(!ring(0)->started && !ring(1)->started);
	CHECK(!ring(0)->enabled && !ring(1)->enabled);
	CHECK(device()->features_set);
	CHECK_EQ(device()->memory.count, 1);
	end();
}

/* --- features and the like --- */

static void offered_features_follow_port_and_primary(void)
{
	uint64_t offered = port_supported_features();

	begin();
	front_send(&front, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	CHECK_EQ(front_reply_u64(&front, VU_GET_FEATURES), offered);
	front_port()->features_disabled = VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF);
	primary.features_enabled =
		~VIRTIO_BIT(VIRTIO_NET_F_CSUM) & ~VIRTIO_BIT(VU_F_PROTOCOL_FEATURES);
	front_port()->queue_pairs = 1;
	front_send(&front, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	CHECK_EQ(front_reply_u64(&front, VU_GET_FEATURES),
		 offered & ~(VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_BIT(VIRTIO_NET_F_CSUM) |
			     VIRTIO_BIT(VIRTIO_NET_F_MQ)));
	/* It was offered to this front-end before: not its fault. */
	front_u64(&front, VU_SET_FEATURES, VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF));
	CHECK(!front_is_closed(&front));
	end();
}

static void every_bit_that_is_not_offered_is_refused(void)
{
	begin();
	front_send(&front, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	(void)front_reply_u64(&front, VU_GET_FEATURES);
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t features = VIRTIO_BIT(bit) | VIRTIO_BIT(VIRTIO_F_VERSION_1);
		bool offered = port_supported_features() & VIRTIO_BIT(bit);

		CHECK_EQ(front_ask(&front, VU_SET_FEATURES, &features, 8, NULL, 0), !offered);
		CHECK_EQ(device()->features == features, offered);
	}
	CHECK_EQ(primary.refusals[REFUSED_UNSUPPORTED_FEATURE],
		 64 - __builtin_popcountll(port_supported_features()));
	end();
}

static void every_protocol_bit_that_is_not_offered_is_refused(void)
{
	uint64_t offered;

	begin();
	front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	front_send(&front, VU_GET_PROTOCOL_FEATURES, 0, NULL, 0, NULL, 0);
	offered = front_reply_u64(&front, VU_GET_PROTOCOL_FEATURES);
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t one = VIRTIO_BIT(bit), all = offered | one;
		uint64_t before = device()->protocol_features;
		bool good = offered & one;

		CHECK_EQ(front_ask(&front, VU_SET_PROTOCOL_FEATURES, &all, 8, NULL, 0), !good);
		CHECK_EQ(device()->protocol_features, good ? offered : before);
	}
	end();
}

static void running_rings_allow_the_same_features_again_and_no_others(void)
{
	uint64_t same, other;

	begin_running();
	same = device()->features;
	other = same & ~VIRTIO_BIT(VIRTIO_F_EVENT_IDX);
	CHECK_EQ(front_ask(&front, VU_SET_FEATURES, &same, 8, NULL, 0), 0);
	CHECK_EQ(front_ask(&front, VU_SET_FEATURES, &other, 8, NULL, 0), 1);
	CHECK_EQ(device()->features, same);
	CHECK_EQ(fake.revocations, 0);
	end();
}

static void questions_are_answered(void)
{
	begin();
	front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	front_send(&front, VU_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
	CHECK_EQ(front_reply_u64(&front, VU_GET_QUEUE_NUM), 2);
	front_send(&front, VU_GET_MAX_MEM_SLOTS, 0, NULL, 0, NULL, 0);
	CHECK_EQ(front_reply_u64(&front, VU_GET_MAX_MEM_SLOTS), 509);
	front_u64(&front, VU_SET_STATUS, 15);
	front_send(&front, VU_GET_STATUS, 0, NULL, 0, NULL, 0);
	CHECK_EQ(front_reply_u64(&front, VU_GET_STATUS), 15);
	front_u64(&front, VU_NET_SET_MTU, 9000);
	front_u64(&front, VU_SEND_RARP, 0x665544332211);
	front_turn();
	CHECK_EQ(device()->mtu, 9000);
	CHECK_EQ(fake.rarps, 1);
	CHECK(memcmp(fake.mac, "\x11\x22\x33\x44\x55\x66", 6) == 0);
	end();
}

static void who_revokes_without_end_is_read_slower_but_to_the_last_message(void)
{
	uint64_t begun, passed_ms;
	unsigned int soon;

	begin_running();
	fake.revocations = 0;
	begun = hf_now_ns();
	for (unsigned int i = 0; i < 1060; i++) { /* one in two revokes */
		front_state(&front, VU_SET_VRING_ENABLE, 0, i & 1);
		if (i % 50 == 49)
			front_turn();
	}
	for (int i = 0; i < 4 || (i < 1000 && fake.revocations < 512); i++)
		front_turn();
	soon = fake.revocations;
	passed_ms = (hf_now_ns() - begun) / NS_PER_MS;
	/* 512 at once, and one in ten milliseconds. */
	CHECK(soon >= 512 && soon <= 512 + passed_ms / 10 + 1);
	for (int i = 0; i < 1000 && fake.revocations < 530; i++)
		front_wait(20);
	CHECK_EQ(fake.revocations, 530);
	CHECK(!front_is_closed(&front));
	end();
}

static void a_front_end_waits_while_its_secondary_is_behind(void)
{
	begin_running();
	fake.congested = true;
	front_u64(&front, VU_NET_SET_MTU, 9000);
	front_wait(20);
	CHECK_EQ(device()->mtu, 0);
	fake.congested = false;
	for (int i = 0; i < 1000 && !device()->mtu; i++)
		front_wait(20);
	CHECK_EQ(device()->mtu, 9000);
	fake.congested = true;
	front_u64(&front, VU_NET_SET_MTU, 1500);
	front_turn();
	front_close(&front);
	fake.congested = false;
	for (int i = 0; i < 1000 && front_port()->session; i++)
		front_wait(20);
	CHECK(front_port()->session == NULL);
	front_end();
}

static void a_changed_memory_table_ends_the_round(void)
{
	struct vu_mem_table table = {.count = 1, .regions = {{0, FRONT_MEMORY, FRONT_USER, 0}}};
	uint64_t generation;

	begin_running();
	generation = device()->mem_generation;
	for (int i = 0; i < 8; i++)
		front_send(&front, VU_SET_MEM_TABLE, 0, &table, 40, &front.memory, 1);
	front_turn();
	CHECK(device()->mem_generation - generation <= 4);
	for (int i = 0; i < 4; i++)
		front_turn();
	CHECK_EQ(device()->mem_generation, generation + 8);
	end();
}

/* --- memory --- */

static void a_new_memory_table_takes_all_rings_back_first(void)
{
	struct vu_mem_table table = {.count = 1, .regions = {{0, FRONT_MEMORY, FRONT_USER, 0}}};
	uint64_t generation;

	begin_running();
	generation = device()->mem_generation;
	fake.hold = true;
	fake.position[0] = 12;
	CHECK_EQ(front_ask(&front, VU_SET_MEM_TABLE, &table, 40, &front.memory, 1), -1);
	CHECK_EQ(device()->mem_generation, generation);
	CHECK_EQ(fake_release(), 1);
	CHECK_EQ(front_reply_u64(&front, VU_SET_MEM_TABLE), 0);
	CHECK_EQ(device()->mem_generation, generation + 1);
	CHECK(fake_granted(ring(0)) && fake_granted(ring(1)));
	CHECK_EQ(ring(0)->base, 12);
	end();
}

/* The old one could not be mapped. */
static void with_a_new_memory_table_no_ring_is_put_off(void)
{
	struct vu_mem_table table = {.count = 1, .regions = {{0, FRONT_MEMORY, FRONT_USER, 0}}};

	begin_running();
	for (uint32_t i = 0; i < 2; i++) {
		ring(i)->lacked = 7;
		ring(i)->put_off_ns = UINT64_MAX;
	}
	CHECK_EQ(front_ask(&front, VU_SET_MEM_TABLE, &table, 40, &front.memory, 1), 0);
	for (uint32_t i = 0; i < 2; i++)
		CHECK(ring(i)->lacked == 0 && ring(i)->put_off_ns == 0);
	end();
}

static void a_ring_whose_memory_goes_is_suspended_until_it_is_back(void)
{
	struct vu_mem_reg region = {.region = {0, FRONT_MEMORY, FRONT_USER, 0}};

	begin_running();
	fake.position[0] = 3;
	CHECK_EQ(front_ask(&front, VU_REM_MEM_REG, &region, sizeof(region), NULL, 0), 0);
	CHECK(!ring(0)->started && !fake_granted(ring(0)));
	CHECK_EQ(device_state(device()), HF_DEVICE_SESSION);
	CHECK_EQ(front_ask(&front, VU_SET_VRING_NUM, &(struct vu_vring_state){0, 64}, 8, NULL, 0),
		 1);
	/* QEMU says both once for each queue pair. */
	CHECK_EQ(front_ask(&front, VU_REM_MEM_REG, &region, sizeof(region), NULL, 0), 0);
	CHECK_EQ(front_ask(&front, VU_ADD_MEM_REG, &region, sizeof(region), &front.memory, 1), 0);
	CHECK_EQ(front_ask(&front, VU_ADD_MEM_REG, &region, sizeof(region), &front.memory, 1), 0);
	CHECK(fake_granted(ring(0)) && fake_granted(ring(1)));
	CHECK_EQ(ring(0)->base, 3);
	CHECK_EQ(device()->memory.count, 1);
	end();
}

static void a_suspended_ring_can_be_stopped(void)
{
	struct vu_mem_reg region = {.region = {0, FRONT_MEMORY, FRONT_USER, 0}};
	struct vu_vring_state answer;

	begin_running();
	fake.position[1] = 9;
	CHECK_EQ(front_ask(&front, VU_REM_MEM_REG, &region, sizeof(region), NULL, 0), 0);
	front_state(&front, VU_GET_VRING_BASE, 1, 0);
	CHECK_EQ(front_reply(&front, VU_GET_VRING_BASE, &answer, sizeof(answer)), sizeof(answer));
	CHECK_EQ(answer.num, 9);
	CHECK_EQ(front_ask(&front, VU_ADD_MEM_REG, &region, sizeof(region), &front.memory, 1), 0);
	CHECK(ring(0)->started);
	CHECK(!ring(1)->started);
	end();
}

static void regions_come_and_go_up_to_509(void)
{
	struct vu_mem_reg region = {0};
	uint32_t i;

	begin();
	front_greet(&front, VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	REQUIRE(ftruncate(front.memory, 512 * 4096) == 0);
	/* Downwards: every one is sorted in before the others. */
	for (i = 0; i < 509; i++) {
		uint64_t at = (600 - i) * 8192ull;

		region.region = (struct vu_region){at, 4096, FRONT_USER + at, i * 4096ull};
		CHECK_EQ(front_ask(&front, VU_ADD_MEM_REG, &region, sizeof(region), &front.memory,
				   1),
			 0);
	}
	CHECK_EQ(device()->memory.count, 509);
	region.region.gpa = region.region.user_addr = 0;
	CHECK_EQ(front_ask(&front, VU_ADD_MEM_REG, &region, sizeof(region), &front.memory, 1), 1);
	CHECK_EQ(primary.refusals[REFUSED_REGION_TABLE_FULL], 1);
	for (i = 0; i < 509; i += 100) {
		uint64_t at = (600 - i) * 8192ull;

		region.region = (struct vu_region){at, 4096, FRONT_USER + at, 0};
		CHECK_EQ(front_ask(&front, VU_REM_MEM_REG, &region, sizeof(region), &front.memory,
				   1),
			 0);
	}
	CHECK_EQ(device()->memory.count, 503);
	for (i = 0; i < 503; i++)
		CHECK_EQ(device()->memory.regions[i].file_offset,
			 (600 - device()->memory.regions[i].gpa / 8192) * 4096);
	end();
}

/* --- the end --- */

static void a_closed_connection_gives_everything_back_after_the_owner(void)
{
	begin_running();
	fake.hold = true;
	front_close(&front);
	CHECK(front_port()->session != NULL);
	CHECK_EQ(device()->memory.count, 1);
	CHECK_EQ(fake_release(), 1);
	CHECK(front_port()->session == NULL);
	CHECK_EQ(device()->memory.count, 0);
	CHECK_EQ(device_state(device()), HF_DEVICE_PORT);
	CHECK_EQ(fake.retired, 1);
	front_end();
}

static void a_connection_that_closes_while_a_message_waits_is_seen_afterwards(void)
{
	begin_running();
	fake.hold = true;
	front_state(&front, VU_GET_VRING_BASE, 0, 0);
	front_turn();
	CHECK_EQ(front_port()->session->state, SESSION_WAITING);
	front_close(&front);
	CHECK_EQ(fake_release(), 1);
	front_turn();
	CHECK_EQ(fake_release(), 1);
	front_turn();
	CHECK(front_port()->session == NULL);
	front_end();
}

static void a_removed_port_lets_its_waiting_message_go(void)
{
	struct vu_mem_table table = {.count = 1, .regions = {{0, FRONT_MEMORY, FRONT_USER, 0}}};

	begin_running();
	fake.hold = true;
	front_send(&front, VU_SET_MEM_TABLE, 0, &table, 40, &front.memory, 1);
	front_turn();
	CHECK_EQ(port_del(&primary, "p"), 0);
	CHECK(front_port() == NULL);
	CHECK(primary.ports[0] != NULL);
	CHECK_EQ(fake_release(), 1);
	CHECK(primary.ports[0] == NULL);
	CHECK(front_is_closed(&front));
	CHECK_EQ(fake.freed, 1);
	end();
}

static void the_session_after_it_starts_from_nothing(void)
{
	begin_running();
	front_close(&front);
	CHECK(front_port()->session == NULL);
	front_connect(&front);
	CHECK(front_port()->session != NULL);
	CHECK(!device()->features_set);
	CHECK_EQ(ring(0)->size, 0);
	CHECK_EQ(device()->session, 2);
	front_setup(&front);
	front_kick(&front, 0);
	CHECK(fake_granted(ring(0)));
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(a_fresh_ring_starts_with_its_first_kick_which_stays_unread),
	SENTENCE(a_kick_that_came_before_its_descriptor_counts),
	SENTENCE(a_ring_without_kick_descriptor_is_polled_and_starts_at_once),
	SENTENCE(a_ring_that_was_in_use_before_starts_without_a_kick),
	SENTENCE(buffers_in_flight_in_a_dead_back_end_are_served_again),
	SENTENCE(without_bit_30_rings_are_enabled_when_they_start),
	SENTENCE(with_bit_30_rings_start_disabled_and_enabling_may_come_early),
	CATALOGUE(get_vring_base_answers_when_the_owner_has_let_go, "[48]"),
	CATALOGUE(a_kick_after_the_stop_does_not_start_the_ring, "[48]"),
	CATALOGUE(get_vring_base_of_a_ring_that_was_never_set_up_is_answered, "[19]"),
	SENTENCE(a_kick_of_another_ring_is_not_lost_while_a_message_waits),
	SENTENCE(disabling_is_answered_when_the_burst_has_seen_it),
	SENTENCE(a_new_kick_takes_the_ring_back_and_a_new_call_does_not),
	SENTENCE(reset_owner_stops_and_disables_all_rings_and_keeps_the_rest),
	SENTENCE(offered_features_follow_port_and_primary),
	CATALOGUE(every_bit_that_is_not_offered_is_refused, "[M-11]"),
	CATALOGUE(every_protocol_bit_that_is_not_offered_is_refused, "[M-11]"),
	CATALOGUE(running_rings_allow_the_same_features_again_and_no_others, "[M-11]"),
	SENTENCE(questions_are_answered),
	CATALOGUE(who_revokes_without_end_is_read_slower_but_to_the_last_message, "[49]"),
	SENTENCE(a_front_end_waits_while_its_secondary_is_behind),
	SENTENCE(a_changed_memory_table_ends_the_round),
	CATALOGUE(a_new_memory_table_takes_all_rings_back_first, "[5]"),
	SENTENCE(with_a_new_memory_table_no_ring_is_put_off),
	SENTENCE(a_ring_whose_memory_goes_is_suspended_until_it_is_back),
	SENTENCE(a_suspended_ring_can_be_stopped),
	CATALOGUE(regions_come_and_go_up_to_509, "[M-6]"),
	SENTENCE(a_closed_connection_gives_everything_back_after_the_owner),
	SENTENCE(a_connection_that_closes_while_a_message_waits_is_seen_afterwards),
	SENTENCE(a_removed_port_lets_its_waiting_message_go),
	SENTENCE(the_session_after_it_starts_from_nothing),
};
SUITE("session", sentences)
