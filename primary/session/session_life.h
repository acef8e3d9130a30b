/* SPDX-License-Identifier: Apache-2.0 */
/* A session from its connection to its end. */
#ifndef PRIMARY_SESSION_LIFE_H
#define PRIMARY_SESSION_LIFE_H

#include <stdbool.h>

struct port;
struct session;

/* A front-end is connected; `socket` is the session's from now on, also on failure. 0 or -errno. */
int session_create(struct port *port, int socket);
/* The parts of session_create, for one that lives already (resume.c): memory, not in the loop. */
struct session *session_new(struct port *port, int socket);
int session_watch(struct session *session);
/* Go on where an earlier life stopped. `revoke`: what is granted does not agree with the draft, so
 * all rings are taken back first. May end it. */
void session_take_over(struct session *session, bool revoke);
/* End it; port_session_ended is called when all is revoked, maybe before this returns. */
void session_end(struct session *session, const char *why);
/* At the end of the primary's life: free without waiting and without telling the port. */
void session_destroy(struct session *session);
/* Has the other side closed (whatever is left to read)? */
bool session_peer_gone(const struct session *session);

#endif
