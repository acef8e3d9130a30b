/* SPDX-License-Identifier: Apache-2.0 */
/* primary/supervise/pulse.h: who could have said something, and who could not. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "process.h"
#include "pulse.h"
#include "suite.h"

#define LIMIT NS_PER_S
#define STEP  (LIMIT / 8)

static pid_t start(bool sleeps)
{
	volatile bool on = true; /* or the loop may be left out */
	pid_t pid = fork();

	while (pid == 0 && on)
		if (sleeps)
			pause();
	REQUIRE(pid > 0);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void become(pid_t pid, char state)
{
	for (int i = 0; i < 20000 && process_state(pid) != state; i++)
		usleep(1000);
	CHECK_EQ(process_state(pid), state);
}

/* After how many looks, each a step later, is it taken for stopped? At most `most`. */
static int looks_until_stopped(struct pulse *pulse, pid_t pid, uint64_t step_ns, int most)
{
	uint64_t now = pulse->looked_ns ? pulse->looked_ns : NS_PER_S;

	for (int i = 1; i <= most; i++) {
		now += step_ns;
		if (pulse_stopped(pulse, pid, now))
			return i;
	}
	return 0;
}

static void who_sleeps_and_says_nothing_has_stopped(void)
{
	struct pulse pulse = {.limit_ns = LIMIT};
	pid_t pid = start(true);

	become(pid, 'S');
	CHECK_EQ(looks_until_stopped(&pulse, pid, STEP, 100), 9); /* the first begins */
	pulse_felt(&pulse);
	CHECK_EQ(looks_until_stopped(&pulse, pid, STEP, 100), 8);
	end(pid);
}

static void who_says_something_has_not(void)
{
	struct pulse pulse = {.limit_ns = LIMIT};
	pid_t pid = start(true);

	become(pid, 'S');
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(looks_until_stopped(&pulse, pid, STEP, 7), 0);
		pulse_felt(&pulse);
	}
	end(pid);
}

static void time_in_which_we_did_not_look_is_a_step_and_no_more(void)
{
	struct pulse pulse = {.limit_ns = LIMIT};
	pid_t pid = start(true);

	become(pid, 'S');
	CHECK_EQ(looks_until_stopped(&pulse, pid, 100 * LIMIT, 100), 9);
	end(pid);
}

static void looks_that_come_too_early_do_not_count(void)
{
	struct pulse pulse = {.limit_ns = LIMIT};
	pid_t pid = start(true);

	become(pid, 'S');
	CHECK(!pulse_stopped(&pulse, pid, NS_PER_S));
	for (uint64_t ns = 0; ns < STEP; ns += STEP / 100)
		CHECK(!pulse_stopped(&pulse, pid, NS_PER_S + ns));
	CHECK_EQ(pulse.silent_ns, 0);
	CHECK_EQ(pulse_wait_ns(&pulse, NS_PER_S + STEP / 4), STEP - STEP / 4);
	CHECK_EQ(pulse_wait_ns(&pulse, NS_PER_S + STEP), 0);
	end(pid);
}

static void who_was_stopped_by_somebody_is_left_alone(void)
{
	struct pulse pulse = {.limit_ns = LIMIT};
	pid_t pid = start(true);

	kill(pid, SIGSTOP);
	become(pid, 'T');
	CHECK_EQ(looks_until_stopped(&pulse, pid, STEP, 100), 0);
	kill(pid, SIGCONT);
	become(pid, 'S');
	CHECK(looks_until_stopped(&pulse, pid, STEP, 100) > 0);
	end(pid);
}

/* Steps of time in which the processor's clock does not move: somebody else has it. */
static void who_gets_no_processor_is_left_alone(void)
{
	struct pulse pulse = {.limit_ns = LIMIT};
	pid_t pid = start(false);
	uint64_t now = NS_PER_S, ran;
	int looks = 0;

	become(pid, 'R');
	do { /* between two of its ticks */
		ran = process_ran_ns(pid);
		pulse = (struct pulse){.limit_ns = LIMIT, .ran_ns = ran};
		for (looks = 0; looks < 20 && !pulse_stopped(&pulse, pid, now); looks++)
			now += STEP;
	} while (process_ran_ns(pid) != ran);
	CHECK_EQ(looks, 20);
	end(pid);
}

/* A tick of it in each of ten steps. */
static void who_gets_little_processor_is_judged_by_that(void)
{
	struct pulse pulse = {.limit_ns = LIMIT};
	pid_t pid = start(false);

	become(pid, 'R');
	for (uint64_t i = 1; i <= 20; i++) {
		(void)pulse_stopped(&pulse, pid, NS_PER_S + i * STEP);
		usleep(11000);
	}
	CHECK(pulse.silent_ns <= process_ran_ns(pid));
	end(pid);
}

static void who_only_uses_the_processor_has_stopped(void)
{
	struct pulse pulse = {.limit_ns = LIMIT / 5};
	pid_t pid = start(false);
	uint64_t now = NS_PER_S;
	bool stopped = false;

	become(pid, 'R');
	for (int i = 0; i < 1000 && !stopped; i++, now += STEP) {
		stopped = pulse_stopped(&pulse, pid, now);
		usleep(30000); /* more than a tick */
	}
	CHECK(stopped);
	end(pid);
}

static const struct sentence sentences[] = {
	SENTENCE(who_sleeps_and_says_nothing_has_stopped),
	SENTENCE(who_says_something_has_not),
	SENTENCE(time_in_which_we_did_not_look_is_a_step_and_no_more),
	SENTENCE(looks_that_come_too_early_do_not_count),
	SENTENCE(who_was_stopped_by_somebody_is_left_alone),
	SENTENCE(who_gets_no_processor_is_left_alone),
	SENTENCE(who_gets_little_processor_is_judged_by_that),
	SENTENCE(who_only_uses_the_processor_has_stopped),
};
SUITE("pulse", sentences)
