/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a session. */
#ifndef PRIMARY_SESSION_END_H
#define PRIMARY_SESSION_END_H

#include <stdbool.h>

#include "refusal.h"

struct session;

/* End it; the port is told when all is revoked, maybe before this returns. */
void session_end(struct session *session, const char *why);
/* Because of what came, or did not: counted and said. `what` came. */
void session_end_refused(struct session *session, enum refusal reason, const char *what);
/* At the end of the primary's life: free without waiting and without telling the port. */
void session_destroy(struct session *session);
/* Has the other side closed (whatever is left to read)? */
bool session_peer_gone(const struct session *session);

#endif
