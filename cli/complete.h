/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of bash's `complete -C`: the program completes its own command line. */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include <stdio.h>

/* Reads COMP_LINE and COMP_POINT, as bash sets them; writes one candidate a line. Returns 0. */
int complete_run(FILE *out);

#endif
