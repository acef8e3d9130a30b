/* SPDX-License-Identifier: Apache-2.0 */
/* primary/security/allow.h: rules as they are written, and what they decide. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allow.h"
#include "check.h"
#include "fd.h"
#include "peer.h"
#include "suite.h"

static struct allow_rules rules;

static struct peer somebody(uid_t uid, gid_t gid)
{
	return (struct peer){.known = true, .pid = 1, .uid = uid, .groups = {gid}, .nr_groups = 1};
}

static int attach_rule(const char *text)
{
	return allow_add_attach(&rules, text);
}

static int control_rule(const char *text)
{
	return allow_add_control(&rules, text);
}

static void root_and_our_own_user_may_all_without_a_rule(void)
{
	struct peer root = somebody(0, 7), own = somebody(geteuid(), 7);

	rules.count = 0;
	CHECK_EQ(allow_attach(&rules, &root), ALLOW_ANY_PORT);
	CHECK_EQ(allow_attach(&rules, &own), ALLOW_ANY_PORT);
	CHECK_EQ(allow_control(&rules, &root), ALLOW_ALL);
	CHECK_EQ(allow_control(&rules, &own), ALLOW_ALL);
}

static void everybody_else_may_nothing_without_a_rule(void)
{
	struct peer other = somebody(4711, 0), unknown = {.uid = 0};

	rules.count = 0;
	CHECK_EQ(allow_attach(&rules, &other), 0);
	CHECK_EQ(allow_control(&rules, &other), ALLOW_NOTHING);
	CHECK_EQ(allow_attach(&rules, &unknown), 0);
	CHECK_EQ(allow_control(&rules, &unknown), ALLOW_NOTHING);
}

static void a_rule_reaches_its_user_and_its_ports_only(void)
{
	struct peer one = somebody(4711, 1), other = somebody(4712, 1);
	uint32_t set;

	rules.count = 0;
	CHECK_EQ(attach_rule("user:4712=b*"), 0);
	CHECK_EQ(attach_rule("user:4711=a*"), 0);
	CHECK_EQ(attach_rule("user:4711=c0"), 0);
	set = allow_attach(&rules, &one);
	CHECK_EQ(set, 6);
	CHECK(allow_port(&rules, set, "a7"));
	CHECK(allow_port(&rules, set, "c0"));
	CHECK(!allow_port(&rules, set, "b0"));
	CHECK(!allow_port(&rules, set, "c00"));
	CHECK(!allow_port(&rules, 0, "a7"));
	CHECK_EQ(allow_attach(&rules, &other), 1);
	CHECK(allow_port(&rules, ALLOW_ANY_PORT, "anything"));
}

static void a_rule_without_a_pattern_is_for_every_port(void)
{
	struct peer one = somebody(4711, 1);

	rules.count = 0;
	CHECK_EQ(attach_rule("user:4711"), 0);
	CHECK(allow_port(&rules, allow_attach(&rules, &one), "whatever"));
}

static void a_group_may_be_any_that_the_peer_is_in(void)
{
	struct peer one = somebody(4711, 20);

	rules.count = 0;
	CHECK_EQ(attach_rule("group:21=p0"), 0);
	CHECK_EQ(allow_attach(&rules, &one), 0);
	one.groups[one.nr_groups++] = 21;
	CHECK_EQ(allow_attach(&rules, &one), 1);
	one.known = false;
	CHECK_EQ(allow_attach(&rules, &one), 0);
}

static void names_are_looked_up(void)
{
	uid_t uid = 1;

	CHECK_EQ(allow_find_user("root", &uid), 0);
	CHECK_EQ(uid, 0);
	rules.count = 0;
	CHECK_EQ(attach_rule("group:root=*"), 0);
	CHECK_EQ(rules.all[0].id, 0);
	CHECK(rules.all[0].group);
}

static void reading_is_the_least_of_control_and_the_best_rule_counts(void)
{
	struct peer one = somebody(4711, 20), other = somebody(4712, 20);

	rules.count = 0;
	CHECK_EQ(control_rule("group:20"), 0);
	CHECK_EQ(control_rule("user:4711=operate"), 0);
	CHECK_EQ(control_rule("user:4711=read"), 0);
	CHECK_EQ(allow_control(&rules, &one), ALLOW_OPERATE);
	CHECK_EQ(allow_control(&rules, &other), ALLOW_READ);
}

static void who_has_a_rule_of_its_own_does_not_come_under_its_groups(void)
{
	struct peer one = somebody(4711, 20), other = somebody(4712, 20), none = somebody(4713, 21);

	rules.count = 0;
	CHECK_EQ(attach_rule("user:4700"), 0);
	CHECK_EQ(attach_rule("group:20"), 0);
	CHECK_EQ(attach_rule("user:4711=a*"), 0);
	CHECK_EQ(attach_rule("user:4711=b*"), 0);
	CHECK_EQ(attach_rule("group:20=b*"), 0);
	CHECK_EQ(allow_rule_of(&rules, &one), 2);
	CHECK_EQ(allow_rule_of(&rules, &other), 1);
	CHECK_EQ(allow_rule_of(&rules, &none), -1);
}

static void what_is_no_rule_is_refused(void)
{
	static const char *const bad[] = {
		"",
		"4711",
		"user",
		"user:",
		"user:=x",
		"user:no.such.user",
		"user:4711=",
		"User:4711",
		"users:4711",
		"user:-1",
		"user:4294967295",
		"user:4711x",
		"other:4711",
		"user=4711:x",
		"user:4711=0123456789012345678901234567890123456789012345678901234567890123",
	};

	rules.count = 0;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(attach_rule(bad[i]), -EINVAL);
	CHECK_EQ(control_rule("user:4711=all"), -EINVAL);
	CHECK_EQ(control_rule("user:4711=READ"), -EINVAL);
	CHECK_EQ(rules.count, 0);
}

static void who_stands_for_all_that_cannot_be_named_gets_no_rule(void)
{
	uid_t uid;

	rules.count = 0;
	CHECK_EQ(attach_rule("user:65534"), -EPERM);
	CHECK_EQ(control_rule("group:65534=read"), -EPERM);
	CHECK_EQ(allow_find_user("65534", &uid), -EPERM);
	CHECK_EQ(rules.count, 0);
}

static void there_is_room_for_thirty_one_rules(void)
{
	struct peer one = somebody(4711, 1);

	rules.count = 0;
	for (unsigned int i = 0; i < ALLOW_RULES; i++)
		CHECK_EQ(attach_rule("user:4711=p"), 0);
	CHECK_EQ(attach_rule("user:4711=p"), -EINVAL);
	CHECK(allow_attach(&rules, &one) != ALLOW_ANY_PORT);
	CHECK(!allow_port(&rules, allow_attach(&rules, &one), "q"));
}

static void the_kernel_says_who_is_at_the_other_end(void)
{
	struct peer peer;
	int ends[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	peer_of(ends[0], &peer);
	CHECK(peer.known);
	CHECK_EQ(peer.pid, getpid());
	CHECK_EQ(peer.uid, geteuid());
	CHECK(peer_is_in(&peer, getegid()));
	CHECK(!peer_is_in(&peer, 4711));
	hf_fd_close_all(ends, 2);
	peer_of(-1, &peer);
	CHECK(!peer.known && !peer_is_own(&peer) && !peer_is_in(&peer, getegid()));
}

static const struct sentence sentences[] = {
	SENTENCE(root_and_our_own_user_may_all_without_a_rule),
	SENTENCE(everybody_else_may_nothing_without_a_rule),
	SENTENCE(a_rule_reaches_its_user_and_its_ports_only),
	SENTENCE(a_rule_without_a_pattern_is_for_every_port),
	SENTENCE(a_group_may_be_any_that_the_peer_is_in),
	SENTENCE(names_are_looked_up),
	SENTENCE(reading_is_the_least_of_control_and_the_best_rule_counts),
	SENTENCE(who_has_a_rule_of_its_own_does_not_come_under_its_groups),
	SENTENCE(what_is_no_rule_is_refused),
	SENTENCE(who_stands_for_all_that_cannot_be_named_gets_no_rule),
	SENTENCE(there_is_room_for_thirty_one_rules),
	SENTENCE(the_kernel_says_who_is_at_the_other_end),
};

SUITE("allow", sentences)
