/* SPDX-License-Identifier: Apache-2.0 */
/* primary/io/listener.h: what the kernel refuses keeps nobody out for good. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "faults.h"
#include "fd.h"
#include "frame.h"
#include "listener.h"
#include "suite.h"

/* As many as the loop has room for at first: the next one needs memory. */
#define TIMERS 63

static struct loop *loop;
static struct loop_timer timers[TIMERS];
static struct listener listener;
static char dir[32];
static int dialled, let_in, turned_out;
static time_t ahead_s;	 /* as if so much time had passed */
static time_t held_up_s; /* so much more passes in a closing */

/* In the place of libc's. */
int clock_gettime(clockid_t id, struct timespec *ret_time)
{
	int error = (int)syscall(SYS_clock_gettime, id, ret_time);

	ret_time->tv_sec += ahead_s;
	return error;
}

static void stop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

static void on_accepted(struct listener *from, int socket, const struct peer *peer)
{
	CHECK_EQ(peer->pid, getpid());
	let_in++;
	listener_drop(from, &socket);
	loop_stop(loop);
}

static int no_rule(struct listener *from, const struct peer *peer)
{
	(void)from;
	(void)peer;
	return -1;
}

static void on_shut(struct listener *from)
{
	(void)from;
}

static void on_over(struct listener *from)
{
	(void)from;
	turned_out++;
	ahead_s += held_up_s;
}

/* Somebody waits at the door of a loop with so many timers; it gives up after a while. */
static void begin(unsigned int nr_timers)
{
	char path[64];

	let_in = turned_out = 0;
	ahead_s = held_up_s = 0;
	hf_log_set_level(HF_LOG_ERROR);
	strcpy(dir, "/tmp/holdfast-test-XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
	loop = loop_create();
	REQUIRE(loop != NULL);
	for (unsigned int i = 0; i < nr_timers; i++) {
		timers[i] = (struct loop_timer){.fire = stop};
		REQUIRE(loop_timer_set(loop, &timers[i], 20 * NS_PER_S) == 0);
	}
	listener = (struct listener){.accepted = on_accepted,
				     .rule_of = no_rule,
				     .over = on_over,
				     .shut = on_shut,
				     .rate = 1,
				     .burst = 1,
				     .fd = -1};
	REQUIRE(chmod(dir, 0755) == 0);
	REQUIRE(listener_open(&listener, loop, dir, "door", 0666) == 0);
	snprintf(path, sizeof(path), "%s/door", dir);
	dialled = hf_seqpacket_connect(path);
	REQUIRE(dialled >= 0);
	faults_open();
}

static void end(void)
{
	faults_close();
	hf_fd_close(&dialled);
	listener_close(&listener);
	loop_destroy(loop);
	CHECK_EQ(rmdir(dir), 0);
}

static void who_came_while_there_was_no_number_is_let_in_when_there_is(void)
{
	uint32_t hit;

	begin(1);
	faults_arm(0, FAULT_DESCRIPTOR, FAULT_ERROR, 1, 1);
	CHECK_EQ(loop_run(loop), 0);
	faults_disarm(&hit);
	CHECK_EQ(hit, 1);
	CHECK_EQ(let_in, 1);
	end();
}

/* The socket stays readable all the time. */
static void without_numbers_the_door_is_let_alone_for_a_while(void)
{
	struct loop_timer enough = {.fire = stop};
	uint32_t hit;

	begin(1);
	REQUIRE(loop_timer_set(loop, &enough, 350 * NS_PER_MS) == 0);
	faults_arm_every(0, FAULT_DESCRIPTOR, FAULT_ERROR, 1);
	CHECK_EQ(loop_run(loop), 0);
	faults_disarm(&hit);
	CHECK(hit >= 1 && hit <= 5);
	CHECK_EQ(let_in, 0);
	CHECK_EQ(loop_run(loop), 0);
	CHECK_EQ(let_in, 1);
	end();
}

static void nor_is_there_memory_for_a_timer(void)
{
	uint32_t hit;

	begin(TIMERS);
	faults_arm(0, FAULT_DESCRIPTOR | FAULT_HEAP, FAULT_ERROR, 1, 2);
	CHECK_EQ(loop_run(loop), 0);
	faults_disarm(&hit);
	CHECK_EQ(hit, 2);
	CHECK_EQ(let_in, 1);
	end();
}

static int dial_as(uid_t uid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/door", dir);
	REQUIRE(seteuid(uid) == 0);
	fd = hf_seqpacket_connect(path);
	REQUIRE(seteuid(0) == 0);
	REQUIRE(fd >= 0);
	return fd;
}

/* Whatever waits is looked at. */
static void turn(void)
{
	struct loop_timer now = {.fire = stop};

	REQUIRE(loop_timer_set(loop, &now, 0) == 0);
	CHECK_EQ(loop_run(loop), 0);
	loop_timer_clear(loop, &now);
}

/* Where there are no access lists one user has spent what he has, with two of them. False: that
 * needs root. */
static bool begin_with_one_out(int *ret_fds)
{
	if (getuid()) {
		printf("(needs root) ");
		return false;
	}
	begin(1);
	listener.users.path = "/nowhere";
	listener.users.each_ns *= 100000;
	for (int i = 0; i < 2; i++)
		ret_fds[i] = dial_as(4711);
	turn();
	return true;
}

/* The others wait for a moment: the queue is one. */
static void closing_those_who_are_out_has_a_share_of_the_loops_time(void)
{
	uint64_t *spent = &listener.turned_out.until_ns;
	int fds[4];

	if (!begin_with_one_out(fds))
		return;
	CHECK_EQ(let_in, 3); /* `dialled` is one of them */
	CHECK_EQ(*spent, 0);
	fds[2] = dial_as(4711);
	turn();
	CHECK_EQ(turned_out, 1);
	CHECK(*spent > 0);
	*spent = hf_now_ns() + 1000 * NS_PER_S;
	fds[3] = dial_as(0);
	for (int i = 0; i < 10; i++)
		turn();
	CHECK_EQ(let_in, 3);
	*spent = 0;
	for (int ms = 0; ms < 20000 && let_in < 4; ms++) {
		turn();
		usleep(1000);
	}
	CHECK_EQ(let_in, 4);
	CHECK_EQ(turned_out, 1);
	hf_fd_close_all(fds, ARRAY_SIZE(fds));
	end();
}

/* What it is charged is not what others had of the processor meanwhile. */
static void a_closing_that_is_held_up_does_not_shut_the_door(void)
{
	int fds[3];

	if (!begin_with_one_out(fds))
		return;
	held_up_s = 100;
	fds[2] = dial_as(4711);
	turn();
	CHECK_EQ(turned_out, 1);
	CHECK(listener.turned_out.until_ns > 0);
	CHECK(listener.turned_out.until_ns < hf_now_ns() + NS_PER_S);
	hf_fd_close_all(fds, ARRAY_SIZE(fds));
	end();
}

/* Each call of opening one fails in turn: said, and nothing of it is left. But that nobody can tell
 * whom a life before kept away is no reason: it is asked again. */
static void a_door_that_cannot_be_opened_leaves_nothing(void)
{
	struct listener another = {.accepted = on_accepted, .shut = on_shut, .fd = -1};
	uint32_t hit = 1;

	begin(1);
	for (uint32_t nth = 1; hit; nth++) {
		bool opened;
		int error;

		faults_arm(0, FAULT_ALL & ~(uint32_t)FAULT_HEAP, FAULT_ERROR, nth, 1);
		error = listener_open(&another, loop, dir, "other", 0600);
		faults_disarm(&hit);
		opened = !hit || another.users.stale;
		CHECK_EQ(error < 0, !opened);
		CHECK_EQ(another.fd >= 0, opened);
		if (opened)
			listener_close(&another);
	}
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(who_came_while_there_was_no_number_is_let_in_when_there_is),
	CATALOGUE(without_numbers_the_door_is_let_alone_for_a_while, "[C-6]"),
	SENTENCE(nor_is_there_memory_for_a_timer),
	CATALOGUE(closing_those_who_are_out_has_a_share_of_the_loops_time, "[M-18]"),
	CATALOGUE(a_closing_that_is_held_up_does_not_shut_the_door, "[M-18]"),
	SENTENCE(a_door_that_cannot_be_opened_leaves_nothing),
};
SUITE("listener", sentences)
