/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout of the journal: what a primary that takes over needs and the directory does not say. Only
 * primaries map it. Everything is a copy; nothing is worked on in place.
 *
 * A port is written whole into the one of its two copies that is not `valid`, and then made valid
 * by one store. Single words stand beside the copies where less than a whole copy changes.
 * Descriptors are numbers of the store; 0: there is none, JOURNAL_NOT_KEPT: there is, and it could
 * not be kept, so what needs it ends with its primary.
 *
 * A successor of another JOURNAL_VERSION, or whose structures have other sizes, refuses.
 */
#ifndef PRIMARY_JOURNAL_LAYOUT_H
#define PRIMARY_JOURNAL_LAYOUT_H

#include <stdint.h>

#include "layout.h"
#include "vu_wire.h"

#define JOURNAL_MAGIC	 0x314c4e524a534648ull /* "HFSJRNL1" */
#define JOURNAL_VERSION	 2u
#define JOURNAL_REMOVED	 32u
#define JOURNAL_GLOBS	 64u
#define JOURNAL_TEXT	 128u
#define JOURNAL_REPLY	 24u
#define JOURNAL_REQUESTS 8u /* of a cuse device, unanswered */
#define JOURNAL_REQUEST	 2176u
#define JOURNAL_PIPES	 6u
#define JOURNAL_NOT_KEPT UINT32_MAX
#define JOURNAL_RARP	 (1ull << 63)
#define JOURNAL_POSITION (1ull << 63)
#define JOURNAL_AHEAD	 (1ull << 62) /* vring->ahead, for who finds it */

/* once.h */
struct journal_once {
	uint64_t sending;
	uint64_t consuming;
	uint64_t taking; /* 1 + the slot of the device whose request is taken */
};

struct journal_vring {
	uint64_t desc_user, avail_user, used_user, log_gpa;
	uint32_t addr_flags;
	uint32_t kick, call, err;
	uint16_t size;
	uint8_t address_given, has_kick, started, suspended, enabled, broken;
	uint8_t has_backend;
	uint8_t deaths; /* of owners, that it is to blame for */
	uint8_t reserved[6];
};

/* The message that is being answered; 0: none was since the session began. */
struct journal_message {
	uint64_t id;
	uint32_t bytes; /* in the socket; of a cuse device: which request */
	uint32_t reply_bytes;
	uint8_t reply[JOURNAL_REPLY];
};

struct journal_port {
	char name[64];
	char path[108];
	uint32_t queue_pairs;
	uint64_t features_disabled;
	uint64_t sessions;
	uint64_t refused_messages;
	uint64_t last_features, last_session;
	uint64_t socket_dev, socket_ino;
	uint32_t listener;
	uint8_t client;
	uint8_t greeted, ready, features_set, status, status_seen;
	uint8_t cuse; /* a device, not a socket */
	uint8_t reserved0[1];

	uint64_t session; /* 0: no front-end; what follows is nothing then */
	uint64_t offered;
	uint64_t messages;
	uint64_t features;
	uint64_t protocol_features;
	uint64_t mem_generation;
	uint32_t socket;
	int32_t node;
	uint32_t nr_regions;
	uint32_t nr_vrings;
	uint32_t nr_removed;
	uint16_t mtu;
	uint16_t descriptors_most; /* that the session once had */
	uint64_t opening;	   /* vhost-cuse only, as the next two */
	uint64_t owner_start;
	int32_t peer_pid;
	uint32_t reserved2;
	struct journal_message message;
	struct vu_region removed[JOURNAL_REMOVED];
	struct hf_shm_region regions[HF_SHM_MAX_REGIONS];
	uint32_t region_fds[HF_SHM_MAX_REGIONS + 1];
	struct journal_vring vrings[HF_SHM_MAX_VRINGS];
};

/* device->lost; `id` is written last and cleared first. */
struct journal_lost {
	uint64_t id; /* 0: nobody */
	uint64_t since_ns;
	uint32_t how;
	uint32_t state;
	char name[64];
};

/* A request that a cuse device was asked, unanswered; `unique` is written last and cleared first.
 */
struct journal_request {
	uint64_t unique; /* 0: none */
	uint32_t len;
	uint32_t interrupted; /* the low half of `unique`, when it was while it was looked for */
	uint8_t bytes[JOURNAL_REQUEST];
};

struct journal_slot {
	uint32_t valid;	   /* 1 or 2: that copy; 0: no port, and the words below say nothing */
	uint32_t dirty;	   /* a message was begun: what stands in the directory may be ahead */
	uint64_t answered; /* ids, which only grow */
	uint64_t consumed;
	uint64_t ending;   /* the session of this number is being ended, whatever the copies say */
	uint32_t removing; /* the port is */
	uint32_t deaths;   /* of primaries in a row while they handled its session */
	uint64_t rarp; /* JOURNAL_RARP | the address, which its owner may not have heard of; or 0 */
	/* JOURNAL_POSITION | JOURNAL_AHEAD or not | leftovers << 32 | base_used << 16 | base:
	 * always the newest. */
	uint64_t positions[HF_SHM_MAX_VRINGS];
	struct journal_lost lost;
	struct journal_request requests[JOURNAL_REQUESTS];
	struct journal_port copies[2];
};

/* A listening socket and the file it is bound to; `number` is written last. */
struct journal_listener {
	uint64_t dev, ino;
	uint32_t number;
	uint32_t reserved;
};

/* A lane entry in use; `session` is written last and cleared first. */
struct journal_lane {
	uint64_t session;
	uint32_t device;
	uint32_t vring;
};

/* journal_secondary.parting */
enum { JOURNAL_STAYS, JOURNAL_SAID_BYE, JOURNAL_CUT_OFF };

/* Written once but the live words; `id` last. Behind it: uint64_t sent[max_devices],
 * journal_lane[lane entries]. */
struct journal_secondary {
	uint64_t id; /* 0: free */
	uint64_t attached_ns;
	char name[64];
	char version[32];
	uint32_t role;
	int32_t priority;
	uint32_t nr_globs;
	uint32_t membarrier;
	int32_t pid;
	uint32_t uid;
	uint64_t start; /* process.h: with pid, which process it is */
	uint32_t socket, pidfd, lane;
	uint32_t lane_entries;
	uint32_t welcomed, draining, state, parting; /* live words */
	char globs[JOURNAL_GLOBS][JOURNAL_TEXT];
};

struct journal_header {
	uint64_t magic;
	uint32_t version;
	uint32_t abi_major;
	uint64_t size;
	uint64_t port_bytes; /* of these structures, as compiled */
	uint64_t secondary_bytes;
	uint32_t max_devices;
	uint32_t max_secondaries;
	uint64_t lane_bytes;
	uint64_t ports_offset;
	uint64_t secondaries_offset;
	uint64_t secondary_stride;
	uint64_t lives;

	/* Live words. */
	uint64_t next_grant, next_session, next_secondary, next_message;
	uint64_t features_enabled;
	struct journal_listener attach_listener, control_listener;
	uint32_t pipes[JOURNAL_PIPES];
	uint32_t pipes_stored;
	uint32_t configured; /* the command line's ports were made */
	struct journal_once once;
	uint64_t upgrades; /* of the lives */
	uint64_t longest_upgrade_ns;
	uint32_t history; /* the descriptor of what is told of the past; 0: none */
	uint32_t reserved;
	uint64_t handling; /* the session that is handled at this moment; 0: none */
};

#endif
