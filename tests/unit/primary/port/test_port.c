/* SPDX-License-Identifier: Apache-2.0 */
/* primary/port/ports.h: sockets, second clients, reconnecting. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fake_grants.h"
#include "faults.h"
#include "fd.h"
#include "fd_ledger.h"
#include "feature_names.h"
#include "foreign.h"
#include "front.h"
#include "log.h"
#include "port.h"
#include "ports.h"
#include "refusal.h"
#include "session.h"
#include "suite.h"
#include "vu_wire.h"

static struct front front;
static const char *reason;

static int add(const char *name, const char *path, bool client)
{
	reason = NULL;
	return port_add(&primary, name, path, client, 1, &reason);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	REQUIRE(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	REQUIRE(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	REQUIRE(listen(fd, 4) == 0);
	return fd;
}

static bool closed_by_peer(int fd)
{
	char byte;

	front_turn();
	return recv(fd, &byte, 1, 0) == 0;
}

static void beside(char *path, size_t size, const char *file)
{
	snprintf(path, size, "%s/%s", primary.conf->run_dir, file);
}

static void the_socket_has_the_mode_that_was_asked_for(void)
{
	struct stat st;

	front_begin();
	REQUIRE(stat(front_port()->path, &st) == 0);
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_EQ(st.st_mode & 0777, 0600);
	front_end();
}

static void a_second_client_is_refused_and_the_first_not_disturbed(void)
{
	int second;

	front_begin();
	front_connect(&front);
	front_setup(&front);
	second = connect_to(front_port()->path);
	CHECK(closed_by_peer(second));
	CHECK_EQ(primary.refusals[REFUSED_SECOND_CLIENT], 1);
	front_kick(&front, 0);
	CHECK(fake_granted(&front_port()->device.vrings[0]));
	CHECK_EQ(front_port()->sessions, 1);
	close(second);
	front_close(&front);
	front_end();
}

static void a_client_that_replaces_a_dead_one_waits_until_its_rings_are_back(void)
{
	struct front next = {.socket = -1};

	front_begin();
	front_connect(&front);
	front_setup(&front);
	front_kick(&front, 0);
	fake.hold = true;
	/* The new connection is there before the old one's end was looked at. */
	next.socket = connect_to(front_port()->path);
	hf_fd_close(&front.socket);
	front_turn();
	CHECK_EQ(front_port()->session->state, SESSION_ENDING);
	CHECK_EQ(primary.refusals[REFUSED_SECOND_CLIENT], 0);
	CHECK_EQ(fake_release(), 1);
	front_turn();
	CHECK(front_port()->session != NULL);
	CHECK_EQ(front_port()->sessions, 2);
	front_send(&next, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	CHECK_EQ(front_reply_u64(&next, VU_GET_FEATURES),
		 port_supported_features() | VIRTIO_BIT(VU_F_PROTOCOL_FEATURES));
	hf_fd_close(&next.socket);
	front_close(&front);
	front_end();
}

static void names_and_paths_have_their_rules(void)
{
	char long_name[65], long_path[200];

	front_begin();
	memset(long_name, 'n', 64);
	long_name[64] = '\0';
	memset(long_path, 'p', 199);
	long_path[0] = '/';
	long_path[199] = '\0';
	CHECK_EQ(add("", NULL, false), -EINVAL);
	CHECK(reason != NULL);
	CHECK_EQ(add("a/b", NULL, false), -EINVAL);
	CHECK_EQ(add("attach", NULL, false), -EINVAL);
	CHECK_EQ(add("control", NULL, false), -EINVAL);
	CHECK_EQ(add("..", NULL, false), -EINVAL);
	CHECK_EQ(add("a*", NULL, false), -EINVAL);
	CHECK_EQ(add("a b", NULL, false), -EINVAL);
	CHECK_EQ(add("a\x1b[31m", NULL, false), -EINVAL);
	CHECK_EQ(add(long_name, NULL, false), -EINVAL);
	CHECK_EQ(add("long", long_path, false), -EINVAL);
	CHECK_EQ(port_add(&primary, "wide", NULL, false, 129, &reason), -EINVAL);
	CHECK_EQ(add("p", NULL, false), -EEXIST);
	CHECK_EQ(add("nowhere", "/nonexistent/x.sock", false), -ENOENT);
	CHECK(reason != NULL);
	/* 107 bytes are legal, whether the directory exists or not. */
	memcpy(long_path, "/nonexistent/", 13);
	long_path[108] = '\0';
	CHECK_EQ(add("long", long_path, false), -EINVAL);
	long_path[107] = '\0';
	CHECK_EQ(add("long", long_path, false), -ENOENT);
	CHECK_EQ(add("a", NULL, false), 0);
	CHECK_EQ(add("b", NULL, false), 0);
	CHECK_EQ(add("c", NULL, false), 0);
	CHECK_EQ(add("d", NULL, false), -ENOSPC);
	CHECK_EQ(port_del(&primary, "b"), 0);
	CHECK_EQ(port_del(&primary, "b"), -ENOENT);
	CHECK_EQ(add("d", NULL, false), 0);
	front_end();
}

static void a_stale_socket_is_replaced_and_nothing_else(void)
{
	char path[108];
	int fd;

	front_begin();
	beside(path, sizeof(path), "x.sock");
	fd = listen_at(path);
	CHECK_EQ(add("x", NULL, false), -EADDRINUSE);
	CHECK(reason != NULL);
	close(fd);
	CHECK_EQ(add("x", NULL, false), 0);
	CHECK_EQ(port_del(&primary, "x"), 0);
	CHECK(access(path, F_OK) < 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK_EQ(add("x", NULL, false), -EEXIST);
	close(fd);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(symlink("/etc/passwd", path), 0);
	CHECK_EQ(add("x", NULL, false), -EEXIST);
	CHECK_EQ(unlink(path), 0);
	/* Nor is what somebody put there since removed with the port. */
	CHECK_EQ(add("x", NULL, false), 0);
	CHECK_EQ(unlink(path), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK_EQ(port_del(&primary, "x"), 0);
	CHECK_EQ(access(path, F_OK), 0);
	close(fd);
	CHECK_EQ(unlink(path), 0);
	front_end();
}

static void a_name_is_free_again_while_its_old_port_still_waits(void)
{
	front_begin();
	front_connect(&front);
	front_setup(&front);
	front_kick(&front, 0);
	fake.hold = true;
	CHECK_EQ(port_del(&primary, "p"), 0);
	CHECK_EQ(add("p", NULL, false), 0);
	CHECK(primary.ports[0]->removing);
	CHECK(front_port() == primary.ports[1]);
	CHECK_EQ(fake_release(), 1);
	CHECK(primary.ports[0] == NULL);
	front_close(&front);
	front_end();
}

static void a_client_port_connects_when_somebody_listens_and_again_later(void)
{
	char path[108];
	int listener, peer;

	front_begin();
	beside(path, sizeof(path), "q");
	CHECK_EQ(add("q", path, true), 0);
	CHECK(port_find(&primary, "q")->session == NULL);
	listener = listen_at(path);
	for (int round = 0; round < 3; round++) {
		struct front f = {0};

		for (int i = 0; i < 2000 && !port_find(&primary, "q")->session; i++)
			front_wait(10);
		peer = accept(listener, NULL, NULL);
		REQUIRE(peer >= 0);
		CHECK(port_find(&primary, "q")->session != NULL);
		CHECK_EQ(port_find(&primary, "q")->peer_pid, getpid());
		f.socket = peer;
		fcntl(peer, F_SETFL, O_NONBLOCK);
		front_send(&f, VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
		CHECK(front_reply_u64(&f, VU_GET_FEATURES) != UINT64_MAX - 1);
		close(peer);
		front_turn();
		CHECK(port_find(&primary, "q")->session == NULL);
	}
	close(listener);
	unlink(path);
	front_end();
}

/* As many timers as the loop has room for, but one for front_turn: the next one needs memory. */
static void fill_timers(struct loop_timer *timers, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		timers[i] = (struct loop_timer){0};
		REQUIRE(loop_timer_set(primary.loop, &timers[i], 3600 * NS_PER_S) == 0);
	}
}

static void want_of_numbers_and_of_a_timer_at_once_leaves_no_port_deaf(void)
{
	struct loop_timer timers[62];
	uint32_t hit;
	int fd;

	front_begin();
	faults_open();
	fill_timers(timers, 62);
	fd = connect_to(front_port()->path);
	faults_arm(0, FAULT_DESCRIPTOR | FAULT_HEAP, FAULT_ERROR, 1, 2);
	front_turn();
	faults_disarm(&hit);
	CHECK_EQ(hit, 2);
	front_turn();
	CHECK_EQ(front_port()->sessions, 1);
	close(fd);
	front_turn();
	faults_close();
	front_end();
}

/* Each call of taking one in fails in turn. The next one is served. */
static void a_front_end_that_cannot_be_taken_in_costs_nothing(void)
{
	uint32_t hit = 1, nth;

	front_begin();
	faults_open();
	for (nth = 1; hit && nth < 200; nth++) {
		int fds = fds_open(), fd = connect_to(front_port()->path);

		faults_arm(0, FAULT_ALL & ~(uint32_t)FAULT_TRANSFER, FAULT_ERROR, nth, 1);
		front_turn();
		faults_disarm(&hit);
		CHECK(hit || front_port()->session);
		close(fd);
		/* At once, where it is to be tried again later. */
		(void)loop_timer_set(primary.loop, &front_port()->retry, 0);
		front_turn();
		CHECK_EQ(fds_open(), fds);
		front_connect(&front);
		CHECK(front_port()->session);
		front_close(&front);
		CHECK(!front_port()->session);
	}
	CHECK(nth > 5 && nth < 200);
	faults_close();
	front_end();
}

static void one_for_whom_there_are_too_few_descriptors_is_refused(void)
{
	struct rlimit old, tight;
	int fd;

	front_begin();
	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	fd = connect_to(front_port()->path);
	tight = old;
	tight.rlim_cur = (rlim_t)fd + 3;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
	CHECK(closed_by_peer(fd));
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	CHECK_EQ(front_port()->sessions, 0);
	CHECK_EQ(primary.refusals[REFUSED_NO_RESOURCES], 1);
	CHECK(strstr(front_port()->last_error, "refused") != NULL);
	close(fd);
	front_connect(&front);
	CHECK_EQ(front_port()->sessions, 1);
	CHECK(!*front_port()->last_error);
	front_close(&front);
	front_end();
}

static void attempts_to_connect_become_rarer_up_to_two_seconds(void)
{
	struct port *port;

	front_begin();
	CHECK_EQ(add("q", "/nonexistent/q.sock", true), 0);
	port = port_find(&primary, "q");
	CHECK_EQ(port->backoff_ns, 100 * 1000000);
	for (int i = 0; i < 8; i++) {
		loop_timer_set(primary.loop, &port->retry, 0);
		front_turn();
	}
	CHECK_EQ(port->backoff_ns, 2000 * 1000000ll);
	CHECK(strstr(port->last_error, "cannot connect") != NULL);
	front_end();
}

/* As if so many had come at this moment; an hour is more than this test takes. */
static void have_come(struct rate *rate, uint64_t count)
{
	rate->until_ns = hf_now_ns() + count * 20 * NS_PER_MS;
}

#define AN_HOUR_OF_THEM 180000u

/* Its time to be let in is now. */
static void wait_is_over(struct rate *rate)
{
	*rate = (struct rate){0};
	REQUIRE(loop_timer_set(primary.loop, &front_port()->retry, 0) == 0);
	front_turn();
}

static void who_connects_too_often_waits_and_nobody_on_another_port(void)
{
	struct rate *firsts;
	char path[108];
	int fd, other;

	front_begin();
	firsts = &front_port()->firsts;
	CHECK_EQ(add("q", NULL, false), 0);
	beside(path, sizeof(path), "q.sock");
	have_come(firsts, 2000); /* fewer than may */
	front_connect(&front);
	CHECK_EQ(front_port()->sessions, 1);
	CHECK(firsts->until_ns > hf_now_ns() + 2000ull * 19 * NS_PER_MS);
	front_close(&front);
	have_come(firsts, AN_HOUR_OF_THEM);
	fd = connect_to(front_port()->path);
	front_turn();
	CHECK_EQ(front_port()->sessions, 1);
	CHECK(front_port()->listener_source.fd < 0);
	CHECK(front_port()->retry.at_ns > hf_now_ns() + 1800 * NS_PER_S);
	other = connect_to(path);
	front_turn();
	CHECK_EQ(port_find(&primary, "q")->sessions, 1);
	wait_is_over(firsts);
	CHECK_EQ(front_port()->sessions, 2);
	CHECK(firsts->until_ns > hf_now_ns()); /* it counts */
	close(fd);
	close(other);
	front_turn();
	front_end();
}

static void second_clients_that_come_too_often_wait_to_be_refused(void)
{
	struct rate *seconds;
	char byte;
	int fd;

	front_begin();
	front_connect(&front);
	front_setup(&front);
	seconds = &front_port()->seconds;
	have_come(seconds, 50); /* fewer than may */
	fd = connect_to(front_port()->path);
	CHECK(closed_by_peer(fd));
	close(fd);
	have_come(seconds, AN_HOUR_OF_THEM);
	fd = connect_to(front_port()->path);
	front_turn();
	CHECK(recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN);
	CHECK_EQ(primary.refusals[REFUSED_SECOND_CLIENT], 1);
	CHECK(front_port()->listener_source.fd < 0);
	front_kick(&front, 0);
	CHECK(fake_granted(&front_port()->device.vrings[0]));
	wait_is_over(seconds);
	CHECK(closed_by_peer(fd));
	CHECK_EQ(primary.refusals[REFUSED_SECOND_CLIENT], 2);
	CHECK(seconds->until_ns > hf_now_ns());
	close(fd);
	front_close(&front);
	front_end();
}

static unsigned int lines;

static void count_line(void *context, int priority, const char *tag, const char *line)
{
	(void)context;
	(void)priority;
	(void)tag;
	(void)line;
	lines++;
}

static void a_flood_of_refusals_is_logged_once_a_second(void)
{
	uint64_t begun = hf_now_ns();

	front_begin();
	front_connect(&front);
	lines = 0;
	hf_log_set_level(HF_LOG_WARNING);
	hf_log_set_sink(count_line, NULL);
	for (int i = 0; i < 500; i++) {
		int fd = connect_to(front_port()->path);

		front_port()->seconds = (struct rate){0};
		CHECK(closed_by_peer(fd));
		close(fd);
	}
	hf_log_set_sink(NULL, NULL);
	CHECK_EQ(primary.refusals[REFUSED_SECOND_CLIENT], 500);
	CHECK(lines >= 10 && lines <= 11 + (hf_now_ns() - begun) / NS_PER_S);
	front_close(&front);
	front_end();
}

/* The loop does not turn round and round at a listener that stays readable. */
static void a_port_without_numbers_is_let_alone_for_a_while(void)
{
	uint32_t hit;
	int fd;

	front_begin();
	faults_open();
	fd = connect_to(front_port()->path);
	faults_arm_every(0, FAULT_DESCRIPTOR, FAULT_ERROR, 1);
	front_wait(200);
	faults_disarm(&hit);
	faults_close();
	CHECK_EQ(hit, 1);
	CHECK_EQ(front_port()->sessions, 0);
	CHECK_EQ(loop_timer_set(primary.loop, &front_port()->retry, 0), 0);
	front_turn();
	CHECK_EQ(front_port()->sessions, 1);
	close(fd);
	front_turn();
	front_end();
}

/* A front-end that listens and never accepts: connect(2) would wait for it as long as it likes. */
static void a_peer_with_a_full_backlog_holds_nobody_up(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int waiting[8], n = 0, listener, peer;
	struct port *port;
	char path[108];

	front_begin();
	beside(path, sizeof(path), "q");
	listener = listen_at(path);
	strcpy(address.sun_path, path);
	do {
		REQUIRE(n < 8);
		waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	} while (connect(waiting[n++], (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK_EQ(errno, EAGAIN);
	alarm(60); /* it would not come back */
	CHECK_EQ(add("q", path, true), 0);
	alarm(0);
	port = port_find(&primary, "q");
	CHECK(!port->session);
	CHECK(strstr(port->last_error, "cannot connect") != NULL);
	front_connect(&front);
	front_setup(&front);
	CHECK_EQ(front_port()->sessions, 1);
	hf_fd_close_all(waiting, (size_t)n);
	while ((peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		close(peer);
	CHECK_EQ(loop_timer_set(primary.loop, &port->retry, 0), 0);
	front_turn();
	CHECK(port->session != NULL);
	front_close(&front);
	CHECK_EQ(port_del(&primary, "q"), 0);
	close(listener);
	unlink(path);
	front_end();
}

static void stopping_all_ends_sessions_in_order(void)
{
	front_begin();
	front_connect(&front);
	front_setup(&front);
	front_kick(&front, 0);
	CHECK_EQ(add("q", NULL, false), 0);
	fake.hold = true;
	port_stop_all(&primary);
	CHECK(!port_all_idle(&primary));
	CHECK_EQ(fake_release(), 1);
	CHECK(port_all_idle(&primary));
	CHECK(front_is_closed(&front));
	front_close(&front);
	front_end();
}

/* As `holdfast feature` calls it: what an event says is lost can be given to that. */
static void each_bit_that_is_offered_has_a_name(void)
{
	unsigned int named = 0;

	for (unsigned int bit = 0; bit < 64; bit++)
		if (port_supported_features() & VIRTIO_BIT(bit))
			named += CHECK(hf_bit_name(&hf_virtio_features, bit) != NULL);
	CHECK_EQ(named, __builtin_popcountll(port_supported_features()));
}

static void hang(void *unused)
{
	(void)unused;
	for (;;)
		pause();
}

/* Else one could add and remove it, and leave some each time. */
static void the_place_of_a_port_waits_for_what_it_was_sent_to_hang(void)
{
	struct pollfd ended = {.events = POLLIN};
	uint32_t slot;
	int pidfd;

	front_begin();
	REQUIRE(add("x", NULL, false) == 0);
	slot = port_find(&primary, "x")->device.slot;
	pidfd = foreign_start(hang, NULL, &(int){0}, 0);
	REQUIRE((ended.fd = dup(pidfd)) >= 0);
	foreign_end(&port_find(&primary, "x")->foreign, pidfd, 0);
	CHECK_EQ(port_del(&primary, "x"), 0);
	CHECK(port_find(&primary, "x") == NULL);
	REQUIRE(add("x", NULL, false) == 0);
	CHECK(port_find(&primary, "x")->device.slot != slot);
	CHECK_EQ(port_del(&primary, "x"), 0);
	/* Nor is it one that a rule's people may have the other three quarters of. */
	REQUIRE(add("y", NULL, false) == 0);
	CHECK(!port_may_be_added_by_rule(&primary));
	CHECK_EQ(port_del(&primary, "y"), 0);
	CHECK(port_may_be_added_by_rule(&primary));
	CHECK_EQ(pidfd_send_signal(ended.fd, SIGKILL, NULL, 0), 0);
	CHECK_EQ(poll(&ended, 1, 20000), 1);
	hf_fd_close(&ended.fd);
	REQUIRE(add("x", NULL, false) == 0);
	CHECK_EQ(port_find(&primary, "x")->device.slot, slot);
	CHECK_EQ(port_del(&primary, "x"), 0);
	CHECK(primary.ports_left == NULL);
	front_end();
}

static const struct sentence sentences[] = {
	SENTENCE(the_socket_has_the_mode_that_was_asked_for),
	CATALOGUE(a_second_client_is_refused_and_the_first_not_disturbed, "[21]"),
	SENTENCE(a_client_that_replaces_a_dead_one_waits_until_its_rings_are_back),
	CATALOGUE(names_and_paths_have_their_rules, "[M-18]"),
	CATALOGUE(a_stale_socket_is_replaced_and_nothing_else, "[M-18]"),
	SENTENCE(a_name_is_free_again_while_its_old_port_still_waits),
	SENTENCE(a_client_port_connects_when_somebody_listens_and_again_later),
	SENTENCE(want_of_numbers_and_of_a_timer_at_once_leaves_no_port_deaf),
	SENTENCE(a_front_end_that_cannot_be_taken_in_costs_nothing),
	SENTENCE(one_for_whom_there_are_too_few_descriptors_is_refused),
	CATALOGUE(attempts_to_connect_become_rarer_up_to_two_seconds, "[20]"),
	CATALOGUE(a_peer_with_a_full_backlog_holds_nobody_up, "[20]"),
	CATALOGUE(who_connects_too_often_waits_and_nobody_on_another_port, "[M-18]"),
	CATALOGUE(second_clients_that_come_too_often_wait_to_be_refused, "[M-18]"),
	SENTENCE(a_flood_of_refusals_is_logged_once_a_second),
	CATALOGUE(a_port_without_numbers_is_let_alone_for_a_while, "[C-6]"),
	CATALOGUE(the_place_of_a_port_waits_for_what_it_was_sent_to_hang, "[C-6]"),
	SENTENCE(stopping_all_ends_sessions_in_order),
	SENTENCE(each_bit_that_is_offered_has_a_name),
};
SUITE("port", sentences)
