/* SPDX-License-Identifier: Apache-2.0 */
/* vswitch/conf.h: command lines that are right, and those that are refused. */
#include <string.h>

#include "conf.h"
#include "suite.h"

static struct conf conf;

/* Parse words separated by spaces. */
static enum conf_result parse(const char *line)
{
	static char text[512];
	char *argv[32] = {"holdfast-vswitch"}, *word, *rest;
	int argc = 1;

	conf_free(&conf);
	snprintf(text, sizeof(text), "%s", line);
	for (word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	return conf_parse(&conf, argc, argv);
}

static void a_user_may_be_a_name_or_numbers(void)
{
	CHECK_EQ(parse("--user root"), CONF_RUN);
	CHECK(conf.rights.given && conf.rights.uid == 0 && conf.rights.gid == 0);
	CHECK_EQ(parse("--user 4712:4713"), CONF_RUN);
	CHECK(conf.rights.uid == 4712 && conf.rights.gid == 4713 && !conf.rights.nr_groups);
	CHECK_EQ(parse("--user 4712"), CONF_USAGE); /* of which group? */
	CHECK_EQ(parse("--user no.such.user"), CONF_USAGE);
	CHECK_EQ(parse("--user root:no.such.group"), CONF_USAGE);
	CHECK_EQ(parse("--user :4713"), CONF_USAGE);
	CHECK_EQ(parse("--user -1:4713"), CONF_USAGE);
}

static void an_empty_line_is_a_switch_of_one_adaptive_worker(void)
{
	CHECK_EQ(parse(""), CONF_RUN);
	CHECK(!conf.run_dir && !conf.name);
	CHECK_EQ(conf.role, HF_ROLE_VSWITCH);
	CHECK_EQ(conf.nr_ports, 0);
	CHECK_EQ(conf.nr_uplinks, 0);
	CHECK_EQ(conf.nr_workers, 1);
	CHECK_EQ(conf.nr_cores, 0);
	CHECK_EQ(conf.mode, WORKER_ADAPTIVE);
	CHECK_EQ(conf.ageing, 300);
	CHECK_EQ(conf.stats, 0);
}

static void every_option_arrives(void)
{
	CHECK_EQ(parse("--run-dir /x --name n --ports vm*,q? --role standby --uplink tap:t0 "
		       "--uplink packet:eth1 --cores 0,2-3 --mode poll --ageing 7 --stats 5"),
		 CONF_RUN);
	CHECK(!strcmp(conf.run_dir, "/x") && !strcmp(conf.name, "n"));
	CHECK_EQ(conf.role, HF_ROLE_STANDBY);
	CHECK_EQ(conf.nr_ports, 2);
	CHECK(!strcmp(conf.ports[0], "vm*") && !strcmp(conf.ports[1], "q?"));
	CHECK_EQ(conf.nr_uplinks, 2);
	CHECK(conf.uplinks[0].kind == UPLINK_TAP && !strcmp(conf.uplinks[0].ifname, "t0"));
	CHECK(conf.uplinks[1].kind == UPLINK_PACKET && !strcmp(conf.uplinks[1].ifname, "eth1"));
	CHECK_EQ(conf.nr_workers, 3);
	CHECK_EQ(conf.nr_cores, 3);
	CHECK(conf.cores[0] == 0 && conf.cores[1] == 2 && conf.cores[2] == 3);
	CHECK_EQ(conf.mode, WORKER_POLL);
	CHECK_EQ(conf.ageing, 7);
	CHECK_EQ(conf.stats, 5);
	CHECK_EQ(parse("--mode interrupt --workers 32"), CONF_RUN);
	CHECK_EQ(conf.mode, WORKER_INTERRUPT);
	CHECK_EQ(conf.nr_workers, 32);
}

static void help_and_version_are_asked_for(void)
{
	CHECK_EQ(parse("--help"), CONF_HELP);
	CHECK_EQ(parse("--version"), CONF_VERSION);
}

static void what_is_not_understood_is_refused(void)
{
	static const char *const lines[] = {
		"word",
		"--nonsense",
		"-x",
		"--name",
		"--name a/b",
		"--ports ,",
		"--ports a --ports b",
		"--role observer",
		"--uplink eth0",
		"--uplink tap:",
		"--uplink packet:a-name-of-sixteen",
		"--uplink bridge:br0",
		"--workers 0",
		"--workers 33",
		"--workers 1x",
		"--workers 99999999999999999999",
		"--cores ,",
		"--cores 1-",
		"--cores 3-1",
		"--cores -1",
		"--cores 0x",
		"--cores 0-40",
		"--cores 0,1 --workers 3",
		"--mode fast",
		"--ageing 0",
		"--ageing",
		"--stats -1",
		"--name "
		"a-name-of-more-than-sixty-three-characters-which-no-secondary-may-have",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		CHECK_EQ(parse(lines[i]), CONF_USAGE);
}

static void the_tables_have_an_end(void)
{
	char line[512] = "";

	for (unsigned i = 0; i < 14; i++)
		strcat(line, "--uplink tap:t ");
	CHECK_EQ(parse(line), CONF_RUN);
	CHECK_EQ(conf.nr_uplinks, 14);
	strcpy(line, "--ports a");
	for (unsigned i = 1; i < CONF_MAX_GLOBS; i++)
		strcat(line, ",a");
	CHECK_EQ(parse(line), CONF_RUN);
	CHECK_EQ(conf.nr_ports, CONF_MAX_GLOBS);
	strcat(line, ",a");
	CHECK_EQ(parse(line), CONF_USAGE);
	conf_free(&conf);
}

static const struct sentence sentences[] = {
	SENTENCE(a_user_may_be_a_name_or_numbers),
	SENTENCE(an_empty_line_is_a_switch_of_one_adaptive_worker),
	SENTENCE(every_option_arrives),
	SENTENCE(help_and_version_are_asked_for),
	SENTENCE(what_is_not_understood_is_refused),
	SENTENCE(the_tables_have_an_end),
};

SUITE("vswitch: command line", sentences)
