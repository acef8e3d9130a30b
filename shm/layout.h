/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout of the directory and of a lane: the contract between processes. docs/shm-layout.md says
 * the same as a protocol, with the version rules.
 *
 * No pointers: offsets and indices only. Readers find everything by the offsets and strides of
 * the header, so a newer minor version may append fields. A change of meaning or place is a new
 * major version, and a reader of another major version refuses.
 */
#ifndef SHM_LAYOUT_H
#define SHM_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"

#define HF_DIRECTORY_MAGIC 0x3152494454534648ull /* "HFSTDIR1" */
#define HF_LANE_MAGIC	   0x31454e414c534648ull /* "HFSLANE1" */
#define HF_ABI_MAJOR	   4u
#define HF_ABI_MINOR	   1u

#define HF_SHM_MAX_REGIONS 509u /* what CONFIGURE_MEM_SLOTS answers */
#define HF_SHM_MAX_VRINGS  256u /* 128 queue pairs */
#define HF_SHM_NAME_BYTES  64u	/* with the NUL */
#define HF_SHM_NO_OWNER	   UINT32_MAX
#define HF_SHM_LINE	   64u

/* First page of the directory. Written once, before any descriptor of it leaves the primary. */
struct hf_shm_header {
	uint64_t magic;
	uint16_t abi_major;
	uint16_t abi_minor;
	uint32_t header_bytes;
	uint64_t size;	/* bytes of the whole directory */
	uint64_t epoch; /* made new with the directory: tells one primary's life from the next */
	uint32_t page_bytes;
	int32_t node; /* NUMA node it was placed on, -1 unknown */
	uint32_t max_devices;
	uint32_t max_secondaries;
	uint64_t devices_offset;
	uint64_t device_stride;
	uint64_t secondaries_offset;
	uint64_t secondary_stride;
	uint32_t max_regions; /* of a device, as laid out */
	uint32_t max_vrings;
	/*
	 * Grant words: one row for each vring number, in it one word for each device. A switch that
	 * goes from device to device finds eight of them in a line. Of vring v of device d:
	 * grants_offset + v * grant_row_stride + d * 8.
	 */
	uint64_t grants_offset;
	uint64_t grant_row_stride;
};
static_assert(sizeof(struct hf_shm_header) == 104, "ABI");

/* One entry of a memory table. Under the device's seq. */
struct hf_shm_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user_addr;   /* the front-end's address; ring addresses come in it */
	uint64_t file_offset; /* of the region's first byte in its descriptor */
	uint64_t file_id;     /* tells descriptors of one file apart from others: dev ^ inode */
	uint32_t page_bytes;  /* of the file behind it */
	int32_t node;	      /* NUMA node of its first page, -1 unknown */
	uint64_t reserved[2];
};
static_assert(sizeof(struct hf_shm_region) == 64, "ABI");

/* hf_shm_vring.flags */
enum {
	HF_VRING_CONFIGURED = 1u << 0, /* num, addr and kick are there */
	HF_VRING_STARTED = 1u << 1,    /* by a kick, or by SET_VRING_KICK without descriptor */
	HF_VRING_ENABLED = 1u << 2,    /* by SET_VRING_ENABLE, or by lack of feature bit 30 */
	HF_VRING_PACKED = 1u << 3,
	HF_VRING_HAS_KICK = 1u << 4,
	HF_VRING_HAS_CALL = 1u << 5,
	HF_VRING_HAS_ERR = 1u << 6,
	HF_VRING_BROKEN = 1u << 7, /* its owner met a BREAK reason */
	HF_VRING_LOG = 1u << 8,	   /* the used ring is logged at log_gpa */
};

/*
 * A grant word, in its row: (generation << 1) | enabled, or 0 for nobody. Read by every burst of
 * the owner, written by the primary on grant, revoke and enable only: so that a line of eight is as
 * good as never written. Generations are never used twice in a directory. Not under seq.
 */
typedef uint64_t hf_shm_grant;

struct hf_shm_vring {
	uint32_t owner;	     /* secondary slot, or HF_SHM_NO_OWNER. Not under seq */
	uint32_t lane_entry; /* in the owner's lane; never 0 once granted. Not under seq */

	/* Under the device's seq. */
	uint64_t desc_gpa;  /* packed: descriptor ring */
	uint64_t avail_gpa; /* packed: driver event suppression */
	uint64_t used_gpa;  /* packed: device event suppression */
	uint64_t log_gpa;
	uint32_t flags;
	uint16_t size; /* entries */
	/* SET_VRING_BASE, as in hf_lane_vring: next available and next used place. At rest they are
	 * the same. */
	uint16_t base;
	uint16_t base_used;
	uint16_t reserved1;
	uint32_t inflight_offset; /* place kept for the in-flight area */
	uint64_t reserved2;
};
static_assert(sizeof(struct hf_shm_vring) == 64, "ABI");

enum hf_shm_device_state {
	HF_DEVICE_FREE = 0,
	HF_DEVICE_PORT = 1,    /* configured, no front-end */
	HF_DEVICE_SESSION = 2, /* a front-end is connected */
	HF_DEVICE_READY = 3,   /* memory is there and at least one vring started */
};

struct hf_shm_device {
	uint32_t seq;		 /* odd while the primary writes; shm/seq.h */
	uint32_t state;		 /* enum hf_shm_device_state */
	uint64_t generation;	 /* counts publications of this slot */
	uint64_t mem_generation; /* changes with the memory table */
	uint64_t session;	 /* number of the session, never used twice; 0 none */
	uint64_t features;	 /* acknowledged virtio features */
	uint64_t protocol_features;
	uint32_t nr_regions;
	uint32_t nr_vrings; /* one more than the highest configured */
	uint32_t kind;	    /* 0 vhost-user, 1 vhost-cuse */
	int32_t node;	    /* of most of the memory */
	uint16_t mtu;
	uint8_t status; /* virtio device status, as SET_STATUS gave it */
	uint8_t reserved0[5];
	uint64_t log_offset; /* place kept for the dirty log */
	uint64_t log_size;
	uint64_t inflight_offset; /* place kept for the in-flight area */
	uint64_t inflight_size;
	char name[HF_SHM_NAME_BYTES];
	uint64_t reserved1[11];
	struct hf_shm_region regions[HF_SHM_MAX_REGIONS + 3];
	struct hf_shm_vring vrings[HF_SHM_MAX_VRINGS];
};
static_assert(sizeof(struct hf_shm_device) % HF_SHM_LINE == 0, "ABI");
static_assert(offsetof(struct hf_shm_device, vrings) % HF_SHM_LINE == 0, "a line each");

enum hf_shm_secondary_state {
	HF_SECONDARY_FREE = 0,
	HF_SECONDARY_ATTACHED = 1,
	HF_SECONDARY_DRAINING = 2,
};

/* Written by the primary when a secondary comes and goes. */
struct hf_shm_secondary {
	uint32_t state;
	uint32_t role; /* enum hf_role */
	int32_t pid;
	uint32_t uid;
	uint64_t id;	      /* never used twice */
	uint64_t attached_ns; /* CLOCK_MONOTONIC */
	uint32_t lane_entries;
	int32_t priority;
	char name[HF_SHM_NAME_BYTES];
	uint64_t reserved[3];
};
static_assert(sizeof(struct hf_shm_secondary) == 128, "ABI");

/* First entry of a lane. Written by the primary before the lane's descriptor leaves it. */
struct hf_lane_header {
	uint64_t magic;
	uint16_t abi_major;
	uint16_t abi_minor;
	uint32_t entry_bytes;
	uint32_t entries; /* this header is entry 0 and is counted */
	uint32_t reserved0;
	uint64_t secondary_id;
	uint64_t
		heartbeat_ns; /* secondary's control thread: CLOCK_MONOTONIC of its last dispatch */
};

/* hf_lane_vring.intent; what the packed ones mean for recovery is in primary/grant/recover.c */
enum {
	HF_INTENT_NONE = 0,
	HF_INTENT_DEQUEUE = 1, /* split: intent_count used entries are about to be published */
	HF_INTENT_ENQUEUE = 2,
	HF_INTENT_PACKED_SINGLES = 3, /* packed: intent_count buffers of one descriptor, in order */
	HF_INTENT_PACKED_GROUP =
		4, /* packed: buffers that take intent_count descriptors, at once */
};
/* A run of HF_INTENT_PACKED_SINGLES is no longer. */
#define HF_PACKED_RUN 64u

/*
 * A secondary's words for one vring that it was granted. The primary reads them as hostile input.
 *
 * An entry belongs to one vring of one session from its first grant until the secondary has
 * answered DeviceRetire (or is dead), also between grants: a data thread that was preempted just
 * before its `busy = 1; look; busy = 0` may come back after a revocation, and must not clear the
 * `busy` of another vring whose burst is under way.
 */
struct hf_lane_vring {
	/* Line 0: written by the data thread that runs the vring. */
	uint32_t busy;	  /* 1 while a burst may touch the ring or guest memory */
	uint32_t running; /* control thread: the vSwitch's RUNNING flag */
	/*
	 * Where the last burst ended, and what the one in progress is about to publish. One aligned
	 * word: on a packed ring nothing but the lane tells them apart, so it changes as a whole.
	 */
	union {
		struct {
			uint16_t avail;	 /* next available: split: index; packed: place | wrap << 15
					  */
			uint16_t used;	 /* next used, alike */
			uint16_t intent; /* HF_INTENT_… */
			uint16_t intent_count; /* split: entries, packed: descriptors */
		};
		uint64_t position;
	};
	uint16_t broken; /* the BREAK counter's number + 1, or 0 */
	uint16_t reserved0;
	uint32_t looks; /* into the ring that are not counted as bursts; for change only */
	/* One writer, any reader. Those that every burst counts are in line 0, sizes in line 1. */
	uint64_t counters[60];
	uint64_t grant; /* the grant the position belongs to */
	/* An odd number of lines in all: the first ones of all entries would share a few sets of
	 * every cache otherwise. */
	uint64_t reserved2[8];
};
static_assert(sizeof(struct hf_lane_vring) == 576, "ABI");
static_assert(offsetof(struct hf_lane_vring, position) == 8, "one whole store");
static_assert(HF_NR_COUNTERS <= 60, "counters fit their place");
static_assert(offsetof(struct hf_lane_vring, counters[HF_COUNTER_UNDERSIZE_PACKETS]) == HF_SHM_LINE,
	      "what every burst counts is in line 0");
static_assert(sizeof(struct hf_lane_header) <= sizeof(struct hf_lane_vring), "entry 0");

#endif
