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
#include "foreign.h"
#include "grant.h"
#include "handover.h"
#include "log.h"
#include "loop.h"
#include "memory.h"

struct primary;
struct device;
struct send_queue;
struct lane_binding;
struct hf_frame;
struct state;

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
	bool hung; /* so the last choice for a grant */
	bool said; /* there was an event of it */
	bool busy; /* a vring of it is inside a burst; of this look */
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
	uint64_t attached_ns;

	struct hf_memory lane;
	uint64_t *lane_used;		  /* bitmap of entries in use */
	uint32_t lane_entries;		  /* entry 0, the header, counted */
	uint32_t lane_hint;		  /* where the search for a free one starts */
	uint32_t nr_vrings;		  /* granted now */
	bool starved;			  /* a vring found no entry: offer again on Retired */
	struct secondary_device *devices; /* by device slot: [max_devices] */

	struct lane_binding *retiring; /* entries of sessions it has not said Retired for */

	bool storing; /* its descriptors are on their way to the store: no Welcome yet, no grants */
	bool cut;     /* we shut its socket; the loop is about to say so */
	bool leaving; /* Bye or closed socket: no new grants; revocation under way */
	bool killed;  /* fenced: SIGKILL sent, death not yet confirmed */
	bool dead;    /* pidfd said so */
	bool said_bye;
	bool draining;		/* it is to be granted nothing more */
	struct state *state;	/* for its successor; NULL: none */
	struct foreign foreign; /* what it sent and nobody dares to close */
	uint64_t state_from;	/* grant.c: whose state it was sent in this round of grants */
	uint64_t left_ns;	/* when it began to leave, or was found stuck or dead */
	uint64_t pause_ns;	/* from then until all was taken back */
	struct handover_waiter waiter; /* a hand-over that it asked for */
	uint64_t waiting_request;      /* and under which number */
	struct revocation revocation;  /* of leaving */
	struct loop_timer linger;      /* left without Bye: is it dead? */
	struct secondary_watch watch;
	struct hf_log_limit log_limit;
};

/* Does it serve ports of this name: may it, and does it want to? */
bool secondary_serves(const struct secondary *secondary, const char *port_name);

/*
 * Send, or queue when the peer's buffer is full. The descriptors are duplicated when queued; they
 * stay the caller's. A peer whose queue is over its bound is cut off (its socket is shut down, its
 * vrings are revoked); that is reported by the loop later, never from inside this call.
 */
void secondary_send(struct secondary *secondary, Holdfast__Attach__ToSecondary *message,
		    const int *fds, size_t nr_fds);

/* It is behind with reading: nothing that a front-end can repeat at will should be added. */
bool secondary_congested(const struct secondary *secondary);
/* It has read everything it was sent. */
bool secondary_idle(const struct secondary *secondary);
/* May it be given anything? Not before its Welcome, nor when it leaves, is fenced, dead or cut off.
 */
bool secondary_usable(const struct secondary *secondary);

/*
 * Lane entry for a vring of the device's session; 0 when the lane is full or memory short. A vring
 * has the same entry in every grant of a session, and the entry serves no other vring until the
 * secondary said Retired: a data thread that has not heard of a revocation yet still writes `busy`
 * of the old grant's entry, and would clear the `busy` of another vring's burst.
 */
uint32_t secondary_lane_bind(struct secondary *secondary, const struct device *device,
			     uint32_t vring);
/* The same for an entry that an earlier life bound. 0 or -ENOMEM, -EINVAL. */
int secondary_lane_adopt(struct secondary *secondary, uint32_t entry, uint32_t device_slot,
			 uint64_t session, uint32_t vring);
/* The entry of a vring of the present session; 0: none. */
uint32_t secondary_lane_entry(const struct secondary *secondary, uint32_t device_slot,
			      uint32_t vring);
/* Which set-up of the vring it was sent (prepare.c), 0 none; NULL: it has no lane entry in this
 * session. */
uint64_t *secondary_lane_stamp(struct secondary *secondary, const struct device *device,
			       uint32_t vring);
/* What it was sent of this device's vrings is void. */
void secondary_lane_unprepare(struct secondary *secondary, uint32_t device_slot);
/* The session is over for this secondary (DeviceRetire sent): its entries wait for Retired. */
void secondary_lane_retire(struct secondary *secondary, uint32_t device_slot);
/* Call `visit` for each that has not said Retired yet. */
void secondary_each_retiring(struct secondary *secondary,
			     void (*visit)(struct secondary *secondary, uint32_t device_slot,
					   uint64_t session));
/* It said Retired: the entries of that session are free. */
void secondary_lane_retired(struct secondary *secondary, uint32_t device_slot, uint64_t session);

/* All of them: the secondary goes. */
void secondary_lane_free(struct secondary *secondary);

/*
 * Life of an attached secondary (secondary_life.c). `socket` and `pidfd` become the secondary's
 * when this succeeds. 0; -EBUSY: no slot; -EMFILE: its descriptors cannot be stored, so it would
 * run rings that a successor knows nothing of; -errno of the lane's memory.
 */
struct secondary_identity {
	const char *name;
	uint32_t role;
	int32_t priority;
	char *const *globs;
	size_t nr_globs;
	const char *version;
	bool membarrier;
	pid_t pid;
	uid_t uid;
	uint32_t allowed;
};
int secondary_create(struct primary *primary, const struct secondary_identity *identity, int socket,
		     int pidfd, struct secondary **ret_secondary);
/* One that an earlier life had (resume.c). The descriptors become the secondary's when this
 * succeeds. 0 or -errno. */
int secondary_adopt(struct primary *primary, uint32_t slot,
		    const struct secondary_identity *identity, uint64_t id, int socket, int pidfd,
		    int lane, struct secondary **ret_secondary);
/* Watch its socket and pidfd. 0 or -errno. */
int secondary_watch(struct secondary *secondary);
/* It says Bye, or its socket is closed: take everything back, then forget it, maybe before this
 * returns. */
void secondary_leave(struct secondary *secondary, bool said_bye);
/* Grant it nothing more, or something again. What it runs stays; see handover.h. */
void secondary_set_draining(struct secondary *secondary, bool draining);
/* At once; nothing is taken back. For the end of the primary's life and failed attaches. */
void secondary_destroy(struct secondary *secondary);
/* One message of an attached secondary (secondary_request.c); its frame's descriptors stay the
 * frame's. 0; -ESHUTDOWN: it said Bye; -EPROTO:
 * it does not keep to the protocol and is to be cut off. */
int secondary_request(struct secondary *secondary, const Holdfast__Attach__ToPrimary *message,
		      struct hf_frame *frame);

#endif
