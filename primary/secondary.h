/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attached secondary, seen from the primary: its socket with a bounded queue of what it has
 * not read yet, its pidfd, its lane, and what it has been sent.
 */
#ifndef PRIMARY_SECONDARY_H
#define PRIMARY_SECONDARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "attach.pb-c.h"
#include "log.h"
#include "loop.h"
#include "memory.h"
#include "grant.h"

struct primary;
struct device;
struct send_queue;

#define SECONDARY_MAX_GLOBS 64u

/* Has the secondary been sent this device's memory? */
struct secondary_device {
	uint64_t session; /* 0: nothing sent */
	uint64_t mem_generation;
};

struct secondary {
	struct primary *primary;
	uint32_t slot; /* in the directory */
	uint64_t id;   /* never used twice */
	char name[64];
	char tag[80]; /* "secondary NAME" */
	uint32_t role; /* Holdfast__Attach__Role */
	int32_t priority;
	char *globs[SECONDARY_MAX_GLOBS];
	size_t nr_globs;
	char version[32];
	bool membarrier;

	pid_t pid; /* by SO_PEERCRED, held by pidfd: never reused under us */
	uid_t uid;
	int pidfd;
	int socket;
	struct loop_source pidfd_source;
	struct loop_source socket_source;
	struct send_queue *queue; /* packets the peer has not read yet; bounded */
	uint64_t attached_ns;

	struct hf_memory lane;
	uint64_t *lane_used;	   /* bitmap of entries in use */
	uint32_t lane_entries;
	uint32_t nr_vrings;	   /* granted now */
	struct secondary_device *devices; /* by device slot: [max_devices] */

	bool leaving; /* Bye or closed socket: no new grants; revocation under way */
	bool killed;  /* fenced: SIGKILL sent, death not yet confirmed */
	bool dead;    /* pidfd said so */
	struct revocation revocation; /* of leaving */
	struct hf_log_limit log_limit;
};

/* Does it serve ports of this name? */
bool secondary_serves(const struct secondary *secondary, const char *port_name);

/*
 * Send, or queue when the peer's buffer is full. The descriptors are duplicated when queued; they
 * stay the caller's. A peer whose queue is over its bound is cut off (its socket is closed, its
 * vrings are revoked); that is reported by the loop later, never from inside this call.
 */
void secondary_send(struct secondary *secondary, Holdfast__Attach__ToSecondary *message,
		    const int *fds, size_t nr_fds);

/* A free lane entry, reset; 0 when the lane is full. */
uint32_t secondary_lane_take(struct secondary *secondary);
void secondary_lane_put(struct secondary *secondary, uint32_t entry);

#endif
