/* SPDX-License-Identifier: Apache-2.0 */
/* primary/keep/watchdog.h: what who asked for it hears while the loop comes round. */
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "loop.h"
#include "store.h"
#include "suite.h"
#include "watchdog.h"

static int holder;
static struct loop *loop;
static struct store *store;
static struct watchdog *watchdog;

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
	CHECK(signs(400 * NS_PER_MS) >= 10); /* 40 at best */
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
	for (int i = 0; i < 2000 && store_at_rest(store); i++)
		store_notify(store, "STATUS=much");
	CHECK(!store_at_rest(store));
	CHECK_EQ(signs(100 * NS_PER_MS), 0);
	store_flush(store);
	CHECK(store_at_rest(store));
	CHECK(signs(400 * NS_PER_MS) > 0);
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(who_asked_hears_it_four_times_within_the_time),
	SENTENCE(who_did_not_ask_hears_nothing),
	SENTENCE(what_was_asked_of_another_process_is_not_asked_of_us),
	SENTENCE(a_holder_that_does_not_read_gets_no_more_than_its_socket_takes),
};
SUITE("watchdog", sentences)
