/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How front-ends come to a port: by a socket (vhost-user), or by a character device (cuse.h). What
 * a port and its session need of it; NULL: nothing is to be done there.
 */
#ifndef PRIMARY_DOOR_H
#define PRIMARY_DOOR_H

#include <stdint.h>

#include "refusal.h"

struct port;
struct session;

struct door {
	uint32_t max_regions; /* in one message */

	/* --- of the port --- */
	/* It is new. 0, -ENOMEM; -EOPNOTSUPP: not in this build. */
	int (*make)(struct port *port);
	/* Let front-ends come. 0 or -errno with *ret_reason. */
	int (*open)(struct port *port, const char **ret_reason);
	/* Its retry timer fired. */
	void (*retry)(struct port *port);
	/* Before its listener is closed. */
	void (*close)(struct port *port);
	/* The session is over and everything is revoked; port_session_over comes first. */
	void (*session_ended)(struct port *port);
	/* Before the port is freed. */
	void (*free)(struct port *port);

	/* --- of the session --- */
	/* It begins, or goes on after a death: hear of its front-end. 0 or -errno. */
	int (*begin)(struct session *session);
	/* RESET_OWNER: forget who it is of. */
	void (*disown)(struct session *session);
	/* The next message may come, or none. 0 or -errno. */
	int (*listen)(struct session *session);
	void (*rest)(struct session *session);
	/* Send session->reply. 0: all gone; -EAGAIN; or another -errno: the peer is gone. */
	int (*send)(struct session *session);
	/* The message is done with. 0; -errno: it would come once more. */
	int (*consume)(struct session *session);
	/* What a refused asker is told: -errno. NULL: whether it is told the message says. */
	int (*error)(enum refusal reason);
};

/* In port/port_socket.c, and cuse/. */
extern const struct door vhost_user_door, vhost_net_door;

#endif
