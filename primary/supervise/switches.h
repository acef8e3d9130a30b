/* SPDX-License-Identifier: Apache-2.0 */
/* The switches of --run: of each command one that runs, and one that waits. */
#ifndef PRIMARY_SWITCHES_H
#define PRIMARY_SWITCHES_H

#include <stddef.h>

#include "child.h"
#include "conf.h"

#define SWITCHES_EACH 2u

struct one_switch {
	struct child child;
	const struct switches *all;
	const char *command;
	size_t instance; /* 1, 2: of this command */
};

struct switches {
	struct one_switch of[CONF_MAX_RUNS * SWITCHES_EACH];
	size_t count;
	bool ending;
};

/* None is to be started yet. */
void switches_make(struct switches *switches, const struct conf *conf);
/* The primary is ready: all are due. */
void switches_begin(struct switches *switches);
/* None is started any more. */
void switches_end(struct switches *switches);

#endif
