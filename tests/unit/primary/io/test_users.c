/* SPDX-License-Identifier: Apache-2.0 */
/* primary/io/users.h and bar.h: whose connection is whose, and whom the kernel keeps away. What
 * hangs is for e2e/foreign. */
#include "users.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "bar.h"
#include "faults.h"
#include "fd.h"
#include "foreign.h"
#include "frame.h"
#include "loop.h"
#include "peer.h"
#include "suite.h"

#define BURST 10u
#define MANY  (2 * USERS_NAMED)
/* No rule; and rules by their number. */
#define NONE  -1
#define RULE  0
#define OTHER 1
/* Of so many connections the last one spends what was not there. */
#define OF_A_RULE (4 * BURST + 1)

static struct users users;
static struct loop *loop;
static char dir[64], path[96];
static int fd;

static void begin(uint32_t rate, uint32_t burst)
{
	snprintf(dir, sizeof(dir), "/tmp/hf-users-XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/socket", dir);
	fd = hf_seqpacket_listen(path, 0646);
	REQUIRE(fd >= 0);
	loop = loop_create();
	REQUIRE(loop != NULL);
	hf_log_set_level(HF_LOG_ERROR);
	users_init(&users, loop, path, rate, burst);
	/* Nothing comes back while the test runs. */
	if (rate == 1)
		users.each_ns *= 100000;
}

static void end(void)
{
	users_end(&users);
	loop_destroy(loop);
	hf_fd_close(&fd);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(rmdir(dir), 0);
}

static struct peer peer_of_user(uid_t uid)
{
	return (struct peer){.known = true, .uid = uid, .nr_groups = 1};
}

static bool comes(uid_t uid, int rule)
{
	struct peer peer = peer_of_user(uid);

	return users_admit(&users, users_find(&users, &peer, rule), &peer);
}

/* How often it is let in, of so many times. */
static uint32_t let_in(uid_t uid, int rule, uint32_t times)
{
	uint32_t n = 0;

	while (times--)
		n += comes(uid, rule);
	return n;
}

/* How many users the file's list keeps away; -1: no list, or no lists here at all. */
static int listed(uid_t uid, bool *ret_found)
{
	uint8_t list[1024];
	ssize_t n = lgetxattr(path, "system.posix_acl_access", list, sizeof(list));
	int count = 0;

	*ret_found = false;
	for (ssize_t at = 4; at + 8 <= n; at += 8) {
		uint32_t id;

		memcpy(&id, list + at + 4, 4);
		if (list[at] != 2 || list[at + 2] != 1)
			continue;
		count++;
		*ret_found = *ret_found || id == uid;
	}
	return n < 0 ? -1 : count;
}

static bool has_lists(void)
{
	bool works = bar_users(path, (uid_t[]){1}, 1) == 0;

	CHECK(!works || bar_users(path, NULL, 0) == 0);
	if (!works)
		printf("\n    skipped: no access lists in /tmp\n");
	return works;
}

static void each_user_has_an_allowance_and_our_own_needs_none(void)
{
	begin(1, BURST);
	CHECK_EQ(let_in(4711, RULE, 100), BURST + 1);
	CHECK_EQ(let_in(4712, OTHER, BURST), BURST);
	CHECK_EQ(let_in(0, NONE, 100), 100);
	CHECK_EQ(let_in(geteuid(), NONE, 100), 100);
	end();
}

static void without_a_limit_nobody_is_out(void)
{
	begin(0, 0);
	CHECK_EQ(let_in(4711, RULE, 1000), 1000);
	CHECK_EQ(let_in(4711, NONE, 1000), 1000);
	CHECK(!users_wait(&users));
	end();
}

static void all_whom_no_rule_names_are_one(void)
{
	uint32_t n = 0;

	begin(1, BURST);
	for (uid_t uid = 5000; uid < 5100; uid++)
		n += comes(uid, NONE);
	CHECK_EQ(n, BURST + 1);
	CHECK_EQ(let_in(4711, RULE, BURST), BURST);
	end();
}

static void who_is_out_is_not_forgotten_for_others_that_come(void)
{
	begin(1, MANY);
	CHECK_EQ(let_in(4711, RULE, MANY + 2), MANY + 1);
	for (uid_t uid = 5000; uid < 5000 + MANY; uid++)
		CHECK(comes(uid, OTHER));
	CHECK(!comes(4711, RULE));
	end();
}

/* Then those who come are one user, of their rule. */
static void more_users_that_are_out_than_there_are_places_share_what_their_rule_has(void)
{
	uint32_t n = 0;

	begin(1, BURST);
	for (uint32_t i = 0; i < USERS_NAMED; i++)
		CHECK(let_in(5000 + i, (int)(i % USERS_RULES), 2 * BURST) < 2 * BURST);
	for (uid_t uid = 6000; uid < 6000 + MANY; uid++)
		n += let_in(uid, USERS_RULES - 1, BURST);
	/* One of it was the first to be out, and spent a quarter. */
	CHECK_EQ(n, OF_A_RULE - (BURST + 1));
	CHECK_EQ(let_in(7000, NONE, BURST), BURST);
	CHECK_EQ(let_in(0, RULE, 100), 100);
	end();
}

/* Those of a user namespace in a group, say. */
static void users_of_one_rule_by_the_thousand_have_what_it_has(void)
{
	uint32_t n = 0;

	begin(1, BURST);
	for (uid_t uid = 5000; uid < 6000; uid++)
		n += let_in(uid, RULE, BURST);
	CHECK_EQ(n, OF_A_RULE);
	/* Nobody else's is gone, nor a place. */
	CHECK_EQ(let_in(4711, OTHER, 2 * BURST), BURST + 1);
	CHECK_EQ(let_in(4712, NONE, 2 * BURST), BURST + 1);
	end();
}

/* What he does is not at the expense of those who wait for it. */
static void who_is_known_has_his_own_when_that_of_his_rule_is_spent(void)
{
	struct user *rule = &users.all[USERS_FIRST_RULE + RULE];
	uint64_t until_ns;

	begin(1, BURST);
	CHECK(comes(4711, RULE));
	for (uid_t uid = 5000; uid < 6000; uid++)
		(void)let_in(uid, RULE, BURST);
	CHECK(!comes(6000, RULE));
	/* Some of it is there again, not enough to let others in. */
	until_ns = rule->connections.until_ns -= users.each_ns / 2;
	CHECK_EQ(let_in(4711, RULE, 2 * BURST), BURST);
	CHECK_EQ(rule->connections.until_ns, until_ns);
	end();
}

static void new_users_of_a_rule_are_let_in_when_some_of_what_it_has_is_there_again(void)
{
	struct user *rule = &users.all[USERS_FIRST_RULE + RULE];
	uid_t uid = 5000;
	bool come = false;

	begin(1, BURST);
	while (comes(uid, RULE))
		uid++;
	CHECK(users_wait(&users));
	CHECK(!comes(4711, RULE));
	for (uint32_t n = 0; n < OF_A_RULE && !come; n++) {
		rule->connections.until_ns -= users.each_ns;
		(void)users_look(&users);
		come = comes(4711, RULE);
	}
	CHECK(come);
	end();
}

static void the_kernel_keeps_away_who_is_out_and_lets_in_who_is_not(void)
{
	struct stat st;
	bool found;

	begin(1000, 8);
	if (has_lists()) {
		CHECK_EQ(let_in(4711, RULE, 8), 8);
		CHECK_EQ(listed(4711, &found), -1);
		while (comes(4711, RULE))
			;
		CHECK_EQ(listed(4711, &found), 1);
		CHECK(found);
		CHECK(users_wait(&users));
		/* What the mode says is what it said. */
		CHECK_EQ(lstat(path, &st), 0);
		CHECK_EQ(st.st_mode & 0777, 0646);
		for (int i = 0; i < 20000 && users_wait(&users); i++) {
			usleep(100);
			CHECK_EQ(users_look(&users), 0);
		}
		CHECK(!users_wait(&users));
		CHECK_EQ(listed(4711, &found), -1);
		CHECK_EQ(lstat(path, &st), 0);
		CHECK_EQ(st.st_mode & 0777, 0646);
		CHECK(comes(4711, RULE));
	}
	end();
}

static void the_list_is_as_long_as_it_may_be_and_no_longer(void)
{
	bool found;

	begin(1, 1);
	if (has_lists()) {
		for (uid_t uid = 5000; uid < 5100; uid++)
			(void)let_in(uid, NONE, 3);
		CHECK_EQ(listed(5000, &found), USERS_BARRED);
		for (uid_t uid = 6000; uid < 6000 + MANY; uid++)
			(void)let_in(uid, (int)(uid % USERS_RULES), 6);
		CHECK_EQ(listed(6000, &found), BAR_MOST);
		CHECK(found);
		CHECK_EQ(bar_users(path, NULL, 0), 0);
		CHECK_EQ(bar_users(path, NULL, 0), 0);
	}
	end();
}

/* u::rw, u:4800:rw, g::---, m::rw, o::---: as an administrator wrote it. */
static const uint8_t own[] = {2,    0,	  0,	0,    1,    0,	  6,	0,    0xff, 0xff, 0xff,
			      0xff, 2,	  0,	6,    0,    0xc0, 0x12, 0,    0,    4,	  0,
			      0,    0,	  0xff, 0xff, 0xff, 0xff, 0x10, 0,    6,    0,	  0xff,
			      0xff, 0xff, 0xff, 0x20, 0,    0,	  0,	0xff, 0xff, 0xff, 0xff};

static bool has_own_list(void)
{
	uint8_t list[1024];

	return lgetxattr(path, "system.posix_acl_access", list, sizeof(list)) == sizeof(own) &&
	       !memcmp(list, own, sizeof(own));
}

/* Its mask is what the mode shows for the group: no group is to get in by that. */
static void an_administrators_own_list_stays_as_it_is(void)
{
	bool found;

	begin(1, 1);
	if (has_lists()) {
		CHECK_EQ(lsetxattr(path, "system.posix_acl_access", own, sizeof(own), 0), 0);
		CHECK(has_own_list());
		users_begin(&users);
		CHECK(has_own_list());
		/* Whom it names is closed only. */
		CHECK_EQ(let_in(4800, OTHER, 5), 2);
		CHECK(has_own_list());
		CHECK_EQ(let_in(4711, RULE, 5), 2);
		CHECK_EQ(listed(4711, &found), 1);
		CHECK(found);
		/* The next life. */
		users_init(&users, loop, path, 1, 1);
		users_begin(&users);
		CHECK(has_own_list());
		CHECK(!users_wait(&users));
	}
	end();
}

/* The kernel refuses the whole list for it. */
static void who_is_none_in_our_namespace_keeps_nobody_from_the_list(void)
{
	bool found;

	begin(1, 1);
	if (has_lists()) {
		CHECK_EQ(bar_users(path, (uid_t[]){(uid_t)-1}, 1), -EINVAL);
		CHECK_EQ(let_in((uid_t)-1, NONE, 5), 2);
		CHECK(!comes(5000, NONE));
		CHECK_EQ(listed(5000, &found), 1);
		CHECK(found);
	}
	end();
}

/* Nobody would ever look again at one who is not out any more. */
static void who_cannot_be_let_in_now_is_let_in_later(void)
{
	uint32_t hit;
	bool found;

	begin(1000, 8);
	if (has_lists()) {
		while (comes(4711, RULE))
			;
		CHECK_EQ(listed(4711, &found), 1);
		usleep(20000);
		faults_open();
		faults_arm(0, FAULT_FILE, FAULT_ERROR, 2, 1);
		(void)users_look(&users);
		faults_disarm(&hit);
		CHECK_EQ(hit, 1);
		CHECK_EQ(listed(4711, &found), 1);
		CHECK(users_wait(&users));
		(void)users_look(&users);
		CHECK_EQ(listed(4711, &found), -1);
		CHECK(comes(4711, RULE));
		/* And so it is in the next life. */
		while (comes(4711, RULE))
			;
		users_init(&users, loop, path, 1000, 8);
		faults_arm(0, FAULT_FILE, FAULT_ERROR, 1, 1);
		users_begin(&users);
		faults_disarm(&hit);
		CHECK_EQ(listed(4711, &found), 1);
		CHECK(users_wait(&users));
		(void)users_look(&users);
		CHECK_EQ(listed(4711, &found), -1);
		CHECK(!users_wait(&users));
		faults_close();
	}
	end();
}

static void hang(void *unused)
{
	(void)unused;
	pause();
}

/* One with a descriptor in its queue, shut down. */
static int left_behind(void)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	struct msghdr msg = {.msg_iov = &(struct iovec){"x", 1},
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	int pair[2];

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK_EQ(sendmsg(pair[0], &msg, 0), 1);
	hf_fd_close(&pair[0]);
	CHECK(!foreign_close_empty(&pair[1]));
	return pair[1];
}

/* It would close them, and might never return. */
static void nobody_is_parked_when_exec_may_come(void)
{
	struct peer peer = peer_of_user(4711);
	struct user *user;
	int one;

	begin(1, BURST);
	user = users_find(&users, &peer, RULE);
	for (unsigned i = 0; i < FOREIGN_MAX_HUNG; i++)
		foreign_end(&user->foreign, foreign_start(hang, NULL, &fd, 1), 0);
	one = left_behind();
	users_drop(&users, user, &peer, &one);
	CHECK_EQ(one, -1);
	CHECK_EQ(users.nr_parked, 1);
	users_hold(&users, true);
	CHECK_EQ(users.nr_parked, 0);
	one = left_behind();
	users_drop(&users, user, &peer, &one);
	CHECK_EQ(one, -1);
	CHECK_EQ(users.nr_parked, 0);
	users_hold(&users, false);
	one = left_behind();
	users_drop(&users, user, &peer, &one);
	CHECK_EQ(users.nr_parked, 1);
	for (unsigned i = 0; i < FOREIGN_PLACES; i++)
		(void)pidfd_send_signal(user->foreign.helpers[i].ended.fd, SIGKILL, NULL, 0);
	end();
}

/* Said, and each connection is closed; nothing else is lost. */
static void without_access_lists_who_is_out_is_out_all_the_same(void)
{
	begin(1, BURST);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(bar_users(path, (uid_t[]){4711}, 1), -ENOENT);
	CHECK_EQ(let_in(4711, RULE, 100), BURST + 1);
	CHECK_EQ(let_in(4712, OTHER, BURST), BURST);
	hf_fd_close(&fd);
	fd = hf_seqpacket_listen(path, 0600);
	end();
}

static const struct sentence sentences[] = {
	CATALOGUE(each_user_has_an_allowance_and_our_own_needs_none, "[M-18]"),
	SENTENCE(without_a_limit_nobody_is_out),
	CATALOGUE(all_whom_no_rule_names_are_one, "[C-4]"),
	SENTENCE(who_is_out_is_not_forgotten_for_others_that_come),
	SENTENCE(more_users_that_are_out_than_there_are_places_share_what_their_rule_has),
	CATALOGUE(users_of_one_rule_by_the_thousand_have_what_it_has, "[C-4]"),
	SENTENCE(who_is_known_has_his_own_when_that_of_his_rule_is_spent),
	SENTENCE(new_users_of_a_rule_are_let_in_when_some_of_what_it_has_is_there_again),
	SENTENCE(the_kernel_keeps_away_who_is_out_and_lets_in_who_is_not),
	SENTENCE(the_list_is_as_long_as_it_may_be_and_no_longer),
	SENTENCE(an_administrators_own_list_stays_as_it_is),
	SENTENCE(who_is_none_in_our_namespace_keeps_nobody_from_the_list),
	SENTENCE(who_cannot_be_let_in_now_is_let_in_later),
	SENTENCE(nobody_is_parked_when_exec_may_come),
	SENTENCE(without_access_lists_who_is_out_is_out_all_the_same),
};
SUITE("users", sentences)
