/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * One front-end connection: takes messages through the steps, one at a time, in order.
 *
 *   state      what it waits for            leaves when                     nothing is read while
 *   READING    bytes of a message           a message is whole and handled  -
 *   WAITING    a revocation (of its rings)  the revocation is done          the message is half done
 *   STORING    the store (store_pending)    all descriptors are there       it is done, not answered
 *   REPLYING   room in the peer's socket    the reply is gone               a reply is in the way
 *   ENDING     the last revocation          never: the session is freed     the draft is undone
 *
 * READING → WAITING → READING; a message that is done: READING → STORING → READING, READING →
 * REPLYING → READING, or one after the other; any → ENDING, but a session in WAITING finishes its
 * wait first (the message is then dropped, not carried out).
 *
 * Functions that may end the session free it when nothing has to be waited for: their callers do
 * not touch it afterwards. Handlers never end it, they return VU_REFUSED.
 */
/* clang-format on */
#ifndef PRIMARY_SESSION_H
#define PRIMARY_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "log.h"
#include "loop.h"
#include "rate.h"
#include "refusal.h"
#include "vu_msg.h"
#include "waiting.h"

struct device;
struct memory_draft;
struct port;
struct primary;
struct session;
struct user_allowance;

#define SESSION_REMEMBERED 32u

/* What a handler did. */
enum vu_outcome {
	VU_DONE,    /* acknowledge when asked to */
	VU_REPLIED, /* session_reply_… was called */
	VU_WAITING, /* goes on when a revocation is done */
	VU_REFUSED, /* session_refuse was called; the draft is what it was */
};

typedef enum vu_outcome vu_resume(struct session *session, struct vu_msg *msg);

enum session_state {
	SESSION_READING,
	SESSION_WAITING,
	SESSION_STORING,
	SESSION_REPLYING,
	SESSION_ENDING
};

struct session {
	struct primary *primary;
	struct port *port;
	struct device *device;
	uint64_t number;
	enum session_state state;
	int socket;	 /* owned, non-blocking; of vhost-net a pidfd of its owner, or -1 */
	uint32_t stored; /* its number in the store */
	struct loop_source source;
	struct loop_timer deadline;  /* of a half message, or of a reply that is not taken */
	struct loop_timer pause;     /* not read for a moment: session_socket.c */
	struct loop_timer greeting;  /* until the first message is whole */
	struct user_allowance *user; /* of who is at the socket's other end; NULL: vhost-net */
	uint64_t throttled;	     /* the last message that had to wait for it, from 1; 0: none */

	uint64_t owner_start; /* vhost-net: when the owner's process started */
	bool greeted;	      /* SET_OWNER or GET_FEATURES came */
	bool ready;	      /* DEVICE_READY was said */
	uint64_t offered;     /* features that were ever offered to this front-end */
	uint64_t messages;    /* handled so far */

	struct vu_raw raw; /* READING: as far as it came */
	struct vu_msg msg; /* the one in hand */
	struct {
		uint8_t bytes[sizeof(struct vu_header) + sizeof(uint64_t)];
		size_t len; /* never more than one reply: nothing is read before it is gone */
	} reply;

	struct revocation revocation;
	bool revoked;
	bool in_hand;		    /* a message is: from its check until it is acted on */
	uint64_t message_id;	    /* of the last one in hand; never used twice */
	uint32_t in_socket;	    /* its bytes, not consumed yet; of vhost-net: which request */
	vu_resume *resume;	    /* WAITING: the second half of the message */
	struct memory_draft *next_memory; /* session_mem.c: table that waits to be put in force */
	struct vu_region removed[SESSION_REMEMBERED]; /* session_mem.c: the last ones, a ring */
	uint32_t nr_removed;
	const char *must_end; /* end when the wait (or the take-over, resume.c) is over; why */

	enum refusal refused; /* by session_refuse */
	char refused_detail[96];
	struct hf_log_limit log_limit;
};

/* Between two messages, or before the first. */
static inline bool session_at_rest(const struct session *session)
{
	return session->state == SESSION_READING;
}

static inline bool session_is_ending(const struct session *session)
{
	return session->state == SESSION_ENDING || session->must_end;
}

#endif
