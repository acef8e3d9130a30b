/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a session; its end is in session_end.h. */
#ifndef PRIMARY_SESSION_LIFE_H
#define PRIMARY_SESSION_LIFE_H

#include <stdbool.h>

struct port;
struct session;

/* A front-end is connected; `socket` is the session's from now on, also on failure. 0 or -errno. */
int session_create(struct port *port, int socket);
/* One that lives already (resume.c): memory, not in the loop. NULL: no memory. */
struct session *session_new(struct port *port, int socket);
/* Go on where an earlier life stopped. `revoke`: what is granted does not agree with the draft, so
 * all rings are taken back first. May end it. */
void session_take_over(struct session *session, bool revoke);

#endif
