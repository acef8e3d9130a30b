/* SPDX-License-Identifier: Apache-2.0 */
/* What the lines of all these commands have in common. */
#ifndef BENCH_COMMAND_LINE_H
#define BENCH_COMMAND_LINE_H

#include <getopt.h>
#include <stddef.h>

/* Options, which all can have --help, and nothing else. 0: go on; 1: `help` has printed; -EINVAL: a
 * line was printed. */
int line_parse(int argc, char **argv, const struct option *options, void (*help)(void),
	       int (*take)(void *context, int option, const char *name, const char *value),
	       void *context);
/* For `take`: a whole number. 0, or -EINVAL after a line on standard error. */
int line_number(const char *text, long min, long max, const char *name, long *ret);
/* The same, of those that are powers of two. */
int line_power_of_two(const char *text, long min, long max, const char *name, long *ret);

/* A private directory for sockets, short enough for their addresses, into `dir` of `size` bytes. 0,
 * or -errno after a line on standard error, with an empty `dir`. */
int line_directory(char *dir, size_t size);

#endif
