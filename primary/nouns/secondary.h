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

#include "foreign.h"
#include "log.h"
#include "loop.h"
#include "memory.h"
#include "waiting.h"

struct lane_binding;
struct primary;
struct send_queue;
struct state;
struct vring;

#define SECONDARY_MAX_GLOBS 64u

/* Has the secondary been sent this device's memory? */
struct secondary_device {
	uint64_t session; /* 0: nothing sent */
	uint64_t mem_generation;
	uint64_t features;
	struct lane_binding *lane; /* entries of this session's vrings; NULL: none yet */
};

/* watch.c only; `hung` is for all to read. */
struct secondary_watch {
	bool hung;    /* so the last choice for a grant */
	bool said;    /* there was an event of it */
	bool assumed; /* that it was alive at alive_ns: nothing was seen since we began to look */
	bool busy;    /* a vring of it is inside a burst; of this look */
	uint64_t said_ns;
	uint64_t beat;	   /* its heartbeat, as seen last */
	uint64_t alive_ns; /* when that or a burst counter was seen to change; 0: not looked at */
	struct vring *longest;	    /* in the oldest burst of all; valid within one look */
	uint64_t ran_ns, ran_at_ns; /* processor time used, and when that was read; 0: not */
	struct revocation asked;    /* for a ring that it does not leave */
};

struct secondary {
	struct primary *primary;
	uint32_t slot; /* in the directory */
	uint64_t id;   /* never used twice */
	char name[64];
	char tag[80];  /* "secondary NAME" */
	uint32_t role; /* Holdfast__Attach__Role */
	int32_t priority;
	char *globs[SECONDARY_MAX_GLOBS];
	size_t nr_globs;
	char version[32];
	bool membarrier;

	pid_t pid; /* by SO_PEERCRED, held by pidfd: never reused under us */
	uid_t uid;
	uint32_t allowed; /* to run which ports: rules of conf->attach_rules */
	int pidfd;
	int socket;
	struct {
		uint32_t socket, pidfd, lane;
	} stored; /* numbers in the store */
	struct loop_source pidfd_source;
	struct loop_source socket_source;
	struct send_queue *queue; /* packets the peer has not read yet; bounded */
	uint64_t crowded_ns;	  /* since when it is behind with reading them; 0: it is not */
	uint64_t attached_ns;
	uint64_t oom_kills; /* process_oom_kills() when it came */

	struct hf_memory lane;
	uint64_t *lane_used;   /* bitmap of entries in use */
	uint32_t lane_entries; /* entry 0, the header, counted */
	uint32_t lane_hint;    /* where the search for a free one starts */
	uint32_t nr_vrings;    /* granted now */
	bool starved;	       /* a vring found no entry: offer again on Retired, and in a moment */
	struct secondary_device *devices; /* by device slot: [max_devices] */

	struct lane_binding *retiring; /* entries of sessions it has not said Retired for */

	bool storing; /* its descriptors are on their way to the store: no Welcome yet, no grants */
	bool cut;     /* we shut its socket, or it reads no more; it is sent nothing */
	bool leaving; /* Bye or closed socket: no new grants; revocation under way */
	bool killed;  /* fenced: SIGKILL sent, death not yet confirmed */
	bool dead;    /* pidfd said so */
	bool said_bye;
	bool hung_up;		/* it closed its socket itself, or its reading side */
	uint64_t hung_ns;	/* since when it may say Bye, with that side closed; 0: it is not */
	bool draining;		/* it is to be granted nothing more */
	struct state *state;	/* for its successor; NULL: none */
	struct foreign foreign; /* what it sent and nobody dares to close; secondary_price.h */
	uint64_t state_from;	/* grant.c: whose state it was sent in this round of grants */
	uint64_t left_ns;	/* when it began to leave, or was found stuck or dead */
	uint64_t pause_ns;	/* from then until all was taken back */
	struct handover_waiter waiter; /* a hand-over that it asked for */
	uint64_t waiting_request;      /* and under which number */
	struct revocation revocation;  /* of leaving */
	bool paused;		       /* its user has spent what there is: not read */
	struct loop_timer pause;       /* for so long */
	struct loop_timer linger;      /* left without Bye: is it dead? */
	struct secondary_watch watch;
	struct hf_log_limit log_limit;
};

/* May it be given anything? Not before its Welcome, nor when it leaves, is fenced, dead or cut off.
 */
static inline bool secondary_usable(const struct secondary *secondary)
{
	return !secondary->storing && !secondary->cut && !secondary->leaving &&
	       !secondary->killed && !secondary->dead;
}

#endif
