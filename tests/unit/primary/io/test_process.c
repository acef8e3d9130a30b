/* SPDX-License-Identifier: Apache-2.0 */
/* primary/io/process.h: how a process ended, and what the kernel ended. */
#include "process.h"

#include <sys/utsname.h>

#include "check.h"
#include "dead.h"

static int told(const struct dead *dead)
{
	return process_end_signal(dead->pidfd, dead->pid);
}

/* Linux 6.15 and later. */
static bool a_pidfd_tells(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	REQUIRE(uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2);
	if (major > 6 || (major == 6 && minor >= 15))
		return true;
	printf("(needs Linux 6.15) ");
	return false;
}

static void the_signal_that_a_process_died_by_is_told(void)
{
	static const int numbers[] = {SIGKILL, SIGTERM, SIGSEGV, SIGABRT};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct dead dead = dead_by(numbers[i], 0);

		CHECK_EQ(told(&dead), numbers[i]);
		dead_bury(&dead);
		if (a_pidfd_tells())
			CHECK_EQ(told(&dead), numbers[i]);
		close(dead.pidfd);
	}
}

static void who_ended_itself_died_by_none(void)
{
	static const int statuses[] = {0, 1, SIGKILL, 255};

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		struct dead dead = dead_by(0, statuses[i]);

		CHECK_EQ(told(&dead), 0);
		dead_bury(&dead);
		CHECK_EQ(told(&dead), 0);
		close(dead.pidfd);
	}
}

/* Another user's, before its parent has looked. */
static void what_is_not_ours_to_know_is_none(void)
{
	struct dead dead;

	if (getuid()) {
		printf("(needs root) ");
		return;
	}
	dead = dead_by(SIGKILL, 0);
	REQUIRE(seteuid(4711) == 0);
	CHECK_EQ(told(&dead), 0);
	REQUIRE(seteuid(0) == 0);
	CHECK_EQ(told(&dead), SIGKILL);
	dead_bury(&dead);
	REQUIRE(seteuid(4711) == 0);
	if (a_pidfd_tells())
		CHECK_EQ(told(&dead), SIGKILL);
	REQUIRE(seteuid(0) == 0);
	close(dead.pidfd);
}

static void a_number_that_is_anothers_by_now_is_not_asked(void)
{
	struct dead dead = dead_by(0, 0), other;
	struct dead mixed;

	dead_bury(&dead);
	other = dead_by(SIGKILL, 0);
	mixed = (struct dead){.pid = other.pid, .pidfd = dead.pidfd};
	CHECK_EQ(told(&mixed), 0);
	dead_bury(&other);
	close(dead.pidfd);
	close(other.pidfd);
}

/* To see it grow would take a process that has no memory left. */
static void the_kernel_says_how_many_it_killed(void)
{
	uint64_t kills = process_oom_kills();

	CHECK(kills != UINT64_MAX);
	CHECK(process_oom_kills() >= kills);
}

static const struct sentence sentences[] = {
	SENTENCE(the_signal_that_a_process_died_by_is_told),
	SENTENCE(who_ended_itself_died_by_none),
	SENTENCE(what_is_not_ours_to_know_is_none),
	SENTENCE(a_number_that_is_anothers_by_now_is_not_asked),
	SENTENCE(the_kernel_says_how_many_it_killed),
};
SUITE("process", sentences)
