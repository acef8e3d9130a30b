/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is taken to hang, and what becomes of its rings. Looks are made by hand, at times that the
 * test makes up; only what takes processor time runs by the clock.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "death.h"
#include "fd.h"
#include "grant.h"
#include "lane.h"
#include "primary_rig.h"
#include "retire.h"
#include "revoke.h"
#include "secondary.h"
#include "secondary_life.h"
#include "suite.h"
#include "waiting.h"
#include "watch.h"

#define VSWITCH	    HOLDFAST__ATTACH__ROLE__VSWITCH
#define STANDBY	    HOLDFAST__ATTACH__ROLE__STANDBY
#define EVENT(name) HOLDFAST__CONTROL__EVENT_KIND__##name
#define PERIOD	    (100 * NS_PER_S) /* so long that the timer never comes by itself */
#define LIMIT	    (8 * PERIOD)
#define PORTS	    2u

static struct rig rig;
static struct secondary *first, *second;
static struct port *ports[PORTS];
static int sockets[2];
static uint64_t now;
static pid_t child;

static void beat(struct secondary *secondary)
{
	struct hf_lane_header *header = secondary->lane.base;

	hf_write_once(&header->heartbeat_ns, header->heartbeat_ns + 1);
}

/* `first` runs all; `second_name` NULL: nobody else is there. */
static void begin(const char *second_name, uint64_t limit_ns)
{
	static const char *const names[PORTS] = {"vm0", "vm1"};

	rig_open(&rig);
	rig.conf.hang_limit_ns = limit_ns;
	sockets[1] = -1;
	first = rig_secondary(&rig, "first", VSWITCH, NULL, &sockets[0]);
	second = NULL;
	for (size_t i = 0; i < PORTS; i++)
		ports[i] = rig_port(&rig, names[i], 2);
	grant_offer_all(&rig.primary);
	if (second_name)
		second = rig_secondary(&rig, second_name, STANDBY, NULL, &sockets[1]);
	grant_offer_all(&rig.primary);
	REQUIRE(watch_open(&rig.primary) == 0);
	now = hf_now_ns();
	child = 0;
}

static void end(void)
{
	watch_close(&rig.primary);
	if (child) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	hf_fd_close_all(sockets, 2);
	rig_close(&rig);
}

static void look(void)
{
	now += PERIOD;
	watch_look(&rig.primary, now);
}

/* `who` beats before each, NULL: nobody. */
static void looks(unsigned int n, struct secondary *who)
{
	for (unsigned int i = 0; i < n; i++) {
		if (who)
			beat(who);
		look();
	}
}

static struct vring *vring_of(size_t port)
{
	return &ports[port]->device.vrings[1];
}

static bool second_has_all(void *context)
{
	(void)context;
	for (size_t i = 0; i < PORTS; i++)
		for (size_t v = 0; v < 2; v++)
			if (ports[i]->device.vrings[v].owner != second)
				return false;
	return true;
}

static bool first_has_all(void)
{
	for (size_t i = 0; i < PORTS; i++)
		for (size_t v = 0; v < 2; v++)
			if (ports[i]->device.vrings[v].owner != first)
				return false;
	return true;
}

static unsigned int hung_events(void)
{
	return rig_events(&rig, EVENT(SECONDARY_HUNG), NULL);
}

/* Nothing was begun either. */
static void check_left_alone(void)
{
	rig_until(&rig, NULL, NULL, 20);
	CHECK(first_has_all());
	CHECK(rig.primary.revocations == NULL && rig.primary.handovers == NULL);
}

static void who_shows_no_life_is_relieved_and_waits_when_it_is_back(void)
{
	const struct event *event;

	begin("second", LIMIT);
	rig_lane(vring_of(1))->avail = rig_lane(vring_of(1))->used = 4711;
	*rig_used_idx(vring_of(1)) = 4711;
	looks(8, second);
	CHECK_EQ(hung_events(), 0);
	looks(2, second);
	REQUIRE(rig_events(&rig, EVENT(SECONDARY_HUNG), &event) == 1);
	CHECK(!strcmp(event->secondary, "first"));
	CHECK(event->duration_ns >= LIMIT);
	CHECK(rig_until(&rig, second_has_all, NULL, 20000));
	CHECK_EQ(rig_lane(vring_of(1))->used, 4711);
	REQUIRE(rig_events(&rig, EVENT(TAKEN_OVER), &event) == PORTS);
	CHECK(strstr(event->detail, "hangs") != NULL);
	CHECK_EQ(rig.primary.continuity.takeovers, PORTS);
	CHECK_EQ(rig.primary.continuity.fencings, 0);
	/* It goes on: nothing is taken from who has it now, and it is next. */
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_RECOVERED), NULL), 0);
	beat(first);
	looks(1, second);
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_RECOVERED), NULL), 1);
	CHECK(!first->watch.hung && second_has_all(NULL));
	CHECK(secondary_usable(first));
	grant_secondary_died(&rig.primary, second);
	CHECK(first_has_all());
	end();
}

static void whom_nobody_can_relieve_is_left_alone(void)
{
	begin(NULL, LIMIT);
	looks(30, NULL);
	CHECK_EQ(hung_events(), 1);
	check_left_alone();
	/* Until there is somebody. */
	second = rig_secondary(&rig, "second", STANDBY, NULL, &sockets[1]);
	grant_offer_all(&rig.primary);
	looks(2, second);
	CHECK(rig_until(&rig, second_has_all, NULL, 20000));
	CHECK_EQ(hung_events(), 1);
	end();
}

static void nobody_is_relieved_by_one_that_shows_no_life_either(void)
{
	begin("second", LIMIT);
	looks(30, NULL);
	check_left_alone();
	end();
}

static void a_slow_heartbeat_is_one(void)
{
	begin("second", LIMIT);
	for (int i = 0; i < 20; i++) {
		beat(first);
		looks(7, second);
	}
	CHECK_EQ(hung_events(), 0);
	check_left_alone();
	end();
}

static void bursts_that_go_on_are_a_sign_of_life(void)
{
	begin("second", LIMIT);
	for (int i = 0; i < 40; i++) {
		struct hf_lane_vring *lane = rig_lane(vring_of(0));

		lane->busy = 1; /* it polls: at every look it is in a burst, another one */
		lane->counters[i % 2 ? HF_COUNTER_BURSTS : HF_COUNTER_EMPTY_BURSTS] += 3;
		looks(1, second);
	}
	rig_lane(vring_of(0))->busy = 0;
	CHECK_EQ(hung_events(), 0);
	check_left_alone();
	end();
}

static void looks_into_a_ring_that_go_on_are_one_too(void)
{
	begin("second", LIMIT);
	for (int i = 0; i < 40; i++) {
		rig_lane(vring_of(0))->busy = 1;
		rig_lane(vring_of(0))->looks++;
		looks(1, second);
	}
	rig_lane(vring_of(0))->busy = 0;
	CHECK_EQ(hung_events(), 0);
	check_left_alone();
	end();
}

/* Both stopped, one after the other; and then so did we for a while. */
static void who_was_not_seen_to_live_since_we_were_late_relieves_nobody(void)
{
	begin("second", LIMIT);
	beat(first);
	looks(4, second);
	looks(6, NULL);
	CHECK(first->watch.hung && !second->watch.hung);
	check_left_alone();
	now += 20 * PERIOD;
	looks(2, NULL);
	CHECK(first->watch.hung && !second->watch.hung);
	check_left_alone();
	/* There it is. */
	looks(1, second);
	CHECK(rig_until(&rig, second_has_all, NULL, 20000));
	end();
}

static void a_pause_of_our_own_is_nobodys_fault(void)
{
	begin("second", LIMIT);
	looks(8, second);
	now += 20 * PERIOD;
	looks(8, second);
	CHECK_EQ(hung_events(), 0);
	now += 20 * PERIOD;
	beat(first);
	looks(8, second);
	CHECK_EQ(hung_events(), 0);
	check_left_alone();
	looks(2, second);
	CHECK_EQ(hung_events(), 1);
	CHECK(rig_until(&rig, second_has_all, NULL, 20000));
	/* And what was so before it is so behind it. */
	now += 20 * PERIOD;
	looks(3, second);
	CHECK(first->watch.hung);
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_RECOVERED), NULL), 0);
	end();
}

static void who_hangs_is_the_last_choice(void)
{
	struct secondary *third;
	int s;

	begin("second", LIMIT);
	third = rig_secondary(&rig, "third", STANDBY, NULL, &s);
	grant_offer_all(&rig.primary);
	for (int i = 0; i < 10; i++) {
		beat(third);
		looks(1, first);
	}
	CHECK(second->watch.hung);
	CHECK_EQ(hung_events(), 0); /* it ran nothing */
	grant_secondary_died(&rig.primary, first);
	CHECK(vring_of(0)->owner == third && vring_of(1)->owner == third);
	grant_secondary_died(&rig.primary, third);
	CHECK(second_has_all(NULL)); /* better than nobody */
	hf_fd_close(&s);
	end();
}

static bool is_given_back(void *context)
{
	(void)context;
	return !rig.primary.revocations;
}

static void who_can_leave_its_burst_is_asked_for_the_ring_and_keeps_it(void)
{
	struct hf_lane_vring *lane;
	const struct event *event;
	uint64_t grant;

	begin("second", LIMIT);
	lane = rig_lane(vring_of(1));
	grant = vring_of(1)->grant;
	lane->busy = 1;
	for (int i = 0; i < 10; i++) {
		beat(second);
		looks(1, first);
	}
	REQUIRE(rig_events(&rig, EVENT(SECONDARY_HUNG), &event) == 1);
	CHECK(!strcmp(event->port, "vm1") && event->vring == 1);
	CHECK_EQ(rig_grant_word(vring_of(1)), 0);
	looks(10, first); /* it is asked once */
	rig_until(&rig, NULL, NULL, 10);
	hf_burst_leave(lane);
	CHECK(rig_until(&rig, is_given_back, NULL, 20000));
	looks(1, first);
	CHECK(first_has_all());
	CHECK(vring_of(1)->grant > grant);
	CHECK_EQ(hung_events(), 1);
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_RECOVERED), NULL), 1);
	CHECK_EQ(rig.primary.continuity.fencings, 0);
	end();
}

/* Before anybody has seen that the burst is over. */
static void who_says_bye_right_behind_that_burst_leaves_the_ring_to_the_next(void)
{
	begin("second", LIMIT);
	rig_lane(vring_of(1))->busy = 1;
	for (int i = 0; i < 10; i++) {
		beat(second);
		looks(1, first);
	}
	REQUIRE(vring_of(1)->revoking);
	hf_burst_leave(rig_lane(vring_of(1)));
	secondary_leave(first, true);
	CHECK(rig_until(&rig, second_has_all, NULL, 20000));
	end();
}

/* `first` is from now on a process of its own, which loops, or sleeps, in a burst of `vring`. */
static void stuck(struct vring *vring, bool loops)
{
	struct hf_lane_vring *lane = rig_lane(vring);

	child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		close(sockets[0]);
		hf_store_release(&lane->busy, 1u);
		for (;;)
			if (!loops)
				pause();
	}
	loop_remove(rig.primary.loop, &first->pidfd_source);
	hf_fd_close(&first->pidfd);
	first->pid = child;
	first->pidfd = pidfd_open(child, 0);
	REQUIRE(first->pidfd >= 0);
	REQUIRE(loop_add(rig.primary.loop, &first->pidfd_source, first->pidfd, EPOLLIN) == 0);
	while (!hf_load_acquire(&lane->busy))
		;
}

static bool first_is_gone(void *context)
{
	(void)context;
	return rig.primary.secondaries[0] == NULL;
}

static void check_was_killed(void)
{
	int status;

	REQUIRE(waitpid(child, &status, 0) == child);
	child = 0;
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_FENCED), NULL), 1);
	CHECK_EQ(rig_events(&rig, EVENT(SECONDARY_DIED), NULL), 1);
}

static void who_cannot_leave_its_burst_is_killed_and_followed(void)
{
	begin("second", LIMIT);
	rig.conf.fence_deadline_ns = 100 * NS_PER_MS;
	stuck(vring_of(1), false);
	looks(10, first); /* a thread of it sleeps in a burst, and another one beats */
	CHECK(rig_until(&rig, first_is_gone, NULL, 20000));
	check_was_killed();
	CHECK(second_has_all(NULL));
	CHECK_EQ(rig.primary.continuity.takeovers, PORTS);
	end();
}

static void who_is_stopped_in_a_burst_is_killed_if_somebody_waits(void)
{
	begin("second", LIMIT);
	rig.conf.fence_deadline_ns = 100 * NS_PER_MS;
	stuck(vring_of(0), false);
	kill(child, SIGSTOP);
	looks(10, second);
	rig_until(&rig, NULL, NULL, 20);
	/* Its end is seen at the socket first. */
	hf_fd_close(&sockets[0]);
	CHECK(rig_until(&rig, first_is_gone, NULL, 20000));
	check_was_killed();
	CHECK(second_has_all(NULL));
	CHECK_EQ(rig.primary.continuity.takeovers, PORTS);
	end();
}

static void who_is_stopped_in_a_burst_is_left_alone_if_nobody_does(void)
{
	begin(NULL, LIMIT);
	stuck(vring_of(0), false);
	kill(child, SIGSTOP);
	looks(40, NULL);
	check_left_alone();
	CHECK_EQ(hung_events(), 1);
	CHECK_EQ(waitpid(child, NULL, WNOHANG), 0);
	end();
}

static bool is_fenced(void *context)
{
	(void)context;
	return rig_events(&rig, EVENT(SECONDARY_FENCED), NULL) != 0;
}

/* By the clock: what it is known by is the processor time that it takes. */
static void an_endless_loop_in_a_burst_is_ended_though_nobody_waits(void)
{
	begin(NULL, 800 * NS_PER_MS);
	rig.conf.fence_deadline_ns = 100 * NS_PER_MS;
	stuck(vring_of(0), true);
	CHECK(rig_until(&rig, is_fenced, NULL, 20000));
	CHECK(rig_until(&rig, first_is_gone, NULL, 20000));
	check_was_killed();
	end();
}

static void with_fencing_off_nothing_is_taken_from_who_is_in_a_burst(void)
{
	begin("second", LIMIT);
	rig.conf.fence = false;
	rig_lane(vring_of(1))->busy = 1;
	looks(20, second);
	CHECK_EQ(hung_events(), 1);
	check_left_alone();
	hf_burst_leave(rig_lane(vring_of(1)));
	looks(1, second);
	CHECK(rig_until(&rig, second_has_all, NULL, 20000));
	end();
}

static unsigned int sessions_ended;

static void on_session_over(struct revocation *revocation)
{
	(void)revocation;
	sessions_ended++;
	grant_retire(&ports[1]->device);
	rig_port_free(&rig, ports[1]);
}

/* What it was asked for is not there any more when it answers. */
static void a_session_may_end_while_its_ring_is_asked_back(void)
{
	struct revocation over = {.done = on_session_over};
	struct hf_lane_vring *lane;

	begin("second", LIMIT);
	sessions_ended = 0;
	lane = rig_lane(vring_of(1));
	lane->busy = 1;
	looks(10, first);
	CHECK_EQ(hung_events(), 1);
	revoke_start(&over, &ports[1]->device, GRANT_ALL_VRINGS);
	hf_burst_leave(lane);
	rig_until(&rig, NULL, NULL, 20);
	CHECK_EQ(sessions_ended, 1);
	CHECK(rig.primary.revocations == NULL);
	CHECK(vring_of(0)->owner == first);
	end();
}

static void an_upgrade_under_way_comes_first(void)
{
	begin("second", LIMIT);
	rig.primary.holding = true;
	looks(20, second);
	check_left_alone();
	rig.primary.holding = false;
	looks(1, second);
	CHECK(rig_until(&rig, second_has_all, NULL, 20000));
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(who_shows_no_life_is_relieved_and_waits_when_it_is_back),
	SENTENCE(whom_nobody_can_relieve_is_left_alone),
	SENTENCE(nobody_is_relieved_by_one_that_shows_no_life_either),
	SENTENCE(a_slow_heartbeat_is_one),
	SENTENCE(bursts_that_go_on_are_a_sign_of_life),
	SENTENCE(looks_into_a_ring_that_go_on_are_one_too),
	SENTENCE(who_was_not_seen_to_live_since_we_were_late_relieves_nobody),
	SENTENCE(a_pause_of_our_own_is_nobodys_fault),
	SENTENCE(who_hangs_is_the_last_choice),
	SENTENCE(who_can_leave_its_burst_is_asked_for_the_ring_and_keeps_it),
	SENTENCE(who_says_bye_right_behind_that_burst_leaves_the_ring_to_the_next),
	SENTENCE(who_cannot_leave_its_burst_is_killed_and_followed),
	SENTENCE(who_is_stopped_in_a_burst_is_killed_if_somebody_waits),
	SENTENCE(who_is_stopped_in_a_burst_is_left_alone_if_nobody_does),
	SENTENCE(an_endless_loop_in_a_burst_is_ended_though_nobody_waits),
	SENTENCE(with_fencing_off_nothing_is_taken_from_who_is_in_a_burst),
	SENTENCE(a_session_may_end_while_its_ring_is_asked_back),
	SENTENCE(an_upgrade_under_way_comes_first),
};
SUITE("watch", sentences)
