/* SPDX-License-Identifier: Apache-2.0 */
/* primary/program/conf.h: the command line. */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "conf.h"
#include "layout.h"
#include "log.h"
#include "suite.h"

static struct conf conf;

#define PARSE(...) parse((char *[]){"holdfastd", __VA_ARGS__ __VA_OPT__(, ) NULL})

static int parse(char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return conf_parse(&conf, argc, argv);
}

static void no_options_give_the_defaults(void)
{
	CHECK_EQ(PARSE(), 0);
	CHECK(strcmp(conf.run_dir, "/run/holdfast") == 0);
	CHECK_EQ(conf.max_devices, 512);
	CHECK_EQ(conf.max_secondaries, 64);
	CHECK_EQ(conf.lane_bytes, 2 << 20);
	CHECK_EQ(conf.fence_deadline_ns, NS_PER_S);
	CHECK(conf.fence);
	CHECK_EQ(conf.hang_limit_ns, 2 * NS_PER_S);
	CHECK(conf.huge_pages);
	CHECK_EQ(conf.attach_mode, 0600);
	CHECK_EQ(conf.control_mode, 0600);
	CHECK_EQ(conf.port_mode, 0600);
	CHECK_EQ(conf.log_level, HF_LOG_NOTICE);
	CHECK_EQ(conf.nr_ports, 0);
	CHECK_EQ(conf.message_rate, 500);
	CHECK_EQ(conf.message_burst, 16384);
	CHECK_EQ(conf.connection_rate, 50);
	CHECK_EQ(conf.connection_burst, 500);
	CHECK_EQ(conf.greet_deadline_ns, 30 * NS_PER_S);
}

static void a_value_may_follow_or_be_joined_by_an_equals_sign(void)
{
	CHECK_EQ(PARSE("--run-dir=/a", "--max-devices", "7"), 0);
	CHECK(strcmp(conf.run_dir, "/a") == 0);
	CHECK_EQ(conf.max_devices, 7);
}

static void devices_take_a_name_of_their_own_and_an_owner(void)
{
	CHECK_EQ(PARSE("--cuse", "hf0", "--cuse=p1,device=hf1", "--cuse-owner", "7:8"), 0);
	CHECK_EQ(conf.nr_ports, 2);
	CHECK(conf.ports[0].cuse && !strcmp(conf.ports[0].name, "hf0") && !*conf.ports[0].path);
	CHECK(conf.ports[1].cuse && !strcmp(conf.ports[1].name, "p1") &&
	      !strcmp(conf.ports[1].path, "hf1"));
	CHECK(conf.cuse_owner == 7 && conf.cuse_group == 8);
	CHECK_EQ(PARSE("--cuse", "hf0", "--cuse-owner", ":8"), 0);
	CHECK(conf.cuse_owner == (uid_t)-1 && conf.cuse_group == 8);
}

static void ports_take_a_path_a_mode_and_queues_in_any_order(void)
{
	CHECK_EQ(PARSE("--port", "a", "--port", "b,queues=2,client,path=/tmp/x.sock"), 0);
	CHECK_EQ(conf.nr_ports, 2);
	CHECK(strcmp(conf.ports[0].name, "a") == 0);
	CHECK(conf.ports[0].path[0] == '\0');
	CHECK(!conf.ports[0].client);
	CHECK_EQ(conf.ports[0].queue_pairs, HF_SHM_MAX_VRINGS / 2);
	CHECK(strcmp(conf.ports[1].path, "/tmp/x.sock") == 0);
	CHECK(conf.ports[1].client);
	CHECK_EQ(conf.ports[1].queue_pairs, 2);
}

static void the_rest_is_stored_where_it_belongs(void)
{
	CHECK_EQ(PARSE("--no-fence", "--no-huge-pages", "--socket-mode", "660", "--log-level",
		       "debug", "--fence-deadline", "250", "--max-secondaries", "3",
		       "--lane-vrings", "9", "--port-mode", "666", "--hang-limit", "5000"),
		 0);
	CHECK(!conf.fence);
	CHECK(!conf.huge_pages);
	CHECK_EQ(conf.attach_mode, 0660);
	CHECK_EQ(conf.control_mode, 0660);
	CHECK_EQ(conf.port_mode, 0666);
	CHECK_EQ(conf.log_level, HF_LOG_DEBUG);
	CHECK_EQ(conf.fence_deadline_ns, 250 * NS_PER_MS);
	CHECK_EQ(conf.hang_limit_ns, 5 * NS_PER_S);
	CHECK_EQ(conf.max_secondaries, 3);
	CHECK_EQ(conf.lane_bytes, 10 * sizeof(struct hf_lane_vring));
	CHECK_EQ(PARSE("--hang-limit", "0"), 0);
	CHECK_EQ(conf.hang_limit_ns, 0);
	CHECK_EQ(PARSE("--message-rate", "7,9", "--greet-deadline", "0"), 0);
	CHECK_EQ(conf.message_rate, 7);
	CHECK_EQ(conf.message_burst, 9);
	CHECK_EQ(conf.greet_deadline_ns, 0);
	CHECK_EQ(conf.watchdog_ns, 30 * NS_PER_S);
	CHECK_EQ(conf.start_deadline_ns, 120 * NS_PER_S);
	CHECK_EQ(PARSE("--watchdog", "7"), 0);
	CHECK_EQ(conf.watchdog_ns, 7 * NS_PER_S);
	CHECK_EQ(PARSE("--start-deadline", "7"), 0);
	CHECK_EQ(conf.start_deadline_ns, 7 * NS_PER_S);
	CHECK_EQ(PARSE("--message-rate", "0"), 0);
	CHECK_EQ(conf.message_rate, 0);
	CHECK_EQ(conf.message_burst, 16384);
	CHECK_EQ(PARSE("--user", "4711:12"), 0);
	CHECK(conf.user.given && conf.user.uid == 4711 && conf.user.gid == 12);
	CHECK_EQ(PARSE("--seccomp", "kill"), 0);
	CHECK_EQ(conf.seccomp, CONFINE_KILL);
	CHECK_EQ(PARSE("--seccomp", "log"), 0);
	CHECK_EQ(conf.seccomp, CONFINE_LOG);
	CHECK_EQ(PARSE("--keep-cuse"), 0);
	CHECK(conf.cuse);
	CHECK_EQ(PARSE("--connection-rate", "7,9"), 0);
	CHECK_EQ(conf.connection_rate, 7);
	CHECK_EQ(conf.connection_burst, 9);
	CHECK_EQ(PARSE("--connection-rate", "0"), 0);
	CHECK_EQ(conf.connection_rate, 0);
	CHECK_EQ(conf.connection_burst, 500);
}

static void what_makes_no_sense_is_refused(void)
{
	char path[200];

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	CHECK_EQ(PARSE("--nonsense"), -EINVAL);
	CHECK_EQ(PARSE("stray"), -EINVAL);
	CHECK_EQ(PARSE("--run-dir"), -EINVAL);
	CHECK_EQ(PARSE("--run-dir="), -EINVAL);
	CHECK_EQ(PARSE("--run-dir", path), -EINVAL);
	CHECK_EQ(PARSE("--no-fence=1"), -EINVAL);
	CHECK_EQ(PARSE("--max-devices", "0"), -EINVAL);
	CHECK_EQ(PARSE("--max-devices", "-1"), -EINVAL);
	CHECK_EQ(PARSE("--hang-limit", "999"), -EINVAL);
	CHECK_EQ(PARSE("--message-rate", "7,0"), -EINVAL);
	CHECK_EQ(PARSE("--watchdog", "3601"), -EINVAL);
	CHECK_EQ(PARSE("--start-deadline", "3601"), -EINVAL);
	CHECK_EQ(PARSE("--message-rate", "7,"), -EINVAL);
	CHECK_EQ(PARSE("--message-rate", ",7"), -EINVAL);
	CHECK_EQ(PARSE("--message-rate", "1000001"), -EINVAL);
	CHECK_EQ(PARSE("--connection-rate", "100001"), -EINVAL);
	CHECK_EQ(PARSE("--connection-rate", "7,0"), -EINVAL);
	CHECK_EQ(PARSE("--greet-deadline", "3601"), -EINVAL);
	CHECK_EQ(PARSE("--max-devices", "4x"), -EINVAL);
	CHECK_EQ(PARSE("--max-devices", "99999999999999999999"), -EINVAL);
	CHECK_EQ(PARSE("--lane-vrings", "0"), -EINVAL);
	CHECK_EQ(PARSE("--fence-deadline", "0"), -EINVAL);
	CHECK_EQ(PARSE("--hang-limit", "x"), -EINVAL);
	CHECK_EQ(PARSE("--message-rate", path), -EINVAL);
	CHECK_EQ(PARSE("--seccomp", "ask"), -EINVAL);
	CHECK_EQ(PARSE("--user", path), -EINVAL);
	CHECK_EQ(PARSE("--user", "no.such.user"), -EINVAL);
	CHECK_EQ(PARSE("--user", "4711"), -EINVAL); /* which group? */
	CHECK_EQ(PARSE("--user", "4711:no.such.group"), -EINVAL);
	CHECK_EQ(PARSE("--run", "echo"), -EINVAL);
	CHECK_EQ(PARSE("--supervise", "--run", ""), -EINVAL);
	CHECK_EQ(PARSE("--socket-mode", "9"), -EINVAL);
	CHECK_EQ(PARSE("--socket-mode", "1777"), -EINVAL);
	CHECK_EQ(PARSE("--log-level", "loud"), -EINVAL);
	CHECK_EQ(PARSE("--port", ""), -EINVAL);
	CHECK_EQ(PARSE("--port", ",client"), -EINVAL);
	CHECK_EQ(PARSE("--cuse", ""), -EINVAL);
	CHECK_EQ(PARSE("--cuse", "a,client"), -EINVAL);
	CHECK_EQ(PARSE("--cuse", "a,device="), -EINVAL);
	CHECK_EQ(PARSE("--cuse-owner", "nobody-of-that-name"), -EINVAL);
	CHECK_EQ(PARSE("--cuse-owner", "0:nobody-of-that-name"), -EINVAL);
	CHECK_EQ(PARSE("--cuse-owner", path), -EINVAL);
	CHECK_EQ(PARSE("--port", "a,"), -EINVAL);
	CHECK_EQ(PARSE("--port", "a,queues=0"), -EINVAL);
	CHECK_EQ(PARSE("--port", "a,queues=129"), -EINVAL);
	CHECK_EQ(PARSE("--port", "a,server"), -EINVAL);
	CHECK_EQ(PARSE("--port", path), -EINVAL);
}

static void more_ports_than_there_is_room_for_are_refused(void)
{
	char *argv[2 * (CONF_MAX_PORTS + 1) + 2] = {"holdfastd"};
	int argc = 1;

	for (unsigned int i = 0; i <= CONF_MAX_PORTS; i++) {
		argv[argc++] = "--port";
		argv[argc++] = "p";
		CHECK_EQ(conf_parse(&conf, argc, argv), i < CONF_MAX_PORTS ? 0 : -EINVAL);
	}
}

static void help_and_version_end_with_success(void)
{
	CHECK(PARSE("--help") > 0);
	CHECK(PARSE("--port", "a", "--version") > 0);
}

static void rules_open_the_socket_that_they_are_for(void)
{
	CHECK_EQ(PARSE("--allow-attach", "user:4711=a*", "--allow-attach=group:0"), 0);
	CHECK_EQ(conf.attach_rules.count, 2);
	CHECK_EQ(conf.attach_mode, 0666);
	CHECK_EQ(conf.control_mode, 0600);
	CHECK_EQ(PARSE("--allow-control", "user:4711=operate"), 0);
	CHECK_EQ(conf.control_rules.count, 1);
	CHECK_EQ(conf.attach_mode, 0600);
	CHECK_EQ(conf.control_mode, 0666);
	CHECK_EQ(PARSE("--socket-mode", "0660", "--allow-control", "user:4711"), 0);
	CHECK_EQ(conf.control_mode, 0660);
	CHECK_EQ(PARSE("--allow-attach", "user:no.such.user"), -EINVAL);
	CHECK_EQ(PARSE("--allow-control", "user:4711=execute"), -EINVAL);
}

static const struct sentence sentences[] = {
	SENTENCE(rules_open_the_socket_that_they_are_for),
	SENTENCE(no_options_give_the_defaults),
	SENTENCE(a_value_may_follow_or_be_joined_by_an_equals_sign),
	SENTENCE(devices_take_a_name_of_their_own_and_an_owner),
	SENTENCE(ports_take_a_path_a_mode_and_queues_in_any_order),
	SENTENCE(the_rest_is_stored_where_it_belongs),
	SENTENCE(what_makes_no_sense_is_refused),
	SENTENCE(more_ports_than_there_is_room_for_are_refused),
	SENTENCE(help_and_version_end_with_success),
};
SUITE("conf", sentences)
