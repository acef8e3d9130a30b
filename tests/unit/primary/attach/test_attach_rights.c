/* SPDX-License-Identifier: Apache-2.0 */
/* Who is let in: by its user, by a rule, and to how many places. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach.h"
#include "attach_client.h"
#include "check.h"
#include "fd.h"
#include "refusal.h"
#include "suite.h"

/* A rig whose socket any user may connect to, not yet open: rules come before that. False: only
 * root can be somebody else. */
static bool open_to_all_users(struct rig *rig)
{
	if (getuid()) {
		printf("(needs root) ");
		return false;
	}
	rig_open(rig);
	rig->conf.attach_mode = 0666;
	REQUIRE(chmod(rig->dir, 0755) == 0);
	return true;
}

static void another_user_is_refused(void)
{
	struct rig rig;

	if (!open_to_all_users(&rig))
		return;
	REQUIRE(attach_open(&rig.primary) == 0);
	CHECK_EQ(attach_as(&rig, 65534, false), EACCES);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_PEER], 1);
	CHECK(rig.primary.secondaries[0] == NULL);
	rig_close(&rig);
}

/* Whoever speaks on the socket afterwards. */
static void a_socket_that_changes_hands_is_judged_by_who_connected(void)
{
	Holdfast__Attach__Hello hello = good_hello();
	struct rig rig;
	Answer *answer;
	int fd;
	pid_t pid;

	if (!open_to_all_users(&rig))
		return;
	REQUIRE(attach_open(&rig.primary) == 0);
	REQUIRE(seteuid(4711) == 0);
	fd = dial(&rig);
	REQUIRE(seteuid(0) == 0 && fd >= 0);
	send_hello(fd, &hello);
	answer = answer_on(&rig, fd);
	REQUIRE(answer && answer->body_case == TO_SECONDARY(REFUSED));
	CHECK_EQ(answer->refused->error, -EACCES);
	rig_message_free(answer);
	hf_fd_close(&fd);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_PEER], 1);

	fd = dial(&rig);
	pid = fork();
	if (pid == 0) {
		if (setuid(4711) < 0)
			_exit(1);
		send_hello(fd, &hello);
		_exit(0);
	}
	REQUIRE(pid > 0 && fd >= 0);
	CHECK_EQ(rig_until_ended(&rig, pid), 0);
	answer = answer_on(&rig, fd);
	CHECK(answer && answer->body_case == TO_SECONDARY(WELCOME));
	CHECK(rig.primary.secondaries[0] && rig.primary.secondaries[0]->pid == getpid());
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_PEER], 1);
	rig_message_free(answer);
	hf_fd_close(&fd);
	rig_close(&rig);
}

static void a_rule_lets_its_user_in(void)
{
	struct rig rig;

	if (!open_to_all_users(&rig))
		return;
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4712=a*") == 0);
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4711=b*") == 0);
	REQUIRE(attach_open(&rig.primary) == 0);
	CHECK_EQ(attach_as(&rig, 4713, false), EACCES);
	CHECK_EQ(attach_as(&rig, 4711, false), 3);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_PEER], 1);
	rig_close(&rig);
}

static void those_that_a_rule_lets_in_have_half_of_the_places(void)
{
	struct rig rig;
	int fds[RIG_SECONDARIES / 2], own;

	if (!open_to_all_users(&rig))
		return;
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4711") == 0);
	REQUIRE(attach_open(&rig.primary) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = attached(&rig, ROLE(OBSERVER));
		rig.primary.secondaries[i]->allowed = 1; /* as if that rule had */
	}
	CHECK_EQ(attach_as(&rig, 4711, false), EBUSY);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_FULL], 1);
	own = attached(&rig, ROLE(OBSERVER));
	hf_fd_close(&own);
	hf_fd_close_all(fds, ARRAY_SIZE(fds));
	rig_close(&rig);
}

/* So many of user 4711 that say nothing, all of them at the door; the process is the caller's to
 * end. */
static pid_t crowd_of_a_user(struct rig *rig, unsigned int count)
{
	int there[2];
	char byte;
	pid_t pid;

	REQUIRE(pipe2(there, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		if (setuid(4711) < 0)
			_exit(1);
		while (count--)
			if (dial(rig) < 0)
				_exit(2);
		(void)!write(there[1], "", 1);
		for (;;)
			pause();
	}
	REQUIRE(pid > 0);
	hf_fd_close(&there[1]);
	REQUIRE(read(there[0], &byte, 1) == 1);
	hf_fd_close(&there[0]);
	return pid;
}

static bool nobody_more_fits(void *context)
{
	return ((struct rig *)context)->primary.refusals[REFUSED_ATTACH_FULL] >= 12;
}

static void those_that_a_rule_lets_in_leave_places_at_the_door(void)
{
	struct rig rig;
	pid_t crowd;
	int own;

	if (!open_to_all_users(&rig))
		return;
	REQUIRE(allow_add_attach(&rig.conf.attach_rules, "user:4711") == 0);
	REQUIRE(attach_open(&rig.primary) == 0);
	crowd = crowd_of_a_user(&rig, 60);
	CHECK(rig_until(&rig, nobody_more_fits, &rig, 20000));
	own = attached(&rig, ROLE(OBSERVER));
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_FULL], 12);
	hf_fd_close(&own);
	CHECK_EQ(kill(crowd, SIGKILL), 0);
	CHECK_EQ(waitpid(crowd, NULL, 0), crowd);
	rig_close(&rig);
}

static void a_process_that_died_in_the_handshake_is_not_let_in(void)
{
	struct rig rig;

	open_attach(&rig);
	CHECK_EQ(attach_as(&rig, 0, true), 0); /* and is reaped: its number may be another's */
	rig_until(&rig, NULL, NULL, 50);
	CHECK(rig.primary.secondaries[0] == NULL);
	CHECK_EQ(rig.primary.refusals[REFUSED_ATTACH_PEER], 1);
	rig_close(&rig);
}

static const struct sentence sentences[] = {
	CATALOGUE(another_user_is_refused, "[C-4]"),
	CATALOGUE(a_socket_that_changes_hands_is_judged_by_who_connected, "[C-4]"),
	CATALOGUE(a_rule_lets_its_user_in, "[C-4]"),
	SENTENCE(those_that_a_rule_lets_in_have_half_of_the_places),
	SENTENCE(those_that_a_rule_lets_in_leave_places_at_the_door),
	CATALOGUE(a_process_that_died_in_the_handshake_is_not_let_in, "[C-4]"),
};
SUITE("attach rights", sentences)
