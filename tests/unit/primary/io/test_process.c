/* SPDX-License-Identifier: Apache-2.0 */
/* primary/io/process.h: what is told of processes, by their number and by a pidfd. */
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "suite.h"

struct dead {
	pid_t pid;
	int pidfd;
};

/* By a signal, or with this exit status; its parent, who is us, has not looked yet. */
static struct dead die(int number, int status)
{
	const struct rlimit no_core = {0, 0};
	struct dead dead = {.pid = fork()};
	struct pollfd died = {.events = POLLIN};

	if (dead.pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &no_core);
		if (number) {
			signal(number, SIG_DFL);
			raise(number);
		}
		_exit(status);
	}
	REQUIRE(dead.pid > 0);
	died.fd = dead.pidfd = pidfd_open(dead.pid, 0);
	REQUIRE(dead.pidfd >= 0);
	CHECK_EQ(poll(&died, 1, 20000), 1);
	return dead;
}

static int told(const struct dead *dead)
{
	return process_end_signal(dead->pidfd, dead->pid);
}

static void bury(const struct dead *dead)
{
	CHECK_EQ(waitpid(dead->pid, NULL, 0), dead->pid);
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
		struct dead dead = die(numbers[i], 0);

		CHECK_EQ(told(&dead), numbers[i]);
		bury(&dead);
		if (a_pidfd_tells())
			CHECK_EQ(told(&dead), numbers[i]);
		close(dead.pidfd);
	}
}

static void who_ended_itself_died_by_none(void)
{
	static const int statuses[] = {0, 1, SIGKILL, 255};

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		struct dead dead = die(0, statuses[i]);

		CHECK_EQ(told(&dead), 0);
		bury(&dead);
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
	dead = die(SIGKILL, 0);
	REQUIRE(seteuid(4711) == 0);
	CHECK_EQ(told(&dead), 0);
	REQUIRE(seteuid(0) == 0);
	CHECK_EQ(told(&dead), SIGKILL);
	bury(&dead);
	REQUIRE(seteuid(4711) == 0);
	if (a_pidfd_tells())
		CHECK_EQ(told(&dead), SIGKILL);
	REQUIRE(seteuid(0) == 0);
	close(dead.pidfd);
}

static void a_number_that_is_anothers_by_now_is_not_asked(void)
{
	struct dead dead = die(0, 0), other;
	struct dead mixed;

	bury(&dead);
	other = die(SIGKILL, 0);
	mixed = (struct dead){.pid = other.pid, .pidfd = dead.pidfd};
	CHECK_EQ(told(&mixed), 0);
	bury(&other);
	close(dead.pidfd);
	close(other.pidfd);
}

static const struct sentence sentences[] = {
	SENTENCE(the_signal_that_a_process_died_by_is_told),
	SENTENCE(who_ended_itself_died_by_none),
	SENTENCE(what_is_not_ours_to_know_is_none),
	SENTENCE(a_number_that_is_anothers_by_now_is_not_asked),
};
SUITE("process", sentences)
