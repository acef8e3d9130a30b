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

#include "guestmap.h"
#include "layout.h"
#include "loop.h"
#include "memtab.h"

struct primary;
struct secondary;
struct port;
struct device;

struct vring {
	struct device *device;
	uint16_t index;

	/* From the front-end. */
	uint16_t size;		/* 0: SET_VRING_NUM did not come */
	bool has_address;	/* SET_VRING_ADDR came and was good */
	bool has_kick;		/* SET_VRING_KICK came, with descriptor or without (polling) */
	uint64_t desc_user, avail_user, used_user; /* kept: a new memory table translates anew */
	uint64_t desc_gpa, avail_gpa, used_gpa, log_gpa;
	uint32_t addr_flags;
	int kick, call, err; /* owned; -1: none or polling */

	/* Position at the last stop: where the next owner goes on. Split: base == base_used at
	 * rest. While granted the lane is ahead of it. */
	uint16_t base;
	uint16_t base_used;
	uint16_t wrap; /* packed: bit 0 avail, bit 1 used */

	bool started;
	bool enabled;
	bool broken;

	/* Written by grant.c only. */
	struct secondary *owner; /* NULL: not granted */
	uint32_t lane_entry;
	uint64_t grant;	   /* enabled bit clear; 0: not granted */
	bool revoking;	   /* a revocation waits for its owner */
	uint64_t counters[HF_NR_COUNTERS]; /* of past grants; the lane has the present one's */

	struct loop_source kick_source; /* session_vring.c: waits for the first kick */
};

struct device {
	struct primary *primary;
	struct port *port;
	uint32_t slot; /* in the directory */
	char tag[72];  /* "port NAME", for log lines */

	/* From the front-end. */
	uint64_t session; /* 0: no front-end */
	uint64_t features;
	bool features_set;
	uint64_t protocol_features;
	uint16_t mtu;
	uint8_t status;
	bool status_seen;
	struct hf_memtab memory;
	int region_fds[HF_SHM_MAX_REGIONS]; /* owned, in the table's order */
	uint64_t mem_generation;
	struct hf_guestmap *map; /* of `memory`, in this process; NULL without memory */
	int node;

	struct vring vrings[HF_SHM_MAX_VRINGS];

	/* Written by grant.c only. */
	struct secondary *owner; /* who has, or is sent, this device; one for all its vrings */
	bool orphaned;		 /* nobody serves it; was said once */
};

#endif
