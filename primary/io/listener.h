/* SPDX-License-Identifier: Apache-2.0 */
/* A listening SOCK_SEQPACKET socket that knows who is at the other end of what it accepts. */
#ifndef PRIMARY_LISTENER_H
#define PRIMARY_LISTENER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "log.h"
#include "loop.h"
#include "peer.h"
#include "rate.h"
#include "users.h"

struct listener {
	/* `socket`, non-blocking, is the callee's, to be closed by listener_drop. */
	void (*accepted)(struct listener *listener, int socket, const struct peer *peer);
	/* Which rule lets him in, below USERS_RULES? -1: none. */
	int (*rule_of)(struct listener *listener, const struct peer *peer);
	/* One has been closed at once: its user has connected too often, or left what hangs. */
	void (*over)(struct listener *listener);
	/* A user is not let in, or nobody, because of what hangs. Called once each time. */
	void (*shut)(struct listener *listener);
	uint32_t rate, burst; /* connections of a user; users.h */
	struct loop *loop;
	int fd;
	struct loop_source source;
	struct loop_timer pause; /* no descriptors: do not ask again at once */
	struct loop_timer look;	 /* at users who are out */
	struct rate turned_out;	 /* the loop's time that it takes to close those */
	struct users users;
	struct hf_log_limit log_limit;
	char path[108];
};

/* Listen on RUN_DIR/FILE. What is above `loop` is set before. 0 or -errno. */
int listener_open(struct listener *listener, struct loop *loop, const char *run_dir,
		  const char *file, mode_t mode);
/* The same with a socket that listens already, and becomes the listener's. */
int listener_adopt(struct listener *listener, struct loop *loop, const char *run_dir,
		   const char *file, int fd);
/* Accept nothing until it is let go: who connects waits in the backlog. */
void listener_hold(struct listener *listener, bool hold);
/* Who came by it: whose doing is what he does? Good until the next one is accepted. */
struct user *listener_user(struct listener *listener, const struct peer *peer);
/* Some of what is charged to him may hang: if that is too much, he is put out. */
void listener_charge(struct listener *listener, const struct peer *peer);
/* Close the socket of one that came by it, whatever it left in there. Four that hang shut the door
 * to its user until they do not. */
void listener_drop(struct listener *listener, int *socket);
/* Say why not, as far as the socket takes it, and close it. */
void listener_turn_away(struct listener *listener, int socket, const ProtobufCMessage *message);
/* Close, and remove the socket's file, when all that came by it are gone. No-op when it is not
 * open.
 */
void listener_close(struct listener *listener);

#endif
