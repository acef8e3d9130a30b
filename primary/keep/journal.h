/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primary's own memory, for who comes after it (docs/continuity.md). All of these do nothing
 * without a journal: in unit tests.
 */
#ifndef PRIMARY_JOURNAL_H
#define PRIMARY_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "journal_layout.h"
#include "memory.h"
#include "once.h"

struct port;
struct primary;
struct secondary;
struct session;
struct store;
struct vring;

struct device;

struct journal {
	struct hf_memory memory;
	struct journal_header *header;
	struct once once;
};

/* A fresh one, stored. 0 or -errno. */
int journal_create(struct primary *primary);
/* The one an earlier life left. -ENOENT: none; -EPROTO: of another version, -EINVAL: damaged (both
 * said); -errno. */
int journal_adopt(struct primary *primary);
void journal_close(struct primary *primary);

/* --- for whoever changes something; before the step that relies on it --- */

/* next_grant, next_session, next_secondary, features_enabled changed. */
void journal_numbers(struct primary *primary);
/* The listening socket of `attach` or `control`. */
void journal_listener(struct primary *primary, bool control, int fd);

/* That of an earlier life, if it can still be reached; the caller's. -1: none. */
int journal_take_listener(struct primary *primary, bool control);
/* Listeners that an earlier life stored and died before it named them: before anything listens. */
void journal_drop_listeners(struct primary *primary);

/* Write every port that is between two messages, and look: is everything stored that a successor
 * would need? Not when descriptors were short, and still are. */
bool journal_whole(struct primary *primary);

/* The port, its session or its device changed. Not while a message is in hand: that ends with
 * journal_message. */
void journal_port(struct port *port);
/* It is going to be removed: a successor finishes that. Also while a message is in hand. */
void journal_removing(struct port *port);
void journal_port_gone(struct port *port);
/* vring->base is new: before the directory forgets whose lane had it. */
void journal_position(const struct vring *vring);

/* The session is going to be ended: a successor that finds it goes on with that. */
void journal_ending(struct session *session);

/* From here on, until it is said of 0, a crash is taken for the work of this session. Said of 0 is
 * also what is handled by nobody. */
void journal_handling(struct primary *primary, uint64_t session);
/* The primary died and its successor has the session: how often in a row was it handled then? Once
 * a life. */
uint32_t journal_count_deaths(struct session *session);

/* A message is going to be acted on. */
void journal_begin(struct session *session);
/* It was: its descriptors go to the store. Are they safe there? If not, at the store's `drained`.
 */
bool journal_store(struct session *session);
/* The draft as it is now, and the answer that is still to be sent. */
void journal_acted(struct session *session);
/* What a message had begun when its primary died is undone. */
void journal_clean(struct session *session);
void journal_answered(struct session *session);
void journal_consumed(struct session *session);

/* A cuse device was asked something; or it is answered (len 0). */
void journal_request(struct port *port, uint32_t at, uint64_t unique, const void *bytes,
		     uint32_t len);
/* It was interrupted, which the kernel says once. */
void journal_interrupted(struct port *port, uint32_t at);
bool journal_was_interrupted(const struct journal_request *record);

/* It is attached, and everything that is needed to find it again is stored. 0 or -ENOMEM. */
int journal_secondary(struct secondary *secondary);
void journal_secondary_gone(struct secondary *secondary);
void journal_welcomed(struct secondary *secondary);
/* It said Bye, or its socket is about to be shut: `how` is JOURNAL_SAID_BYE or JOURNAL_CUT_OFF. The
 * next life cannot see who closed it, and asks it for nothing more. */
void journal_parting(struct secondary *secondary, uint32_t how);
/* Its state for a successor, or that it is drained, changed. */
void journal_secondary_words(struct secondary *secondary);
/* device->rarp is to be announced by who runs the device, who may not have heard of it yet; or has.
 */
void journal_rarp(const struct device *device, bool pending);
/* device->lost changed. */
void journal_lost(struct device *device);
/* About to be sent memory of this device in this session. */
void journal_sent(struct secondary *secondary, uint32_t device, uint64_t session);
/* It says that it has let go of that. `device` is its word, any number. */
void journal_retired(struct secondary *secondary, uint32_t device, uint64_t session);
/* Was it sent memory that it did not say Retired of? False without a journal. */
bool journal_has_sent(const struct secondary *secondary);
/* A lane entry is taken, or free (session 0). */
void journal_lane(struct secondary *secondary, uint32_t entry, uint32_t device, uint64_t session,
		  uint32_t vring);

/* --- for whoever takes over --- */

/* How many primaries there were before this one. */
uint64_t journal_life(const struct primary *primary);

struct once *journal_once(struct primary *primary);
struct journal_slot *journal_slot(const struct primary *primary, uint32_t device);
/* NULL: no port here. */
const struct journal_port *journal_valid_port(const struct primary *primary, uint32_t device);
struct journal_secondary *journal_secondary_at(const struct primary *primary, uint32_t slot);
/* Could a primary have written that? journal_check.c */
bool journal_port_sound(const struct journal_port *record);
bool journal_secondary_sound(const struct journal_secondary *record);
uint64_t *journal_sent_of(struct journal_secondary *record);
void journal_each_number(struct store *store, const struct journal_port *copy,
			 void (*visit)(struct store *store, uint32_t number));
struct journal_lane *journal_lanes_of(const struct primary *primary,
				      struct journal_secondary *record);

#endif
