/* SPDX-License-Identifier: Apache-2.0 */
/* A process that is to run: started when it is due, and again, later each time, when it dies. */
#ifndef PRIMARY_CHILD_H
#define PRIMARY_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"

/* Who lived for so long did not die of its start. */
#define CHILD_LONG_LIFE_NS (10 * NS_PER_S)

struct child {
	/* In the new process; does not return. */
	void (*become)(const struct child *child);
	/* In ours, when it was forked, and when it is gone (waitpid's status): start it again? */
	void (*started)(struct child *child);
	void (*died)(struct child *child, int status);
	pid_t pid; /* 0: not running */
	uint64_t started_ns;
	uint64_t start_at_ns; /* 0: not to be started */
	uint64_t backoff_ns;
};

/* Start it if it is due; `next_ns` becomes no later than when it will be. */
void child_start_due(struct child *child, uint64_t now_ns, uint64_t *next_ns);
/* It is to be started again, later than the last time. */
void child_back_off(struct child *child, uint64_t now_ns);
/* To it, if it runs. */
void child_signal(const struct child *child, int number);

#endif
