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

#include "grant.h"
#include "log.h"
#include "loop.h"
#include "rate.h"
#include "refusal.h"
#include "vu_check.h"
#include "vu_recv.h"
#include "vu_table.h"

struct device;
struct memory_draft;
struct port;
struct primary;
struct user_allowance;

#define SESSION_ALL_VRINGS (-1)
#define SESSION_REMEMBERED 32u

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
	struct loop_timer pause;     /* not read for a moment: session.c */
	struct loop_timer greeting;  /* until the first message is whole */
	struct rate revocations;     /* that it may cause */
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
	const struct vu_rule *rule; /* of vhost-net's message in hand; NULL: vhost-user */
	vu_resume *resume;	    /* WAITING: the second half of the message */
	struct memory_draft *next_memory; /* session_mem.c: table that waits to be put in force */
	struct vu_region removed[SESSION_REMEMBERED]; /* session_mem.c: the last ones, a ring */
	uint32_t nr_removed;
	const char *must_end; /* end when the wait (or the take-over, resume.c) is over; why */

	enum refusal refused; /* by session_refuse */
	char refused_detail[96];
	struct hf_log_limit log_limit;
};

/* A front-end is connected; `socket` is the session's from now on, also on failure. 0 or -errno. */
int session_create(struct port *port, int socket);
/* The parts of session_create, for one that lives already (resume.c): memory, not in the loop. */
struct session *session_new(struct port *port, int socket);
int session_watch(struct session *session);
/* Go on where an earlier life stopped. `revoke`: what is granted does not agree with the draft, so
 * all rings are taken back first. May end it. */
void session_take_over(struct session *session, bool revoke);
/* What it waited for is in the store. May end it. */
void session_stored(struct session *session);
/* End it; port_session_ended is called when all is revoked, maybe before this returns. */
void session_end(struct session *session, const char *why);
/* At the end of the primary's life: free without waiting and without telling the port. */
void session_destroy(struct session *session);
/* Between two messages, or before the first. */
static inline bool session_at_rest(const struct session *session)
{
	return session->state == SESSION_READING;
}
/* Has the other side closed (whatever is left to read)? */
bool session_peer_gone(const struct session *session);

/* --- for cuse*.c --- */

/* Carry out the message in session->raw; only at rest. May end it. */
void session_handle(struct session *session, const struct vu_rule *rule, uint32_t request);
/* For how long the next message has to wait; 0: not at all. */
uint64_t session_pause_ns(struct session *session);

/* --- for session.c --- */

/* Count, log, tell: the same for a message and for a stream that cannot be followed. */
void session_report_refusal(struct session *session, const char *what);
/* Send what is left of the reply. 0: all gone; -EAGAIN; or another -errno: the peer is gone. */
int session_flush(struct session *session);

/* --- for handlers --- */

/* Say no. Always returns VU_REFUSED. */
enum vu_outcome session_refuse(struct session *session, enum refusal reason, const char *format,
			       ...) __attribute__((format(printf, 3, 4)));
/* Queue the answer. Always return VU_REPLIED. */
enum vu_outcome session_reply_u64(struct session *session, uint64_t value);
/* A no, for who is always told why. */
enum vu_outcome session_reply_error(struct session *session, int error);
enum vu_outcome session_reply_state(struct session *session, uint32_t index, uint32_t num);
/* Take back one vring or all, then go on in `resume`, maybe before this returns. */
enum vu_outcome session_revoke(struct session *session, int vring, vu_resume *resume);
/* The same in two halves, for a revocation that another call starts: it gets what
 * session_prepare returns, and session_await goes on when that is done. */
struct revocation *session_prepare(struct session *session);
enum vu_outcome session_await(struct session *session, vu_resume *resume);

/* The draft changed: start what can start (one vring or all), publish, grant. */
void session_settle(struct session *session, int vring);

/* session_vring.c */
/* Start the ring if everything is there and the guest has, or may have, put something into it;
 * else wait for its kick. */
void vring_try_start(struct session *session, struct vring *vring);
/* The front-end does not see it as started any more. Its revocation is the caller's. */
void vring_stop(struct session *session, struct vring *vring);
/* Stopped and revoked: a kick that comes now belongs to nothing, the front-end sends a descriptor
 * anew when it starts the ring again. What broke it is forgiven. */
void vring_rest(struct vring *vring);

/* session_mem.c */
void memory_draft_free(struct memory_draft *draft);

typedef enum vu_outcome vu_handler(struct session *session, struct vu_msg *msg);
/* session_features.c */
vu_handler vu_get_features, vu_set_features, vu_set_owner, vu_reset_owner;
vu_handler vu_get_protocol_features, vu_set_protocol_features, vu_get_queue_num;
vu_handler vu_send_rarp, vu_net_set_mtu, vu_set_status, vu_get_status;
/* session_mem.c */
vu_handler vu_set_mem_table, vu_get_max_mem_slots, vu_add_mem_reg, vu_rem_mem_reg;
/* session_vring.c */
vu_handler vu_set_vring_num, vu_set_vring_addr, vu_set_vring_base, vu_get_vring_base;
vu_handler vu_set_vring_kick, vu_set_vring_call, vu_set_vring_err, vu_set_vring_enable;
vu_handler vu_net_set_backend;

#endif
