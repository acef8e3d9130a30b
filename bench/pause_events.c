/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. An event is struck by the thread that sends and receives, between two of its
 * turns; it then goes on until the change is surely over (the dead one is dead, the primary has
 * answered) and packets have come for a while since. The pause is the longest gap between two
 * arrivals in all of that time: what the guests saw, whoever was the cause.
 *
 * Where the time goes is told by what can be seen from outside: the pidfd of who dies, the time of
 * the primary's last grant, the first arrival after that.
 */
#include "pause_events.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "control_ask.h"

#define GIVE_UP_NS     (20 * NS_PER_S)
#define AFTERWARDS     500u /* packets */
#define AFTERWARDS_NS  (2 * NS_PER_MS)
#define BUSY_PERIOD_NS 100
#define SAMPLE_NS      (5 * NS_PER_MS)
#define QUIET_US       100000u /* an adaptive worker has long stopped polling */
#define IDLE_US	       100000u
/* A primary that dies sooner after its start is started again with a delay. */
#define LIFE_NS (150 * NS_PER_MS)

static int not_in_time(const char *what)
{
	fprintf(stderr, "not in time: %s\n", what);
	return -ETIMEDOUT;
}

static bool is_dead(const struct stage_switch *sw)
{
	struct pollfd p = {.fd = sw->pidfd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

/* Packets flow again, and for a while. */
static int see_traffic(struct stage *s)
{
	if (!flow_run_until(&s->flow, AFTERWARDS, GIVE_UP_NS))
		return not_in_time("packets from guest to guest");
	flow_run(&s->flow, AFTERWARDS_NS);
	return 0;
}

/* Until it is dead: when that could be seen. 0: not in time. */
static uint64_t run_until_dead(struct stage *s, const struct stage_switch *sw)
{
	uint64_t end = hf_now_ns() + GIVE_UP_NS, now;

	do {
		now = flow_turn(&s->flow);
		if (is_dead(sw))
			return now;
	} while (now < end);
	return 0;
}

static uint64_t from_to(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static int nothing(struct stage *s, struct pause *ret)
{
	flow_watch(&s->flow);
	flow_run(&s->flow, SAMPLE_NS);
	ret->pause_ns = s->flow.gap_ns;
	return 0;
}

static int settle(struct stage *s)
{
	return flow_settle(&s->flow) ? 0 : not_in_time("packets that were sent are taken");
}

/* ---- nobody sends */

/* Processor time that the owner of the rings has used so far, all its threads; 0: not known. */
static uint64_t owner_cpu_ns(const struct stage *s)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(s->switches[s->owner].pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* One packet after a silence: how long it takes, and what the switch used while there was none. */
static int first_from_idle(struct stage *s, struct pause *ret)
{
	struct flow *f = &s->flow;
	uint64_t used, period = f->period_ns;
	int error = settle(s);

	if (error)
		return error;
	f->holding = true;
	usleep(QUIET_US);
	used = owner_cpu_ns(s);
	usleep(IDLE_US);
	ret->parts[0] = from_to(used, owner_cpu_ns(s));
	f->period_ns = GIVE_UP_NS;
	f->due_ns = hf_now_ns();
	f->holding = false;
	flow_watch(f);
	if (!flow_run_until(f, 1, GIVE_UP_NS))
		error = not_in_time("one packet after a silence");
	ret->pause_ns = f->gap_ns;
	f->period_ns = period;
	f->due_ns = hf_now_ns();
	return error;
}

/* Who takes over: the other one. parts: until dead, until granted, until the first packet. */
static int kill_owner(struct stage *s, struct pause *ret)
{
	struct stage_switch *victim = &s->switches[s->owner];
	struct control_change change;
	uint64_t begun, dead;
	int error;

	flow_watch(&s->flow);
	begun = hf_now_ns();
	kill(victim->pid, SIGKILL);
	dead = run_until_dead(s, victim);
	if (!dead)
		return not_in_time("the death of the owner");
	error = see_traffic(s);
	if (!error)
		error = control_changes(s->daemon.run_dir, &s->event, &change);
	if (error)
		return error;
	ret->pause_ns = s->flow.gap_ns;
	ret->parts[0] = dead - begun;
	ret->parts[1] = from_to(dead, change.granted_ns);
	ret->parts[2] = from_to(change.granted_ns, s->flow.gap_end_ns);
	return 0;
}

static int replace_dead(struct stage *s)
{
	uint32_t place = s->owner;
	int error = settle(s);

	if (error)
		return error;
	stage_reap(s, place);
	s->owner = stage_other(s);
	error = stage_start(s, place);
	if (!error && !stage_wait_prepared(s, place))
		error = -ETIMEDOUT;
	return error;
}

/* Until the primary has answered. 0 or -errno. */
static int run_until_moved(struct stage *s, int socket)
{
	uint64_t end = hf_now_ns() + GIVE_UP_NS;
	uint32_t moved = 0;
	int result;

	if (socket < 0)
		return socket;
	do {
		uint64_t now = flow_turn(&s->flow);

		result = control_handed_over(socket, &moved);
		if (!result && now > end) {
			close(socket);
			return not_in_time("the hand-over's answer");
		}
	} while (!result);
	if (result < 0 || moved != 2) {
		fprintf(stderr, "hand-over: %s, %u devices moved\n",
			strerror(result < 0 ? -result : 0), moved);
		return result < 0 ? result : -EPROTO;
	}
	return 0;
}

/* parts: the primary's own measure. */
static int hand_over(struct stage *s, struct pause *ret)
{
	struct control_change change;
	int error;

	flow_watch(&s->flow);
	error = run_until_moved(
		s, control_hand_over(s->daemon.run_dir, s->switches[stage_other(s)].name));
	if (!error)
		error = see_traffic(s);
	if (!error)
		error = control_changes(s->daemon.run_dir, &s->event, &change);
	if (error)
		return error;
	ret->pause_ns = s->flow.gap_ns;
	ret->parts[0] = change.pause_ns;
	return 0;
}

static int swap_roles(struct stage *s)
{
	s->owner = stage_other(s);
	return settle(s);
}

/* ---- the primary */

/* Asks in a thread of its own, away from the guests: the answer comes when it comes. */
struct question {
	const struct stage *stage;
	pid_t before;
	_Atomic uint64_t answered_ns;
	atomic_bool stop;
};

static void *ask_again(void *context)
{
	struct question *q = context;

	while (!atomic_load(&q->stop)) {
		pid_t pid = control_pid(q->stage->daemon.run_dir);

		if (pid && pid != q->before) {
			atomic_store(&q->answered_ns, hf_now_ns());
			break;
		}
		usleep(200);
	}
	return NULL;
}

static void run_until_answered(struct stage *s, struct question *q)
{
	uint64_t end = hf_now_ns() + GIVE_UP_NS;

	while (!atomic_load(&q->answered_ns) && flow_turn(&s->flow) < end)
		;
	atomic_store(&q->stop, true);
}

/* parts: until its successor answers. */
static int kill_primary(struct stage *s, struct pause *ret)
{
	struct question q = {.stage = s, .before = control_pid(s->daemon.run_dir)};
	pthread_t thread;
	uint64_t begun;
	int error;

	if (!q.before)
		return not_in_time("the primary answers");
	(void)stage_run_on(s, false);
	error = -pthread_create(&thread, NULL, ask_again, &q);
	(void)stage_run_on(s, true);
	if (error)
		return error;
	flow_run(&s->flow, AFTERWARDS_NS);
	flow_watch(&s->flow);
	begun = hf_now_ns();
	kill(q.before, SIGKILL);
	run_until_answered(s, &q);
	pthread_join(thread, NULL);
	if (!q.answered_ns)
		return not_in_time("a new primary answers");
	ret->parts[0] = from_to(begun, q.answered_ns);
	error = see_traffic(s);
	ret->pause_ns = s->flow.gap_ns;
	return error;
}

static int let_live(struct stage *s)
{
	flow_run(&s->flow, LIFE_NS);
	return settle(s);
}

/* ---- one that hangs */

/* Stopped wherever it is, it is missed by a hand-over; inside a burst it has to be fenced. So that
 * this happens at all, it is kept busy without a pause. */
static int stop_owner(struct stage *s, struct pause *ret)
{
	struct stage_switch *victim = &s->switches[s->owner];
	struct control_change change;
	int error;

	s->flow.period_ns = BUSY_PERIOD_NS;
	flow_run(&s->flow, AFTERWARDS_NS);
	flow_watch(&s->flow);
	kill(victim->pid, SIGSTOP);
	error = run_until_moved(
		s, control_hand_over(s->daemon.run_dir, s->switches[stage_other(s)].name));
	if (!error)
		error = see_traffic(s);
	if (!error)
		error = control_changes(s->daemon.run_dir, &s->event, &change);
	if (error)
		return error;
	s->flow.period_ns = s->options.period_ns;
	ret->pause_ns = s->flow.gap_ns;
	ret->parts[0] = change.fenced ? PAUSE_NONE : ret->pause_ns;
	ret->parts[1] = change.fenced ? ret->pause_ns : PAUSE_NONE;
	kill(victim->pid, SIGKILL);
	return 0;
}

/* ---- nobody stands by */

static int start_again(struct stage *s, struct pause *ret)
{
	struct stage_switch *victim = &s->switches[s->owner];
	uint64_t begun;
	int error;

	flow_watch(&s->flow);
	begun = hf_now_ns();
	kill(victim->pid, SIGKILL);
	if (!run_until_dead(s, victim))
		return not_in_time("the death of the owner");
	stage_reap(s, s->owner);
	ret->parts[0] = hf_now_ns() - begun;
	error = stage_start(s, s->owner);
	if (!error)
		error = see_traffic(s);
	ret->pause_ns = s->flow.gap_ns;
	return error;
}

const struct pause_event pause_events[] = {
	{.name = "nothing",
	 .help = "what the machine itself does to the stream",
	 .n = 200,
	 .standby = true,
	 .lossless = true,
	 .strike = nothing,
	 .mend = settle},
	{.name = "idle",
	 .help = "one packet after 200 ms without any, from guest to guest",
	 .n = 100,
	 .lossless = true,
	 .parts = {"processor used in 100 ms idle"},
	 .strike = first_from_idle,
	 .mend = settle},
	{.name = "kill",
	 .help = "kill -9 of the switch, a standby waits",
	 .n = 200,
	 .standby = true,
	 .parts = {"kill to its death", "death to the last grant", "grant to the first packet"},
	 .strike = kill_owner,
	 .mend = replace_dead},
	{.name = "handover",
	 .help = "holdfast handover all",
	 .n = 1000,
	 .standby = true,
	 .lossless = true,
	 .parts = {"as the primary measures it"},
	 .strike = hand_over,
	 .mend = swap_roles},
	{.name = "primary",
	 .help = "kill -9 of the primary under --supervise",
	 .n = 100,
	 .supervised = true,
	 .lossless = true,
	 .parts = {"until a new one answers"},
	 .strike = kill_primary,
	 .mend = let_live},
	{.name = "stop",
	 .help = "kill -STOP of the switch, missed at once by a hand-over",
	 .n = 50,
	 .standby = true,
	 .parts = {"outside a burst", "inside: fenced at deadline"},
	 .strike = stop_owner,
	 .mend = replace_dead},
	{.name = "cold",
	 .help = "kill -9 of the switch, nobody waits, it is started again at once",
	 .n = 50,
	 .parts = {"kill to its death"},
	 .strike = start_again,
	 .mend = settle},
	{0},
};
