/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, split along the table of commands. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"

#define ARGS_MAX_WORDS	 64
#define ARGS_MAX_OPTIONS 16

/* Points into argv. */
struct args {
	const char *noun;
	const struct command
		*command; /* NULL: the line names none, or it asks for help on a noun */
	const char *words[ARGS_MAX_WORDS];
	size_t nr_words;
	/* by place in the list of options; "" for one that stands without a value, NULL: not there
	 */
	const char *global[ARGS_MAX_OPTIONS];
	const char *own[ARGS_MAX_OPTIONS];
};

/* 0, or -1 with one line in `reason` that ends with the remedy. */
int args_parse(struct args *args, int argc, char **argv, char *reason, size_t reason_size);

/* An option's value by the option's name; NULL: not given. */
const char *args_option(const struct args *args, const char *name);
bool args_flag(const struct args *args, const char *name);
/* A number within bounds; `*ret` stays when the option was not given. False: not such a number. */
bool args_number(const struct args *args, const char *name, uint32_t least, uint32_t most,
		 uint32_t *ret);

#endif
