/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sub-command as data. Parsing, help, completion and the suggestion after a slip of the finger
 * all read this; a new option is one line in its command's list.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct cli;
struct args;

/* What bash may offer for a word. */
enum completes {
	COMPLETES_NOTHING,
	COMPLETES_FILE,
	COMPLETES_PORT,
	COMPLETES_SECONDARY,
	COMPLETES_FEATURE,
	COMPLETES_FORMAT,
	COMPLETES_COMMAND,
};

struct option_info {
	const char *name;    /* without the dashes */
	char letter;	     /* '\0': none */
	const char *value;   /* what to call its value in help; NULL: it takes none */
	bool value_optional; /* then it must stand behind '=' */
	const char *help;
	enum completes completes;
};

struct positional {
	const char *name; /* NULL ends the list */
	bool optional;
	bool many;
	enum completes completes;
};

#define COMMAND_MAX_POSITIONALS 3 /* the last one ends the list */

struct command {
	const char *noun;
	const char *verb; /* NULL: the noun is the command */
	const char *summary;
	struct positional positionals[COMMAND_MAX_POSITIONALS];
	const struct option_info *options; /* nameless one ends the list; NULL: none */
	const char *notes;		   /* more help, may be NULL */
	bool watchable;			   /* --watch makes sense */
	int (*run)(struct cli *cli, const struct args *args);
};

extern const struct command commands[];
extern const size_t nr_commands;
/* Options that every command takes. */
extern const struct option_info global_options[];

/* NULL: no such command. */
const struct command *command_find(const char *noun, const char *verb);
bool command_is_noun(const char *noun);
/* The noun (verb NULL) or verb of `noun` nearest to what was typed; NULL when none is near. */
const char *command_nearest(const char *noun, const char *typed);

/* Entry points, one file per noun. */
int port_add(struct cli *cli, const struct args *args);
int port_del(struct cli *cli, const struct args *args);
int port_list(struct cli *cli, const struct args *args);
int port_show(struct cli *cli, const struct args *args);
int port_qemu_args(struct cli *cli, const struct args *args);
int port_libvirt_xml(struct cli *cli, const struct args *args);
int device_list(struct cli *cli, const struct args *args);
int device_show(struct cli *cli, const struct args *args);
int secondary_list(struct cli *cli, const struct args *args);
int secondary_show(struct cli *cli, const struct args *args);
int handover_command(struct cli *cli, const struct args *args);
int drain_command(struct cli *cli, const struct args *args);
int upgrade_command(struct cli *cli, const struct args *args);
int feature_get(struct cli *cli, const struct args *args);
int feature_enable(struct cli *cli, const struct args *args);
int feature_disable(struct cli *cli, const struct args *args);
int stats_command(struct cli *cli, const struct args *args);
int events_command(struct cli *cli, const struct args *args);
int health_command(struct cli *cli, const struct args *args);
int version_command(struct cli *cli, const struct args *args);
int doctor_command(struct cli *cli, const struct args *args);
int help_command(struct cli *cli, const struct args *args);

#endif
