/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The draft of a device: what the session has described so far, in the primary's private memory.
 *
 * Written by the session's handlers (session_*.c) only, after the checks of vu_check.c and
 * vu_table.c; turned into the directory's form by publish.c; never seen by a secondary itself.
 *
 * A vring has two independent states (vhost-user, "Ring states"): stopped or started, disabled or
 * enabled. `granted` says whether some secondary may run it just now: it is wanted whenever the
 * ring is started (a disabled ring is granted with the enabled bit clear: what the guest sends is
 * discarded, nothing is supplied).
 */
#ifndef PRIMARY_DEVICE_H
#define PRIMARY_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"
#include "loop.h"
#include "memtab.h"

struct primary;
struct secondary;
struct state;
struct port;
struct device;

struct vring {
	struct device *device;
	uint16_t index;

	/* From the front-end. */
	uint16_t size;	    /* 0: SET_VRING_NUM did not come */
	bool address_given; /* SET_VRING_ADDR came: the user addresses below are set */
	bool has_address;   /* and the whole ring lies in the present memory table */
	bool has_kick;	    /* SET_VRING_KICK came, with descriptor or without (polling) */
	bool has_backend;   /* vhost-net: NET_SET_BACKEND said that the ring may run */
	uint64_t desc_user, avail_user, used_user; /* kept: a new memory table translates anew */
	uint64_t desc_gpa, avail_gpa, used_gpa, log_gpa;
	uint32_t addr_flags;
	int kick, call, err; /* owned; -1: none or polling */
	struct {
		uint32_t kick, call, err;
	} stored; /* their numbers in the store; 0 as soon as the descriptor is another one */

	/* Position at the last stop, as in struct hf_lane_vring: where the next owner goes on. At
	 * rest base == base_used. While granted the lane is ahead of it. */
	uint16_t base;
	uint16_t base_used;
	uint16_t leftovers; /* packed: recover.c */

	bool started;	/* implies size, has_address and has_kick: may be granted */
	bool suspended; /* was started, then its memory went: starts again when it is back */
	bool enabled;
	bool broken;
	uint8_t busy;	     /* so often in a row its owner found the directory being written */
	uint8_t lacked;	     /* so often in a row its owner lacked what it takes; unusable.h */
	uint64_t put_off_ns; /* not offered before; 0: it may be */
	bool ahead; /* resumed: it ran by a message that is to be handled again; base is behind that
		     */
	bool call_unsent; /* the owner has an older call descriptor; grant.c only */
	uint64_t setup; /* counts changes of what a VringPrepare says; not call, nor memory table */

	/* Written by grant*.c and revoke.c only. */
	struct secondary *owner; /* NULL: not granted */
	uint32_t lane_entry;
	uint64_t grant;			   /* enabled bit clear; 0: not granted */
	bool by_preparation;		   /* the grant relied on what its owner was sent before */
	bool revoking;			   /* a revocation waits for its owner */
	uint8_t deaths;			   /* of owners, that it is to blame for; blame.h */
	uint64_t forgiven_ns;		   /* broken for them until then; 0: it is not */
	uint64_t counters[HF_NR_COUNTERS]; /* of past grants; the lane has the present one's */

	/* watch.c only: what it saw last. */
	struct {
		uint64_t grant;
		uint64_t bursts;
		uint64_t since_ns; /* in one burst since then; 0: in none */
	} seen;

	struct loop_source kick_source; /* session_vring.c: waits for the first kick */
};

/* Who ran a device before its present owner, until that one was granted it. */
struct lost_owner {
	enum lost_how {
		LOST_NOBODY,
		LOST_DIED,
		LOST_LEFT,
		LOST_HANDED_OVER,
		LOST_UNFLUSHED, /* handed over, but it did not say that its hands are empty */
		LOST_HUNG,
	} how;
	uint64_t since_ns; /* its last possible burst, or when its death was noticed */
	uint64_t id;
	char name[64];
	struct state *state; /* a reference, or NULL */
	bool told;	     /* its successor was sent that, and may not have read it */
};

struct device {
	struct primary *primary;
	struct port *port;
	uint32_t slot; /* in the directory */
	char tag[72];  /* "port NAME", for log lines */

	bool is_vhost_net; /* a ring runs from NET_SET_BACKEND on, whatever its kick says */

	/* From the front-end. */
	uint64_t session; /* 0: no front-end */
	uint64_t features;
	bool features_set;
	uint64_t protocol_features;
	uint16_t mtu;
	uint8_t status;
	bool status_seen;
	struct hf_memtab memory;
	int region_fds[HF_SHM_MAX_REGIONS];	     /* owned, in the table's order */
	uint32_t regions_stored[HF_SHM_MAX_REGIONS]; /* their numbers in the store */
	uint64_t mem_generation;
	int node;
	struct {
		uint32_t now, most; /* that the session has, and once had; headroom.h */
	} descriptors;

	struct vring vrings[HF_SHM_MAX_VRINGS];

	/* Written by grant*.c and revoke.c only. */
	struct secondary *owner; /* who has, or is sent, this device; one for all its vrings */
	uint64_t lacks;		 /* the id of who lacked what it takes too often; 0: nobody */
	bool orphaned;		 /* nobody serves it; was said once */
	bool rarp_unsent;	 /* the owner has not heard of `rarp` */
	uint8_t rarp[6];
	struct lost_owner lost;
	bool moving; /* handover.c's: nobody is granted any of it just now */
};

void device_init(struct device *device, struct primary *primary, struct port *port, uint32_t slot);
/* The session is over and everything is revoked: as after device_init, but mem_generation, the
 * counters and the deaths go on. Closes every descriptor. */
void device_reset(struct device *device);

/* What was put off may be offered at once; but the next wait is as long as it would have been. */
void device_offer_at_once(struct device *device);
/* The same, and as if its rings had never been put off. */
void device_forget_lacks(struct device *device);

/* What the directory says: PORT, SESSION, or READY (memory, and at least one started vring). */
enum hf_shm_device_state device_state(const struct device *device);
/* One more than the highest vring that the front-end has said anything about. */
uint32_t device_nr_vrings(const struct device *device);
/*
 * Copy guest memory out: [gpa, gpa + bytes), which has to lie in one region. Through the region's
 * descriptor, never through a map: a file that the front-end cuts short at this moment is an error
 * here, and would be the end of every guest's primary there. False: it cannot be read.
 */
bool device_read(const struct device *device, uint64_t gpa, void *to, uint64_t bytes);
/* Is any of its vrings granted? */
bool device_is_granted(const struct device *device);
/* Are its rings packed? */
bool device_is_packed(const struct device *device);
/* The position of a ring that was never used. */
uint16_t device_first_base(const struct device *device);
/* Size, address and kick are there; of vhost-net: size, address and backend. */
bool vring_configured(const struct vring *vring);
/* Does the front-end see it as started? */
bool vring_active(const struct vring *vring);

enum ring_fit { RING_FITS, RING_UNKNOWN, RING_MISALIGNED, RING_OUTSIDE, RING_OVERLAPS };

/*
 * Would a ring at these user addresses lie whole inside the memory table, its event words
 * included? RING_UNKNOWN: size (one that the ring's kind may have) or memory is not there yet. On
 * RING_FITS ret_gpa has the addresses of descriptors, available and used ring; of a packed ring
 * those of descriptors, driver and device event suppression.
 */
enum ring_fit vring_fit(const struct vring *vring, uint64_t desc_user, uint64_t avail_user,
			uint64_t used_user, uint64_t ret_gpa[3]);
/* Where a ring that was never used begins. */
void vring_forget_position(struct vring *vring);
/* Translate the kept user addresses anew: has_address and the gpas. A started ring that does not
 * fit any more becomes suspended. Only while it is not granted. */
void vring_locate(struct vring *vring);

#endif
