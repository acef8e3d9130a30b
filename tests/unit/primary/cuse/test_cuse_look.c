/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a caller's memory that takes as long as it likes, as one whose lock of the address
 * space is held for ever: nobody waits for it but who asked.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "control.pb-c.h"
#include "device.h"
#include "fake_cuse.h"
#include "fd.h"
#include "foreign.h"
#include "frame.h"
#include "ports.h"
#include "refusal.h"
#include "seats.h"
#include "suite.h"

/* --- the control socket --- */

static bool is_readable(void *fd)
{
	char byte;

	return recv(*(int *)fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static bool control_answers(void)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	struct hf_frame frame = {.bytes = bytes};
	char path[128];
	bool answers;
	int fd;

	snprintf(path, sizeof(path), "%s/control.sock", rig.dir);
	fd = hf_seqpacket_connect(path);
	REQUIRE(fd >= 0);
	request.protocol = HF_CONTROL_PROTOCOL;
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_VERSION;
	request.version = &version;
	REQUIRE(hf_frame_send(fd, &request.base, NULL, 0) == 0);
	answers = rig_until(&rig, is_readable, &fd, WAIT_MS) && hf_frame_receive(fd, &frame) > 0;
	hf_fd_close(&fd);
	return answers;
}

/* --- what is shown --- */

/* It ends last of all, because the test says so. */
static void ten_others_and_the_control_socket_are_answered_meanwhile(void)
{
	uint32_t good = 0, answers = 0;
	uint64_t unique;

	seats_begin(11);
	lookers->to_hang = 1;
	unique = seat_ask_for_look(0);
	lookers_await(1);
	for (uint32_t i = 1; i < 11; i++) {
		good += seat_set_up(i);
		answers += control_answers();
	}
	CHECK_EQ(good, 10 * OF_A_SETUP);
	CHECK_EQ(answers, 10);
	CHECK_EQ(seat_look(0)->state, CUSE_LOOK_RUNS);
	CHECK(seat_is_silent(0));
	lookers->go_on = true;
	seat_is_answered(0, unique, 0);
	CHECK_EQ(seat_port(0)->device.memory.count, 1);
	seats_end(11);
}

static void what_the_same_device_is_asked_meanwhile_waits_for_its_turn(void)
{
	struct fuse_open_in open = {.flags = 2};
	uint64_t table, features;

	seats_begin(1);
	lookers->to_hang = 1;
	table = seat_ask_for_look(0);
	lookers_await(1);
	/* But who else would open it is told no at once. */
	seat_is_answered(0, kernel_send(FUSE_OPEN, &open, sizeof(open)), -EBUSY);
	features = kernel_phase(seats[0].handle, VH_GET_FEATURES, 4096, NULL, 0, 8);
	CHECK(seat_is_silent(0));
	lookers->go_on = true;
	seat_is_answered(0, table, 0);
	seat_is_answered(0, features, 0);
	CHECK(seat_is_silent(0));
	seats_end(1);
}

static void one_that_takes_too_long_is_ended_and_its_caller_waits(void)
{
	uint64_t unique;

	seats_begin(2);
	lookers->to_hang = 1;
	unique = seat_ask_for_look(0);
	lookers_await(1);
	seat_look(0)->since_ns -= 5 * NS_PER_S;
	seat_let_time_pass(seat_look(0));
	seat_is_answered(0, unique, -ETIMEDOUT);
	CHECK_EQ(rig.primary.refusals[REFUSED_LOOK_DEADLINE], 1);
	CHECK_EQ(rig.primary.looks.running, 0);
	looker_is_buried_soon(lookers->last);
	/* Ten times as long; nobody else. */
	unique = seat_ask_for_look(0);
	CHECK(seat_is_silent(0));
	CHECK_EQ(seat_look(0)->state, CUSE_LOOK_NONE);
	CHECK_EQ(seat_set_up(1), OF_A_SETUP);
	seat_port(0)->foreigners = (struct rate){0};
	REQUIRE(cuse_wake(seat_port(0)) == 0);
	seat_is_answered(0, unique, 0);
	seats_end(2);
}

/* Else whoever ends just before it is too long would have its place for nothing. */
static void one_that_ends_in_time_is_paid_for_as_well(void)
{
	uint64_t unique;

	seats_begin(1);
	lookers->to_hang = 1;
	unique = seat_ask_for_look(0);
	lookers_await(1);
	seat_look(0)->since_ns -= NS_PER_S;
	lookers->go_on = true;
	seat_is_answered(0, unique, 0);
	unique = seat_ask_for_look(0);
	CHECK(seat_is_silent(0));
	CHECK_EQ(seat_look(0)->state, CUSE_LOOK_NONE);
	seat_port(0)->foreigners = (struct rate){0};
	REQUIRE(cuse_wake(seat_port(0)) == 0);
	seat_is_answered(0, unique, 0);
	seats_end(1);
}

/* Somebody kills it; or there is no memory for it. */
static void one_that_ends_without_a_word_is_refused(void)
{
	uint64_t unique;

	seats_begin(1);
	lookers->to_hang = 1;
	unique = seat_ask_for_look(0);
	lookers_await(1);
	CHECK_EQ(kill(lookers->last, SIGKILL), 0);
	seat_is_answered(0, unique, -ENOMEM);
	CHECK_EQ(rig.primary.refusals[REFUSED_NO_RESOURCES], 1);
	looker_is_buried_soon(lookers->last);
	seat_is_answered(0, seat_ask_for_look(0), 0);
	seats_end(1);
}

static void who_is_interrupted_has_a_moment_left(void)
{
	struct fuse_interrupt_in in;

	seats_begin(1);
	lookers->to_hang = 1;
	in.unique = seat_ask_for_look(0);
	lookers_await(1);
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	CHECK(seat_is_silent(0));
	CHECK(seat_look(0)->deadline.at_ns < hf_now_ns() + NS_PER_S);
	seat_let_time_pass(seat_look(0));
	seat_is_answered(0, in.unique, -EINTR);
	looker_is_buried_soon(lookers->last);
	/* What ends within it is done. */
	lookers->to_hang = 1;
	in.unique = seat_ask_for_look(0);
	lookers_await(2);
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	CHECK(seat_is_silent(0));
	seat_has_time(seat_look(0));
	lookers->go_on = true;
	seat_is_answered(0, in.unique, 0);
	CHECK(seat_is_silent(0));
	seats_end(1);
}

/* --- more than there are places --- */

static void so_many_look_at_once_and_the_others_in_their_order(void)
{
	struct fuse_interrupt_in in;
	uint64_t unique[SEATS], features = 0;

	seats_begin(SEATS);
	lookers->to_hang = SEATS;
	for (uint32_t i = 0; i < SEATS; i++)
		unique[i] = seat_ask_for_look(i);
	lookers_await(CUSE_LOOKS);
	CHECK_EQ(rig.primary.looks.running, CUSE_LOOKS);
	for (uint32_t i = CUSE_LOOKS; i < SEATS; i++)
		CHECK_EQ(seat_look(i)->state, CUSE_LOOK_IN_LINE);
	/* Who gives up its place in line is in nobody's way. */
	(void)seat_use(CUSE_LOOKS + 1);
	in.unique = unique[CUSE_LOOKS + 1];
	(void)kernel_send(FUSE_INTERRUPT, &in, sizeof(in));
	seat_is_answered(CUSE_LOOKS + 1, in.unique, -EINTR);
	CHECK_EQ(kernel_ioctl(seats[CUSE_LOOKS + 1].handle, VH_GET_FEATURES, &features), 0);
	/* Two end, the first two begin. */
	seat_let_time_pass(seat_look(3));
	seat_is_answered(3, unique[3], -ETIMEDOUT);
	lookers_await(CUSE_LOOKS + 1);
	CHECK_EQ(seat_look(CUSE_LOOKS)->state, CUSE_LOOK_RUNS);
	CHECK_EQ(seat_look(CUSE_LOOKS + 2)->state, CUSE_LOOK_IN_LINE);
	(void)seat_use(5);
	CHECK_EQ(port_del(&rig.primary, "c5"), 0);
	lookers_await(CUSE_LOOKS + 2);
	CHECK_EQ(seat_look(CUSE_LOOKS + 2)->state, CUSE_LOOK_RUNS);
	/* And one has stood there too long. */
	seat_let_time_pass(seat_look(CUSE_LOOKS + 3));
	seat_is_answered(CUSE_LOOKS + 3, unique[CUSE_LOOKS + 3], -EBUSY);
	CHECK_EQ(rig.primary.refusals[REFUSED_LOOKS_BUSY], 1);
	CHECK_EQ(rig.primary.looks.running, CUSE_LOOKS);
	lookers->go_on = true;
	seat_is_answered(0, unique[0], 0);
	seat_is_answered(CUSE_LOOKS, unique[CUSE_LOOKS], 0);
	seat_is_answered(CUSE_LOOKS + 2, unique[CUSE_LOOKS + 2], 0);
	seats_end(SEATS);
}

static void a_user_has_half_of_the_places_and_others_go_before_it(void)
{
	enum { OTHER = CUSE_LOOKS_OF_A_USER + 2, DEVICES };
	uint64_t unique[DEVICES];

	seats_begin(DEVICES);
	lookers->to_hang = DEVICES;
	for (uint32_t i = 0; i < DEVICES; i++) {
		(void)seat_use(i);
		kernel.user = i == OTHER ? 1 : 2;
		unique[i] = seat_ask_for_look(i);
	}
	lookers_await(CUSE_LOOKS_OF_A_USER + 1);
	CHECK_EQ(seat_look(OTHER)->state, CUSE_LOOK_RUNS);
	CHECK_EQ(seat_look(OTHER - 1)->state, CUSE_LOOK_IN_LINE);
	CHECK_EQ(seat_look(OTHER - 2)->state, CUSE_LOOK_IN_LINE);
	/* When one of its own ends, its next begins. */
	seat_let_time_pass(seat_look(1));
	seat_is_answered(1, unique[1], -ETIMEDOUT);
	lookers_await(CUSE_LOOKS_OF_A_USER + 2);
	CHECK_EQ(seat_look(OTHER - 2)->state, CUSE_LOOK_RUNS);
	CHECK_EQ(seat_look(OTHER - 1)->state, CUSE_LOOK_IN_LINE);
	lookers->go_on = true;
	seat_is_answered(OTHER - 1, unique[OTHER - 1], 0);
	seats_end(DEVICES);
}

/* A look that has all the time there is. */
static uint64_t ask_for_long_look(uint32_t i)
{
	uint64_t unique = seat_ask_for_look(i);

	if (seat_look(i)->state == CUSE_LOOK_RUNS)
		loop_timer_clear(rig.primary.loop, &seat_look(i)->deadline);
	return unique;
}

/* Two users have all places, and stand in line for more. */
static void who_has_no_place_goes_before_those_who_have(void)
{
	uint64_t unique[SEATS];

	seats_begin(SEATS);
	lookers->to_hang = SEATS;
	for (uint32_t i = 0; i < SEATS; i++) {
		(void)seat_use(i);
		kernel.user = i == SEATS - 1 ? 3 : 1 + i % 2;
		unique[i] = ask_for_long_look(i);
	}
	lookers_await(CUSE_LOOKS);
	seat_let_time_pass(seat_look(0));
	seat_is_answered(0, unique[0], -ETIMEDOUT);
	lookers_await(CUSE_LOOKS + 1);
	CHECK_EQ(seat_look(SEATS - 1)->state, CUSE_LOOK_RUNS);
	for (uint32_t i = CUSE_LOOKS; i < SEATS - 1; i++)
		CHECK_EQ(seat_look(i)->state, CUSE_LOOK_IN_LINE);
	lookers->go_on = true;
	seat_is_answered(SEATS - 1, unique[SEATS - 1], 0);
	seats_end(SEATS);
}

/* A user of its own for each does not help who keeps coming. */
static void who_has_spent_least_goes_first(void)
{
	uint64_t unique[CUSE_LOOKS + 2];

	seats_begin(CUSE_LOOKS + 2);
	lookers->to_hang = CUSE_LOOKS + 2;
	seat_port(CUSE_LOOKS)->foreigners.until_ns = hf_now_ns() + NS_PER_S;
	for (uint32_t i = 0; i < CUSE_LOOKS + 2; i++)
		unique[i] = ask_for_long_look(i);
	lookers_await(CUSE_LOOKS);
	CHECK_EQ(seat_look(CUSE_LOOKS)->state, CUSE_LOOK_IN_LINE);
	seat_let_time_pass(seat_look(0));
	seat_is_answered(0, unique[0], -ETIMEDOUT);
	lookers_await(CUSE_LOOKS + 1);
	CHECK_EQ(seat_look(CUSE_LOOKS + 1)->state, CUSE_LOOK_RUNS);
	CHECK_EQ(seat_look(CUSE_LOOKS)->state, CUSE_LOOK_IN_LINE);
	lookers->go_on = true;
	seat_is_answered(CUSE_LOOKS, unique[CUSE_LOOKS], 0);
	seats_end(CUSE_LOOKS + 2);
}

/* What was spent and is over counts for nothing: who never looked is not behind it for that. */
static void among_those_who_owe_nothing_who_came_first_goes_first(void)
{
	uint64_t unique[CUSE_LOOKS + 2];

	seats_begin(CUSE_LOOKS + 2);
	lookers->to_hang = CUSE_LOOKS + 2;
	seat_port(CUSE_LOOKS)->foreigners.until_ns = hf_now_ns() - NS_PER_MS;
	for (uint32_t i = 0; i < CUSE_LOOKS + 2; i++)
		unique[i] = ask_for_long_look(i);
	lookers_await(CUSE_LOOKS);
	seat_let_time_pass(seat_look(0));
	seat_is_answered(0, unique[0], -ETIMEDOUT);
	lookers_await(CUSE_LOOKS + 1);
	CHECK_EQ(seat_look(CUSE_LOOKS)->state, CUSE_LOOK_RUNS);
	CHECK_EQ(seat_look(CUSE_LOOKS + 1)->state, CUSE_LOOK_IN_LINE);
	lookers->go_on = true;
	seat_is_answered(CUSE_LOOKS + 1, unique[CUSE_LOOKS + 1], 0);
	seats_end(CUSE_LOOKS + 2);
}

/* Nothing is begun while an upgrade is under way. It may come to nothing. */
static void whose_turn_comes_in_an_upgrade_has_it_behind_it(void)
{
	uint64_t unique[2];

	seats_begin(CUSE_LOOKS + 2);
	lookers->to_hang = CUSE_LOOKS;
	for (uint32_t i = 0; i < CUSE_LOOKS; i++)
		(void)seat_ask_for_look(i);
	lookers_await(CUSE_LOOKS);
	/* The end of one of these calls the next as well: it does not come. */
	for (uint32_t i = 0; i < CUSE_LOOKS; i++)
		loop_timer_clear(rig.primary.loop, &seat_look(i)->deadline);
	for (uint32_t i = 0; i < 2; i++)
		unique[i] = seat_ask_for_look(CUSE_LOOKS + i);
	/* It begins between its call and its turn; and a place becomes free in it. */
	(void)seat_use(0);
	CHECK_EQ(port_del(&rig.primary, "c0"), 0);
	rig.primary.holding = true;
	CHECK(seat_is_silent(CUSE_LOOKS));
	(void)seat_use(1);
	CHECK_EQ(port_del(&rig.primary, "c1"), 0);
	CHECK(seat_is_silent(CUSE_LOOKS));
	for (uint32_t i = 0; i < 2; i++)
		CHECK_EQ(seat_look(CUSE_LOOKS + i)->state, CUSE_LOOK_IN_LINE);
	rig.primary.holding = false;
	for (uint32_t i = 0; i < 2; i++)
		seat_is_answered(CUSE_LOOKS + i, unique[i], 0);
	CHECK_EQ(rig.primary.refusals[REFUSED_LOOKS_BUSY], 0);
	seats_end(CUSE_LOOKS + 2);
}

/* --- what keeps it from being begun --- */

static void all_of_them_together_have_a_share_of_the_loops_time(void)
{
	struct rate *spent = &rig.primary.looks.loop_time;
	uint64_t unique, features = 0;

	seats_begin(2);
	lookers->to_hang = 1;
	unique = seat_ask_for_look(0);
	lookers_await(1);
	CHECK(spent->until_ns > 0); /* beginning, and hearing */
	spent->until_ns = 0;
	lookers->go_on = true;
	seat_is_answered(0, unique, 0);
	CHECK(spent->until_ns > 0);
	spent->until_ns = hf_now_ns() + 100 * NS_PER_S;
	unique = seat_ask_for_look(1);
	CHECK(seat_is_silent(1));
	CHECK_EQ(seat_look(1)->state, CUSE_LOOK_NONE);
	(void)seat_use(0);
	CHECK_EQ(kernel_ioctl(seats[0].handle, VH_GET_FEATURES, &features), 0);
	spent->until_ns = 0;
	REQUIRE(cuse_wake(seat_port(1)) == 0);
	seat_is_answered(1, unique, 0);
	seats_end(2);
}

static void hang(void *unused)
{
	(void)unused;
	for (;;)
		(void)pause();
}

static bool nobody_hangs(void *foreign)
{
	return foreign_is_idle(foreign);
}

static void a_port_of_which_some_hang_gets_no_more(void)
{
	struct foreign *foreign;

	seats_begin(2);
	foreign = &seat_port(0)->foreign;
	for (uint32_t i = 0; i < FOREIGN_MAX_HUNG; i++)
		foreign_end(foreign, foreign_start(hang, NULL, &(int){0}, 0), 0);
	REQUIRE(foreign_full_since(foreign) != 0);
	foreign->full_ns -= 2 * NS_PER_S;
	seat_is_answered(0, seat_ask_for_look(0), -EINVAL);
	CHECK_EQ(rig.primary.refusals[REFUSED_FOREIGN_FD], 1);
	CHECK_EQ(seat_set_up(1), OF_A_SETUP);
	for (uint32_t i = 0; i < FOREIGN_PLACES; i++)
		if (foreign->helpers[i].ended.fd >= 0)
			CHECK_EQ(pidfd_send_signal(foreign->helpers[i].ended.fd, SIGKILL, NULL, 0),
				 0);
	CHECK(rig_until(&rig, nobody_hangs, foreign, WAIT_MS));
	seat_is_answered(0, seat_ask_for_look(0), 0);
	seats_end(2);
}

int main(void)
{
	static const struct sentence sentences[] = {
		CATALOGUE(ten_others_and_the_control_socket_are_answered_meanwhile, "[U-4]"),
		CATALOGUE(what_the_same_device_is_asked_meanwhile_waits_for_its_turn, "[U-4]"),
		CATALOGUE(one_that_takes_too_long_is_ended_and_its_caller_waits, "[U-4]"),
		CATALOGUE(one_that_ends_in_time_is_paid_for_as_well, "[U-4]"),
		SENTENCE(one_that_ends_without_a_word_is_refused),
		CATALOGUE(who_is_interrupted_has_a_moment_left, "[U-6]"),
		CATALOGUE(so_many_look_at_once_and_the_others_in_their_order, "[U-4]"),
		CATALOGUE(a_user_has_half_of_the_places_and_others_go_before_it, "[U-4]"),
		CATALOGUE(who_has_no_place_goes_before_those_who_have, "[U-4]"),
		CATALOGUE(who_has_spent_least_goes_first, "[U-4]"),
		CATALOGUE(among_those_who_owe_nothing_who_came_first_goes_first, "[U-4]"),
		CATALOGUE(whose_turn_comes_in_an_upgrade_has_it_behind_it, "[U-4]"),
		CATALOGUE(all_of_them_together_have_a_share_of_the_loops_time, "[U-4]"),
		CATALOGUE(a_port_of_which_some_hang_gets_no_more, "[U-4]"),
	};

	return suite_run("cuse_look", sentences, ARRAY_SIZE(sentences));
}
