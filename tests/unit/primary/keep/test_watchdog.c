/* SPDX-License-Identifier: Apache-2.0 */
/* primary/keep/watchdog.h: what who asked for it hears while the loop comes round. */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "store.h"
#include "suite.h"
#include "watchdog.h"

static int holder;
static struct loop *loop;
static struct store *store;
static struct watchdog *watchdog;

/* In the place of libc's, both: no time passes but that for which the loop waits. */
static uint64_t now_ns = NS_PER_S;

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, ret);
	*ret = (struct timespec){.tv_sec = (time_t)(now_ns / NS_PER_S),
				 .tv_nsec = (long)(now_ns % NS_PER_S)};
	return 0;
}

int epoll_pwait2(int epoll, struct epoll_event *events, int room, const struct timespec *timeout,
		 const sigset_t *mask)
{
	const struct timespec none = {0};
	int n = (int)syscall(SYS_epoll_pwait2, epoll, events, room, &none, mask, sizeof(uint64_t));

	if (n == 0 && timeout)
		now_ns += (uint64_t)timeout->tv_sec * NS_PER_S + (uint64_t)timeout->tv_nsec;
	return n;
}

static void stop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

/* Signs that the holder hears while the loop runs for so long. */
static int signs(uint64_t ns)
{
	struct loop_timer timer = {.fire = stop};
	char text[64];
	ssize_t n;
	int count = 0;

	REQUIRE(loop_timer_set(loop, &timer, ns) == 0);
	CHECK_EQ(loop_run(loop), 0);
	while ((n = recv(holder, text, sizeof(text), MSG_DONTWAIT)) > 0)
		count += n == 10 && memcmp(text, "WATCHDOG=1", 10) == 0;
	return count;
}

/* `usec` and `pid` as the holder says them; NULL: it does not. */
static void begin(const char *usec, const char *pid)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[32];
	int n = snprintf(name, sizeof(name), "@hf-watchdog-%d", getpid());

	holder = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path + 1, name + 1, (size_t)n - 1);
	REQUIRE(bind(holder, (void *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)) == 0);
	setenv("NOTIFY_SOCKET", name, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (usec)
		setenv("WATCHDOG_USEC", usec, 1);
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
	loop = loop_create();
	REQUIRE(loop && store_open(loop, &store) == 0);
	REQUIRE(watchdog_open(loop, store, &watchdog) == 0);
}

static void end(void)
{
	watchdog_close(watchdog);
	store_close(store);
	loop_destroy(loop);
	close(holder);
	unsetenv("NOTIFY_SOCKET");
}

static void who_asked_hears_it_four_times_within_the_time(void)
{
	begin("40000", NULL);
	CHECK_EQ(signs(45 * NS_PER_MS), 4);
	CHECK_EQ(signs(100 * NS_PER_MS), 10);
	end();
}

static void who_did_not_ask_hears_nothing(void)
{
	begin(NULL, NULL);
	CHECK(watchdog == NULL);
	CHECK_EQ(signs(20 * NS_PER_MS), 0);
	end();
	begin("0", NULL);
	CHECK(watchdog == NULL);
	end();
}

static void what_was_asked_of_another_process_is_not_asked_of_us(void)
{
	char pid[16];

	begin("40000", "1");
	CHECK(watchdog == NULL);
	end();
	snprintf(pid, sizeof(pid), "%d", getpid());
	begin("40000", pid);
	CHECK(signs(400 * NS_PER_MS) > 0);
	end();
}

/* It must not fill our memory. */
static void a_holder_that_does_not_read_gets_no_more_than_its_socket_takes(void)
{
	begin("4000", NULL);
	for (int i = 0; i < 2000 && !store_at_rest(store); i++)
		store_notify(store, "STATUS=much");
	CHECK_EQ(store_at_rest(store), -EBUSY);
	CHECK_EQ(signs(100 * NS_PER_MS), 0);
	store_flush(store);
	CHECK_EQ(store_at_rest(store), 0);
	CHECK(signs(400 * NS_PER_MS) > 0);
	end();
}

/* Room in the holder's socket for one more is none for its descriptor: nobody has a free one. */
static uint32_t add_without_descriptors(int fd)
{
	int next = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct rlimit was, low;
	uint32_t number;

	close(next);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &was) == 0);
	low = was;
	low.rlim_cur = (rlim_t)next + 1;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
	number = store_add(store, 'x', fd);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &was) == 0);
	return number;
}

static void fill_holder(void)
{
	for (int i = 0; i < 2000 && !store_at_rest(store); i++)
		store_notify(store, "STATUS=much");
	REQUIRE(store_at_rest(store) == -EBUSY);
}

static void what_cannot_be_kept_costs_neither_the_holder_nor_a_sign(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uint32_t number;

	begin("40000", NULL);
	hf_log_set_level(0);
	fill_holder();
	CHECK_EQ(add_without_descriptors(fd), 0);
	CHECK_EQ(store_keeps(store), STORE_KEEPS);
	(void)signs(20 * NS_PER_MS); /* reads all, at the end */
	store_flush(store);
	CHECK(signs(400 * NS_PER_MS) > 0);
	number = store_add(store, 'x', fd);
	CHECK_EQ(number, STORE_FIRST_FREE);
	store_reference(store, number);
	store_release(store, number);
	close(fd);
	end();
}

static void a_sign_does_not_wait_behind_descriptors(void)
{
	char text[64];
	ssize_t n;
	int before = 0;

	begin("40000", NULL);
	fill_holder();
	for (int i = 0; i < 100; i++)
		store_notify(store, "STATUS=more");
	CHECK_EQ(signs(60 * NS_PER_MS), 0); /* it reads what was there, and the sign comes first */
	store_flush(store);
	while ((n = recv(holder, text, sizeof(text), MSG_DONTWAIT)) > 0 &&
	       (n != 10 || memcmp(text, "WATCHDOG=1", 10) != 0))
		before++;
	CHECK(n > 0);
	CHECK_EQ(before, 0);
	end();
}

/* An earlier life lost it: nothing is kept there, and who asks still asks. */
static void a_life_that_inherits_a_lost_holder_gives_signs_all_the_same(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char text[64] = "";

	setenv("HOLDFAST_KEEPER_LOST", "1", 1);
	begin("40000", NULL);
	unsetenv("HOLDFAST_KEEPER_LOST");
	CHECK_EQ(store_keeps(store), STORE_LOST);
	CHECK(store_add(store, 'x', fd) != 0);
	store_notify(store, "READY=1");
	CHECK_EQ(recv(holder, text, sizeof(text), MSG_DONTWAIT), 7);
	CHECK(memcmp(text, "READY=1", 7) == 0);
	CHECK(signs(400 * NS_PER_MS) > 0);
	close(fd);
	end();
}

/* Or the loop would come round a hundred times a second for a sign that nobody can hear. */
static void a_sign_that_nobody_can_hear_is_not_tried_again(void)
{
	static const char *const sockets[] = {NULL, "@hf-watchdog-nobody", "nonsense"};

	hf_log_set_level(0);
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		unsetenv("NOTIFY_SOCKET");
		if (sockets[i])
			setenv("NOTIFY_SOCKET", sockets[i], 1);
		loop = loop_create();
		REQUIRE(loop && store_open(loop, &store) == 0);
		CHECK(store_alive(store));
		store_close(store);
		loop_destroy(loop);
	}
	unsetenv("NOTIFY_SOCKET");
}

static const struct sentence sentences[] = {
	SENTENCE(a_sign_that_nobody_can_hear_is_not_tried_again),
	SENTENCE(who_asked_hears_it_four_times_within_the_time),
	SENTENCE(who_did_not_ask_hears_nothing),
	SENTENCE(what_was_asked_of_another_process_is_not_asked_of_us),
	SENTENCE(a_holder_that_does_not_read_gets_no_more_than_its_socket_takes),
	SENTENCE(what_cannot_be_kept_costs_neither_the_holder_nor_a_sign),
	SENTENCE(a_sign_does_not_wait_behind_descriptors),
	SENTENCE(a_life_that_inherits_a_lost_holder_gives_signs_all_the_same),
};
SUITE("watchdog", sentences)
