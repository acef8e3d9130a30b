/* SPDX-License-Identifier: Apache-2.0 */
/* A message that has to wait for a revocation. */
#ifndef PRIMARY_SESSION_WAIT_H
#define PRIMARY_SESSION_WAIT_H

#include "session.h"

/* Take back one vring or all, then go on in `resume`, maybe before this returns. */
enum vu_outcome session_revoke(struct session *session, int vring, vu_resume *resume);
/* The same in two halves, for a revocation that another call starts: it gets what
 * session_prepare returns, and session_await goes on when that is done. */
struct revocation *session_prepare(struct session *session);
enum vu_outcome session_await(struct session *session, vu_resume *resume);

#endif
