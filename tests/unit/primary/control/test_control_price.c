/* SPDX-License-Identifier: Apache-2.0 */
/* What clients of a user that a rule let in take of the loop's time. */
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "control_client.h"
#include "control_price.h"
#include "peer.h"
#include "primary_scene.h"
#include "suite.h"
#include "users.h"

#define READER 4711u
#define OTHER  4712u

static void what_was_taken_is_paid_for_64_times(void)
{
	struct user rule = {0}, user = {.rule = &rule};
	uint64_t wait_ns;

	CHECK_EQ(control_price_wait_ns(NULL), 0);
	control_price_spend(NULL, NS_PER_S);
	CHECK_EQ(control_price_wait_ns(&user), 0);
	control_price_spend(&user, 200 * NS_PER_MS);
	CHECK_EQ(control_price_wait_ns(&user), 0);
	control_price_spend(&user, NS_PER_S);
	wait_ns = control_price_wait_ns(&user);
	CHECK(wait_ns <= (1200 - 250) * 64 * NS_PER_MS);
	CHECK(wait_ns > (1200 - 250) * 64 * NS_PER_MS - 20 * NS_PER_S);
	/* A quarter of it is the rule's. */
	CHECK(rule.requests.until_ns > hf_now_ns());
	CHECK(control_price_wait_ns(&rule) < wait_ns / 4);
}

/* A process of that user's that asks for the version once. It must not run the primary's loop. */
static pid_t asker(uid_t uid)
{
	Holdfast__Control__VersionRequest body = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Request request = REQUEST_INIT;
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		struct pollfd p = {.events = POLLIN};
		char byte;

		if (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0)
			abort();
		p.fd = dial();
		request.body_case = ASK(VERSION);
		request.version = &body;
		ask(p.fd, &request);
		_exit(poll(&p, 1, 60000) != 1 || recv(p.fd, &byte, 1, 0) != 1);
	}
	return pid;
}

static struct user *user_of(uid_t uid)
{
	const struct peer peer = {.known = true, .uid = uid, .groups = {uid}, .nr_groups = 1};

	return control_user(scene.primary, &peer);
}

static void who_has_taken_too_much_is_answered_later_and_nobody_else_is(void)
{
	pid_t reader;

	if (getuid()) {
		printf("(needs root) ");
		return;
	}
	scene_open();
	scene.rig.conf.control_mode = 0666;
	REQUIRE(chmod(scene.rig.dir, 0755) == 0);
	REQUIRE(allow_add_control(&scene.rig.conf.control_rules, "user:4711") == 0);
	REQUIRE(allow_add_control(&scene.rig.conf.control_rules, "user:4712") == 0);
	control_serve();
	CHECK_EQ(WEXITSTATUS(rig_until_ended(&scene.rig, asker(READER))), 0);
	control_price_spend(user_of(READER), 1000 * NS_PER_S);
	reader = asker(READER);
	CHECK_EQ(WEXITSTATUS(rig_until_ended(&scene.rig, asker(OTHER))), 0);
	rig_until(&scene.rig, NULL, NULL, 300);
	free_answer(stats(""));
	CHECK_EQ(waitpid(reader, NULL, WNOHANG), 0);
	user_of(READER)->requests = (struct rate){0};
	CHECK_EQ(WEXITSTATUS(rig_until_ended(&scene.rig, reader)), 0);
	scene_end();
}

static const struct sentence sentences[] = {
	SENTENCE(what_was_taken_is_paid_for_64_times),
	CATALOGUE(who_has_taken_too_much_is_answered_later_and_nobody_else_is, "[C-6]"),
};
SUITE("control_price", sentences)
