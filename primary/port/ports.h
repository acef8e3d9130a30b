/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports come and go. In server mode one listens on its socket; in client mode it connects, and
 * tries again forever with back-off (100 ms … 2 s). At most one session at a time; a second client
 * is refused at once, the first one is not disturbed.
 */
#ifndef PRIMARY_PORTS_H
#define PRIMARY_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

struct door;
struct journal_port;
struct port;
struct primary;

#define PORT_MAX_QUEUE_PAIRS (HF_SHM_MAX_VRINGS / 2)

/*
 * Create and start a port. `path` NULL or "": RUN_DIR/NAME.sock. *ret_reason (a static or
 * port-owned line that ends with the remedy) when it fails. 0; -EINVAL name or path; -EEXIST;
 * -ENOSPC: all device slots taken; -EADDRINUSE: a live process listens there; -errno of the socket.
 */
int port_add(struct primary *primary, const char *name, const char *path, bool client,
	     uint32_t queue_pairs, const char **ret_reason);

/* Whom a rule let in leaves the last quarter of the places to those who may all. Is there another
 * one for it? And why not. */
bool port_may_be_added_by_rule(const struct primary *primary);
extern const char port_last_places[];

/* A port that an earlier life had (resume.c): its record taken over, the rest is the caller's; then
 * port_go_on. NULL: no memory. */
struct port *port_adopt(struct primary *primary, uint32_t slot, const struct journal_port *record,
			const struct door *door);
void port_go_on(struct port *port);
/* What their sessions waited for is in the store. */
void port_stored_all(struct primary *primary);
/* Remove: the session ends, vrings are revoked first; port_find does not find it any more, and it
 * is freed when that is done (at once without a session). 0 or -ENOENT. */
int port_del(struct primary *primary, const char *name);
/* The same, of one that its name does not find: another may have it by now. */
void port_stop(struct port *port, const char *why);
/* Orderly end: no new sessions, the present ones are ended (revoked first). */
void port_stop_all(struct primary *primary);
/* Is no session left? */
bool port_all_idle(const struct primary *primary);
/* Is no session in the middle of a message? */
bool port_all_at_rest(const struct primary *primary);
/* All ports at once, at the end of the primary's life: sockets removed, nothing waits. */
void port_destroy_all(struct primary *primary);

/* Why -EOPNOTSUPP: a request for a kind of port that no message has. */
extern const char port_no_such_kind[];

/* --- for doors --- */

/* May there be one of that name? What can be said without a port. 0 or -errno with *ret_reason. */
int port_check_new(const struct primary *primary, const char *name, const char **ret_reason);
/* 0; -ENOMEM or -EOPNOTSUPP with *ret_reason. */
int port_new(struct primary *primary, const char *name, const struct door *door,
	     uint32_t queue_pairs, struct port **ret_port, const char **ret_reason);
/* One that was not started. */
void port_abandon(struct port *port);
/* Its path is there. It is freed on failure. */
int port_start(struct port *port, const char **ret_reason);
/* The session is over and everything is revoked. True: so is the port. */
bool port_session_over(struct port *port);

#endif
