/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the primary still come round? It says so (WATCHDOG=1), or says anything. What counts against it
 * is only time in which it could have: not when it was stopped or is being debugged (somebody's will), nor when
 * it wanted the processor and got none, nor what we were late ourselves, because the machine is
 * busy or slept.
 */
#ifndef PRIMARY_PULSE_H
#define PRIMARY_PULSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pulse {
	uint64_t limit_ns; /* 0: nobody asks */
	/* Its own. */
	uint64_t looked_ns; /* 0: not yet */
	uint64_t silent_ns; /* that count */
	uint64_t ran_ns;    /* of the processor, at the last look */
};

/* Another one, of which nothing is known yet. */
void pulse_begin(struct pulse *pulse);
/* It said so. */
void pulse_felt(struct pulse *pulse);
/* How long until the next look is due. */
uint64_t pulse_wait_ns(const struct pulse *pulse, uint64_t now_ns);
/* Look, if it is time. True: it hangs. */
bool pulse_stopped(struct pulse *pulse, pid_t pid, uint64_t now_ns);

#endif
