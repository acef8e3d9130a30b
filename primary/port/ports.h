/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports come and go. Server mode listens on the socket; client mode
 * connects, and tries again forever with back-off (100 ms … 2 s). At most one session at a time;
 * a second client is refused at once, the first one is not disturbed.
 */
#ifndef PRIMARY_PORTS_H
#define PRIMARY_PORTS_H

#include <stdbool.h>
#include <stdint.h>

struct journal_port;
struct port;
struct primary;

/*
 * Create and start a port. `path` NULL or "": RUN_DIR/NAME.sock. *ret_reason (a static or
 * port-owned line that ends with the remedy) when it fails. 0; -EINVAL name or path; -EEXIST;
 * -ENOSPC: all device slots taken; -EADDRINUSE: a live process listens there; -errno of the socket.
 */
int port_add(struct primary *primary, const char *name, const char *path, bool client,
	     uint32_t queue_pairs, const char **ret_reason);
/* The same with a character device /dev/DEVICE (NULL or "": NAME) in place of a socket. One queue
 * pair: 0 or 1. -EOPNOTSUPP: not in this build; -ENOENT: the kernel has none. */
int port_add_cuse(struct primary *primary, const char *name, const char *device,
		  uint32_t queue_pairs, const char **ret_reason);
/* The device was cut off. */
void port_listener_lost(struct port *port, const char *why);
/* A port that an earlier life had (resume.c): its record taken over, the rest is the caller's; then
 * port_go_on. NULL: no memory. */
struct port *port_adopt(struct primary *primary, uint32_t slot, const struct journal_port *record);
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

/* session.c tells: the connection is over and everything is revoked; accept or connect again. */
void port_session_ended(struct port *port);

#endif
