/* SPDX-License-Identifier: Apache-2.0 */
/* What one primary must have in common with the next. */
#ifndef PRIMARY_ABI_H
#define PRIMARY_ABI_H

#include <stddef.h>

/*
 * To take over: names and numbers, one line without
 * its end. `--abi` prints it; a release that can take over from others prints a line for each
 * behind its own.
 */
void abi_line(char *line, size_t size);
/* The whole answer to --abi, with the system calls that this program makes. */
void abi_print(void);

#endif
