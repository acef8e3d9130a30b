/* SPDX-License-Identifier: Apache-2.0 */
/* A command line, from its words to its exit code. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include <stdio.h>

/* The whole program but for main(): runs a command line and returns the exit code (cli.h). */
int cli_run(int argc, char **argv, FILE *out, FILE *err);

#endif
