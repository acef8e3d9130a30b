/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line → struct conf. One table of options; each has a function that stores its argument
 * or says what was expected.
 */
#include "conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "clock.h"
#include "conf_port.h"
#include "conf_value.h"
#include "layout.h"
#include "log.h"

#define DEFAULT_RUN_DIR "/run/holdfast"
#define MAX_COUNT	65536u
#define MODE_UNSAID	((mode_t)-1)
#define MIN_HANG_LIMIT	1000u /* two heartbeats */
/* A front-end with 128 queue pairs says some thousand messages when its guest starts. */
#define MESSAGE_RATE  500u
#define MESSAGE_BURST 16384u
#define MAX_MESSAGES  1000000u
/* A script that asks for everything about every port is within the burst. */
#define CONNECTION_RATE	 50u
#define CONNECTION_BURST 500u
#define MAX_CONNECTIONS	 100000u
#define WATCHDOG_S	 30
#define START_DEADLINE_S 120
#define GREET_DEADLINE_S 30u

struct option_row {
	const char *name;     /* without -- */
	const char *argument; /* NULL: takes none */
	const char *help;
	/* 0 or -EINVAL; the caller prints the line. */
	int (*set)(struct conf *conf, const char *argument);
};

static int set_run_dir(struct conf *conf, const char *argument)
{
	return conf_text(conf->run_dir, sizeof(conf->run_dir), argument);
}

static int set_cuse_owner(struct conf *conf, const char *argument)
{
	char text[128], *group;

	if (conf_text(text, sizeof(text), argument) < 0)
		return -EINVAL;
	group = strchr(text, ':');
	if (group)
		*group++ = '\0';
	if (*text && !conf_user(text, &conf->cuse_owner))
		return -EINVAL;
	return group && !conf_group(group, &conf->cuse_group) ? -EINVAL : 0;
}

static int set_max_devices(struct conf *conf, const char *argument)
{
	return conf_u32(&conf->max_devices, argument, 1, MAX_COUNT);
}

static int set_max_secondaries(struct conf *conf, const char *argument)
{
	return conf_u32(&conf->max_secondaries, argument, 1, MAX_COUNT);
}

static int set_lane_vrings(struct conf *conf, const char *argument)
{
	uint64_t number;
	int error = conf_number(argument, 1, 1u << 20, &number);

	/* Entry 0 is the lane's header. */
	if (!error)
		conf->lane_bytes = (number + 1) * sizeof(struct hf_lane_vring);
	return error;
}

static int set_fence_deadline(struct conf *conf, const char *argument)
{
	uint64_t ms;
	int error = conf_number(argument, 1, 3600 * 1000, &ms);

	if (!error)
		conf->fence_deadline_ns = ms * NS_PER_MS;
	return error;
}

static int set_hang_limit(struct conf *conf, const char *argument)
{
	uint64_t ms;
	int error = conf_number(argument, 0, 3600 * 1000, &ms);

	if (error || (ms && ms < MIN_HANG_LIMIT))
		return -EINVAL;
	conf->hang_limit_ns = ms * NS_PER_MS;
	return 0;
}

static int set_seconds(uint64_t *ret_ns, const char *argument)
{
	uint64_t seconds;
	int error = conf_number(argument, 0, 3600, &seconds);

	if (!error)
		*ret_ns = seconds * NS_PER_S;
	return error;
}

static int set_watchdog(struct conf *conf, const char *argument)
{
	return set_seconds(&conf->watchdog_ns, argument);
}

static int set_start_deadline(struct conf *conf, const char *argument)
{
	return set_seconds(&conf->start_deadline_ns, argument);
}

/* N[,BURST]; *ret_burst is what it is when nothing is said. */
static int set_rate(const char *argument, uint32_t most, uint32_t *ret_rate, uint32_t *ret_burst)
{
	char text[32], *burst = text;
	int error = conf_text(text, sizeof(text), argument);

	if (error)
		return error;
	(void)strsep(&burst, ",");
	error = conf_u32(ret_rate, text, 0, most);
	if (!error && burst)
		error = conf_u32(ret_burst, burst, 1, most);
	return error;
}

static int set_message_rate(struct conf *conf, const char *argument)
{
	conf->message_burst = MESSAGE_BURST;
	return set_rate(argument, MAX_MESSAGES, &conf->message_rate, &conf->message_burst);
}

static int set_connection_rate(struct conf *conf, const char *argument)
{
	conf->connection_burst = CONNECTION_BURST;
	return set_rate(argument, MAX_CONNECTIONS, &conf->connection_rate, &conf->connection_burst);
}

static int set_greet_deadline(struct conf *conf, const char *argument)
{
	uint64_t seconds;
	int error = conf_number(argument, 0, 3600, &seconds);

	if (!error)
		conf->greet_deadline_ns = seconds * NS_PER_S;
	return error;
}

static int set_no_fence(struct conf *conf, const char *argument)
{
	(void)argument;
	conf->fence = false;
	return 0;
}

static int set_no_huge_pages(struct conf *conf, const char *argument)
{
	(void)argument;
	conf->huge_pages = false;
	return 0;
}

static int set_socket_mode(struct conf *conf, const char *argument)
{
	int error = conf_mode(&conf->attach_mode, argument);

	conf->control_mode = conf->attach_mode;
	return error;
}

static int set_port_mode(struct conf *conf, const char *argument)
{
	return conf_mode(&conf->port_mode, argument);
}

static int set_socket_group(struct conf *conf, const char *argument)
{
	return allow_find_group(argument, &conf->socket_group);
}

static int set_port_group(struct conf *conf, const char *argument)
{
	return allow_find_group(argument, &conf->port_group);
}

static int set_allow_attach(struct conf *conf, const char *argument)
{
	return allow_add_attach(&conf->attach_rules, argument);
}

static int set_allow_control(struct conf *conf, const char *argument)
{
	return allow_add_control(&conf->control_rules, argument);
}

static int set_user(struct conf *conf, const char *argument)
{
	return privilege_find(&conf->user, argument);
}

static int set_seccomp(struct conf *conf, const char *argument)
{
	if (strcmp(argument, "kill") == 0)
		conf->seccomp = CONFINE_KILL;
	else if (strcmp(argument, "log") == 0)
		conf->seccomp = CONFINE_LOG;
	else if (strcmp(argument, "off") == 0)
		conf->seccomp = CONFINE_OFF;
	else
		return -EINVAL;
	return 0;
}

static int set_keep_cuse(struct conf *conf, const char *argument)
{
	(void)argument;
	conf->cuse = true;
	return 0;
}

static int set_log_level(struct conf *conf, const char *argument)
{
	static const struct {
		const char *name;
		enum hf_log_level level;
	} levels[] = {{"error", HF_LOG_ERROR},
		      {"warning", HF_LOG_WARNING},
		      {"notice", HF_LOG_NOTICE},
		      {"info", HF_LOG_INFO},
		      {"debug", HF_LOG_DEBUG}};

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(argument, levels[i].name) == 0) {
			conf->log_level = levels[i].level;
			return 0;
		}
	return -EINVAL;
}

static int set_supervise(struct conf *conf, const char *argument)
{
	(void)argument;
	conf->supervise = true;
	return 0;
}

static int set_run(struct conf *conf, const char *argument)
{
	if (conf->nr_runs == CONF_MAX_RUNS ||
	    conf_text(conf->runs[conf->nr_runs], CONF_RUN_BYTES, argument) < 0)
		return -EINVAL;
	conf->nr_runs++;
	return 0;
}

static const struct option_row options[] = {
	{"run-dir", "DIR", "sockets and lock file (default " DEFAULT_RUN_DIR ")", set_run_dir},
	{"port", "NAME[,path=SOCKET][,client][,queues=N]",
	 "a port to start with; may be given up to 64 times", conf_set_port},
	{"cuse", "NAME[,device=NAME]",
	 "a port to start with that is a character device /dev/NAME for vhost-net front-ends",
	 conf_set_cuse},
	{"cuse-owner", "[USER][:GROUP]", "of such devices (who runs it)", set_cuse_owner},
	{"max-devices", "N", "ports that can exist at once (512)", set_max_devices},
	{"max-secondaries", "N", "secondaries that can be attached at once (64)",
	 set_max_secondaries},
	{"lane-vrings", "N", "vrings that one secondary can run (3639)", set_lane_vrings},
	{"fence-deadline", "MS", "how long a burst may hold up a revocation (1000)",
	 set_fence_deadline},
	{"no-fence", NULL,
	 "do not kill a secondary that misses it (the front-end waits), nor one that hangs up and "
	 "keeps guests' memory",
	 set_no_fence},
	{"hang-limit", "MS",
	 "a secondary without a sign of life for so long is relieved by who else serves its ports "
	 "(2000; from 1000; 0: never)",
	 set_hang_limit},
	{"message-rate", "N[,BURST]",
	 "messages a second that a port's front-end may send, and so many at once; it is read "
	 "slower "
	 "then (500,16384; 0: no limit)",
	 set_message_rate},
	{"connection-rate", "N[,BURST]",
	 "connections a second that a user may make to the attach, and as many to the control "
	 "socket, and so many at once; it is kept away for a moment then, but not root, nor the "
	 "user of holdfastd (50,500; 0: no limit)",
	 set_connection_rate},
	{"greet-deadline", "SECONDS",
	 "a front-end that connects and says nothing for so long is closed (30; 0: never)",
	 set_greet_deadline},
	{"no-huge-pages", NULL, "ordinary pages for the directory and the lanes",
	 set_no_huge_pages},
	{"port-mode", "OCTAL", "mode of port sockets and devices, for QEMU to open (0600)",
	 set_port_mode},
	{"socket-mode", "OCTAL",
	 "mode of the attach and the control socket (0600; with rules 0666)", set_socket_mode},
	{"port-group", "GROUP", "group of port sockets, one that holdfastd's user is in",
	 set_port_group},
	{"socket-group", "GROUP", "group of the attach and the control socket", set_socket_group},
	{"allow-attach", "user:NAME[=PATTERN]",
	 "or group:NAME[=PATTERN]: these may attach and run the ports of that pattern, and no "
	 "others (default: only root and the user of holdfastd); up to 31 times",
	 set_allow_attach},
	{"allow-control", "user:NAME[=read|operate]",
	 "or group:NAME[=…]: these may look at everything, or also change it, but execute no "
	 "program (default: only root and the user of holdfastd); up to 31 times",
	 set_allow_control},
	{"user", "NAME[:GROUP]",
	 "become this user, with CAP_KILL and no other right of root; may be a number, with a "
	 "group",
	 set_user},
	{"keep-cuse", NULL,
	 "with --user: keep the capabilities that vhost-cuse ports need, as --cuse does",
	 set_keep_cuse},
	{"seccomp", "kill|log|off",
	 "what becomes of a system call that it never makes: the process is killed (default), the "
	 "kernel logs it, or no filter",
	 set_seccomp},
	{"supervise", NULL,
	 "run it as a child that may crash: its sessions survive, it is started again",
	 set_supervise},
	{"watchdog", "SECONDS",
	 "with --supervise: a primary whose loop does not come round for so long is ended and "
	 "started again (30; 0: never)",
	 set_watchdog},
	{"start-deadline", "SECONDS",
	 "with --supervise: a primary that is not ready after so long is ended and started again "
	 "(120; 0: never)",
	 set_start_deadline},
	{"run", "COMMAND",
	 "with --supervise: run this switch, and the same once more to stand by; both are started "
	 "again; one command, whose words a shell expands: $HOLDFAST_INSTANCE in it is 1 and 2; "
	 "may "
	 "be given up to 8 times",
	 set_run},
	{"log-level", "LEVEL", "error, warning, notice (default), info or debug", set_log_level},
};

static void print_help(const char *program)
{
	printf("Usage: %s [OPTION]…\n"
	       "The primary of Holdfast: serves vhost-user ports to attached vSwitches.\n\n",
	       program);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		printf("  --%s%s%s\n        %s\n", options[i].name, options[i].argument ? " " : "",
		       options[i].argument ? options[i].argument : "", options[i].help);
	printf("  --help, --version, --abi\n");
}

/* Options that print and end. */
static bool is_question(struct conf *conf, const char *program, const char *argument)
{
	if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)
		print_help(program);
	else if (strcmp(argument, "--version") == 0)
		printf("holdfastd %s\n", HOLDFAST_VERSION);
	else if (strcmp(argument, "--abi") == 0)
		conf->asked_abi = true;
	else
		return false;
	return true;
}

/* The row that `argument` names, and behind a '=' its value, or NULL. */
static const struct option_row *find_option(const char *argument, const char **ret_value)
{
	if (strncmp(argument, "--", 2) != 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		size_t len = strlen(options[i].name);

		if (strncmp(argument + 2, options[i].name, len) != 0)
			continue;
		if (argument[2 + len] && argument[2 + len] != '=')
			continue;
		*ret_value = argument[2 + len] ? argument + 2 + len + 1 : NULL;
		return &options[i];
	}
	return NULL;
}

static void set_defaults(struct conf *conf)
{
	memset(conf, 0, sizeof(*conf));
	snprintf(conf->run_dir, sizeof(conf->run_dir), "%s", DEFAULT_RUN_DIR);
	conf->max_devices = 512;
	conf->max_secondaries = 64;
	conf->lane_bytes = 2u << 20;
	conf->fence_deadline_ns = NS_PER_S;
	conf->fence = true;
	conf->hang_limit_ns = 2 * NS_PER_S;
	conf->watchdog_ns = WATCHDOG_S * NS_PER_S;
	conf->start_deadline_ns = START_DEADLINE_S * NS_PER_S;
	conf->message_rate = MESSAGE_RATE;
	conf->message_burst = MESSAGE_BURST;
	conf->connection_rate = CONNECTION_RATE;
	conf->connection_burst = CONNECTION_BURST;
	conf->greet_deadline_ns = GREET_DEADLINE_S * NS_PER_S;
	conf->huge_pages = true;
	conf->attach_mode = conf->control_mode = MODE_UNSAID;
	conf->port_mode = 0600;
	conf->cuse_owner = (uid_t)-1;
	conf->cuse_group = (gid_t)-1;
	conf->log_level = HF_LOG_NOTICE;
}

/* Whom a rule lets in the socket's file has to let through as well: then the peer's user decides
 * alone. */
static void open_to_allowed(struct conf *conf)
{
	const mode_t closed = 0600, open = 0666;

	if (conf->attach_mode == MODE_UNSAID)
		conf->attach_mode = conf->attach_rules.count ? open : closed;
	if (conf->control_mode == MODE_UNSAID)
		conf->control_mode = conf->control_rules.count ? open : closed;
}

static int complain(const char *option, const char *what)
{
	fprintf(stderr, "holdfastd: option %s: %s; see holdfastd --help\n", option, what);
	return -EINVAL;
}

static int complain_value(const struct option_row *row, const char *value)
{
	fprintf(stderr, "holdfastd: --%s '%s': expected %s, %s; see holdfastd --help\n", row->name,
		value, row->argument, row->help);
	return -EINVAL;
}

bool conf_is_open(const struct conf *conf)
{
	return conf->attach_rules.count || conf->control_rules.count;
}

int conf_parse(struct conf *conf, int argc, char **argv)
{
	set_defaults(conf);
	conf->argv = argv;
	for (int i = 1; i < argc; i++) {
		const struct option_row *row;
		const char *value = NULL;

		if (is_question(conf, argv[0], argv[i]))
			return 1;
		row = find_option(argv[i], &value);
		if (!row)
			return complain(argv[i], "unknown");
		if (!row->argument && value)
			return complain(argv[i], "takes no value");
		if (row->argument && !value && i + 1 == argc)
			return complain(argv[i], "needs a value");
		if (row->argument && !value)
			value = argv[++i];
		if (row->set(conf, value) < 0)
			return complain_value(row, value);
	}
	open_to_allowed(conf);
	if (conf->nr_runs && !conf->supervise)
		return complain("run", "needs --supervise");
	return 0;
}
