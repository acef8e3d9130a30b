/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second door: a character device /dev/NAME that takes the ioctls of the kernel's vhost-net.
 * What they say goes the way of a vhost-user message (docs/cuse.md).
 *
 * Everything here is of one port, whose `listener` is the device's descriptor. In a build without
 * it (meson: cuse) there is cuse_absent.c.
 */
#ifndef PRIMARY_CUSE_H
#define PRIMARY_CUSE_H

#include <stdbool.h>

#include "refusal.h"

struct conf;
struct port;
struct primary;
struct session;

/* --- for port.c and resume.c --- */

/* The port is one of this kind from now on. 0, -ENOMEM, -EOPNOTSUPP. */
int cuse_new(struct port *port);
/* Make what conf->ports names, while we may; cuse_open takes it from there. `again`: an earlier
 * life may have made it. 0 or -errno, said. */
int cuse_make_early(struct conf *conf, bool again);
/* Give up what it has made for ports that are not there. */
void cuse_drop_early(struct primary *primary);
/* Make the device; port->listener is its descriptor then. 0 or -errno with *ret_reason. */
int cuse_open(struct port *port, const char **ret_reason);
/* Requests that an earlier life has left: before any device is read. */
void cuse_restore(struct port *port);
/* Listen to port->listener. */
void cuse_go_on(struct port *port);
/* The session is over and everything is revoked. */
void cuse_session_ended(struct port *port);
/* Before port->listener is closed: who still has the device open is cut off. */
void cuse_close(struct port *port);
void cuse_free(struct port *port);

/* --- for session*.c --- */

/* The session may have become free for a message. 0 or -ENOMEM. */
int cuse_wake(struct port *port);
/* Hear of its owner's death. 0 or -errno. */
int cuse_watch(struct session *session);
/* Forget the owner. */
void cuse_unwatch(struct session *session);
/* Send session->reply to whoever asked. */
void cuse_answer(struct session *session);
/* That request is over. */
void cuse_forget(struct session *session);
/* What the asker is told: -errno. */
int cuse_error(enum refusal reason);

#endif
