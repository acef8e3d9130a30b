/* SPDX-License-Identifier: Apache-2.0 */
/* Help, generated from the table of commands. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "command.h"

/* On a command, on a noun's verbs (command NULL), or on everything (noun NULL too). Returns 0. */
int help_print(FILE *out, const char *noun, const struct command *command);
int help_print_version(FILE *out);

#endif
