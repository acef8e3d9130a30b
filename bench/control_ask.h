/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmarks ask the primary, over its control socket. */
#ifndef BENCH_CONTROL_ASK_H
#define BENCH_CONTROL_ASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The process that answers as primary; 0: nobody, within two seconds. */
pid_t control_pid(const char *run_dir);

/* How many ports it lists; -errno. */
int control_list(const char *run_dir);

/* Ask for a hand-over of all ports; a socket for control_handed_over, or -errno. */
int control_hand_over(const char *run_dir, const char *to);
/* 0: not yet. 1: done, *ret_moved devices; the socket is closed. -errno: it is closed as well. */
int control_handed_over(int socket, uint32_t *ret_moved);

/* A change of owners, as the primary's events tell it. */
struct control_change {
	uint32_t fenced;     /* secondaries */
	uint64_t granted_ns; /* the last grant, on the monotonic clock */
	uint64_t pause_ns;   /* the longest of a device, as the primary measured it */
};
/* Of all events that are newer than number *after, which follows. 0 or -errno. */
int control_changes(const char *run_dir, uint64_t *after, struct control_change *ret);

#endif
