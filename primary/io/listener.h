/* SPDX-License-Identifier: Apache-2.0 */
/* A listening SOCK_SEQPACKET socket that knows who is at the other end of what it accepts. */
#ifndef PRIMARY_LISTENER_H
#define PRIMARY_LISTENER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "loop.h"
#include "peer.h"

struct listener {
	/* `socket`, non-blocking, is the callee's. */
	void (*accepted)(struct listener *listener, int socket, const struct peer *peer);
	struct loop *loop;
	int fd;
	struct loop_source source;
	struct loop_timer pause; /* no descriptors: do not ask again at once */
	char path[108];
};

/* Listen on RUN_DIR/FILE. `accepted` is set before. 0 or -errno. */
int listener_open(struct listener *listener, struct loop *loop, const char *run_dir,
		  const char *file, mode_t mode);
/* The same with a socket that listens already, and becomes the listener's. */
int listener_adopt(struct listener *listener, struct loop *loop, const char *run_dir,
		   const char *file, int fd);
/* Accept nothing until it is let go: who connects waits in the backlog. */
void listener_hold(struct listener *listener, bool hold);
/* Say why not, as far as the socket takes it, and close it. */
void listener_turn_away(int socket, const ProtobufCMessage *message);
/* Close, and remove the socket's file. No-op when it is not open. */
void listener_close(struct listener *listener);

#endif
