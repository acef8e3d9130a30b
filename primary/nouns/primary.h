/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primary's whole state: one of these, main's own, handed down.
 *
 * Ownership goes downwards only:
 *   primary > ports > device (+ its vrings) and session
 *   primary > secondaries
 *   primary > events, control connections
 * A port's device lives as long as the port; a session as long as its connection.
 */
#ifndef PRIMARY_PRIMARY_H
#define PRIMARY_PRIMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "directory.h"
#include "memory.h"
#include "rate.h"

struct loop;
struct port;
struct secondary;
struct events;
struct attach;
struct control;
struct history;
struct journal;
struct store;
struct watch;
struct watchdog;
struct user_allowance;
struct cuse_look;

/* What was survived so far; `holdfast stats`. */
struct continuity {
	uint64_t takeovers; /* devices, after a death */
	uint64_t handovers; /* devices, in good order */
	uint64_t fencings;  /* secondaries */
	uint64_t longest_takeover_ns;
	uint64_t longest_handover_ns;
};

/* What this life found of those before it. */
struct resumed {
	uint64_t life; /* 1: nothing, it is the first */
	uint32_t sessions, secondaries;
};

/* At the memory of callers of devices; cuse_look.c. */
struct looks {
	uint32_t running;
	struct cuse_look *runs;	 /* these */
	struct cuse_look *first; /* of those in line for a place */
	struct rate loop_time;	 /* that they cost */
};

struct primary {
	const struct conf *conf;
	struct loop *loop;
	struct hf_memory directory_memory;
	struct hf_directory directory;
	struct port **ports;		/* by directory slot: [max_devices], NULL where free */
	struct port *ports_left;	/* ports.c: removed, and what they were sent hangs */
	struct secondary **secondaries; /* by slot: [max_secondaries] */
	struct user_allowance *users;	/* [max_devices], or NULL; allowance.c */
	struct events *events;
	struct history *history; /* NULL: events and totals end with us */
	struct attach *attach;
	struct control *control;
	struct watchdog *watchdog;	/* NULL: nobody asks */
	struct store *store;		/* NULL: unit tests */
	struct journal *journal;	/* the same */
	struct revocation *revocations; /* active ones; revoke.c */
	struct handover *handovers;	/* under way; handover.c */
	struct upgrade *upgrade;	/* NULL: unit tests */
	struct watch *watch;		/* NULL: nobody is taken to hang */
	bool holding;			/* nothing new is begun: upgrade.c */
	uint64_t next_grant;		/* grants are never used twice; odd values never occur */
	uint64_t next_session;		/* nor sessions */
	uint64_t next_flush;		/* nor flushes; 0 is none */
	uint64_t next_secondary;
	uint64_t features_enabled; /* offered to every port: implemented minus disabled */
	uint64_t started_ns;
	struct continuity continuity;
	struct resumed resumed;
	struct looks looks;
	uint64_t refusals[64]; /* by enum refusal (refusal.h): all ports together */
};

#endif
