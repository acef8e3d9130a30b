/* SPDX-License-Identifier: Apache-2.0 */
/* One table of options drives the parser and the help. */
#include "conf.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

#define HELP_COLUMN 28

static int refuse(const char *option, const char *value, const char *remedy)
{
	say("--%s %s: %s", option, value, remedy);
	return -EINVAL;
}

static int parse_number(const char *text, long least, long most, long *ret_number)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < least || number > most)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

static int take_run_dir(struct conf *conf, const char *value)
{
	conf->run_dir = value;
	return 0;
}

static int take_name(struct conf *conf, const char *value)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (!*value || strlen(value) > HF_NAME_MAX || value[strspn(value, letters)])
		return refuse("name", value, "use 1 to 63 letters, digits, '.', '_' and '-'");
	conf->name = value;
	return 0;
}

static int take_ports(struct conf *conf, const char *value)
{
	char *rest, *glob;

	if (conf->globs)
		return refuse("ports", value, "give it once, with commas between the globs");
	conf->globs = strdup(value);
	if (!conf->globs)
		return -ENOMEM;
	for (glob = strtok_r(conf->globs, ",", &rest); glob; glob = strtok_r(NULL, ",", &rest)) {
		if (conf->nr_ports == CONF_MAX_GLOBS)
			return refuse("ports", value, "use at most 64 globs");
		conf->ports[conf->nr_ports++] = glob;
	}
	return conf->nr_ports ? 0 : refuse("ports", value, "name at least one, such as 'vm*'");
}

static int take_role(struct conf *conf, const char *value)
{
	if (!strcmp(value, "vswitch"))
		conf->role = HF_ROLE_VSWITCH;
	else if (!strcmp(value, "standby"))
		conf->role = HF_ROLE_STANDBY;
	else
		return refuse("role", value, "use vswitch or standby");
	return 0;
}

static int take_uplink(struct conf *conf, const char *value)
{
	struct conf_uplink *uplink = &conf->uplinks[conf->nr_uplinks];
	const char *ifname = strchr(value, ':');

	if (conf->nr_uplinks == MAX_UPLINKS)
		return refuse("uplink", value, "there are 16 already; use fewer");
	if (!strncmp(value, "tap:", 4))
		uplink->kind = UPLINK_TAP;
	else if (!strncmp(value, "packet:", 7))
		uplink->kind = UPLINK_PACKET;
	else
		return refuse("uplink", value, "use tap:IFNAME or packet:IFNAME");
	ifname++;
	if (!*ifname || strlen(ifname) >= IFNAMSIZ)
		return refuse("uplink", value, "an interface name has 1 to 15 characters");
	strcpy(uplink->ifname, ifname);
	conf->nr_uplinks++;
	return 0;
}

static int take_workers(struct conf *conf, const char *value)
{
	long number;

	if (parse_number(value, 1, MAX_WORKERS, &number))
		return refuse("workers", value, "use a number from 1 to 32");
	conf->nr_workers = (unsigned)number;
	return 0;
}

static int add_cores(struct conf *conf, long first, long last)
{
	for (long core = first; core <= last; core++) {
		if (conf->nr_cores == MAX_WORKERS)
			return -EINVAL;
		conf->cores[conf->nr_cores++] = (int)core;
	}
	return 0;
}

/* "0,2-3" */
static int take_cores(struct conf *conf, const char *value)
{
	static const char remedy[] = "use a list such as 0,2-3, of at most 32 cores";
	const char *at = value;

	do {
		char *end;
		long first = strtol(at, &end, 10), last = first;

		if (end == at || first < 0 || first >= CPU_SETSIZE)
			return refuse("cores", value, remedy);
		if (*end == '-') {
			at = end + 1;
			last = strtol(at, &end, 10);
			if (end == at || last < first || last >= CPU_SETSIZE)
				return refuse("cores", value, remedy);
		}
		if ((*end && *end != ',') || add_cores(conf, first, last))
			return refuse("cores", value, remedy);
		at = *end ? end + 1 : end;
	} while (*at);
	return 0;
}

static int take_mode(struct conf *conf, const char *value)
{
	if (!strcmp(value, "poll"))
		conf->mode = WORKER_POLL;
	else if (!strcmp(value, "interrupt"))
		conf->mode = WORKER_INTERRUPT;
	else if (!strcmp(value, "adaptive"))
		conf->mode = WORKER_ADAPTIVE;
	else
		return refuse("mode", value, "use poll, interrupt or adaptive");
	return 0;
}

static int take_ageing(struct conf *conf, const char *value)
{
	long number;

	if (parse_number(value, 1, 1000000, &number))
		return refuse("ageing", value, "use a number of seconds from 1 to 1000000");
	conf->ageing = (uint32_t)number;
	return 0;
}

static int take_user(struct conf *conf, const char *value)
{
	if (rights_find(&conf->rights, value) < 0)
		return refuse("user", value,
			      "use NAME[:GROUP] of a user that exists, or numbers UID:GID");
	return 0;
}

static int take_stats(struct conf *conf, const char *value)
{
	long number;

	if (parse_number(value, 0, 1000000, &number))
		return refuse("stats", value, "use a number of seconds, 0 for never");
	conf->stats = (uint32_t)number;
	return 0;
}

struct option_row {
	const char *name;
	const char *argument; /* as the help shows it; NULL: takes none */
	const char *help;
	int (*take)(struct conf *conf, const char *value);
	enum conf_result result; /* of an option that takes nothing */
};

static const struct option_row rows[] = {
	{"run-dir", "DIR",
	 "the primary's run directory (default: $HOLDFAST_RUN_DIR, /run/holdfast)", take_run_dir,
	 CONF_RUN},
	{"name", "NAME", "this switch's name with the primary", take_name, CONF_RUN},
	{"ports", "GLOB[,GLOB...]", "ports to serve (default: all)", take_ports, CONF_RUN},
	{"role", "vswitch|standby",
	 "vswitch (default) runs the ports; standby runs them when their switch is gone", take_role,
	 CONF_RUN},
	{"uplink", "KIND:IFNAME", "tap:IFNAME or packet:IFNAME; may be repeated", take_uplink,
	 CONF_RUN},
	{"workers", "N", "worker threads (default: one per core of --cores, or 1)", take_workers,
	 CONF_RUN},
	{"cores", "LIST", "pin the workers to these cores, such as 0,2-3", take_cores, CONF_RUN},
	{"mode", "MODE", "poll, interrupt or adaptive (default)", take_mode, CONF_RUN},
	{"ageing", "SECONDS", "forget a station not heard for so long (default: 300)", take_ageing,
	 CONF_RUN},
	{"user", "NAME[:GROUP]",
	 "become this user, with no right of root, when the uplinks are open", take_user, CONF_RUN},
	{"stats", "SECONDS", "print statistics so often (default: only at exit and on SIGUSR1)",
	 take_stats, CONF_RUN},
	{"help", NULL, "print this", NULL, CONF_HELP},
	{"version", NULL, "print the version", NULL, CONF_VERSION},
};
#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

void conf_print_help(void)
{
	(void)printf("usage: holdfast-vswitch [OPTION...]\n"
		     "A learning Ethernet switch between the ports of a Holdfast primary.\n\n");
	for (size_t i = 0; i < NR_ROWS; i++) {
		int width =
			printf("  --%s %s", rows[i].name, rows[i].argument ? rows[i].argument : "");

		(void)printf("%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "",
			     rows[i].help);
	}
	(void)printf("\nA standby is a whole switch, with its own uplinks and workers. It runs a "
		     "port that no\n"
		     "switch runs, and keeps it: start it after the one it stands by for.\n");
	(void)printf("\nSIGUSR1 prints statistics, SIGTERM and SIGINT end the switch.\n");
}

/* What only the whole command line tells. */
static int settle(struct conf *conf)
{
	if (!conf->nr_workers)
		conf->nr_workers = conf->nr_cores ? conf->nr_cores : 1;
	if (conf->nr_cores && conf->nr_cores != conf->nr_workers) {
		say("--cores names %u cores for %u workers; name one core per worker",
		    conf->nr_cores, conf->nr_workers);
		return -EINVAL;
	}
	return 0;
}

enum conf_result conf_parse(struct conf *conf, int argc, char **argv)
{
	struct option options[NR_ROWS + 1] = {0};
	int index = 0, c;

	*conf = (struct conf){.role = HF_ROLE_VSWITCH, .mode = WORKER_ADAPTIVE, .ageing = 300};
	for (size_t i = 0; i < NR_ROWS; i++)
		options[i] = (struct option){.name = rows[i].name,
					     .has_arg = rows[i].argument ? required_argument
									 : no_argument};
	opterr = 0;
	optind = 0; /* start anew, also in a test that parses many lines */
	while ((c = getopt_long(argc, argv, ":", options, &index)) != -1) {
		const char *word = argv[optind - 1];

		if (c == ':' || c == '?') {
			say("%s: %s; see --help", word,
			    c == ':' ? "needs a value" : "no such option");
			return CONF_USAGE;
		}
		if (!rows[index].take)
			return rows[index].result;
		if (rows[index].take(conf, optarg))
			return CONF_USAGE;
	}
	if (optind < argc) {
		say("%s: not an option; see --help", argv[optind]);
		return CONF_USAGE;
	}
	return settle(conf) ? CONF_USAGE : CONF_RUN;
}

void conf_free(struct conf *conf)
{
	free(conf->globs);
	conf->globs = NULL;
	conf->nr_ports = 0;
}
