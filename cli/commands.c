/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sub-commands. */
#include <string.h>

#include "check.h"
#include "command.h"
#include "text.h"

#define SLIP 3 /* a word with that many wrong letters or more is not what was meant */

const struct option_info global_options[] = {
	{.name = "output",
	 .letter = 'o',
	 .value = "FORMAT",
	 .help = "table (default), json, or jsonl: one row a line",
	 .completes = COMPLETES_FORMAT},
	{.name = "run-dir",
	 .value = "DIR",
	 .help = "where the primary's sockets are; default $HOLDFAST_RUN_DIR or /run/holdfast",
	 .completes = COMPLETES_FILE},
	{.name = "timeout",
	 .value = "S",
	 .help = "wait so many seconds for an answer; default 5 (upgrade: 15, and 30 for the "
		 "new one), 0 for ever"},
	{.name = "watch",
	 .value = "S",
	 .value_optional = true,
	 .help = "ask again every S seconds, default 2 (list, show, stats, health)"},
	{.name = "help", .letter = 'h', .help = "show help"},
	{.name = "version", .letter = 'V', .help = "show the version of this command"},
	{0},
};

static const struct option_info port_add_options[] = {
	{.name = "socket",
	 .value = "PATH",
	 .help = "its socket (with --cuse: the device's name); default RUN_DIR/NAME.sock",
	 .completes = COMPLETES_FILE},
	{.name = "client", .help = "connect to a front-end that listens, again and again"},
	{.name = "cuse", .help = "a character device for kernel-vhost front-ends, not a socket"},
	{.name = "queues", .value = "N", .help = "at most so many queue pairs, 1 to 128"},
	{0},
};

static const struct option_info port_show_options[] = {
	{.name = "rings", .letter = 'r', .help = "also memory regions and vrings"},
	{.name = "descriptors",
	 .letter = 'd',
	 .help = "also the descriptor tables (implies --rings)"},
	{0},
};

static const struct option_info qemu_options[] = {
	{.name = "mem",
	 .value = "SIZE",
	 .help = "the guest's memory, as QEMU writes it; default 1G"},
	{.name = "mac",
	 .value = "MAC",
	 .help = "the guest's address; default: made from the port's name"},
	{.name = "queues",
	 .value = "N",
	 .help = "queue pairs; default: the port's, when it has a limit"},
	{.name = "tcg", .help = "for a guest without KVM: vectors=0, which QEMU 7.2 needs there"},
	{.name = "qemu",
	 .value = "PATH",
	 .help = "the QEMU to ask for its version; default qemu-system-x86_64",
	 .completes = COMPLETES_FILE},
	{0},
};

static const struct option_info libvirt_options[] = {
	{.name = "mac",
	 .value = "MAC",
	 .help = "the guest's address; default: made from the port's name"},
	{.name = "queues",
	 .value = "N",
	 .help = "queue pairs; default: the port's, when it has a limit"},
	{0},
};

static const struct option_info handover_options[] = {
	{.name = "to",
	 .value = "NAME",
	 .help = "the secondary that is to run it",
	 .completes = COMPLETES_SECONDARY},
	{0},
};

static const struct option_info drain_options[] = {
	{.name = "force", .help = "also what nobody else serves: those guests stand still"},
	{0},
};

static const struct option_info upgrade_options[] = {
	{.name = "binary",
	 .value = "PATH",
	 .help = "the new holdfastd; default: the path the primary was started from",
	 .completes = COMPLETES_FILE},
	{0},
};

static const struct option_info feature_options[] = {
	{.name = "port",
	 .value = "PORT",
	 .help = "the port, when its name is also a feature's",
	 .completes = COMPLETES_PORT},
	{0},
};

static const struct option_info stats_options[] = {
	{.name = "all", .letter = 'a', .help = "also counters that are zero"},
	{0},
};

static const struct option_info events_options[] = {
	{.name = "follow", .letter = 'f', .help = "go on with what happens from now on"},
	{.name = "last",
	 .letter = 'n',
	 .value = "N",
	 .help = "past events to begin with; default 20"},
	{0},
};

static const struct option_info health_options[] = {
	{.name = "port",
	 .value = "PORT",
	 .help = "is this port ready to pass traffic?",
	 .completes = COMPLETES_PORT},
	{0},
};

#define PORT_NAME                                                                                  \
	{                                                                                          \
		.name = "NAME", .completes = COMPLETES_PORT                                        \
	}
#define PORT_OPTIONAL                                                                              \
	{                                                                                          \
		.name = "PORT", .optional = true, .completes = COMPLETES_PORT                      \
	}
#define FEATURE_NAMES                                                                              \
	{                                                                                          \
		.name = "FEATURE", .many = true, .completes = COMPLETES_FEATURE                    \
	}

#define FEATURE_NOTES                                                                              \
	"FEATURE is a name (mrg_rxbuf, VIRTIO_NET_F_MRG_RXBUF), a bit number or a mask "           \
	"(0x8000).\n"                                                                              \
	"Without PORT it goes for all ports, also those to come. Guests see it at their next\n"    \
	"connect."

const struct command commands[] = {
	{"port", "add", "make a port", {{.name = "NAME"}}, port_add_options, .run = port_add},
	{"port",
	 "del",
	 "remove a port; its guest loses the connection",
	 {PORT_NAME},
	 .run = port_del},
	{"port", "list", "all ports", .watchable = true, .run = port_list},
	{"port",
	 "show",
	 "one port; --rings for everything",
	 {PORT_NAME},
	 port_show_options,
	 "Ends with 3 while no front-end is connected.",
	 true,
	 port_show},
	{"port",
	 "qemu-args",
	 "the QEMU options for a guest on this port",
	 {PORT_NAME},
	 qemu_options,
	 .run = port_qemu_args},
	{"port",
	 "libvirt-xml",
	 "the libvirt elements for a guest on this port",
	 {PORT_NAME},
	 libvirt_options,
	 .run = port_libvirt_xml},
	{"device", "list", "devices: what connected front-ends describe", .watchable = true,
	 .run = device_list},
	{"device",
	 "show",
	 "one device with its memory and vrings",
	 {PORT_NAME},
	 .notes = "Ends with 3 while no front-end is connected.",
	 .watchable = true,
	 .run = device_show},
	{"secondary", "list", "attached vSwitches and observers", .watchable = true,
	 .run = secondary_list},
	{"secondary",
	 "show",
	 "one secondary",
	 {{.name = "NAME", .completes = COMPLETES_SECONDARY}},
	 .watchable = true,
	 .run = secondary_show},
	{"handover",
	 NULL,
	 "give a device to another secondary; its guest notices a pause",
	 {{.name = "PORT|all", .completes = COMPLETES_PORT}},
	 handover_options,
	 "Nothing is lost if who gives them away answers within 200 ms; the event names who did "
	 "not. With all: every device that NAME serves. It ends a drain of NAME.",
	 .run = handover_command},
	{"drain",
	 NULL,
	 "a secondary gives away what it runs, and gets nothing new",
	 {{.name = "NAME", .completes = COMPLETES_SECONDARY}},
	 drain_options,
	 "To upgrade a switch: start the new one, drain the old one, stop it.",
	 .run = drain_command},
	{"upgrade", NULL, "the primary goes on as another program; guests notice nothing",
	 .options = upgrade_options,
	 .notes =
		 "Refused, with nothing touched, when the program could not take over. Waits until "
		 "it answers.",
	 .run = upgrade_command},
	{"feature",
	 "get",
	 "features supported, offered and negotiated",
	 {PORT_OPTIONAL},
	 feature_options,
	 .run = feature_get},
	{"feature",
	 "enable",
	 "offer features again",
	 {PORT_OPTIONAL, FEATURE_NAMES},
	 feature_options,
	 FEATURE_NOTES,
	 .run = feature_enable},
	{"feature",
	 "disable",
	 "offer features no more",
	 {PORT_OPTIONAL, FEATURE_NAMES},
	 feature_options,
	 FEATURE_NOTES,
	 .run = feature_disable},
	{"stats",
	 NULL,
	 "packets, bytes, drops by reason",
	 {PORT_OPTIONAL},
	 stats_options,
	 .watchable = true,
	 .run = stats_command},
	{"events", NULL, "what happened, and with --follow what happens", .options = events_options,
	 .run = events_command},
	{"health", NULL, "is all well?", .options = health_options,
	 .notes = "Ends with 4 when not.", .watchable = true, .run = health_command},
	{"doctor",
	 NULL,
	 "why does my port pass no traffic?",
	 {PORT_OPTIONAL},
	 .notes = "Walks from the primary to the guest's buffers and stops at the first broken "
		  "step, with the\n"
		  "number that proves it and the command that mends it. Without PORT: the host.",
	 .run = doctor_command},
	{"version", NULL, "versions of this command and of the primary", .run = version_command},
	{"help",
	 NULL,
	 "help on a command",
	 {{.name = "COMMAND", .optional = true, .many = true, .completes = COMPLETES_COMMAND}},
	 .run = help_command},
};
const size_t nr_commands = ARRAY_SIZE(commands);

const struct command *command_find(const char *noun, const char *verb)
{
	for (size_t i = 0; i < nr_commands; i++) {
		const struct command *command = &commands[i];

		if (strcmp(command->noun, noun) != 0)
			continue;
		if (verb ? command->verb && !strcmp(command->verb, verb) : !command->verb)
			return command;
	}
	return NULL;
}

bool command_is_noun(const char *noun)
{
	for (size_t i = 0; i < nr_commands; i++)
		if (!strcmp(commands[i].noun, noun))
			return true;
	return false;
}

const char *command_nearest(const char *noun, const char *typed)
{
	const char *best = NULL;
	size_t best_distance = SLIP;

	for (size_t i = 0; i < nr_commands; i++) {
		const char *word = noun ? commands[i].verb : commands[i].noun;
		size_t distance;

		if (!word || (noun && strcmp(commands[i].noun, noun) != 0))
			continue;
		distance = text_distance(word, typed);
		if (distance < best_distance) {
			best_distance = distance;
			best = word;
		}
	}
	return best;
}
